"""What the history of calls asks to be told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from pbx.happenings import CallConnected, CallEnded, CallQuality, CallStarted, Happenings, PresenceChanged
from pbx.history.history import LATE_SECONDS, STILL_SECONDS, History
from pbx.history.journal import Journal
from tests.unit.pbx.history.test_journal import STARTED


def test_history_asks_for_calls_and_not_for_what_costs_much_to_find_out() -> None:
    happenings = Happenings()
    nowhere = cast(Any, None)  # the store is not needed before a call has ended
    History(happenings, nowhere, partial(datetime.now, UTC), keep_days=0)
    assert all(map(happenings.wanted, (CallStarted, CallConnected, CallEnded, CallQuality)))
    assert not happenings.wanted(PresenceChanged)


class Away:
    """A store that takes everything, and writes nothing."""

    durable, noted, settled = True, 0, 0

    def note(self, change: object, *, at_once: bool) -> None:
        self.noted += 1

    def __len__(self) -> int:
        return self.noted


class FoundFull(Journal):
    """Finds out that it is full, as its thread may do, right after it was asked."""

    asked = 0

    @property
    def full(self) -> bool:
        self.asked += 1
        return self.asked > 4


async def test_a_call_that_is_over_is_kept_where_the_journal_is_found_full_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pbx.history.history.LATE_SECONDS", 0.0)
    journal = FoundFull(tmp_path / "calls.journal")
    history = History(Happenings(), cast(Any, Away()), partial(datetime.now, UTC), keep_days=0, journal=journal)
    history._add(STARTED)
    for _ in range(6):  # the second line has the record; whoever asks twice a line is told another thing in the third
        history._write_journal()
        assert STARTED.call in [record.call for record in journal.recover()] or journal.asked == 1
    history.stop()


async def test_the_journal_has_how_a_call_ended_only_where_the_store_is_slow(tmp_path: Path) -> None:
    """Most often the store has it by then, and to write it twice costs nearly as much again."""
    journal = Journal(tmp_path / "calls.journal")
    history = History(Happenings(), cast(Any, Away()), partial(datetime.now, UTC), keep_days=0, journal=journal)
    history._add(STARTED)
    for _ in range(3):
        history._write_journal()
    assert journal.recover() == ()
    await asyncio.sleep(LATE_SECONDS + 2 * STILL_SECONDS)
    assert journal.recover() == (STARTED,)
    history.stop()
