"""Dialogs are built from an INVITE and its response, and build the requests within (RFC 3261 section 12)."""

from __future__ import annotations

import pytest

from sipcore.dialog.dialog import Dialog
from sipcore.errors import PeerError
from sipcore.syntax.message import Request, Response, response_to
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Address, Flow, Transport

FLOW = Flow(Transport.UDP, Address("192.0.2.1", 5060), Address("192.0.2.2", 5060))
LOOSE = ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]
STRICT = ["<sip:p1.example.com>", "<sip:p2.example.com;lr>"]


def invite(*more: tuple[str, str], contact: str = "<sip:lee@192.0.2.2:5070>") -> Request:
    headers = [
        ("Via", "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1"),
        ("Max-Forwards", "70"),
        ("From", '"Lee" <sip:lee@example.com>;tag=lee'),
        ("To", "<sip:kim@example.com>"),
        ("Call-ID", "call"),
        ("CSeq", "17 INVITE"),
    ]
    if contact:
        headers.append(("Contact", contact))
    return Request("INVITE", "sip:kim@example.com", [*headers, *more])


def ok(request: Request, *more: tuple[str, str], contact: str = "<sip:kim@192.0.2.1:5080>") -> Response:
    headers = ([("Contact", contact)] if contact else []) + list(more)
    return response_to(request, 200, to_tag="kim", headers=headers)


def record_routes(routes: list[str]) -> list[tuple[str, str]]:
    return [("Record-Route", route) for route in routes]


def caller(routes: list[str] | None = None) -> Dialog:
    request = invite()
    return Dialog.of_client(request, ok(request, *record_routes(routes or [])), FLOW)


def callee(routes: list[str] | None = None) -> Dialog:
    return Dialog.of_server(invite(*record_routes(routes or [])), "kim", FLOW)


def in_dialog(number: int, method: str = "INFO") -> Request:
    return Request(method, "sip:kim@192.0.2.1", [("CSeq", f"{number} {method}")])


# -- construction (section 12.1) -----------------------------------------------------------------------


def test_the_caller_takes_its_dialog_from_request_and_response() -> None:
    dialog = caller()
    assert dialog.id == ("call", "lee", "kim")
    assert (str(dialog.local), str(dialog.remote)) == (
        '"Lee" <sip:lee@example.com>;tag=lee',
        "<sip:kim@example.com>;tag=kim",
    )
    assert dialog.remote_target == Uri.parse("sip:kim@192.0.2.1:5080")
    assert (dialog.local_cseq, dialog.remote_cseq) == (17, None)
    assert dialog.flow is FLOW


def test_the_called_side_takes_its_dialog_from_the_request_and_its_own_tag() -> None:
    dialog = callee()
    assert dialog.id == ("call", "kim", "lee")
    assert str(dialog.local) == "<sip:kim@example.com>;tag=kim"
    assert str(dialog.remote) == '"Lee" <sip:lee@example.com>;tag=lee'
    assert dialog.remote_target == Uri.parse("sip:lee@192.0.2.2:5070")
    assert (dialog.local_cseq, dialog.remote_cseq) == (0, 17)


def test_both_sides_of_a_dialog_mirror_each_other() -> None:
    ours, theirs = caller(), callee()
    assert (ours.call_id, ours.local_tag, ours.remote_tag) == (
        theirs.call_id,
        theirs.remote_tag,
        theirs.local_tag,
    )


def test_an_rfc_2543_caller_may_have_no_tag() -> None:
    request = invite()
    request.set("From", "<sip:lee@example.com>")
    assert Dialog.of_server(request, "kim", FLOW).id == ("call", "kim", "")


@pytest.mark.parametrize("contact", ["", "*", "<sip:a@192.0.2.2>, <sip:b@192.0.2.2>"])
def test_a_dialog_needs_exactly_one_target(contact: str) -> None:
    with pytest.raises(PeerError):
        Dialog.of_server(invite(contact=contact), "kim", FLOW)
    request = invite()
    with pytest.raises(PeerError):
        Dialog.of_client(request, ok(request, contact=contact), FLOW)


# -- route sets (sections 12.1 and 12.2.1.1) -------------------------------------------------------------


def test_the_called_side_keeps_the_order_of_the_record_routes_and_the_caller_reverses_it() -> None:
    assert [str(route) for route in callee(LOOSE).route_set] == LOOSE
    assert [str(route) for route in caller(LOOSE).route_set] == LOOSE[::-1]


def test_several_record_routes_in_one_line_are_as_good_as_several_lines() -> None:
    request = invite(("Record-Route", ", ".join(LOOSE)))
    assert [str(route) for route in Dialog.of_server(request, "kim", FLOW).route_set] == LOOSE


def test_without_routes_a_request_goes_to_the_remote_target() -> None:
    request = callee().request("INFO")
    assert request.uri_text == "sip:lee@192.0.2.2:5070"
    assert not request.has("Route")


def test_a_loose_router_is_a_route_and_the_target_stays_the_request_uri() -> None:
    request = callee(LOOSE).request("INFO")
    assert request.uri_text == "sip:lee@192.0.2.2:5070"
    assert request.get_all("Route") == LOOSE


def test_a_strict_router_gets_the_request_uri_and_the_target_goes_last() -> None:
    request = callee(STRICT).request("INFO")
    assert request.uri_text == "sip:p1.example.com"
    assert request.get_all("Route") == ["<sip:p2.example.com;lr>", "<sip:lee@192.0.2.2:5070>"]


def test_a_strict_router_further_away_is_left_to_the_proxy_before_it() -> None:
    request = callee(STRICT[::-1]).request("INFO")
    assert request.uri_text == "sip:lee@192.0.2.2:5070"
    assert request.get_all("Route") == STRICT[::-1]


# -- requests and their CSeq (sections 12.2.1.1 and 12.2.2) ----------------------------------------------


def test_a_request_names_the_dialog_and_carries_what_is_given() -> None:
    request = callee().request("INFO", [("Content-Type", "text/plain")], b"hello")
    assert request.get("From") == "<sip:kim@example.com>;tag=kim"
    assert request.get("To") == '"Lee" <sip:lee@example.com>;tag=lee'
    assert request.call_id == "call"
    assert request.max_forwards == 70
    assert (request.content_type, request.body) == ("text/plain", b"hello")
    assert not request.has("Via")  # the transport is asked for that


def test_each_request_counts_up_and_an_ack_has_the_number_of_its_invite() -> None:
    dialog = caller()
    numbers = [str(dialog.request("INVITE").cseq)]
    numbers += [str(dialog.request("ACK", cseq=18).cseq), str(dialog.request("BYE").cseq)]
    assert numbers == ["18 INVITE", "18 ACK", "19 BYE"]


def test_the_called_side_counts_from_one_whatever_the_caller_counts_from() -> None:
    assert callee().request("BYE").cseq.number == 1


@pytest.mark.parametrize("number", [16, 17])
def test_a_request_that_does_not_count_up_gets_500(number: int) -> None:
    dialog = callee()
    with pytest.raises(PeerError) as error:
        dialog.admit(in_dialog(number))
    assert error.value.status == 500
    assert dialog.remote_cseq == 17


@pytest.mark.parametrize("number", [18, 4_000_000_000])
def test_a_request_may_leave_numbers_out(number: int) -> None:
    dialog = callee()
    dialog.admit(in_dialog(number))
    assert dialog.remote_cseq == number


def test_the_first_request_of_the_peer_may_have_any_number() -> None:
    dialog = caller()
    dialog.admit(in_dialog(0))
    assert dialog.remote_cseq == 0
    with pytest.raises(PeerError):
        dialog.admit(in_dialog(0))


# -- target refresh (section 12.2) -----------------------------------------------------------------------


def test_a_target_refresh_moves_the_target_and_leaves_the_routes() -> None:
    dialog = callee(LOOSE)
    dialog.refresh_target(invite(*record_routes(STRICT), contact="<sip:lee@198.51.100.7>"))
    request = dialog.request("BYE")
    assert request.uri_text == "sip:lee@198.51.100.7"
    assert request.get_all("Route") == LOOSE


def test_a_refresh_without_contact_leaves_the_target() -> None:
    dialog = caller()
    dialog.refresh_target(ok(invite(), contact=""))
    assert str(dialog.remote_target) == "sip:kim@192.0.2.1:5080"


@pytest.mark.parametrize(
    ("uri", "contact", "more", "called", "calling"),
    [
        ("sip:kim@a", "<sip:lee@b>", (), "sip", "sip"),
        ("sips:kim@a", "<sips:lee@b>", (), "sips", "sips"),
        ("sip:kim@a", "<sips:lee@b>", (), "sips", "sip"),
        ("sip:kim@a", "<sips:lee@b>", (("Record-Route", "<sip:p;lr>"),), "sip", "sip"),
        ("sip:kim@a", "<sip:lee@b>", (("Record-Route", "<sips:p;lr>"),), "sips", "sip"),
        ("sip:kim@a", "<sip:lee@b>", (("Route", "<sips:p;lr>"),), "sip", "sips"),
    ],
)
def test_our_contact_is_as_secure_as_what_the_dialog_began_with(
    uri: str, contact: str, more: tuple[tuple[str, str], ...], called: str, calling: str
) -> None:
    """Sections 12.1.1 and 8.1.1.8."""
    request = Request("INVITE", uri, invite(*more, contact=contact).headers)
    assert Dialog.of_server(request, "kim", FLOW).contact_scheme == called
    assert Dialog.of_client(request, ok(request), FLOW).contact_scheme == calling
