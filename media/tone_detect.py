"""In-band DTMF (tones of ITU-T Q.23, limits of ITU-T Q.24): digits out of sound at 8 kHz, many channels at once.

Every 10 ms the last 20 ms of all channels are correlated with the eight tones: one matrix product. Where two tones hold
much of the energy, which is rare in anything but a digit, the window is examined: how far the tones are off, and how
much of the sound two sines of those very frequencies explain. Speech hardly ever passes; harmonics of the tones are
energy that two sines do not explain, so they need no test of their own. A digit begins with two windows of it in a row,
hence after tones of 26 ms at the least and 37 at the most; it ends with three in a row in which a tone is missing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from values import dataclass

Samples = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float32]
Indexes = npt.NDArray[np.intp]

RATE_HZ = 8000
FRAME_SAMPLES = 160
WINDOW = 160
HOP = 80
HOP_MS = 1000 * HOP // RATE_HZ
LOW_HZ = (697, 770, 852, 941)
HIGH_HZ = (1209, 1336, 1477, 1633)
DIGITS = "123A456B789C*0#D"
"""By rows, each a low tone."""
FULL_SCALE_DBM0 = 3.14
"""Of a sine, in A-law (ITU-T G.711)."""

# Each limit lies between what must be accepted and what must be rejected. Where nothing has to be rejected it lies a
# little beyond what must be accepted: more would only let in what is no digit.
OFFSET_LIMIT = 0.022
"""Of the nominal frequency: 1.5 % is accepted, 3.5 % rejected."""
TWIST_LIMITS_DB = (-10, 6)
"""High tone to low tone: -8 dB to +4 dB are accepted."""
PURITY_LIMIT = 0.9
"""Of the energy, in two sines: 0.97 at a signal-to-noise ratio of 15 dB; 0.82 in one of any two windows at 23 ms."""
SUSPICION = 0.45
"""Of the energy, at two nominal frequencies: a tone of 1658 Hz shows no more than 42 % of itself at 1633 Hz."""
LEVEL_LIMIT_DBM0 = -43
"""Of both tones together: -36 dBm0 of the stronger is accepted, -55 rejected."""
PRESENCE_LIMIT = 0.16
"""Of a tone's power before: what a gap of 10 ms leaves, in all but one window, even if the phase jumps in it."""
END_WINDOWS = 3
"""With a tone missing: a pause of 40 ms always has so many, a lost packet of 20 ms never."""
EDGES_MS = 16
"""From the first to the last instant of a tone, less what lies between its first and last window: about 6 to 26."""


@dataclass(frozen=True, slots=True)
class DigitBegan:
    """A channel has a digit (0-9 * # A-D)."""

    channel: int
    digit: str


@dataclass(frozen=True, slots=True)
class DigitEnded:
    """The digit that had begun is over. Its duration is right within 15 ms."""

    channel: int
    digit: str
    duration_ms: int


DigitEvent = DigitBegan | DigitEnded


@dataclass(slots=True)
class _Held:
    """A digit that has begun: its index, the power of its tones, windows since the first up to the last that had it."""

    index: int
    low_power: float
    high_power: float
    windows: int = 2
    missing: int = 0


class DtmfDetector:
    """Listens to so many channels, 20 ms at a time."""

    def __init__(self, channels: int) -> None:
        self._sound = np.zeros((channels, HOP + FRAME_SAMPLES), np.float32)
        self._projections = np.zeros((len(_CORRELATORS), channels), np.float32)
        self._powers = np.zeros((len(_CORRELATORS) // 2, channels), np.float32)
        self._hinted: dict[int, int] = {}
        """Channel and digit, where the window before had one for the first time."""
        self._held: dict[int, _Held] = {}

    def detect(self, frames: Samples) -> list[DigitEvent]:
        """What the next 20 ms bring, in order of time. `frames`: (channels, 160), zeros where nobody is.

        Raises ValueError for another shape.
        """
        sound, events = self._sound, list[DigitEvent]()
        if frames.shape != (len(sound), FRAME_SAMPLES):
            raise ValueError(f"{len(sound)} frames of {FRAME_SAMPLES} samples are wanted, not {frames.shape}")
        sound[:, :HOP] = sound[:, -HOP:]
        sound[:, HOP:] = frames
        for first in range(0, FRAME_SAMPLES, HOP):
            self._look(sound[:, first : first + WINDOW], events)
        return events

    def reset(self, channel: int) -> None:
        """Forget what was heard there, and tell no end: the channel is another call's now."""
        self._sound[channel] = 0  # so the next window is half silence, and no hint of before will hold in it
        self._held.pop(channel, None)

    def _look(self, windows: Floats, events: list[DigitEvent]) -> None:
        projections, powers, tones = self._projections, self._powers, len(self._powers)
        np.matmul(_CORRELATORS, windows.T, out=projections)
        np.square(projections, out=projections)
        np.add(projections[:tones], projections[tones:], out=powers)
        energies = np.einsum("cn,cn->c", windows, windows)
        loudest = powers[:4].max(axis=0) + powers[4:].max(axis=0)
        suspects = (energies > _LEAST_ENERGY) & (loudest > SUSPICION * energies)
        for channel in list(self._held):
            if self._goes_on(channel, events):
                suspects[channel] = False
        hinted, self._hinted = self._hinted, {}
        channels = np.flatnonzero(suspects)
        if not len(channels):
            return
        found = _examine(windows[channels], powers[:, channels], energies[channels])
        for channel, index in zip(channels.tolist(), found.tolist(), strict=True):
            if index >= 0 and hinted.get(channel) == index:
                self._begin(channel, index, events)
            elif index >= 0:
                self._hinted[channel] = index

    def _begin(self, channel: int, index: int, events: list[DigitEvent]) -> None:
        low, high = self._powers_of(index, channel)
        held = self._held.get(channel)
        if held is not None and held.index == index:  # only its level has changed
            held.low_power, held.high_power = low, high
            held.windows, held.missing = held.windows + held.missing, 0
            return
        if held is not None:
            self._end(channel, events)
        self._held[channel] = _Held(index, low, high)
        events.append(DigitBegan(channel, DIGITS[index]))

    def _goes_on(self, channel: int, events: list[DigitEvent]) -> bool:
        """Whether the digit that a channel had is in this window, too."""
        held = self._held[channel]
        low, high = self._powers_of(held.index, channel)
        held.missing += 1
        if low > PRESENCE_LIMIT * held.low_power and high > PRESENCE_LIMIT * held.high_power:
            held.low_power, held.high_power = max(low, held.low_power), max(high, held.high_power)
            held.windows, held.missing = held.windows + held.missing, 0
        elif held.missing == END_WINDOWS:
            self._end(channel, events)
        return not held.missing

    def _end(self, channel: int, events: list[DigitEvent]) -> None:
        held = self._held.pop(channel)
        events.append(DigitEnded(channel, DIGITS[held.index], (held.windows - 1) * HOP_MS + EDGES_MS))

    def _powers_of(self, index: int, channel: int) -> tuple[float, float]:
        return float(self._powers[index // 4, channel]), float(self._powers[4 + index % 4, channel])


_TIMES = np.arange(WINDOW, dtype=np.float32) - np.float32((WINDOW - 1) / 2)
"""Of the samples, with 0 in the middle."""
_OMEGAS = (2 * np.pi / RATE_HZ * np.array(LOW_HZ + HIGH_HZ)).astype(np.float32)
"""Radians per sample."""
_WAVES = np.exp(-1j * np.outer(_OMEGAS, _TIMES)).astype(np.complex64)
_CORRELATORS = np.sqrt(np.float32(2 / WINDOW)) * np.concatenate([_WAVES.real, _WAVES.imag])
"""Squares of projections on these are energies."""
_BELL = np.cos(np.pi / WINDOW * _TIMES).astype(np.float32) ** 2
_BELLS = _BELL * _WAVES
_SLOPES = _TIMES * _BELLS * (_BELL.sum() / (_BELL * _TIMES**2).sum())
_LEAST_ENERGY = WINDOW / 2 * 32768**2 * 10 ** ((LEVEL_LIMIT_DBM0 - FULL_SCALE_DBM0) / 10)
_TWIST_LIMITS = tuple(10 ** (decibels / 10) for decibels in TWIST_LIMITS_DB)


def _examine(windows: Floats, powers: Floats, energies: Floats) -> Indexes:
    """Which digit each window has, -1 for none. `windows`: (windows, samples), `powers`: (tones, windows)."""
    rows = np.stack([powers[:4].argmax(axis=0), 4 + powers[4:].argmax(axis=0)], axis=1)
    nominal = _OMEGAS[rows]
    # Under a bell the two tones hardly touch each other. Where one is off by d, what is seen of it is a bell times
    # exp(jdt), nearly 1 + jdt; so a second bell, times t, has d as the imaginary part of its ratio to the first.
    seen = np.einsum("wn,wtn->wt", windows, _BELLS[rows])
    sloped = np.einsum("wn,wtn->wt", windows, _SLOPES[rows])
    offsets = (sloped * seen.conj()).imag / (np.abs(seen) ** 2 + np.float32(1e-6))
    limits = OFFSET_LIMIT * nominal
    # Least squares: two cosines and two sines of the true frequencies (of the limit, for what is beyond it).
    angles = (nominal + offsets.clip(-limits, limits))[..., np.newaxis] * _TIMES
    sines = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    projections = sines @ windows[..., np.newaxis]
    amplitudes = np.linalg.solve(sines @ sines.swapaxes(1, 2), projections)
    explained = (projections * amplitudes).sum(axis=(1, 2))
    low, high = (amplitudes.reshape(-1, 2, 2) ** 2).sum(axis=1).T
    good = (np.abs(offsets) < limits).all(axis=1)
    good &= (high > _TWIST_LIMITS[0] * low) & (high < _TWIST_LIMITS[1] * low)
    good &= explained > PURITY_LIMIT * energies
    return np.where(good, 4 * rows[:, 0] + rows[:, 1] - 4, -1)
