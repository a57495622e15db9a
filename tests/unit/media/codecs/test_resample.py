"""The resampler by what it does to sound: response, delay, frame boundaries, channels."""

from __future__ import annotations

import numpy as np
import pytest

from media.codecs.codec import Samples
from media.codecs.resample import PASS_BAND_HZ, Resampler
from tests.unit.media.codecs.sound import decibels, speech_like, tone, tone_and_rest

RATES = [(8000, 16000), (16000, 8000), (8000, 48000), (48000, 8000), (16000, 48000), (48000, 16000)]
each_pair = pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
LOUD = 16000


def resampled(sound: Samples, from_hz: int, to_hz: int) -> Samples:
    resampler = Resampler(from_hz, to_hz)
    return np.concatenate([resampler.resample(frame)[0] for frame in sound.reshape(-1, 1, from_hz // 50)])


def settled(sound: Samples, rate: int) -> Samples:
    """Without the first 100 ms, where the tone begins."""
    return sound[rate // 10 :]


# -- response --------------------------------------------------------------------------------------


@each_pair
def test_the_pass_band_is_flat_and_nothing_is_added_to_it(from_hz: int, to_hz: int) -> None:
    """Within 0.5 dB; images, aliases, clicks at frame boundaries and rounding are 50 dB below the tone."""
    edge = PASS_BAND_HZ[min(from_hz, to_hz)]
    for hertz in [50, 300, *np.linspace(500, edge, 12).round().astype(int)]:
        copy = settled(resampled(tone(hertz, from_hz, 0.5, LOUD), from_hz, to_hz), to_hz)
        amplitude, rest = tone_and_rest(copy, hertz, to_hz)
        assert decibels(amplitude / LOUD) == pytest.approx(0, abs=0.5), hertz
        assert decibels(rest / LOUD) < -50, hertz


@pytest.mark.parametrize(("from_hz", "to_hz"), [(16000, 8000), (48000, 8000), (48000, 16000)])
def test_nothing_is_folded_back_from_beyond_half_the_lower_rate(from_hz: int, to_hz: int) -> None:
    beyond = np.linspace(to_hz / 2, from_hz / 2, 40, endpoint=False).round() + 3
    for hertz in beyond:
        copy = settled(resampled(tone(hertz, from_hz, 0.3, LOUD), from_hz, to_hz), to_hz)
        assert decibels(float(np.abs(copy).max()) / LOUD) < -50, hertz


@each_pair
def test_a_constant_stays_what_it_is(from_hz: int, to_hz: int) -> None:
    copy = resampled(np.full(from_hz // 5, 10000, np.int16), from_hz, to_hz)
    assert np.abs(settled(copy, to_hz).astype(int) - 10000).max() <= 20  # 0.2 %: what is left of images


@each_pair
def test_rounding_adds_no_constant(from_hz: int, to_hz: int) -> None:
    """Samples are rounded, not cut: that would make all sound half a step more negative."""
    copy = settled(resampled(tone(50, from_hz, 0.5, 300), from_hz, to_hz), to_hz)
    assert abs(copy.mean()) < 0.1


@pytest.mark.parametrize(("low_hz", "high_hz"), [(8000, 16000), (8000, 48000), (16000, 48000)])
def test_up_and_down_again_is_the_sound_but_late(low_hz: int, high_hz: int) -> None:
    sound = tone(1000, low_hz, 0.5, LOUD) // 2 + tone(2500, low_hz, 0.5, LOUD) // 2
    copy = resampled(resampled(sound, low_hz, high_hz), high_hz, low_hz)
    late = (
        Resampler(low_hz, high_hz).delay_samples * low_hz // high_hz
        + Resampler(high_hz, low_hz).delay_samples
    )
    error = copy[late:].astype(int) - sound[: len(sound) - late]
    assert np.abs(error[low_hz // 10 :]).max() < LOUD * 0.005


# -- delay -----------------------------------------------------------------------------------------


@each_pair
def test_the_delay_is_as_stated(from_hz: int, to_hz: int) -> None:
    """The middle of a click: its filter is symmetric."""
    click = np.zeros(from_hz // 5, np.int16)
    at = from_hz // 10
    click[at] = 30000
    out = resampled(click, from_hz, to_hz).astype(int)
    middle = at * to_hz // from_hz + Resampler(from_hz, to_hz).delay_samples
    assert np.abs(out).argmax() == middle
    reach = Resampler(from_hz, to_hz).delay_samples
    around = out[middle - reach : middle + reach + 1]
    assert (around == around[::-1]).all()
    assert not out[: middle - reach].any()
    assert not out[middle + reach + 1 :].any()


@each_pair
def test_the_delay_is_at_most_3_ms(from_hz: int, to_hz: int) -> None:
    assert 0 < Resampler(from_hz, to_hz).delay_samples / to_hz <= 0.003


@each_pair
def test_two_paths_are_in_step(from_hz: int, to_hz: int) -> None:
    """A tone comes out in the phase that the delay says."""
    delay = Resampler(from_hz, to_hz).delay_samples
    copy = resampled(tone(440, from_hz, 0.4, LOUD), from_hz, to_hz)
    direct = tone(440, to_hz, 0.4, LOUD)[: len(copy) - delay]
    error = copy[delay:].astype(int) - direct
    assert np.abs(settled(error, to_hz)).max() < LOUD * 0.005


# -- frames ----------------------------------------------------------------------------------------


@each_pair
def test_where_frames_begin_does_not_matter(from_hz: int, to_hz: int) -> None:
    """Sound that is late by some samples comes out late by as many: no sample knows where it is in its frame."""
    dice = np.random.default_rng(3)
    noise = dice.integers(-8000, 8000, from_hz // 5).astype(np.int16)
    straight = resampled(noise, from_hz, to_hz)
    step = max(from_hz // to_hz, 1)  # a whole number of samples at both rates
    for late in (step, 7 * step, from_hz // 100, from_hz // 50 - step):
        shifted = np.concatenate([np.zeros(late, np.int16), noise[:-late]])
        copy = resampled(shifted, from_hz, to_hz)
        moved = late * to_hz // from_hz
        assert not copy[:moved].any()
        assert (
            np.abs(copy[moved:].astype(int) - straight[:-moved]).max() <= 1
        )  # float32 adds in another order


@each_pair
def test_a_frame_in_is_a_frame_out(from_hz: int, to_hz: int) -> None:
    resampler = Resampler(from_hz, to_hz, 3)
    for _ in range(5):
        out = resampler.resample(np.zeros((3, from_hz // 50), np.int16))
        assert out.shape == (3, to_hz // 50)
        assert out.dtype == np.int16


@each_pair
def test_what_came_out_is_not_overwritten_by_the_next_frame(from_hz: int, to_hz: int) -> None:
    resampler = Resampler(from_hz, to_hz)
    first = resampler.resample(speech_like(from_hz, 0.02)[None])
    kept = first.copy()
    resampler.resample(tone(440, from_hz, 0.02)[None])
    assert (first == kept).all()


@each_pair
def test_the_loudest_sound_is_clipped_and_does_not_wrap_around(from_hz: int, to_hz: int) -> None:
    """A square wave of 200 Hz overshoots at its edges, by Gibbs; no sample between them changes sign."""
    half = from_hz // 400
    wave = np.tile(np.repeat(np.array([32767, -32768], np.int16), half), 40)
    out = resampled(wave, from_hz, to_hz).astype(int)
    assert out.max() == 32767
    assert out.min() == -32768
    delay = Resampler(from_hz, to_hz).delay_samples
    half_out = to_hz // 400
    halves = out[delay + 10 * half_out : delay + 70 * half_out].reshape(-1, half_out)
    inner = halves[:, half_out // 4 : half_out * 3 // 4]
    assert (inner[::2] > 20000).all()
    assert (inner[1::2] < -20000).all()


# -- channels --------------------------------------------------------------------------------------


@each_pair
@pytest.mark.parametrize("channels", [1, 2, 7, 32])
def test_channels_do_not_hear_each_other(from_hz: int, to_hz: int, channels: int) -> None:
    sounds = np.stack([speech_like(from_hz, 0.1, seed) for seed in range(channels)])
    sounds[channels // 2] = 0
    batch = Resampler(from_hz, to_hz, channels)
    together = np.concatenate(
        [
            batch.resample(sounds[:, first : first + from_hz // 50])
            for first in range(0, from_hz // 10, from_hz // 50)
        ],
        axis=1,
    )
    assert not together[channels // 2].any()
    for sound, out in zip(sounds, together, strict=True):
        # Products of other shapes add in another order.
        assert np.abs(out.astype(int) - resampled(sound, from_hz, to_hz)).max() <= 1


@each_pair
def test_a_channel_that_is_reset_has_heard_nothing(from_hz: int, to_hz: int) -> None:
    resampler = Resampler(from_hz, to_hz, 2)
    loud = np.full((2, from_hz // 50), 20000, np.int16)
    resampler.resample(loud)
    resampler.reset(1)
    out = resampler.resample(np.zeros_like(loud))
    assert out[0].any()
    assert not out[1].any()


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(8000, 8000), (48000, 48000), (8000, 44100), (11025, 8000), (0, 8000), (16000, 0)]
)
def test_other_rates_are_our_mistake(from_hz: int, to_hz: int) -> None:
    with pytest.raises(ValueError, match=f"from {from_hz} to {to_hz} Hz"):
        Resampler(from_hz, to_hz)


@each_pair
def test_frames_of_another_shape_are_our_mistake(from_hz: int, to_hz: int) -> None:
    resampler = Resampler(from_hz, to_hz, 2)
    samples = from_hz // 50
    for shape in [(2, samples - 1), (2, samples + 1), (3, samples), (2, 1)]:
        with pytest.raises(ValueError, match="shape"):
            resampler.resample(np.zeros(shape, np.int16))
