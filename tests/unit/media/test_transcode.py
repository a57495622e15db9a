"""Sound from codec to codec: what comes out, when it is stamped to sound, and what loss and malice do to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations

import numpy as np
import pytest

from media.codecs.codec import FORMATS, Samples, make_decoder
from media.plan import Codec
from media.rtp import RtpPacket
from media.transcode import LINEAR_HZ, Listener, Pace, Speaker, Transcoder
from tests.unit.media.codecs.sound import frames, loudest_hertz, tone, tone_and_rest

PCMU, PCMA, G722, OPUS = Codec.PCMU, Codec.PCMA, Codec.G722, Codec.OPUS
TONE_HZ = 1010
START = 0xFFFFFF00
"""Of timestamps, so that they wrap."""


def rate_of(codec: Codec) -> int:
    return FORMATS[codec.encoding_name.upper()].rate


def payloads(codec: Codec, count: int = 25) -> list[bytes]:
    """Frames of a tone."""
    speaker = Speaker(codec, rate_of(codec))
    sound = tone(TONE_HZ, rate_of(codec), count / 50)
    return [speaker.say(frame) for frame in frames(sound, rate_of(codec) // 50)]


def stream(
    codec: Codec, said: Sequence[bytes], *, ticks: int | None = None, first: int = 0xFFF8
) -> list[RtpPacket]:
    """Packets with these payloads, one after another."""
    step = codec.frame_ticks if ticks is None else ticks
    return [
        RtpPacket(96, index == 0, first + index & 0xFFFF, START + index * step & 0xFFFFFFFF, 7, payload)
        for index, payload in enumerate(said)
    ]


def transcoded(transcoder: Transcoder, packets: Iterable[RtpPacket]) -> list[RtpPacket]:
    return [made for packet in packets for made in transcoder.sound(packet)]


def offsets(packets: Sequence[RtpPacket], codec: Codec) -> list[float]:
    """When packets are stamped to sound, in frames after the first."""
    return [(packet.timestamp - packets[0].timestamp & 0xFFFFFFFF) / codec.frame_ticks for packet in packets]


def decoded(packets: Iterable[RtpPacket], codec: Codec) -> Samples:
    decoder = make_decoder(codec.encoding_name)
    return np.concatenate([decoder.decode(packet.payload) for packet in packets])


# -- sound -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target"), list(permutations(Codec, 2)))
def test_a_tone_comes_out_as_it_went_in(source: Codec, target: Codec) -> None:
    made = transcoded(Transcoder(source, target), stream(source, payloads(source)))
    assert len(made) == 25
    assert [packet.sequence for packet in made] == list(range(made[0].sequence, made[0].sequence + 25))
    assert offsets(made, target) == list(range(25))
    assert [packet.marker for packet in made] == [True, *[False] * 24]
    sound = decoded(made[5:], target)
    assert loudest_hertz(sound, rate_of(target)) == pytest.approx(TONE_HZ, abs=3)
    level, rest = tone_and_rest(sound[-rate_of(target) // 5 :], TONE_HZ, rate_of(target))
    assert level == pytest.approx(8000, rel=0.1)
    assert rest < 800


def test_wide_sound_stays_wide_where_both_ends_have_it() -> None:
    speaker = Speaker(OPUS, 48000)
    said = [speaker.say(frame) for frame in frames(tone(5000, 48000, 0.5), 960)]
    made = transcoded(Transcoder(OPUS, G722), stream(OPUS, said))
    assert loudest_hertz(decoded(made[5:], G722), 16000) == pytest.approx(5000, abs=5)


@pytest.mark.parametrize("codec", Codec)
def test_linear_sound_comes_back_through_every_codec(codec: Codec) -> None:
    speaker, listener = Speaker(codec), Listener(codec)
    said = [speaker.say_pcm(frame.tobytes()) for frame in frames(tone(TONE_HZ, LINEAR_HZ, 0.5), 160)]
    heard = [frame for payload in said for frame in listener.hear(payload)]
    assert [len(frame) for frame in heard] == [160] * 25
    level, rest = tone_and_rest(np.concatenate(heard[10:]), TONE_HZ, LINEAR_HZ)
    assert level == pytest.approx(8000, rel=0.1)
    assert rest < 800


# -- packets of other lengths ----------------------------------------------------------------------


@pytest.mark.parametrize("source", [PCMA, G722])
@pytest.mark.parametrize("milliseconds", [10, 30, 60])
def test_packets_of_any_length_come_out_as_20_ms_each(source: Codec, milliseconds: int) -> None:
    whole = b"".join(payloads(source, 30))
    size = 8 * milliseconds
    said = [whole[start : start + size] for start in range(0, len(whole), size)]
    made = transcoded(Transcoder(source, OPUS), stream(source, said, ticks=size))
    assert len(made) == 30
    assert offsets(made, OPUS) == list(range(30))
    assert tone_and_rest(decoded(made, OPUS)[-9600:], TONE_HZ, 48000)[0] == pytest.approx(8000, rel=0.1)


def test_silence_between_halves_of_a_frame_is_not_cut_out() -> None:
    half = payloads(PCMA)[0][:80]
    first, second, third = stream(PCMA, [half, half, half], ticks=80)
    later = [packet._replace(timestamp=packet.timestamp + 1600) for packet in (second, third)]
    (made,) = transcoded(Transcoder(PCMA, OPUS), [first, *later])
    assert made.timestamp == (80 + 1600) * 6


# -- loss, order, silence --------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_what_is_lost_is_concealed(missing: int) -> None:
    packets = stream(PCMU, payloads(PCMU))
    del packets[10 : 10 + missing]
    made = transcoded(Transcoder(PCMU, OPUS), packets)
    assert offsets(made, OPUS) == list(range(25))
    assert tone_and_rest(decoded(made, OPUS)[11 * 960 : 11 * 960 + 480], TONE_HZ, 48000)[0] > 2000


def test_a_long_loss_is_concealed_for_60_ms_and_a_gap_after_that() -> None:
    packets = stream(G722, payloads(G722))
    del packets[10:20]
    made = transcoded(Transcoder(G722, PCMA), packets)
    assert offsets(made, PCMA) == [*range(13), *range(20, 25)]
    assert [packet.sequence for packet in made] == list(range(made[0].sequence, made[0].sequence + 18))


def test_what_comes_late_or_twice_comes_in_vain() -> None:
    packets = stream(OPUS, payloads(OPUS))
    packets[10], packets[11] = packets[11], packets[10]
    packets.insert(15, packets[14])
    made = transcoded(Transcoder(OPUS, PCMA), packets)
    assert offsets(made, PCMA) == list(range(25))


def test_silence_that_is_not_sent_stays_a_gap() -> None:
    packets = stream(PCMA, payloads(PCMA))
    later = [packet._replace(timestamp=packet.timestamp + 50 * 160 & 0xFFFFFFFF) for packet in packets[10:]]
    later[0] = later[0]._replace(marker=True)
    made = transcoded(Transcoder(PCMA, OPUS), [*packets[:10], *later])
    assert offsets(made, OPUS) == [*range(10), *range(60, 75)]
    assert [index for index, packet in enumerate(made) if packet.marker] == [0, 10]


@pytest.mark.parametrize(
    "changes", [{"ssrc": 8}, {"sequence": 5000}, {"sequence": 0xFFF8 - 5000}], ids=["source", "on", "back"]
)
def test_another_stream_goes_on_where_the_last_ended(changes: dict[str, int]) -> None:
    packets = stream(PCMA, payloads(PCMA, 5))
    shift = changes.get("sequence", packets[0].sequence) - packets[0].sequence
    other = [
        packet._replace(
            ssrc=changes.get("ssrc", 7),
            sequence=packet.sequence + shift & 0xFFFF,
            timestamp=packet.timestamp + 123456789 & 0xFFFFFFFF,
        )
        for packet in packets
    ]
    made = transcoded(Transcoder(PCMA, OPUS), [*packets, *other])
    assert offsets(made, OPUS) == list(range(10))


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    packets = stream(PCMA, payloads(PCMA))
    packets[10:] = [packet._replace(timestamp=packet.timestamp - 16000) for packet in packets[10:]]
    assert offsets(transcoded(Transcoder(PCMA, G722), packets), G722) == list(range(25))


# -- telephone-events ------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target"), [(PCMA, OPUS), (OPUS, PCMA), (G722, PCMU)])
def test_events_stand_in_their_place_between_sound(source: Codec, target: Codec) -> None:
    """A digit of 100 ms after ten frames; while it lasts there is no sound."""
    packets = stream(source, payloads(source))
    transcoder = Transcoder(source, target)
    made = transcoded(transcoder, packets[:10])
    for packet in packets[10:15]:
        event = packet._replace(timestamp=packets[10].timestamp, payload=b"\5\n\0\1", payload_type=101)
        made.append(transcoder.event(event))
    made += transcoded(transcoder, packets[15:])
    assert offsets(made, target) == [*range(10), *[10] * 5, *range(15, 25)]
    assert [packet.sequence for packet in made] == list(range(made[0].sequence, made[0].sequence + 25))
    assert [packet.payload for packet in made[10:15]] == [b"\5\n\0\1"] * 5


def test_a_stream_may_begin_with_an_event() -> None:
    packets = stream(PCMA, payloads(PCMA, 3))
    transcoder = Transcoder(PCMA, OPUS)
    made = [transcoder.event(packets[0]), *transcoded(transcoder, packets[1:])]
    assert offsets(made, OPUS) == [0, 1, 2]


# -- malice ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"\xff" * 1400, b"\xfb\x00", b"\x83\xff\xff"])
@pytest.mark.parametrize("source", Codec)
def test_what_is_no_sound_is_concealed(source: Codec, payload: bytes) -> None:
    good = payloads(source, 10)
    target = PCMA if source is OPUS else OPUS
    transcoder = Transcoder(source, target)
    made = transcoded(transcoder, stream(source, [*good[:5], payload, *good[5:]]))
    assert len(made) >= 10
    assert len(decoded(made, target)) == len(made) * rate_of(target) // 50


# -- floods ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "payload"), [(Codec.PCMU, bytes(160)), (Codec.OPUS, b"\x08"), (Codec.PCMU, b"")]
)
def test_no_more_is_recoded_than_time_passes(codec: Codec, payload: bytes) -> None:
    pace, lasts = Pace(codec), 0.0025 if not payload else 0.02
    steady = [pace.admits(payload, number * lasts) for number in range(1000)]
    assert all(steady)
    now = 1000 * lasts
    flood = sum(pace.admits(payload, now + number * lasts / 100) for number in range(20_000))
    assert flood == pytest.approx(200 + 1 / lasts, abs=3)
