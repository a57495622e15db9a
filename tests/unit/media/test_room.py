"""Conference rooms of an engine: who hears whom, to the byte."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

from media.codecs import g711
from media.messages import AnnounceFiles, CloseStream, Echo, JoinRoom, LeaveRoom, PlayFiles, Quiet
from media.plan import Codec, Direction
from media.wav import WavWriter
from tests.simulation.simulation import Simulation
from tests.unit.media.studio import FRAME_SECONDS, Peer, Studio, plan_for


def sound(sample: int, codec: Codec = Codec.PCMU) -> bytes:
    """A frame of one sample, over and over."""
    return g711.encode(codec, struct.pack("<h", sample) * 160)


SILENCE = sound(0)


def people(studio: Studio, number: int, room: int = 1) -> list[tuple[Peer, int]]:
    """Peers whose streams are in one room."""
    peers = [studio.peer() for _ in range(number)]
    result = [(peer, studio.open(peer)) for peer in peers]
    for _, stream in result:
        studio.do(JoinRoom(stream, room))
    return result


async def talk(peers: list[Peer], *samples: int, frames: int = 20) -> list[set[bytes]]:
    """Each peer says its sample for a while; what each of them has heard at the end, silence aside."""
    for peer in peers:
        peer.heard()  # what came before
    saying = zip(peers, samples, strict=True)
    await asyncio.gather(*(peer.say([sound(sample)] * frames) for peer, sample in saying if sample))
    heard = [set(peer.heard()[frames // 2 : frames]) for peer in peers]
    return [frames - {SILENCE} for frames in heard]


def wav(path: Path, sample: int, seconds: float) -> str:
    writer = WavWriter(path)
    writer.write(struct.pack("<h", sample) * int(8000 * seconds))
    writer.close()
    return str(path)


async def test_everybody_hears_the_sum_of_the_others(simulation: Simulation) -> None:
    studio = Studio(simulation)
    peers = [peer for peer, _ in people(studio, 3)]
    one, two, three = (g711.decode(Codec.PCMU, sound(sample))[:2] for sample in (1000, 2000, 4000))
    a, b, c = (struct.unpack("<h", sample)[0] for sample in (one, two, three))
    assert await talk(peers, 1000, 2000, 4000) == [{sound(b + c)}, {sound(a + c)}, {sound(a + b)}]
    studio.stop()


async def test_one_who_is_alone_hears_silence(simulation: Simulation) -> None:
    studio = Studio(simulation)
    [(peer, _)] = people(studio, 1)
    assert await talk([peer], 1000) == [set()]
    studio.stop()


async def test_rooms_do_not_hear_each_other(simulation: Simulation) -> None:
    studio = Studio(simulation)
    first, second = people(studio, 2, room=1), people(studio, 2, room=2)
    peers = [peer for peer, _ in first + second]
    assert await talk(peers, 1000, 0, 0, 0) == [set(), {sound(1000)}, set(), set()]
    studio.stop()


async def test_who_leaves_hears_nothing_and_is_not_heard(simulation: Simulation) -> None:
    studio = Studio(simulation)
    (lee, stream), (richardson, _), (taylor, _) = people(studio, 3)
    studio.do(LeaveRoom(stream))
    assert await talk([lee, richardson, taylor], 1000, 2000, 0) == [set(), set(), {sound(2000)}]
    studio.stop()


async def test_a_stream_that_ends_leaves_its_room(simulation: Simulation) -> None:
    studio = Studio(simulation)
    (_, stream), (richardson, other), (taylor, last) = people(studio, 3)
    studio.do(CloseStream(stream))
    assert await talk([richardson, taylor], 1000, 0) == [set(), {sound(1000)}]
    studio.do(CloseStream(other), CloseStream(last))
    await asyncio.sleep(1)
    assert len(studio.engine._rooms or ()) == 0
    studio.stop()


async def test_parties_of_both_laws_share_a_room(simulation: Simulation) -> None:
    studio = Studio(simulation)
    lee, richardson = studio.peer(), studio.peer()
    a_law = {"codec": Codec.PCMA, "send_payload_type": 8, "receive_payload_type": 8}
    studio.do(JoinRoom(studio.open(lee), 1), JoinRoom(studio.open(richardson, **a_law), 1))
    await asyncio.gather(
        lee.say([sound(1000)] * 20), richardson.say([sound(2000, Codec.PCMA)] * 20, payload_type=8)
    )
    expected = g711.encode(Codec.PCMA, g711.decode(Codec.PCMU, sound(1000)))
    assert richardson.heard()[15] == expected
    assert lee.heard()[15] == g711.encode(Codec.PCMU, g711.decode(Codec.PCMA, sound(2000, Codec.PCMA)))
    studio.stop()


async def test_a_party_that_changes_its_codec_stays(simulation: Simulation) -> None:
    studio = Studio(simulation)
    (lee, _), (richardson, stream) = people(studio, 2)
    a_law = {"codec": Codec.PCMA, "send_payload_type": 8, "receive_payload_type": 8}
    studio.change(stream, plan_for(richardson.address, **a_law))
    await lee.say([sound(1000)] * 20)
    heard = [packet for packet in richardson.packets if packet.payload_type == 8]
    assert heard[15].payload == g711.encode(Codec.PCMA, g711.decode(Codec.PCMU, sound(1000)))
    studio.stop()


async def test_a_party_on_hold_is_absent(simulation: Simulation) -> None:
    studio = Studio(simulation)
    (lee, stream), (richardson, _) = people(studio, 2)
    studio.change(stream, plan_for(lee.address, direction=Direction.INACTIVE))
    assert await talk([lee, richardson], 1000, 2000) == [set(), set()]
    studio.stop()


async def test_what_is_played_to_a_party_is_heard_in_place_of_the_room(
    simulation: Simulation, tmp_path: Path
) -> None:
    studio = Studio(simulation)
    (lee, stream), (richardson, _) = people(studio, 2)
    song = wav(tmp_path / "song.wav", 8000, 1.0)
    studio.do(PlayFiles(stream, (song,), again=True))
    assert await talk([lee, richardson], 1000, 2000) == [{sound(8000)}, {sound(1000)}]
    studio.do(Quiet(stream))
    assert await talk([lee, richardson], 1000, 2000) == [{sound(2000)}, {sound(1000)}]
    studio.stop()


async def test_an_announcement_is_heard_by_all_and_mixed_with_the_voices(
    simulation: Simulation, tmp_path: Path
) -> None:
    studio = Studio(simulation)
    (lee, stream), (richardson, _) = people(studio, 2)
    studio.do(AnnounceFiles(stream, (wav(tmp_path / "name.wav", 8000, 1.0),)))
    mixed = struct.unpack("<h", g711.decode(Codec.PCMU, sound(1000))[:2])[0] + 8000
    assert await talk([lee, richardson], 1000, 0) == [{sound(8000)}, {sound(mixed)}]
    await asyncio.sleep(1)
    assert await talk([lee, richardson], 1000, 0) == [set(), {sound(1000)}]
    studio.stop()


async def test_some_hear_an_announcement_in_another_language(simulation: Simulation, tmp_path: Path) -> None:
    studio = Studio(simulation)
    (lee, stream), (richardson, second), (taylor, _) = people(studio, 3)
    english, french, both = (wav(tmp_path / f"{name}.wav", name, 0.4) for name in (4000, 6000, 8000))
    studio.do(AnnounceFiles(stream, (english,), (french, french), frozenset({second, 4711})))
    studio.do(AnnounceFiles(stream, (both,)))
    await asyncio.sleep(2)
    heard = [[each for each in peer.heard() if each != SILENCE] for peer in (lee, richardson, taylor)]
    assert heard[0] == heard[2] == [sound(4000)] * 20 + [sound(8000)] * 20
    assert heard[1] == [sound(6000)] * 40 + [sound(8000)] * 20
    assert await talk([lee, richardson, taylor], 1000, 0, 0) == [set(), {sound(1000)}, {sound(1000)}]
    studio.stop()


async def test_announcements_wait_for_each_other(simulation: Simulation, tmp_path: Path) -> None:
    studio = Studio(simulation)
    [(lee, stream)] = people(studio, 1)
    first, second = (wav(tmp_path / f"{sample}.wav", sample, 0.1) for sample in (4000, 8000))
    studio.do(AnnounceFiles(stream, (first,)), AnnounceFiles(stream, (second,)))
    await asyncio.sleep(0.5)
    heard = [payload for payload in lee.heard() if payload != SILENCE]
    assert heard == [sound(4000)] * 5 + [sound(8000)] * 5
    studio.stop()


async def test_nothing_is_announced_outside_a_room(simulation: Simulation, tmp_path: Path) -> None:
    studio = Studio(simulation)
    lee = studio.peer()
    stream = studio.open(lee)
    studio.do(AnnounceFiles(stream, (wav(tmp_path / "name.wav", 8000, 0.1),)), Echo(stream))
    await lee.say([sound(1000)] * 5)
    assert lee.heard() == [sound(1000)] * 5
    studio.stop()


async def test_a_missing_packet_is_concealed_and_fades(simulation: Simulation) -> None:
    studio = Studio(simulation)
    (lee, _), (richardson, _) = people(studio, 2)
    await lee.say([sound(8000)] * 10)
    lee.sender.packet(0, b"", 160)  # its packet is lost
    await asyncio.sleep(FRAME_SECONDS)
    await lee.say([sound(8000)] * 10)
    heard = richardson.heard()
    levels = [max(struct.unpack("<160h", g711.decode(Codec.PCMU, payload))) for payload in heard]
    loud = levels[levels.index(max(levels)) : len(levels) - levels[::-1].index(max(levels))]
    assert min(loud) > 0  # no hole, and no repetition at full level for ever
    assert len(set(loud)) > 1
    studio.stop()
