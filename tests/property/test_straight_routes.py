"""What a router remembers of a number changes nothing: it decides as one that has never been asked."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from pbx.dial_table import DialTable, Handler
from pbx.directory import BusyDetection, Directory, Extension
from pbx.forwarding.book import Forwarding, Settings
from pbx.forwarding.callers import BlackList
from pbx.forwarding.rules import AdvancedForm
from pbx.party import ExternalParty, Party
from pbx.routing import Ring, Router
from pbx.system_numbers import NumberTaken, Service, SystemNumbers
from pbx.trunks.outbound import CallOut, Outbound
from pbx.trunks.settings import Dialing
from tests.property.test_routing_graphs import forms, serve

NUMBERS = ["100", "101", "112"]
SIP_IDS = ["", "101", "bob"]
"""One is the number of another extension."""
DIALLED = [*NUMBERS, "BOB"]
CALLERS: list[Party] = [Extension("100"), Extension("102"), ExternalParty("+33698765432"), ExternalParty("")]
numbers = st.sampled_from(NUMBERS)
people = st.lists(
    st.builds(Extension, number=numbers, first_name=st.sampled_from("ab"), sip_id=st.sampled_from(SIP_IDS)),
    unique_by=lambda extension: extension.number,
    max_size=4,
)
plain_forms = st.builds(
    AdvancedForm,
    busy_detection=st.sampled_from(BusyDetection),
    no_answer_seconds=st.sampled_from([20.0, 60.0]),
)
settings = st.none() | st.builds(
    Settings,
    plain_forms | forms,
    st.builds(BlackList, numbers=st.sampled_from([(), (), ("100",)]), reject_anonymous=st.booleans()),
)
changes = st.one_of(
    st.tuples(st.just("people"), people),
    st.tuples(st.just("settings"), numbers, settings),
    st.tuples(st.just("queue"), numbers),
    st.tuples(st.just("no queue"), numbers),
    st.tuples(st.sampled_from(["away", "unregistered", "busy"]), numbers),
)
outbounds = st.sampled_from([Outbound(), Outbound(dialing=Dialing(emergency=("112",)), trunks=("carrier",))])


class Office:
    """Everything that a router asks."""

    def __init__(self, outbound: Outbound) -> None:
        self.directory = Directory([Extension(number) for number in NUMBERS])
        self.states: dict[str, set[str]] = {"away": set(), "unregistered": set(), "busy": set()}
        self.forwarding = Forwarding(away=lambda number: number in self.states["away"])
        handler = Handler("queues", "enter", serve)
        self.numbers = SystemNumbers({"queue": Service(handler, "number")})
        self._outbound = outbound

    def registered(self, number: str) -> bool:
        return number not in self.states["unregistered"]

    def calls_of(self, number: str) -> int:
        return int(number in self.states["busy"])

    def router(self) -> Router:
        return Router(
            self.directory,
            DialTable([]),
            self,
            outbound=self._outbound,
            numbers=self.numbers,
            forwarding=self.forwarding,
        )

    def change(self, what: str, *how: object) -> None:
        match what, *how:
            case "people", list(extensions):
                self.directory.replace(extensions)
            case "settings", str(number), None | Settings() as settings:
                self.forwarding.set(number, settings)
            case "queue", str(number):
                try:
                    self.numbers.add(number, "queue")
                except NumberTaken:
                    raise AssertionError("nobody has taken any") from None
            case "no queue", str(number):
                self.numbers.remove(number)
            case str(state), str(number):
                self.states[state] ^= {number}


@given(outbounds, st.permutations(CALLERS), st.lists(changes, max_size=8))
def test_a_router_that_remembers_decides_as_a_new_one(
    outbound: Outbound, callers: list[Party], steps: list[tuple[object, ...]]
) -> None:
    office = Office(outbound)
    remembers = office.router()
    for what, *how in [("settings", "100", None), *steps]:
        office.change(str(what), *how)
        for dialled, caller in product(DIALLED, callers):
            assert remembers.route(dialled, caller=caller) == office.router().route(dialled, caller=caller)
        assert remembers.route("101", ("101",)) == office.router().route("101", ("101",))


def test_what_was_decided_once_is_remembered() -> None:
    office = Office(Outbound())
    router = office.router()
    first, second = router.route("101"), router.route("101", caller=Extension("100"))
    assert second.action is first.action
    office.forwarding.set("101", None)
    assert router.route("101").action is not first.action


def test_where_a_call_from_outside_was_led_is_not_remembered_of_a_number_that_calls_for_help() -> None:
    """From outside 112 leads to the extension, if there is one; from inside to help, whoever has called before."""
    helpful = Outbound(dialing=Dialing(emergency=("112",)), trunks=("carrier",))
    router = Office(helpful).router()
    for caller in (ExternalParty("+33698765432"), ExternalParty("")):
        led = router.route("112", caller=caller).action
        assert isinstance(led, Ring)
        assert led.extension.number == "112"
        help_ = router.route("112", caller=Extension("100")).action
        assert isinstance(help_, CallOut)
        assert help_.emergency


def test_a_router_made_of_another_with_other_rules_remembers_nothing_of_it() -> None:
    """One that knows calls for help leads 112 outside, whoever has that number here."""
    router = Office(Outbound()).router()
    assert isinstance(router.route("112").action, Ring)
    helpful = replace(router, outbound=Outbound(dialing=Dialing(emergency=("112",)), trunks=("carrier",)))
    assert isinstance(helpful.route("112").action, CallOut)
