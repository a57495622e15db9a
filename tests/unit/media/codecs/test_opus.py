"""Opus: its packets, what other encoders may send, and concealment."""

from __future__ import annotations

from statistics import mean

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext

from media.codecs.codec import CodecError, Samples
from media.codecs.opus import BIT_RATE, OpusDecoder, OpusEncoder, lost_packet
from tests.unit.media.codecs.sound import (
    AMPLITUDE,
    decibels,
    decoded,
    encoded,
    loudest_hertz,
    snr,
    speech_like,
    tone,
    tone_and_rest,
)

RATE = 48000

# -- what we send ----------------------------------------------------------------------------------


def test_a_packet_is_one_mono_frame_of_20_ms() -> None:
    """RFC 6716 section 3.1: configuration, stereo flag, and the code for one frame."""
    for payload in encoded(OpusEncoder(), speech_like(RATE)):
        configuration, stereo, code = payload[0] >> 3, payload[0] >> 2 & 1, payload[0] & 3
        assert milliseconds(configuration) == 20
        assert (stereo, code) == (0, 0)


def test_the_bit_rate_is_kept_on_average() -> None:
    sizes = [len(payload) for payload in encoded(OpusEncoder(), speech_like(RATE, 3.0))]
    assert mean(sizes) * 8 * 50 == pytest.approx(BIT_RATE, rel=0.15)
    assert max(sizes) < 1200, "fits into a datagram with SRTP around it"
    assert len(set(sizes)) > 1, "variable"


def test_silence_is_sent_like_sound() -> None:
    """No discontinuous transmission: its packets have 2 bytes at most."""
    sizes = [len(payload) for payload in encoded(OpusEncoder(), np.zeros(2 * RATE, np.int16))]
    assert min(sizes) > 2


# -- what others send ------------------------------------------------------------------------------


def foreign(application: str, frame_ms: str, bit_rate: int, sounds: list[Samples]) -> list[bytes]:
    """Packets of an encoder set up in another way; one sound is mono, two are stereo."""
    context: object = av.CodecContext.create("libopus", "w")
    assert isinstance(context, AudioCodecContext)
    layout = "mono" if len(sounds) == 1 else "stereo"
    context.sample_rate, context.layout, context.format = RATE, layout, "s16"
    context.bit_rate = bit_rate
    context.options = {"application": application, "frame_duration": frame_ms}
    context.open()
    size = round(float(frame_ms) * RATE / 1000)
    interleaved = np.stack(sounds, axis=1).reshape(1, -1)
    payloads = []
    for first in range(0, len(sounds[0]) - size + 1, size):
        piece = np.ascontiguousarray(interleaved[:, first * len(sounds) : (first + size) * len(sounds)])
        frame = av.AudioFrame.from_ndarray(piece, "s16", layout)
        frame.sample_rate = RATE
        payloads += [bytes(packet) for packet in context.encode(frame)]
    return payloads


def milliseconds(configuration: int) -> float:
    """A frame's duration by table 2 of RFC 6716."""
    if configuration < 12:
        return (10, 20, 40, 60)[configuration % 4]
    if configuration < 16:
        return (10, 20)[configuration % 2]
    return (2.5, 5, 10, 20)[configuration % 4]


def band(configuration: int) -> tuple[str, int]:
    """Mode and bandwidth by table 2 of RFC 6716."""
    if configuration < 12:
        return "SILK", configuration // 4
    if configuration < 16:
        return "hybrid", configuration // 2
    return "CELT", configuration // 4


ENCODERS = [
    ("voip", "10", 12000),
    ("voip", "20", 8000),
    ("voip", "40", 12000),
    ("voip", "60", 12000),
    ("voip", "120", 16000),
    ("voip", "20", 16000),
    ("voip", "10", 32000),
    ("voip", "20", 64000),
    ("audio", "20", 96000),
    ("lowdelay", "2.5", 64000),
    ("lowdelay", "5", 64000),
    ("lowdelay", "10", 32000),
    ("lowdelay", "20", 24000),
]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("application", "frame_ms", "bit_rate"), ENCODERS)
def test_every_mode_and_duration_is_understood(
    application: str, frame_ms: str, bit_rate: int, channels: int
) -> None:
    payloads = foreign(application, frame_ms, bit_rate * channels, [tone(1000, RATE)] * channels)
    decoder = OpusDecoder()
    sound = [decoder.decode(payload) for payload in payloads]
    assert {len(samples) for samples in sound} == {round(float(frame_ms) * RATE / 1000)}
    settled = np.concatenate(sound)[RATE // 4 :]
    assert loudest_hertz(settled, RATE) == pytest.approx(1000, abs=3)
    assert decibels(tone_and_rest(settled, 1000, RATE)[0] / AMPLITUDE) == pytest.approx(0, abs=2)


def test_stereo_is_mixed_down() -> None:
    payloads = foreign("audio", "20", 96000, [tone(500, RATE), tone(1500, RATE)])
    assert payloads[-1][0] & 4, "it is stereo"
    settled = decoded(OpusDecoder(), payloads)[RATE // 4 :]
    for hertz in (500, 1500):
        assert tone_and_rest(settled, hertz, RATE)[0] == pytest.approx(AMPLITUDE / 2, rel=0.1)


# -- concealment -----------------------------------------------------------------------------------


@pytest.mark.parametrize("configuration", range(32))
def test_what_stands_for_a_lost_packet_is_like_the_last_but_20_ms(configuration: int) -> None:
    for stereo in (0, 4):
        for code in range(4):
            (lost,) = lost_packet(configuration << 3 | stereo | code)
            assert band(lost >> 3) == band(configuration)
            assert milliseconds(lost >> 3) == 20
            assert lost & 7 == stereo


@pytest.mark.parametrize(("application", "frame_ms", "bit_rate"), ENCODERS)
def test_20_ms_are_made_up_after_packets_of_any_kind(application: str, frame_ms: str, bit_rate: int) -> None:
    decoder = OpusDecoder()
    heard = decoded(decoder, foreign(application, frame_ms, bit_rate, [speech_like(RATE, 0.48)]))
    made_up = decoder.conceal()
    assert made_up.shape == (960,)
    assert np.abs(made_up).max() > np.abs(heard[-960:]).max() / 10


def test_a_lost_packet_of_a_steady_voice_is_guessed_better_than_by_silence() -> None:
    times = np.arange(RATE // 2) / RATE
    voice = np.zeros(len(times), np.float64)
    for harmonic in range(1, 20):
        voice += np.sin(2 * np.pi * 150 * harmonic * times + harmonic**2) / harmonic
    steady = np.rint(AMPLITUDE / np.abs(voice).max() * voice).astype(np.int16)
    payloads = encoded(OpusEncoder(), steady)
    truth = decoded(OpusDecoder(), payloads)[20 * 960 : 21 * 960]
    decoder = OpusDecoder()
    decoded(decoder, payloads[:20])
    assert snr(truth, decoder.conceal()) > 3


# -- hostile packets -------------------------------------------------------------------------------

MALFORMED = {
    "two frames of one size in an even number of bytes": b"\xf9" + bytes(5),
    "a first frame longer than the packet": b"\xfa\xf0\x00",
    "a frame count of zero": b"\xfb\x00",
    "no frame count": b"\xfb",
    "more than 120 ms": b"\xfb\x3f" + bytes(63),
    "a frame of more than 1275 bytes": b"\xf8" + bytes(1276),
    "more padding than packet": b"\xfb\x41\xff\xff\x00",
}


@pytest.mark.parametrize("payload", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_packet_is_an_error_and_changes_nothing(payload: bytes) -> None:
    """The requirements R1 to R7 of RFC 6716 section 3.4."""
    payloads = encoded(OpusEncoder(), speech_like(RATE, 0.2))
    expected = decoded(OpusDecoder(), payloads)
    decoder = OpusDecoder()
    sound = []
    for good in payloads:
        with pytest.raises(CodecError, match="opus"):
            decoder.decode(payload)
        sound.append(decoder.decode(good))
    assert (np.concatenate(sound) == expected).all()


def test_a_malformed_packet_is_not_what_is_concealed() -> None:
    payloads = encoded(OpusEncoder(), speech_like(RATE, 0.2))
    spared, attacked = OpusDecoder(), OpusDecoder()
    decoded(spared, payloads)
    decoded(attacked, payloads)
    with pytest.raises(CodecError):
        attacked.decode(b"\xfb\x00")
    assert (attacked.conceal() == spared.conceal()).all()


def test_the_decoder_recovers_from_foreign_packets() -> None:
    payloads = encoded(OpusEncoder(), speech_like(RATE, 2.0))
    expected = decoded(OpusDecoder(), payloads)
    decoder = OpusDecoder()
    decoded(decoder, payloads[:20])
    dice = np.random.default_rng(7)
    for _ in range(10):
        decoder.decode(bytes([payloads[0][0]]) + dice.bytes(80))
    after = decoded(decoder, payloads[20:])
    assert snr(expected[30 * 960 :], after[10 * 960 :]) > 20
