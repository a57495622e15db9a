"""Whatever rules people set, of whatever kind: calls find an end, in few steps, and the same one each time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.destinations import Address, End, ExtensionNumber, Number, SystemNumber, Voicemail
from pbx.dial_table import DialTable, Handler
from pbx.directory import Directory, Extension
from pbx.forwarding.book import Forwarding, Settings
from pbx.forwarding.callers import BlackList
from pbx.forwarding.explain import explain
from pbx.forwarding.rules import AdvancedForm, CallType, ReachMe, Rule, RuleType
from pbx.party import ExternalParty, Party
from pbx.routing import MAX_DIVERSIONS, Offer, Outcome, Ring, Route, Router, Serve
from pbx.system_numbers import Service, SystemNumbers
from pbx.trunks.outbound import CallOut, Outbound
from pbx.trunks.settings import Dialing, OutboundRule

PEOPLE = [str(number) for number in range(100, 116)]
SYSTEM = ["800", "801"]
numbers = st.sampled_from([*PEOPLE, *SYSTEM, "00612345678", "55555"])
actions = st.one_of(
    st.builds(End, st.booleans()),
    st.builds(ExtensionNumber, st.sampled_from([*PEOPLE, "199"])),
    st.builds(Voicemail, st.sampled_from(PEOPLE)),
    st.builds(SystemNumber, st.sampled_from([*SYSTEM, "899"])),
    st.builds(Number, numbers),
    st.builds(ReachMe, numbers),
    st.just(Address("skype:threecx")),
)
rules = st.builds(
    Rule,
    type=st.sampled_from([kind for kind in RuleType if kind is not RuleType.CALLER_ID]),
    action=actions,
    calls=st.sampled_from(CallType),
)
forms = st.builds(AdvancedForm, rules=st.lists(rules, max_size=5).map(tuple))
black_lists = st.builds(BlackList, numbers=st.sampled_from([(), (), ("100",), ("+33698765432",)]))
offices = st.fixed_dictionaries({number: st.builds(Settings, forms, black_lists) for number in PEOPLE})
callers = st.sampled_from([Extension("100"), ExternalParty("+33698765432"), ExternalParty("")])


class RandomLines:
    """Some are busy, and some have no phone."""

    def __init__(self, gone: set[str], busy: set[str]) -> None:
        self.gone, self.busy = gone, busy

    def registered(self, number: str) -> bool:
        return number not in self.gone

    def calls_of(self, number: str) -> int:
        return int(number in self.busy)


async def serve(call: object, number: str) -> None:
    """Nothing."""


def office(settings: dict[str, Settings], lines: RandomLines, away: set[str], *, voicemail: bool) -> Router:
    service = Service(Handler("places", "serve", serve), "number")
    kinds = {"queue": service} | ({"voicemail": service} if voicemail else {})
    system = SystemNumbers(kinds)
    for number in SYSTEM:
        system.add(number, "queue")
    book = Forwarding(away=away.__contains__)
    for number, chosen in settings.items():
        book.set(number, chosen)
    outbound = Outbound(
        (OutboundRule(prefix="0", strip=1, trunks=("lines",)),), Dialing(country="FR"), {}, ("lines",)
    )
    people = Directory([Extension(number) for number in PEOPLE])
    return Router(people, DialTable([]), lines, outbound=outbound, numbers=system, forwarding=book)


def assert_sound(route: Route, router: Router, caller: Party) -> None:
    """What holds of every decision."""
    assert len(route.trail) == len(set(route.trail)) <= MAX_DIVERSIONS
    assert route.reasons
    if isinstance(route.action, Ring):
        number = route.action.extension.number
        assert router.lines.registered(number)
        assert not router.lines.calls_of(number)
        assert not router.forwarding.away(number)
        assert caller.number not in router.forwarding.settings(route.action.extension).black_list.numbers
    if isinstance(route.action, CallOut | Offer):
        plan = route.action.plan if isinstance(route.action, Offer) else route.action
        assert isinstance(caller, Extension), "callers from outside are not led out again without a rule"
        assert plan.asker.extension
        assert plan.emergency == (plan.number.digits == "112")  # an extension too, and calls for help go before it


@pytest.mark.row("CORE-27", "FWD-67")
@given(
    offices,
    st.sets(st.sampled_from(PEOPLE)),
    st.sets(st.sampled_from(PEOPLE)),
    st.sets(st.sampled_from(PEOPLE)),
    callers,
    st.sampled_from([*PEOPLE, *SYSTEM]),
    st.lists(st.sampled_from(Outcome), min_size=MAX_DIVERSIONS + 1),
    st.booleans(),
)
def test_every_call_ends_in_bounded_steps(
    settings: dict[str, Settings],
    gone: set[str],
    busy: set[str],
    away: set[str],
    caller: Party,
    dialled: str,
    outcomes: list[Outcome],
    voicemail: bool,
) -> None:
    router = office(settings, RandomLines(gone, busy), away, voicemail=voicemail)
    route = router.route(dialled, caller=caller)
    assert route == router.route(dialled, caller=caller)
    assert explain(router, Number(dialled), caller=caller).decision == route.action
    for outcome in outcomes:
        assert_sound(route, router, caller)
        if not isinstance(route.action, Ring):
            assert voicemail or not (isinstance(route.action, Serve) and route.trail[-1] not in SYSTEM)
            return
        before, route = route, router.reroute(route, outcome)
        assert route.reasons[: len(before.reasons)] == before.reasons
    raise AssertionError(f"still ringing after {len(outcomes)} failures: {route}")
