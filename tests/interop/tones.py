"""Tones in WAV files: made for phones to speak, and found in what they recorded."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE_HZ = 8000
AMPLITUDE = 8000
"""-12 dBFS: loud, but not so that a gain could clip it."""


def write_tone(path: Path, frequency_hz: float, seconds: float) -> None:
    """Write a mono WAV of 16-bit samples at 8 kHz."""
    times = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    samples = (AMPLITUDE * np.sin(2 * np.pi * frequency_hz * times)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())


def read_samples(path: Path) -> npt.NDArray[np.float64]:
    """The samples of a mono 16-bit WAV at 8 kHz. One that is still being written may lack its length."""
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE_HZ)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)


def level(samples: npt.NDArray[np.float64], frequency_hz: float, width_hz: float = 10.0) -> float:
    """The amplitude of a tone within `width_hz` of `frequency_hz`, in sample units.

    The strongest line of a Hann-windowed spectrum; a sine of amplitude A gives A, however long it is.
    """
    window = np.hanning(len(samples))
    spectrum = 2 * np.abs(np.fft.rfft(samples * window)) / window.sum()
    lines = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    near = np.abs(lines - frequency_hz) <= width_hz
    return float(spectrum[near].max())
