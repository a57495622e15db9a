"""Resampling to 8 kHz, by what a spectrum says: speech passes, what 8 kHz cannot hold is stopped."""

from __future__ import annotations

import numpy as np
import pytest

from media.prompts.resample import to_8_khz
from tests.unit.media.prompts.listener import Samples, samples_of

RATES = pytest.mark.parametrize("rate_hz", [11025, 16000, 22050, 44100, 48000])
EDGE = 200
"""Samples at either end, where the sound begins and ends at once."""


def sine(hertz: float, rate_hz: int, seconds: float = 1.0) -> Samples:
    return 10_000 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate_hz)) / rate_hz)


def resampled(sound: Samples, rate_hz: int) -> Samples:
    return samples_of(to_8_khz(np.rint(sound).astype("<i2").tobytes(), rate_hz))


@RATES
@pytest.mark.parametrize("hertz", [100, 1000, 3300])
def test_what_8_khz_can_hold_passes_in_time(rate_hz: int, hertz: int) -> None:
    difference = resampled(sine(hertz, rate_hz), rate_hz) - sine(hertz, 8000)
    assert np.abs(difference[EDGE:-EDGE]).max() < 30  # of 10,000: 50 dB below


@pytest.mark.parametrize(("rate_hz", "hertz"), [(11025, 4100), (22050, 4100), (22050, 7000), (48000, 20_000)])
def test_what_8_khz_cannot_hold_is_stopped(rate_hz: int, hertz: int) -> None:
    assert np.abs(resampled(sine(hertz, rate_hz), rate_hz)[EDGE:-EDGE]).max() < 20


@RATES
@pytest.mark.parametrize("samples", [0, 1, 2, 441, 442, 5000, 22050])
def test_the_length_stays_the_same_in_seconds(rate_hz: int, samples: int) -> None:
    assert len(to_8_khz(bytes(2 * samples), rate_hz)) // 2 == -(-samples * 8000 // rate_hz)


def test_a_click_stays_where_it_is() -> None:
    sound = np.zeros(22050)
    sound[11025] = 30_000
    assert np.argmax(np.abs(resampled(sound, 22050))) == 4000


def test_full_scale_is_clipped_and_never_wraps_around() -> None:
    square = np.where(np.arange(22050) // 100 % 2 == 0, 32767.0, -32768.0)
    sound = resampled(square, 22050)
    middle = [round((100 * half + 50) * 8000 / 22050) for half in range(2, 200)]
    assert [np.sign(sound[at]) for at in middle] == [(-1) ** half for half in range(2, 200)]
    assert sound.max() == 32767


def test_8_khz_is_left_alone() -> None:
    assert to_8_khz(b"\1\2\3\4", 8000) == b"\1\2\3\4"


def test_a_lower_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="7999 Hz"):
        to_8_khz(b"\0\0", 7999)
