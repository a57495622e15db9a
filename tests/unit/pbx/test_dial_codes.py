"""The codes in force: the features' own, as the configuration changes them."""

from __future__ import annotations

from typing import Any

import pytest

from pbx.config import parse
from pbx.config_errors import ConfigError
from pbx.dial_codes import dial_table
from pbx.plugin import Call, Feature

echo = Feature("echo")
parking = Feature("parking")


@echo.dial("*777", summary="Hear yourself")
async def hear(call: Call) -> None:
    """Serve nobody."""


@parking.dial("*0{orbit:digit}", summary="Park")
async def park(call: Call, orbit: str) -> None:
    """Serve nobody."""


@parking.dial("*1{orbit:digit}{extension?}", summary="Take back")
async def take(call: Call, orbit: str, extension: str = "") -> None:
    """Serve nobody."""


def codes(dial_codes: dict[str, Any] | None = None, **others: Any) -> dict[str, str]:
    """Handler -> pattern, as in force."""
    config = parse({"dial_codes": dial_codes or {}, **others})
    table = dial_table([echo, parking], config)
    return {str(code.handler): code.pattern.text for code in table.codes}


DEFAULTS = {
    "echo.hear": "*777",
    "parking.park": "*0{orbit:digit}",
    "parking.take": "*1{orbit:digit}{extension?}",
}


@pytest.mark.row("DC-02")
@pytest.mark.parametrize(
    ("settings", "in_force"),
    [
        ({}, DEFAULTS),
        ({"echo": "*43"}, DEFAULTS | {"echo.hear": "*43"}),
        ({"echo": {"hear": "*43"}}, DEFAULTS | {"echo.hear": "*43"}),
        ({"echo": False}, {key: DEFAULTS[key] for key in ("parking.park", "parking.take")}),
        ({"echo": ""}, {key: DEFAULTS[key] for key in ("parking.park", "parking.take")}),
        ({"parking": False}, {"echo.hear": "*777"}),
        ({"parking": {"take": False}}, {key: DEFAULTS[key] for key in ("echo.hear", "parking.park")}),
        ({"parking": {"take": "#{orbit}"}}, DEFAULTS | {"parking.take": "#{orbit}"}),
    ],
)
def test_the_configuration_replaces_patterns(settings: dict[str, Any], in_force: dict[str, str]) -> None:
    assert codes(settings) == in_force


@pytest.mark.row("DC-02")
@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"eco": "*1"}, "dial_codes.eco: no such feature; installed: echo, parking"),
        ({"echo": {"heer": "*1"}}, "dial_codes.echo.heer: no such code; echo has: hear"),
        (
            {"parking": "*1"},
            "dial_codes.parking: has several codes, set each as dial_codes.parking.NAME: park, take",
        ),
        ({"echo": "*{"}, "dial_codes.echo.hear: pattern '*{': '{' is neither"),
        (
            {"parking": {"park": "*0"}},
            "dial_codes.parking.park: pattern '*0': parking.park always needs {orbit}",
        ),
        ({"echo": "*77{x}"}, "dial_codes.echo.hear: pattern '*77{x}': echo.hear takes no {x}"),
    ],
)
def test_a_wrong_setting_names_its_key(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        codes(settings)
    assert str(raised.value).startswith(problem)


@pytest.mark.row("DC-03")
@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("*05", "'*05' (echo.hear) and '*0{orbit:digit}' (parking.park) could both be meant by *05"),
        ("100", "'100' (echo.hear) would hide extension 100"),
        ("8765", "'8765' (echo.hear) would hide extension 8765"),
        ("999", "'999' (echo.hear) would hide voicemail 999"),
        ("700", "'700' (echo.hear) would hide conference 700"),
    ],
)
def test_a_clash_stops_the_start_and_names_both(pattern: str, problem: str) -> None:
    extensions = [{"number": "100", "password": "x", "sip_id": "8765"}]
    with pytest.raises(ConfigError) as raised:
        codes({"echo": pattern}, extensions=extensions)
    assert problem in str(raised.value)
    assert str(raised.value).startswith("dial_codes.echo.hear: ")
    assert str(raised.value).endswith("; set another pattern, or false to switch the code off")


# -- numbers of the system -------------------------------------------------------------------------


def server_of(name: str, feature: str = "meeting") -> Feature:
    """A feature that serves the number of a name in [numbers]."""
    serving = Feature(feature)

    @serving.number(name, summary="Serve a number")
    async def serve(call: Call) -> None:
        """Serve nobody."""

    return serving


@pytest.mark.row("CONF-04")
@pytest.mark.parametrize("number", ["700", "8000"])
def test_a_feature_serves_a_number_of_the_system(number: str) -> None:
    table = dial_table([server_of("conference")], parse({"numbers": {"conference": number}}))
    match = table.match(number)
    assert match is not None
    assert str(match[0]) == "meeting.serve"


def test_a_number_that_nobody_serves_stays_reserved() -> None:
    with pytest.raises(ConfigError, match="would hide voicemail 999"):
        dial_table([echo, server_of("conference")], parse({"dial_codes": {"echo": "999"}}))


def test_a_code_cannot_take_a_number_that_is_served() -> None:
    with pytest.raises(ConfigError, match="700"):
        dial_table([echo, server_of("conference")], parse({"dial_codes": {"echo": "700"}}))


def test_two_features_cannot_serve_one_number() -> None:
    with pytest.raises(ConfigError, match="700"):
        dial_table([server_of("conference"), server_of("conference", "other")], parse({}))


def test_a_number_that_there_is_not_is_named() -> None:
    with pytest.raises(ConfigError, match=r"numbers\.lobby: no such number, but meeting\.serve"):
        dial_table([server_of("lobby")], parse({}))


@pytest.mark.parametrize("setting", [False, "", {"serve": False}])
def test_a_number_that_is_switched_off_leads_nowhere_and_stays_reserved(setting: Any) -> None:
    meeting = server_of("conference")
    assert dial_table([meeting], parse({"dial_codes": {"meeting": setting}})).match("700") is None
    with pytest.raises(ConfigError, match="would hide conference 700"):
        dial_table([meeting, echo], parse({"dial_codes": {"meeting": setting, "echo": "700"}}))


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("*5", "dial_codes.meeting: has no code; set its number as numbers.conference"),
        ({"serve": "*5"}, "dial_codes.meeting.serve: is no code; set its number as numbers.conference"),
        ({"sevre": False}, "dial_codes.meeting.sevre: no such code; meeting has: serve"),
    ],
)
def test_a_number_is_no_pattern(setting: Any, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        dial_table([server_of("conference")], parse({"dial_codes": {"meeting": setting}}))
    assert str(raised.value) == problem


def test_one_of_two_features_for_a_number_may_be_switched_off() -> None:
    features = [server_of("conference"), server_of("conference", "other")]
    match = dial_table(features, parse({"dial_codes": {"other": False}})).match("700")
    assert match is not None
    assert str(match[0]) == "meeting.serve"


def test_no_code_hides_a_queue() -> None:
    with pytest.raises(ConfigError, match="would hide queue 804"):
        dial_table([echo], parse({"dial_codes": {"echo": "804"}, "queues": [{"number": "804"}]}))
