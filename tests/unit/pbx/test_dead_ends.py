"""Targets that lead to what there is not are named, each by its key; all others pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pbx.config import parse
from pbx.config_errors import ConfigError
from pbx.dead_ends import check_leads
from pbx.plugin import load_features

BASE: dict[str, Any] = {
    "extensions": [{"number": "100", "password": "a long one"}, {"number": "101", "password": "another one"}],
    "office_hours": {"monday": ["08:00-12:00"]},
    "dialing": {"country": "FR"},
    "trunks": [{"name": "lines", "addresses": ["192.0.2.1"], "schemes": ["skype"]}],
    "outbound_rules": [{"prefix": "0", "trunks": ["lines"]}],
    "queues": [{"number": "804"}],
    "ring_groups": [{"number": "810"}],
}
PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "inbound_rules[0].target": lambda target: {"inbound_rules": [{"target": target}]},
    "inbound_rules[0].otherwise": lambda target: {"inbound_rules": [{"target": "100", "otherwise": target}]},
    "queues[0].overflow": lambda target: {"queues": [{"number": "804", "overflow": target}]},
    "ring_groups[0].otherwise": lambda target: {"ring_groups": [{"number": "810", "otherwise": target}]},
    "receptionists[0].keys.1": lambda target: {"receptionists": [{"number": "800", "keys": {"1": target}}]},
    "receptionists[0].time_out": lambda target: {"receptionists": [{"number": "800", "time_out": target}]},
    "receptionists[0].invalid": lambda target: {"receptionists": [{"number": "800", "invalid": target}]},
    "receptionists[0].closed.keys.#": lambda target: menu("closed", keys={"#": target}),
    "receptionists[0].holiday.time_out": lambda target: menu("holiday", time_out=target),
}
NOWHERE = "is no extension, number of the system, dial code or number outside, choose another"
FAULTS = {
    "system:999": "999 is no queue, ring group or receptionist, add it or choose another",
    "extension:109": "109 is no extension, add it or choose another",
    "voicemail:109": "109 is no extension, add it or choose another",
    "number:109": f"109 {NOWHERE}",
    "109": f"109 {NOWHERE}",
    "*8888": f"*8888 {NOWHERE}",
    "*4109": "109 is no extension, add it or choose another",
    "*63805": "805 is no queue, add it or choose another",
    "uri:sip:lee@example.org": "needs a gateway for sip:, add the scheme to that of a trunk",
}


def menu(name: str, **keys: Any) -> dict[str, Any]:
    return {"receptionists": [{"number": "800", name: keys}]}


def problems(tables: dict[str, Any]) -> list[str]:
    try:
        check_leads(load_features(), parse(BASE | tables))
    except ConfigError as error:
        return str(error).splitlines()
    return []


@pytest.mark.row("ADM-10", "ADM-11", "ADM-12", "ADM-13")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("target", FAULTS)
def test_what_leads_nowhere_is_named(place: str, target: str) -> None:
    assert problems(PLACES[place](target)) == [f"{place}: {FAULTS[target]}"]


@pytest.mark.parametrize("place", PLACES)
def test_what_leads_somewhere_passes(place: str) -> None:
    targets = (
        "100", "EXT101", "extension:101", "voicemail:100", "999", "700", "804", "system:804", "*777", "0612345678",
        "15", "*4101", "*20*", "*63804", "uri:skype:lee", "busy", "end",
    )  # fmt: skip
    out = {"outbound_rules": [{"prefix": "0", "trunks": ["lines"]}, {"trunks": ["lines"], "from_trunks": True}]}
    for target in targets:
        assert problems(out | PLACES[place](target)) == [], target


def test_a_forward_may_lead_to_numbers_of_the_system_that_there_are() -> None:
    lee = {"number": "100", "password": "a long one"}
    assert problems({"extensions": [lee | {"forward": {"busy": "system:804"}}]}) == []
    assert problems({"extensions": [lee | {"forward": {"busy": "system:999"}}]}) == [
        "extensions[0].forward.busy: (extension 100) 999 is no queue, ring group or receptionist, add it or choose "
        "another"
    ]


def test_a_code_that_is_switched_off_leads_nowhere() -> None:
    assert problems({"inbound_rules": [{"target": "*777"}], "dial_codes": {"echo": False}}) == [
        f"inbound_rules[0].target: *777 {NOWHERE}"
    ]


BEHIND_9 = {"outbound_rules": [{"prefix": "9", "strip": 1, "trunks": ["lines"]}]}
LEE = {"number": "915", "password": "a long one"}
HIDDEN: dict[str, dict[str, Any]] = {
    "extensions[0].number: 915 is the emergency number 15": {"extensions": [LEE]},
    "numbers.voicemail: 918 is the emergency number 18": {"numbers": {"voicemail": "918"}},
    "queues[0].number: 918 is the emergency number 18": {"queues": [{"number": "918"}]},
    "ring_groups[0].number: 9112 is the emergency number 112": {"ring_groups": [{"number": "9112"}]},
    "receptionists[0].number: 917 is the emergency number 17": {"receptionists": [{"number": "917"}]},
}


@pytest.mark.parametrize("told", HIDDEN)
def test_a_number_that_calls_for_help_behind_a_prefix_is_reached_by_nobody(told: str) -> None:
    [problem] = problems(BEHIND_9 | HIDDEN[told])
    remedy = "choose another, or say in dialing.emergency which numbers are"
    assert problem == f"{told} behind the prefix of an outbound rule, {remedy}"
    assert problems(BEHIND_9 | HIDDEN[told] | {"dialing": {"country": "FR", "emergency": ["998"]}}) == []
    assert problems({"trunks": [], "outbound_rules": []} | HIDDEN[told]) == []


@pytest.mark.parametrize("told", HIDDEN)
def test_what_stood_behind_a_prefix_before_stands_in_the_way_of_no_other_change(told: str) -> None:
    """A system that has such a number starts, and goes on."""
    before, features = parse(BASE | BEHIND_9 | HIDDEN[told]), load_features()
    check_leads(features, parse(BASE | BEHIND_9 | {"queues": []} | HIDDEN[told]), lambda: before)
    change = {
        "extensions": [*before.extensions, {"number": "2015", "password": "a long one"}],
        "outbound_rules": [*before.outbound_rules, {"prefix": "20", "trunks": ["lines"]}],
    }
    with pytest.raises(ConfigError) as refused:
        check_leads(features, before.with_tables(change), lambda: before)
    [problem] = refused.value.problems
    assert problem.message.startswith("2015 is the emergency number 15 behind the prefix")


@pytest.mark.parametrize("key", ["target", "otherwise"])
@pytest.mark.parametrize("target", ["112", "number:112", "0112"])
def test_calls_from_outside_are_led_to_help_by_a_rule_for_them_alone(key: str, target: str) -> None:
    """As 403 would be told to them, whoever had them led there is told at the start."""
    inbound = {"inbound_rules": [{"target": "100"} | {key: target}]}
    [problem] = problems(inbound)
    assert problem.startswith(f"inbound_rules[0].{key}: {target.removeprefix('number:')} is ")
    assert "from_trunks" in problem
    rule = {"trunks": ["lines"], "from_trunks": True}
    assert problems(inbound | {"outbound_rules": [*BASE["outbound_rules"], rule]}) == []
