"""Responses find their way back: `received` and `rport` (RFC 3261 section 18.2, RFC 3581)."""

from __future__ import annotations

import pytest

from sipcore.errors import PeerError
from sipcore.syntax.message import Request, response_to
from sipcore.transport.flow import Address, Flow, Transport
from sipcore.transport.response_routing import response_flow, stamp_via

PBX = Address("192.0.2.200", 5060)


def flow_from(host: str, port: int, transport: Transport = Transport.UDP) -> Flow:
    return Flow(transport, PBX, Address(host, port), 0 if transport is Transport.UDP else 7)


def request_with(*vias: str) -> Request:
    return Request("OPTIONS", "sip:pbx", [("To", "<sip:a@b>"), *(("Via", via) for via in vias)])


def stamped(via: str, flow: Flow) -> str | None:
    request = request_with(via)
    stamp_via(request, flow)
    return request.get("Via")


@pytest.mark.parametrize(
    ("via", "flow", "expected"),
    [
        # section 18.2.1: an address that tells the truth stays as it is, to the letter
        ("SIP/2.0/UDP 192.0.2.1;branch=x", flow_from("192.0.2.1", 5060), "SIP/2.0/UDP 192.0.2.1;branch=x"),
        ("SIP/2.0/UDP  192.0.2.1 : 5062 ; x", flow_from("192.0.2.1", 9), "SIP/2.0/UDP  192.0.2.1 : 5062 ; x"),
        ("SIP/2.0/UDP [2001:db8::1]:9", flow_from("2001:db8::1", 9), "SIP/2.0/UDP [2001:db8::1]:9"),
        # another address, or a name
        (
            "SIP/2.0/UDP 10.0.0.1:5062;branch=x",
            flow_from("192.0.2.1", 5062),
            "SIP/2.0/UDP 10.0.0.1:5062;branch=x;received=192.0.2.1",
        ),
        (
            "SIP/2.0/TCP phone.example.com;branch=x",
            flow_from("192.0.2.1", 40000, Transport.TCP),
            "SIP/2.0/TCP phone.example.com;branch=x;received=192.0.2.1",
        ),
        (
            "SIP/2.0/UDP [2001:db8::9:1];branch=x",
            flow_from("2001:db8::9:255", 5060),
            "SIP/2.0/UDP [2001:db8::9:1];branch=x;received=2001:db8::9:255",
        ),
        # RFC 3581 section 4: `rport` is filled in, and `received` comes with it even if the address is the same
        (
            "SIP/2.0/UDP 192.0.2.1:5062;rport;branch=x",
            flow_from("192.0.2.1", 5062),
            "SIP/2.0/UDP 192.0.2.1:5062;branch=x;rport=5062;received=192.0.2.1",
        ),
        (
            "SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff",
            flow_from("192.0.2.1", 9988),
            "SIP/2.0/UDP 10.1.1.1:4540;branch=z9hG4bKkjshdyff;rport=9988;received=192.0.2.1",
        ),
        # what the client claims of itself is replaced
        (
            "SIP/2.0/UDP 10.0.0.1;received=203.0.113.9;rport=1;branch=x",
            flow_from("192.0.2.1", 9988),
            "SIP/2.0/UDP 10.0.0.1;branch=x;rport=9988;received=192.0.2.1",
        ),
        # and what is no token keeps its form
        (
            'SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK/a=b@c;x="a,b;c"',
            flow_from("192.0.2.1", 5060),
            'SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK/a=b@c;x="a,b;c";received=192.0.2.1',
        ),
    ],
)
def test_the_topmost_via_says_where_the_request_came_from(via: str, flow: Flow, expected: str) -> None:
    assert stamped(via, flow) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            ["SIP/2.0/UDP a", "SIP/2.0/UDP b;rport"],
            ["SIP/2.0/UDP a;received=192.0.2.1", "SIP/2.0/UDP b;rport"],
        ),
        (["SIP/2.0/UDP a , SIP/2.0/UDP b;rport"], ["SIP/2.0/UDP a;received=192.0.2.1, SIP/2.0/UDP b;rport"]),
        (
            ['SIP/2.0/UDP a;x="1,2", SIP/2.0/UDP b', "SIP/2.0/UDP c"],
            ['SIP/2.0/UDP a;x="1,2";received=192.0.2.1, SIP/2.0/UDP b', "SIP/2.0/UDP c"],
        ),
    ],
)
def test_the_vias_below_stay_as_they_are(before: list[str], after: list[str]) -> None:
    request = request_with(*before)
    stamp_via(request, flow_from("192.0.2.1", 5060))
    assert request.get_all("Via") == after
    assert request.via.parameter("received") == "192.0.2.1"
    assert response_to(request, 200).get_all("Via") == after


def test_stamping_twice_is_stamping_once() -> None:
    request = request_with("SIP/2.0/UDP phone.local;rport")
    flow = flow_from("192.0.2.1", 9988)
    stamp_via(request, flow)
    once = request.get_all("Via")
    stamp_via(request, flow)
    assert request.get_all("Via") == once


@pytest.mark.parametrize("vias", [(), ("",), ("rubbish",)])
def test_without_a_via_there_is_no_way_back(vias: tuple[str, ...]) -> None:
    with pytest.raises(PeerError):
        stamp_via(request_with(*vias), flow_from("192.0.2.1", 5060))


@pytest.mark.parametrize(
    ("via", "port"),
    [
        ("SIP/2.0/UDP 192.0.2.1:5062;branch=x", 5062),  # section 18.2.2: the port in sent-by
        ("SIP/2.0/UDP phone.example.com;branch=x", 5060),  # or the default one
        ("SIP/2.0/UDP 192.0.2.1:9988;branch=x", 9988),
        ("SIP/2.0/UDP 192.0.2.1:5062;branch=x;rport", 9988),  # RFC 3581 section 4: the port it came from
        ("SIP/2.0/UDP 192.0.2.1:5062;branch=x;rport=1", 9988),
    ],
)
def test_over_udp_the_response_goes_to_the_source_and_the_port_that_was_asked_for(
    via: str, port: int
) -> None:
    flow = flow_from("192.0.2.1", 9988)
    request = request_with(via)
    for _ in range(2):
        assert response_flow(request, flow) == Flow(Transport.UDP, PBX, Address("192.0.2.1", port))
        stamp_via(request, flow)


@pytest.mark.parametrize(
    "via", ["SIP/2.0/UDP 203.0.113.9", "SIP/2.0/UDP 192.0.2.1;maddr=203.0.113.9;received=203.0.113.9"]
)
def test_no_via_turns_a_response_against_somebody_else(via: str) -> None:
    request = request_with(via)
    flow = flow_from("192.0.2.1", 5060)
    stamp_via(request, flow)
    assert response_flow(request, flow) == flow


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS, Transport.WS, Transport.WSS])
def test_over_a_connection_the_response_takes_the_connection(transport: Transport) -> None:
    flow = flow_from("192.0.2.1", 40000, transport)
    assert response_flow(request_with(f"SIP/2.0/{transport.value} 10.0.0.1:5062;branch=x"), flow) is flow
