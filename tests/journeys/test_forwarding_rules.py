"""The two forms of rules, as callers meet them, and the black list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.destinations import Address, End, ExtensionNumber, Number, SystemNumber, Voicemail
from pbx.directory import BusyDetection
from pbx.forwarding.book import Settings
from pbx.forwarding.callers import BlackList
from pbx.forwarding.rules import AdvancedForm, CallType, Hours, Rule, RuleType
from pbx.forwarding.simple import ForwardAll, SimpleForm
from pbx.happenings import CallBlocked, CallRang
from pbx.office_hours import Week
from pbx.phone import CallFailed, Phone
from pbx.plugin import Call, Feature
from tests.simulation.carrier import GATEWAY, MOBILE, Carrier, carrier
from tests.simulation.office import Office
from tests.simulation.simulation import Simulation

MakeOffice = Callable[..., Office]

OUTSIDE = {
    "trunks": [{"name": "lines", "addresses": [GATEWAY], "qualify_seconds": 0}],
    "outbound_rules": [
        {"prefix": "0", "strip": 1, "lengths": [2, 20], "trunks": ["lines"], "from_trunks": True}
    ],
    "inbound_rules": [{"did": "+33140000001", "target": "101"}, {"did": "+33140000002", "target": "101"}],
    "dialing": {"country": "FR"},
    "office_hours": {"time_zone": "UTC", "monday": ["08:00-09:00"]},
}
"""The office is open until 9, and stories begin at 8:16:40."""

OFFICE_HOUR = 3600.0


class Places:
    """A feature that answers for mailboxes, queues, ring groups and receptionists, and notes for which."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.feature = Feature("places")
        for kind in ("voicemail", "queue", "ring_group", "receptionist"):
            self.feature.destination(kind, summary="")(self._serving(kind))

    def _serving(self, kind: str) -> Callable[[Call, str], Any]:
        async def serve(call: Call, number: str) -> None:
            self.reached.append(f"{kind} {number}")
            await call.answer()
            await call.stay()

        serve.__name__ = kind
        return serve


class Desk:
    """Phones of 100, 101 and 102, a gateway, and a way to say what 101 has set."""

    def __init__(self, office: Office, places: Places) -> None:
        self.office = office
        self.places = places
        self.lee: Phone
        self.richardson: Phone
        self.taylor: Phone
        self.gateway: Carrier

    def set(self, *rules: Rule, black_list: BlackList | None = None, **others: Any) -> None:
        """Advanced rules of 101."""
        form = AdvancedForm(rules=rules, **others)
        self.office.switch.forwarding.set("101", Settings(form, black_list or BlackList()))

    def set_simple(self, **page: Any) -> None:
        """The simple form of 101."""
        self.office.switch.forwarding.set("101", Settings(SimpleForm(**page)))

    @property
    def rang(self) -> list[str]:
        """Whose phones rang."""
        return [told.extension for told in self.office.told_of(CallRang)]

    async def outcome(self, *, from_outside: bool = False, did: str = "+33140000001") -> str:
        """What a call to 101 comes to: a place, who rings in the end, or the status."""
        self.office.told.clear()
        self.places.reached.clear()
        dial = self.gateway.call_in(did, caller="+33698765432") if from_outside else self.lee.dial("101")
        for _ in range(400):
            await asyncio.sleep(1)
            if dial.leg.ended.done():
                return str(await dial.over())
            if self.places.reached:
                break
            if self.rang and self.rang[-1] != "101":
                break
        else:
            dial.hang_up()
            return "rings on"
        result = self.places.reached[0] if self.places.reached else f"rings {self.rang[-1]}"
        dial.hang_up()
        await asyncio.sleep(1)
        return result


@pytest.fixture
def desk(make_office: MakeOffice, simulation: Simulation) -> Desk:
    async def open_office() -> Desk:
        places = Places()
        office = make_office(features=[places.feature], **OUTSIDE)
        await office.open()
        for number, kind in (("804", "queue"), ("800", "ring_group"), ("801", "receptionist")):
            office.switch.system_numbers.add(number, kind)
        desk = Desk(office, places)
        desk.lee, desk.richardson = await office.phone("100"), await office.phone("101")
        desk.taylor, desk.gateway = await office.phone("102"), await carrier(office)
        await asyncio.sleep(0.1)
        return desk

    return simulation.run(open_office())


async def engage(desk: Desk) -> None:
    """101 talks with 103."""
    miller = await desk.office.phone("103")
    desk.richardson.auto_answer = True
    await miller.call("101")
    desk.richardson.auto_answer = False


# -- the simple form -------------------------------------------------------------------------------


@pytest.mark.row("FWD-01", "FWD-04", "FWD-05", "FWD-06", "FWD-07")
@pytest.mark.parametrize(
    ("target", "outcome"), [("voicemail", "voicemail 101"), ("extension:102", "rings 102"), ("end", "480")]
)
async def test_no_answer(desk: Desk, target: str, outcome: str) -> None:
    desk.set_simple(no_answer_seconds=7, no_answer=target)
    began = desk.office.simulation.loop.time()
    assert await desk.outcome() == outcome
    assert desk.rang[0] == "101"
    assert desk.office.simulation.loop.time() - began == pytest.approx(8, abs=1.1)
    await desk.richardson.unregister()
    assert await desk.outcome() == outcome
    assert "101" not in desk.rang


@pytest.mark.row("FWD-09", "FWD-10", "FWD-01")
@pytest.mark.parametrize(
    ("target", "outcome"), [("voicemail", "voicemail 101"), ("extension:102", "rings 102"), ("busy", "486")]
)
async def test_busy(desk: Desk, target: str, outcome: str) -> None:
    desk.set_simple(busy=target)
    await engage(desk)
    assert await desk.outcome() == outcome
    assert len(desk.richardson.calls) == 1


@pytest.mark.row("FWD-10", "FWD-11", "FWD-43", "FWD-44")
async def test_more_than_one_call_at_the_same_time(desk: Desk) -> None:
    desk.set_simple(no_answer_seconds=5, busy="extension:102", more_than_one_call=True)
    await engage(desk)
    assert await desk.outcome() == "voicemail 101"
    assert desk.rang == ["101"]
    desk.richardson.refuse_with = 486
    assert await desk.outcome() == "rings 102"


@pytest.mark.row("FWD-13")
@pytest.mark.parametrize(
    ("target", "outcome"),
    [
        ("voicemail", "voicemail 101"),
        ("extension:102", "rings 102"),
        ("number:00612345678", f"rings {MOBILE}"),
    ],
)
async def test_forward_all(desk: Desk, target: str, outcome: str) -> None:
    desk.set_simple(forward_all=ForwardAll(to=target))
    if target.startswith("number:"):
        outcome_seen = asyncio.ensure_future(desk.outcome())
        (await desk.gateway.incoming()).ring()
        assert await outcome_seen == outcome
    else:
        assert await desk.outcome() == outcome
    assert "101" not in desk.rang


@pytest.mark.row("FWD-16", "FWD-17", "FWD-18", "FWD-02")
@pytest.mark.parametrize("outside_hours", [False, True])
@pytest.mark.parametrize("only_external", [False, True])
async def test_forward_all_in_office_hours_and_from_outside_only(
    desk: Desk, outside_hours: bool, only_external: bool
) -> None:
    forward = ForwardAll(
        to="extension:102",
        outside_office_hours="voicemail" if outside_hours else "forward",
        only_external=only_external,
    )
    desk.set_simple(forward_all=forward)
    inside = "voicemail 101" if only_external else "rings 102"
    assert await desk.outcome() == inside
    assert await desk.outcome(from_outside=True) == "rings 102"
    await asyncio.sleep(2 * OFFICE_HOUR)
    after = "voicemail 101" if outside_hours else "rings 102"
    assert await desk.outcome(from_outside=True) == after
    assert await desk.outcome() == ("voicemail 101" if outside_hours or only_external else "rings 102")


# -- the advanced form -----------------------------------------------------------------------------


@pytest.mark.row("FWD-46", "FWD-51", "FWD-52", "FWD-53", "FWD-54", "FWD-57", "FWD-58", "ADM-12")
@pytest.mark.parametrize(
    ("action", "outcome"),
    [
        (End(), "480"),
        (End(busy=True), "486"),
        (Voicemail("101"), "voicemail 101"),
        (Voicemail("107"), "voicemail 107"),
        (ExtensionNumber("102"), "rings 102"),
        (SystemNumber("804"), "queue 804"),
        (SystemNumber("800"), "ring_group 800"),
        (SystemNumber("801"), "receptionist 801"),
        (Number("804"), "queue 804"),
        (SystemNumber("899"), "404"),
    ],
)
async def test_actions(desk: Desk, action: Any, outcome: str) -> None:
    desk.set(Rule(type=RuleType.FORWARD_ALL, action=action))
    assert await desk.outcome() == outcome


@pytest.mark.row("FWD-55")
async def test_an_external_number_is_dialled_with_its_prefix(desk: Desk) -> None:
    desk.set(Rule(type=RuleType.FORWARD_ALL, action=Number("00612345678")))
    outgoing = desk.lee.dial("101")
    incoming = await desk.gateway.incoming()
    assert incoming.leg.session is not None
    assert incoming.leg.session.request.uri.user == MOBILE
    outgoing.hang_up()
    await desk.office.settle()


@pytest.mark.row("ADM-17", "FWD-13", "FWD-19")
@pytest.mark.parametrize(
    ("uri", "called"),
    [
        ("skype:threecx", f"sip:threecx@{GATEWAY}:5060"),
        ("skype:live:lee.p@x", f"sip:live%3Alee.p%40x@{GATEWAY}:5060"),
        ("sip:lee@example.org", "sip:lee@example.org"),
    ],
)
@pytest.mark.parametrize("from_outside", [False, True])
async def test_who_has_no_number_is_reached_through_a_gateway(
    make_office: MakeOffice, uri: str, called: str, from_outside: bool
) -> None:
    trunk = {"name": "lines", "addresses": [GATEWAY], "qualify_seconds": 0, "schemes": ["skype", "sip"]}
    office = make_office(**OUTSIDE | {"trunks": [trunk]})
    await office.open()
    rule = Rule(type=RuleType.FORWARD_ALL, action=Address(uri))
    office.switch.forwarding.set("101", Settings(AdvancedForm(rules=(rule,))))
    lee, gateway = await office.phone("100"), await carrier(office)
    outgoing = gateway.call_in("+33140000001", caller="+33698765432") if from_outside else lee.dial("101")
    incoming = await gateway.incoming()
    assert incoming.leg.session is not None
    assert incoming.leg.session.request.uri_text == called
    incoming.answer()
    await outgoing.answered()
    outgoing.hang_up()
    await office.settle()


@pytest.mark.row("FWD-45", "FWD-65")
async def test_each_occasion_has_its_rules_and_without_one_the_end_is_the_natural_one(desk: Desk) -> None:
    desk.set(
        Rule(type=RuleType.NO_ANSWER, action=Voicemail("103")),
        Rule(type=RuleType.NOT_REGISTERED, action=Voicemail("104")),
        no_answer_seconds=5,
    )
    assert await desk.outcome() == "voicemail 103"
    await desk.richardson.unregister()
    assert await desk.outcome() == "voicemail 104"
    await desk.richardson.register()
    await engage(desk)
    assert await desk.outcome() == "486"
    desk.set(no_answer_seconds=5, busy_detection=BusyDetection.PHONE)
    assert await desk.outcome() == "480"
    await desk.richardson.unregister()
    assert await desk.outcome() == "480"


@pytest.mark.row("FWD-47", "FWD-63", "FWD-64", "FWD-60", "FWD-50", "FWD-48")
async def test_the_first_rule_wins_and_conditions_are_about_caller_did_hours_and_call_type(
    desk: Desk,
) -> None:
    desk.set(
        Rule(type=RuleType.BUSY, action=End(busy=True)),
        Rule(
            type=RuleType.CALLER_ID,
            action=Voicemail("102"),
            callers=("06 98 76 54 32",),
            dids=("0140000002",),
        ),
        Rule(type=RuleType.CALLER_ID, action=Voicemail("103"), callers=("0698765432",), hours=Hours.OUTSIDE),
        Rule(
            type=RuleType.FORWARD_ALL,
            action=Voicemail("104"),
            calls=CallType.EXTERNAL,
            hours=Hours.SPECIFIC,
            week=Week(monday=("00:00-08:30",)),
        ),
        Rule(type=RuleType.FORWARD_ALL, action=Voicemail("105"), calls=CallType.INTERNAL),
        Rule(type=RuleType.NO_ANSWER, action=Voicemail("107")),
        no_answer_seconds=5,
    )
    assert await desk.outcome(from_outside=True, did="+33140000002") == "voicemail 102"
    assert await desk.outcome(from_outside=True) == "voicemail 104"
    assert await desk.outcome() == "voicemail 105"
    await asyncio.sleep(1200)
    assert await desk.outcome(from_outside=True) == "voicemail 107"
    await asyncio.sleep(OFFICE_HOUR)
    assert await desk.outcome(from_outside=True) == "voicemail 103"


@pytest.mark.row("FWD-41")
async def test_one_delay_is_that_of_all_no_answer_rules(desk: Desk) -> None:
    desk.set(
        Rule(type=RuleType.NO_ANSWER, action=Voicemail("103"), calls=CallType.EXTERNAL),
        Rule(type=RuleType.NO_ANSWER, action=Voicemail("104"), calls=CallType.INTERNAL),
        no_answer_seconds=12,
    )
    for from_outside, outcome in ((True, "voicemail 103"), (False, "voicemail 104")):
        began = desk.office.simulation.loop.time()
        assert await desk.outcome(from_outside=from_outside) == outcome
        assert desk.office.simulation.loop.time() - began == pytest.approx(13, abs=1.1)


@pytest.mark.row("FWD-67")
async def test_the_rules_of_the_target_apply_and_circles_end(desk: Desk) -> None:
    desk.set(Rule(type=RuleType.FORWARD_ALL, action=ExtensionNumber("102")))
    book = desk.office.switch.forwarding
    book.set("102", Settings(AdvancedForm(rules=(Rule(type=RuleType.FORWARD_ALL, action=Voicemail("102")),))))
    assert await desk.outcome() == "voicemail 102"
    back = Rule(type=RuleType.FORWARD_ALL, action=ExtensionNumber("101"))
    book.set("102", Settings(AdvancedForm(rules=(back,))))
    assert await desk.outcome() == "480"


@pytest.mark.row("FWD-08")
@settings(max_examples=15, deadline=None)
@given(st.integers(50, 3000).map(lambda tenths: tenths / 10))
def test_the_timer_runs_from_the_start_of_ringing(seconds: float) -> None:
    """Not before, and not after: the phone gets its CANCEL when so much time has gone by since its INVITE."""
    with Simulation(1) as simulation:
        simulation.run(ring_out(simulation, seconds))


async def ring_out(simulation: Simulation, seconds: float) -> None:
    office = Office(simulation, extensions={"101": {"no_answer_seconds": seconds}})
    await office.open()
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing = lee.dial("101")
    incoming = await richardson.incoming()
    began = simulation.loop.time()
    assert await incoming.over() == 487
    assert simulation.loop.time() - began == pytest.approx(seconds, abs=0.01)
    assert await outgoing.over() == 480
    await office.close()


# -- the black list --------------------------------------------------------------------------------


@pytest.mark.row("MYP-30", "MYP-33")
async def test_a_listed_caller_is_rejected_before_all_rules(desk: Desk) -> None:
    forward = Rule(type=RuleType.FORWARD_ALL, action=Voicemail("101"))
    desk.set(forward, black_list=BlackList(numbers=("06 98.76.54.32", "100")))
    assert await desk.outcome(from_outside=True) == "603"
    [blocked] = desk.office.told_of(CallBlocked)
    assert blocked.extension == "101"
    assert await desk.outcome() == "603"
    assert desk.rang == []
    desk.set(forward, black_list=BlackList(numbers=("103",)))
    assert await desk.outcome() == "voicemail 101"


@pytest.mark.row("MYP-33")
async def test_a_black_list_is_that_of_one_user(desk: Desk) -> None:
    desk.set(black_list=BlackList(numbers=("100",)))
    with pytest.raises(CallFailed, match="603"):
        await desk.lee.call("101")
    desk.taylor.auto_answer = True
    await desk.lee.call("102")


async def test_who_withholds_the_number_is_rejected_where_the_user_wants_that(desk: Desk) -> None:
    desk.set(no_answer_seconds=5)
    hidden = desk.gateway.call_in("+33140000001", caller="anonymous")
    assert await hidden.over() == 480
    desk.set(black_list=BlackList(reject_anonymous=True))
    hidden = desk.gateway.call_in("+33140000001", caller="anonymous")
    assert await hidden.over() == 603


async def test_the_status_for_rejected_callers_from_outside_is_a_setting(make_office: MakeOffice) -> None:
    office = make_office(**OUTSIDE | {"forwarding": {"rejection": 486}})
    await office.open()
    office.switch.forwarding.set("101", Settings(black_list=BlackList(numbers=("100", "0698765432"))))
    lee, gateway = await office.phone("100"), await carrier(office)
    assert await gateway.call_in("+33140000001", caller="+33698765432").over() == 486
    with pytest.raises(CallFailed, match="603"):
        await lee.call("101")
