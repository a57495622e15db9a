"""Parties of rooms that are served together send, hear and count what each would by itself."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from media.alarms import Alarms
from media.batch import ROUNDS
from media.net import Ages, MediaSocket
from media.plan import Address, Codec, Direction, StreamPlan
from media.ports import PortPair
from media.room import Rooms
from media.rtp import RtpSender
from media.steady import SteadyRows
from media.stream import Stream
from media.ticker import Ticker

STEP_SECONDS = 0.005
EVENTS = 101
COUNTS = (
    "received", "lost", "late", "duplicate", "reordered", "discarded", "concealed", "inserted", "dropped",
    "resyncs", "delay_ms", "target_ms",
)  # fmt: skip


class Timers:
    """A loop whose time is set by hand."""

    def __init__(self) -> None:
        self._now = 100.0
        self._due: list[tuple[float, int, Timer]] = []
        self._numbers = count()

    def time(self) -> float:
        return self._now

    def set(self, now: float) -> None:
        """So late is it; what is due has to wait."""
        self._now = now

    def call_at(self, when: float, call: Callable[..., None], *arguments: Any) -> Timer:
        timer = Timer(call, arguments)
        heapq.heappush(self._due, (when, next(self._numbers), timer))
        return timer

    def call_later(self, delay: float, call: Callable[..., None], *arguments: Any) -> Timer:
        return self.call_at(self._now + delay, call, *arguments)

    def advance(self, now: float) -> None:
        """Call what is due at this time."""
        self._now = now
        while self._due and self._due[0][0] <= now + 1e-6:
            _, _, timer = heapq.heappop(self._due)
            if not timer.cancelled:
                timer.call(*timer.arguments)


@dataclass
class Timer:
    call: Callable[..., None]
    arguments: tuple[Any, ...]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Socket:
    """Keeps what is sent; while it is lent, what comes waits."""

    timers: Timers
    sent: list[bytes] = field(default_factory=list)
    peer: Address | None = None
    lent: bool = False
    queue: deque[tuple[bytes, float]] = field(default_factory=deque)
    receive: Callable[[bytes, Address], None] = lambda data, source: None

    def send(self, data: bytes, remote: Address) -> None:
        self.sent.append(bytes(data))

    def arrive(self, data: bytes, source: Address) -> None:
        if self.lent:
            self.queue.append((data, self.timers.time()))
        else:
            self.receive(data, source)

    def connect(self, remote: Address) -> None:
        self.peer = remote

    def disconnect(self) -> None:
        self.peer = None

    def close(self) -> None:
        self.peer = None


class Reader:
    """A `SocketBatch` of such sockets."""

    def __init__(self, *, knows_ages: bool = False, tries_all: bool = False) -> None:
        self.knows_ages, self._tries_all = knows_ages, tries_all
        self._sockets: dict[int, Socket] = {}
        self.read_together = 0

    def open(self, slots: memoryview, packets: memoryview) -> Reader:
        """As `MediaNetwork.open_batch`."""
        self._slots, self._packets = np.asarray(slots), np.asarray(packets)
        return self

    def add(self, socket: MediaSocket, number: int) -> bool:
        added = cast(Socket, socket)
        if added.peer is None:
            return False
        added.lent, self._sockets[number] = True, added
        return True

    def remove(self, socket: MediaSocket) -> None:
        removed = cast(Socket, socket)
        removed.lent = False
        self._sockets = {number: each for number, each in self._sockets.items() if each is not removed}
        assert not removed.queue

    def try_all(self, count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]] | None:
        if not self._tries_all:
            return None
        sizes, ages = np.full(count, -1, np.intp), np.zeros(count)
        for number, each in self._sockets.items():
            if each.queue:
                data, came = each.queue.popleft()
                data = data[: self._slots.shape[1]]
                self._slots[number, : len(data)] = np.frombuffer(data, np.uint8)
                sizes[number], ages[number] = len(data), each.timers.time() - came
        self.read_together += int((sizes >= 0).sum())
        return sizes, ages

    def read(self, first: int) -> tuple[list[int], list[int], Ages]:
        numbers: list[int] = []
        sizes: list[int] = []
        ages: list[float] = []
        for number, each in self._sockets.items():
            if each.queue and first + len(numbers) < len(self._slots):
                slot = self._slots[first + len(numbers)]
                data, came = each.queue.popleft()
                data = data[: len(slot)]
                slot[: len(data)] = np.frombuffer(data, np.uint8)
                numbers.append(number)
                sizes.append(len(data))
                ages.append(each.timers.time() - came)
        self.read_together += len(numbers)
        return numbers, sizes, np.array(ages) if self.knows_ages else 0.0

    def send(self) -> None:
        for number, each in self._sockets.items():
            each.sent.append(self._packets[number].tobytes())


class World:
    """Streams in rooms, with or without a batch."""

    def __init__(
        self, reader: Reader | None, codecs: list[Codec], now: float, *, in_rooms: bool = True
    ) -> None:
        self.timers, dice = Timers(), Random(5)
        self.told: list[Any] = []
        self.timers.advance(now)
        loop = cast(Any, self.timers)
        self.ticker = Ticker(loop)
        self.rooms = Rooms(self.ticker, loop, None if reader is None else reader.open)
        self.streams: list[Stream] = []
        self.sockets: list[tuple[Socket, Socket]] = []
        for number, codec in enumerate(codecs):
            rtp, rtcp = Socket(self.timers), Socket(self.timers)
            pair = PortPair(20000 + 2 * number, cast(MediaSocket, rtp), cast(MediaSocket, rtcp))
            tell = lambda *facts: self.told.append(facts)  # noqa: E731
            self.streams.append(Stream(number, pair, plan_of(number, codec), dice, self.ticker, Alarms(loop), tell))
            self.sockets.append((rtp, rtcp))
            if in_rooms:
                self.rooms.join(self.streams[number], number % 2)

    def result(self) -> list[Any]:
        """All that can be seen from outside, and what the buffers count.

        What is told of one stream is in its order; of several within a tick, there is none.
        """
        found: list[Any] = [sorted(self.told, key=lambda facts: facts[1])]
        for stream, (rtp, rtcp) in zip(self.streams, self.sockets, strict=True):
            party = stream.party
            self.rooms.leave(stream)
            found.append([getattr(party.buffer, name) for name in COUNTS] if party is not None else None)
            found += [stream.close(), rtp.sent, rtcp.sent]
        return found


def plan_of(number: int, codec: Codec) -> StreamPlan:
    payload_type = codec.static_payload_type
    assert payload_type is not None
    return StreamPlan(
        codec=codec,
        send_payload_type=payload_type,
        receive_payload_type=payload_type,
        remote=("10.0.0.9", 4000 + number),
        trusted_hosts=frozenset({"10.0.0.9"}),
        dtmf_send_payload_type=EVENTS,
        dtmf_receive_payload_type=EVENTS,
    )


@dataclass
class Profile:
    """What a phone's packets suffer; shares of packets."""

    jitter: int
    """In steps of 5 ms."""
    loss: float
    duplicates: float
    oddities: float
    """Packets that are longer, shorter, of other kinds or sources, or jump."""
    drift: int
    """One packet of so many comes a step later than its time, or earlier, and those after it, too."""


def profiles() -> st.SearchStrategy[Profile]:
    share = st.sampled_from([0.0, 0.0, 0.02, 0.1])
    return st.builds(
        Profile,
        jitter=st.sampled_from([0, 0, 1, 4, 12]),
        loss=share,
        duplicates=share,
        oddities=share,
        drift=st.sampled_from([0, 0, 20, -20]),
    )


class Phone:
    """The datagrams of one phone, by the step at which they arrive."""

    def __init__(self, codec: Codec, profile: Profile, ticks: int, stalls: set[int], dice: Random) -> None:
        self._dice, self._profile, self._stalls = dice, profile, stalls
        self._type = codec.static_payload_type or 0
        self._sender = RtpSender(dice)
        if dice.random() < 0.3:  # both wrap soon
            self._sender.sequence, self._sender.timestamp = 0xFFF0, 0xFFFFF000
        self.arrivals: dict[int, list[bytes]] = {}
        offset = dice.randrange(4)
        for number in range(ticks):
            step = 4 * number + offset + (number // profile.drift if profile.drift else 0)
            self._send(max(step, 0))

    def _send(self, step: int) -> None:
        dice, profile = self._dice, self._profile
        for data in self._odd() if dice.random() < profile.oddities else [self._packet(160)]:
            if dice.random() < profile.loss:
                continue
            for _ in range(1 + (dice.random() < profile.duplicates)):
                self._arrive(step + dice.randint(0, profile.jitter), data)

    def _arrive(self, step: int, data: bytes) -> None:
        """At most one datagram a step is read between ticks, and so many at a tick, or since the last one."""
        most = ROUNDS - 3 if step % 4 == 0 else 1
        while step in self._stalls or len(self.arrivals.get(step, [])) >= most:
            step += 1
            most = ROUNDS - 3 if step % 4 == 0 else 1
        self.arrivals.setdefault(step, []).append(data)

    def _packet(self, size: int, payload_type: int | None = None, **more: bool) -> bytes:
        loud = self._dice.random() < 0.7
        payload = self._dice.randbytes(size) if loud else bytes([0xD5 if self._type else 0xFF]) * size
        kind = self._type if payload_type is None else payload_type
        return self._sender.packet(kind, payload, size, **more)

    def _odd(self) -> list[bytes]:
        kind = self._dice.randrange(9)
        if kind == 0:
            self._sender = RtpSender(self._dice)
        elif kind == 1:
            self._sender.skip(160 * self._dice.choice([1, 3, 20, -5, 100000]))
        elif kind == 2:
            self._sender.sequence = self._sender.sequence + self._dice.choice([2, 40, 4000, -50]) & 0xFFFF
        elif kind == 3:
            return [self._packet(self._dice.choice([80, 240, 320, 1480, 1600, 0]))]
        elif kind == 4:
            return [self._packet(160, marker=True)]
        elif kind == 5:
            event = bytes([self._dice.randrange(16), 10 | 0x80 * self._dice.randrange(2), 0, 160])
            return [self._sender.packet(EVENTS, event, 160)]
        elif kind == 6:
            return [self._dice.randbytes(self._dice.randrange(1, 200))]
        elif kind == 7:
            return [self._packet(160, 3)]
        else:
            return []
        return [self._packet(160)]


VERBS = (
    "tone",
    "quiet",
    "digits",
    "ear",
    "no ear",
    "hold",
    "resume",
    "codec",
    "leave",
    "join",
    "gain",
    "move",
)


def _do(world: World, number: int, verb: str) -> None:
    stream, rooms = world.streams[number], world.rooms
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
        direction = Direction.RECVONLY if verb == "hold" else Direction.SENDRECV
        stream.change(replace(stream.plan, direction=direction))
        rooms.plan_changed(stream)
    elif verb == "codec":
        other = Codec.PCMA if stream.plan.codec is Codec.PCMU else Codec.PCMU
        stream.change(replace(plan_of(number, other), direction=stream.plan.direction))
        rooms.plan_changed(stream)
    elif verb == "move":
        stream.change(replace(stream.plan, remote=("10.0.0.9", 5000 + number)))
    elif verb == "leave":
        rooms.leave(stream)
    elif verb == "join":
        rooms.join(stream, number % 2)
    elif stream.party is not None:
        rooms._mixer.set_gain(stream.party.row, 0.5)


class Ear:
    """Listens to nothing."""

    def put(self, packet: object, now: float) -> None:
        pass


def _play(
    world: World, phones: list[Phone], verbs: dict[int, list[tuple[int, str]]], steps: int, stalls: set[int]
) -> World:
    """`stalls`: steps that come later, together with the next that is none. The last step is none."""
    began = world.timers.time()
    for step in range(steps):
        now = began + step * STEP_SECONDS
        if step in stalls and step < steps - 1:
            continue
        world.timers.set(now)
        for number, phone in enumerate(phones):
            stream = world.streams[number]
            for data in phone.arrivals.get(step, []):
                source = stream.plan.remote or ("10.0.0.9", 4000 + number)
                world.sockets[number][0].arrive(data, source)
        world.timers.advance(now)
        for number, verb in verbs.get(step, []):
            _do(world, number, verb)
    return world


@settings(max_examples=50)
@example(
    seed=1085652,
    suffering=[Profile(12, 0.0, 0.0, 0.0, 0), Profile(0, 0.0, 0.1, 0.1, 0), Profile(1, 0.02, 0.1, 0.1, 0)],
    verbs=[],
    stalled=[],
    ticks=60,
)
@given(
    seed=st.integers(0, 2**32),
    suffering=st.lists(profiles(), min_size=1, max_size=5),
    verbs=st.lists(st.tuples(st.integers(0, 150), st.integers(0, 4), st.sampled_from(VERBS)), max_size=12),
    stalled=st.lists(st.tuples(st.integers(0, 600), st.sampled_from([1, 2, 3, 5, 8, 14, 60])), max_size=3),
    ticks=st.sampled_from([60, 150]),
)
@pytest.mark.row("CONF-18")
def test_together_is_as_each_by_itself(
    seed: int,
    suffering: list[Profile],
    verbs: list[tuple[int, int, str]],
    stalled: list[tuple[int, int]],
    ticks: int,
) -> None:
    dice = Random(seed)
    stalls = {step for first, length in stalled for step in range(first, first + length)}
    codecs = [dice.choice([Codec.PCMU, Codec.PCMA]) for _ in suffering]
    phones = [
        Phone(codec, profile, ticks, stalls, dice) for codec, profile in zip(codecs, suffering, strict=True)
    ]
    now = 100 + dice.random() * 1000
    plot: dict[int, list[tuple[int, str]]] = {}
    for tick, number, verb in verbs:
        plot.setdefault(4 * tick, []).append((number % len(phones), verb))
    alone, together, seldom, tried = (
        _play(World(reader, codecs, now), phones, plot, 4 * ticks + 1, stalls).result()
        for reader in (None, Reader(), Reader(knows_ages=True), Reader(knows_ages=True, tries_all=True))
    )
    assert together == alone
    assert seldom == alone
    assert tried == alone


def test_who_has_nothing_special_is_served_together() -> None:
    dice, codecs, reader = Random(1), [Codec.PCMU, Codec.PCMA] * 3, Reader()
    phones = [Phone(codec, Profile(0, 0, 0, 0, 0), 150, set(), dice) for codec in codecs]
    world = _play(World(reader, codecs, 100.0), phones, {}, 600, set())
    rows = [stream.party.row for stream in world.streams if stream.party is not None]
    batches = {stream.party.batch for stream in world.streams if stream.party is not None}
    assert reader.read_together > 0.85 * 6 * 150
    [batch] = batches
    assert batch is not None
    assert batch.steady_rows() == sorted(rows)


@pytest.mark.parametrize(("knows_ages", "tries_all"), [(False, False), (True, False), (True, True)])
def test_after_a_stall_all_are_still_served_together(
    knows_ages: bool, tries_all: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits too long is given up, frame by frame or at once. Else a loaded engine, for which each by itself is far
    more work, would never recover."""
    done: list[str] = []

    def noted(name: str) -> Callable[..., Any]:
        method = getattr(SteadyRows, name)

        def call(*facts: Any) -> Any:
            done.append(name)
            return method(*facts)

        return call

    for name in ("_drop", "_catch_up"):
        monkeypatch.setattr(SteadyRows, name, noted(name))
    dice, codecs = Random(1), [Codec.PCMU] * 6
    stalls = set(range(202, 260))  # 290 ms
    phones = [Phone(codec, Profile(0, 0, 0, 0, 0), 300, stalls, dice) for codec in codecs]
    together, alone = (
        _play(World(reader, codecs, 100.0), phones, {}, 1201, stalls)
        for reader in (Reader(knows_ages=knows_ages, tries_all=tries_all), None)
    )
    counted = done.count("_drop"), done.count("_catch_up")
    batches = [stream.party.batch for stream in together.streams if stream.party is not None]
    assert all(batch is not None and len(batch.steady_rows()) == 6 for batch in batches)
    assert together.result() == alone.result()
    assert counted[0] >= 6
    assert counted[1] >= 1
