"""Calls that are going on when the process is killed are in everybody's lists afterwards."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from features.echo import feature as echo
from pbx.happenings import CallEnded, Happenings
from pbx.history.chronicle import SYSTEM_STOPPED
from pbx.history.history import History
from pbx.history.journal import FILE, Journal
from pbx.history.record import CallList, CallRecord
from pbx.store import calls
from pbx.store.store import Store
from tests.journeys.commands import Run
from tests.journeys.talking import connect, couple
from tests.journeys.test_live_commands import System
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]


class AfterAKill:
    """What the next start finds if the process is killed now."""

    def __init__(self, office: Office, folder: Path) -> None:
        assert isinstance(office.database, Path)
        shutil.copytree(office.database.parent, folder)
        self.store = Store.open(folder / "myphone.db")
        journal = Journal(folder / FILE)
        History(Happenings(), self.store, office.switch.environment.wall, 0, journal).start()
        assert not (folder / FILE).exists()

    def records(self, number: str | None = None, kind: CallList | None = None) -> list[CallRecord]:
        return self.store.read(partial(calls.calls, number=number, kind=kind))

    def lists(self, number: str) -> dict[CallList, list[str]]:
        """What was dialled of the calls in each list that has any."""
        found = {kind: [record.dialled for record in self.records(number, kind)] for kind in CallList}
        return {kind: dialled for kind, dialled in found.items() if dialled}


async def begun(make_office: MakeOffice, folder: Path) -> Office:
    (folder / "data").mkdir()
    office = make_office(database=folder / "data" / "myphone.db", features=[echo])
    await office.open()
    return office


@pytest.mark.row("MYP-22", "MYP-23")
async def test_whoever_was_in_a_call_finds_it_in_one_list(make_office: MakeOffice, tmp_path: Path) -> None:
    office = await begun(make_office, tmp_path)
    lee, richardson = await couple(office)
    taylor, miller = await office.phone("102"), await office.phone("103")
    talking, _ = await connect(lee, "101", richardson)
    await asyncio.sleep(100)
    ringing = taylor.dial("103")
    await miller.incoming()
    echoed = taylor.dial("*777")
    await asyncio.sleep(2)
    left = AfterAKill(office, tmp_path / "left")
    try:
        assert left.lists("100") == {CallList.OUTBOUND: ["101"]}
        assert left.lists("101") == {CallList.RECEIVED: ["101"]}
        assert left.lists("102") == {CallList.OUTBOUND: ["*777", "103"]}
        assert left.lists("103") == {CallList.MISSED: ["103"]}
        records = {record.dialled: record for record in left.records()}
        talked = records["101"]
        assert {record.reason for record in records.values()} == {SYSTEM_STOPPED}
        assert [records[each].status for each in ("101", "103", "*777")] == [200, 503, 200]
        assert (talked.answered_by, records["*777"].feature, records["103"].talk_seconds) == ("101", "echo", 0)
        assert talked.talk_seconds == pytest.approx(102, abs=1)
        assert talked.seconds == pytest.approx((talked.ended_at - talked.started_at).total_seconds())
    finally:
        left.store.abandon()
    for call in (talking, ringing, echoed):
        call.hang_up()
    await office.settle()
    assert {record.reason for record in await office.switch.history.latest()} != {SYSTEM_STOPPED}


async def test_a_call_that_had_ended_has_one_record_with_its_own_end(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    office = await begun(make_office, tmp_path)
    lee, richardson = await couple(office)
    ended, _ = await connect(lee, "101", richardson)
    await asyncio.sleep(3)
    ended.hang_up()
    await asyncio.sleep(1)
    going_on, _ = await connect(lee, "101", richardson)
    await asyncio.sleep(1)
    assert (tmp_path / "data" / FILE).exists()
    left = AfterAKill(office, tmp_path / "left")
    try:
        assert [record.reason == SYSTEM_STOPPED for record in left.records()] == [True, False]
    finally:
        left.store.abandon()
    going_on.hang_up()
    await asyncio.sleep(5)
    assert not (tmp_path / "data" / FILE).exists()  # nothing is going on, so nothing is written


async def test_a_call_that_ended_while_the_store_took_nothing_has_its_own_end(
    make_office: MakeOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pbx.store.database.LOCK_SECONDS", 0.01)
    office = await begun(make_office, tmp_path)
    lee, richardson = await couple(office)
    ended, _ = await connect(lee, "101", richardson)
    await asyncio.sleep(3)
    other = sqlite3.connect(tmp_path / "data" / "myphone.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        ended.hang_up()
        await asyncio.sleep(2)
        [told] = office.told_of(CallEnded)
        soon = AfterAKill(office, tmp_path / "soon")
        await asyncio.sleep(100)
        later = AfterAKill(office, tmp_path / "later")
    finally:
        other.close()
    for left in (soon, later):
        try:
            [record] = left.records()
            assert record.reason == told.reason != SYSTEM_STOPPED
            assert (record.ended_at, record.talk_seconds) == (told.at, told.talk_seconds)
        finally:
            left.store.abandon()


async def test_a_journal_that_is_written_anew_keeps_how_calls_ended_that_the_store_has_not(
    make_office: MakeOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pbx.store.database.LOCK_SECONDS", 0.01)
    monkeypatch.setattr("pbx.history.journal.LONGEST", 1)
    monkeypatch.setattr("pbx.history.history.MOST_UNSETTLED", 2)
    office = await begun(make_office, tmp_path)
    lee, richardson = await couple(office)
    other = sqlite3.connect(tmp_path / "data" / "myphone.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(4):
            call, _ = await connect(lee, "101", richardson)
            await asyncio.sleep(3)
            call.hang_up()
            await asyncio.sleep(3)
        left = AfterAKill(office, tmp_path / "left")
    finally:
        other.close()
    try:
        ends = {told.call: told.reason for told in office.told_of(CallEnded)}
        kept = {record.call: record.reason for record in left.records()}
        assert list(ends)[-2:] == list(kept)[1::-1]  # so many, or more, the latest first
        assert kept.items() <= ends.items()
    finally:
        left.store.abandon()


async def test_how_a_call_ended_the_journal_tells_once(
    make_office: MakeOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More would cost each call something."""
    written: list[calls.Entry] = []
    append = Journal.append

    def noted(journal: Journal, at: datetime, records: Any, over: Any = ()) -> None:
        written.extend(over)
        append(journal, at, records, over)

    monkeypatch.setattr(Journal, "append", noted)
    office = await begun(make_office, tmp_path)
    lee, richardson = await couple(office)
    lasting, _ = await connect(lee, "101", richardson)
    for _ in range(3):
        echoed = await (await office.phone("102")).call("*777")
        await asyncio.sleep(1.1)
        echoed.hang_up()
        await asyncio.sleep(1.1)
    assert len(written) == 3
    lasting.hang_up()
    await office.settle()


async def test_a_start_after_an_orderly_stop_adds_nothing(make_office: MakeOffice, tmp_path: Path) -> None:
    office = await begun(make_office, tmp_path)
    lee, richardson = await couple(office)
    await connect(lee, "101", richardson)
    await asyncio.sleep(3)
    before = office.switch.environment.wall()
    assert (tmp_path / "data" / FILE).exists()
    await office.switch.stop()
    assert not (tmp_path / "data" / FILE).exists()  # a version with another form of it would have to tell of it
    await office.open()
    [record] = await office.switch.history.latest()
    assert record.reason != SYSTEM_STOPPED
    assert record.ended_at >= before


async def test_the_next_start_has_the_ends_of_calls_where_a_stop_found_the_store_away(
    make_office: MakeOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pbx.store.database.LOCK_SECONDS", 0.01)
    office = await begun(make_office, tmp_path)
    lee, richardson = await couple(office)
    ended, _ = await connect(lee, "101", richardson)
    await asyncio.sleep(3)
    other = sqlite3.connect(tmp_path / "data" / "myphone.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        ended.hang_up()
        await asyncio.sleep(2)
        await connect(lee, "101", richardson)  # this one ends with the stop
        await office.switch.stop()
    finally:
        other.close()
    await office.open()
    told = {each.call: (each.at, each.reason) for each in office.told_of(CallEnded)}
    assert len(told) == 2
    records = await office.switch.history.latest()
    assert {record.call: (record.ended_at, record.reason) for record in records} == told
    caplog.clear()  # the stop has said that the database did not answer


def test_a_call_of_real_phones_outlives_a_kill(run: Run, here: str, tmp_path: Path) -> None:
    system = System(run, here, tmp_path)
    richardson = system.phone("101", "battery staple", "--answer")
    lee = system.phone("100", "correct horse", "--call", "101")
    journal = Journal(tmp_path / "data" / FILE)
    while not any(record.talk_seconds for record in journal.recover()):
        assert lee.runs
    system.process.signal(signal.SIGKILL)
    system.process.end()
    for phone in (lee, richardson):
        phone.kill()
    again = System(run, here, tmp_path)
    [outbound] = again.command("calls", "--extension", "100", "--list", "outbound")
    [received] = again.command("calls", "--extension", "101", "--list", "received")
    assert outbound == received
    assert (outbound["reason"], outbound["answered_by"]) == (SYSTEM_STOPPED, "101")
    assert again.command("calls", "--extension", "101", "--list", "missed") == []
    again.stop()
