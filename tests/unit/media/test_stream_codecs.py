"""Streams of G.722 and Opus: relayed as they are, recoded where they have to be, played to and recorded."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.dtmf import EventReceiver
from media.messages import Bridge, DigitEnded, PlayTone, RecordFile, SendDigits
from media.plan import Codec
from media.tones import Tone
from media.transcode import Listener, Speaker
from tests.interop.tones import level, read_samples
from tests.simulation.simulation import Simulation
from tests.unit.media.codecs.sound import tone
from tests.unit.media.studio import EVENTS, FRAME_SECONDS, Peer, Studio

TONE_HZ = 1010
AMPLITUDE = 8000


def plan(codec: Codec, events_rate: int = 8000) -> dict[str, Any]:
    """Fields of a plan; what the peer is sent has another number than what it sends."""
    return {
        "codec": codec,
        "send_payload_type": 98,
        "receive_payload_type": 97,
        "dtmf_clock_rate": events_rate,
    }


async def say(peer: Peer, codec: Codec, frames: int = 25) -> list[bytes]:
    """Say a tone in packets of 20 ms; the payloads."""
    speaker = Speaker(codec)
    sound = tone(TONE_HZ, 8000, frames / 50, AMPLITUDE).reshape(frames, 160)
    payloads = [speaker.say(frame) for frame in sound]
    for payload in payloads:
        peer.send_raw(peer.sender.packet(97, payload, codec.frame_ticks))
        await asyncio.sleep(FRAME_SECONDS)
    return payloads


def tone_level(payloads: list[bytes], codec: Codec) -> float:
    """How loud the tone is in payloads, their first frames aside."""
    listener = Listener(codec)
    heard = [frame for payload in payloads for frame in listener.hear(payload)]
    return level(np.concatenate(heard[10:]).astype(np.float64), TONE_HZ)


@pytest.mark.parametrize("codec", Codec)
async def test_what_both_have_is_relayed_as_it_is(simulation: Simulation, codec: Codec) -> None:
    studio = Studio(simulation)
    lee, richardson = studio.peer(), studio.peer()
    studio.do(Bridge(studio.open(lee, **plan(codec)), studio.open(richardson, **plan(codec))))
    said = await say(lee, codec)
    assert {packet.payload_type for packet in richardson.packets} == {98}
    stamps = [
        packet.timestamp - richardson.packets[0].timestamp & 0xFFFFFFFF for packet in richardson.packets
    ]
    assert stamps == [codec.frame_ticks * index for index in range(25)]
    assert richardson.heard() == said
    studio.stop()


@pytest.mark.parametrize("one", Codec)
@pytest.mark.parametrize("other", Codec)
async def test_they_hear_each_other_whatever_they_speak(
    simulation: Simulation, one: Codec, other: Codec
) -> None:
    studio = Studio(simulation)
    lee, richardson = studio.peer(), studio.peer()
    studio.do(Bridge(studio.open(lee, **plan(one)), studio.open(richardson, **plan(other))))
    await asyncio.gather(say(lee, one), say(richardson, other))
    assert tone_level(richardson.heard(), other) == pytest.approx(AMPLITUDE, rel=0.15)
    assert tone_level(lee.heard(), one) == pytest.approx(AMPLITUDE, rel=0.15)
    studio.stop()


async def test_another_codec_in_the_call_goes_on_in_the_same_stream(simulation: Simulation) -> None:
    studio = Studio(simulation)
    lee, richardson = studio.peer(), studio.peer()
    stream = studio.open(lee, **plan(Codec.PCMA))
    studio.do(Bridge(stream, studio.open(richardson, **plan(Codec.PCMA))))
    await say(lee, Codec.PCMA)
    for codec in (Codec.OPUS, Codec.G722, Codec.OPUS, Codec.PCMA):
        studio.change(stream, replace(studio.plans[stream], **plan(codec)))
        await say(lee, codec)
    numbers = [packet.sequence - richardson.packets[0].sequence & 0xFFFF for packet in richardson.packets]
    assert numbers == list(range(125))
    stamps = [packet.timestamp for packet in richardson.packets]
    assert {after - before & 0xFFFFFFFF for before, after in pairwise(stamps)} == {160}
    assert len({packet.ssrc for packet in richardson.packets}) == 1
    studio.stop()


@pytest.mark.parametrize("codec", Codec)
async def test_what_is_played_is_in_the_codec_of_the_peer(simulation: Simulation, codec: Codec) -> None:
    studio = Studio(simulation)
    lee = studio.peer()
    studio.do(PlayTone(studio.open(lee, **plan(codec)), Tone.sine(TONE_HZ)))
    await asyncio.sleep(0.6)
    stamps = [packet.timestamp - lee.packets[0].timestamp & 0xFFFFFFFF for packet in lee.packets]
    assert stamps == [codec.frame_ticks * index for index in range(len(stamps))]
    assert tone_level(lee.heard(), codec) > 5000
    studio.stop()


@pytest.mark.parametrize("codec", Codec)
async def test_what_comes_is_recorded(simulation: Simulation, tmp_path: Path, codec: Codec) -> None:
    studio = Studio(simulation)
    lee = studio.peer()
    studio.do(RecordFile(studio.open(lee, **plan(codec)), str(tmp_path / "it.wav")))
    await say(lee, codec, 50)
    studio.stop()
    samples = read_samples(tmp_path / "it.wav")
    assert level(samples[3000:6000], TONE_HZ) == pytest.approx(AMPLITUDE, rel=0.15)


# -- telephone-events ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "durations"),
    [
        ((Codec.OPUS, 48000), (Codec.PCMA, 8000), [160, 320, 480, 640, 800, 800, 800]),
        ((Codec.PCMA, 8000), (Codec.OPUS, 48000), [960, 1920, 2880, 3840, 4800, 4800, 4800]),
        ((Codec.OPUS, 8000), (Codec.OPUS, 48000), [960, 1920, 2880, 3840, 4800, 4800, 4800]),
    ],
)
async def test_events_of_another_clock_last_as_long(
    simulation: Simulation, one: tuple[Codec, int], other: tuple[Codec, int], durations: list[int]
) -> None:
    studio = Studio(simulation)
    lee, richardson = studio.peer(), studio.peer()
    codec, frame = one[0], one[1] // 50
    studio.do(Bridge(studio.open(lee, **plan(*one)), studio.open(richardson, **plan(*other))))
    await say(lee, codec)
    for index, count in enumerate([1, 2, 3, 4, 5, 5, 5]):
        event = bytes([7, 0x8A if count == 5 else 10]) + (count * frame).to_bytes(2, "big")
        lee.send_raw(lee.sender.packet(EVENTS, event, codec.frame_ticks, index == 0, index > 0))
    await asyncio.sleep(0.1)
    events = [packet for packet in richardson.packets if packet.payload_type == EVENTS]
    assert [int.from_bytes(packet.payload[2:4], "big") for packet in events] == durations
    assert len({packet.timestamp for packet in events}) == 1
    assert [(event.digit, event.duration_ms) for event in studio.told_of(DigitEnded)] == [("7", 100)]
    assert events[0].timestamp - richardson.packets[24].timestamp & 0xFFFFFFFF == other[0].frame_ticks
    studio.stop()


async def test_digits_of_our_own_count_in_the_clock_of_opus(simulation: Simulation) -> None:
    studio = Studio(simulation)
    lee = studio.peer()
    studio.do(SendDigits(studio.open(lee, **plan(Codec.OPUS, 48000)), "12"))
    await asyncio.sleep(1)
    receiver = EventReceiver()
    heard = [each for packet in lee.packets for each in receiver.receive(packet.timestamp, packet.payload)]
    assert [(each.digit, each.duration) for each in heard if each.ended] == [("1", 4800), ("2", 4800)]
    first, second = dict.fromkeys(packet.timestamp for packet in lee.packets)
    assert second - first & 0xFFFFFFFF == 10 * 960
    studio.stop()


# -- what it takes ---------------------------------------------------------------------------------


def test_a_system_that_recodes_nothing_carries_neither_numpy_nor_ffmpeg() -> None:
    code = "import sys, media.worker, media.stream, pbx.switch; sys.exit(bool({'numpy', 'av'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
