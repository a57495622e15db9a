"""Calls outside on random schedules: whatever carriers do and whenever the caller gives up, nothing is left of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.happenings import CallAnswered, CallEnded, CallStarted
from pbx.leg import LegState
from pbx.phone import PhoneCall
from tests.journeys.test_trunks import BACKUP, LINES, tables
from tests.simulation.carrier import SECOND, Carrier, carrier
from tests.simulation.impairment import INTERNET, LAN, WIRELESS
from tests.simulation.office import Office
from tests.simulation.simulation import Simulation

MOMENTS = [0.0, 0.001, 0.002, 0.003, 0.004, 0.005, 0.02, 0.1, 0.5, 1.0, 3.0, 6.0, 6.001, 7.0]


@dataclass(frozen=True)
class Conduct:
    """What a carrier does with a call: ring or not, wait, and then answer, refuse, or do nothing at all."""

    rings: bool
    seconds: float
    answer: int | None
    """200, a refusal, or None."""
    away: bool = False


conducts = st.builds(
    Conduct,
    rings=st.booleans(),
    seconds=st.sampled_from(MOMENTS),
    answer=st.sampled_from([200, 200, 486, 404, 500, 503, 302, 401, None]),
    away=st.sampled_from([False, False, False, True]),
)


async def serve(found: Carrier, conduct: Conduct) -> None:
    """Treat every call as agreed."""
    while True:
        call = await found.incoming()
        if conduct.rings:
            call.ring()
        await asyncio.sleep(conduct.seconds)
        if conduct.answer == 200:
            call.answer()
        elif conduct.answer is not None:
            call.reject(conduct.answer)


def answered(calls: list[PhoneCall]) -> int:
    return sum(call.leg.state is LegState.ANSWERED for call in calls)


@settings(max_examples=100)
@given(
    st.integers(0, 2**32),
    conducts,
    conducts,
    st.sampled_from(MOMENTS),
    st.sampled_from([LAN, WIRELESS, INTERNET]),
)
def test_a_call_outside_ends_in_one_way(
    seed: int, first: Conduct, second: Conduct, patience: float, link: object
) -> None:
    async def story() -> None:
        office = Office(simulation, **tables(LINES, BACKUP))
        await office.open()
        carriers = [await carrier(office, name="one"), await carrier(office, SECOND, name="two")]
        tasks = [
            asyncio.create_task(serve(found, conduct))
            for found, conduct in zip(carriers, (first, second), strict=True)
        ]
        for found, conduct in zip(carriers, (first, second), strict=True):
            found.environment.network.degrade(link)  # type: ignore[attr-defined]
            if conduct.away:
                found.environment.network.unplug()  # type: ignore[attr-defined]
        lee = await office.phone("100")
        call = lee.dial("00612345678")
        await asyncio.sleep(patience)
        inside = call.leg.state
        outside = [each for found in carriers for each in found.calls]
        if inside is LegState.ANSWERED:
            await asyncio.sleep(1.0)
            assert answered(outside) <= 1
        call.hang_up()
        await asyncio.sleep(64 * 0.5)  # a CANCEL may have to wait for a response that was lost
        await office.settle()
        for task in tasks:
            task.cancel()
        assert len(office.told_of(CallEnded)) == len(office.told_of(CallStarted)) <= 1
        assert len(office.told_of(CallAnswered)) <= 1
        assert len(office.switch.trunks.ledger) == 0
        plugged = [
            found for found, conduct in zip(carriers, (first, second), strict=True) if not conduct.away
        ]
        assert [each for found in plugged for each in found.calls] == []
        await office.close()

    with Simulation(seed) as simulation:
        simulation.run(story())
