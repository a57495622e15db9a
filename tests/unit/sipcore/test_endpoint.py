"""The whole pure stack: what it tells, whom it asks, and what it keeps (RFC 3261 section 8)."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from sipcore.effects import Arrived, Effect, Responded, Transmit
from sipcore.endpoint import METHODS, Endpoint, EndpointSettings
from sipcore.errors import UsageError
from sipcore.registrar.gate import Admitted, Ignored, Refused
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import HeaderList, Request, Response, response_to
from sipcore.syntax.parser import parse_message
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Address, Flow, Transport
from sipcore.transport.our_addresses import contact
from tests.unit.sipcore.lone import PBX, SDP, TCP, UDP, answers, endpoint_of, refusal, request, sent
from tests.unit.sipcore.pair import (
    ANSWER,
    NOTHING,
    OFFER,
    TIMEOUT,
    Pair,
    Side,
    assert_empty,
    description,
)

# -- what is told ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER"])
def test_a_request_outside_sessions_is_told_and_answered_by_the_user(method: str) -> None:
    endpoint = endpoint_of()
    (arrived,) = endpoint.receive(request(method), UDP, 0.0)
    assert isinstance(arrived, Arrived)
    assert (arrived.request.method, arrived.identity, arrived.flow) == (method, "100", UDP)
    (effect,) = endpoint.respond(arrived.transaction, response_to(arrived.request, 200), 0.0)
    assert effect.flow == UDP
    (response,) = sent([effect])
    assert isinstance(response, Response)
    assert (response.status, response.get("Server"), response.cseq.method) == (200, "MyPhone PBX", method)
    assert response.to.tag
    assert endpoint.receive(request(method), UDP, 1.0) == [effect]  # a retransmission
    endpoint.tick(TIMEOUT)
    assert_empty(endpoint)


def test_a_service_answers_at_once_and_tells_afterwards() -> None:
    endpoint = endpoint_of()
    asked: list[tuple[str, str]] = []

    def register(
        arrived: Request, identity: str, flow: Flow, now: float
    ) -> tuple[int, HeaderList, list[Effect]]:
        asked.append((arrived.method, identity))
        return 200, [("Contact", "<sip:a>")], ["what comes of it"]

    endpoint.services["REGISTER"] = register
    answer, told = endpoint.receive(request("REGISTER"), UDP, 0.0)
    (response,) = sent([answer])
    assert isinstance(response, Response)
    assert (response.status, response.get("Server"), response.get("Contact")) == (
        200,
        "MyPhone PBX",
        "<sip:a>",
    )
    assert response.to.tag
    assert told == "what comes of it"
    assert endpoint.receive(request("REGISTER"), UDP, 1.0) == [answer]
    assert asked == [("REGISTER", "100")]
    endpoint.tick(TIMEOUT)
    assert_empty(endpoint)


def test_our_address_is_not_remembered_with_a_user_whom_a_stranger_has_made_up() -> None:
    endpoint = endpoint_of()
    before = contact.cache_info().currsize
    headers = dict(endpoint.local_headers(UDP, "x" * 8000))
    assert headers["Contact"] == f"<sip:{'x' * 8000}@192.0.2.1:5060>"
    assert contact.cache_info().currsize == before


def test_a_service_that_fails_is_logged_and_its_request_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    endpoint = endpoint_of()

    def fail(arrived: Request, identity: str, flow: Flow, now: float) -> tuple[int, HeaderList, list[Effect]]:
        raise RuntimeError("a bug of the service")

    endpoint.services["REGISTER"] = fail
    (response,) = sent(endpoint.receive(request("REGISTER"), UDP, 0.0))
    assert isinstance(response, Response)
    assert response.status == 500
    assert "REGISTER was not served" in caplog.text
    assert "a bug of the service" in caplog.text


def test_a_provisional_answer_that_comes_too_late_is_dropped() -> None:
    endpoint = endpoint_of()
    (arrived,) = endpoint.receive(request("REGISTER"), UDP, 0.0)
    progress = response_to(arrived.request, 100)
    assert endpoint.respond(arrived.transaction, response_to(arrived.request, 200), 0.0)
    assert endpoint.respond(arrived.transaction, progress, 0.0) == []


@pytest.mark.parametrize("method", ["OPTIONS", "INVITE"])
@pytest.mark.parametrize(
    "first",
    [
        ";branch=z9hG4bK1;rport",
        ";rport;branch=z9hG4bK1",
        ";branch=z9hG4bK1",
        ";branch=z9hG4bK1;received=203.0.113.9;rport",
    ],
)
@pytest.mark.parametrize(
    "more", ["", ", SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK0", ", SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK0;rport"]
)
def test_an_answer_repeats_each_via_once(method: str, first: str, more: str) -> None:
    """Section 8.2.6.2; the topmost tells where the request has come from (section 18.2.1)."""
    endpoint = endpoint_of()
    asked = request(method, ("Via", f"SIP/2.0/UDP 192.0.2.100:5060{first}{more}"))
    effects = endpoint.receive(asked, UDP, 0.0)
    if method == "OPTIONS":
        effects = endpoint.respond(effects[0].transaction, response_to(effects[0].request, 200), 0.0)
    (response,) = sent(effects)
    assert len(response.vias) == 1 + bool(more)
    assert response.via.parameter("branch") == "z9hG4bK1"
    assert response.via.parameter("rport") == ("5060" if "rport" in first else None)
    received = [value for name, value in response.via.parameters if name == "received"]
    assert received == (["192.0.2.100"] if "rport" in first else [])


def test_the_answer_to_options_tells_what_is_served() -> None:
    """Section 11.2."""
    endpoint = endpoint_of()
    (arrived,) = endpoint.receive(request("OPTIONS"), UDP, 0.0)
    own = response_to(arrived.request, 200, headers=[("Accept", "text/plain")])
    (response,) = sent(endpoint.respond(arrived.transaction, own, 0.0))
    assert response.get("Allow") == ", ".join(METHODS)
    assert response.get_all("Accept") == ["text/plain"]
    assert response.supported == ["100rel", "norefersub", "outbound", "path", "replaces", "tdialog", "timer"]


def test_an_answer_that_refuses_options_tells_nothing_more() -> None:
    endpoint = endpoint_of()
    (arrived,) = endpoint.receive(request("OPTIONS"), UDP, 0.0)
    (response,) = sent(endpoint.respond(arrived.transaction, response_to(arrived.request, 404), 0.0))
    assert not response.has("Allow")


def test_a_request_of_ours_is_told_of_its_response() -> None:
    endpoint = endpoint_of()
    ping = request("OPTIONS")
    ping.remove("Via")
    transaction, effects = endpoint.request(ping, UDP, 0.0)
    (message,) = sent(effects)
    assert str(message.via).startswith("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK")
    assert isinstance(message, Request)
    pong = response_to(message, 200)
    assert endpoint.receive(pong, UDP, 0.1) == [Responded(transaction, pong)]
    assert endpoint.receive(pong, UDP, 0.2) == []
    endpoint.tick(TIMEOUT)
    assert_empty(endpoint)


@pytest.mark.parametrize(("flow", "status"), [(UDP, 408), (TCP, 503)])
def test_a_request_of_ours_that_gets_no_response_is_told_so(flow: Flow, status: int) -> None:
    endpoint = endpoint_of()
    ping = request("OPTIONS")
    ping.remove("Via")
    transaction, _ = endpoint.request(ping, flow, 0.0)
    effects = endpoint.flow_closed(flow, TIMEOUT) if flow is TCP else endpoint.tick(TIMEOUT)
    assert [(effect.transaction, effect.response.status) for effect in effects] == [(transaction, status)]
    assert_empty(endpoint)


def test_a_response_that_nobody_waits_for_is_dropped() -> None:
    endpoint = endpoint_of()
    assert endpoint.receive(response_to(request(), 200, to_tag="x"), UDP, 0.0) == []
    assert_empty(endpoint)


def test_a_response_that_makes_no_sense_is_dropped() -> None:
    pair = Pair()
    lee, kim = pair.ringing()
    bad = response_to(kim.last("INVITE"), 183, to_tag="x", headers=[("Contact", "<nowhere>")])
    lee.receive(bad)
    assert lee.told == []
    kim.do("accept", ANSWER)
    pair.settle()
    assert lee.told == ["Accepted 200"]


# -- strangers ------------------------------------------------------------------------------------------


class FixedGate:
    def __init__(self, verdict: Admitted | Refused | Ignored) -> None:
        self.verdict = verdict
        self.asked = 0

    def admit(self, request: Request, flow: Flow, now: float) -> Admitted | Refused | Ignored:
        self.asked += 1
        return self.verdict


def test_a_stranger_is_refused_before_anything_else_and_leaves_nothing() -> None:
    gate = FixedGate(Refused(401, (("WWW-Authenticate", "Digest x"),)))
    endpoint = Endpoint(EndpointSettings(), Random(1), gate)
    for message in (request(), request("REGISTER"), request("REFER"), request(uri="mailto:x@y")):
        response = refusal(endpoint, message)
        assert (response.status, response.get("WWW-Authenticate")) == (401, "Digest x")
    assert gate.asked == 4


def test_who_is_ignored_is_not_even_answered() -> None:
    endpoint = Endpoint(EndpointSettings(), Random(1), FixedGate(Ignored()))
    assert endpoint.receive(request(), UDP, 0.0) == []
    assert_empty(endpoint)


def test_who_is_admitted_is_told_by_name() -> None:
    endpoint = Endpoint(EndpointSettings(), Random(1), FixedGate(Admitted("100")))
    (arrived,) = endpoint.receive(request("OPTIONS", ("From", "<sip:x@y>;tag=1")), UDP, 0.0)
    assert arrived.identity == "100"


def test_the_gate_is_not_asked_for_what_belongs_to_something() -> None:
    gate = FixedGate(Admitted("100"))
    pair = Pair()
    pair.callee.endpoint._gate = gate
    lee, _ = pair.established()
    lee.do("modify", OFFER)
    pair.settle()
    lee.do("hang_up")
    pair.settle()
    assert gate.asked == 1


# -- answers without memory (section 8.2.7) -------------------------------------------------------------


@pytest.mark.parametrize("method", ["REFER", "INVITE"])
def test_a_repeated_request_gets_the_same_answer_though_nothing_is_kept(method: str) -> None:
    endpoint, unknown = endpoint_of(), ("Require", "the-unknown")
    first = endpoint.receive(request(method, unknown), UDP, 0.0)
    assert endpoint.receive(request(method, unknown), UDP, 9.0) == first
    other = refusal(endpoint, request(method, unknown, branch="2"))
    assert other.to.tag != parse_message(first[0].data).to.tag


def test_the_tags_of_such_answers_cannot_be_guessed() -> None:
    tags = {refusal(endpoint_of(seed=seed), request("REFER")).to.tag for seed in range(5)}
    assert len(tags) == 5


def test_an_answer_goes_to_the_port_where_the_client_listens() -> None:
    """Section 18.2.2, RFC 3581."""
    behind_nat = Flow(Transport.UDP, PBX, Address("198.51.100.7", 40000))
    via = "SIP/2.0/UDP 192.0.2.100:5070;branch=z9hG4bK1"
    plain, rport = request("REFER", ("Via", via)), request("REFER", ("Via", f"{via};rport"))
    endpoint = endpoint_of()
    flows = [endpoint.receive(message, behind_nat, 0.0)[0].flow for message in (plain, rport)]
    assert [flow.remote for flow in flows] == [Address("198.51.100.7", 5070), Address("198.51.100.7", 40000)]
    answer = refusal(endpoint, request("REFER", ("Via", f"{via};rport")), behind_nat)
    assert (answer.via.parameter("received"), answer.via.parameter("rport")) == ("198.51.100.7", "40000")


# -- limits, and the end --------------------------------------------------------------------------------


def test_more_sessions_than_allowed_get_503() -> None:
    endpoint = endpoint_of(EndpointSettings(max_sessions=1))
    assert [response.status for response in answers(endpoint, request())] == [100]
    second = request("INVITE", ("Call-ID", "second"), branch="2")
    (busy,) = answers(endpoint, second)
    assert (busy.status, busy.get("Retry-After")) == (503, "10")
    assert endpoint.live()["sessions"] == 1


def test_a_stop_ends_every_session_and_takes_no_new_one() -> None:
    pair = Pair()
    kim = pair.callee
    established(pair)
    established(pair)
    pair.caller.invite()
    pair.settle()
    pair.forget()
    kim.perform(kim.endpoint.stop(pair.now))
    pair.settle()
    assert sorted(kim.told) == ["Ended local", "Ended local"]
    assert sorted(pair.caller.told) == ["Ended bye", "Ended bye", "Rejected 480"]
    pair.caller.invite()
    pair.settle()
    assert pair.caller.told[-1] == "Rejected 503"
    pair.assert_nothing_remains(2 * TIMEOUT)


def established(pair: Pair) -> None:
    pair.caller.invite(description("offer"))
    pair.settle()
    pair.callee.do("accept", ANSWER)
    pair.settle()


def test_sessions_do_not_mix() -> None:
    pair = Pair()
    lee, kim = pair.caller, pair.callee
    established(pair)
    first: tuple[Side, object] = (lee, lee.session)
    established(pair)
    pair.forget()
    lee.session = first[1]
    lee.do("hang_up")
    pair.settle()
    assert [fact.session for fact in lee.facts] == [first[1]]
    assert kim.facts[0].session is not kim.session
    assert (lee.endpoint.live()["sessions"], kim.endpoint.live()["sessions"]) == (1, 1)


def test_a_closed_connection_ends_what_went_over_it_and_nothing_else() -> None:
    pair = Pair(Transport.TCP)
    lee, kim = pair.established()
    elsewhere = Flow(Transport.TCP, lee.flow.local, Address("192.0.2.77", 5060), connection=2)
    lee.perform(lee.endpoint.flow_closed(elsewhere, pair.now))
    assert lee.told == []
    lee.perform(lee.endpoint.flow_closed(lee.flow, pair.now))
    pair.advance(lee.endpoint.settings.adrift_seconds)
    assert lee.told == ["Ended flow-lost"]
    assert lee.endpoint.live() == NOTHING
    assert kim.endpoint.live()["sessions"] == 1


def test_the_next_deadline_is_the_least_of_all() -> None:
    endpoint = endpoint_of()
    assert endpoint.next_deadline() is None
    effects = endpoint.receive(request("INVITE", SDP, body=OFFER.to_bytes()), UDP, 100.0)
    assert endpoint.next_deadline() is None  # a phone may ring for ever
    session = next(effect.session for effect in effects if not isinstance(effect, Transmit))
    session.accept(ANSWER, 200.0)
    assert endpoint.next_deadline() == 200.5  # the session sends the 200 again
    endpoint.tick(200.5)
    assert endpoint.next_deadline() == 201.5


@pytest.mark.parametrize(
    ("flow", "contact"),
    [
        (UDP, "<sip:101@192.0.2.1:5060>"),
        (TCP, "<sip:101@192.0.2.1:5060;transport=tcp>"),
        (
            Flow(Transport.WSS, Address("2001:db8::1", 443), Address("2001:db8::2", 5000), connection=3),
            "<sip:101@[2001:db8::1]:443;transport=wss>",
        ),
    ],
)
def test_our_contact_names_the_flow(flow: Flow, contact: str) -> None:
    headers = dict(endpoint_of().local_headers(flow, "101"))
    assert headers["Contact"] == contact
    assert dict(endpoint_of().local_headers(UDP, ""))["Contact"] == "<sip:192.0.2.1:5060>"


@pytest.mark.parametrize(
    ("transport", "contact"),
    [
        (Transport.TLS, "<sips:101@192.0.2.1:5060>"),
        (Transport.TCP, "<sip:101@192.0.2.1:5060;transport=tcp>"),
    ],
)
def test_our_contact_promises_no_more_than_the_flow_holds(transport: Transport, contact: str) -> None:
    flow = replace(TCP, transport=transport)
    assert dict(endpoint_of().local_headers(flow, "101", "sips"))["Contact"] == contact


def test_who_is_called_by_a_sips_uri_gets_a_sips_contact() -> None:
    flow, lee = replace(TCP, transport=Transport.TLS), NameAddress.parse("<sip:lee@a>")
    target = Uri.parse("sips:kim@a")
    session, _ = endpoint_of().invite(target, flow, from_=lee, to=lee, offer=None, now=0.0)
    assert session.request.contacts[0].uri.scheme == "sips"


def test_two_endpoints_with_the_same_dice_do_the_same() -> None:
    ladders = []
    for _ in range(2):
        pair = Pair(seed=7)
        pair.established()
        ladders.append([message.to_bytes() for message in pair.callee.received])
    assert ladders[0] == ladders[1]


@pytest.mark.parametrize(
    "more",
    [
        {"from_": NameAddress("Lee\r\nX: y", Uri.parse("sip:lee@192.0.2.1"))},
        {"from_": NameAddress("Lee\nX: y", Uri.parse("sip:lee@192.0.2.1"))},
        {"to": NameAddress("Kim\rX: y", Uri.parse("sip:kim@192.0.2.2"))},
        {"headers": [("Alert-Info", "<urn:alert>\r\n\r\nbody")]},
        {"headers": [("Alert-Info\r\nX", "y")]},
        {"route_set": [NameAddress("R\r\nX: y", Uri.parse("sip:192.0.2.9;lr"))]},
    ],
)
def test_no_name_or_header_of_a_call_breaks_out_of_its_line(more: dict[str, Any]) -> None:
    """Nor is anything of that call begun."""
    endpoint = endpoint_of()
    lee, kim = NameAddress.parse("<sip:lee@192.0.2.1>"), NameAddress.parse("<sip:kim@192.0.2.2>")
    arguments: dict[str, Any] = {"from_": lee, "to": kim, "offer": OFFER, "now": 0.0, **more}
    with pytest.raises(UsageError, match="line break"):
        endpoint.invite(kim.uri, UDP, **arguments)
    assert_empty(endpoint)


@pytest.mark.parametrize("flow", [UDP, TCP])
def test_no_request_outside_a_call_breaks_out_of_its_line_and_none_is_begun(flow: Flow) -> None:
    endpoint = endpoint_of()
    asking = request("OPTIONS", ("Subject", "a\r\nX: y"))
    asking.remove("Via")
    with pytest.raises(UsageError, match="line break"):
        endpoint.request(asking, flow, 0.0)
    assert_empty(endpoint)
