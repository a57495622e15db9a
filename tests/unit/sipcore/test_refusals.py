"""What an endpoint refuses by itself, and with which status (RFC 3261 section 8.2, RFC 4475)."""

from __future__ import annotations

import pytest

from sipcore.effects import Transmit
from sipcore.endpoint import METHODS, Endpoint, EndpointSettings
from sipcore.errors import ParseError
from sipcore.syntax.message import Request, Response, response_to
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Address, Flow, Transport
from tests.unit.sipcore.lone import PBX, SDP, UDP, answers, endpoint_of, refusal, request
from tests.unit.sipcore.pair import ANSWER, OFFER, TIMEOUT, Pair, assert_empty, in_words

# -- what is refused (section 8.2) ----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["REFER", "SUBSCRIBE", "NOTIFY", "PUBLISH"])
def test_a_method_that_is_not_served_gets_405_with_those_that_are(method: str) -> None:
    assert_refused(request(method), 405, "Allow", ", ".join(METHODS))


@pytest.mark.parametrize("method", ["NEWMETHOD", "invite", "!interesting-Method0123456789_*+`.%indeed'~"])
def test_a_method_that_nobody_knows_gets_501(method: str) -> None:
    assert_refused(request(method), 501, "Allow")


def test_what_is_served_can_be_chosen() -> None:
    endpoint = endpoint_of(EndpointSettings(methods=("OPTIONS", "MESSAGE")))
    assert [in_words(effect) for effect in endpoint.receive(request("MESSAGE"), UDP, 0.0)] == [
        "Arrived MESSAGE"
    ]
    assert refusal(endpoint_of(EndpointSettings(methods=("OPTIONS",))), request()).get("Allow") == "OPTIONS"


def assert_refused(message: Request, status: int, name: str = "", value: str | None = None) -> None:
    response = refusal(endpoint_of(), message)
    assert response.status == status
    assert response.to.tag
    assert response.get("Server") == "MyPhone PBX"
    if name:
        assert response.has(name)
    if value is not None:
        assert response.get(name) == value


@pytest.mark.parametrize(
    "uri",
    ["mailto:lee@example.com", "soap.beep://192.0.2.103:3002", "nobodyKnowsThisScheme:totallyopaquecontent"],
)
def test_a_request_uri_of_another_scheme_gets_416(uri: str) -> None:
    """RFC 4475 sections 3.3.2 and 3.3.3."""
    assert_refused(request(uri=uri), 416)


@pytest.mark.parametrize("uri", ["sip:101@192.0.2.1", "sips:101@192.0.2.1", "tel:+33123456789"])
def test_request_uris_of_telephony_are_served(uri: str) -> None:
    effects = endpoint_of().receive(request(uri=uri), UDP, 0.0)
    assert [in_words(effect) for effect in effects if not isinstance(effect, Transmit)] == ["Invited"]


def test_a_request_uri_that_is_none_gets_400() -> None:
    assert_refused(request(uri="sip:"), 400, "Warning")


def test_an_extension_that_is_not_known_gets_420() -> None:
    """RFC 4475 section 3.3.5: Require is answered, Proxy-Require is for proxies."""
    options = request(
        "OPTIONS",
        ("Require", "nothingSupportsThis, path, nothingSupportsThisEither"),
        ("Proxy-Require", "noProxiesSupportThis"),
    )
    assert_refused(options, 420, "Unsupported", "nothingsupportsthis, nothingsupportsthiseither")


@pytest.mark.parametrize("more", [("Require", "Path"), ("Proxy-Require", "noProxiesSupportThis")])
def test_extensions_that_are_known_or_for_others_are_no_obstacle(more: tuple[str, str]) -> None:
    effects = endpoint_of().receive(request("OPTIONS", more), UDP, 0.0)
    assert [in_words(effect) for effect in effects] == ["Arrived OPTIONS"]


def test_a_request_that_has_gone_too_far_gets_483() -> None:
    assert_refused(request("INVITE", ("Max-Forwards", "0")), 483)


def test_options_that_have_gone_as_far_as_here_are_meant_for_us() -> None:
    """RFC 4475 section 3.3.11."""
    effects = endpoint_of().receive(request("OPTIONS", ("Max-Forwards", "0")), UDP, 0.0)
    assert [in_words(effect) for effect in effects] == ["Arrived OPTIONS"]


def test_a_request_within_a_dialog_may_have_gone_as_far_as_it_could() -> None:
    pair = Pair()
    lee, kim = pair.established()
    bye = lee.session.dialog.request("BYE")
    bye.set("Max-Forwards", "0")
    bye.prepend("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKbye")
    kim.receive(bye)
    assert kim.told == ["Ended bye"]


@pytest.mark.parametrize("method", ["BYE", "INFO", "OPTIONS", "INVITE", "UPDATE"])
def test_a_request_within_an_unknown_dialog_gets_481(method: str) -> None:
    assert_refused(request(method, to_tag="gone"), 481)


@pytest.mark.parametrize("method", ["BYE", "INFO", "UPDATE", "PRACK"])
def test_a_method_of_dialogs_without_a_dialog_gets_481(method: str) -> None:
    assert_refused(request(method), 481)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(("Call-ID", "another"), id="Call-ID"),
        pytest.param(("From", "<sip:lee@192.0.2.1>;tag=another"), id="remote tag"),
        pytest.param(("To", "<sip:kim@192.0.2.2>;tag=another"), id="local tag"),
    ],
)
def test_a_dialog_is_known_by_call_id_and_both_tags(change: tuple[str, str]) -> None:
    pair = Pair()
    lee, kim = pair.established()
    bye = lee.session.dialog.request("BYE")
    bye.prepend("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKbye")
    bye.set(*change)
    kim.receive(bye)
    assert pair.ladder() == ["< 481 BYE"]
    assert kim.told == []


def test_a_cancel_of_nothing_gets_481() -> None:
    assert_refused(request("CANCEL"), 481)


def test_a_cancel_from_elsewhere_gets_481() -> None:
    endpoint = endpoint_of()
    endpoint.receive(request(), UDP, 0.0)
    elsewhere = Flow(Transport.UDP, PBX, Address("192.0.2.66", 5060))
    assert [response.status for response in answers(endpoint, request("CANCEL"), elsewhere)] == [481]
    assert [response.status for response in answers(endpoint, request("CANCEL"))] == [200, 487]


def test_a_request_that_comes_by_another_way_too_gets_482() -> None:
    """Section 8.2.2.2."""
    endpoint = endpoint_of()
    assert [response.status for response in answers(endpoint, request())] == [100]
    assert [response.status for response in answers(endpoint, request(branch="2"))] == [482]
    assert endpoint.live()["sessions"] == 1


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param([("Content-Type", "application/unknownformat")], b"<audio>", id="type"),
        pytest.param([], b"v=0", id="no type"),
        pytest.param([SDP, ("Content-Encoding", "gzip")], b"\x1f\x8b", id="encoding"),
        pytest.param(
            [("Content-Type", "text/x"), ("Content-Disposition", "render;handling=required")],
            b"x",
            id="required",
        ),
    ],
)
def test_an_invite_with_a_body_that_is_not_understood_gets_415(
    headers: list[tuple[str, str]], body: bytes
) -> None:
    """Section 8.2.3, RFC 4475 section 3.3.6."""
    endpoint = endpoint_of()
    trying, refused = answers(endpoint, request("INVITE", *headers, body=body))
    assert (trying.status, refused.status) == (100, 415)
    assert (refused.get("Accept"), refused.get("Accept-Encoding")) == ("application/sdp", "identity")
    assert refused.to.tag
    assert endpoint.live() == {"transactions": 1, "sessions": 0, "dialogs": 0}
    acknowledge(endpoint, refused)


def acknowledge(endpoint: Endpoint, response: Response) -> None:
    """ACK a refused INVITE; nothing may remain then."""
    ack = request("ACK", to_tag=response.to.tag or "")
    assert endpoint.receive(ack, UDP, 1.0) == []
    endpoint.tick(TIMEOUT)
    assert_empty(endpoint)


def test_a_body_that_need_not_be_understood_is_left_alone() -> None:
    more = [("Content-Type", "image/png"), ("Content-Disposition", "icon ; Handling = optional")]
    effects = endpoint_of().receive(request("INVITE", *more, body=b"x"), UDP, 0.0)
    assert [effect.offer for effect in effects if not isinstance(effect, Transmit)] == [None]


def test_an_encoding_that_changes_nothing_is_understood() -> None:
    invite = request("INVITE", SDP, ("Content-Encoding", "Identity"), body=OFFER.to_bytes())
    effects = endpoint_of().receive(invite, UDP, 0.0)
    assert [effect.offer for effect in effects if not isinstance(effect, Transmit)] == [OFFER]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param([SDP], id="description"),
        pytest.param([("Contact", "<sip:>")], id="Contact"),
        pytest.param([("Contact", "*")], id="no target"),
        pytest.param([("Record-Route", "nonsense")], id="Record-Route"),
    ],
)
def test_an_invite_that_no_session_can_come_of_gets_400(more: list[tuple[str, str]]) -> None:
    endpoint = endpoint_of()
    invite = request("INVITE", *more, body=b'v="what\\' if more == [SDP] else b"")
    trying, refused = answers(endpoint, invite)
    assert (trying.status, refused.status) == (100, 400)
    assert (refused.get("Warning") or "").startswith('399 myphone "')
    acknowledge(endpoint, refused)


def test_a_warning_quotes_nothing_that_could_end_it() -> None:
    endpoint = endpoint_of()
    invite = request("INVITE", SDP, body='"\\\x00é\x7f'.encode() * 100)
    warning = answers(endpoint, invite)[-1].get("Warning")
    assert warning is not None
    assert warning.isascii()
    assert warning.isprintable()
    assert warning.count('"') == 2
    assert "\\" not in warning
    assert len(warning) < 200


# -- what is never answered -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        [],
        [("Require", "nothing")],
        [("Max-Forwards", "0")],
        [("Contact", "<sip:>")],
        [("Via", "SIP/2.0/UDP 192.0.2.100")],
        [("From", "nonsense")],
    ],
)
@pytest.mark.parametrize("to_tag", ["", "gone"])
def test_an_ack_is_never_answered(more: list[tuple[str, str]], to_tag: str) -> None:
    endpoint = endpoint_of()
    assert endpoint.receive(request("ACK", *more, to_tag=to_tag), UDP, 0.0) == []
    assert_empty(endpoint)


def test_an_ack_that_cannot_be_parsed_is_not_answered_either() -> None:
    error = ParseError("nonsense", request=request("ACK"))
    assert endpoint_of().receive_error(error, UDP, 0.0) == []


@pytest.mark.parametrize("name", ["Via", "CSeq"])
def test_a_response_is_never_answered(name: str) -> None:
    response = response_to(request(), 200, to_tag="x")
    response.set(name, "nonsense")
    assert endpoint_of().receive(response, UDP, 0.0) == []


GARBAGE = [
    b"",
    b"\r\n\r\n",
    b"hello",
    b"\x00\xff" * 50,
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"SIP/2.0 200 OK\r\n\r\n",
    b"SIP/2.0 999 What\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\n\r\n",
    b"INVITE sip:x@y SIP/2.0\r\n\r\n",
    b"ACK sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\n\r\n",
    b"INVITE sip:x@y SIP/2.0\r\nVia: nonsense\r\n\r\n",
]


@pytest.mark.parametrize("data", GARBAGE)
def test_garbage_is_dropped_and_leaves_nothing(data: bytes) -> None:
    endpoint = endpoint_of()
    with pytest.raises(ParseError) as error:
        parse_message(data)
    assert endpoint.receive_error(error.value, UDP, 0.0) == []
    assert_empty(endpoint)


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        pytest.param(b"SIP/2.0\r\n", b"SIP/7.0\r\n", 505, id="version (RFC 4475 3.1.2.16)"),
        pytest.param(b"1 INVITE", b"1 OPTIONS", 400, id="method in CSeq (3.1.2.17)"),
        pytest.param(b"1 INVITE", b"36893488147419103232 INVITE", 400, id="CSeq (3.1.2.4)"),
        pytest.param(b"Call-ID: call\r\n", b"", 400, id="no Call-ID (3.3.1)"),
        pytest.param(b"From: <sip:100@192.0.2.1>;tag=phone\r\n", b"", 400, id="no From (3.3.1)"),
        pytest.param(b"CSeq: 1", b"CSeq: 5 INVITE\r\nCSeq: 1", 400, id="two CSeq (3.3.8)"),
        pytest.param(b"Call-ID: call", b"Call-ID: call\r\nCall-ID: other", 400, id="two Call-ID (3.3.8)"),
        pytest.param(b"Content-Length: 0", b"Content-Length: 0\r\nl: 5", 400, id="two lengths (3.3.9)"),
        pytest.param(b"Content-Length: 0", b"Content-Length: 9999", 400, id="too short (3.1.2.2)"),
        pytest.param(b"Content-Length: 0", b"Content-Length: -999", 400, id="negative (3.1.2.3)"),
    ],
)
def test_a_message_that_cannot_be_parsed_is_answered_with_what_is_wrong(
    old: bytes, new: bytes, status: int
) -> None:
    """RFC 4475 sections 3.1.2 and 3.3, as far as an answer can be routed."""
    data = request().to_bytes()
    assert old in data
    with pytest.raises(ParseError) as error:
        parse_message(data.replace(old, new))
    endpoint = endpoint_of()
    (effect,) = endpoint.receive_error(error.value, UDP, 0.0)
    lines = effect.data.split(b"\r\n")
    assert lines[0].startswith(f"SIP/2.0 {status} ".encode())
    assert any(line.startswith(b"Via: SIP/2.0/UDP 192.0.2.100") for line in lines)
    assert effect.flow == UDP
    assert_empty(endpoint)


# -- more of RFC 4475 -----------------------------------------------------------------------------------

RFC_2543_INVITE = (
    b"INVITE sip:UserB@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP iftgw.example.com\r\n"
    b"From: <sip:+13035551111@ift.client.example.net;user=phone>\r\n"
    b"Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>\r\n"
    b"To: sip:+16505552222@ss1.example.net;user=phone\r\n"
    b"Call-ID: inv2543.1717@ift.client.example.com\r\n"
    b"CSeq: 56 INVITE\r\n"
    b"Contact: <sip:+16505552222@ss1.example.net;user=phone>\r\n"
    b"Content-Type: application/sdp\r\n"
    b"\r\n"
    b"v=0\r\no=mhandley 29739 7272939 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\n"
    b"m=audio 49217 RTP/AVP 0\r\n"
)


def test_an_rfc_2543_client_can_call_and_hang_up() -> None:
    """RFC 4475 section 3.4.1."""
    pair = Pair()
    kim = pair.callee
    kim.receive(RFC_2543_INVITE)
    kim.do("accept", ANSWER)
    pair.settle()
    to = pair.caller.last("200 INVITE").get("To")
    kim.receive(_followed_by("ACK", 56, to))
    assert kim.told == ["Invited", "Acknowledged"]
    kim.receive(_followed_by("BYE", 57, to))
    assert kim.told[-1] == "Ended bye"
    pair.assert_nothing_remains()


def _followed_by(method: str, number: int, to: str) -> bytes:
    head = RFC_2543_INVITE.partition(b"Record-Route")[0].replace(b"INVITE sip", f"{method} sip".encode())
    rest = f"To: {to}\r\nCall-ID: inv2543.1717@ift.client.example.com\r\nCSeq: {number} {method}\r\n\r\n"
    return head + rest.encode()


def test_unknown_schemes_in_other_headers_are_left_to_the_user() -> None:
    """RFC 4475 section 3.3.4."""
    headers = [
        ("To", "isbn:2983792873"),
        ("From", "<http://www.example.com>;tag=3234233"),
        ("Contact", "<name:John_Smith>"),
    ]
    effects = endpoint_of().receive(request("REGISTER", *headers), UDP, 0.0)
    assert [in_words(effect) for effect in effects] == ["Arrived REGISTER"]


def test_an_invite_that_accepts_other_bodies_is_answered_in_sdp_all_the_same() -> None:
    """RFC 4475 section 3.3.15 allows a 406; who sends an offer can read an answer."""
    invite = request("INVITE", SDP, ("Accept", "text/nobodyKnowsThis"), body=OFFER.to_bytes())
    assert [response.status for response in answers(endpoint_of(), invite)] == [100]


def test_a_response_for_somebody_else_is_dropped() -> None:
    """RFC 4475 section 3.3.10, RFC 3261 section 8.1.3.3."""
    pair = Pair()
    lee, kim = pair.ringing()
    stray = response_to(kim.last("INVITE"), 200, to_tag="x", headers=[("Contact", "<sip:x@192.0.2.9>")])
    stray.headers.insert(1, ("Via", "SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23"))
    lee.receive(stray)
    assert lee.told == []
