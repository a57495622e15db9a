"""Phones that register as they did before: from the bytes of a REGISTER to those of its answer.

From one to the next a phone changes Via, CSeq and credentials, and all else stays the same to the byte. What that says
was read, and found acceptable, when the phone was first let in; so no request is made of the bytes, nor a response.
Whatever has to be decided is decided by who decides it for any request: the transactions, the gate, the registrar.
Where one of them wants more than usual, the REGISTER goes on as any other. A property test holds that both ways do the
same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from sys import getsizeof
from typing import NamedTuple

from sipcore.effects import Effect, Transmit
from sipcore.endpoint import Endpoint, Service
from sipcore.registrar.gate import Admitted, Ignored, Judge
from sipcore.registrar.registrar import Said, said_by
from sipcore.syntax.familiar import Frame, Pieces, cut
from sipcore.syntax.message import REASONS, Request, has_tag
from sipcore.syntax.parser import parse_message
from sipcore.syntax.remember import Recent
from sipcore.transport.flow import Flow

MAX_BYTES = 4000
"""Frames that take more are not remembered. Nor is what was not let in, so that strangers take no memory."""
MAX_PARSED_CHARACTERS = 512
"""Of Request-URI, From and To, whose values may take fifty times what their text does. So one extension whose phone
writes what takes the most fills no more than some 120 MB."""
MAX_REGULARS = 4096

_VIA = re.compile(r"([^;,]+);branch=(z9hG4bK[A-Za-z0-9\-.!%*_+`'~=:@]+);rport")
_VIA_RPORT_FIRST = re.compile(r"([^;,]+);rport;branch=(z9hG4bK[A-Za-z0-9\-.!%*_+`'~=:@]+)")
_CSEQ = re.compile(r"(0|[1-9][0-9]{0,8}) REGISTER")

Refresh = Callable[[Said, int, str, Flow, float], str | None]
"""`Registrar.refresh`, and whatever else is to be done then."""


class _Regular(NamedTuple):
    """What all requests of a frame have in common."""

    request: Request
    """Like them; its Via, CSeq and Authorization are not looked at."""
    said: Said
    sent_by: str
    """Of Via, as it is written."""
    place: tuple[str, int | None]
    """Host and port of that."""
    merged: tuple[str, str]
    """Call-ID and From tag."""
    before_tag: str
    """Of an answer what stands between Via and the To tag."""
    after_tag: str
    """And between that and the number of CSeq."""


class Regulars:
    """Receives each REGISTER, and knows those who have been here before."""

    def __init__(self, endpoint: Endpoint, gate: Judge, register: Service, refresh: Refresh) -> None:
        """`register` serves what `refresh` does not."""
        self._endpoint = endpoint
        self._transactions = endpoint.transactions
        self._gate = gate
        self._register = register
        self._refresh = refresh
        self._known: Recent[Frame, _Regular] = Recent(MAX_REGULARS // 2)
        self._received: tuple[bytes, Pieces] | None = None
        """The one that is being received, if it may be worth remembering."""
        self._end = f"{': '.join(endpoint.server)}\r\nContent-Length: 0\r\n\r\n"
        endpoint.services["REGISTER"] = self._serve

    def receive(self, data: bytes, flow: Flow, now: float, stream: bool) -> list[Effect]:
        """Take a REGISTER. Raises ParseError."""
        pieces = _cut(data)
        self._received = None if pieces is None else (data, pieces)
        if pieces is not None and (regular := self._known[pieces[0]]) is not None:
            _, via, cseq, credentials, *_ = pieces
            effects = self._again(regular, via, cseq, credentials, data, flow, now)
            if effects is not None:
                return effects
        return self._endpoint.receive(parse_message(data, stream), flow, now)

    def _again(
        self, regular: _Regular, via: str, cseq: str, credentials: str, data: bytes, flow: Flow, now: float
    ) -> list[Effect] | None:
        """What `Endpoint.receive` would do; None where it is to do that."""
        number, found = _CSEQ.fullmatch(cseq), _usual(via)
        if number is None or found is None or found[1] != regular.sent_by:
            return None
        request, said, sent_by, place, (call_id, from_tag), before_tag, after_tag = regular
        key = found[2], place, "REGISTER"
        if self._transactions.has_server(key):
            return None
        verdict = self._gate.judge(request, (credentials,) if credentials else (), flow, now)
        merged = None
        if isinstance(verdict, Admitted):
            identity, count = verdict.identity, int(number[1])
            merged = call_id, from_tag, count, "REGISTER"
            contact = None
            if not self._transactions.has_merged(merged):
                contact = self._refresh(said, count, identity, flow, now)
            if contact is None:
                self._received = None  # its like is known
                whole = parse_message(data)
                assert isinstance(whole, Request)
                return self._endpoint.admitted(whole, identity, flow, now)
            status, headers = 200, f"Contact: {contact}\r\n"
        elif isinstance(verdict, Ignored):
            return []
        else:
            status, headers = verdict.status, ""
            for name, value in verdict.headers:
                headers += f"{name}: {value}\r\n"
        stamped = f"{sent_by};branch={found[2]};rport{flow.seen}"
        answer = (
            f"SIP/2.0 {status} {REASONS[status]}\r\nVia: {stamped}{before_tag}"
            f"{self._endpoint.stateless_tag(call_id, stamped)}{after_tag}{cseq}\r\n{headers}{self._end}"
        ).encode("utf-8", "surrogateescape")
        if merged is not None and not flow.transport.reliable:
            self._transactions.keep_answer(key, merged, flow, answer, now)
        return [Transmit(flow, answer)]

    def _serve(
        self, request: Request, identity: str, flow: Flow, now: float
    ) -> tuple[int, Iterable[tuple[str, str]], list[Effect]]:
        status, headers, told = self._register(request, identity, flow, now)
        if status == 200 and self._received is not None:
            self._remember(*self._received, request)
        return status, headers, told

    def _remember(self, data: bytes, pieces: Pieces, request: Request) -> None:
        """Note one that has been accepted, if there is nothing unusual about it; its Via is as it came."""
        frame, via, cseq, credentials, *_ = pieces
        said, first, found = said_by(request), request.first, _usual(via)
        fields = data.decode().removesuffix("\r\n\r\n").split("\r\n")[1:]
        if said is None or found is None or "Content-Length: 0" not in fields or "\n" in "".join(fields):
            return
        if not len(fields) - 1 == len(request.headers) == len(first):  # one line each, and no body
            return
        if (first["Via"], first["CSeq"], first.get("Authorization", "")) != (via, cseq, credentials):
            return
        if has_tag(request, first["To"]):  # though an empty one
            return
        parsed = len(request.uri_text) + len(first["From"]) + len(first["To"])
        if parsed > MAX_PARSED_CHARACTERS or sum(map(getsizeof, frame)) > MAX_BYTES:
            return
        like = Request("REGISTER", request.uri_text, request.headers)
        like.from_, like.to = request.from_, request.to
        sent_by, place = found[1], request.sent_by
        before_tag = f"\r\nFrom: {first['From']}\r\nTo: {first['To']};tag="
        after_tag = f"\r\nCall-ID: {first['Call-ID']}\r\nCSeq: "
        merged = request.call_id, request.from_tag
        self._known.keep(frame, _Regular(like, said, sent_by, place, merged, before_tag, after_tag))


def _usual(via: str) -> re.Match[str] | None:
    """The sent-by and the branch of a Via as nearly all write it."""
    return _VIA.fullmatch(via) or _VIA_RPORT_FIRST.fullmatch(via)


def _cut(data: bytes) -> Pieces | None:
    """What a REGISTER is made of; None where it is not written as usual, or something follows its head."""
    pieces = cut(data) if data.endswith(b"\r\n\r\n") else None
    return None if pieces is None or pieces[-1] else pieces
