"""Parking on random schedules: whoever was parked is taken, has hung up, or waits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.parking import feature as parking
from pbx.happenings import CallEnded, CallParked, CallRetrieved
from pbx.leg import LegState
from pbx.phone import Phone, PhoneCall
from tests.property.test_call_histories import no_errors
from tests.simulation.office import Office
from tests.simulation.simulation import Simulation

NUMBERS = ("100", "101", "102", "103", "104", "105")
EXTENSIONS = {number: {"busy_detection": "phone"} for number in NUMBERS}


@dataclass(frozen=True)
class Deed:
    """What one phone does, when three pairs talk: call the next, park whom it talks to, take somebody, hang up."""

    phone: int
    deed: str
    orbit: int
    seconds: float


SCHEDULES = st.lists(
    st.builds(
        Deed,
        phone=st.integers(0, len(NUMBERS) - 1),
        deed=st.sampled_from(["call", "park", "park", "park", "take", "take mine", "hang up"]),
        orbit=st.integers(0, 1),
        seconds=st.sampled_from([0.0, 0.001, 0.002, 0.004, 0.5]),
    ),
    max_size=14,
)


class Lot:
    """Six phones that answer, and two orbits with room for two each."""

    def __init__(self, simulation: Simulation) -> None:
        self.office = Office(simulation, extensions=EXTENSIONS, features=[parking], parking={"max_calls": 2})
        self.phones: list[Phone] = []

    async def play(self, schedule: list[Deed]) -> None:
        await self.office.open()
        self.phones = [await self.office.phone(number) for number in NUMBERS]
        for phone in self.phones:
            phone.auto_answer = True
        for caller in (0, 2, 4):
            await self.phones[caller].call(NUMBERS[caller + 1])
        for deed in schedule:
            self.do(deed)
            await asyncio.sleep(deed.seconds)
        await asyncio.sleep(5)
        self.assert_all_are_accounted_for()
        for phone in self.phones:
            for call in list(phone.calls):
                call.hang_up()
        await self.office.settle()
        self.assert_all_are_accounted_for()
        assert len(self.office.switch.parking) == 0
        await self.office.close()

    def do(self, deed: Deed) -> None:
        """A deed that makes no sense now is left alone."""
        phone = self.phones[deed.phone]
        talking = [call for call in in_order(phone) if call.leg.state is LegState.ANSWERED]
        match deed.deed:
            case "call":
                phone.dial(NUMBERS[(deed.phone + 1) % len(NUMBERS)])
            case "park" if talking:
                talking[0].transfer(f"*0{deed.orbit}")
            case "take":
                phone.dial(f"*1{deed.orbit}")
            case "take mine":
                phone.dial(f"*1{deed.orbit}{phone.account.number}")
            case "hang up" if talking:
                talking[-1].hang_up()

    def assert_all_are_accounted_for(self) -> None:
        """What was told of parking agrees with who waits: those not taken and not waiting have hung up."""
        parks, retrievals = (self.office.told_of(kind) for kind in (CallParked, CallRetrieved))
        lot = self.office.switch.parking
        waiting = [parked for orbit in "01" for parked in lot.at(orbit)]
        assert len(waiting) == len(lot)
        assert len(set(waiting)) == len(waiting)
        assert all(not parked.call.ending for parked in waiting)
        abandons = len(parks) - len(retrievals) - len(waiting)
        assert abandons == self.ended_while_parked()

    def ended_while_parked(self) -> int:
        """How many ends of calls came when the last that was told of the call was that it is parked."""
        parked: set[str] = set()
        ends = 0
        for told in self.office.told:
            call = getattr(told, "call", "")
            if isinstance(told, CallParked):
                assert call not in parked, "parked twice without being taken"
                parked.add(call)
            elif isinstance(told, CallRetrieved):
                assert call in parked, "taken without being parked"
                parked.discard(call)
            elif isinstance(told, CallEnded) and call in parked:
                parked.discard(call)
                ends += 1
        return ends


def in_order(phone: Phone) -> list[PhoneCall]:
    return sorted(phone.calls, key=lambda call: call.leg.stream)


@pytest.mark.row("PARK-13")
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), schedule=SCHEDULES)
def test_parks_are_retrievals_and_abandons_and_those_who_wait(seed: int, schedule: list[Deed]) -> None:
    with no_errors(), Simulation(seed) as simulation:
        simulation.run(Lot(simulation).play(schedule))
