"""One endpoint, and requests of a phone that it knows nothing of."""

from __future__ import annotations

from random import Random

from sipcore.effects import Transmit
from sipcore.endpoint import Endpoint, EndpointSettings
from sipcore.syntax.message import Request, Response
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Address, Flow, Transport
from tests.unit.sipcore.pair import OpenGate, assert_empty

PBX, PHONE = Address("192.0.2.1", 5060), Address("192.0.2.100", 5060)
UDP = Flow(Transport.UDP, PBX, PHONE)
TCP = Flow(Transport.TCP, PBX, Address("192.0.2.100", 50123), connection=1)
SDP = ("Content-Type", "application/sdp")


def endpoint_of(settings: EndpointSettings | None = None, seed: int = 1) -> Endpoint:
    return Endpoint(settings or EndpointSettings(), Random(seed), OpenGate())


def request(
    method: str = "INVITE",
    *more: tuple[str, str],
    uri: str = "sip:101@192.0.2.1",
    branch: str = "1",
    to_tag: str = "",
    body: bytes = b"",
) -> Request:
    """A request of a phone; `more` replaces or adds headers."""
    headers = {
        "Via": f"SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bK{branch}",
        "Max-Forwards": "70",
        "From": "<sip:100@192.0.2.1>;tag=phone",
        "To": "<sip:101@192.0.2.1>" + (f";tag={to_tag}" if to_tag else ""),
        "Call-ID": "call",
        "CSeq": f"1 {method}",
        "Contact": "<sip:100@192.0.2.100>",
        **dict(more),
    }
    return Request(method, uri, headers.items(), body)


def answers(
    endpoint: Endpoint, message: Request | Response, flow: Flow = UDP, now: float = 0.0
) -> list[Response]:
    """What the endpoint answers by itself."""
    effects = endpoint.receive(message, flow, now)
    return [response for response in sent(effects) if isinstance(response, Response)]


def sent(effects: list[object]) -> list[Request | Response]:
    return [parse_message(effect.data) for effect in effects if isinstance(effect, Transmit)]


def refusal(endpoint: Endpoint, message: Request, flow: Flow = UDP) -> Response:
    """The only answer, after which nothing is kept."""
    effects = endpoint.receive(message, flow, 0.0)
    assert len(effects) == 1
    response = sent(effects)[0]
    assert isinstance(response, Response)
    assert_empty(endpoint)
    return response
