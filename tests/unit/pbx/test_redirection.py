"""What a redirecting response says, and where the router lets it lead."""

from __future__ import annotations

import pytest

from pbx.directory import Diversions, Extension
from pbx.redirection import MOST_TARGETS, redirection
from pbx.routing import Outcome, Redirected, Refuse, Ring, Router
from sipcore.syntax.message import Response
from tests.unit.pbx.test_routing import FakeLines, refused, router, rung


def response(contact: str, status: int = 302, *more: tuple[str, str]) -> Response:
    return Response(status, headers=[*([("Contact", contact)] if contact else []), *more])


@pytest.mark.parametrize(
    ("contact", "targets"),
    [
        ("<sip:102@10.0.0.1>", ("102",)),
        ("sip:102@elsewhere.example", ("102",)),
        ("<sips:102@10.0.0.1>;q=0.1", ("102",)),
        ("<tel:+33123456789>", ("+33123456789",)),
        ("<sip:102@h>;q=0.2, <sip:103@h>;q=0.9, <sip:104@h>", ("104", "103", "102")),
        ("<sip:102@h>;q=9, <sip:103@h>;q=nan, <sip:104@h>;q=-1", ("102", "103", "104")),
        ("<sip:102@h>, <sip:102@other>", ("102",)),
        ("<sip:%2A20%2A101@h>", ("*20*101",)),
    ],
)
def test_the_users_of_its_contacts_by_preference(contact: str, targets: tuple[str, ...]) -> None:
    assert redirection(response(contact)) == Redirected(targets, 302)


@pytest.mark.parametrize("status", [300, 301, 302])
def test_what_is_followed(status: int) -> None:
    assert redirection(response("<sip:102@h>", status)) == Redirected(("102",), status)


@pytest.mark.parametrize("status", [305, 380, 399, 404, 486, 600])
def test_what_is_not(status: int) -> None:
    assert redirection(response("<sip:102@h>", status)) is None


@pytest.mark.parametrize(
    "contact", ["", "*", "<sip:10.0.0.1>", "<mailto:102@h>", "<sip:102@h", "x", "<http://h/102>"]
)
def test_a_redirection_to_nowhere_is_none(contact: str) -> None:
    assert redirection(response(contact)) is None


def test_a_long_list_is_cut() -> None:
    found = redirection(response(", ".join(f"<sip:{number}@h>" for number in range(100, 200))))
    assert found is not None
    assert len(found.targets) == MOST_TARGETS


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (("Diversion", "<sip:101@h>;reason=unconditional;counter=1"), "unconditional"),
        (("Diversion", '<sip:101@h>; reason="User-Busy"'), "user-busy"),
        (("Diversion", "<sip:101@h>"), ""),
        (("History-Info", "<sip:101@h>;index=1"), "see its History-Info"),
    ],
)
def test_the_reason_is_noted(header: tuple[str, str], why: str) -> None:
    found = redirection(response("<sip:102@h>", 302, header))
    assert found is not None
    assert found.why == why


# -- where it leads --------------------------------------------------------------------------------------


def office(lines: FakeLines | None = None) -> Router:
    return router(Extension("101"), Extension("102"), Extension("103"), lines=lines)


def sent_on(switch: Router, *targets: str) -> tuple[str, ...]:
    """The reasons of what becomes of a call to 101 that is sent on, the action in front."""
    route = switch.reroute(switch.route("101"), Redirected(targets, 302, "unconditional"))
    action = route.action
    if isinstance(action, Refuse):
        return str(action.status), *route.reasons
    return (f"ring {action.extension.number}" if isinstance(action, Ring) else "serve"), *route.reasons


def test_to_an_extension() -> None:
    assert sent_on(office(), "102") == (
        "ring 102",
        "ring 101",
        "101 answers 302 (unconditional), sends the call to 102",
        "ring 102",
    )


def test_to_a_dial_code() -> None:
    assert sent_on(office(), "*777")[0] == "serve"


def test_to_the_first_that_takes_the_call() -> None:
    assert sent_on(office(FakeLines(busy={"102": 1})), "999999", "102", "103")[0] == "ring 103"


def test_what_is_no_number_of_ours_is_not_called() -> None:
    assert sent_on(office(), "+33123456789", "nobody")[0] == "480"


def test_of_targets_that_all_refuse_the_first_is_told() -> None:
    assert sent_on(office(FakeLines(busy={"102": 1})), "102", "999999")[0] == "486"


def test_round_in_circles() -> None:
    switch = office()
    route = switch.route("101")
    for target in ("102", "103"):
        route = switch.reroute(route, Redirected((target,)))
        assert rung(route) == target
    ended = switch.reroute(route, Redirected(("101",)))
    assert refused(ended) == 480
    assert "diversions go round: 101 > 102 > 103 > 101" in ended.reasons


def test_where_phones_may_not() -> None:
    base = router(
        Extension("101", diversions=Diversions(not_registered="103")), Extension("102"), Extension("103")
    )
    switch = Router(base.directory, base.dial_table, base.lines, follow_redirects=False)
    route = switch.reroute(switch.route("101"), Redirected(("102",)))
    assert rung(route) == "103"
    assert "phones may not send calls on" in route.reasons
    assert Outcome.NOT_REACHED.value in " ".join(route.reasons)
