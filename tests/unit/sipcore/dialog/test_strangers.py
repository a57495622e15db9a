"""What somebody who has seen or guessed the identifiers of a call can do to it, and what a fork's losers can."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sipcore.effects import Transmit
from sipcore.syntax.message import Response, response_to
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Address, Flow, Transport
from tests.unit.sipcore.dialog.support import established, within
from tests.unit.sipcore.lone import answers, endpoint_of, request, sent
from tests.unit.sipcore.pair import ANSWER, Pair

STRANGER = Address("203.0.113.66", 4444)


def from_stranger(flow: Flow) -> Flow:
    return replace(flow, remote=STRANGER)


@pytest.mark.parametrize("method", ["BYE", "INVITE", "INFO", "UPDATE"])
def test_a_request_within_the_dialog_from_another_host_is_refused(method: str) -> None:
    """Even one that knows every identifier, and is somebody here."""
    _, caller, callee = established()
    forged = within(caller, method)
    forged.set("From", str(forged.from_).replace("lee", "mallory"))
    effects = callee.endpoint.receive(forged, from_stranger(callee.flow), 1.0)
    [response] = [parse_message(effect.data) for effect in effects if isinstance(effect, Transmit)]
    assert isinstance(response, Response)
    assert response.status == 481
    assert callee.endpoint.live()["sessions"] == 1


def test_a_request_in_the_clear_moves_no_call_over_tls() -> None:
    _, caller, callee = established(transport=Transport.TLS)
    clear = Flow(Transport.UDP, callee.flow.local, callee.flow.remote)
    [response] = answers(callee.endpoint, within(caller, "BYE"), clear, 1.0)
    assert response.status == 481


def test_a_response_from_another_host_is_none() -> None:
    pair = Pair()
    session = pair.caller.invite()
    forged = response_to(
        session.request, 200, to_tag="forged", headers=[("Contact", "<sip:evil@203.0.113.66>")]
    )
    assert pair.caller.endpoint.receive(forged, from_stranger(pair.caller.flow), 1.0) == []
    assert "Accepted" not in " ".join(pair.caller.told)


def test_a_bye_of_a_branch_that_lost_does_not_end_the_call_of_the_one_that_won() -> None:
    endpoint = Pair().caller
    session = endpoint.invite()

    def answer(tag: str, status: int) -> None:
        contact = [("Contact", f"<sip:{tag}@192.0.2.200>")]
        body = ANSWER.to_bytes() if status == 200 else b""
        response = response_to(session.request, status, to_tag=tag, headers=contact, body=body)
        if body:
            response.add("Content-Type", "application/sdp")
        endpoint.receive(response)

    for tag, status in (("a", 180), ("b", 180), ("a", 200), ("b", 200)):
        answer(tag, status)
    assert session.dialog is not None
    assert session.dialog.remote_tag == "a"
    bye = request("BYE", ("Call-ID", session.request.call_id), ("From", "<sip:101@192.0.2.1>;tag=b"))
    bye.set("To", str(session.request.from_))
    [response] = answers(endpoint.endpoint, bye, endpoint.flow, 1.0)
    assert response.status == 481
    assert endpoint.endpoint.live()["sessions"] == 1


def test_the_route_of_a_call_is_recorded_in_its_answers() -> None:
    """RFC 3261 section 12.1.1: the caller's ACK and BYE go through the same proxies."""
    endpoint = endpoint_of()
    invite = request("INVITE", ("Record-Route", "<sip:192.0.2.9;lr>, <sip:192.0.2.8;lr>"))
    effects = endpoint.receive(invite, Flow(Transport.UDP, Address("192.0.2.1", 5060), STRANGER), 0.0)
    session = effects[-1].session
    ringing, ok = (
        sent(session.progress(180, 1.0))[0],
        sent(session.accept(ANSWER, 2.0))[0],
    )
    assert [str(route) for route in ringing.record_routes] == ["<sip:192.0.2.9;lr>", "<sip:192.0.2.8;lr>"]
    assert ok.record_routes == ringing.record_routes


@pytest.mark.parametrize("user", ["a%0D%0AX-Evil%3A%20yes", "%23777", "a%3Eb", "a%20b"])
def test_what_was_dialled_stays_within_our_contact(user: str) -> None:
    endpoint = endpoint_of()
    invite = request("INVITE", ("To", f"<sip:{user}@192.0.2.1>"))
    effects = endpoint.receive(invite, Flow(Transport.UDP, Address("192.0.2.1", 5060), STRANGER), 0.0)
    [ringing] = sent(effects[-1].session.progress(180, 1.0))
    assert ringing.get("X-Evil") is None
    [contact] = ringing.contacts
    assert contact.uri.user == invite.to.uri.user
