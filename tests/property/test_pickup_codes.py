"""Pick-ups by code in races: whoever calls has one other at last, and nothing is left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

import pytest

from features.pickup import feature as pickup
from pbx.happenings import CallConnected
from tests.property.test_call_histories import no_errors
from tests.property.test_named_races import NamedRaces
from tests.simulation.simulation import Simulation

SCHEDULES = 100


class PickupRaces(NamedRaces):
    """An office whose people take each other's calls."""

    numbers = ("100", "101", "102", "104")

    def __init__(self, simulation: Simulation, dice: Random) -> None:
        super().__init__(simulation, dice, pickup)


async def answer_against_pick_up(races: PickupRaces) -> None:
    """Lee talks to Richardson or to Taylor."""
    lee, richardson, taylor, _ = races.phones
    _, incoming = await races.ring()
    await races.at_once(incoming.answer, lambda: taylor.dial("*20*101"))
    assert [races.talking(phone) for phone in (lee, richardson, taylor)] in ([1, 1, 0], [1, 0, 1])
    assert len(races.office.told_of(CallConnected)) == 1


async def two_pick_ups(races: PickupRaces) -> None:
    """Lee talks to Taylor or to Bell."""
    lee, richardson, taylor, bell = races.phones
    await races.ring()
    await races.at_once(lambda: taylor.dial("*20*101"), lambda: bell.dial("*20*"))
    talking = [races.talking(phone) for phone in (lee, richardson, taylor, bell)]
    assert talking in ([1, 0, 1, 0], [1, 0, 0, 1])
    assert len(races.office.told_of(CallConnected)) == 1


async def cancel_against_pick_up(races: PickupRaces) -> None:
    """Taylor has nobody in the end."""
    outgoing, _ = await races.ring()
    await races.at_once(outgoing.hang_up, lambda: races.phones[2].dial("*20*"))
    assert not any(races.talking(phone) for phone in races.phones)


@pytest.mark.row("PICK-05", "PICK-06")
@pytest.mark.parametrize("race", [answer_against_pick_up, two_pick_ups, cancel_against_pick_up])
def test_one_winner_and_nothing_left(race: Callable[[PickupRaces], Awaitable[None]], seed: int) -> None:
    async def story() -> None:
        races = PickupRaces(simulation, Random(seed))
        await races.open()
        for _ in range(SCHEDULES):
            await races.play_one(race)  # type: ignore[arg-type]
        await races.close()

    with no_errors(), Simulation(seed) as simulation:
        simulation.run(story(), longest_seconds=float("inf"))
