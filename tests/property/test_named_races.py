"""Races of two deeds, each on a call of its own: the office is opened once, and the deeds cross in many ways.

Each race is played to its end, and 64*T1 later nothing may be left of it. `python -m benchmarks.races` counts how many
schedules a minute that makes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from features.parking import feature as parking
from pbx.happenings import CallAnswered, CallEnded, CallStarted, CallTransferred
from pbx.leg import LegState
from pbx.phone import Phone, PhoneCall
from pbx.plugin import Feature
from tests.property.test_call_histories import no_errors
from tests.property.test_transfer_races import EXTENSIONS, Race, far
from tests.simulation.impairment import LAN
from tests.simulation.simulation import Simulation

LONGEST_GAP_SECONDS = 0.004
"""Deeds that are further apart than a message takes to go there and back are none at once."""

Act = Callable[[], object]


class NamedRaces(Race):
    """An office in which one race after another is played."""

    def __init__(self, simulation: Simulation, dice: Random, feature: Feature = parking) -> None:
        super().__init__(simulation, LAN, feature)
        self._dice = dice

    async def open(self) -> None:
        await self.office.open()
        self.phones = [await self.office.phone(number) for number in EXTENSIONS]

    async def play_one(self, race: Callable[[NamedRaces], Awaitable[None]]) -> None:
        """One schedule: nobody is lost, and nothing is left."""
        self.office.told.clear()
        await race(self)
        self.assert_nobody_is_lost()
        for _ in range(2):
            for phone in self.phones:
                for call in list(phone.calls):
                    call.hang_up()
            await asyncio.sleep(0.2)
        await self.office.settle()
        told = self.office.told_of
        assert sorted(one.call for one in told(CallStarted)) == sorted(one.call for one in told(CallEnded))
        assert not any(phone.calls for phone in self.phones)

    async def at_once(self, *acts: Act) -> None:
        """All of them within a moment, in any order; then what they began comes to its end."""
        moments = sorted((self._dice.random() * LONGEST_GAP_SECONDS, index) for index in range(len(acts)))
        passed = 0.0
        for moment, index in moments:
            await asyncio.sleep(moment - passed)
            passed = moment
            acts[index]()
        await asyncio.sleep(0.1)

    async def ring(self) -> tuple[PhoneCall, PhoneCall]:
        """Lee calls Richardson."""
        lee, richardson, *_ = self.phones
        return lee.dial("101"), await richardson.incoming()

    async def talk(self) -> tuple[PhoneCall, PhoneCall]:
        """And he has answered."""
        outgoing, incoming = await self.ring()
        incoming.answer()
        await outgoing.answered()
        return outgoing, incoming

    def talking(self, phone: Phone) -> int:
        """In how many answered calls a phone is."""
        return sum(call.leg.state is LegState.ANSWERED for call in phone.calls)


async def answer_against_cancel(races: NamedRaces) -> None:
    """Either both talk, and then the BYE ends it, or none did: either way it is over for both."""
    outgoing, incoming = await races.ring()
    await races.at_once(incoming.answer, outgoing.hang_up)
    assert not any(races.talking(phone) for phone in races.phones)
    assert len(races.office.told_of(CallEnded)) == 1


async def pick_up_against_answer(races: NamedRaces) -> None:
    """One of the two has Lee."""
    lee, richardson, taylor = races.phones
    _, incoming = await races.ring()
    replaces = [("Replaces", str(far(incoming)))]
    await races.at_once(incoming.answer, lambda: taylor.dial("101", headers=replaces))
    talking = [races.talking(phone) for phone in (lee, richardson, taylor)]
    assert talking in ([1, 1, 0], [1, 0, 1])
    assert len(races.office.told_of(CallAnswered)) == 1


async def two_transfers_at_once(races: NamedRaces) -> None:
    """Both ends send the other to Taylor: one of them does, and may hang up then."""
    outgoing, incoming = await races.talk()
    await races.at_once(lambda: outgoing.transfer("102"), lambda: incoming.transfer("102"))
    (await races.phones[2].incoming()).answer()
    await asyncio.sleep(0.1)
    assert races.talking(races.phones[2]) == 1
    assert len(races.office.told_of(CallTransferred)) == 1


async def glare(races: NamedRaces) -> None:
    """Both put the other on hold: both are, at last."""
    outgoing, incoming = await races.talk()
    await races.at_once(outgoing.hold, incoming.hold)
    await asyncio.sleep(5)
    assert [races.talking(phone) for phone in races.phones] == [1, 1, 0]
    for call in (outgoing, incoming):
        assert call.leg.session is not None
        assert call.leg.session.can_change


async def bye_across_refer(races: NamedRaces) -> None:
    """Lee transfers Richardson, who hangs up: nobody talks to anybody, and Taylor's phone rings for nobody."""
    outgoing, incoming = await races.talk()
    await races.at_once(lambda: outgoing.transfer("102"), incoming.hang_up)
    await asyncio.sleep(1)
    assert not races.talking(races.phones[1])
    assert not races.phones[2].calls


RACES = (answer_against_cancel, pick_up_against_answer, two_transfers_at_once, glare, bye_across_refer)


def play(race: Callable[[NamedRaces], Awaitable[None]], schedules: int, seed: int) -> None:
    """So many schedules in one office."""

    async def story() -> None:
        races = NamedRaces(simulation, Random(seed))
        await races.open()
        for _ in range(schedules):
            await races.play_one(race)
        await races.office.close()

    with no_errors(), Simulation(seed) as simulation:
        simulation.run(story(), longest_seconds=float("inf"))


@pytest.mark.row("CORE-12")
@pytest.mark.parametrize("race", RACES)
def test_one_winner_and_nothing_left(race: Callable[[NamedRaces], Awaitable[None]], seed: int) -> None:
    play(race, 100, seed)
