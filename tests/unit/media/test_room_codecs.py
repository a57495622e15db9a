"""Rooms with parties of G.722 and Opus: who hears whom by tone, and what is not decoded or encoded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from media.codecs.codec import Samples
from media.messages import JoinRoom, PlayTone
from media.plan import Codec, Direction
from media.tones import Tone
from media.transcode import Listener, Speaker
from tests.interop.tones import level
from tests.simulation.simulation import Simulation
from tests.unit.media.codecs.sound import tone
from tests.unit.media.studio import FRAME_SECONDS, Peer, Studio

pytestmark = pytest.mark.row("CONF-19")

TONES_HZ = (440, 620, 1010, 1390)
ALL = (Codec.OPUS, Codec.PCMA, Codec.G722, Codec.PCMU)


def party(studio: Studio, codec: Codec, room: int = 1, **changes: Any) -> tuple[Peer, int]:
    """A peer whose stream is in a room."""
    peer = studio.peer()
    fields = {"codec": codec, "send_payload_type": 98, "receive_payload_type": 97} | changes
    stream = studio.open(peer, **fields)
    studio.do(JoinRoom(stream, room))
    return peer, stream


async def say(peer: Peer, codec: Codec, hertz: float, seconds: float = 0.8, packet_frames: int = 1) -> None:
    """Say a tone; of G.711 and G.722, whose bytes are of equal time, in packets of several frames if asked."""
    speaker = Speaker(codec)
    frames = tone(hertz, 8000, seconds, 3000).reshape(-1, 160)
    for first in range(0, len(frames), packet_frames):
        payload = b"".join(speaker.say(frame) for frame in frames[first : first + packet_frames])
        peer.send_raw(peer.sender.packet(97, payload, codec.frame_ticks * packet_frames))
        await asyncio.sleep(FRAME_SECONDS * packet_frames)


def tones_heard(peer: Peer, codec: Codec, skip: int = 15) -> set[int]:
    """The tones in what a peer has heard since it was asked last, its first frames aside."""
    sound = heard(peer, codec)[skip:]
    samples = np.concatenate(sound).astype(np.float64)
    return {index for index, hertz in enumerate(TONES_HZ) if level(samples, hertz) > 1000}


def heard(peer: Peer, codec: Codec) -> list[Samples]:
    listener = Listener(codec)
    return [frame for payload in peer.heard() for frame in listener.hear(payload)]


def counting(monkeypatch: pytest.MonkeyPatch, kind: type, name: str) -> list[int]:
    """How often a method of a class was called: a list with that number."""
    calls, method = [0], getattr(kind, name)

    def counted(self: Any, *arguments: Any) -> Any:
        calls[0] += 1
        return method(self, *arguments)

    monkeypatch.setattr(kind, name, counted)
    return calls


async def test_everybody_hears_all_others_whatever_they_speak(simulation: Simulation) -> None:
    studio = Studio(simulation)
    peers = [party(studio, codec)[0] for codec in ALL]
    await asyncio.gather(*(say(*spoken) for spoken in zip(peers, ALL, TONES_HZ, strict=True)))
    found = [tones_heard(peer, codec) for peer, codec in zip(peers, ALL, strict=True)]
    assert found == [{0, 1, 2, 3} - {own} for own in range(4)]
    studio.stop()


@pytest.mark.parametrize("codec", [Codec.G722, Codec.OPUS])
async def test_what_is_sent_counts_in_the_clock_of_the_codec(simulation: Simulation, codec: Codec) -> None:
    studio = Studio(simulation)
    peer, _ = party(studio, codec)
    await asyncio.sleep(0.2)
    stamps = [packet.timestamp - peer.packets[0].timestamp & 0xFFFFFFFF for packet in peer.packets]
    assert stamps == [codec.frame_ticks * index for index in range(len(stamps))]
    assert len(stamps) >= 9
    studio.stop()


async def test_packets_of_60_ms_are_heard_whole(simulation: Simulation) -> None:
    studio = Studio(simulation)
    (lee, _), (richardson, _) = party(studio, Codec.G722), party(studio, Codec.PCMU)
    await say(lee, Codec.G722, TONES_HZ[0], 0.96, packet_frames=3)
    levels = [level(frame.astype(np.float64), 440) for frame in heard(richardson, Codec.PCMU)[15:40]]
    assert min(levels) > 1500
    studio.stop()


@pytest.mark.parametrize("packet_frames", [1, 2, 3])
async def test_opus_packets_of_several_frames_are_heard_whole(
    simulation: Simulation, packet_frames: int
) -> None:
    """Frames of 20 ms, one after another in a packet of code 3 (RFC 6716 section 3.2.5)."""
    studio = Studio(simulation)
    (lee, _), (richardson, _) = party(studio, Codec.OPUS), party(studio, Codec.PCMU)
    speaker = Speaker(Codec.OPUS)
    frames = [speaker.say(frame) for frame in tone(440, 8000, 0.96, 3000).reshape(-1, 160)]
    for first in range(0, len(frames), packet_frames):
        payload = opus_packet(frames[first : first + packet_frames])
        lee.send_raw(lee.sender.packet(97, payload, 960 * packet_frames))
        await asyncio.sleep(FRAME_SECONDS * packet_frames)
    levels = [level(frame.astype(np.float64), 440) for frame in heard(richardson, Codec.PCMU)[15:40]]
    assert min(levels) > 1500
    studio.stop()


def opus_packet(packets: Sequence[bytes]) -> bytes:
    """Packets of one frame each as one packet; all have to be of one configuration."""
    if len({packet[0] for packet in packets}) > 1 or len(packets) == 1:
        return packets[-1]
    sizes = b"".join(
        bytes([size]) if size < 252 else bytes([252 + size % 4, (size - 252 - size % 4) // 4])
        for size in (len(packet) - 1 for packet in packets[:-1])
    )
    head = bytes([packets[0][0] & ~3 | 3, 0x80 | len(packets)])
    return head + sizes + b"".join(packet[1:] for packet in packets)


# -- what costs nothing ----------------------------------------------------------------------------


async def test_one_who_is_alone_is_not_decoded(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = counting(monkeypatch, Listener, "hear")
    studio = Studio(simulation)
    lee, _ = party(studio, Codec.OPUS)
    await say(lee, Codec.OPUS, TONES_HZ[0], 3)
    assert decoded == [0]
    richardson, _ = party(studio, Codec.PCMU)
    await say(lee, Codec.OPUS, TONES_HZ[0], 0.6)
    assert tones_heard(richardson, Codec.PCMU) == {0}
    studio.stop()


async def test_one_who_sends_nothing_is_not_decoded(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = Studio(simulation)
    for _ in range(3):
        party(studio, Codec.G722)
    heard_sounds, missed = (
        counting(monkeypatch, Listener, "hear"),
        counting(monkeypatch, Listener, "miss"),
    )
    await asyncio.sleep(1)
    assert (heard_sounds, missed) == ([0], [0])
    studio.stop()


async def test_nothing_is_encoded_for_one_who_does_not_listen(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = Studio(simulation)
    (_, stream), _ = party(studio, Codec.OPUS), party(studio, Codec.PCMA)
    studio.change(stream, replace(studio.plans[stream], direction=Direction.RECVONLY))
    encoded = counting(monkeypatch, Speaker, "say_pcm")
    await asyncio.sleep(0.5)
    assert encoded == [0]
    studio.stop()


async def test_one_who_hears_something_else_hears_nothing_of_the_room(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = Studio(simulation)
    (lee, stream), (richardson, _) = party(studio, Codec.OPUS), party(studio, Codec.PCMA)
    studio.do(PlayTone(stream, Tone.sine(TONES_HZ[3])))
    encoded = counting(monkeypatch, Speaker, "say_pcm")
    await say(richardson, Codec.PCMA, TONES_HZ[0], 0.5)
    assert encoded[0] == pytest.approx(25, abs=1)  # what is played
    assert tones_heard(lee, Codec.OPUS) == {3}
    studio.stop()


async def test_those_who_only_listen_share_one_encoder(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = Studio(simulation)
    lee, _ = party(studio, Codec.OPUS)
    audience = [party(studio, codec)[0] for codec in (Codec.OPUS, Codec.G722) * 4]
    lecture = asyncio.create_task(say(lee, Codec.OPUS, TONES_HZ[0], 4))
    await asyncio.sleep(2)
    encoded = counting(monkeypatch, Speaker, "say_pcm")
    for peer in audience:
        peer.heard()
    await asyncio.sleep(1)
    assert encoded[0] == pytest.approx(3 * 50, abs=3)  # the lecturer's, and one for each codec
    assert [
        tones_heard(peer, codec) for peer, codec in zip(audience, (Codec.OPUS, Codec.G722) * 4, strict=True)
    ] == [{0}] * 8
    lecture.cancel()
    studio.stop()


async def test_one_who_speaks_after_a_while_hears_all_others_still_and_not_himself(
    simulation: Simulation,
) -> None:
    studio = Studio(simulation)
    (lee, _), (richardson, _), _ = (party(studio, Codec.OPUS) for _ in range(3))
    lecture = asyncio.create_task(say(lee, Codec.OPUS, TONES_HZ[0], 4))
    await asyncio.sleep(2)
    richardson.heard()
    await say(richardson, Codec.OPUS, TONES_HZ[1], 1)
    assert tones_heard(richardson, Codec.OPUS) == {0}
    assert tones_heard(lee, Codec.OPUS, skip=120) == {1}
    lecture.cancel()
    studio.stop()


async def test_hostile_payloads_hurt_nobody(simulation: Simulation) -> None:
    studio = Studio(simulation)
    (lee, _), (richardson, _), (taylor, _) = (party(studio, codec) for codec in ALL[:3])
    dice = simulation.dice("hostile")
    lecture = asyncio.create_task(say(taylor, Codec.G722, TONES_HZ[2], 2))
    for _ in range(100):
        lee.send_raw(lee.sender.packet(97, dice.randbytes(dice.randrange(0, 300)), 960))
        await asyncio.sleep(FRAME_SECONDS)
    await lecture
    assert 2 in tones_heard(richardson, Codec.PCMA)
    studio.stop()
