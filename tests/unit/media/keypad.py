"""DTMF of every quality, and other sounds, for those who listen for digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from media.codecs import g711
from media.plan import Codec
from media.tone_detect import (
    DIGITS,
    FRAME_SAMPLES,
    HIGH_HZ,
    LOW_HZ,
    RATE_HZ,
    DigitBegan,
    DigitEvent,
    DtmfDetector,
    Samples,
)

Sound = npt.NDArray[np.float64]
PER_MS = RATE_HZ // 1000
MILLIWATT = 32767 * 10 ** (-3.14 / 20)
"""The amplitude of a sine of 0 dBm0 in A-law (ITU-T G.711)."""


@dataclass(frozen=True, slots=True)
class Press:
    """How a digit is sent. Offsets and twist (high tone to low) are those of ITU-T Q.24."""

    digit: str
    milliseconds: float = 100
    level_dbm0: float = -10
    """Of the stronger tone."""
    twist_db: float = 0
    low_offset: float = 0
    high_offset: float = 0
    phases: tuple[float, float] = (0, 0)
    """In turns."""

    def sound(self) -> Sound:
        """The tones, and nothing around them."""
        row, column = divmod(DIGITS.index(self.digit), 4)
        tones = [
            (LOW_HZ[row] * (1 + self.low_offset), self.level_dbm0 - max(0, self.twist_db), self.phases[0]),
            (
                HIGH_HZ[column] * (1 + self.high_offset),
                self.level_dbm0 + min(0, self.twist_db),
                self.phases[1],
            ),
        ]
        times = np.arange(round(self.milliseconds * PER_MS)) / RATE_HZ
        sines = [level(dbm0) * np.sin(2 * np.pi * (hertz * times + phase)) for hertz, dbm0, phase in tones]
        return sines[0] + sines[1]


def level(dbm0: float) -> float:
    """The amplitude of a sine of that level."""
    return MILLIWATT * float(10 ** (dbm0 / 20))


def silence(milliseconds: float) -> Sound:
    """So much of it."""
    return np.zeros(round(milliseconds * PER_MS))


def with_noise(sound: Sound, signal: Sound, snr_db: float, dice: np.random.Generator) -> Sound:
    """Add white noise, so many dB below the mean power of the signal."""
    deviation = np.sqrt(np.mean(signal**2) / 10 ** (snr_db / 10))
    return sound + dice.normal(0, deviation, len(sound))


def coded(sound: Sound, codec: Codec | None) -> Samples:
    """As it comes out of the network: clipped, and through a codec if there is one."""
    pcm = np.clip(np.round(sound), -32768, 32767).astype(np.int16)
    return pcm if codec is None else _there_and_back(codec)[pcm.view(np.uint16)]


@cache
def _there_and_back(codec: Codec) -> Samples:
    """What each of all samples becomes."""
    every = np.arange(65536).astype("<u2").tobytes()
    return np.frombuffer(g711.decode(codec, g711.encode(codec, every)), "<i2").astype(np.int16)


def heard(sounds: Sequence[Sound], codec: Codec | None = None) -> list[list[DigitEvent]]:
    """What one detector notices in sounds that begin together, each on its channel, and in 100 ms of silence after."""
    frames = -(-max(map(len, sounds)) // FRAME_SAMPLES) + 5
    stream = np.zeros((len(sounds), frames, FRAME_SAMPLES), np.int16)
    for channel, sound in enumerate(sounds):
        stream[channel].reshape(-1)[: len(sound)] = coded(sound, codec)
    detector = DtmfDetector(len(sounds))
    events: list[list[DigitEvent]] = [[] for _ in sounds]
    for frame in range(frames):
        for event in detector.detect(stream[:, frame]):
            events[event.channel].append(event)
    return events


def dialled(events: list[DigitEvent]) -> str:
    """The digits that began."""
    return "".join(event.digit for event in events if isinstance(event, DigitBegan))


def speech(seconds: float, pitch_hertz: float, dice: np.random.Generator) -> Sound:
    """What a voice might say: vowels that glide into each other, hisses, and pauses; 300 to 3400 Hz, some -15 dBm0.

    The harmonics of a wavering pitch, each as loud as three wandering resonances make it.
    """
    samples = round(seconds * RATE_HZ)
    times = np.arange(0, samples, 5 * PER_MS)
    syllables = np.linspace(0, samples, round(seconds / 0.12) + 2)
    syllables[1:-1] += dice.uniform(-400, 400, len(syllables) - 2)

    def between_syllables(values: Sound) -> Sound:
        return np.interp(times, syllables, values)

    def glide(least: float, most: float) -> Sound:
        return between_syllables(dice.uniform(least, most, len(syllables)))

    def by_sample(values: Sound) -> Sound:
        return np.interp(np.arange(samples), times, values)

    pitch = pitch_hertz * glide(0.8, 1.25)
    loudness = between_syllables(dice.choice([0, 0.3, 1, 1], len(syllables)))
    resonances = [(glide(270, 850), 60), (glide(850, 2600), 90), (glide(2300, 3300), 150)]
    turn = np.exp(2j * np.pi / RATE_HZ * np.cumsum(by_sample(pitch)))
    turned, sound = np.ones(samples, np.complex128), np.zeros(samples)
    for harmonic in range(1, int(3400 / pitch.min()) + 1):
        turned *= turn
        hertz = harmonic * pitch
        gains = [
            centre**2 / np.hypot(hertz**2 - centre**2, 2 * hertz * width) for centre, width in resonances
        ]
        heard_at_all = (hertz > 300) & (hertz < 3400)
        sound += by_sample(loudness * heard_at_all * np.prod(gains, axis=0) / harmonic) * turned.real
    sound *= level(-15) / np.sqrt(2 * np.mean(sound**2))
    hiss = by_sample(between_syllables(dice.choice([0, 0, 0, 1], len(syllables))))
    return sound + level(-28) * hiss * dice.normal(0, 1, samples)
