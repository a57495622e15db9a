"""Messages that are written as nearly all phones write them: read by a few looks at the whole.

One pattern takes all header fields, and what nobody asks for stays text. Whatever is written in another way, or wrong,
is left to `sipcore.syntax.parser`, which reads these alike; a property test compares the two.
"""

from __future__ import annotations

import re

from sipcore.errors import PeerError
from sipcore.syntax.headers import CSeq, NameAddress, Via
from sipcore.syntax.message import HeaderList, Request, Response
from sipcore.syntax.names import CANONICAL, KNOWN

MAX_BYTES = 60_000
MAX_HEAD_BYTES = 8192
MAX_FIELDS = 100
MAX_ROUTES = 50
"""No limit of the parser is lower; what is above these is left to it."""
_METHODS = frozenset(
    {"INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "INFO", "UPDATE", "PRACK", "MESSAGE", "NOTIFY",
     "SUBSCRIBE", "PUBLISH", "REFER"}
)  # fmt: skip
_STATUSES = {str(status): status for status in range(100, 700)}
_FIELD = re.compile(r"\r\n([A-Za-z-]+): ([!-~].*)(?<=[!-~])(?=\r\n)")
"""A value has no white space at its ends, nor what Unicode calls so."""


def read(data: bytes, *, stream: bool) -> Request | Response | None:
    """A message that is written as usual; None for any other."""
    end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
    if end < 0 or len(data) > MAX_BYTES:
        return None
    try:
        text = data[: end + 2].decode()
        headers: HeaderList = _FIELD.findall(text)
        first = dict(headers)
        lines = text.count("\n")
        if not len(first) + 1 == len(headers) + 1 == lines == text.count("\r") <= MAX_FIELDS or "\0" in text:
            return None  # something is there twice, or is no such field
        if not KNOWN.issuperset(first) and any(name.lower() in CANONICAL for name in first.keys() - KNOWN):
            return None
        message = _start(text[: text.index("\r")])
        if message is None or first.get("Route", "").count(",") > MAX_ROUTES:
            return None
        length = first.pop("Content-Length", None)
        if length is not None:
            headers.remove(("Content-Length", length))
        message.body = _body(data[end + 4 :], length, stream)
        message.headers, message.first = headers, first
        via, from_, to, cseq = first["Via"], first["From"], first["To"], first["CSeq"]
        message.via = top = Via.parse_usual(via) or Via.parse(via)
        message.vias = [top]
        message.from_ = NameAddress.parse_usual(from_) or NameAddress.parse(from_)
        message.to = NameAddress.parse_usual(to) or NameAddress.parse(to)
        message.call_id = first["Call-ID"]
        message.cseq = sequence = CSeq.parse_usual(cseq) or CSeq.parse(cseq)
        if type(message) is Request and sequence.method != message.method:
            return None
        if first.get("Max-Forwards", "70") != "70":
            _ = message.max_forwards
    except (UnicodeDecodeError, KeyError, PeerError):
        return None
    return message


def _start(line: str) -> Request | Response | None:
    """A message of which nothing is known but its start line."""
    if line.startswith("SIP/2.0 "):
        status = _STATUSES.get(line[8:11])
        if status is None or line[11:12] != " " or line[-1].isspace():
            return None
        response = Response.__new__(Response)
        response.status, response.reason = status, line[12:]
        return response
    method, _, rest = line.partition(" ")
    uri, _, version = rest.partition(" ")
    if method not in _METHODS or version != "SIP/2.0" or not uri.isprintable() or uri[:1] in ("", "<"):
        return None
    request = Request.__new__(Request)
    request.method, request.uri_text = method, uri
    return request


def _body(rest: bytes, length: str | None, stream: bool) -> bytes:
    """What follows the head, as far as Content-Length says. Raises PeerError."""
    if length == "0":
        return b""
    if length is None and not stream:
        return rest
    if length is None or not (length.isdecimal() and length.isascii() and len(length) <= 5):
        raise PeerError("no usual Content-Length")
    if int(length) > len(rest):
        raise PeerError("the body is shorter than Content-Length")
    return rest[: int(length)]
