"""Packets that are relayed in arrays lead to the same as those that are relayed one by one."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any, cast
from unittest import mock

from hypothesis import example, given, settings
from hypothesis import strategies as st

from media.alarms import Alarms
from media.lane import SENDS, SOCKETS, UringLane
from media.messages import Statistics
from media.net import SystemMediaSocket
from media.plan import G711, Address, Codec
from media.ports import PortPair
from media.ring import Ring
from media.stream import Stream
from media.ticker import Ticker
from tests.property.test_batch import Phone, Profile, Socket, Timers, plan_of, profiles
from tests.property.test_route import Tape, do
from tests.unit.media.kernel import Kernel
from tests.unit.sipcore.net.loopback import HERE

STREAMS, STEPS, SECRET = 14, 320, 0x5EC2E7
VERBS = (
    "tone", "quiet", "digits", "hold", "resume", "codec", "type", "bridge", "echo", "record", "record both",
    "stop recording", "gone", "connect", "report",
)  # fmt: skip


class NoReaders:
    """Nothing comes but in the lane."""

    def add_reader(self, fd: int, callback: object) -> None:
        """It is never called."""

    def remove_reader(self, fd: int) -> None:
        """It never was."""


class LanePort(SystemMediaSocket):
    """A socket of a lane; what it sends elsewhere is kept with what the lane sends."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel, lane: UringLane) -> None:
        super().__init__((HERE, 0), lambda data, source: None, NoReaders(), lane)
        self.kernel = kernel

    def send(self, data: bytes, remote: Address) -> None:
        if self.number is None or remote != self.peer:
            self.kernel.sent.setdefault(self.fileno(), []).append(bytes(data))
        else:
            super().send(data, remote)

    def enter(self) -> None:
        """Be read by the lane, once there is a peer."""
        if self.peer is not None and self.number is None:
            self._enter_lane()


class Lanes:
    """Calls whose sockets are in a lane."""

    def __init__(self, codecs: list[Codec], *, arrays: bool, buffers: int = 64) -> None:
        self.timers, self.kernel, dice = Timers(), Kernel(), Random(5)
        self.lane = UringLane(
            Ring(SOCKETS, SENDS, buffers, self.kernel), self.timers.time, busy_rate=20 * STREAMS, secret=SECRET
        )
        self.told: list[Any] = []
        loop = cast(Any, self.timers)
        self.ticker, self.streams, self.sockets = Ticker(loop), list[Stream](), list[LanePort]()
        self.rtcp = [Socket(self.timers) for _ in codecs]
        self.closed: list[Any] = []
        for number, codec in enumerate(codecs):
            rtp = LanePort(self.kernel, self.lane)
            plan = replace(plan_of(number, codec), remote=remote_of(number), trusted_hosts=frozenset({HERE}))
            pair = PortPair(20000 + 2 * number, rtp, cast(Any, self.rtcp[number]))
            tell = lambda *facts: self.told.append(facts)  # noqa: E731
            self.streams.append(Stream(number, pair, plan, dice, self.ticker, Alarms(loop), tell))
            self.sockets.append(rtp)
        for number in range(len(codecs)):
            self.streams[number].bridge(self.streams[number ^ 1])
        if arrays:
            self.lane.use_arrays()

    @property
    def in_arrays(self) -> int:
        """Streams that are relayed there just now."""
        return 0 if self.lane._express is None else len(self.lane._express.routes)

    def step(self, now: float, arrivals: list[tuple[int, bytes]]) -> None:
        """Let these datagrams come together."""
        self.timers.set(now)
        for number, data in arrivals:
            socket = self.sockets[number]
            socket.enter()
            if socket.number is None:
                socket.receive(data, remote_of(number))
            else:
                self.kernel.arrive(socket.fileno(), data)
        waiting = self.kernel.waiting
        while waiting or self.lane._ring.told:
            self.lane.select(0)
            for _ in range(len(waiting)):
                fd, data = waiting.popleft()
                if fd in self.kernel.receives:
                    waiting.append((fd, data))
                else:  # it has left the lane meanwhile
                    [number] = [each for each, socket in enumerate(self.sockets) if socket.fileno() == fd]
                    self.sockets[number].receive(data, remote_of(number))
        self.timers.advance(now)

    def do(self, number: int, verb: str, tapes: list[Tape]) -> None:
        """Something that changes how packets are relayed, or asks about it."""
        stream, socket = self.streams[number], self.sockets[number]
        if verb == "gone":
            self.kernel.refuse(socket.fileno())
        elif verb == "connect":
            socket.connect(remote_of(number))
        elif verb == "report":
            self.told.append(("report", number, as_reckoned(stream.statistics())))
        elif verb == "codec":
            stream.change(replace(stream.plan, codec=G711[stream.plan.codec is G711[0]]))
        elif verb == "bridge":
            stream.bridge(self.streams[number ^ 1])
            self.streams[number ^ 1].bridge(stream)
        else:
            do(cast(Any, self), number, verb, tapes)

    def result(self) -> list[Any]:
        """All that can be seen from outside."""
        self.lane.select(0)
        found: list[Any] = [sorted(self.told, key=lambda facts: facts[1])]
        for stream, rtp, rtcp in zip(self.streams, self.sockets, self.rtcp, strict=True):
            found += [as_reckoned(stream.close()), self.kernel.sent.get(rtp.fileno()), rtcp.sent]
        return found

    def close(self) -> None:
        """Free all."""
        for socket in self.sockets:
            socket.close()
        self.lane.close()


def as_reckoned(statistics: Statistics) -> Statistics:
    """Jitter is a sum of fractions: in another order its last digits are others."""
    return replace(statistics, jitter_ms=round(statistics.jitter_ms, 9))


def remote_of(number: int) -> Address:
    return HERE, 4000 + number


def play(world: Lanes, phones: list[Phone], verbs: list[tuple[int, int, str]], together: int) -> list[Any]:
    """As many steps of 5 ms as `together` are read at once."""
    tapes: list[Tape] = []
    began = world.timers.time()
    try:
        for step in range(0, STEPS, together):
            come = range(step, step + together)
            world.step(
                began + step * 0.005,
                [
                    (number, data)
                    for each in come
                    for number, phone in enumerate(phones)
                    for data in phone.arrivals.get(each, [])
                ],
            )
            for when, number, verb in verbs:
                if when in come:
                    world.do(number, verb, tapes)
        return [*world.result(), [tape.heard for tape in tapes]]
    finally:
        world.close()


DUPLICATED, SHUFFLED, ODD = Profile(0, 0, 0.1, 0, 0), Profile(4, 0, 0.02, 0, 20), Profile(0, 0.02, 0, 0.1, 0)


@settings(max_examples=25, deadline=None)
@example(1, (DUPLICATED,) * 3, [], 4, 256, 4)
@example(2, (SHUFFLED,) * 3, [(200, 3, "report"), (250, 4, "gone"), (280, 7, "codec")], 8, 256, 4)
@example(3, (ODD,) * 3, [], 4, 256, 4)
@example(
    4, (DUPLICATED, SHUFFLED, ODD), [(150, 1, "tone"), (200, 2, "connect"), (260, 3, "digits")], 4, 16, 4
)
@example(5, (DUPLICATED, SHUFFLED, ODD), [(150, 1, "tone"), (200, 2, "report"), (260, 3, "gone")], 8, 64, 100)
@given(
    st.integers(0, 2**32),
    st.tuples(profiles(), profiles(), profiles()),
    st.lists(
        st.tuples(st.integers(0, STEPS), st.integers(0, STREAMS - 1), st.sampled_from(VERBS)), max_size=10
    ),
    st.sampled_from([4, 8]),
    st.sampled_from([16, 256]),
    st.sampled_from([4, 14, 100]),
)
def test_what_is_relayed_in_arrays_is_what_is_relayed_one_by_one(
    seed: int, suffering: Any, verbs: list[tuple[int, int, str]], together: int, buffers: int, few: int
) -> None:
    """Those that come together in `few` or more."""
    dice = Random(seed)
    codecs = [codec for _ in range(STREAMS // 2) for codec in [dice.choice(G711)] * 2]
    phones = [
        Phone(codec, suffering[number % 3], STEPS // 4, set(), dice) for number, codec in enumerate(codecs)
    ]
    each_counted_alone = few == 100
    with (
        mock.patch("media.express.FEW", few),
        mock.patch("media.express.UNCOUNTED", 64),  # so that some are counted that are all of one size
        mock.patch("media.express.COUNTED_TOGETHER", 2**32 if each_counted_alone else 0),
    ):
        results = [
            play(Lanes(codecs, arrays=arrays, buffers=buffers), phones, verbs, together)
            for arrays in (False, True)
        ]
    assert results[0] == results[1]


def test_usual_packets_are_relayed_in_arrays() -> None:
    dice, passed = Random(1), list[int]()
    codecs = [G711[0]] * STREAMS
    phones = [Phone(codec, Profile(0, 0, 0, 0, 0), STEPS // 4, set(), dice) for codec in codecs]
    world = Lanes(codecs, arrays=True)
    do_one = world.step

    def step(now: float, arrivals: list[tuple[int, bytes]]) -> None:
        do_one(now, arrivals)
        passed.append(world.in_arrays)

    world.step = step  # type: ignore[method-assign]
    play(world, phones, [], 4)
    assert max(passed) == STREAMS
