"""Sound in place of sound that is missing: the last frame again, fading for 60 ms, then silence."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable
from functools import cache

from media.codecs import g711
from media.plan import Codec

FADE_MS = 60
QUIET_SAMPLE = 256
"""Samples of 16 bits that are no larger are background (-42 dB of the full scale)."""

_STEPS = 12  # in which G.711 fades, of 5 ms each
_STEP_SAMPLES = 8 * FADE_MS // _STEPS


class G711Concealer:
    """For G.711 as it is, without decoding. Fades in steps of 5 ms."""

    __slots__ = ("_codec", "_concealed", "_last")

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._last = b""
        self._concealed = 0

    def heard(self, frame: bytes) -> None:
        """A frame that is there."""
        self._last = frame
        self._concealed = 0

    def conceal(self, samples: int = 160) -> bytes:
        """So many samples in place of those that should come now."""
        start = self._concealed
        self._concealed += samples
        if not self._last or start >= _STEPS * _STEP_SAMPLES:
            return g711.SILENCE[self._codec] * samples
        again, tables, faded, done = _again(self._last, start, samples), _fading(self._codec), b"", 0
        while done < samples:
            step, within = divmod(start + done, _STEP_SAMPLES)
            end = done + _STEP_SAMPLES - within
            faded += again[done:end].translate(tables[min(step, _STEPS)])
            done = end
        return faded


@cache
def is_quiet_g711(codec: Codec) -> Callable[[bytes], bool]:
    """A function that tells whether a payload holds no more than background."""
    decoded = _samples(g711.decode(codec, bytes(range(256))))
    quiet = bytes(code for code, sample in enumerate(decoded) if abs(sample) <= QUIET_SAMPLE)
    return lambda payload: not payload.translate(None, quiet)


@cache
def _fading(codec: Codec) -> tuple[bytes, ...]:
    """For each step a table for `bytes.translate`; the last one makes silence."""
    decoded = _samples(g711.decode(codec, bytes(range(256))))
    gains = [1 - (step + 0.5) / _STEPS for step in range(_STEPS)] + [0.0]
    return tuple(g711.encode(codec, _pcm(int(sample * gain) for sample in decoded)) for gain in gains)


def _again(frame: bytes, start: int, size: int) -> bytes:
    """`size` bytes of the endlessly repeated frame."""
    start %= len(frame)
    return (frame * ((start + size) // len(frame) + 1))[start : start + size]


def _samples(pcm: bytes) -> array[int]:
    samples = array("h", pcm)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _pcm(values: Iterable[int]) -> bytes:
    samples = array("h", values)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
