"""Calls that are relayed in arrays end at any moment, their file descriptors are those of others at once, and the
kernel is short of memory now and then: a phone hears whom it talks to, and nobody else."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import count
from random import Random
from typing import Any, cast
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from media.alarms import Alarms
from media.lane import SENDS, SOCKETS, UringLane
from media.plan import G711, Address
from media.ports import PortPair
from media.ring import Ring
from media.rtp import RtpSender, parse_rtp
from media.stream import Stream
from media.ticker import Ticker
from tests.property.test_batch import Socket, Timers, plan_of
from tests.property.test_express import LanePort, remote_of
from tests.unit.media.kernel import Kernel
from tests.unit.sipcore.net.loopback import HERE

CALLS, TURNS = 6, 120
ENTER = 426


class Witness(Kernel):
    """Knows who talks by which file descriptor just now; and may begin no more than some of what is submitted, and then
    does nothing else."""

    def __init__(self, dice: Random) -> None:
        super().__init__()
        self.dice, self.short = dice, 0
        self.expected: dict[int, bytes] = {}
        """What the phone at the other end is to hear, by file descriptor."""
        self.heard, self.wrong = 0, list[tuple[int, bytes]]()

    def __call__(self, call: int, *arguments: int) -> int:
        if call == ENTER and self.short:
            begun = 0 if self.short > 2 else self.dice.randrange(arguments[1] + 1)
            self.short -= 1
            with mock.patch.object(self, "_receive"):
                super().__call__(call, arguments[0], begun, *arguments[2:])
        else:
            begun = super().__call__(call, *arguments)
        self.hear()
        return begun

    def hear(self) -> None:
        """What has been sent until now."""
        for fd, sent in self.sent.items():
            for packet in map(parse_rtp, sent):
                if packet is None or packet.payload != self.expected.get(fd):
                    self.wrong.append((fd, b"" if packet is None else packet.payload))
                self.heard += 1
        self.sent.clear()


class Port(LanePort):
    """As the kernel is told of what is sent past the lane."""

    def send(self, data: bytes, remote: Address) -> None:
        super().send(data, remote)
        if self.number is None:
            cast(Witness, self.kernel).hear()


class Town:
    """Calls, each of two phones, and a port by which it is heard in the midst of packets that one of them ends."""

    def __init__(self, dice: Random, buffers: int) -> None:
        self.dice, self.timers, self.kernel = dice, Timers(), Witness(dice)
        self.lane = UringLane(Ring(SOCKETS, SENDS, buffers, self.kernel), self.timers.time)
        self.lane.use_arrays()
        loop = cast(Any, self.timers)
        self.ticker, self.alarms = Ticker(loop), Alarms(loop)
        self.calls: list[list[tuple[Stream, Port, RtpSender, bytes]]] = [[] for _ in range(CALLS)]
        self.begun, self.in_arrays = count(1), 0
        for number in range(CALLS):
            self.begin(number)
        self.bell = Port(self.kernel, self.lane)
        self.bell.connect(remote_of(2 * CALLS))
        self.bell.enter()
        self.bell.receive = lambda data, source: self.replace(data[0])

    def begin(self, number: int) -> None:
        begun = next(self.begun)
        for at in (2 * number, 2 * number + 1):
            port = Port(self.kernel, self.lane)
            plan = replace(plan_of(at, G711[0]), remote=remote_of(at), trusted_hosts=frozenset({HERE}))
            pair = PortPair(20000 + 2 * at, port, cast(Any, Socket(self.timers)))
            stream = Stream(at, pair, plan, self.dice, self.ticker, self.alarms, lambda *facts: None)
            said = at.to_bytes(1, "big") + begun.to_bytes(4, "big") * 20
            self.calls[number].append((stream, port, RtpSender(self.dice), said))
        (one, port, _, said), (other, other_port, _, other_said) = self.calls[number]
        self.kernel.expected |= {port.fileno(): other_said, other_port.fileno(): said}
        one.bridge(other)
        other.bridge(one)

    def replace(self, number: int) -> None:
        """End a call, while the kernel may be short of memory, for longer than the end of a receive is waited for; the
        next one gets its file descriptors."""
        self.kernel.short = self.dice.choice([0, 0, 2, 40])
        for stream, port, _, _ in self.calls[number]:
            fd = port.fileno()
            stream.close()
            port.close()
            self.kernel.hear()
            del self.kernel.expected[fd]
            self.kernel.waiting = deque(each for each in self.kernel.waiting if each[0] != fd)
        self.calls[number].clear()
        self.begin(number)

    def turn(self, ended: int | None, *, marked: float) -> None:
        """Everybody says something, some with a marker, so that it goes the long way; meanwhile a call ends."""
        self.timers.set(self.timers.time() + 0.0203)
        come = list[tuple[int, bytes]]()
        for stream, port, phone, said in (each for call in self.calls for each in call):
            port.enter()
            data = phone.packet(G711[0].static_payload_type or 0, said, 160, self.dice.random() < marked)
            if port.number is None:
                port.receive(data, remote_of(stream.id))
            else:
                come.append((port.fileno(), data))
        if ended is not None:
            come.insert(self.dice.randrange(len(come) + 1), (self.bell.fileno(), bytes([ended])))
        for fd, data in come:
            self.kernel.arrive(fd, data)
        while self.kernel.waiting or self.lane._ring.told:
            self.lane.select(0)
        assert self.lane._express is not None
        self.in_arrays = max(self.in_arrays, len(self.lane._express.routes))

    def close(self) -> None:
        """Free all."""
        for _, port, _, _ in (each for call in self.calls for each in call):
            port.close()
        self.bell.close()
        self.lane.close()


@settings(max_examples=10, deadline=None)
@given(
    st.integers(0, 2**32), st.sampled_from([4, 100]), st.sampled_from([8, 64]), st.sampled_from([0.0, 0.03])
)
def test_nobody_hears_a_call_of_others(seed: int, few: int, buffers: int, marked: float) -> None:
    """Those that come together in `few` or more are passed on in arrays."""
    dice = Random(seed)
    with mock.patch("media.express.FEW", few):
        town = Town(dice, buffers)
        try:
            for turn in range(TURNS):
                changes = turn > TURNS // 3
                if changes and dice.random() < 0.1:
                    town.kernel.short = dice.choice([1, 2])
                town.turn(dice.randrange(CALLS) if changes and dice.random() < 0.3 else None, marked=marked)
            assert not town.kernel.wrong
            assert town.kernel.heard > TURNS
            assert town.in_arrays > CALLS
        finally:
            town.close()
