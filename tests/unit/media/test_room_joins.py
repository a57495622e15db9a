"""Many who join rooms at once come in one after the other: what a tick has to do stays bounded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from media.messages import (
    AnnounceFiles,
    CloseStream,
    Event,
    JoinRoom,
    LeaveRoom,
    OpenStream,
    StreamBroken,
    StreamClosed,
    StreamFailed,
)
from media.mixer import MAX_CAPACITY, Mixer
from media.plan import Codec
from media.room import JOINS_A_TICK, MAX_ANNOUNCEMENTS
from tests.simulation.simulation import Simulation
from tests.unit.media.studio import FRAME_SECONDS, Peer, Studio, plan_for
from tests.unit.media.test_room import SILENCE, people, sound, talk, wav

CROWD = 5 * JOINS_A_TICK


def big_studio(simulation: Simulation) -> Studio:
    return Studio(simulation, last=20000 + 2 * (CROWD + 20))


class Work:
    """What the mixer is asked for: how many parties are new in each tick, and how many it has then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.new: list[int] = []
        self.now = 0
        add, mix = Mixer.add_party, Mixer.mix

        def counted(mixer: Mixer, *arguments: object) -> int:
            self.now += 1
            return add(mixer, *arguments)  # type: ignore[arg-type]

        def mixed(mixer: Mixer) -> None:
            self.new.append(self.now)
            self.now = 0
            mix(mixer)

        monkeypatch.setattr(Mixer, "add_party", counted)
        monkeypatch.setattr(Mixer, "mix", mixed)


def crowd(studio: Studio, number: int = CROWD) -> list[tuple[Peer, int]]:
    """Peers that have streams, and are in no room."""
    peers = [studio.peer() for _ in range(number)]
    return [(peer, studio.open(peer)) for peer in peers]


async def test_so_many_come_in_within_a_tick_and_nobody_is_forgotten(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = big_studio(simulation)
    work = Work(monkeypatch)
    streams = [stream for _, stream in crowd(studio)]
    studio.do(*(JoinRoom(stream, 1 + stream % 3) for stream in streams))
    await asyncio.sleep(10 * FRAME_SECONDS)
    assert max(work.new) == JOINS_A_TICK
    assert work.new[: CROWD // JOINS_A_TICK] == [JOINS_A_TICK] * (CROWD // JOINS_A_TICK)
    assert sum(work.new) == CROWD
    studio.stop()


async def test_those_who_talk_hear_each_other_in_every_tick_meanwhile(simulation: Simulation) -> None:
    studio = big_studio(simulation)
    talking = people(studio, 3)
    peers, streams = [peer for peer, _ in talking], [stream for _, stream in crowd(studio)]
    asyncio.get_running_loop().call_later(
        5 * FRAME_SECONDS, lambda: studio.do(*(JoinRoom(stream, 2) for stream in streams))
    )
    assert await talk(peers, 1000, 0, 0, frames=30) == [set(), {sound(1000)}, {sound(1000)}]
    for peer in peers:
        steps = [later - earlier for earlier, later in zip(peer.arrivals, peer.arrivals[1:], strict=False)]
        assert max(steps) < 1.5 * FRAME_SECONDS
    studio.stop()


async def test_the_last_hears_the_room_some_ticks_later_than_the_first(simulation: Simulation) -> None:
    studio = big_studio(simulation)
    (first, stream), *others, (last, other) = crowd(studio)
    studio.do(*(JoinRoom(each, 1) for each in (stream, *(each for _, each in others), other)))
    await asyncio.sleep(20 * FRAME_SECONDS)
    later = round((last.arrivals[0] - first.arrivals[0]) / FRAME_SECONDS)
    assert later == CROWD // JOINS_A_TICK - 1
    studio.stop()


async def test_who_leaves_or_ends_while_waiting_does_not_come_in(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = big_studio(simulation)
    work = Work(monkeypatch)
    streams = [stream for _, stream in crowd(studio)]
    studio.do(*(JoinRoom(stream, 1) for stream in streams), LeaveRoom(streams[-1]), CloseStream(streams[-2]))
    await asyncio.sleep(10 * FRAME_SECONDS)
    assert sum(work.new) == CROWD - 2
    studio.do(*(LeaveRoom(stream) for stream in streams))
    await asyncio.sleep(2 * FRAME_SECONDS)
    ticks = len(work.new)
    await asyncio.sleep(1)
    assert len(work.new) == ticks  # nothing ticks on for nobody
    studio.stop()


async def test_who_waits_in_a_room_of_its_own_comes_in_when_all_others_have_left(simulation: Simulation) -> None:
    studio = big_studio(simulation)
    streams = [stream for _, stream in crowd(studio, JOINS_A_TICK)]
    (lee, one), (richardson, two) = crowd(studio, 2)
    studio.do(*(JoinRoom(stream, 1) for stream in streams), JoinRoom(one, 2), JoinRoom(two, 2))
    studio.do(*(LeaveRoom(stream) for stream in streams))
    assert await talk([lee, richardson], 1000, 0) == [set(), {sound(1000)}]
    studio.stop()


async def test_what_somebody_announces_who_waits_is_heard_when_he_is_in(simulation: Simulation, tmp_path: Path) -> None:
    studio = big_studio(simulation)
    first, *others = crowd(studio)
    last, stream = others[-1]
    studio.do(*(JoinRoom(each, 1) for _, each in (first, *others)))
    studio.do(AnnounceFiles(stream, (wav(tmp_path / "hello.wav", 8000, 0.2),)))
    await asyncio.gather(first[0].say([SILENCE] * 30), last.say([SILENCE] * 30))
    for peer in (first[0], last):
        assert peer.heard().count(sound(8000)) == 10
    studio.stop()


async def test_a_room_is_told_no_more_than_it_may_have_waiting(simulation: Simulation, tmp_path: Path) -> None:
    """However many come in who bring something."""
    studio, hello = big_studio(simulation), wav(tmp_path / "hello.wav", 8000, 0.06)
    streams = [stream for _, stream in crowd(studio)]
    studio.do(*(JoinRoom(stream, 1) for stream in streams))
    studio.do(*(AnnounceFiles(stream, (hello,)) for stream in streams for _ in range(3)))
    await asyncio.sleep(10 * FRAME_SECONDS)
    assert studio.engine._rooms is not None
    [room] = studio.engine._rooms._rooms.values()
    assert len(room.parties) == CROWD
    assert MAX_ANNOUNCEMENTS // 2 < len(room.announcements) <= MAX_ANNOUNCEMENTS
    await asyncio.sleep(MAX_ANNOUNCEMENTS * 4 * FRAME_SECONDS)
    assert not room.announcements
    studio.stop()


async def test_a_waiting_party_may_change_its_codec(simulation: Simulation) -> None:
    studio = big_studio(simulation)
    *others, (last, stream) = crowd(studio)
    studio.do(*(JoinRoom(each, 1) for _, each in others), JoinRoom(stream, 1))
    a_law = {"codec": Codec.PCMA, "send_payload_type": 8, "receive_payload_type": 8}
    studio.change(stream, plan_for(last.address, **a_law))
    await asyncio.gather(last.say([sound(0, Codec.PCMA)] * 20, payload_type=8), others[0][0].say([sound(1000)] * 20))
    assert [packet.payload_type for packet in last.packets] == [8] * len(last.packets)
    assert last.packets
    studio.stop()


async def test_a_mixer_that_is_full_turns_away_who_waited_too(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = big_studio(simulation)
    assert MAX_CAPACITY > CROWD
    made = Mixer.__init__
    monkeypatch.setattr(Mixer, "__init__", lambda mixer: made(mixer, CROWD - 2))
    streams = [stream for _, stream in crowd(studio)]
    studio.do(*(JoinRoom(stream, stream) for stream in streams))  # each in a room of its own
    await asyncio.sleep(10 * FRAME_SECONDS)
    broken = [event for event in studio.told if isinstance(event, StreamBroken)]
    assert [event.stream for event in broken] == streams[-2:]
    assert "cannot join a room" in broken[0].problem
    ends = [event for event in studio.told if isinstance(event, StreamBroken | StreamClosed | StreamFailed)]
    assert ends == broken  # each has one end
    assert len(studio.engine._rooms or ()) == CROWD - 2
    studio.stop()


async def test_whoever_hears_that_a_stream_is_broken_may_have_its_port_for_another(
    simulation: Simulation,
) -> None:
    """At once: an engine in the same process is told so in the middle of what it does."""
    studio = Studio(simulation, last=20001)
    [port] = studio.free
    stream, told = studio.open(studio.peer()), studio.told

    def hear(event: Event) -> None:
        told.append(event)
        if isinstance(event, StreamBroken):
            studio.do(OpenStream(stream + 1, port, studio.plans[stream]))

    studio.engine._tell = hear
    studio.engine._not_joined(studio.engine._streams[stream], OSError("the mixer is full"))
    assert studio.told_of(StreamFailed) == []
    assert [*studio.engine._streams] == [stream + 1]
    studio.stop()
