"""Explanations: every rule that is looked at, with its reason, and what each answer of the phones would lead to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pbx.destinations import End, ExtensionNumber, Number, Voicemail
from pbx.dial_table import DialTable, Handler
from pbx.directory import Directory, Extension
from pbx.forwarding.book import Forwarding, Settings
from pbx.forwarding.callers import BlackList
from pbx.forwarding.explain import Explanation, explain
from pbx.forwarding.rules import AdvancedForm, CallType, Hours, ReachMe, Rule, RuleType
from pbx.numbers import NumberingPlan
from pbx.office_hours import OfficeHours, Week
from pbx.party import ExternalParty
from pbx.routing import Refuse, Router
from pbx.system_numbers import Service, SystemNumbers
from pbx.trunks.outbound import Outbound
from pbx.trunks.settings import Dialing, OutboundRule
from tests.unit.pbx.test_routing import FakeLines

LEE = Extension("100", "Lee", "Parker")
MOBILE = ExternalParty("+33612345678", trunk="lines")
MONDAY = datetime(2026, 11, 30, 10, 0, tzinfo=UTC)


class Policy:
    """What the configuration says for all."""

    office_hours = OfficeHours(monday=("09:00-12:00",))
    forwarding = Forwarding().defaults


async def leave_message(call: object, mailbox: str) -> None:
    """Nothing."""


def router(*rules: Rule, black_list: BlackList | None = None, lines: FakeLines | None = None) -> Router:
    """101 has the rules; 102 the simple form at its defaults."""
    book = Forwarding(lambda: MONDAY, Policy(), NumberingPlan("FR"))
    book.set("101", Settings(AdvancedForm(rules=rules, no_answer_seconds=15), black_list or BlackList()))
    service = Service(Handler("voicemail", "leave_message", leave_message), "mailbox")
    outbound = Outbound(
        (OutboundRule(prefix="0", strip=1, trunks=("lines",)),), Dialing(country="FR"), {}, ("lines",)
    )
    return Router(
        Directory([LEE, Extension("101"), Extension("102")]),
        DialTable([]),
        lines or FakeLines(),
        outbound=outbound,
        numbers=SystemNumbers({"voicemail": service}),
        forwarding=book,
    )


def text(explanation: Explanation) -> str:
    return "\n".join(explanation.lines())


@pytest.mark.row("FWD-68")
def test_each_rule_is_told_with_why_it_does_not_apply() -> None:
    ask = router(
        Rule(type=RuleType.FORWARD_ALL, action=End(), calls=CallType.INTERNAL),
        Rule(type=RuleType.FORWARD_ALL, action=End(), hours=Hours.OUTSIDE),
        Rule(
            type=RuleType.FORWARD_ALL, action=End(), hours=Hours.SPECIFIC, week=Week(friday=("08:00-09:00",))
        ),
        Rule(type=RuleType.CALLER_ID, action=End(), callers=("06 99 99 99 99",)),
        Rule(type=RuleType.CALLER_ID, action=End(), dids=("01 40 00 00 02",)),
        Rule(type=RuleType.BUSY, action=End()),
        Rule(type=RuleType.CALLER_ID, action=ExtensionNumber("102"), callers=("06 12 34 56 78",)),
        Rule(type=RuleType.FORWARD_ALL, action=End()),
    )
    told = explain(ask, Number("101"), caller=MOBILE, dids=("+33140000001",))
    assert text(told).splitlines()[:8] == [
        "  101, on arrival: rule 1 (forward all, internal calls -> end): no, the call is external",
        "  101, on arrival: rule 2 (forward all, outside hours -> end): no, it is within office hours",
        "  101, on arrival: rule 3 (forward all, specific hours -> end): no, it is another time of the week",
        "  101, on arrival: rule 4 (caller id, from 06 99 99 99 99 -> end): no, somebody else calls",
        "  101, on arrival: rule 5 (caller id, DID 01 40 00 00 02 -> end): no, another number was called",
        "  101, on arrival: rule 7 (caller id, from 06 12 34 56 78 -> extension:102): applies",
        "- 101: rule 7 (caller id, from 06 12 34 56 78 -> extension:102)",
        "- ring 102",
    ]
    assert told.as_json()["decision"] == {"action": "ring", "extension": "102", "seconds": 60.0}


@pytest.mark.row("FWD-68")
def test_what_the_phones_may_answer_is_followed() -> None:
    told = explain(router(Rule(type=RuleType.NO_ANSWER, action=Number("102"))), Number("101"), caller=LEE)
    assert list(told.then) == [
        "if nobody answers",
        "if the phone is busy",
        "if the user declines",
        "if no phone can be reached",
    ]
    unanswered = told.then["if nobody answers"]
    assert unanswered.reasons == ("101: no answer", "101: rule 1 (no answer -> number:102)", "ring 102")
    assert unanswered.then["if nobody answers"].as_json()["decision"] == {
        "action": "serve",
        "handler": "voicemail.leave_message",
        "arguments": {"mailbox": "102"},
    }
    assert text(told).count("=> ") == 9
    assert told.then["if the user declines"].decision == Refuse(603, "Decline")
    assert told.then["if the phone is busy"].reasons == ("101: busy",)


def test_the_black_list_is_told_before_all_rules() -> None:
    ask = router(
        Rule(type=RuleType.FORWARD_ALL, action=Voicemail("101")),
        black_list=BlackList(numbers=("0612345678",)),
    )
    told = explain(ask, Number("101"), caller=MOBILE)
    assert text(told) == (
        "  101, on arrival: the black list: applies\n"
        "- 101 has +33612345678 on the black list\n=> end with 603 Decline"
    )
    assert [str(each) for each in explain(ask, Number("101"), caller=LEE).considered] == [
        "101, on arrival: the black list: no, the caller is not on it",
        "101, on arrival: rule 1 (forward all -> voicemail:101): applies",
    ]


def test_another_time_may_be_asked_about() -> None:
    ask = router(Rule(type=RuleType.FORWARD_ALL, action=Voicemail("101"), hours=Hours.OUTSIDE))
    evening = datetime(2026, 11, 30, 22, 0, tzinfo=UTC)
    assert "ring 101" in text(explain(ask, Number("101"), caller=LEE))
    assert text(explain(ask, Number("101"), caller=LEE, at=evening)).endswith(
        "=> voicemail.leave_message (mailbox 101)"
    )


def test_calls_outside_are_told_with_their_trunks() -> None:
    ask = router(Rule(type=RuleType.FORWARD_ALL, action=Number("00612345678")))
    told = explain(ask, Number("101"), caller=LEE)
    assert text(told).endswith("=> call +33612345678 outside by lines")
    ask = router(Rule(type=RuleType.FORWARD_ALL, action=ReachMe("00612345678")))
    told = explain(ask, Number("101"), caller=LEE)
    assert text(told).endswith("=> call +33612345678 outside and ask; else voicemail 101")
    assert told.as_json()["decision"] == {
        "action": "reach_me",
        "number": "+33612345678",
        "trunks": ["lines"],
        "mailbox": "101",
    }


def test_a_long_list_of_numbers_is_shortened() -> None:
    rule = Rule(type=RuleType.CALLER_ID, action=End(), callers=("1", "2", "3", "4", "5"))
    assert str(rule) == "caller id, from 1, 2, 3 and 2 more -> end"
