"""What a media section says of codecs and packets: read once for all that say the same, as a phone always does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

from media.plan import Codec, Direction
from values import dataclass

if TYPE_CHECKING:
    from sipcore.sdp.description import Attributes, MediaDescription

REMEMBERED = 256
MAX_REMEMBERED_CHARACTERS = 2000
"""Longer sections are read anew each time."""
TELEPHONE_EVENT = "TELEPHONE-EVENT"
DYNAMIC = range(96, 128)
"""Payload types that mean what a description says (RFC 3551 section 6)."""

ENCODINGS = {codec: codec.rtpmap.upper() for codec in Codec}
USUAL_PAYLOAD_TYPES = {
    f"{TELEPHONE_EVENT}/8000": 101,
    f"{TELEPHONE_EVENT}/48000": 110,
    ENCODINGS[Codec.OPUS]: 111,
    **{ENCODINGS[codec]: number for codec in Codec if (number := codec.static_payload_type) is not None},
}
"""What most call them in their offers."""

_CODECS = {encoding: codec for codec, encoding in ENCODINGS.items()}
_DIRECTIONS = {direction.value: direction for direction in Direction}


class Spoken(dict[tuple[Codec, ...], Mapping[Codec, int]]):
    """What two sides speak, by the codecs of one of them; found without a call of any Python function."""

    def __init__(self, theirs: Mapping[Codec, int]) -> None:
        self._theirs = theirs

    def __missing__(self, ours: tuple[Codec, ...]) -> Mapping[Codec, int]:
        both = self[ours] = {codec: number for codec, number in self._theirs.items() if codec in ours}
        return both


@dataclass(frozen=True, slots=True, eq=False)
class MediaFormats:
    """Of one media section, and of all that say the same: so they are told apart by which they are."""

    codecs: tuple[tuple[Codec, int], ...]
    """Those that we know, the preferred ones first, and the payload type of each: the first, if it has several."""
    numbers: Mapping[str, int]
    """The payload types of all encodings that we may have a use for."""
    events: Mapping[int, int]
    """The payload types of telephone-events (RFC 4733) by their clock rate."""
    opus_parameters: str
    """How its sender wants its Opus (RFC 7587 section 6.1); empty where it says nothing of that."""
    packet_ms: int
    """How much sound its sender wants in a packet (RFC 8866 section 6.4)."""
    direction: Direction | None
    """Which way sound goes, as its sender sees it (RFC 8866 section 6.7); None where it says nothing of that."""
    keyless: bool
    """Whether it has no `crypto` attribute, of whatever kind."""
    spoken: Spoken
    """Those of the codecs that we speak too, and their payload types, by what we speak."""

    def events_with(self, codec: Codec) -> tuple[int, int] | None:
        """The payload type of telephone-events that go with a codec, and their clock rate: its own, else 8000, which
        many say beside Opus too."""
        clock = codec.clock_rate if codec.clock_rate in self.events else 8000
        return (self.events[clock], clock) if clock in self.events else None


_name = itemgetter(0)
_known: dict[tuple[tuple[str, ...], Attributes, bool], MediaFormats] = {}
_same: dict[int, tuple[Attributes, tuple[str, ...], MediaFormats]] = {}
"""By the identity of attributes: who reads descriptions makes nothing new of what was said before."""
Key = TypeVar("Key")
Value = TypeVar("Value")


def media_formats(media: MediaDescription) -> MediaFormats:
    """Read a media section. Its keys are of one call only, and are not remembered."""
    formats, attributes = media.formats, media.attributes
    same = _same.get(id(attributes))
    if same is not None:
        its_attributes, its_formats, found = same
        if its_attributes is attributes and (its_formats is formats or its_formats == formats):
            return found
    keyless = "crypto" not in map(_name, attributes)
    if not keyless:
        attributes = tuple([attribute for attribute in attributes if attribute[0] != "crypto"])
    key = formats, attributes, keyless
    known = _known.get(key)
    if known is None:
        known = _read(media, keyless=keyless)
        if _length(formats, attributes) > MAX_REMEMBERED_CHARACTERS:
            return known
        _keep(_known, key, known)
    if keyless:
        _keep(_same, id(attributes), (attributes, formats, known))
    return known


def _keep(memory: dict[Key, Value], key: Key, value: Value) -> None:
    if len(memory) >= REMEMBERED:
        memory.clear()
    memory[key] = value


def _length(formats: tuple[str, ...], attributes: Attributes) -> int:
    """How much of what a stranger wrote would be remembered."""
    return sum(map(len, formats)) + sum(len(name) + len(value or "") for name, value in attributes)


def _read(media: MediaDescription, *, keyless: bool) -> MediaFormats:
    mapping = media.rtpmap
    encodings = {number: mapping.get(number, "") for number in media.formats}
    codecs: dict[Codec, int] = {}
    for number, encoding in encodings.items():
        codec = _CODECS.get(encoding.removesuffix("/1"))
        if codec is not None:
            codecs.setdefault(codec, int(number))
    opus = codecs.get(Codec.OPUS)
    return MediaFormats(
        codecs=tuple(codecs.items()),
        numbers={
            encoding: int(number)
            for number, encoding in mapping.items()
            if number in media.formats and encoding in USUAL_PAYLOAD_TYPES
        },
        events=_events(encodings),
        opus_parameters="" if opus is None else _opus_parameters(media.attributes, opus),
        packet_ms=_packet_ms(media),
        direction=next((_DIRECTIONS[name] for name, _ in media.attributes if name in _DIRECTIONS), None),
        keyless=keyless,
        spoken=Spoken(codecs),
    )


def _events(encodings: Mapping[str, str]) -> dict[int, int]:
    """The first of each clock rate."""
    found: dict[int, int] = {}
    for number, encoding in encodings.items():
        name, _, clock = encoding.partition("/")
        if name == TELEPHONE_EVENT and clock in ("8000", "48000") and int(number) in DYNAMIC:
            found.setdefault(int(clock), int(number))
    return found


_OPUS_PARAMETER = re.compile(
    r"(maxplaybackrate|sprop-maxcapturerate|maxaveragebitrate|maxptime|minptime|ptime|stereo|sprop-stereo|cbr"
    r"|useinbandfec|usedtx)=[0-9]{1,6}"
)


def _opus_parameters(attributes: Attributes, number: int) -> str:
    """Without what is no parameter of Opus, or is there twice: another phone is told of it."""
    for name, value in attributes:
        written, _, parameters = (value or "").partition(" ")
        if name == "fmtp" and written == str(number):
            firsts: dict[str, str] = {}
            for part in parameters.lower().split(";"):
                if found := _OPUS_PARAMETER.fullmatch(part.strip()):
                    firsts.setdefault(found[1], found[0])
            return ";".join(firsts.values())
    return ""


def _packet_ms(media: MediaDescription) -> int:
    """20 ms unless it says otherwise."""
    text = media.attribute("ptime") or ""
    return min(max(int(text), 10), 60) if text.isdecimal() and len(text) < 4 else 20
