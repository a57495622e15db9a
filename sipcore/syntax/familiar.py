"""Requests that come again with another Via, CSeq and Authorization, and are in all else the same to the byte.

So do registrations, subscriptions and statuses that are refreshed. What stays the same is read once. All is read as
`sipcore.syntax.parser` would read it, or left to that; a property test compares the two.
"""

from __future__ import annotations

import contextlib
from sys import getsizeof
from typing import Any, NamedTuple

from sipcore.errors import PeerError
from sipcore.syntax.fields import is_odd
from sipcore.syntax.headers import CSeq, cut_usual_via, usual_via
from sipcore.syntax.message import HeaderList, Message, Request
from sipcore.syntax.remember import Recent
from sipcore.syntax.usual_message import UsualRequest

MAX_BYTES = 4000
"""Longer requests are read anew each time."""
MAX_FIELDS = 40
MAX_PARSED_CHARACTERS = 512
"""Of Request-URI, From, To and Contact, whose values may take fifty times what their text does. So all that is
remembered takes no more than some 70 MB, if strangers fill it with what takes the most."""
COMING_AGAIN = (b"REGISTER ", b"SUBSCRIBE ", b"PUBLISH ", b"OPTIONS ")
"""An INVITE comes twice at most, which is dearer to remember than to read twice (`sipcore.syntax.usual`)."""

_PARSED = ("From", "To", "Contact")
_VALUES = ("uri_text", "uri", "from_", "to", "call_id", "from_tag", "to_tag")

Frame = tuple[str, str, str]
"""A head before, between and after the values of Via and CSeq, without the line of Authorization."""
Pieces = tuple[Frame, str, str, str, int, bytes]
"""The frame; what it frames (Via, CSeq, and Authorization, empty where there is none), and how many lines that stands
below Via; the body."""


class _Shape(NamedTuple):
    """What a frame says."""

    method: str
    values: dict[str, Any]
    """Attributes of the request."""
    headers: HeaderList
    first: dict[str, str]
    via_at: int
    cseq_at: int
    body_bytes: int


_SHAPES: Recent[Frame, _Shape] = Recent(1024)


def read(data: bytes) -> Request | None:
    """A request whose like was read before; None for any other, and for whatever needs a closer look."""
    pieces = cut(data)
    if pieces is None or (shape := _SHAPES[pieces[0]]) is None:
        return None
    _, via_text, cseq_text, authorization, lines, body = pieces
    method, values, headers, first, via_at, cseq_at, body_bytes = shape
    try:
        branch, without = cut_usual_via(via_text)
        place, asks_for_rport = usual_via[without]
        cseq = CSeq.parse_usual(cseq_text)
    except PeerError:
        return None
    if cseq is None or cseq.method != method or len(body) != body_bytes:
        return None
    request: Request = UsualRequest()
    for name, value in values.items():
        setattr(request, name, value)
    request.method, request.body, request.branch, request.sent_by = method, body, branch, place
    request.asks_for_rport = asks_for_rport
    request.cseq, request.cseq_number = cseq, cseq.number
    request._head = None
    request.headers, request.first = headers, first = headers.copy(), first.copy()
    headers[via_at], headers[cseq_at] = ("Via", via_text), ("CSeq", cseq_text)
    first["Via"], first["CSeq"] = via_text, cseq_text
    if authorization:
        headers.insert(via_at + lines, ("Authorization", authorization))
        first["Authorization"] = authorization
    return request


def remember(data: bytes, message: Message) -> None:
    """Note how a message was read, if its like may come, and each of its lines is one header field."""
    pieces = cut(data)
    if pieces is None or not isinstance(message, Request):
        return
    frame, via, cseq, authorization, lines, body = pieces
    headers, first = message.headers.copy(), message.first.copy()
    _, *fields, length = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    if not len(fields) == len(headers) == len(first) or length != b"Content-Length: %d" % len(body):
        return
    if (first["Via"], first["CSeq"]) != (via, cseq) or b"\n" in b"".join(fields):
        return
    parsed = len(message.uri_text) + sum(len(first.get(name, "")) for name in _PARSED)
    if len(fields) > MAX_FIELDS or parsed > MAX_PARSED_CHARACTERS or sum(map(getsizeof, frame)) > MAX_BYTES:
        return
    via_at = headers.index(("Via", via))
    if authorization:
        del headers[via_at + lines], first["Authorization"]
    if "Authorization" in first:  # spelled in another way
        return
    try:
        values = {name: getattr(message, name) for name in _VALUES}
    except PeerError:  # of its Request-URI
        return
    with contextlib.suppress(PeerError):  # whoever asks is told
        values["contacts"] = message.contacts
    cseq_at = headers.index(("CSeq", cseq))
    _SHAPES.keep(frame, _Shape(message.method, values, headers, first, via_at, cseq_at, len(body)))


def cut(data: bytes) -> Pieces | None:
    """What a request is made of; None for what does not come again, or is not written as usual."""
    if not data.startswith(COMING_AGAIN) or len(data) > MAX_BYTES:
        return None
    head, whole, body = data.partition(b"\r\n\r\n")
    if not whole:
        return None
    try:
        text = head.decode()
    except UnicodeDecodeError:
        return None
    before, _, rest = text.partition("\r\nVia: ")
    via, _, rest = rest.partition("\r\n")
    authorization, lines = "", 0
    if "\r\nAuthorization: " in rest:
        above, _, rest = rest.partition("\r\nAuthorization: ")
        authorization, end, rest = rest.partition("\r\n")
        if not authorization or is_odd(authorization):
            return None
        rest, lines = above + end + rest, above.count("\r\n") + 2
    between, _, rest = rest.partition("\r\nCSeq: ")
    cseq, _, after = rest.partition("\r\n")
    return ((before, between, after), via, cseq, authorization, lines, body) if after else None
