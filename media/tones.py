"""Tones: call progress (ITU-T E.180 and its list of national tones), and plain sines. PCM at 8 kHz."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from enum import Enum

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

    __slots__ = ("_position", "_tone")

    def __init__(self, tone: Tone) -> None:
        self._tone = tone
        self._position = 0

    def frame(self) -> bytes:
        """The next 20 ms."""
        first = self._position
        self._position += FRAME_SAMPLES
        share = AMPLITUDE / len(self._tone.frequencies)
        steps = [2 * math.pi * frequency / RATE_HZ for frequency in self._tone.frequencies]
        samples = array("h", bytes(2 * FRAME_SAMPLES))
        for index in range(FRAME_SAMPLES):
            if self._sounds((first + index) / RATE_HZ):
                samples[index] = round(share * sum(math.sin(step * (first + index)) for step in steps))
        return samples.tobytes()

    def _sounds(self, seconds: float) -> bool:
        cadence = self._tone.cadence
        if not cadence:
            return True
        seconds %= sum(cadence)
        for index, length in enumerate(cadence):
            if seconds < length:
                return index % 2 == 0
            seconds -= length
        return False
