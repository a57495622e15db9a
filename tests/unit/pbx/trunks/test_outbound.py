"""Rules that lead calls outside."""

from __future__ import annotations

from typing import Any

import pytest

from pbx.directory import Extension
from pbx.party import ExternalParty
from pbx.trunks.outbound import NOT_OUT_AGAIN, Asker, Barred, CallOut, Outbound
from pbx.trunks.settings import Dialing, OutboundRule

LEE, BAILEY = Asker("100"), Asker("101")
STRANGER = Asker(from_trunk=True)


def outbound(*rules: dict[str, Any], **dialing: Any) -> Outbound:
    return Outbound(
        [OutboundRule.model_validate({"trunks": ["lines"]} | rule) for rule in rules],
        Dialing.model_validate({"country": "FR"} | dialing),
        {"Management": frozenset({"100"})},
        ("lines", "voip"),
    )


def led(rules: Outbound, dialled: str, asker: Asker = LEE) -> tuple[str, tuple[str, ...]] | str | None:
    """Number and trunks, the reason why not, or None."""
    answer = rules.route(dialled, asker)
    if isinstance(answer, CallOut):
        return str(answer.number), answer.trunks
    return answer.reason if isinstance(answer, Barred) else None


@pytest.mark.row("ADM-09")
def test_a_prefix_leads_to_a_line() -> None:
    rules = outbound({"prefix": "0", "strip": 1})
    assert led(rules, "00612345678") == ("+33612345678", ("lines",))
    assert led(rules, "612345678") is None
    assert led(rules, "*0612") is None
    assert led(rules, "0abc") is None


@pytest.mark.row("ADM-09")
def test_the_first_rule_that_fits_is_taken() -> None:
    rules = outbound(
        {"prefix": "06", "lengths": [10, 10], "trunks": ["voip", "lines"]},
        {"prefix": "0", "lengths": [10, 14]},
        {"lengths": [4, 4], "prepend": "01400000"},
    )
    assert led(rules, "0612345678") == ("+33612345678", ("voip", "lines"))
    assert led(rules, "0140000001") == ("+33140000001", ("lines",))
    assert led(rules, "4711") == ("01400000" + "4711", ("lines",)) or led(rules, "41") is None
    assert led(rules, "061234") is None


def test_a_rule_is_for_extensions_and_groups() -> None:
    rules = outbound({"prefix": "06", "groups": ["Management"]}, {"prefix": "01", "extensions": ["101"]})
    assert led(rules, "0612345678", LEE) == ("+33612345678", ("lines",))
    assert led(rules, "0612345678", BAILEY) == "Not Allowed For This Extension"
    assert led(rules, "0140000001", BAILEY) == ("+33140000001", ("lines",))


def test_only_allowed_countries_are_called() -> None:
    assert led(outbound({}), "00442079460000") == "Calls To This Country Are Not Allowed"
    assert led(outbound({}, allowed_countries=["GB"]), "00442079460000") == ("+442079460000", ("lines",))
    assert (
        led(outbound({}, allowed_countries=["GB"]), "0612345678") == "Calls To This Country Are Not Allowed"
    )
    assert led(outbound({}, allowed_countries=["*"]), "+99912345678") == ("+99912345678", ("lines",))
    assert led(outbound({}), "+80012345678") == "Calls To This Country Are Not Allowed"


def test_what_a_rule_makes_of_a_number_is_what_is_judged() -> None:
    rules = outbound({"prefix": "0", "strip": 1, "prepend": "0044"})
    assert led(rules, "02079460000") == "Calls To This Country Are Not Allowed"


def test_a_caller_from_outside_is_led_out_again_only_by_a_rule_that_says_so() -> None:
    assert led(outbound({}), "0612345678", STRANGER) == "Calls From Outside Are Not Led Out Again"
    assert led(outbound({"from_trunks": True}), "0612345678", STRANGER) == ("+33612345678", ("lines",))
    forwarded = Asker("100", from_trunk=True)
    assert led(outbound({}), "0612345678", forwarded) == "Calls From Outside Are Not Led Out Again"


@pytest.mark.parametrize("asker", [LEE, BAILEY])
def test_emergency_numbers_are_always_routable(asker: Asker) -> None:
    rules = outbound(
        {"prefix": "0", "strip": 1, "extensions": ["100"], "trunks": ["voip"]}, allowed_countries=["DE"]
    )
    assert led(rules, "112", asker) == ("112", ("lines", "voip"))
    assert led(rules, "0112", asker) == ("112", ("voip", "lines"))
    assert led(outbound(emergency=["999"]), "999", asker) == ("999", ("lines", "voip"))
    assert led(outbound(emergency=["999"]), "112", asker) is None


@pytest.mark.parametrize("asker", [STRANGER, Asker("100", from_trunk=True)])
@pytest.mark.parametrize("dialled", ["112", "0112"])
def test_no_call_from_outside_is_a_call_for_help(dialled: str, asker: Asker) -> None:
    """Whoever is outside calls for help from there, and would be looked for here."""
    assert led(outbound({"prefix": "0", "strip": 1}), dialled, asker) == NOT_OUT_AGAIN
    assert led(outbound(), "112", asker) == NOT_OUT_AGAIN
    assert led(outbound({"prefix": "0", "strip": 1, "from_trunks": True}), "112", asker) == NOT_OUT_AGAIN


def test_a_rule_that_leads_calls_from_outside_out_again_is_about_emergency_numbers_too() -> None:
    """A trunk may lead to another system of ours. But no such call has rights of its own."""
    plan = outbound({"lengths": [3, 3], "from_trunks": True}).route("112", STRANGER)
    assert isinstance(plan, CallOut)
    assert (str(plan.number), plan.trunks, plan.emergency) == ("112", ("lines",), False)
    assert led(outbound({"from_trunks": True}, allowed_countries=["DE"]), "112", STRANGER) == (
        "Calls To This Country Are Not Allowed"
    )


@pytest.mark.parametrize("dialled", ["*15", "0*15", "112/x0033612345678", "0112@voip", "1a1b2"])
def test_nothing_else_passes_for_an_emergency_number(dialled: str) -> None:
    assert led(outbound({"prefix": "0", "strip": 1}), dialled) is None


def test_without_trunks_there_is_no_way_outside() -> None:
    assert Outbound(dialing=Dialing(country="FR")).route("112", LEE) is None


def test_two_from_outside_meet_only_by_a_rule_for_a_trunk_of_theirs() -> None:
    one, other, inside = ExternalParty("1", trunk="voip"), ExternalParty("2", trunk="lines"), Extension("100")
    for rules, allowed in (
        (outbound({}), False),
        (outbound({"from_trunks": True}), True),
        (outbound({"from_trunks": True, "trunks": ["backup"]}), False),
    ):
        assert rules.may_meet(one, other) is allowed
        assert rules.may_meet(one, inside)
        assert rules.may_meet(inside, None)


@pytest.mark.parametrize(
    ("rules", "shown", "dialled"),
    [
        ([{"prefix": "0", "strip": 1}], "+33612345678", "00612345678"),
        ([{"lengths": [10, 14]}], "+33612345678", "+33612345678"),
        ([{"prefix": "0", "lengths": [10, 10]}], "+33612345678", "0612345678"),
        ([{"prefix": "9", "strip": 1, "prepend": ""}], "+442071234567", "900442071234567"),
        ([{"prefix": "01"}], "+33612345678", None),
        ([{"prefix": "0", "strip": 1, "extensions": ["101"]}], "+33612345678", None),
        ([], "+33612345678", None),
    ],
)
def test_the_way_back_to_a_number_that_was_shown_is_as_the_rules_want_it(
    rules: list[dict[str, Any]], shown: str, dialled: str | None
) -> None:
    made = outbound(*rules, allowed_countries=["FR", "GB"])
    assert made.dialled_for(shown, LEE) == dialled
    if dialled is not None:
        assert led(made, dialled) == (shown, ("lines",))


def test_a_stranger_finds_no_way_back() -> None:
    assert outbound({"prefix": "0", "strip": 1}).dialled_for("+33612345678", STRANGER) is None
