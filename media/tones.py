"""Tones: call progress (ITU-T E.180 and its list of national tones), and plain sines. PCM at 8 kHz."""

from __future__ import annotations

import math
from array import array
from enum import Enum
from functools import lru_cache

from values import dataclass

RATE_HZ = 8000
FRAME_SAMPLES = 160
AMPLITUDE = 32767 * 10 ** (-13 / 20)
"""-10 dBm0 for a sine, where full scale is +3.14 dBm0."""


@dataclass(frozen=True, slots=True)
class Tone:
    """Frequencies sounding together, and seconds of sound and silence in turn; no cadence: without end."""

    frequencies: tuple[float, ...]
    cadence: tuple[float, ...] = ()

    @classmethod
    def sine(cls, hertz: float) -> Tone:
        """One frequency, without end."""
        return cls((hertz,))


class Country(Enum):
    """Whose tones."""

    FRANCE = "fr"
    GENERIC = "generic"
    """What E.180 recommends."""


RINGBACK = {Country.FRANCE: Tone((440.0,), (1.5, 3.5)), Country.GENERIC: Tone((425.0,), (1.0, 4.0))}
BUSY = {Country.FRANCE: Tone((440.0,), (0.5, 0.5)), Country.GENERIC: Tone((425.0,), (0.5, 0.5))}
CONGESTION = {Country.FRANCE: Tone((440.0,), (0.25, 0.25)), Country.GENERIC: Tone((425.0,), (0.25, 0.25))}
"""Supplement to E.180: various tones used in national networks."""


class ToneSource:
    """A tone, frame by frame."""

    __slots__ = ("_position", "_tone", "_whole")

    def __init__(self, tone: Tone) -> None:
        self._tone = tone
        self._position = 0
        self._whole = _whole(tone)

    def frame(self) -> bytes:
        """The next 20 ms."""
        first = self._position
        self._position = (first + FRAME_SAMPLES) % self._whole
        return _frame(self._tone, first)


@lru_cache(64)
def _whole(tone: Tone) -> int:
    """After so many samples a tone is what it was at its begin; of what never is, twenty seconds are enough."""
    for frames in range(1, 1000):
        seconds = frames * FRAME_SAMPLES / RATE_HZ
        turns = [seconds * frequency for frequency in tone.frequencies]
        turns += [seconds / sum(tone.cadence)] if tone.cadence else []
        if all(abs(turn - round(turn)) < 1e-9 for turn in turns):
            return frames * FRAME_SAMPLES
    return 1000 * FRAME_SAMPLES


@lru_cache(4096)
def _frame(tone: Tone, first: int) -> bytes:
    """20 ms from a sample on: the same for all who hear the tone."""
    share = AMPLITUDE / len(tone.frequencies)
    steps = [2 * math.pi * frequency / RATE_HZ for frequency in tone.frequencies]
    samples = array("h", bytes(2 * FRAME_SAMPLES))
    for index in range(FRAME_SAMPLES):
        if _sounds(tone, (first + index) / RATE_HZ):
            samples[index] = round(share * sum(math.sin(step * (first + index)) for step in steps))
    return samples.tobytes()


def _sounds(tone: Tone, seconds: float) -> bool:
    if not tone.cadence:
        return True
    seconds %= sum(tone.cadence)
    for index, length in enumerate(tone.cadence):
        if seconds < length:
            return index % 2 == 0
        seconds -= length
    return False
