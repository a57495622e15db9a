"""Races around transfers, on random schedules: one winner, nobody lost, and nothing left behind after 64*T1.

Signalling alone is played: no sound flows in these offices, so that many schedules fit into a second.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from features.parking import feature as parking
from pbx.happenings import CallAnswered, CallEnded, CallStarted, CallTransferred
from pbx.leg import LegState
from pbx.phone import CallFailed, Phone, PhoneCall
from pbx.plugin import Feature
from sipcore.dialog.transfer import Replaces
from tests.property.test_call_histories import no_errors
from tests.simulation.impairment import LAN, Profile
from tests.simulation.office import COMPANY, Office
from tests.simulation.simulation import Simulation

EXTENSIONS = {number: {"busy_detection": "phone", "no_answer_seconds": 6} for number in ("100", "101", "102")}
LINKS = (
    LAN,
    Profile(delay_seconds=0.002, jitter_seconds=0.004, reordering=0.1, duplication=0.1),
    Profile(loss=0.1),
)
MOMENTS = st.sampled_from([0.0, 0.0, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.01, 0.6])
DEEDS = (
    "transfer", "transfer", "attend", "park", "hang up", "answer", "hold", "resume", "pick up", "cancel", "take",
)  # fmt: skip


@dataclass(frozen=True)
class Deed:
    """What one phone does after so many seconds."""

    phone: int
    deed: str
    target: str
    seconds: float


SCHEDULES = st.lists(
    st.builds(
        Deed,
        phone=st.integers(0, 2),
        deed=st.sampled_from(DEEDS),
        target=st.sampled_from(["100", "101", "102", "103", "555", "*00"]),
        seconds=MOMENTS,
    ),
    max_size=7,
)


class Race:
    """Lee and Richardson talk, Lee consults Taylor, and then everybody acts at once."""

    def __init__(self, simulation: Simulation, link: Profile, feature: Feature = parking) -> None:
        self.office = Office(simulation, extensions=EXTENSIONS, features=[feature], link=link)
        self.phones: list[Phone] = []

    async def play(self, answered: bool, schedule: list[Deed]) -> None:
        office = self.office
        await office.open()
        self.phones = [await office.phone(number) for number in ("100", "101", "102")]
        with suppress(CallFailed, TimeoutError):
            async with asyncio.timeout(20):
                await self.begin(answered)
        for deed in schedule:
            self.do(deed)
            await asyncio.sleep(deed.seconds)
        await asyncio.sleep(8)
        assert_every_leg_is_known(self.office)
        await self.go_home()

    async def begin(self, answered: bool) -> None:
        lee, richardson, taylor = self.phones
        outgoing = lee.dial("101")
        (await richardson.incoming()).answer()
        await outgoing.answered()
        lee.dial("102")
        consulted = await taylor.incoming()
        if answered:
            consulted.answer()

    def do(self, deed: Deed) -> None:
        """A deed that makes no sense now is left alone."""
        phone = self.phones[deed.phone]
        calls = sorted(phone.calls, key=lambda call: call.leg.stream)
        talking = [call for call in calls if call.leg.state is LegState.ANSWERED]
        ringing = [call for call in calls if call.leg.state is LegState.RINGING]
        match deed.deed:
            case "answer" | "cancel" if ringing:
                if deed.deed == "cancel" or hasattr(ringing[0].leg.session, "cancel"):
                    ringing[0].hang_up()
                else:
                    ringing[0].answer()
            case "hang up" if talking:
                talking[-1].hang_up()
            case "hold" | "resume" if talking:
                session = talking[0].leg.session
                if session is not None and session.can_change:
                    (talking[0].hold if deed.deed == "hold" else talking[0].resume)()
            case "transfer" | "park" if talking:
                talking[0].transfer("*00" if deed.deed == "park" else deed.target)
            case "attend" if len(calls) > 1 and talking and has_dialog(calls[-1]):
                talking[0].transfer_to(calls[-1])
            case "pick up":
                for other in self.phones:
                    for call in other.calls:
                        if call.leg.state is LegState.RINGING and has_dialog(call):
                            phone.dial("102", headers=[("Replaces", str(far(call)))])
                            return
            case "take":
                phone.dial("*10")

    async def go_home(self) -> None:
        """Everybody hangs up; then nothing may be left."""
        for host in self.office.simulation.network.hosts:
            host.degrade(LAN)
        for _ in range(2):
            for phone in self.phones:
                phone.refuse_with = 480
                for call in list(phone.calls):
                    call.hang_up()
            await asyncio.sleep(2)
        await asyncio.sleep(20)
        await self.office.settle()
        told = self.office.told_of
        started, ended = [one.call for one in told(CallStarted)], [one.call for one in told(CallEnded)]
        assert sorted(started) == sorted(ended), "each call has one end"
        answered = [one.call for one in told(CallAnswered)]
        assert len(set(answered)) == len(answered), "each call is answered once at most"
        assert {one.call for one in told(CallTransferred)} <= set(started)
        assert not any(phone.calls for phone in self.phones)
        await self.office.close()


def assert_every_leg_is_known(office: Office) -> None:
    """Whoever is in an answered call is heard by somebody, waits for somebody, or is being hung up."""
    switch = office.switch
    for call in switch.calls.values():
        for leg in (call.leg, call.callee):
            assert leg is None or leg.call_id == call.id
            assert leg is None or leg.watcher is call or leg.state is LegState.ENDED
    owned = {leg for call in switch.calls.values() for leg in (call.leg, call.callee) if leg is not None}
    for number in COMPANY:
        for leg in switch.legs.of(number):
            its_call = switch.calls.get(leg.call_id)
            assert its_call is not None, "a leg without a call"
            held_by_transfer = leg.watcher is its_call.transfer
            rings = leg.state in (LegState.NEW, LegState.RINGING)
            assert leg in owned or held_by_transfer or rings, "a leg that nobody knows"


def has_dialog(call: PhoneCall) -> bool:
    session = call.leg.session
    return session is not None and session.dialog is not None


def far(call: PhoneCall) -> Replaces:
    """The dialog as the phone itself sees it, which is what lamps tell."""
    dialog = call.dialog
    return Replaces(dialog.call_id, dialog.local_tag, dialog.remote_tag)


def race(seed: int, link: Profile, answered: bool, schedule: list[Deed]) -> None:
    with no_errors(), Simulation(seed) as simulation:
        simulation.run(Race(simulation, link).play(answered, schedule))


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), link=st.sampled_from(LINKS), answered=st.booleans(), schedule=SCHEDULES)
def test_one_winner_and_nobody_lost(seed: int, link: Profile, answered: bool, schedule: list[Deed]) -> None:
    race(seed, link, answered, schedule)
