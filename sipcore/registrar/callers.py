"""Phones that call as they did before: from the bytes of an INVITE without credentials to those of its challenge.

From one call to the next a phone changes whom it calls, Via, its tag, Call-ID, CSeq and the body; all other lines stay
the same to the byte, and were found acceptable when it was let in. So of an INVITE that is only to be challenged no
request is made. The gate decides as for any other; where it wants no challenge, the INVITE goes on as any other. Nor is
the ACK of such a challenge read, which nobody waits for. A property test holds that both ways do the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from sipcore.effects import Effect, Invited, transmit
from sipcore.endpoint import Endpoint, Service
from sipcore.registrar.gate import Judge, Refused
from sipcore.registrar.regulars import Refresh, Regulars
from sipcore.syntax.message import REASONS, Request
from sipcore.syntax.parser import parse_message
from sipcore.syntax.remember import Recent
from sipcore.transport.flow import Flow
from values import dataclass

MAX_CALLERS = 2048
MAX_BYTES = 60_000
"""Longer INVITEs are read, or refused, by the parser."""
MAX_HEAD_BYTES = 2000
"""Callers who write more are not remembered. Nor is who was not let in, so that strangers take no memory."""
MAX_LINES = 40
MAX_PARSED_CHARACTERS = 256
"""Of From and To, whose values may take fifty times what their text does. So one extension that calls from everywhere,
and writes what takes the most, fills no more than some 50 MB."""
MAX_UNACKNOWLEDGED = 1024
"""Challenges whose ACK is known; then all are forgotten, and theirs are read as any other."""
MANY_MISSES = 16
"""After so many INVITEs of another form a caller is learnt anew."""

_PROVING = b"\r\nAuthorization: "
_USER = r"[A-Za-z0-9*+._-]{1,64}"
_PARTS = (
    rf"INVITE sip:{_USER}@([A-Za-z0-9.:;=-]+) SIP/2\.0",
    r"Via: ([^;,\"\s]+ [^;,\"\s]+)(?P<before>;rport)?;branch=(z9hG4bK[A-Za-z0-9.-]{1,128})(?(before)|;rport)",
    r"From: (([^\n]+);tag=[A-Za-z0-9.-]{1,128})",
    rf"To: (<sip:{_USER}@([A-Za-z0-9.:;=-]+)>)",
    r"Call-ID: ([A-Za-z0-9.@-]{1,128})",
    r"CSeq: ((?:0|[1-9][0-9]{0,8}) INVITE)",
    r"Content-Length: (0|[1-9][0-9]{0,4})",
)
_NAMES = tuple(part[: part.index(" ") + 1] for part in _PARTS)
_VARYING = re.compile("\n".join(_PARTS))
"""The lines that are not the same each time, in this order."""


@dataclass(slots=True)
class _Caller:
    """What all INVITEs of a caller have in common."""

    request: Request
    """Like them, as far as the gate looks."""
    lines: int
    fixed: Callable[[list[str]], Any]
    varying: Callable[[list[str]], tuple[str, ...]]
    text: Any
    """What `fixed` gives."""
    parts: tuple[str, ...]
    """Of Request-URI and To what follows the user, of Via what precedes the branch, of From what precedes the tag."""
    place: tuple[str, int | None]
    """Host and port of Via."""
    before_branch: str
    after_branch: str
    """Of the Via of an answer."""
    misses: int = 0


class Callers:
    """Receives each INVITE, and knows those who have called before."""

    def __init__(self, endpoint: Endpoint, gate: Judge) -> None:
        self._endpoint = endpoint
        self._transactions = endpoint.transactions
        self._gate = gate
        self._known: Recent[Flow, _Caller] = Recent(MAX_CALLERS // 2)
        self._unacknowledged: set[bytes] = set()
        """To of each challenge: its tag, which nothing else has, tells its ACK."""
        self._end = f"{': '.join(endpoint.server)}\r\nContent-Length: 0\r\n\r\n"

    def receive(self, data: bytes, flow: Flow, now: float, stream: bool) -> list[Effect]:
        """Take an INVITE. Raises ParseError."""
        caller = self._known[flow]
        if caller is None or caller.misses >= MANY_MISSES:
            effects = self._endpoint.receive(parse_message(data, stream), flow, now)
            if _PROVING in data and effects and isinstance(effects[-1], Invited):
                self._learn(data, effects[-1].request, flow)
            return effects
        if _PROVING not in data and len(data) <= MAX_BYTES:
            challenge = self._challenge(caller, data, flow, now)
            if challenge is not None:
                return challenge
        return self._endpoint.receive(parse_message(data, stream), flow, now)

    def receive_ack(self, data: bytes, flow: Flow, now: float, stream: bool) -> list[Effect]:
        """Take an ACK. Raises ParseError."""
        to = data.partition(b"\r\nTo: ")[2].partition(b"\r\n")[0]
        if to in self._unacknowledged:
            self._unacknowledged.remove(to)
            return []
        return self._endpoint.receive(parse_message(data, stream), flow, now)

    def _challenge(self, caller: _Caller, data: bytes, flow: Flow, now: float) -> list[Effect] | None:
        """What `Endpoint.receive` would do; None where it is to do that."""
        head, blank, body = data.partition(b"\r\n\r\n")
        found = None
        if blank and len(head) <= MAX_HEAD_BYTES:
            lines = head.decode("utf-8", "surrogateescape").split("\r\n")
            if len(lines) == caller.lines and caller.fixed(lines) == caller.text:
                found = _VARYING.fullmatch("\n".join(caller.varying(lines)))
        if found is None:
            caller.misses += 1
            return None
        domain, sent_by, _, branch, from_, before_tag, to, called_domain, call_id, cseq, length = found.groups()
        if (domain, sent_by, before_tag, called_domain) != caller.parts or int(length) > len(body):
            caller.misses += 1
            return None
        if self._transactions.has_server((branch, caller.place, "INVITE")):
            return None
        verdict = self._gate.judge(caller.request, (), flow, now)
        if not isinstance(verdict, Refused):
            return None
        status, headers = verdict
        via = f"{caller.before_branch}{branch}{caller.after_branch}"
        tagged = f"{to};tag={self._endpoint.first_tag(call_id, via)}"
        if len(self._unacknowledged) >= MAX_UNACKNOWLEDGED:
            self._unacknowledged.clear()
        self._unacknowledged.add(tagged.encode())
        challenge = "\r\n".join([*map(": ".join, headers), self._end])
        answer = (
            f"SIP/2.0 {status} {REASONS[status]}\r\nVia: {via}\r\nFrom: {from_}\r\n"
            f"To: {tagged}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n{challenge}"
        )
        return [transmit((flow, answer.encode("utf-8", "surrogateescape")))]

    def _learn(self, data: bytes, request: Request, flow: Flow) -> None:
        """Note the form of one that has been let in, if there is nothing unusual about it."""
        head, first = data.partition(b"\r\n\r\n")[0], request.first
        parsed = len(first["From"]) + len(first["To"])
        if len(head) > MAX_HEAD_BYTES or len(first) > MAX_LINES or parsed > MAX_PARSED_CHARACTERS:
            return
        lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        lines = [line for line in lines if not line.startswith("Authorization: ")]
        if not len(lines) - 1 == len(request.headers) == len(first):  # a line each, Content-Length for this
            return
        begins = [line[: line.find(" ") + 1] for line in lines]
        places = [begins.index(name) for name in _NAMES if name in begins]
        rest = [place for place in range(len(lines)) if place not in places]
        if len(places) < len(_NAMES) or len(rest) < 2 or any(map(_is_odd, lines)):
            return
        fixed, varying = itemgetter(*rest), itemgetter(*places)
        found = _VARYING.fullmatch("\n".join(varying(lines)))
        if found is None:
            return
        domain, sent_by, _, _, _, before_tag, _, called_domain, *_ = found.groups()
        headers = [header for header in request.headers if header[0] != "Authorization"]
        like = Request("INVITE", request.uri_text, headers)
        like.from_, like.to = request.from_, request.to
        parts = domain, sent_by, before_tag, called_domain
        place, (host, port) = request.sent_by, flow.remote
        around = f"{sent_by};branch=", f";rport={port};received={host}"
        self._known.keep(flow, _Caller(like, len(lines), fixed, varying, fixed(lines), parts, place, *around))


def readers_of_the_known(
    endpoint: Endpoint, gate: Judge, register: Service, refresh: Refresh
) -> dict[bytes, Callable[[bytes, Flow, float, bool], list[Effect]]]:
    """First seven bytes -> who receives such a message, and knows those whose like was here before."""
    regulars, callers = Regulars(endpoint, gate, register, refresh), Callers(endpoint, gate)
    return {b"REGISTE": regulars.receive, b"INVITE ": callers.receive, b"ACK sip": callers.receive_ack}


def _is_odd(line: str) -> bool:
    """Whether a line goes on with another, or is more than one, or has credentials."""
    return line[:1].isspace() or "\n" in line or "\r" in line or line[:13].lower() == "authorization"
