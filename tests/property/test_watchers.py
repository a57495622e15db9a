"""Whatever happens: all that is said of an extension is the same, and true; of those who watched nothing is left."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.happenings import PresenceChanged
from pbx.lamps import DialogPackage
from pbx.phone import Phone, PhoneCall, RegistrationFailed
from pbx.phone_watch import Lamp, PhoneWatch, publish
from pbx.presence import LineState, UserStatus
from sipcore.dialog.caller import CallerSession
from sipcore.events.dialog_info import DialogState
from sipcore.events.presence import Activity, PresenceFacts, print_presence, read_presence
from sipcore.transport.flow import Transport
from tests.property.test_call_histories import no_errors
from tests.simulation.impairment import INTERNET, LAN, WIRELESS
from tests.simulation.office import Office
from tests.simulation.simulation import Simulation

PHONES = (
    ("100", Transport.UDP),
    ("101", Transport.UDP),
    ("101", Transport.TCP),
    ("102", Transport.UDP),
    ("103", Transport.TCP),
)
NUMBERS = ("100", "101", "102", "103")
EXTENSIONS: dict[str, dict[str, Any]] = {
    "101": {"busy_detection": "phone"},
    "102": {"forward": {"busy": "103", "not_registered": "101"}, "no_answer_seconds": 5},
    "103": {"busy_detection": "phone"},
}
DEEDS = (
    "dial", "dial", "dial", "answer", "answer", "hang up", "hold", "lamp", "lamp", "watch", "unwatch",
    "away", "here", "publish", "take back", "unregister", "register", "unplug", "plug", "degrade", "forget",
)  # fmt: skip
QUIET_SECONDS = 75.0
"""After so long, on a whole network, every NOTIFY has come or its subscription has ended."""


@dataclass(frozen=True)
class Step:
    """Somebody does something, and then seconds go by."""

    deed: str
    phone: int
    choice: int
    seconds: float


STEPS = st.builds(
    Step,
    deed=st.sampled_from(DEEDS),
    phone=st.integers(0, len(PHONES) - 1),
    choice=st.integers(0, 3),
    seconds=st.sampled_from([0.0, 0.0005, 0.001, 0.1, 1.0, 6.0, 45.0]),
)


class History:
    """Plays steps in an office of its own."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.office = Office(simulation, extensions=EXTENSIONS, events={"max_expires": 600})
        self.phones: list[Phone] = []
        self.watches: list[tuple[str, PhoneWatch]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.etags: dict[int, str] = {}

    async def play(self, steps: list[Step]) -> None:
        """All of it, then a silence; all that is said has to be true, and nothing left in the end."""
        await self.office.open()
        for number, transport in PHONES:
            self.phones.append(await self.office.phone(number, transport=transport))
        for phone in self.phones[3:]:
            for number in NUMBERS:
                self.watches.append((number, phone.lamp(number, 600)))
                self.watches.append((number, phone.watch(number, "presence", 600)))
        for step in steps:
            self.take(step)
            await asyncio.sleep(step.seconds)
        for host in self.simulation.network.hosts:
            host.plug()
            host.degrade(LAN)
        await asyncio.sleep(QUIET_SECONDS)
        self.compare()
        await self.go_home()

    def compare(self) -> None:
        """Lamps, documents, happenings and the store."""
        switch = self.office.switch
        states = {number: switch.presence.of(number) for number in NUMBERS}
        live = {dialog for each in switch.endpoint.usages() for dialog in each.dialog_ids}
        for number, watch in self.watches:
            dialog = watch.watch._dialog
            known = dialog is not None and (dialog.call_id, dialog.remote_tag, dialog.local_tag) in live
            if isinstance(watch, Lamp):
                assert watch.versions == sorted(set(watch.versions)), "versions rise"
            if watch.watch.over or not known:
                continue
            if isinstance(watch, Lamp):
                calls = DialogPackage(switch).state(number)
                assert watch.dialogs == sorted(calls, key=lambda call: call.id)
                assert line_of(watch) is states[number].line or (
                    not watch.dialogs and states[number].line in (LineState.IDLE, LineState.NOT_REGISTERED)
                )
            else:
                assert read_presence(watch.body) == states[number].facts
        told = {each.extension: each for each in self.office.told_of(PresenceChanged)}
        for number, state in states.items():
            each = told[number]
            assert (each.state, each.colour, each.status, each.line, each.note) == (
                state.display.value,
                state.display.colour,
                state.status.value,
                state.line.value,
                state.note,
            )

    async def go_home(self) -> None:
        """Everybody unsubscribes and hangs up; then nothing may be left."""
        for phone in self.phones:
            for call in calls_of(phone):
                call.hang_up()
        for _, watch in self.watches:
            watch.stop()
        for index, etag in self.etags.items():
            await publish(self.phones[index], b"", ("SIP-If-Match", etag), ("Expires", "0"))
        for task in self.tasks:
            task.cancel()
        await asyncio.sleep(610)  # what was forgotten expires
        await self.office.settle()
        await self.office.close()

    def take(self, step: Step) -> None:
        """One step; where it makes no sense, nothing happens."""
        phone, number = self.phones[step.phone], NUMBERS[step.choice]
        host = self.simulation.network.hosts[1 + step.phone]
        match step.deed:
            case "dial":
                phone.dial(number)
            case "lamp":
                self.watches.append((number, phone.lamp(number, 600)))
            case "watch":
                self.watches.append((number, phone.watch(number, "presence", 600)))
            case "unwatch" | "forget" if self.watches:
                _, watch = self.watches[step.choice % len(self.watches)]
                if step.deed == "unwatch":
                    watch.stop()
                else:  # a phone that was restarted
                    watch.watch.over = True
                    self.phones[0].endpoint.leave(watch.watch)
            case "away":
                self.office.switch.presence.say(number, UserStatus.AWAY, f"note {step.phone}")
            case "here":
                self.office.switch.presence.say(number, UserStatus.AVAILABLE)
            case "publish" | "take back":
                self.start(self.publish(step.phone, step.deed == "publish"))
            case "register" | "unregister":
                self.start(register(phone, step.deed == "register"))
            case "unplug":
                host.unplug()
            case "plug":
                host.plug()
            case "degrade":
                host.degrade((LAN, WIRELESS, INTERNET, INTERNET)[step.choice])
            case "answer" | "hang up" | "hold":
                act([call for each in self.phones for call in calls_of(each)], step)

    def start(self, story: Any) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(story))

    async def publish(self, index: int, away: bool) -> None:
        """Publish that the user is away, or take that back; on a network like this it may fail."""
        number = self.phones[index].account.number
        facts = PresenceFacts(True, (Activity.AWAY,), f"published by {index}")
        body = print_presence(f"sip:{number}@10.0.0.1", facts).full.head if away else b""
        match = [("SIP-If-Match", self.etags[index])] if index in self.etags else []
        response = await publish(self.phones[index], body, *match, ("Expires", "600" if away else "0"))
        self.etags.pop(index, None)
        if away and response.status == 200:
            self.etags[index] = response.get("SIP-ETag") or ""


def line_of(lamp: Lamp) -> LineState | None:
    """What a lamp alone says about the line."""
    if any(call.state is DialogState.EARLY and not call.initiator for call in lamp.dialogs):
        return LineState.RINGING
    return LineState.INTERNAL_CALL if lamp.dialogs else None


def act(calls: list[PhoneCall], step: Step) -> None:
    """Do something with one of these calls, if its state allows it."""
    if not calls:
        return
    call = calls[(step.choice * len(PHONES) + step.phone) % len(calls)]
    session = call.leg.session
    if step.deed == "answer" and not isinstance(session, CallerSession):
        call.answer()
    elif step.deed == "hang up":
        call.hang_up()
    elif step.deed == "hold" and session is not None and session.can_change:
        call.hold()


def calls_of(phone: Phone) -> list[PhoneCall]:
    """The calls of a phone, oldest first."""
    return sorted(phone.calls, key=lambda call: call.leg.stream)


async def register(phone: Phone, wanted: bool) -> None:
    """Register or unregister; on a network like this it may fail."""
    with suppress(RegistrationFailed):
        await (phone.register() if wanted else phone.unregister())


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), steps=st.lists(STEPS, min_size=15, max_size=40))
def test_all_that_is_said_is_the_same_and_true(seed: int, steps: list[Step]) -> None:
    with no_errors(), Simulation(seed) as simulation:
        simulation.run(History(simulation).play(steps))
