"""Reliable provisional responses: what is sent, and what is heard (RFC 3262)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sipcore.errors import PeerError
from sipcore.syntax.headers import CSeq
from sipcore.syntax.message import Request, Response
from values import dataclass

if TYPE_CHECKING:
    from sipcore.transaction.timers import Timers

OPTION = "100rel"
MOST_WAITING = 4
"""Responses that wait for the PRACK of the one before; without one that comes further are left out."""
LARGEST = 2**31 - 1
"""RSeq (section 7.1)."""


@dataclass(frozen=True, slots=True)
class RAck:
    """Which response a PRACK acknowledges (section 7.2)."""

    rseq: int
    cseq: CSeq

    @classmethod
    def of(cls, request: Request) -> RAck:
        """Raises PeerError(400) where there is none."""
        number, _, cseq = (request.get("RAck") or "").replace("\t", " ").partition(" ")
        return cls(_sequence_number(number), CSeq.parse(cseq.strip()))

    def __str__(self) -> str:
        return f"{self.rseq} {self.cseq}"


def rseq_of(response: Response) -> int | None:
    """The number of a reliable provisional response; None for any other. Raises PeerError."""
    if not 100 < response.status < 200 or OPTION not in response.require:
        return None
    return _sequence_number(response.get("RSeq") or "")


def _sequence_number(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and len(text) <= 10 and 0 < int(text) <= LARGEST):
        raise PeerError(f"no sequence number of a reliable response: {text[:40]!r}")
    return int(text)


@dataclass(slots=True)
class _Sent:
    response: Response
    rseq: int
    interval: float
    retransmit_at: float
    give_up_at: float


class ReliableResponses:
    """Ours, one at a time: the next goes out when the PRACK of the one before has come (section 3)."""

    __slots__ = ("_next", "_retransmits", "_sent", "_timers", "_waiting")

    def __init__(self, timers: Timers, first: int) -> None:
        """`first` is the RSeq to begin with: 1 to 2**31 - 1."""
        self._timers = timers
        self._next = first
        self._sent: _Sent | None = None
        self._waiting: deque[Response] = deque()
        self._retransmits = True

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        sent = self._sent
        return min(sent.retransmit_at, sent.give_up_at) if sent is not None and self._retransmits else None

    @property
    def describes(self) -> bool:
        """Whether one with a description has no PRACK yet: then no 2xx may go out (section 3)."""
        outstanding = [*self._waiting, *([self._sent.response] if self._sent is not None else [])]
        return any(response.body for response in outstanding)

    def send(self, response: Response, now: float) -> Response | None:
        """Make a response reliable; it is returned if it is to be sent at once."""
        if self._sent is None:
            return self._begin(response, now)
        if len(self._waiting) < MOST_WAITING or response.body:
            self._waiting.append(response)
        return None

    def expect(self, rack: RAck, invite: CSeq) -> None:
        """Raises PeerError(481) unless this is the response that waits for its PRACK."""
        if self._sent is None or rack != RAck(self._sent.rseq, invite):
            raise PeerError("no such response waits for a PRACK", status=481)

    def acknowledge(self, now: float) -> Response | None:
        """The PRACK has come; the next response to send, if one waits."""
        self._sent = None
        return self._begin(self._waiting.popleft(), now) if self._waiting and self._retransmits else None

    def stop(self) -> None:
        """A final response is out: nothing is sent any more, but a PRACK is still expected."""
        self._retransmits = False
        self._waiting.clear()

    def tick(self, now: float) -> Response | None:
        """The response to send again, when its time has come."""
        sent = self._sent
        if sent is None or not self._retransmits or now < sent.retransmit_at:
            return None
        sent.interval *= 2
        sent.retransmit_at = now + sent.interval
        return sent.response

    def given_up(self, now: float) -> bool:
        """Whether a response has had no PRACK for 64*T1: the INVITE is to be refused."""
        return self._sent is not None and self._retransmits and now >= self._sent.give_up_at

    def _begin(self, response: Response, now: float) -> Response:
        timers = self._timers
        response.add("Require", OPTION)
        response.add("RSeq", str(self._next))
        self._sent = _Sent(response, self._next, timers.t1, now + timers.t1, now + timers.timeout)
        self._next += 1
        return response


class ReliableOrder:
    """The peer's, within one early dialog: each is taken once, and none before the one it follows (section 4)."""

    _last: int | None = None

    def admit(self, rseq: int) -> bool:
        """Whether this one is next; repeated ones and those that overtook another are not, and get no PRACK."""
        if self._last is not None and rseq != self._last + 1:
            return False
        self._last = rseq
        return True
