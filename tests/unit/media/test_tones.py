"""Tones by what a spectrum and a stopwatch say of them (ITU-T E.180)."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import numpy.typing as npt
import pytest

from media.codecs import g711
from media.plan import Codec
from media.tones import (
    AMPLITUDE,
    BUSY,
    CONGESTION,
    FRAME_SAMPLES,
    RATE_HZ,
    RINGBACK,
    Country,
    Tone,
    ToneSource,
)

Samples = npt.NDArray[np.float64]
BLOCK = 40
"""5 ms: every cadence is a multiple of it, and two periods of every tone fit in."""
EVERY_TONE = [
    pytest.param(tones[country], id=f"{name} {country.value}")
    for name, tones in [("ringback", RINGBACK), ("busy", BUSY), ("congestion", CONGESTION)]
    for country in Country
]


def samples_of(tone: Tone, seconds: float) -> Samples:
    source = ToneSource(tone)
    frames = round(seconds * RATE_HZ / FRAME_SAMPLES)
    return np.frombuffer(b"".join(source.frame() for _ in range(frames)), "<i2").astype(np.float64)


def spectrum(samples: Samples) -> Samples:
    """Amplitudes at whole hertz, of exactly one second."""
    assert len(samples) == RATE_HZ
    return 2 * np.abs(np.fft.rfft(samples)) / RATE_HZ


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def test_a_frame_is_twenty_milliseconds() -> None:
    assert len(ToneSource(Tone.sine(440)).frame()) == 2 * FRAME_SAMPLES == 2 * RATE_HZ // 50


@pytest.mark.parametrize("hertz", [425, 440, 1000, 3001])
def test_a_sine_has_one_line_and_no_seam_between_frames(hertz: int) -> None:
    lines = spectrum(samples_of(Tone.sine(hertz), 1))
    assert lines[hertz] == pytest.approx(AMPLITUDE, rel=0.001)
    lines[hertz] = 0
    assert lines.max() < AMPLITUDE / 10_000


def test_an_hour_later_it_is_the_same_sine() -> None:
    source = ToneSource(Tone.sine(425))
    source._position = 3600 * RATE_HZ
    later = np.frombuffer(b"".join(source.frame() for _ in range(50)), "<i2").astype(np.float64)
    assert np.abs(later - samples_of(Tone.sine(425), 1)).max() <= 1


def test_two_frequencies_share_the_level() -> None:
    samples = samples_of(Tone((350.0, 440.0)), 1)
    lines = spectrum(samples)
    assert lines[350] == pytest.approx(AMPLITUDE / 2, rel=0.001)
    assert lines[440] == pytest.approx(AMPLITUDE / 2, rel=0.001)
    assert np.abs(samples).max() <= AMPLITUDE + 1


@pytest.mark.parametrize(
    ("codec", "milliwatt"), [(Codec.PCMA, "34212134b4a1a1b4"), (Codec.PCMU, "1e0b0b1e9e8b8b9e")]
)
def test_a_tone_is_ten_decibels_below_the_digital_milliwatt(codec: Codec, milliwatt: str) -> None:
    """G.711 tables 5 and 6 are a sine of 0 dBm0; E.180 wants -10 +-5 dBm0 of a tone."""
    reference = np.frombuffer(g711.decode(codec, bytes.fromhex(milliwatt)), "<i2").astype(np.float64)
    ours = rms(samples_of(Tone.sine(1000), 1))
    assert 20 * np.log10(ours / rms(reference)) == pytest.approx(-10, abs=0.3)


@pytest.mark.parametrize("tone", EVERY_TONE)
def test_a_tone_keeps_its_cadence(tone: Tone) -> None:
    blocks = samples_of(tone, 2 * sum(tone.cadence)).reshape(-1, BLOCK)
    sounds = np.abs(blocks).max(axis=1) > AMPLITUDE / 2
    runs = [(sounding, len(list(run)) * BLOCK / RATE_HZ) for sounding, run in groupby(sounds.tolist())]
    sound, silence = tone.cadence
    assert runs == [(True, sound), (False, silence)] * 2


@pytest.mark.parametrize("tone", EVERY_TONE)
def test_a_silence_is_silent(tone: Tone) -> None:
    sound, silence = tone.cadence
    first, last = round(sound * RATE_HZ), round((sound + silence) * RATE_HZ)
    assert not samples_of(tone, sound + silence)[first:last].any()


@pytest.mark.parametrize("tone", EVERY_TONE)
def test_a_tone_is_as_high_as_recommended(tone: Tone) -> None:
    """E.180: between 400 and 450 Hz, 425 preferred."""
    [hertz] = tone.frequencies
    assert 400 <= hertz <= 450


def test_the_recommended_cadences() -> None:
    """E.180: what a caller takes for ringing, and what for busy."""
    for sound, silence in (tone.cadence for tone in RINGBACK.values()):
        assert 0.67 <= sound <= 1.5
        assert 3 <= silence <= 5
    for sound, silence in (tone.cadence for tones in (BUSY, CONGESTION) for tone in tones.values()):
        assert 0.3 <= sound + silence <= 1.1
        assert 0.67 <= sound / silence <= 1.5
    for country in Country:
        assert sum(CONGESTION[country].cadence) < sum(BUSY[country].cadence)


@pytest.mark.parametrize("tone", [*EVERY_TONE, Tone((440.0,)), Tone((697.0, 1209.0))])
def test_a_tone_that_begins_anew_goes_on_as_it_would_have(tone: Tone) -> None:
    samples = samples_of(tone, 21)
    times = np.arange(len(samples)) / RATE_HZ
    waves = [np.sin(2 * np.pi * frequency * times) for frequency in tone.frequencies]
    wanted = AMPLITUDE / len(waves) * np.sum(waves, axis=0)
    sounding = samples != 0
    assert np.max(np.abs(samples - wanted)[sounding]) < 1.0
