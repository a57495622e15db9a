"""G.722: bytes, band, and the predictor's memory."""

from __future__ import annotations

import numpy as np
import pytest

from media.codecs.g722 import DELAY_SAMPLES, G722Decoder, G722Encoder
from tests.unit.media.codecs.sound import (
    AMPLITUDE,
    decibels,
    decoded,
    encoded,
    snr,
    speech_like,
    tone,
    tone_and_rest,
)


def test_a_frame_is_64_kbit_a_second() -> None:
    assert {len(payload) for payload in encoded(G722Encoder(), speech_like(16000))} == {160}


@pytest.mark.parametrize("hertz", [50, 100, 200, 500, 1500, 3900, 4100, 5500, 6500, 7000])
def test_the_band_reaches_from_50_to_7000_hz(hertz: int) -> None:
    """ITU-T G.722 section 2: within 1 dB or so, across the seam of its two bands at 4000 Hz too."""
    copy = decoded(G722Decoder(), encoded(G722Encoder(), tone(hertz, 16000)))[3200:]
    amplitude, _ = tone_and_rest(copy, hertz, 16000)
    assert decibels(amplitude / AMPLITUDE) == pytest.approx(0, abs=1)


def test_speech_keeps_its_waveform() -> None:
    spoken = speech_like(16000)
    copy = decoded(G722Decoder(), encoded(G722Encoder(), spoken))
    assert snr(spoken[:-DELAY_SAMPLES], copy[DELAY_SAMPLES:]) > 28


@pytest.mark.parametrize("size", [1, 2, 3, 80, 120, 160, 240, 480, 1600])
def test_every_byte_is_two_samples_however_packets_are_cut(size: int) -> None:
    stream = b"".join(encoded(G722Encoder(), speech_like(16000, 0.2)))
    pieces = [stream[first : first + size] for first in range(0, len(stream), size)]
    decoder = G722Decoder()
    sound = [decoder.decode(piece) for piece in pieces]
    assert [len(samples) for samples in sound] == [2 * len(piece) for piece in pieces]
    assert (np.concatenate(sound) == G722Decoder().decode(stream)).all()


def test_packets_shorter_than_a_frame_are_concealed_with_a_whole_one() -> None:
    decoder = G722Decoder()
    stream = b"".join(encoded(G722Encoder(), tone(440, 16000, 0.1)))
    for first in range(0, len(stream), 40):
        decoder.decode(stream[first : first + 40])
    made_up = decoder.conceal()
    assert made_up.shape == (320,)
    assert np.abs(made_up[:160]).max() > AMPLITUDE / 2


def test_the_predictor_recovers_from_foreign_bytes() -> None:
    """Every byte has a sound, so what comes from elsewhere is heard; 200 ms later nothing is left of it."""
    payloads = encoded(G722Encoder(), speech_like(16000, 2.0))
    expected = decoded(G722Decoder(), payloads)
    decoder = G722Decoder()
    decoded(decoder, payloads[:20])
    dice = np.random.default_rng(7)
    for _ in range(10):
        decoder.decode(dice.bytes(160))
    after = decoded(decoder, payloads[20:])
    assert snr(expected[30 * 320 :], after[10 * 320 :]) > 30
