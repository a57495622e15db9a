"""How calls sounded: told of each leg after the end, worse where the network is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pbx.happenings import CallEnded, CallQuality, CallStarted, PresenceChanged
from pbx.store.calls import qualities_of
from tests.journeys.talking import connect, couple
from tests.simulation.impairment import LAN, Profile
from tests.simulation.office import Office

LOSSY = Profile(delay_seconds=0.02, jitter_seconds=0.02, loss=0.05)
BEST = 4.4
TALK_SECONDS = 30


async def quality(office: Office, link: Profile = LAN) -> list[CallQuality]:
    """Of a call between Lee (100), on a good network, and Richardson (101)."""
    lee, richardson = await office.phone("100"), await office.phone("101", link=link)
    outgoing, incoming = await connect(lee, "101", richardson)
    outgoing.play_tone(440)
    incoming.play_tone(620)
    await asyncio.sleep(TALK_SECONDS)
    outgoing.hang_up()
    await incoming.over()
    await office.settle()
    return office.told_of(CallQuality)


async def test_each_leg_of_a_call_is_told_once_after_its_end(office: Office) -> None:
    told = await quality(office)
    [started], [ended] = office.told_of(CallStarted), office.told_of(CallEnded)
    assert [each.extension for each in told] == ["100", "101"]
    assert {each.call for each in told} == {started.call}
    after = office.told[office.told.index(ended) + 1 :]
    assert [happening for happening in after if not isinstance(happening, PresenceChanged)] == told
    for each in told:
        assert each.packets == pytest.approx(50 * TALK_SECONDS, rel=0.02)
        assert each.sent == pytest.approx(50 * TALK_SECONDS, rel=0.02)
        assert (each.loss, each.remote_loss) == (0, 0)
        assert each.jitter_ms == pytest.approx(0, abs=0.2)
        assert each.round_trip_ms == pytest.approx(2, abs=0.3)
        assert each.mos == each.remote_mos == pytest.approx(BEST, abs=0.05)


async def test_a_lossy_network_sounds_worse_in_both_directions_and_on_its_own_leg_alone(
    office: Office,
) -> None:
    good, bad = await quality(office, LOSSY)
    assert good.loss == 0
    assert good.mos == pytest.approx(BEST, abs=0.05)
    for loss, mos in ((bad.loss, bad.mos), (bad.remote_loss, bad.remote_mos)):
        assert loss == pytest.approx(0.05, abs=0.03)
        assert mos is not None
        assert 1 < mos < BEST - 0.4
    assert bad.round_trip_ms == pytest.approx(60, abs=25)
    assert bad.jitter_ms is not None
    assert 2 < bad.jitter_ms < 20


async def test_of_a_leg_that_was_never_heard_there_is_no_opinion(office: Office) -> None:
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    await asyncio.sleep(1)
    incoming.hang_up()
    await outgoing.over()
    await office.settle()
    told = office.told_of(CallQuality)
    assert [each.extension for each in told] == ["101", "100"]
    for each in told:
        assert (each.packets, each.loss, each.jitter_ms, each.mos) == (0, None, None, None)
        assert (each.remote_loss, each.remote_mos, each.round_trip_ms) == (None, None, None)


async def test_of_phones_that_never_got_as_far_as_sound_nothing_is_told(office: Office) -> None:
    lee, _ = await couple(office)
    outgoing = lee.dial("101")
    await asyncio.sleep(3)
    outgoing.hang_up()
    await office.settle()
    assert len(office.told_of(CallEnded)) == 1
    assert office.told_of(CallQuality) == []


async def test_how_a_call_sounded_that_a_restart_ends_is_in_its_record(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    """The process that carries the sound tells that a while after the end."""
    office = make_office(database=tmp_path / "kept.db", media={"workers": 2})
    await office.open()
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    outgoing.play_tone(440)
    incoming.play_tone(620)
    await asyncio.sleep(TALK_SECONDS)
    await office.restart()
    [record] = await office.switch.history.latest()
    kept = await office.switch.store.fetch(partial(qualities_of, call=record.call))
    assert {each.extension for each in kept} == {"100", "101"}
    for each in kept:
        assert each.packets == pytest.approx(50 * TALK_SECONDS, rel=0.02)
