"""Sound to send through codecs, and measures of what comes out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from media.codecs.codec import Decoder, Encoder, Samples

Signal = npt.NDArray[np.int16] | npt.NDArray[np.float64]
AMPLITUDE = 8000


def tone(hertz: float, rate: int, seconds: float = 1.0, amplitude: float = AMPLITUDE) -> Samples:
    times = np.arange(round(seconds * rate)) / rate
    sine: Samples = np.rint(amplitude * np.sin(2 * np.pi * hertz * times)).astype(np.int16)
    return sine


def speech_like(rate: int, seconds: float = 1.0, seed: int = 1) -> Samples:
    """Harmonics of a gliding voice in syllables, with a hiss between them; the same sound at every rate."""
    times = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * (120 * times + 4 * np.sin(2 * np.pi * times))
    harmonics = np.arange(1, 25)[:, None]
    voice = (np.sin(harmonics * phase + harmonics**2) / harmonics**0.7).sum(axis=0)
    dice = np.random.default_rng(seed)
    hiss = np.interp(times, np.arange(8000 * seconds + 1) / 8000, dice.normal(size=round(8000 * seconds) + 1))
    syllables = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * times)
    sound: npt.NDArray[np.float64] = voice * syllables + 0.3 * hiss * (1 - syllables)
    spoken: Samples = np.rint(AMPLITUDE / np.abs(sound).max() * sound).astype(np.int16)
    return spoken


def frames(sound: Samples, size: int) -> list[Samples]:
    return list(sound[: len(sound) // size * size].reshape(-1, size))


def encoded(encoder: Encoder, sound: Samples) -> list[bytes]:
    return [encoder.encode(frame) for frame in frames(sound, encoder.frame_samples)]


def decoded(decoder: Decoder, payloads: list[bytes]) -> Samples:
    return np.concatenate([decoder.decode(payload) for payload in payloads])


def loudest_hertz(sound: Signal, rate: int) -> float:
    """The frequency of the highest peak."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(spectrum.argmax() * rate / len(sound))


def tone_and_rest(sound: Signal, hertz: float, rate: int) -> tuple[float, float]:
    """The amplitude of a sine in the sound, and of a sine as strong as all the rest."""
    angles = 2 * np.pi * hertz / rate * np.arange(len(sound))
    basis = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    fit = np.linalg.lstsq(basis, sound.astype(np.float64), rcond=None)[0]
    rest = sound - basis @ fit
    return float(np.hypot(*fit)), float(np.sqrt(2 * np.mean(rest**2)))


def decibels(ratio: float) -> float:
    return float(20 * np.log10(max(ratio, 1e-9)))


def snr(original: Samples, copy: Samples) -> float:
    """In dB, of a copy that is in step with the original."""
    error = copy.astype(np.float64) - original
    return decibels(float(np.linalg.norm(original)) / max(float(np.linalg.norm(error)), 1e-9))


def delay(original: Samples, copy: Samples, most: int = 1000) -> tuple[int, float]:
    """By how many samples the copy is late, and how well it correlates with the original then."""
    length = len(original) - most
    head = original[:length]
    correlations = [np.corrcoef(head, copy[late : late + length])[0, 1] for late in range(most)]
    best = int(np.argmax(correlations))
    return best, float(correlations[best])
