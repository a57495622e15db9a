"""Digits in the sound of streams: heard where no telephone-events can come, sent where none are taken."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace

import av
import numpy as np
import pytest

from media.codecs import g711
from media.codecs.resample import Resampler
from media.dtmf import DIGIT_FRAMES, EVENTS, GAP_FRAMES, tone_frames
from media.in_band import CHANNELS
from media.messages import (
    Bridge,
    CloseStream,
    DigitEnded,
    DigitReceived,
    ListenForDigits,
    PlayTone,
    PortsReady,
    SendDigits,
)
from media.plan import Codec, Direction
from media.rtp import RtpPacket
from media.tones import Tone
from media.transcode import Speaker
from tests.simulation.simulation import Simulation
from tests.unit.media.keypad import dialled, heard
from tests.unit.media.studio import EVENTS as EVENTS_TYPE
from tests.unit.media.studio import FRAME_SECONDS, Peer, Studio

pytestmark = pytest.mark.row("CORE-25")

SOUND_ALONE = {"dtmf_send_payload_type": None, "dtmf_receive_payload_type": None}
"""A peer that knows no telephone-events."""
HUM = g711.encode(Codec.PCMU, np.full(160, 300, "<i2").tobytes())


def payloads(digits: str, codec: Codec = Codec.PCMU) -> list[bytes]:
    """Digits as tones, as a phone would send them."""
    speaker = Speaker(codec)
    return [speaker.say_pcm(frame) for frame in tone_frames(digits)]


def digits_in(packets: Iterable[RtpPacket], codec: Codec = Codec.PCMU) -> str:
    """The digits that sound in a peer's packets."""
    pcm = b"".join(g711.decode(codec, packet.payload) for packet in packets)
    return dialled(heard([np.frombuffer(pcm, "<i2").astype(np.float64)])[0])


def listening(simulation: Simulation, **changes: object) -> tuple[Studio, Peer, int]:
    """A stream that is listened to, of a peer that knows no telephone-events."""
    studio = Studio(simulation)
    lee = studio.peer()
    stream = studio.open(lee, **SOUND_ALONE | changes)
    studio.do(ListenForDigits(stream))
    return studio, lee, stream


def told(studio: Studio, stream: int = 1) -> str:
    """The keys that were told of a stream."""
    return "".join(event.digit for event in studio.told_of(DigitReceived) if event.stream == stream)


# -- heard -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", Codec)
async def test_every_digit_is_heard_once(simulation: Simulation, codec: Codec) -> None:
    studio, lee, stream = listening(simulation, codec=codec, send_payload_type=99, receive_payload_type=99)
    for payload in payloads(EVENTS, codec):
        lee.send_raw(lee.sender.packet(99, payload, codec.frame_ticks, marker=False))
        await asyncio.sleep(FRAME_SECONDS)
    await asyncio.sleep(0.1)
    assert told(studio) == EVENTS
    ends = studio.told_of(DigitEnded)
    assert [event.digit for event in ends] == list(EVENTS)
    assert all(event.in_band and event.duration_ms == pytest.approx(100, abs=10) for event in ends)
    assert all(event.in_band and event.stream == stream for event in studio.told_of(DigitReceived))
    studio.stop()


async def test_digits_in_packets_of_10_ms_are_heard(simulation: Simulation) -> None:
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = 48000, "mono", "s16"
    encoder.options = {"frame_duration": "10"}
    encoder.open()
    wide = Resampler(8000, 48000)
    studio, lee, _ = listening(simulation, codec=Codec.OPUS, send_payload_type=99, receive_payload_type=99)
    for pcm in tone_frames("159D"):
        samples = wide.resample(np.frombuffer(pcm, "<i2")[None])[0].astype(np.int16)
        for half in samples.reshape(2, 480):
            frame = av.AudioFrame.from_ndarray(half[None], "s16", "mono")
            frame.sample_rate = 48000
            for packet in encoder.encode(frame):
                lee.send_raw(lee.sender.packet(99, bytes(packet), 480))
                await asyncio.sleep(FRAME_SECONDS / 2)
    await asyncio.sleep(0.2)
    assert told(studio) == "159D"
    studio.stop()


async def test_a_digit_is_told_while_it_sounds(simulation: Simulation) -> None:
    """Two packets hold enough of it; the third comes while they wait for their tick."""
    studio, lee, _ = listening(simulation)
    await lee.say([HUM] * 50)
    await lee.say(payloads("5")[:3])
    assert told(studio) == "5"
    assert studio.told_of(DigitEnded) == []
    studio.stop()


async def test_nobody_listens_unasked_or_any_more(simulation: Simulation) -> None:
    studio = Studio(simulation)
    lee = studio.peer()
    stream = studio.open(lee, **SOUND_ALONE)
    await lee.say(payloads("1"))
    studio.do(ListenForDigits(stream))
    await lee.say(payloads("2"))
    studio.do(ListenForDigits(stream, on=False))
    await lee.say(payloads("3"))
    assert told(studio) == "2"
    studio.stop()


async def test_the_sound_of_a_peer_with_telephone_events_is_not_listened_to(simulation: Simulation) -> None:
    """Until it changes its mind."""
    studio = Studio(simulation)
    lee = studio.peer()
    stream = studio.open(lee)
    studio.do(ListenForDigits(stream))
    await lee.say(payloads("1"))
    plan = replace(studio.plans[stream], dtmf_send_payload_type=None, dtmf_receive_payload_type=None)
    studio.change(stream, plan)
    await lee.say(payloads("2"))
    plan = replace(plan, codec=Codec.PCMA, send_payload_type=8, receive_payload_type=8)
    studio.change(stream, plan)
    await lee.say(payloads("3", Codec.PCMA), 8)
    studio.change(stream, replace(plan, dtmf_receive_payload_type=EVENTS_TYPE))
    await lee.say(payloads("4", Codec.PCMA), 8)
    assert told(studio) == "23"
    studio.stop()


async def test_a_peer_that_is_not_heard_presses_no_keys(simulation: Simulation) -> None:
    studio, lee, _ = listening(simulation, direction=Direction.SENDONLY)
    await lee.say(payloads("5"))
    assert told(studio) == ""
    studio.stop()


async def test_jitter_neither_tears_nor_doubles_a_digit(simulation: Simulation) -> None:
    """Packets that come in pairs, the later one first."""
    studio, lee, _ = listening(simulation)
    spoken = [lee.sender.packet(0, payload, 160, marker=False) for payload in payloads("1559#")]
    for earlier, later in zip(spoken[::2], spoken[1::2], strict=True):
        lee.send_raw(later)
        lee.send_raw(earlier)
        await asyncio.sleep(2 * FRAME_SECONDS)
    await asyncio.sleep(0.2)
    assert told(studio) == "1559#"
    studio.stop()


async def test_a_peer_that_hangs_up_within_a_digit_hurts_nobody(simulation: Simulation) -> None:
    studio, lee, stream = listening(simulation)
    richardson = studio.peer()
    other = studio.open(richardson, **SOUND_ALONE)
    studio.do(ListenForDigits(other))
    await asyncio.gather(lee.say(payloads("1")[:3]), richardson.say(payloads("2")[:3]))
    studio.do(CloseStream(stream))
    await richardson.say(payloads("2")[3:] + payloads("6"))
    assert told(studio, other) == "26"
    studio.stop()


async def test_more_listen_than_one_detector_has_channels(simulation: Simulation) -> None:
    studio = Studio(simulation, 20000, 20199)
    peers = [studio.peer() for _ in range(CHANNELS + 3)]
    streams: list[int] = []
    for peer in peers:
        studio.free = [port for event in studio.told_of(PortsReady) for port in event.ports][len(streams) :]
        streams.append(studio.open(peer, **SOUND_ALONE))
    studio.do(*map(ListenForDigits, streams))
    keys = [EVENTS[index % 16] + EVENTS[index % 7] for index in range(len(peers))]
    await asyncio.gather(*(peer.say(payloads(key)) for peer, key in zip(peers, keys, strict=True)))
    assert [told(studio, stream) for stream in streams] == keys
    studio.stop()


def test_an_engine_that_listens_to_nobody_does_not_carry_numpy() -> None:
    code = "import sys, media.engine; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- sent ------------------------------------------------------------------------------------------


async def test_a_peer_without_telephone_events_is_sent_tones(simulation: Simulation) -> None:
    studio = Studio(simulation)
    lee = studio.peer()
    stream = studio.open(lee, **SOUND_ALONE)
    studio.do(SendDigits(stream, "15"), SendDigits(stream, "x"), SendDigits(stream, "d"))
    await asyncio.sleep(1)
    assert len(lee.packets) == 3 * (DIGIT_FRAMES + GAP_FRAMES)
    assert digits_in(lee.packets) == "15D"
    studio.stop()


async def test_a_telephone_event_becomes_a_tone_for_a_partner_that_takes_none(simulation: Simulation) -> None:
    """Once, and in the place of the sound that comes with it."""
    studio = Studio(simulation)
    lee, richardson = studio.peer(), studio.peer()
    studio.do(Bridge(studio.open(lee), studio.open(richardson, **SOUND_ALONE)))
    for duration in (160, 320, 480, 640):
        lee.send(b"\x05\x0a" + duration.to_bytes(2, "big"), EVENTS_TYPE, same_time=duration > 160)
        await asyncio.sleep(FRAME_SECONDS)
    for _ in range(3):
        lee.send(b"\x05\x8a\x03\x20", EVENTS_TYPE, same_time=True)
    await lee.say([HUM] * 20)
    assert digits_in(richardson.packets) == "5"
    assert richardson.packets[-1].payload == HUM
    assert {packet.payload_type for packet in richardson.packets} == {0}
    studio.stop()


async def test_tones_of_a_partner_pass_as_they_are(simulation: Simulation) -> None:
    studio = Studio(simulation)
    lee, richardson = studio.peer(), studio.peer()
    studio.do(Bridge(studio.open(lee, **SOUND_ALONE), studio.open(richardson)))
    await lee.say(payloads("7"))
    assert richardson.heard() == payloads("7")
    assert told(studio) == ""
    studio.stop()


async def test_an_event_of_which_the_begin_was_not_passed_on_is_not_passed_on_at_all(
    simulation: Simulation,
) -> None:
    """Else the digit that is being sent (of an INFO) and the same key as telephone-event would be two."""
    studio = Studio(simulation)
    lee, richardson = studio.peer(), studio.peer()
    stream = studio.open(richardson)
    studio.do(Bridge(studio.open(lee), stream), SendDigits(stream, "5"))
    for number in range(20):  # the key is held for 400 ms
        lee.send(b"\x05\x0a" + (160 * (number + 1)).to_bytes(2, "big"), EVENTS_TYPE, same_time=number > 0)
        await asyncio.sleep(FRAME_SECONDS)
    lee.send(b"\x06\x0a\x00\xa0", EVENTS_TYPE)
    await asyncio.sleep(0.1)
    events = {packet.timestamp: packet.payload[0] for packet in richardson.packets}
    assert list(events.values()) == [5, 6]
    studio.stop()


async def test_what_is_played_waits_for_the_digits(simulation: Simulation) -> None:
    studio = Studio(simulation)
    lee = studio.peer()
    stream = studio.open(lee, **SOUND_ALONE)
    studio.do(PlayTone(stream, Tone.sine(440)))
    await asyncio.sleep(0.1)
    studio.do(SendDigits(stream, "8"))
    await asyncio.sleep(0.5)
    assert digits_in(lee.packets) == "8"
    tone = [payload for payload in lee.heard() if payload not in payloads("8")]
    assert len(tone) >= 10
    studio.stop()


@pytest.mark.parametrize("digits", ["x", "1 2", "E"])
def test_what_is_no_digit_has_no_tones(digits: str) -> None:
    with pytest.raises(ValueError, match="not found"):
        tone_frames(digits)


def test_tones_are_those_of_the_keypad() -> None:
    for digit in EVENTS:
        sound = np.frombuffer(b"".join(tone_frames(digit)), "<i2").astype(np.float64)
        assert dialled(heard([sound])[0]) == digit
    assert list(tone_frames("")) == []
