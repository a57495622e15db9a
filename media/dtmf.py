"""Digits as telephone-events (RFC 4733), and as the tones of ITU-T Q.23 for those who take none."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from media.tones import Tone, ToneSource
from values import dataclass

EVENTS = "0123456789*#ABCD"
VOLUME = 10
"""Of what we send, in -dBm0."""
DIGIT_FRAMES = 5
"""100 ms in packets of 20 ms."""
GAP_FRAMES = 5
END_REPEATS = 3
SILENT_FRAME = bytes(320)
"""20 ms of PCM at 8 kHz."""
_LOW_HZ = dict(
    zip(EVENTS, (941, 697, 697, 697, 770, 770, 770, 852, 852, 852, 941, 941, 697, 770, 852, 941), strict=True)
)
_HIGH_HZ = dict(zip(EVENTS, (1336, *(1209, 1336, 1477) * 3, 1209, 1477, *(1633,) * 4), strict=True))
_PAYLOAD = struct.Struct("!BBH")


@dataclass(frozen=True, slots=True)
class EventPacket:
    """One packet to send: its payload, and how it stands in the stream."""

    payload: bytes
    begins: bool
    """The first packet of a digit: has the marker, and a timestamp of its own."""
    ends: bool


def event_packets(digits: str, frame_ticks: int = 160) -> Iterator[list[EventPacket]]:
    """What to send in each 20 ms frame; an empty list is a gap. Raises ValueError for what is no digit."""
    return _frames([EVENTS.index(digit.upper()) for digit in digits], frame_ticks)


def _frames(codes: Sequence[int], frame_ticks: int) -> Iterator[list[EventPacket]]:
    for code in codes:
        for frame in range(1, DIGIT_FRAMES + 1):
            last = frame == DIGIT_FRAMES
            payload = _PAYLOAD.pack(code, VOLUME | (0x80 if last else 0), frame * frame_ticks)
            yield [EventPacket(payload, frame == 1, last)] * (END_REPEATS if last else 1)
        for _ in range(GAP_FRAMES):
            yield []


def tone_frames(digits: str) -> Iterator[bytes]:
    """The same as sound, 20 ms of PCM at 8 kHz each. Raises ValueError for what is no digit."""
    return _sounds([EVENTS[EVENTS.index(digit.upper())] for digit in digits])


def _sounds(digits: Sequence[str]) -> Iterator[bytes]:
    for digit in digits:
        source = ToneSource(Tone((_LOW_HZ[digit], _HIGH_HZ[digit])))
        yield from (source.frame() for _ in range(DIGIT_FRAMES))
        yield from (SILENT_FRAME,) * GAP_FRAMES


class Heard(NamedTuple):
    """The begin of a digit or its end, and its duration so far in clock ticks."""

    digit: str
    duration: int
    ended: bool


def rescaled(payload: bytes, from_rate: int, to_rate: int) -> bytes:
    """An event whose duration counts in another clock; the longest that can be said, if it lasts longer."""
    if len(payload) < 4 or from_rate == to_rate:
        return payload
    code, flags, duration = _PAYLOAD.unpack_from(payload)
    return _PAYLOAD.pack(code, flags, min(duration * to_rate // from_rate, 0xFFFF))


class EventReceiver:
    """Turns packets into digits, one for each timestamp.

    It begins with the first packet that comes, and ends with its end, or when the next shows that this was lost.
    """

    __slots__ = ("_digit", "_done", "_duration", "_timestamp")

    def __init__(self) -> None:
        self._timestamp: int | None = None
        self._digit = ""
        self._duration = 0
        self._done = True

    def receive(self, timestamp: int, payload: bytes) -> list[Heard]:
        """What is new, in order."""
        if len(payload) < 4 or payload[0] >= len(EVENTS):
            return []
        code, flags, duration = _PAYLOAD.unpack_from(payload)
        told: list[Heard] = []
        if timestamp != self._timestamp:
            if self._timestamp is not None and (timestamp - self._timestamp & 0xFFFFFFFF) >= 0x80000000:
                return []  # late: of a digit before
            if not self._done:
                told.append(Heard(self._digit, self._duration, ended=True))
            self._timestamp, self._digit, self._done = timestamp, EVENTS[code], False
            told.append(Heard(self._digit, duration, ended=False))
        self._duration = duration
        if flags & 0x80 and not self._done:
            self._done = True
            told.append(Heard(self._digit, duration, ended=True))
        return told
