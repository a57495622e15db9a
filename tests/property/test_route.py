"""The short way of a relayed packet leads to the same as the long one."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from media.plan import G711, Direction
from media.rtp import RtpPacket
from media.stream import Stream
from tests.property.test_batch import Ear, Phone, Profile, World, plan_of, profiles

VERBS = (
    "tone",
    "quiet",
    "digits",
    "ear",
    "no ear",
    "hold",
    "resume",
    "codec",
    "bridge",
    "echo",
    "join",
    "leave",
    "type",
    "move",
    "record",
    "record both",
    "stop recording",
)


class Tape:
    """A recorder of what it is given."""

    def __init__(self, both: bool) -> None:
        self.both = both
        self.heard: list[tuple[object, ...]] = []

    def said(self, *facts: object) -> None:
        self.heard.append(("said", *facts))

    def told(self, *facts: object) -> None:
        self.heard.append(("told", *facts))

    def tick(self, now: float) -> None:
        """It has no end."""

    def close(self, done: object) -> None:
        """It is whole."""


def do(world: World, number: int, verb: str, tapes: list[Tape]) -> None:
    stream, other = world.streams[number], world.streams[1 - number]
    if verb == "tone":
        frames = iter([bytes(320)] * 7)
        stream.play(lambda: next(frames, None))
    elif verb == "quiet":
        stream.quiet()
    elif verb == "digits":
        stream.send_digits("1")
    elif verb in ("ear", "no ear"):
        stream.ear = cast(Any, Ear()) if verb == "ear" else None
    elif verb in ("hold", "resume"):
        stream.change(
            replace(stream.plan, direction=Direction.RECVONLY if verb == "hold" else Direction.SENDRECV)
        )
    elif verb == "codec":
        stream.change(plan_of(number, G711[stream.plan.codec is G711[0]]))
    elif verb == "type":
        stream.change(replace(stream.plan, send_payload_type=96))
    elif verb == "move":
        host, port = stream.plan.remote or ("", 0)
        stream.change(replace(stream.plan, remote=(host, port + 2)))
    elif verb in ("record", "record both"):
        tapes.append(Tape(both=verb == "record both"))
        stream.record(cast(Any, tapes[-1]))
    elif verb == "stop recording":
        if stream.recordings is not None:
            stream.recordings.stop(both=False)
            stream.recordings.stop(both=True)
    elif verb == "bridge":
        stream.bridge(other)
        other.bridge(stream)
    elif verb == "echo":
        stream.bridge(stream)
    elif verb == "join":
        world.rooms.join(stream, 1)
    else:
        world.rooms.leave(stream)


def play(world: World, phones: list[Phone], verbs: list[tuple[int, int, str]], steps: int) -> list[Any]:
    tapes: list[Tape] = []
    do(world, 0, "bridge", tapes)
    began = world.timers.time()
    for step in range(steps):
        world.timers.set(began + step * 0.005)
        for number, phone in enumerate(phones):
            for data in phone.arrivals.get(step, []):
                remote = world.streams[number].plan.remote
                assert remote is not None
                world.sockets[number][0].arrive(data, remote)
        world.timers.advance(began + step * 0.005)
        for when, number, verb in verbs:
            if when == step:
                do(world, number, verb, tapes)
    return [*world.result(), [tape.heard for tape in tapes]]


@settings(max_examples=60)
@example(132, (Profile(0, 0.02, 0.1, 0.02, 0), Profile(0, 0, 0, 0, 0)), [])  # a packet that is too long
@given(
    st.integers(0, 2**32),
    st.tuples(profiles(), profiles()),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 1), st.sampled_from(VERBS)), max_size=10),
)
def test_the_short_way_is_the_long_way(seed: int, suffering: Any, verbs: list[tuple[int, int, str]]) -> None:
    dice = Random(seed)
    codecs = [dice.choice(G711), dice.choice(G711)]
    phones = [Phone(codec, each, 100, set(), dice) for codec, each in zip(codecs, suffering, strict=True)]
    short = play(World(None, codecs, 100.0, in_rooms=False), phones, verbs, 400)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stream, "_route_to", lambda stream, listener: None)
        long = play(World(None, codecs, 100.0, in_rooms=False), phones, verbs, 400)
    assert short == long


def test_most_packets_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    relayed: list[RtpPacket] = []
    relay = Stream.relay

    def count(stream: Stream, packet: RtpPacket, origin: Stream) -> None:
        relayed.append(packet)
        relay(stream, packet, origin)

    monkeypatch.setattr(Stream, "relay", count)
    dice = Random(1)
    phones = [Phone(codec, Profile(0, 0, 0, 0, 0), 100, set(), dice) for codec in G711]
    world = World(None, list(G711), 100.0, in_rooms=False)
    play(world, phones, [], 400)
    assert [len(rtp.sent) for rtp, _ in world.sockets] == [100, 100]
    assert len(relayed) <= 4
