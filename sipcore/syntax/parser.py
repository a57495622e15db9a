"""From bytes to messages (RFC 3261 sections 7.3, 7.4, 7.5 and 18.3), in linear time and within limits."""

from __future__ import annotations

import re

from sipcore.errors import ParseError, PeerError
from sipcore.syntax import familiar
from sipcore.syntax.familiar import COMING_AGAIN
from sipcore.syntax.fields import canonical_name, read_field
from sipcore.syntax.headers import CSeq, NameAddress, split_values
from sipcore.syntax.message import Message, Request, Response
from sipcore.syntax.usual import read as read_usual
from values import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes above which a message is refused."""

    message_bytes: int = 65535
    header_fields: int = 200
    line_characters: int = 8192
    vias: int = 70
    routes: int = 70


LIMITS = Limits()
_REQUEST_LINE = re.compile(r"([A-Za-z]{1,64}) ([^\s\x00-\x1f<][^\s\x00-\x1f]*) SIP/2\.0")
"""Nearly every one."""
_METHOD = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]{1,64}")
_ONCE = ("From", "To", "Call-ID", "CSeq", "Max-Forwards")
_SPACE = re.compile(r"\s")
_CONTROL = re.compile(r"[\r\n]|(?<!\\)\0")
"""What breaks lines, here or elsewhere; a quoted-pair may hold a null (section 25.1)."""


def parse_message(data: bytes, stream: bool = False) -> Request | Response:
    """Parse one whole message. Raises ParseError with the status to answer.

    In a datagram what follows Content-Length bytes of body is dropped; on a stream the framing has cut exactly.
    """
    if not data.startswith(COMING_AGAIN):
        return read_usual(data, stream) or read_message(data, stream=stream)
    known = familiar.read(data)
    if known is not None:
        return known
    message = read_usual(data, stream) or read_message(data, stream=stream)
    familiar.remember(data, message)
    return message


def read_message(data: bytes, *, stream: bool = False, limits: Limits = LIMITS) -> Request | Response:
    """The same, whatever was read before and however it is written."""
    if len(data) > limits.message_bytes:
        raise ParseError("message too large", status=513)
    data = bytes(data).lstrip(b"\r\n")
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        head, separator, body = data.partition(b"\n\n")
    start_line, _, fields = head.decode("utf-8", "surrogateescape").partition("\n")
    message, error = _start(start_line.rstrip("\r\t "))
    try:
        _read_fields(message, fields, limits)
        if error is not None:
            raise error
        length = _take_length(message)
        message.first = dict(reversed(message.headers))
        _check(message, limits)
        if not separator:
            raise PeerError("the header is not complete")
        if length != "0" and (stream or length is not None):
            message.body = _cut_body(body, length)
        elif length is None:
            message.body = body
    except PeerError as fault:
        partial = None
        if isinstance(message, Request) and message.method != "ACK":  # an answer copies what is there
            clean = [header for header in message.headers if not _CONTROL.search(header[1])]
            partial = Request(message.method, message.uri_text, clean)
        raise ParseError(fault.reason, status=fault.status, request=partial) from None
    return message


def _start(line: str) -> tuple[Request | Response, PeerError | None]:
    """The message of a start line; what is wrong with it, where it can be answered all the same."""
    found = _REQUEST_LINE.fullmatch(line)
    if found is not None:
        return Request(found[1], found[2]), None
    if _CONTROL.search(line):
        raise ParseError(f"a control character in the start line: {line[:80]!r}")
    if line[:8].upper() == "SIP/2.0 ":
        code, _, reason = line[8:].partition(" ")
        if len(code) != 3 or not code.isdecimal() or not code.isascii() or not "100" <= code <= "699":
            raise ParseError(f"no status code: {line[:40]!r}")
        return Response(int(code), reason), None
    method, _, rest = line.partition(" ")
    uri, _, version = rest.rpartition(" ")
    if not _METHOD.fullmatch(method) or not uri:
        raise ParseError(f"no start line: {line[:80]!r}")
    request = Request(method, uri)
    if version.upper() != "SIP/2.0":
        if not version.upper().startswith("SIP/"):
            raise ParseError(f"not SIP: {line[:80]!r}")
        return request, PeerError(f"version {version[:20]}", status=505)
    if _SPACE.search(uri) or uri.startswith("<"):
        return request, PeerError(f"not a Request-URI: {uri[:80]!r}")
    return request, None


def _read_fields(message: Message, text: str, limits: Limits) -> None:
    lines = text.split("\n")
    try:
        if len(lines) > limits.header_fields or len(text) > limits.line_characters:
            raise PeerError("may be too much")
        message.headers = list(map(read_field, lines))
    except (ValueError, PeerError):
        _read_odd_fields(message, text, limits)


def _read_odd_fields(message: Message, text: str, limits: Limits) -> None:
    """Read up to the first line that is no header field: what stands before it may be enough for an answer."""
    lines = re.sub(r"\r?\n[ \t]+", " ", text).split("\n")
    if len(lines) > limits.header_fields:
        raise PeerError("too many header fields")
    if max(map(len, lines)) > limits.line_characters:
        raise PeerError("a header field is too long")
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            message.headers.append((canonical_name(name), value.strip()))
        elif line.strip():
            raise PeerError(f"not a header field: {line[:60]!r}")
    if any(_CONTROL.search(value) for _, value in message.headers):
        raise PeerError("a control character in a header field")


def _check(message: Request | Response, limits: Limits) -> None:
    """What a transaction layer relies on (RFC 3261 section 8.1.1)."""
    first = message.first
    if len(first) != len(message.headers):
        for name in message.repeated():
            if name in _ONCE:
                raise PeerError(f"{name} is there twice")
    vias = message.vias
    if len(vias) > limits.vias:
        raise PeerError("too many Via values")
    if "Route" in first and sum(len(split_values(line)) for line in message.get_all("Route")) > limits.routes:
        raise PeerError("too many Route values")
    if not vias or not first["Via"].strip(" \t,"):
        raise PeerError("Via is missing")
    try:
        message.via = vias[0]
        message.from_ = NameAddress.parse(first["From"])
        message.to = NameAddress.parse(first["To"])
        if first.get("Max-Forwards", "70") != "70":  # not of nearly all
            _ = message.max_forwards
        message.call_id = first["Call-ID"]
        message.cseq = cseq = CSeq.parse(first["CSeq"])
    except KeyError as missing:
        raise PeerError(f"{missing.args[0]} is missing") from None
    if not message.call_id:
        raise PeerError("Call-ID is empty")
    if type(message) is Request and cseq.method != message.method:
        raise PeerError(f"CSeq names {cseq.method}, the request is {message.method}")


def _take_length(message: Message) -> str | None:
    """Content-Length, which is no header field of a message that has been read: its body is as long as it is."""
    headers = message.headers
    if headers and headers[-1][0] == "Content-Length":  # where most write it
        length = headers.pop()[1]
        if "Content-Length" in message.first:
            raise PeerError("Content-Length is there twice")
        return length
    lengths = message.get_all("Content-Length")
    if len(lengths) > 1:
        raise PeerError("Content-Length is there twice")
    message.remove("Content-Length")
    return lengths[0] if lengths else None


def _cut_body(body: bytes, text: str | None) -> bytes:
    if text is None:
        raise PeerError("Content-Length is missing")
    if not (text.isdecimal() and text.isascii() and len(text) <= 10):
        raise PeerError(f"Content-Length is no number: {text[:40]!r}")
    length = int(text)
    if length > len(body):
        raise PeerError("the body is shorter than Content-Length")
    return body[:length]
