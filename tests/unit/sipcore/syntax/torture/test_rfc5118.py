"""The torture tests of RFC 5118: IPv6 addresses in all their places."""

from __future__ import annotations

import pytest

from sipcore.errors import PeerError
from sipcore.sdp.description import SessionDescription
from sipcore.syntax.message import Request
from sipcore.syntax.parser import parse_message
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Address, Flow, Transport
from sipcore.transport.response_routing import stamp_via
from tests.unit.sipcore.syntax.torture.wire import wire

ASSISTANT = """v=0
o=assistant 971731711378798081 0 IN IP6 {address}
s={subject}
c=IN IP6 {address}
t=3338481189 3370017201
m=audio 6000 RTP/AVP 2
a=rtpmap:2 G726-32/8000
m=video 6024 RTP/AVP 107
a=rtpmap:107 H263-1998/90000
"""


def register(uri: str) -> bytes:
    return wire(f"""
REGISTER {uri} SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Max-Forwards: 70
Contact: "Caller" <sip:caller@[2001:db8::1]>
CSeq: 98176 REGISTER
Content-Length: 0

""")


def received(parameter: str) -> bytes:
    return wire(f"""
BYE sip:[2001:db8::10] SIP/2.0
To: sip:user@example.com;tag=bd76ya
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];received={parameter};branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Max-Forwards: 70
CSeq: 321 BYE
Content-Length: 0

""")


def invite(headers: str, body: str) -> bytes:
    length = len(wire("\n" + body))
    return wire(
        f"""
INVITE sip:user@[2001:db8::10] SIP/2.0
To: sip:user@[2001:db8::10]
From: sip:user@example.com;tag=81x2
{headers}
Call-ID: SSG9559905523997077@hlau_4100
CSeq: 8612 INVITE
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: {length}

{body}"""
    )


def options(host: str) -> bytes:
    return wire(f"""
OPTIONS sip:user@{host} SIP/2.0
To: sip:user@{host}
From: sip:user@example.com;tag=810x2
Via: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111
Call-ID: G9559905523997077@hlau_4100
CSeq: 689 OPTIONS
Max-Forwards: 70
Content-Length: 0

""")


def read(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    assert parse_message(message.to_bytes()) == message
    return message


def test_4_1_a_valid_message_with_an_ipv6_reference() -> None:
    message = read(register("sip:[2001:db8::10]"))
    assert message.uri == Uri("sip", host="2001:db8::10")
    assert (message.via.host, message.via.sent_by) == ("2001:db8::9:1", "[2001:db8::9:1]")
    assert message.contacts[0].uri == Uri("sip", "caller", host="2001:db8::1")


def test_4_2_an_address_without_brackets_is_refused_with_400() -> None:
    """When the Request-URI is read, which is what a registrar does first."""
    with pytest.raises(PeerError) as refused:
        _ = read(register("sip:2001:db8::10")).uri
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("uri", "host", "port"),
    [
        ("sip:[2001:db8::10:5070]", "2001:db8::10:5070", None),  # 4.3: ambiguous to people only
        ("sip:[2001:db8::10]:5070", "2001:db8::10", 5070),  # 4.4
    ],
)
def test_4_3_and_4_4_what_is_in_brackets_is_address_and_what_follows_is_port(
    uri: str, host: str, port: int | None
) -> None:
    message = read(register(uri))
    assert message.uri == Uri("sip", host=host, port=port)
    assert str(message.uri) == uri


@pytest.mark.parametrize("parameter", ["2001:db8::9:255", "[2001:db8::9:255]"])
def test_4_5_received_is_read_with_brackets_and_without_and_written_without(parameter: str) -> None:
    message = read(received(parameter))
    assert message.via.parameter("received") == parameter
    peer = Address("2001:db8::9:255", 5060)
    stamp_via(message, Flow(Transport.UDP, Address("2001:db8::10", 5060), peer))
    assert message.via.parameter("received") == "2001:db8::9:255"
    assert b";received=2001:db8::9:255\r\n" in message.to_bytes()


def test_4_6_addresses_in_a_session_description() -> None:
    headers = """Via: SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-111
Contact: "Caller" <sip:caller@[2001:db8::20]>"""
    subject = "Live video feed for today's meeting"
    message = read(invite(headers, ASSISTANT.format(address="2001:db8::20", subject=subject)))
    assert message.via.host == message.contacts[0].uri.host == "2001:db8::20"
    description = SessionDescription.parse(message.body)
    assert description.media[0].port == 6000
    assert b"c=IN IP6 2001:db8::20\r\n" in description.to_bytes()


def test_4_7_addresses_of_both_families_in_headers() -> None:
    message = read(
        wire("""
BYE sip:user@host.example.net SIP/2.0
Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144
Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200
Call-ID: 997077@lau_4100
Max-Forwards: 70
CSeq: 89187 BYE
To: sip:user@example.net;tag=9817--94
From: sip:user@example.com;tag=81x2
Content-Length: 0

""")
    )
    assert [(via.transport, via.sent_by) for via in message.vias] == [
        ("UDP", "[2001:db8::9:1]:6050"),
        ("UDP", "192.0.2.1"),
        ("TCP", "[2001:db8::9:255]"),
    ]
    assert message.vias[2].parameter("received") == "192.0.2.200"


def test_4_8_addresses_of_both_families_in_a_session_description() -> None:
    headers = """Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
Contact: "Caller" <sip:caller@[2001:db8::9:1]>"""
    body = """v=0
o=bob 280744730 28977631 IN IP4 host.example.com
s=
t=0 0
m=audio 22334 RTP/AVP 0
c=IN IP4 192.0.2.1
m=video 6024 RTP/AVP 107
c=IN IP6 2001:db8::1
a=rtpmap:107 H263-1998/90000
"""
    printed = SessionDescription.parse(read(invite(headers, body)).body).to_bytes()
    assert b"c=IN IP4 192.0.2.1\r\n" in printed
    assert b"c=IN IP6 2001:db8::1\r\n" in printed


def test_4_9_ipv4_addresses_mapped_to_ipv6() -> None:
    headers = """Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19
Via: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111
Contact: "T. desk phone" <sip:ted@[::ffff:192.0.2.2]>"""
    message = read(
        invite(headers, ASSISTANT.format(address="::ffff:192.0.2.2", subject="Call me soon, please!"))
    )
    assert [via.sent_by for via in message.vias] == ["[::ffff:192.0.2.10]:19823", "[::ffff:192.0.2.2]"]
    assert message.contacts[0].uri.matches(Uri.parse("sip:ted@[::FFFF:C000:202]"))
    assert b"c=IN IP6 ::ffff:192.0.2.2\r\n" in SessionDescription.parse(message.body).to_bytes()


def test_4_10_three_colons_of_an_old_grammar_are_two() -> None:
    wrong, right = read(options("[2001:db8:::192.0.2.1]")), read(options("[2001:db8::192.0.2.1]"))
    assert wrong.uri == right.uri == Uri("sip", "user", host="2001:db8::192.0.2.1")
    assert wrong.to == right.to
