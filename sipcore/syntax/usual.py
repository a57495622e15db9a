"""Messages that are written as nearly all phones write them, Via on top: read in one go.

What nobody asks for stays text. Whatever is written in another way, or wrong, is left to `sipcore.syntax.parser`, which
reads these alike; a property test compares the two.
"""

from __future__ import annotations

from sipcore.errors import PeerError
from sipcore.syntax.fields import read_field
from sipcore.syntax.headers import CSeq, NameAddress, Via
from sipcore.syntax.message import Request, Response
from sipcore.syntax.remember import remembered

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


def read(data: bytes, *, stream: bool) -> Request | Response | None:
    """A message that is written as usual; None for any other."""
    end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
    if end < 0 or len(data) > MAX_BYTES:
        return None
    try:
        start, top, *lines = data[:end].decode().split("\n")
        if top[:5] != "Via: " or top[-1] != "\r":
            return None
        text = top[5:-1]
        via = Via.parse_usual(text)
        if via is None:
            text = read_field(top)[1]
            via = Via.parse(text)
        headers = [("Via", text), *map(read_field, lines)]
        first = dict(headers)
        if not len(first) == len(headers) <= MAX_FIELDS or first.get("Route", "").count(",") > MAX_ROUTES:
            return None
        what, rest = _read_start(start)
        message: Request | Response
        if isinstance(what, str):
            message = Request.__new__(Request)
            message.method, message.uri_text = what, rest
        else:
            message = Response.__new__(Response)
            message.status, message.reason = what, rest
        length = first.pop("Content-Length", None)
        if headers[-1][0] == "Content-Length":  # where most write it
            headers.pop()
        elif length is not None:
            headers.remove(("Content-Length", length))
        message.body = b"" if length == "0" else _body(data[end + 4 :], length, stream)
        message.headers, message.first = headers, first
        message.via, message.vias = via, [via]
        message.from_ = NameAddress.parse(first["From"])
        message.to = NameAddress.parse(first["To"])
        message.call_id = call_id = first["Call-ID"]
        message.cseq = cseq = CSeq.parse(first["CSeq"])
        if not call_id or (cseq.method != what and isinstance(what, str)):
            return None
        if first.get("Max-Forwards", "70") != "70":
            _ = message.max_forwards
    except (LookupError, ValueError, PeerError):
        return None
    return message


@remembered(1024)
def _read_start(line: str) -> tuple[int | str, str]:
    """Status and reason, or method and Request-URI. Raises PeerError."""
    line, end = line[:-1], line[-1]
    if line.isprintable() and end == "\r" and line[-1] != " ":
        if line.startswith("SIP/2.0 "):
            status = _STATUSES.get(line[8:11])
            if status is not None and line[11] == " ":
                return status, line[12:]
        method, _, rest = line.partition(" ")
        uri, _, version = rest.partition(" ")
        if method in _METHODS and version == "SIP/2.0" and uri[0] != "<":
            return method, uri
    raise PeerError("no usual start line")


def _body(rest: bytes, length: str | None, stream: bool) -> bytes:
    """What follows the head, as far as Content-Length says. Raises PeerError."""
    if length is None and not stream:
        return rest
    if length is None or not (length.isdecimal() and length.isascii() and len(length) <= 5):
        raise PeerError("no usual Content-Length")
    if int(length) > len(rest):
        raise PeerError("the body is shorter than Content-Length")
    return rest[: int(length)]
