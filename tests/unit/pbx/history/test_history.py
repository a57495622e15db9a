"""What the history of calls asks to be told."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from pbx.happenings import CallConnected, CallEnded, CallQuality, CallStarted, Happenings, PresenceChanged
from pbx.history.history import BATCH, BATCH_SECONDS, JOURNAL_SECONDS, STILL_SECONDS, History
from pbx.history.journal import Journal
from pbx.store import calls
from pbx.store.database import Database
from pbx.store.store import Store
from tests.unit.pbx.history.test_journal import STARTED
from tests.unit.pbx.store.test_store import Flaky

HEARD = dict.fromkeys(("loss", "jitter_ms", "mos", "remote_loss", "remote_jitter_ms", "remote_mos"), 0.25)
QUALITY = CallQuality(at=STARTED.ended_at, call="c", extension="100", packets=1, sent=2, round_trip_ms=None, **HEARD)


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
        return self.asked > 2


async def test_a_call_that_is_over_is_kept_where_the_journal_is_found_full_in_the_middle(
    tmp_path: Path,
) -> None:
    journal = FoundFull(tmp_path / "calls.journal")
    history = History(Happenings(), cast(Any, Away()), partial(datetime.now, UTC), keep_days=0, journal=journal)
    history._add(lambda: STARTED)
    history._flush()
    for _ in range(6):  # the first line has the record; whoever asks twice a line is told another thing in the second
        history._write_journal()
        assert journal.recover() == (STARTED,)
    history.stop()


async def test_the_journal_has_how_the_last_calls_ended_where_the_store_takes_nothing_at_a_stop(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "calls.journal")
    history = History(Happenings(), cast(Any, Away()), partial(datetime.now, UTC), keep_days=0, journal=journal)
    history._add(lambda: STARTED)
    history.stop()
    assert journal.recover() == (STARTED,)


async def test_a_stop_leaves_all_ends_in_the_journal_where_a_part_of_a_line_could_be_written_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full for a moment, and the store takes nothing: behind that part nothing could be read."""
    journal = Journal(tmp_path / "calls.journal")
    history = History(Happenings(), cast(Any, Away()), partial(datetime.now, UTC), keep_days=0, journal=journal)
    history._add(lambda: STARTED)
    with monkeypatch.context() as full:
        write = os.write
        full.setattr("pbx.history.journal.os.write", lambda file, data: write(file, data[:20]))
        history._write_journal()
    other = replace(STARTED, call="other")
    history._add(lambda: other)
    history.stop()
    assert journal.recover() == (STARTED, other)


async def test_the_journal_stays_where_the_store_has_lost_anything_before_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pbx.store.store.MAX_NOTES", 0)
    journal, database = Journal(tmp_path / "calls.journal"), Flaky()
    database.durable = True
    store = Store(database)
    history = History(Happenings(), store, partial(datetime.now, UTC), keep_days=0, journal=journal)
    history.start()
    history._add(lambda: STARTED)
    history.stop()
    await store.close()
    history.store_closed()
    assert journal.recover() == (STARTED,)


async def test_the_journal_stays_where_a_call_has_not_ended_by_a_stop(tmp_path: Path) -> None:
    journal, database, happenings = Journal(tmp_path / "calls.journal"), Flaky(), Happenings()
    database.durable = True
    store = Store(database)
    history = History(happenings, store, partial(datetime.now, UTC), keep_days=0, journal=journal)
    history.start()
    happenings.tell(CallStarted(at=datetime.now(UTC), call="c", caller="100", callee="101", internal=True))
    await asyncio.sleep(JOURNAL_SECONDS + 0.01)
    history.stop()
    await store.close()
    history.store_closed()
    assert [record.call for record in journal.recover()] == ["c"]


async def test_a_start_that_fails_before_it_has_read_the_journal_leaves_it(tmp_path: Path) -> None:
    journal, store = Journal(tmp_path / "calls.journal"), Store(Flaky())
    journal.append(STARTED.ended_at, [STARTED])
    history = History(Happenings(), store, partial(datetime.now, UTC), keep_days=0, journal=journal)
    history.stop()
    await store.close()
    history.store_closed()
    assert journal.recover() == (STARTED,)


async def test_the_journal_has_how_a_call_ended_before_the_store(tmp_path: Path) -> None:
    """Which is given it a good while later; and once."""
    file = tmp_path / "calls.journal"
    journal = Journal(file)
    history = History(Happenings(), cast(Any, Away()), partial(datetime.now, UTC), keep_days=0, journal=journal)
    history._add(lambda: STARTED)
    await asyncio.sleep(JOURNAL_SECONDS + 0.01)
    assert journal.recover() == (STARTED,)
    assert history._store.noted == 0
    await asyncio.sleep(BATCH_SECONDS + 2 * STILL_SECONDS)
    assert journal.recover() == (STARTED,)
    assert file.read_text().count('"101"') == file.read_text().splitlines()[0].count('"101"')
    history.stop()
    history._add(lambda: STARTED)  # somebody who is late
    await asyncio.sleep(JOURNAL_SECONDS + 0.01)


async def test_calls_that_the_journal_knows_count_among_those_that_wait_for_the_store(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "calls.journal")
    history = History(Happenings(), cast(Any, Away()), partial(datetime.now, UTC), keep_days=0, journal=journal)
    for number in range(2 * BATCH):
        history._add(partial(replace, STARTED, call=f"c{number}"))
        if number % (BATCH // 2) == 0:
            history._write_journal()
    assert history._store.noted == 1, "the first batch, though no time has passed"
    history.stop()


async def test_a_call_whose_record_cannot_be_made_costs_no_other_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path / "calls.journal")
    history = History(Happenings(), cast(Any, Away()), partial(datetime.now, UTC), keep_days=0, journal=journal)
    history._add(partial(replace, STARTED, nothing="such"))
    history._add(lambda: STARTED)
    history._write_journal()
    assert journal.recover() == (STARTED,)
    assert "a call that has ended has no record" in caplog.text
    history.stop()


async def test_a_leg_whose_sound_cannot_be_entered_costs_no_other_its_own(caplog: pytest.LogCaptureFixture) -> None:
    database = Database.memory()
    database.durable = True
    happenings, store = Happenings(), Store(database)
    history = History(happenings, store, partial(datetime.now, UTC), keep_days=0)
    history._add(lambda: STARTED)
    heard = replace(QUALITY, call=STARTED.call)
    happenings.tell(replace(heard, at=heard.at.replace(tzinfo=None)))
    happenings.tell(heard)
    await asyncio.sleep(2 * BATCH_SECONDS)
    assert store.read(partial(calls.qualities_of, call=STARTED.call)) == [heard]
    assert "how a leg of a call sounded is not kept" in caplog.text
    history.stop()


async def test_how_a_call_sounded_is_entered_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """To enter it later costs several times as much; but whoever reads waits for nothing."""
    late: list[int] = []
    monkeypatch.setattr(calls, "_add_legs", lambda legs, connection: late.append(len(legs)))
    database = Database.memory()
    database.durable = True
    happenings, store = Happenings(), Store(database)
    history = History(happenings, store, partial(datetime.now, UTC), keep_days=0)
    for number in range(3 * BATCH):
        history._add(partial(replace, STARTED, call=f"c{number}"))
        await asyncio.sleep(0.01)
        happenings.tell(replace(QUALITY, call=f"c{number}"))
    await asyncio.sleep(BATCH_SECONDS + 0.01)
    kept = [f"c{number}" for number in range(3 * BATCH)]
    assert store.read(partial(calls.qualities, calls=kept)) == {call: [replace(QUALITY, call=call)] for call in kept}
    assert late == []
    history._add(partial(replace, STARTED, call="read at once"))
    assert "read at once" in [record.call for record in await history.latest(limit=4 * BATCH)]
    happenings.tell(replace(QUALITY, call="read at once"))
    await asyncio.sleep(BATCH_SECONDS + 0.01)
    assert late == [1]
    history.stop()
