"""An established session, and messages within it that no endpoint of ours would send."""

from __future__ import annotations

from sipcore.syntax.message import Request
from sipcore.transport.flow import Transport
from tests.unit.sipcore.pair import Pair, Side

SIDES = ["caller", "callee"]
CHANGES = [("modify", "INVITE"), ("update", "UPDATE")]
SDP = ("Content-Type", "application/sdp")


def established(mover: str = "caller", transport: Transport = Transport.UDP) -> tuple[Pair, Side, Side]:
    """A session; the side that is to move first, and the other."""
    pair = Pair(transport)
    pair.established()
    side: Side = getattr(pair, mover)
    return pair, side, side.other


def within(
    side: Side, method: str, *headers: tuple[str, str], body: bytes = b"", branch: str = "x"
) -> Request:
    """A request within the dialog of `side` that its endpoint would not send."""
    more = [*headers, *([SDP] if body else [])]
    request: Request = side.session.dialog.request(method, more, body)
    request.prepend("Via", f"SIP/2.0/UDP {side.flow.local};branch=z9hG4bK{branch}")
    return request


def ack_of(side: Side, invite: Request, body: bytes = b"") -> Request:
    ack: Request = side.session.dialog.request("ACK", [SDP] if body else [], body, cseq=invite.cseq.number)
    ack.prepend("Via", f"SIP/2.0/UDP {side.flow.local};branch=z9hG4bKack")
    return ack


def in_order(pair: Pair, first: Side) -> list[str]:
    """The ladder with the first side's messages to the right."""
    lines = pair.ladder()
    if first is pair.caller:
        return lines
    return [("<" if line[0] == ">" else ">") + line[1:] for line in lines]


def sent(side: Side, method: str) -> Request:
    """The request of this method that an endpoint is waiting for the response to."""
    clients = side.endpoint.transactions._clients.values()
    return [client.request for client in clients if client.request.method == method][-1]
