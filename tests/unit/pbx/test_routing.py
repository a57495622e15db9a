"""Routing decides alone on what was dialled and on the state of the lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pbx.dial_table import DialTable
from pbx.directory import BusyDetection, Directory, Diversions, Extension
from pbx.forwarding.book import Settings
from pbx.forwarding.callers import BlackList
from pbx.routing import Outcome, Refuse, Ring, Route, Router, Serve
from sipcore.syntax.message import REASONS
from tests.unit.pbx.codes import ECHO


@dataclass
class FakeLines:
    """Everyone is registered and idle, but for those named."""

    away: set[str] = field(default_factory=set)
    busy: Mapping[str, int] = field(default_factory=dict)

    def registered(self, number: str) -> bool:
        return number not in self.away

    def calls_of(self, number: str) -> int:
        return self.busy.get(number, 0)


def router(*extensions: Extension, lines: FakeLines | None = None) -> Router:
    return Router(Directory(extensions), DialTable([ECHO]), lines or FakeLines())


def refused(route: Route) -> int:
    assert isinstance(route.action, Refuse), route
    return route.action.status


def rung(route: Route) -> str:
    assert isinstance(route.action, Ring), route
    return route.action.extension.number


@pytest.mark.row("CORE-03")
def test_an_extension_is_rung_for_its_no_answer_time() -> None:
    route = router(Extension("101", no_answer_seconds=25)).route("101")
    assert rung(route) == "101"
    assert isinstance(route.action, Ring)
    assert route.action.seconds == 25


@pytest.mark.row("CORE-24")
def test_a_sip_id_reaches_its_extension() -> None:
    assert rung(router(Extension("100", sip_id="ext100")).route("ext100")) == "100"


@pytest.mark.row("DC-04")
def test_a_dial_code_goes_to_its_feature() -> None:
    action = router().route("*777").action
    assert isinstance(action, Serve)
    assert action.handler is ECHO.handler


@pytest.mark.row("CORE-18")
def test_each_way_to_fail_has_its_status() -> None:
    lines = FakeLines(away={"102"}, busy={"103": 1})
    ask = router(Extension("101"), Extension("102"), Extension("103"), lines=lines)
    assert refused(ask.route("555")) == 404
    assert refused(ask.route("102")) == 480
    assert refused(ask.route("103")) == 486
    ringing = ask.route("101")
    assert refused(ask.reroute(ringing, Outcome.DECLINED)) == 603
    assert refused(ask.reroute(ringing, Outcome.NO_ANSWER)) == 480
    assert refused(ask.reroute(ringing, Outcome.NOT_ACCEPTABLE)) == 488


def blacklisting() -> Router:
    """101 does not want calls of 100."""
    ask = router(Extension("101"))
    ask.forwarding.set("101", Settings(black_list=BlackList(numbers=("100",))))
    return ask


MANUAL = Path(__file__).parents[3] / "docs" / "configuration.md"


@pytest.mark.row("CORE-18")
def test_the_manual_tells_the_status_and_phrase_of_each() -> None:
    manual = dict(re.findall(r"^\| (.+?) \| (\d{3} [A-Z].+?) \|$", MANUAL.read_text("utf-8"), re.MULTILINE))
    circle = Extension("104", diversions=Diversions(always="104"))
    ask = router(Extension("101"), circle, Extension("102"), lines=FakeLines(away={"102"}))
    ringing = ask.route("101")
    routes = {
        "to an unknown number": ask.route("555"),
        "to an extension where no phone is registered": ask.route("102"),
        "that nobody answers in time": ask.reroute(ringing, Outcome.NO_ANSWER),
        "whose forwards go round in a circle": ask.route("104"),
        "to a busy extension": ask.reroute(ringing, Outcome.BUSY),
        "without a codec that both sides know": ask.reroute(ringing, Outcome.NOT_ACCEPTABLE),
        "that is declined at the phone": ask.reroute(ringing, Outcome.DECLINED),
        "from a caller on the black list": blacklisting().route("101", caller=Extension("100")),
    }
    for occasion, route in routes.items():
        assert isinstance(route.action, Refuse)
        assert manual.pop(occasion) == f"{route.action.status} {route.action.reason}"
    assert sorted(manual.values()) == [f"{status} {REASONS[status]}" for status in (487, 500, 503)]


@pytest.mark.row("CORE-21")
def test_with_pbx_status_one_call_makes_the_next_busy_without_ringing() -> None:
    assert refused(router(Extension("101"), lines=FakeLines(busy={"101": 1})).route("101")) == 486


@pytest.mark.row("CORE-20")
def test_with_phone_status_the_phone_itself_refuses_and_the_busy_rule_applies() -> None:
    busy = Extension("101", busy_detection=BusyDetection.PHONE, diversions=Diversions(busy="102"))
    ask = router(busy, Extension("102"), lines=FakeLines(busy={"101": 3}))
    ringing = ask.route("101")
    assert rung(ringing) == "101"
    assert rung(ask.reroute(ringing, Outcome.BUSY)) == "102"


@pytest.mark.row("CORE-19")
def test_a_busy_phone_without_a_rule_is_486_to_the_caller() -> None:
    ask = router(Extension("101", busy_detection=BusyDetection.PHONE))
    assert refused(ask.reroute(ask.route("101"), Outcome.BUSY)) == 486


@pytest.mark.parametrize(
    ("diversions", "lines"),
    [
        (Diversions(always="102"), FakeLines()),
        (Diversions(busy="102"), FakeLines(busy={"101": 1})),
        (Diversions(not_registered="102"), FakeLines(away={"101"})),
    ],
)
def test_a_diversion_leads_on_and_says_why(diversions: Diversions, lines: FakeLines) -> None:
    route = router(Extension("101", diversions=diversions), Extension("102"), lines=lines).route("101")
    assert rung(route) == "102"
    assert route.trail == ("101", "102")
    assert any("101" in reason for reason in route.reasons)


@pytest.mark.row("CORE-08")
def test_an_unregistered_extension_follows_its_rule() -> None:
    away = Extension("101", diversions=Diversions(not_registered="102", busy="103"))
    assert rung(router(away, Extension("102"), lines=FakeLines(away={"101"})).route("101")) == "102"


def test_no_answer_diverts_and_keeps_the_reasons() -> None:
    ask = router(Extension("101", diversions=Diversions(no_answer="102")), Extension("102"))
    first = ask.route("101")
    second = ask.reroute(first, Outcome.NO_ANSWER)
    assert rung(second) == "102"
    assert second.reasons[: len(first.reasons)] == first.reasons


@pytest.mark.row("CORE-27")
def test_a_ring_of_diversions_ends() -> None:
    ask = router(
        Extension("101", diversions=Diversions(always="102")),
        Extension("102", diversions=Diversions(always="101")),
    )
    route = ask.route("101")
    assert refused(route) == 480
    assert "101 > 102 > 101" in " ".join(route.reasons)


def test_a_diversion_may_lead_to_a_dial_code() -> None:
    assert isinstance(
        router(Extension("101", diversions=Diversions(always="*777"))).route("101").action, Serve
    )


def test_only_a_ring_can_fail() -> None:
    ask = router()
    with pytest.raises(TypeError):
        ask.reroute(ask.route("555"), Outcome.BUSY)
