"""Rooms with parties that nobody hears, or one other alone: who hears whom, to the byte and by tone."""

from __future__ import annotations

import asyncio
import struct

import pytest

from media.codecs import g711
from media.messages import JoinRoom, LeaveRoom
from media.plan import Codec
from tests.simulation.simulation import Simulation
from tests.unit.media.studio import Peer, Studio
from tests.unit.media.test_room import people, sound, talk
from tests.unit.media.test_room_codecs import party, say, tones_heard

pytestmark = pytest.mark.row("AST-22")


def sample(number: int) -> int:
    """What a sample is once it has been a code."""
    return int(struct.unpack("<h", g711.decode(Codec.PCMU, sound(number))[:2])[0])


async def test_a_muted_party_hears_and_is_not_heard(simulation: Simulation) -> None:
    studio = Studio(simulation)
    agent, customer, supervisor = people(studio, 3)
    studio.do(JoinRoom(supervisor[1], 1, muted=True))
    both = sound(sample(1000) + sample(2000))
    peers = [agent[0], customer[0], supervisor[0]]
    assert await talk(peers, 1000, 2000, 4000) == [{sound(2000)}, {sound(1000)}, {both}]
    studio.do(JoinRoom(supervisor[1], 1))
    assert (await talk(peers, 1000, 2000, 4000))[0] == {sound(sample(2000) + sample(4000))}
    studio.stop()


async def test_a_whisper_is_heard_by_one_alone(simulation: Simulation) -> None:
    studio = Studio(simulation)
    agent, customer, supervisor = people(studio, 3)
    studio.do(JoinRoom(supervisor[1], 1, whispers_to=agent[1]))
    peers = [agent[0], customer[0], supervisor[0]]
    for _ in range(2):  # also once all of them are served together
        heard = await talk(peers, 1000, 2000, 4000, frames=60)
        assert heard == [
            {sound(sample(2000) + sample(4000))},
            {sound(1000)},
            {sound(sample(1000) + sample(2000))},
        ]
    assert await talk(peers, 0, 0, 4000) == [{sound(4000)}, set(), set()]
    studio.do(LeaveRoom(supervisor[1]))
    assert (await talk(peers, 1000, 2000, 4000))[:2] == [{sound(2000)}, {sound(1000)}]
    studio.stop()


async def test_a_whisper_to_somebody_who_is_not_there_is_heard_by_nobody(simulation: Simulation) -> None:
    studio = Studio(simulation)
    agent, customer, supervisor = people(studio, 3)
    studio.do(JoinRoom(supervisor[1], 1, whispers_to=agent[1]), LeaveRoom(agent[1]))
    assert await talk([customer[0], supervisor[0]], 0, 4000) == [set(), set()]
    studio.stop()


async def test_a_whisper_does_not_wrap_where_it_is_too_loud(simulation: Simulation) -> None:
    studio = Studio(simulation)
    agent, customer, supervisor = people(studio, 3)
    studio.do(JoinRoom(supervisor[1], 1, whispers_to=agent[1]))
    for loud, most in ((32000, 32767), (-32000, -32768)):
        heard = await talk([agent[0], customer[0], supervisor[0]], 0, loud, loud)
        assert heard[0] == {sound(most)}
    studio.stop()


@pytest.mark.parametrize("codec", [Codec.G722, Codec.OPUS])
@pytest.mark.parametrize("silent", [False, True], ids=["who talks", "who is silent"])
async def test_a_whisper_in_another_codec_is_heard_by_one_alone(
    simulation: Simulation, codec: Codec, silent: bool
) -> None:
    """Those of a codec who are silent have one sound in common otherwise."""
    studio = Studio(simulation)
    peers: list[Peer] = []
    streams: list[int] = []
    for _ in range(4):
        peer, stream = party(studio, codec)
        peers.append(peer)
        streams.append(stream)
    studio.do(JoinRoom(streams[0], 1, whispers_to=streams[1]))
    if silent:
        await asyncio.sleep(2)
    for peer in peers:
        peer.heard()
    talking = [say(peers[0], codec, 440), say(peers[3], codec, 1390)]
    if not silent:
        talking.append(say(peers[1], codec, 620))
    await asyncio.gather(*talking)
    own = set() if silent else {1}
    assert [tones_heard(peer, codec) for peer in peers] == [own | {3}, {0, 3}, own | {3}, own]
    studio.stop()


@pytest.mark.parametrize("codec", [Codec.G722, Codec.OPUS])
@pytest.mark.parametrize("speaks", [0, 1])
async def test_of_two_who_whisper_to_one_nobody_else_hears_either(
    simulation: Simulation, codec: Codec, speaks: int
) -> None:
    """All but one of them are silent: what they hear would be one sound for all, but for the whisper."""
    studio = Studio(simulation)
    peers: list[Peer] = []
    streams: list[int] = []
    for _ in range(4):
        peer, stream = party(studio, codec)
        peers.append(peer)
        streams.append(stream)
    agent, customer = 2, 3
    studio.do(*(JoinRoom(streams[each], 1, whispers_to=streams[agent]) for each in (0, 1)))
    await asyncio.sleep(2)
    for peer in peers:
        peer.heard()
    await say(peers[speaks], codec, 440)
    assert tones_heard(peers[agent], codec) == {0}
    assert [tones_heard(peers[each], codec) for each in (customer, 1 - speaks)] == [set(), set()]
    studio.stop()
