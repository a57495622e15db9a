"""Hold, transfer and parking by the keys of each maker's phones: the same comes of it, whatever they send."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from features.parking import feature as parking
from pbx.phone import Phone, PhoneCall
from pbx.phone_models import OTHERS, Quirk, model_of
from pbx.phone_transfer import Refer
from tests.journeys.phone_habits import HABITS, Habits, Leaving
from tests.journeys.talking import MUSIC, assert_talk, connect, listen
from tests.journeys.test_hold import hold
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter

EACH_MAKER = pytest.mark.parametrize("habits", HABITS, ids=lambda habits: habits.maker)
LATE_SECONDS = 6.0
"""Later than the system waits for a transferor to hang up."""


@dataclass
class Desk:
    """Lee (100), whose phone has habits, talks to Richardson (101); Taylor (102) answers every call."""

    office: Office
    folder: Path
    phones: list[Phone]
    calls: tuple[PhoneCall, PhoneCall]

    async def hear(self, *calls: PhoneCall) -> list[set[int]]:
        """What each hears."""
        await asyncio.sleep(0.3)
        return await listen(self.folder, *calls)

    async def press_transfer(self, habits: Habits) -> None:
        """What the transfer key sends before anything is dialled."""
        if habits.holds_first:
            hold(self.calls[0], habits.hold)
            await asyncio.sleep(0.3)

    async def leave(self, habits: Habits, refer: Refer) -> None:
        """Hang up as the phone does, once it has sent its REFER; nobody else has to."""
        call = self.calls[0]
        assert await refer.response() == 202
        if habits.leaves is not Leaving.AT_ONCE:
            assert await refer.outcome() == 200
        if habits.leaves is Leaving.LATE:
            await asyncio.sleep(LATE_SECONDS)
        call.hang_up()
        assert await call.over() == 200

    async def assert_over(self, *calls: PhoneCall) -> None:
        """Everybody hangs up, and nothing is left."""
        calls[0].hang_up()
        for call in calls:
            assert await call.over() == 200
        await self.office.settle()


@pytest.fixture
def desk(make_office: Callable[..., Office], tmp_path: Path) -> Desk:
    office = make_office(features=[parking], prompts=Prompter(tmp_path))

    async def talk() -> Desk:
        await office.open()
        phones = [await office.phone(number) for number in ("100", "101", "102")]
        calls = await connect(phones[0], "101", phones[1])
        await assert_talk(tmp_path, *calls)
        phones[2].auto_answer = True
        return Desk(office, tmp_path, phones, calls)

    return office.simulation.run(talk())


def the_call_of(phone: Phone) -> PhoneCall:
    (call,) = phone.calls
    return call


@EACH_MAKER
def test_the_makers_are_known_and_what_their_manuals_say_is_in_the_table(habits: Habits) -> None:
    model = model_of(habits.agent)
    assert model is not OTHERS
    assert habits.maker in model.maker
    assert (habits.leaves is Leaving.LATE) == (Quirk.LEAVES_TRANSFERS_LATE in model.quirks)


@pytest.mark.row("CORE-14", "CORE-15")
@EACH_MAKER
async def test_hold_and_resume(desk: Desk, habits: Habits) -> None:
    hold(desk.calls[0], habits.hold)
    assert await desk.hear(*desk.calls) == [set(), {MUSIC}]
    desk.calls[0].resume()
    assert await desk.hear(*desk.calls) == [{1}, {0}]
    await desk.assert_over(*desk.calls)


@pytest.mark.row("CORE-12")
@EACH_MAKER
async def test_blind_transfer(desk: Desk, habits: Habits) -> None:
    await desk.press_transfer(habits)
    await desk.leave(habits, desk.calls[0].transfer("102"))
    await asyncio.sleep(0.5)
    target = the_call_of(desk.phones[2])
    assert await desk.hear(desk.calls[1], target) == [{1}, {0}]
    await desk.assert_over(desk.calls[1], target)


@pytest.mark.row("CORE-13")
@EACH_MAKER
async def test_attended_transfer(desk: Desk, habits: Habits) -> None:
    hold(desk.calls[0], habits.hold)
    await asyncio.sleep(0.3)
    consulted = await desk.phones[0].call("102")
    target = the_call_of(desk.phones[2])
    assert await desk.hear(consulted, target) == [{1}, {0}]
    if habits.holds_consulted:
        hold(consulted, habits.hold)
        assert await desk.hear(target) == [{MUSIC}]
    await desk.leave(habits, desk.calls[0].transfer_to(consulted))
    assert await consulted.over() == 200
    assert await desk.hear(desk.calls[1], target) == [{1}, {0}]
    await desk.assert_over(desk.calls[1], target)


@pytest.mark.row("PARK-01", "PARK-02", "PARK-08")
@EACH_MAKER
async def test_parking(desk: Desk, habits: Habits) -> None:
    await desk.press_transfer(habits)
    await desk.leave(habits, desk.calls[0].transfer("*03"))
    assert await desk.hear(desk.calls[1]) == [{MUSIC}]
    taken = await desk.phones[2].call("*13")
    assert await desk.hear(desk.calls[1], taken) == [{1}, {0}]
    await desk.assert_over(taken, desk.calls[1])
