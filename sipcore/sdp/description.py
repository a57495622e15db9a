"""Session descriptions (RFC 8866), as far as telephony speaks them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from sipcore.errors import PeerError

MAX_BYTES = 65535
MAX_MEDIA = 20
MAX_LINES = 500
REMEMBERED = 512
"""Descriptions, parts of them, attributes: a phone says nearly the same in each, but for origin, port and keys."""
MAX_REMEMBERED_BYTES = 1000
"""Longer descriptions and parts are read anew each time."""

Attributes = tuple[tuple[str, str | None], ...]
_new = tuple.__new__
"""Makes a named tuple of all its values, without a call of Python."""
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")


class Origin(NamedTuple):
    """`o=`: who made the description, and its version (section 5.2)."""

    username: str
    session_id: str
    version: str
    address: str


class MediaDescription(NamedTuple):
    """One `m=` section (section 5.14). A port of 0 declines it (RFC 3264 section 6)."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    connection: str | None = None
    """Address of an own `c=` line."""
    attributes: Attributes = ()
    port_count: int = 1

    def attribute(self, name: str) -> str | None:
        """The first value of an attribute ("" for a property); None if it is absent."""
        return _first(self.attributes, name)

    @property
    def behind_port(self) -> str:
        """What follows its port, as it is sent."""
        return (
            f"{f'/{self.port_count}' if self.port_count != 1 else ''} {self.protocol} {' '.join(self.formats)}\r\n"
            f"{_connection_line(self.connection) if self.connection else ''}{_attribute_lines(self.attributes)}"
        )

    @property
    def rtpmap(self) -> Mapping[str, str]:
        """Payload type (a number below 128) -> `PCMU/8000`, upper-case name; static types of RFC 3551 included."""
        mapping = {number: _STATIC[number] for number in self.formats if number in _STATIC}
        for name, value in self.attributes:
            if name == "rtpmap" and value:
                number, _, encoding = value.partition(" ")
                if _is_number(number, 127):
                    mapping[number] = encoding.strip().upper()
        return mapping


_STATIC = {
    "0": "PCMU/8000",
    "8": "PCMA/8000",
    "9": "G722/8000",
    "13": "CN/8000",
    "18": "G729/8000",
    "3": "GSM/8000",
}


class SessionDescription(NamedTuple):
    """A whole description."""

    origin: Origin
    name: str = "-"
    connection: str | None = None
    """Address of the session's `c=` line."""
    timing: str = "0 0"
    attributes: Attributes = ()
    media: tuple[MediaDescription, ...] = ()

    @staticmethod
    def parse(data: bytes) -> SessionDescription:
        """Raises PeerError(400)."""
        usual = _USUAL.fullmatch(data.decode("latin-1")) if len(data) <= MAX_REMEMBERED_BYTES else None
        # Keys are of one call, and nobody else's affair.
        if usual is None or b"crypto" in data:
            return _read(data)
        username, session_id, version, address, name, connection, before, port, after = usual.groups()
        like, number = _remembered(before, after), int(port)
        if like is None or number > 65535:
            return _read(data)
        timing, attributes, kind, protocol, formats, own, said = like
        media = _new(MediaDescription, (kind, number, protocol, formats, own, said, 1))
        origin = _new(Origin, (username, session_id, version, address))
        return _new(SessionDescription, (origin, name, connection, timing, attributes, (media,)))

    def to_bytes(self) -> bytes:
        """As it is sent."""
        (username, session_id, version, address), name, connection, timing, attributes, sections = self
        text = (
            f"v=0\r\no={username} {session_id} {version} IN {_family(address)} {address}\r\n"
            f"s={name or '-'}\r\n{_connection_line(connection) if connection else ''}"
            f"t={timing}\r\n{_attribute_lines(attributes)}"
        )
        for media in sections:
            text += f"m={media.kind} {media.port}{media.behind_port}"
        return text.encode("utf-8", "surrogateescape")

    def address_of(self, media: MediaDescription) -> str | None:
        """Where a media section's packets go."""
        return media.connection or self.connection

    def direction_of(self, media: MediaDescription) -> str:
        """One of DIRECTIONS, from the sender's side; 0.0.0.0 is the old way to say hold (RFC 3264 section 8.4)."""
        direction = _direction(media.attributes) or _direction(self.attributes) or "sendrecv"
        if self.address_of(media) == "0.0.0.0":
            return "sendonly" if direction in ("sendrecv", "sendonly") else "inactive"
        return direction


class Printed(SessionDescription):
    """One that has been printed where it was made, of pieces that are known."""

    data = b""
    """As it is sent; empty in what `_replace` makes of it."""

    def to_bytes(self) -> bytes:
        """As it is sent."""
        return self.data or super().to_bytes()


class _Lines(NamedTuple):
    """The lines of a session, but for its origin, or of a media section, but for its first."""

    values: Mapping[str, str]
    """The first of each kind."""
    connections: tuple[str, ...]
    attributes: Attributes


_ORIGIN_LINE, _MEDIA_LINE = re.compile(rb"(?:\A|[\r\n])o="), re.compile(rb"(?:\A|[\r\n])m=")
_END_OF_LINE = re.compile(rb"[\r\n]|\Z")

_USUAL = re.compile(
    r"v=0\r\no=([!-~]+) ([0-9]{1,20}) ([0-9]{1,20}) IN IP[46] ([0-9A-Za-z.:-]+)\r\ns=([!-~]|[!-~][ -~]*[!-~])"
    r"(?:\r\nc=IN IP[46] ([0-9A-Za-z.:-]+))?(?=\r\n)(.*?\r\nm=[!-~]+ )([0-9]{1,5})( .*)",
    re.DOTALL,
)
_USUAL_BEFORE = re.compile(r"(?:\r\n[abt]=[^\r\n]*)*\r\nm=[!-~]+ ")
_USUAL_AFTER = re.compile(r" [^\r\n]*(?:\r\n[^mo\r\n][^\r\n]*)*\r\n")
"""A description of one media section. All phones of a model say the same in it, but for origin, name, address and
port."""

_Like = tuple[str, Attributes, str, str, tuple[str, ...], str | None, Attributes]
"""Timing and attributes of the session; kind, protocol, formats, connection and attributes of the media section."""


@lru_cache(REMEMBERED)
def _remembered(before: str, after: str) -> _Like | None:
    """What stands before and behind the port in a usual description; None of others."""
    if not (_USUAL_BEFORE.fullmatch(before) and _USUAL_AFTER.fullmatch(after)):
        return None
    like = _read(f"v=0\r\no=- 0 0 IN IP4 0.0.0.0{before}9{after}".encode("latin-1"))
    kind, _, protocol, formats, own, said, _ = like.media[0]
    return like.timing, like.attributes, kind, protocol, formats, own, said


def _read(data: bytes) -> SessionDescription:
    if len(data) > MAX_BYTES:
        raise PeerError("session description too large")
    if len(data) > MAX_LINES and len(data.splitlines()) > MAX_LINES:
        raise PeerError("session description too long")
    head, *sections = _MEDIA_LINE.split(data)
    if len(sections) > MAX_MEDIA:
        raise PeerError("too many media sections")
    before, *after = _ORIGIN_LINE.split(head, 1)
    origin, rest = _first_line(after[0]) if after else (b"", b"")
    session = _lines(before + rest)
    if session.values.get("v") != "0" or not after:
        raise PeerError("no session description: v=0 and o= are missing")
    return SessionDescription(
        _origin(_text(origin)),
        session.values.get("s") or "-",
        session.connections[0] if session.connections else None,
        session.values.get("t", "0 0"),
        session.attributes,
        tuple([_media(section) for section in sections]),
    )


def _media(section: bytes) -> MediaDescription:
    first, rest = _first_line(section)
    lines, text = _lines(rest), _text(first)
    kind, port, protocol, *formats = parts if len(parts := text.split()) >= 4 else ("", "", "")
    number, slash, count = port.partition("/")
    if not _is_number(number, 65535) or (slash and not (_is_number(count, 65535) and int(count))):
        raise PeerError(f"no media section: {text[:60]!r}")
    connection = lines.connections[-1] if lines.connections else None
    return MediaDescription(
        kind, int(number), protocol, tuple(formats), connection, lines.attributes, int(count or 1)
    )


def _first_line(part: bytes) -> tuple[bytes, bytes]:
    """The rest of the line that a part begins in, and what follows."""
    end = _END_OF_LINE.search(part)
    assert end is not None, "there is always an end"
    return part[: end.start()], part[end.start() :]


def _lines(part: bytes) -> _Lines:
    # Keys are of one call, and nobody else's affair.
    if b"crypto" in part or len(part) > MAX_REMEMBERED_BYTES:
        return _read_lines(part)
    return _remembered_lines(part)


def _read_lines(part: bytes) -> _Lines:
    values: dict[str, str] = {}
    attributes: list[tuple[str, str | None]] = []
    connections: list[str] = []
    for line in part.splitlines():  # of bytes: at CR and LF only
        text = _text(line)
        kind, equals, value = text.partition("=")
        if not equals or len(kind) != 1:
            if text.strip():
                raise PeerError(f"no line of a session description: {text[:60]!r}")
            continue
        value = value.strip()
        values.setdefault(kind, value)
        if kind == "a":
            name, colon, rest = value.partition(":")
            attributes.append((name, rest if colon else None))
        elif kind == "c":
            connections.append(_address(value))
    return _Lines(values, tuple(connections), tuple(attributes))


_remembered_lines = lru_cache(REMEMBERED)(_read_lines)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")


def _origin(text: str) -> Origin:
    parts = text.split()
    if len(parts) != 6:
        raise PeerError(f"no origin: {text[:60]!r}")
    return Origin(parts[0], parts[1], parts[2], parts[5])


def _address(text: str) -> str:
    parts = text.split()
    address = parts[2].partition("/")[0] if len(parts) == 3 and parts[0] == "IN" else ""
    if not (address and address.isascii() and address.isprintable()):
        raise PeerError(f"no connection: {text[:60]!r}")
    return address


def _is_number(text: str, largest: int) -> bool:
    """Whether `text` is a decimal number up to `largest`, of no more digits than that takes."""
    return text.isascii() and text.isdecimal() and len(text) <= len(str(largest)) and int(text) <= largest


def _family(address: str) -> str:
    return "IP6" if ":" in address else "IP4"


def _direction(attributes: Attributes) -> str | None:
    for name, _ in attributes:
        if name in DIRECTIONS:
            return name
    return None


def _first(attributes: Attributes, name: str) -> str | None:
    return next((value or "" for key, value in attributes if key == name), None)


def _connection_line(address: str) -> str:
    return f"c=IN {_family(address)} {address}\r\n"


def _attribute_lines(attributes: Attributes) -> str:
    return "".join(
        [f"a={name}\r\n" if value is None else f"a={name}:{value}\r\n" for name, value in attributes]
    )
