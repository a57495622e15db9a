"""What an INVITE from outside says, whatever it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.numbers import NumberingPlan
from pbx.trunks.inbound import called_numbers, calling_party
from pbx.trunks.settings import InboundRule
from sipcore.syntax.message import Request
from sipcore.syntax.parser import parse_message

FRANCE = NumberingPlan("FR")


def invite(
    *headers: str, uri: str = "sip:0140000001@10.0.0.1", from_: str = "<sip:0612345678@gw>;tag=1"
) -> Request:
    lines = [
        f"INVITE {uri} SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        f"From: {from_}",
        "To: <sip:+33140000002@gw>",
        "Call-ID: 1",
        "CSeq: 1 INVITE",
        *headers,
        "Content-Length: 0\r\n\r\n",
    ]
    message = parse_message("\r\n".join(lines).encode("utf-8", "surrogateescape"))
    assert isinstance(message, Request)
    return message


def caller(*headers: str, from_: str = "<sip:0612345678@gw>;tag=1") -> tuple[str, str]:
    party = calling_party(invite(*headers, from_=from_), "lines", FRANCE)
    assert party.trunk == "lines"
    return party.number, party.full_name


@pytest.mark.parametrize(
    ("from_", "headers", "expected"),
    [
        ('"Al" <sip:0612345678@gw>;tag=1', [], ("+33612345678", "Al")),
        ("<tel:+44-20-7946-0000>;tag=1", [], ("+442079460000", "")),
        ("<sip:+33612345678;ext=1@gw;user=phone>;tag=1", [], ("+33612345678", "")),
        ('"Al" <sip:anonymous@anonymous.invalid>;tag=1', [], ("", "")),
        ('"Al" <sip:gw.example>;tag=1', [], ("", "")),
        ('"Al" <sip:0612345678@gw>;tag=1', ["Privacy: header; id"], ("", "")),
        ('"Al" <sip:0612345678@gw>;tag=1', ["Privacy: none"], ("+33612345678", "Al")),
        ("<sip:1@gw>;tag=1", ["P-Asserted-Identity: <sip:x y>, <tel:+33700000001>"], ("+33700000001", "")),
        ("<sip:1@gw>;tag=1", ["P-Asserted-Identity: <https://evil>"], ("1", "")),
        ("<sip:alice.b@gw>;tag=1", [], ("alice.b", "")),
        ("<sip:%22%3e%0d%0aX@gw>;tag=1", [], ("", "")),
        ("<sip:" + "9" * 40 + "@gw>;tag=1", [], ("", "")),
        ('"' + "n" * 99 + '" <sip:1@gw>;tag=1', [], ("1", "n" * 64)),
        ('"a\\\x07b\u202ec" <sip:1@gw>;tag=1', [], ("1", "abc")),
    ],
)
def test_who_calls(from_: str, headers: list[str], expected: tuple[str, str]) -> None:
    assert caller(*headers, from_=from_) == expected


foreign = st.binary(max_size=80).map(
    lambda data: data.translate(None, b"\r\n\0").decode("utf-8", "surrogateescape")
)


@given(foreign | st.builds("{} <sip:{}@gw>".format, foreign, foreign))
def test_no_text_breaks_a_caller(asserted: str) -> None:
    number, shown = caller(f"P-Asserted-Identity: {asserted}", from_="<sip:1@gw>;tag=1")
    assert len(number) <= 32
    assert number.isprintable()
    assert shown.isprintable()
    assert len(shown) <= 64


@pytest.mark.row("ADM-10")
@pytest.mark.parametrize(
    ("uri", "headers", "expected"),
    [
        ("sip:0140000001@10.0.0.1", [], ("0140000001", "+33140000001")),
        ("sip:+33140000001@10.0.0.1;user=phone", [], ("+33140000001",)),
        ("sip:account@10.0.0.1", [], ("+33140000002",)),
        ("sip:10.0.0.1", [], ("+33140000002",)),
        ("sip:account@10.0.0.1", ["P-Called-Party-ID: <sip:0140000003@gw>"], ("0140000003", "+33140000003")),
        ("tel:+33140000001", [], ("+33140000001",)),
    ],
)
def test_which_number_was_called(uri: str, headers: list[str], expected: tuple[str, ...]) -> None:
    assert called_numbers(invite(*headers, uri=uri), "account", FRANCE) == expected


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ({}, True),
        ({"did": "+33140000001"}, True),
        ({"did": "0140000001"}, True),
        ({"did": "+331*"}, True),
        ({"did": "+332*"}, False),
        ({"did": "+3314000000"}, False),
        ({"caller": "+336*"}, True),
        ({"caller": "0612345678"}, False),
        ({"trunks": ["lines"]}, True),
        ({"trunks": ["voip"]}, False),
        ({"trunks": ["lines"], "did": "*", "caller": "+337*"}, False),
    ],
)
def test_which_calls_a_rule_is_about(rule: dict[str, object], fits: bool) -> None:
    made = InboundRule.model_validate({"target": "100"} | rule)
    assert made.fits("lines", ("0140000001", "+33140000001"), ("+33612345678",)) is fits


def test_a_rule_about_callers_is_not_about_those_without_a_number() -> None:
    assert not InboundRule(caller="*", target="100").fits("lines", ("1",), ())
    assert InboundRule(target="100").fits("lines", (), ())
