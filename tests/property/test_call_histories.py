"""Whatever phones and the network do: nothing is left of it, nothing fails on the way, and it can be replayed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features.echo import feature as echo
from pbx.happenings import CallConnected, CallEnded, CallStarted, Happening
from pbx.history.chronicle import Chronicle
from pbx.history.record import CallList, CallRecord
from pbx.leg import LegState
from pbx.phone import Phone, PhoneCall, RegistrationFailed
from sipcore.dialog.caller import CallerSession
from sipcore.dialog.session_timer import TimerSettings
from sipcore.transport.flow import Transport
from tests.simulation.impairment import AWFUL, INTERNET, LAN, WIRELESS
from tests.simulation.ladder import Rung
from tests.simulation.office import Office
from tests.simulation.simulation import Simulation

LINKS = (LAN, WIRELESS, INTERNET, replace(AWFUL, bursts=None), AWFUL)
NUMBERS = ("100", "101", "102", "103", "104", "ext100", "555", "*777")
PHONES = (
    ("100", Transport.UDP),
    ("101", Transport.UDP),
    ("101", Transport.UDP),
    ("102", Transport.TCP),
    ("103", Transport.UDP),
)
EXTENSIONS: dict[str, dict[str, Any]] = {
    "101": {"no_answer_seconds": 7, "forward": {"busy": "102", "no_answer": "103"}},
    "102": {"busy_detection": "phone", "forward": {"not_registered": "101"}},
    "103": {"no_answer_seconds": 3, "forward": {"no_answer": "101", "busy": "101"}},
    "104": {"forward": {"always": "101"}},
}
FORGOTTEN_SECONDS = 60 + 7.5 + 32 + 1
"""After so long without a sign of life a call has ended: silence, the next report, and 64*T1."""


@dataclass(frozen=True)
class Step:
    """Somebody does something, and then seconds go by."""

    deed: str
    phone: int
    choice: int
    seconds: float


DEEDS = (
    "dial", "dial", "dial", "dial without offer", "answer", "answer", "answer", "early media", "refuse",
    "hang up", "hang up", "hold", "resume", "degrade", "unplug", "plug", "unregister", "register", "break",
    "be reliable", "send on", "update", "refresh often",
)  # fmt: skip

STEPS = st.builds(
    Step,
    deed=st.sampled_from(DEEDS),
    phone=st.integers(0, len(PHONES) - 1),
    choice=st.integers(0, 7),
    seconds=st.sampled_from([0.0, 0.0, 0.0005, 0.001, 0.002, 0.1, 1.0, 5.0, 40.0]),
)


TO_THE_CALLER = [
    Step("dial", 0, 1, 0.0),
    Step("dial", 2, 1, 5.0),
    Step("refuse", 0, 0, 0.0),
    Step("dial", 3, 1, 0.002),
    Step("send on", 0, 0, 0.001),
    Step("dial", 0, 0, 0.001),
    Step("answer", 0, 0, 5.0),
]
"""A call that is sent on to another phone of the caller's own."""


class History:
    """Plays steps in an office of its own."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.office = Office(simulation, extensions=EXTENSIONS, features=[echo])
        self.phones: list[Phone] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def play(self, steps: list[Step]) -> None:
        """All of it; then everybody goes home."""
        await self.office.open()
        for number, transport in PHONES:
            self.phones.append(await self.office.phone(number, transport=transport))
        for step in steps:
            self.take(step)
            await asyncio.sleep(step.seconds)
        await self.go_home()

    async def go_home(self) -> None:
        """The network is whole again, every phone hangs up; then nothing may be left."""
        for host in self.simulation.network.hosts:
            host.plug()
            host.degrade(LAN)
        for phone in self.phones:
            phone.refuse_with = 480
            for call in calls_of(phone):
                call.hang_up()
        for task in self.tasks:
            task.cancel()
        await asyncio.sleep(FORGOTTEN_SECONDS)
        await self.office.settle()
        started, ended = self.office.told_of(CallStarted), self.office.told_of(CallEnded)
        assert sorted(told.call for told in started) == sorted(told.call for told in ended)
        assert not any(phone.calls for phone in self.phones)
        check_records(self.office.told)
        await self.office.close()

    def take(self, step: Step) -> None:
        """One step; where it makes no sense, nothing happens."""
        phone = self.phones[step.phone]
        host = self.simulation.network.hosts[1 + step.phone]
        match step.deed:
            case "dial":
                phone.dial(NUMBERS[step.choice])
            case "dial without offer":
                phone.dial(NUMBERS[step.choice], offerless=True)
            case "degrade":
                host.degrade(LINKS[step.choice % len(LINKS)])
            case "unplug":
                host.unplug()
            case "plug":
                host.plug()
            case "break":
                for stream in list(host.streams):
                    stream.break_off()
            case "register" | "unregister":
                self.tasks.append(
                    asyncio.get_running_loop().create_task(register(phone, step.deed == "register"))
                )
            case "be reliable":
                phone.endpoint.settings = replace(phone.endpoint.settings, reliable=step.choice > 1)
            case "refresh often":
                phone.endpoint.settings = replace(phone.endpoint.settings, session_timers=TimerSettings(90))
            case "answer" | "early media" | "refuse" | "send on":
                act_on([call for each in self.phones for call in ringing(each)], step)
            case _:
                act_on([call for each in self.phones for call in calls_of(each)], step)


def check_records(told: list[Happening]) -> None:
    """One record for each call; everybody in it finds it in one list. (Nobody transfers here, so talk comes once.)"""
    records: list[CallRecord] = []
    chronicle = Chronicle(lambda make: records.append(make()))
    going_on: set[str] = set()
    so_far: dict[str, str] = {}
    for happening in told:
        chronicle.take(happening)
        if isinstance(happening, CallStarted):
            going_on.add(happening.call)
        elif isinstance(happening, CallEnded):
            going_on.discard(happening.call)
        elif isinstance(happening, CallConnected):
            so_far[happening.call] = happening.to
        cut_short = chronicle.going_on(happening.at)  # as a kill at this moment would leave them
        assert {record.call for record in cut_short} == going_on
        for record in cut_short:
            check_lists(record, so_far)
    started = [each.call for each in told if isinstance(each, CallStarted)]
    talked = {each.call: each.to for each in told if isinstance(each, CallConnected)}
    assert sorted(record.call for record in records) == sorted(started)
    assert len(chronicle) == 0
    for record in records:
        check_lists(record, talked)


def check_lists(record: CallRecord, talked: dict[str, str]) -> None:
    """Everybody in the call finds it in one list; `talked`: who has answered which call."""
    lists = [(party.number, party.list) for party in record.parties]
    assert len(dict(lists)) == len(lists)
    assert lists[0] == (record.caller, CallList.OUTBOUND)
    for number, kept in lists[1:]:
        assert kept is (CallList.RECEIVED if record.call in talked else CallList.MISSED), number
    assert record.call not in talked or talked[record.call] in dict(lists)


def act_on(calls: list[PhoneCall], step: Step) -> None:
    """Do something with one of these calls, if its state allows it."""
    if not calls:
        return
    call = calls[(step.choice * len(PHONES) + step.phone) % len(calls)]
    session = call.leg.session
    match step.deed:
        case "answer":
            call.answer()
        case "early media":
            call.leg.send_early_media()
        case "refuse":
            call.reject((480, 486, 488, 600, 603, 404, 503, 302)[step.choice])
        case "send on":
            call.redirect(NUMBERS[step.choice], NUMBERS[step.phone])
        case "update" if session is not None and session.can_update:
            call.phone.driver.perform(session.update(call.leg.negotiation.offer(), call.phone.loop.time()))
        case "hang up":
            call.hang_up()
        case "hold" if session is not None and session.can_change:
            call.hold()
        case "resume" if session is not None and session.can_change:
            call.resume()


def calls_of(phone: Phone) -> list[PhoneCall]:
    """The calls of a phone, oldest first."""
    return sorted(phone.calls, key=lambda call: call.leg.stream)


def ringing(phone: Phone) -> list[PhoneCall]:
    """The calls that a phone may answer."""
    return [call for call in calls_of(phone) if call.leg.state is LegState.RINGING and not dialled(call)]


def dialled(call: PhoneCall) -> bool:
    """Whether the phone itself made the call."""
    return isinstance(call.leg.session, CallerSession)


async def register(phone: Phone, wanted: bool) -> None:
    """Register or unregister; on a network like this it may fail."""
    with suppress(RegistrationFailed):
        await (phone.register() if wanted else phone.unregister())


class Errors(logging.Handler):
    """Keeps what is logged as an error: exceptions that the driver or a call survives."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(f"{record.getMessage()} {record.exc_info}")


@contextmanager
def no_errors() -> Iterator[None]:
    """Fails if an error is logged."""
    errors = Errors()
    logging.getLogger().addHandler(errors)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(errors)
    assert errors.messages == []


def trace_of(seed: int, steps: list[Step]) -> list[Rung]:
    """Play a history: every message that was on the network."""
    with no_errors(), Simulation(seed) as simulation:
        simulation.run(History(simulation).play(steps))
        return list(simulation.ladder.rungs)


@pytest.mark.row("MYP-22")
@pytest.mark.row("MYP-23")
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), steps=st.lists(STEPS, max_size=40))
@example(seed=0, steps=TO_THE_CALLER)
def test_nothing_is_left_of_any_history(seed: int, steps: list[Step]) -> None:
    trace_of(seed, steps)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32), steps=st.lists(STEPS, min_size=5, max_size=40))
def test_the_same_seed_gives_the_same_trace(seed: int, steps: list[Step]) -> None:
    assert trace_of(seed, steps) == trace_of(seed, steps)
