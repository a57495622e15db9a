"""Messages, flows and a clock for the tests of transactions."""

from __future__ import annotations

from typing import Protocol

from sipcore.effects import Effect, Transmit
from sipcore.syntax.message import Request, Response, response_to
from sipcore.syntax.parser import parse_message
from sipcore.transaction.events import FlowFailed, ResponseReceived, TimedOut
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Address, Flow, Transport

PBX = Address("192.0.2.1", 5060)
PHONE = Address("192.0.2.100", 5060)
UDP = Flow(Transport.UDP, PBX, PHONE)
TCP = Flow(Transport.TCP, PBX, Address("192.0.2.100", 50123), connection=1)

TIMERS = Timers()
"""T1 500 ms, T2 4 s, T4 5 s (RFC 3261 table 4)."""


def request(
    method: str = "INVITE",
    *,
    branch: str = "z9hG4bK776asdhds",
    sent_by: str = "192.0.2.100:5060",
    transport: str = "UDP",
    call_id: str = "a84b4c76e66710",
    from_tag: str = "1928301774",
    to_tag: str = "",
    cseq: str = "",
    uri: str = "sip:101@192.0.2.1",
) -> Request:
    """A request with all that tells transactions apart."""
    via = f"SIP/2.0/{transport} {sent_by}" + (f";branch={branch}" if branch else "")
    return Request(
        method,
        uri,
        [
            ("Via", via),
            ("Max-Forwards", "70"),
            ("From", f"<sip:100@192.0.2.1>;tag={from_tag}"),
            ("To", "<sip:101@192.0.2.1>" + (f";tag={to_tag}" if to_tag else "")),
            ("Call-ID", call_id),
            ("CSeq", cseq or f"314159 {method}"),
        ],
    )


def rfc2543(method: str = "INVITE", *, branch: str = "1", **changed: str) -> Request:
    """The same of a client that knows no magic cookie."""
    return request(method, branch=branch, **changed)


def response(status: int, to: Request | None = None, *, to_tag: str = "a6c85cf") -> Response:
    """A response to `to`, by default to the INVITE that `request` makes."""
    return response_to(to or request(), status, to_tag=to_tag)


def word(effect: Effect) -> str:
    """What an effect is, in a word or two: `INVITE` or `200` on the wire, `up 200` to the user."""
    if isinstance(effect, Transmit):
        message = parse_message(effect.data)
        return message.method if isinstance(message, Request) else str(message.status)
    if isinstance(effect, ResponseReceived):
        return f"up {effect.response.status}"
    if isinstance(effect, TimedOut):
        return "timed out"
    assert isinstance(effect, FlowFailed)
    return "flow failed"


def words(effects: list[Effect]) -> list[str]:
    """What the effects are."""
    return [word(effect) for effect in effects]


class Ticked(Protocol):
    """A transaction: has a deadline, and wants to be ticked then."""

    deadline: float | None

    def tick(self, now: float) -> list[Effect]:
        """The deadline has come."""


def run(ticked: Ticked, until: float) -> list[tuple[float, str]]:
    """Tick exactly at each deadline up to a time; give the times and words of all effects."""
    seen: list[tuple[float, str]] = []
    last = -1.0
    while (now := ticked.deadline) is not None and now <= until:
        assert now > last, "a deadline that was ticked is over"
        last = now
        seen += [(round(now, 9), word(effect)) for effect in ticked.tick(now)]
    return seen
