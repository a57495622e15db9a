"""Races of two deeds, each on a call of its own: the office is opened once, and the deeds cross in many ways.

Each race is played to its end, and 64*T1 later nothing may be left of it. `python -m benchmarks.races` counts how many
schedules a minute that makes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from unittest.mock import patch

import pytest

from features.parking import feature as parking
from pbx.happenings import CallAnswered, CallEnded, CallStarted, CallTransferred
from pbx.plugin import Feature
from sipcore.transport.flow import Address
from tests.property.test_call_histories import no_errors
from tests.property.test_transfer_races import EXTENSIONS, assert_every_leg_is_known
from tests.simulation.handset import Account, Handset, HandsetCall
from tests.simulation.mute import MuteEngine
from tests.simulation.office import PBX, Office, password
from tests.simulation.simulation import Simulation

LONGEST_GAP_SECONDS = 0.004
"""Deeds that are further apart than a message takes to go there and back are none at once."""

Act = Callable[[], object]


class NamedRaces:
    """An office in which one race after another is played."""

    numbers = tuple(EXTENSIONS)
    """Who has a phone."""

    def __init__(self, simulation: Simulation, dice: Random, feature: Feature = parking) -> None:
        self.office = Office(simulation, extensions=EXTENSIONS, features=[feature])
        self.phones: list[Handset] = []
        self._dice = dice

    async def open(self) -> None:
        with patch("media.service.InlineEngine", MuteEngine):
            await self.office.open()
        simulation, server = self.office.simulation, Address(PBX, 5060)
        for place, number in enumerate(self.numbers, 1):
            host = simulation.network.host(f"10.0.1.{place}", f"handset-{number}")
            account = Account(number, password(number))
            self.phones.append(Handset(host, account, server, simulation.dice(number)))
            await self.phones[-1].register()

    async def close(self) -> None:
        for phone in self.phones:
            phone.stop()
        await self.office.close()

    async def play_one(self, race: Callable[[NamedRaces], Awaitable[None]]) -> None:
        """One schedule: nobody is lost, and nothing is left."""
        self.office.told.clear()
        await race(self)
        assert_every_leg_is_known(self.office)
        for _ in range(2):
            for phone in self.phones:
                for call in list(phone.calls.values()):
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

    async def ring(self) -> tuple[HandsetCall, HandsetCall]:
        """Lee calls Richardson."""
        lee, richardson, *_ = self.phones
        return lee.dial("101"), await richardson.incoming()

    async def talk(self) -> tuple[HandsetCall, HandsetCall]:
        """And he has answered."""
        outgoing, incoming = await self.ring()
        incoming.answer()
        await outgoing.answered()
        return outgoing, incoming

    def talking(self, phone: Handset) -> int:
        """In how many answered calls a phone is."""
        return sum(call.talks for call in phone.calls.values())


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
    replaces = f"Replaces: {incoming.as_lamps_tell}\r\n"
    await races.at_once(incoming.answer, lambda: taylor.dial("101", replaces))
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
    assert [call.changing for call in (outgoing, incoming)] == [False, False]
    assert all(leg.holds for number in ("100", "101") for leg in races.office.switch.legs.of(number))


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
        await races.close()

    with no_errors(), Simulation(seed) as simulation:
        simulation.run(story(), longest_seconds=float("inf"))


@pytest.mark.row("CORE-12")
@pytest.mark.parametrize("race", RACES)
def test_one_winner_and_nothing_left(race: Callable[[NamedRaces], Awaitable[None]], seed: int) -> None:
    play(race, 100, seed)
