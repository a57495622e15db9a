"""What holds for every codec behind the common face, and G.711 there."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from media.codecs import g711
from media.codecs.codec import FORMATS, CodecError, Samples, make_decoder, make_encoder
from media.plan import Codec
from tests.unit.media.codecs.sound import (
    AMPLITUDE,
    decibels,
    decoded,
    delay,
    encoded,
    frames,
    loudest_hertz,
    speech_like,
    tone,
    tone_and_rest,
)

NAMES = sorted(FORMATS)
WAVEFORM_NAMES = ["PCMU", "PCMA", "G722"]
"""Codecs without a concealment of their own."""


@pytest.mark.parametrize(
    ("name", "rate", "clock_rate", "frame_samples", "frame_ticks"),
    [
        ("PCMU", 8000, 8000, 160, 160),
        ("PCMA", 8000, 8000, 160, 160),
        ("G722", 16000, 8000, 320, 160),  # RFC 3551 section 4.5.2: the clock of half the rate
        ("opus", 48000, 48000, 960, 960),
    ],
)
def test_both_sides_of_a_codec_say_what_its_sound_is_like(
    name: str, rate: int, clock_rate: int, frame_samples: int, frame_ticks: int
) -> None:
    for side in (make_decoder(name), make_encoder(name)):
        assert side.format.encoding_name == name
        assert (side.rate, side.clock_rate, side.frame_samples) == (rate, clock_rate, frame_samples)
        assert side.format.frame_ticks == frame_ticks


@pytest.mark.parametrize("name", ["g722", "OPUS", "Opus", "pcmu"])
def test_case_does_not_count_in_names(name: str) -> None:
    """RFC 8866 section 6.6."""
    assert make_decoder(name).format is make_encoder(name.upper()).format


@pytest.mark.parametrize("name", ["", "G729", "speex", "opus/48000"])
def test_an_unknown_codec_is_the_peers_fault(name: str) -> None:
    with pytest.raises(CodecError, match=repr(name)):
        make_decoder(name)
    with pytest.raises(CodecError, match=repr(name)):
        make_encoder(name)


@pytest.mark.parametrize("name", ["PCMU", "G722"])
def test_ffmpeg_is_loaded_by_those_who_need_it_alone(name: str) -> None:
    code = f"import sys; from media.codecs.codec import *; make_decoder({name!r}); print('av' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == str(name == "G722")


# -- sound -----------------------------------------------------------------------------------------

TONES = [
    ("PCMU", [100, 300, 1000, 2600, 3400], 38),
    ("PCMA", [100, 300, 1000, 2600, 3400], 38),
    ("G722", [100, 300, 1000, 3400], 33),
    ("G722", [5000, 7000], 20),
    ("opus", [200, 300, 1000, 3400, 7000], 25),
    ("opus", [10000], 15),
]


@pytest.mark.parametrize(
    ("name", "hertz", "floor"), [(name, hertz, floor) for name, row, floor in TONES for hertz in row]
)
def test_tones_survive(name: str, hertz: int, floor: float) -> None:
    encoder, decoder = make_encoder(name), make_decoder(name)
    settled = decoded(decoder, encoded(encoder, tone(hertz, encoder.rate)))[encoder.rate // 5 :]
    assert loudest_hertz(settled, encoder.rate) == pytest.approx(hertz, abs=2)
    amplitude, rest = tone_and_rest(settled, hertz, encoder.rate)
    assert decibels(amplitude / AMPLITUDE) == pytest.approx(0, abs=0.5)
    assert decibels(amplitude / rest) > floor


@pytest.mark.parametrize(
    ("name", "late", "around", "floor"),
    [("PCMU", 0, 0, 0.999), ("PCMA", 0, 0, 0.999), ("G722", 22, 0, 0.999), ("opus", 312, 6, 0.8)],
)
def test_speech_comes_out_alike_and_as_late_as_stated(
    name: str, late: int, around: int, floor: float
) -> None:
    encoder, decoder = make_encoder(name), make_decoder(name)
    spoken = speech_like(encoder.rate)
    found, correlation = delay(spoken, decoded(decoder, encoded(encoder, spoken)), most=400)
    assert found == pytest.approx(late, abs=around)
    assert correlation > floor


@pytest.mark.parametrize("name", NAMES)
def test_silence_stays_silence(name: str) -> None:
    encoder, decoder = make_encoder(name), make_decoder(name)
    silence = np.zeros(encoder.rate // 5, np.int16)
    assert np.abs(decoded(decoder, encoded(encoder, silence))).max() <= 8


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [32767, -32768])
def test_the_loudest_sound_does_not_wrap_around(name: str, level: int) -> None:
    """A square wave of 400 Hz at full scale: no sample of the middle of a half changes its sign."""
    encoder, decoder = make_encoder(name), make_decoder(name)
    half = encoder.rate // 800
    wave = np.tile(np.repeat(np.array([level, -1 - level], np.int16), half), 160)
    copy = decoded(decoder, encoded(encoder, wave))
    late = {"G722": 22, "OPUS": 312}.get(name, 0)
    middles = np.arange(80 * half, 240 * half, half) + half // 2
    assert (np.sign(copy[middles + late]) == np.sign(wave[middles] + 0.5)).all()


# -- frames ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_each_frame_is_one_payload_from_the_first_on(name: str) -> None:
    encoder, decoder = make_encoder(name), make_decoder(name)
    for frame in frames(speech_like(encoder.rate, 0.4), encoder.frame_samples):
        sound = decoder.decode(encoder.encode(frame))
        assert sound.dtype == np.int16
        assert sound.shape == (decoder.frame_samples,)


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_of_another_length_is_our_mistake(name: str) -> None:
    encoder = make_encoder(name)
    for length in (0, encoder.frame_samples - 1, encoder.frame_samples + 1, 2 * encoder.frame_samples):
        with pytest.raises(ValueError, match=str(encoder.frame_samples)):
            encoder.encode(np.zeros(length, np.int16))
    with pytest.raises(ValueError, match="samples"):
        encoder.encode(np.zeros((1, encoder.frame_samples), np.int16))


@pytest.mark.parametrize("name", NAMES)
def test_a_row_and_a_column_of_a_batch_encode_alike(name: str) -> None:
    """A column is not in one piece in memory."""
    encoders = make_encoder(name), make_encoder(name)
    row = speech_like(encoders[0].rate, 0.02)
    column = np.stack([row, row], axis=1)[:, 1]
    assert encoders[0].encode(row) == encoders[1].encode(column)


@pytest.mark.parametrize("name", NAMES)
def test_streams_do_not_hear_each_other(name: str) -> None:
    one, other = make_encoder(name), make_encoder(name)
    mine, theirs = tone(440, one.rate, 0.2), speech_like(one.rate, 0.2)
    alone = encoded(make_encoder(name), mine)
    together = [
        (one.encode(frame), other.encode(stranger))[0]
        for frame, stranger in zip(
            frames(mine, one.frame_samples), frames(theirs, one.frame_samples), strict=True
        )
    ]
    assert together == alone


@pytest.mark.parametrize("name", NAMES)
def test_what_is_done_to_the_sound_later_does_not_matter(name: str) -> None:
    """The mixer may work in place."""
    encoder, spared, abused = make_encoder(name), make_decoder(name), make_decoder(name)
    for payload in encoded(encoder, tone(440, encoder.rate, 0.1)):
        sound = abused.decode(payload)
        assert (sound == spared.decode(payload)).all()
        sound[:] = 0
    assert (abused.conceal() == spared.conceal()).all()


@pytest.mark.parametrize("name", WAVEFORM_NAMES)
def test_a_packet_may_hold_up_to_200_ms(name: str) -> None:
    """RFC 3551 section 4.2."""
    encoder, decoder = make_encoder(name), make_decoder(name)
    spoken = speech_like(encoder.rate, 0.2)
    payloads = encoded(encoder, spoken)
    packet = b"".join(payloads)
    assert (decoder.decode(packet) == decoded(make_decoder(name), payloads)).all()
    with pytest.raises(CodecError, match="200 ms"):
        decoder.decode(packet + b"\0")


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_payload_is_an_error_and_changes_nothing(name: str) -> None:
    encoder, decoder = make_encoder(name), make_decoder(name)
    first, second = encoded(encoder, tone(440, encoder.rate, 0.04))
    expected = decoded(make_decoder(name), [first, second])
    sound = [decoder.decode(first)]
    with pytest.raises(CodecError, match="empty"):
        decoder.decode(b"")
    sound.append(decoder.decode(second))
    assert (np.concatenate(sound) == expected).all()


# -- concealment -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_made_up_before_the_first_payload(name: str) -> None:
    decoder = make_decoder(name)
    for _ in range(5):
        made_up = decoder.conceal()
        assert made_up.dtype == np.int16
        assert made_up.shape == (decoder.frame_samples,)
        assert not made_up.any()


def power(sound: Samples) -> float:
    return float(np.mean(sound.astype(np.float64) ** 2))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_made_up_fades_to_silence_in_60_ms(name: str) -> None:
    encoder, decoder = make_encoder(name), make_decoder(name)
    heard = decoded(decoder, encoded(encoder, speech_like(encoder.rate, 0.3)))
    made_up = [decoder.conceal() for _ in range(5)]
    assert {frame.shape for frame in made_up} == {(decoder.frame_samples,)}
    powers = [power(frame) for frame in [heard[-decoder.frame_samples :], *made_up]]
    assert powers[0] > powers[1] > powers[2] > powers[3] > powers[4] == powers[5] == 0
    assert powers[1] > powers[0] / 30, "the first is a guess, not a hole"


@pytest.mark.parametrize("name", WAVEFORM_NAMES)
def test_what_is_made_up_begins_where_the_sound_ended(name: str) -> None:
    """No jump is larger than those of the tone itself, from frame to frame of what is made up too."""
    encoder, decoder = make_encoder(name), make_decoder(name)
    heard = decoded(decoder, encoded(encoder, tone(333, encoder.rate, 0.2)))
    whole = np.concatenate([heard, *(decoder.conceal() for _ in range(4))]).astype(np.int64)
    steps = np.abs(np.diff(whole))
    assert steps[len(heard) - 1 :].max() <= 1.1 * steps[: len(heard) - 1].max()


@pytest.mark.parametrize("name", NAMES)
def test_after_a_payload_what_is_made_up_is_loud_again(name: str) -> None:
    encoder, decoder = make_encoder(name), make_decoder(name)
    payloads = encoded(encoder, speech_like(encoder.rate, 0.5))
    decoded(decoder, payloads[:10])
    while decoder.conceal().any():
        pass
    decoded(decoder, payloads[10:])
    assert decoder.conceal().any()


@pytest.mark.parametrize("name", NAMES)
def test_a_hole_is_forgotten_within_200_ms(name: str) -> None:
    """Decoders predict from what they have heard; the error dies out."""
    encoder, whole, holed = make_encoder(name), make_decoder(name), make_decoder(name)
    payloads = encoded(encoder, speech_like(encoder.rate))
    expected = frames(decoded(whole, payloads), whole.frame_samples)
    decoded(holed, payloads[:20])
    for _ in payloads[20:25]:
        holed.conceal()
    after = frames(decoded(holed, payloads[25:]), holed.frame_samples)
    for sound, right in list(zip(after, expected[25:], strict=True))[10:]:
        error = sound.astype(np.float64) - right
        assert np.mean(error**2) < 0.01 * power(right)


# -- G.711 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", [Codec.PCMU, Codec.PCMA])
def test_g711_behind_the_face_is_g711(codec: Codec) -> None:
    payload = bytes(range(256)) * 5
    sound = make_decoder(codec.encoding_name).decode(payload)
    assert sound.astype("<i2").tobytes() == g711.decode(codec, payload)
    encoder = make_encoder(codec.encoding_name)
    for frame in np.arange(-32768, 32768 - 96, dtype=np.int16).reshape(-1, 160):
        assert encoder.encode(frame) == g711.encode(codec, frame.astype("<i2").tobytes())
