"""Whenever the system is killed, the next start finds each call once, in the lists of everybody in it."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Connection

from pbx.happenings import (
    CallAnswered,
    CallConnected,
    CallEnded,
    CallQuality,
    CallRang,
    CallStarted,
    Happenings,
)
from pbx.history.history import JOURNAL_SECONDS, History
from pbx.history.journal import Journal
from pbx.history.record import CallRecord
from pbx.store import calls
from pbx.store.store import Store
from tests.unit.pbx.store.test_store import Flaky

AT = datetime(2026, 1, 2, tzinfo=UTC)
MOMENTS = 100
MANY = 100_000
INSTANT = 0.001
KNOWN_SECONDS = JOURNAL_SECONDS + INSTANT
"""After so long a call is known, and how it ended, whatever happens; and for `INSTANT` nobody can say who is first."""


def quality(at: datetime, call: str) -> CallQuality:
    heard = dict.fromkeys(("loss", "jitter_ms", "mos", "remote_loss", "remote_jitter_ms", "remote_mos"))
    return CallQuality(at=at, call=call, extension="100", packets=1, sent=1, round_trip_ms=0.5, **heard)


class LookedAt(Exception):
    """Takes back what was done to look."""


class Office:
    """Calls of 100 to 101, and what would be known of them if the system were killed now."""

    def __init__(self, random: Random, journal: Path) -> None:
        self._random, self._journal = random, Journal(journal)
        self.database = Flaky()
        self.database.durable = True
        self._happenings = Happenings()
        self.history = History(self._happenings, Store(self.database), self._wall, 0, self._journal)
        self.began: dict[str, float] = {}
        self.ended: dict[str, tuple[float, bool]] = {}
        """When, and whether it was answered."""

    async def call(self) -> None:
        """Begin one, answer it or not, and end it."""
        tell, choose = self._happenings.tell, self._random.choice
        call = f"{len(self.began):016x}"
        self.began[call] = self.now
        tell(CallStarted(at=self._wall(), call=call, caller="100", callee="101", internal=True))
        tell(CallRang(at=self._wall(), call=call, extension="101"))
        await asyncio.sleep(rings := choose((0.0, 0.02, 0.2, 0.7)))
        answered = rings > 0 and self._random.random() < 0.7
        if answered:
            tell(CallAnswered(at=self._wall(), call=call, by="101"))
            tell(CallConnected(at=self._wall(), call=call, to="101"))
            await asyncio.sleep(choose((0.0, 0.05, 0.5, 2.0)))
        tell(CallEnded(at=self._wall(), call=call, reason="Over", status=200 if answered else 486, seconds=1.0))
        self.ended[call] = self.now, answered
        await asyncio.sleep(choose((0.0, 0.1, 0.3)))
        tell(quality(self._wall(), call))

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def _wall(self) -> datetime:
        return AT + timedelta(seconds=self.now)

    def after_a_start(self) -> dict[str, CallRecord]:
        """All records that there were then; each is once in the lists of both."""
        found: dict[str, CallRecord] = {}

        def look(connection: Connection) -> None:
            calls.add_missing(self._journal.recover(), connection)
            found.update({record.call: record for record in calls.calls(connection, limit=MANY)})
            for number in ("100", "101"):
                listed = Counter([each.call for each in calls.calls(connection, number=number, limit=MANY)])
                assert listed == Counter([*found])
            raise LookedAt

        out, self.database.out = self.database.out, False
        with pytest.raises(LookedAt):
            self.database.transact(look)
        self.database.out = out
        return found


@pytest.mark.parametrize("longest", [1, 5_000, 1_000_000])
async def test_whenever_it_is_killed_each_call_is_known_once(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, longest: int
) -> None:
    """However often the journal is written anew, and whether the store takes anything or not."""
    monkeypatch.setattr("pbx.history.journal.LONGEST", longest)
    random = Random(seed)
    office = Office(random, tmp_path / "calls.journal")
    going_on: list[asyncio.Task[None]] = []
    for _ in range(MOMENTS):
        if random.random() < 0.5:
            going_on += [asyncio.create_task(office.call()) for _ in range(random.choice((1, 1, 5)))]
        if random.random() < 0.05:
            office.database.out = not office.database.out
        await asyncio.sleep(random.choice((0.01, 0.1, 0.3, 3.0 if random.random() < 0.1 else 0.05)))
        now, known = office.now, office.after_a_start()
        for call, began in office.began.items():
            ended, answered = office.ended.get(call, (now, False))
            if ended - began > KNOWN_SECONDS:
                assert call in known
            if now - ended > KNOWN_SECONDS:
                assert (known[call].reason, known[call].status) == ("Over", 200 if answered else 486)
                assert [bool(party.answered_at) for party in known[call].parties] == [False, answered]
    office.database.out = False
    await asyncio.gather(*going_on)
    office.history.stop()
