"""Records of calls: they tell the lists of each user, outlive a restart, and go when they are old."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pbx.history.record import CallList
from pbx.store import calls
from tests.journeys.talking import connect, couple
from tests.simulation.office import EPOCH, Office


async def lists_of(office: Office, number: str) -> dict[CallList, list[str]]:
    """Whom an extension finds in each list: callers, or what it dialled itself."""
    return {
        kind: [
            call.dialled if kind is CallList.OUTBOUND else call.caller
            for call in await office.switch.history.latest(number, kind)
        ]
        for kind in CallList
    }


@pytest.mark.row("MYP-21")
async def test_calls_are_in_the_lists_of_both(office: Office) -> None:
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    await asyncio.sleep(10)
    outgoing.hang_up()
    await incoming.over()
    unanswered = richardson.dial("100")
    await lee.incoming()
    unanswered.hang_up()
    await office.settle()
    assert await lists_of(office, "100") == {
        CallList.OUTBOUND: ["101"],
        CallList.RECEIVED: [],
        CallList.MISSED: ["101"],
    }
    assert await lists_of(office, "101") == {
        CallList.OUTBOUND: ["100"],
        CallList.RECEIVED: ["100"],
        CallList.MISSED: [],
    }
    missed, answered = await office.switch.history.latest()
    assert (answered.caller_name, answered.answered_by, answered.status) == ("Lee Parker", "101", 200)
    assert answered.talk_seconds == pytest.approx(10, abs=0.5)
    assert answered.started_at == EPOCH + timedelta(
        seconds=answered.started_at.timestamp() - EPOCH.timestamp()
    )
    assert (missed.answered_by, missed.talk_seconds, missed.status) == ("", 0.0, 487)


async def test_calls_outlive_a_restart_with_how_they_sounded(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    office = make_office(database=tmp_path / "myphone.db")
    await office.open()
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    for call in (outgoing, incoming):
        call.play_tone(440)
    await asyncio.sleep(10)
    await office.restart()
    [record] = await office.switch.history.latest("101", CallList.RECEIVED)
    assert record.caller == "100"
    qualities = await office.switch.store.fetch(
        lambda connection: calls.qualities_of(connection, call=record.call)
    )
    assert {quality.extension for quality in qualities} == {"100", "101"}
    assert all(quality.packets > 400 for quality in qualities)


async def test_old_calls_are_forgotten(
    make_office: Callable[..., Office], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = make_office(database=tmp_path / "myphone.db")
    await office.open()
    lee, richardson = await couple(office)
    outgoing, _ = await connect(lee, "101", richardson)
    outgoing.hang_up()
    await office.settle()
    for days, kept in ((364, 1), (366, 0)):
        monkeypatch.setattr("tests.simulation.office.EPOCH", EPOCH + timedelta(days=days))
        await office.restart()
        assert len(await office.switch.history.latest()) == kept
