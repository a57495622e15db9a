"""Session descriptions (RFC 8866), as far as telephony speaks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache
from types import MappingProxyType

from sipcore.errors import PeerError
from values import dataclass

MAX_BYTES = 65535
MAX_MEDIA = 20
MAX_LINES = 500

Attributes = tuple[tuple[str, str | None], ...]
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")


@dataclass(frozen=True, slots=True)
class Origin:
    """`o=`: who made the description, and its version (section 5.2)."""

    username: str
    session_id: str
    version: str
    address: str

    def __str__(self) -> str:
        return f"{self.username} {self.session_id} {self.version} IN {_family(self.address)} {self.address}"


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """One `m=` section (section 5.14). A port of 0 declines it (RFC 3264 section 6)."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    connection: str | None = None
    """Address of an own `c=` line."""
    attributes: Attributes = ()
    port_count: int = 1
    _rtpmap: Mapping[str, str] | None = field(default=None, init=False, compare=False, repr=False)

    def attribute(self, name: str) -> str | None:
        """The first value of an attribute ("" for a property); None if it is absent."""
        return _first(self.attributes, name)

    @property
    def rtpmap(self) -> Mapping[str, str]:
        """Payload type (a number below 128) -> `PCMU/8000`, upper-case name; static types of RFC 3551 included."""
        mapping = self._rtpmap
        if mapping is None:  # asked for at every turn of a negotiation
            attributes = tuple([each for each in self.attributes if each[0] == "rtpmap"])
            mapping = _rtpmap(self.formats, attributes)
            object.__setattr__(self, "_rtpmap", mapping)
        return mapping


@lru_cache(maxsize=1024)  # a phone always says the same of it
def _rtpmap(formats: tuple[str, ...], attributes: Attributes) -> Mapping[str, str]:
    mapping = {number: _STATIC[number] for number in formats if number in _STATIC}
    for _, value in attributes:
        if value:
            number, _, encoding = value.partition(" ")
            if _is_number(number, 127):
                mapping[number] = encoding.strip().upper()
    return MappingProxyType(mapping)


_STATIC = {
    "0": "PCMU/8000",
    "8": "PCMA/8000",
    "9": "G722/8000",
    "13": "CN/8000",
    "18": "G729/8000",
    "3": "GSM/8000",
}


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description."""

    origin: Origin
    name: str = "-"
    connection: str | None = None
    """Address of the session's `c=` line."""
    timing: str = "0 0"
    attributes: Attributes = ()
    media: tuple[MediaDescription, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> SessionDescription:
        """Raises PeerError(400)."""
        return _parse(data)

    def to_bytes(self) -> bytes:
        """As it is sent."""
        lines = ["v=0", f"o={self.origin}", f"s={self.name or '-'}"]
        if self.connection:
            lines.append(f"c=IN {_family(self.connection)} {self.connection}")
        lines.append(f"t={self.timing}")
        lines += _attribute_lines(self.attributes)
        for media in self.media:
            count = f"/{media.port_count}" if media.port_count != 1 else ""
            lines.append(f"m={media.kind} {media.port}{count} {media.protocol} {' '.join(media.formats)}")
            if media.connection:
                lines.append(f"c=IN {_family(media.connection)} {media.connection}")
            lines += _attribute_lines(media.attributes)
        return ("\r\n".join(lines) + "\r\n").encode("utf-8", "surrogateescape")

    def address_of(self, media: MediaDescription) -> str | None:
        """Where a media section's packets go."""
        return media.connection or self.connection

    def direction_of(self, media: MediaDescription) -> str:
        """One of DIRECTIONS, from the sender's side; 0.0.0.0 is the old way to say hold (RFC 3264 section 8.4)."""
        direction = next(
            (
                name
                for attributes in (media.attributes, self.attributes)
                for name, _ in attributes
                if name in DIRECTIONS
            ),
            "sendrecv",
        )
        if self.address_of(media) == "0.0.0.0":
            return "sendonly" if direction in ("sendrecv", "sendonly") else "inactive"
        return direction


def _parse(data: bytes) -> SessionDescription:
    if len(data) > MAX_BYTES:
        raise PeerError("session description too large")
    lines = [
        line.decode("utf-8", "surrogateescape") for line in data.splitlines()
    ]  # of bytes: at CR and LF only
    if len(lines) > MAX_LINES:
        raise PeerError("session description too long")
    session: dict[str, str] = {}
    attributes: list[tuple[str, str | None]] = []
    media: list[_Section] = []
    current = attributes
    for line in lines:
        kind, equals, value = line.partition("=")
        if not equals or len(kind) != 1:
            if line.strip():
                raise PeerError(f"no line of a session description: {line[:60]!r}")
            continue
        value = value.strip()
        if kind == "m":
            current = []
            media.append(_Section(value, current))
            if len(media) > MAX_MEDIA:
                raise PeerError("too many media sections")
        elif kind == "a":
            name, colon, text = value.partition(":")
            current.append((name, text if colon else None))
        elif kind == "c" and media:
            media[-1].connection = _address(value)
        elif not media:
            session.setdefault(kind, value)
    if session.get("v") != "0" or "o" not in session:
        raise PeerError("no session description: v=0 and o= are missing")
    return SessionDescription(
        _origin(session["o"]),
        session.get("s") or "-",
        _address(session["c"]) if "c" in session else None,
        session.get("t", "0 0"),
        tuple(attributes),
        tuple([section.read() for section in media]),
    )


class _Section:
    """A media section whose lines are still being read."""

    __slots__ = ("attributes", "connection", "text")

    def __init__(self, text: str, attributes: list[tuple[str, str | None]]) -> None:
        self.text = text
        self.attributes = attributes
        self.connection: str | None = None

    def read(self) -> MediaDescription:
        kind, port, protocol, *formats = parts if len(parts := self.text.split()) >= 4 else ("", "", "")
        number, slash, count = port.partition("/")
        if not _is_number(number, 65535) or (slash and not (_is_number(count, 65535) and int(count))):
            raise PeerError(f"no media section: {self.text[:60]!r}")
        attributes = tuple(self.attributes)
        return MediaDescription(
            kind, int(number), protocol, tuple(formats), self.connection, attributes, int(count or 1)
        )


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


def _first(attributes: Attributes, name: str) -> str | None:
    return next((value or "" for key, value in attributes if key == name), None)


def _attribute_lines(attributes: Attributes) -> list[str]:
    return [f"a={name}" if value is None else f"a={name}:{value}" for name, value in attributes]
