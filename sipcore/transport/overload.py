"""Cheap refusals for when there is too much to do (RFC 3261 section 21.5.4, in the spirit of RFC 7339).

A request that begins something new is answered by 503 without being parsed: only what the answer repeats is read. What
belongs to something that exists already is never refused, for that is work which is half done.
"""

from __future__ import annotations

import re
from hashlib import blake2s

from sipcore.errors import PeerError
from sipcore.syntax.headers import Via
from sipcore.transport.flow import Address
from sipcore.transport.response_routing import DEFAULT_PORT
from values import dataclass

_BEGINS = re.compile(
    rb"(INVITE|REGISTER|SUBSCRIBE|PUBLISH|OPTIONS|MESSAGE|REFER) sips?:([^@\s]*)@?[^ \r\n]* SIP/2\.0\r\n"
)
_REPEATED = re.compile(rb"\r\n((?i:Via|v|From|f|To|t|Call-ID|i|CSeq))[ \t]*:[ \t]*([^\r\n]*)")
_FOLDED = re.compile(rb"\n[ \t]")
_TAG = re.compile(rb";[ \t]*tag[ \t]*=", re.IGNORECASE)
_NAMES = {b"v": b"via", b"f": b"from", b"t": b"to", b"i": b"call-id"}
MAX_HEAD_BYTES = 8192
"""What is longer goes the long way."""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A request outside any dialog, as far as a hasty look tells."""

    method: str
    user: str
    """The user part of what is asked for, as it is written."""
    via: Via
    _repeated: bytes
    _remote: Address

    def unavailable(self, seconds: int) -> tuple[bytes, Address]:
        """The answer: come again after so many seconds; and where it is to be sent, over UDP."""
        port = self._remote.port if self.via.parameter("rport") is not None else self.via.port or DEFAULT_PORT
        text = b"SIP/2.0 503 Service Unavailable%b\r\nRetry-After: %d\r\nContent-Length: 0\r\n\r\n"
        return text % (self._repeated, seconds), Address(self._remote.host, port)


def newcomer(data: bytes, remote: Address) -> Newcomer | None:
    """A hasty look at a message. None for all that is not plainly a new request: it is to be served."""
    begins = _BEGINS.match(data)
    end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
    if begins is None or end < 0 or _FOLDED.search(data, 0, end):
        return None
    fields = [
        (_NAMES.get(name.lower(), name.lower()), value) for name, value in _REPEATED.findall(data, 0, end)
    ]
    single = [name for name, _ in fields if name != b"via"]
    if sorted(single) != [b"call-id", b"cseq", b"from", b"to"] or len(fields) == len(single):
        return None
    if _TAG.search(dict(fields)[b"to"]):
        return None
    top = next(value for name, value in fields if name == b"via")
    try:
        via = Via.parse(top.decode("ascii"))
    except (PeerError, UnicodeDecodeError):
        return None
    if b"," in top or b'"' in top or {"maddr", "received"} & {name for name, _ in via.parameters}:
        return None
    repeated = _repeat(fields, top, via, remote)
    return Newcomer(begins[1].decode(), begins[2].decode("ascii", "replace"), via, repeated, remote)


def _repeat(fields: list[tuple[bytes, bytes]], top: bytes, via: Via, remote: Address) -> bytes:
    """The lines of the answer that are the request's: its first Via stamped, its To with a tag."""
    lines, stamped = [], False
    for name, value in fields:
        if name == b"via" and not stamped:
            stamped = True
            value = _stamp(value, via, remote)
        elif name == b"to":  # the same for each repetition
            value += b";tag=" + blake2s(top, digest_size=8).hexdigest().encode()
        lines.append(b"\r\n%b: %b" % (name.title(), value))
    return b"".join(lines)


def _stamp(text: bytes, via: Via, remote: Address) -> bytes:
    if via.parameter("rport") is None:
        return text if via.host == remote.host else text + b";received=" + remote.host.encode()
    bare = re.sub(rb"(?i);[ \t]*rport[^;]*", b"", text)
    return b"%b;rport=%d;received=%b" % (bare, remote.port, remote.host.encode())
