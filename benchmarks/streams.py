"""What does a basic call cost on its media side: two streams opened, bridged, and closed?

python -m benchmarks.streams [main|worker|inline] [--calls 2000] [--rounds 5] [--at-once 1] [--profile]

`main` is the part of the switch's process where a worker serves the call, `worker` that of the worker, each with its
event loop and its end of the pair between them; `inline` is both in one process, without either. Sockets for sound
are lists, and no sound flows. The clock goes on by 10 ms for the calls that come at once. To count instructions:
`valgrind --tool=cachegrind --cache-sim=no python -m benchmarks.streams worker --rounds 1`, with two numbers of calls.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import pstats
import random
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any
from unittest.mock import patch

from benchmarks.harness import HOST, print_table
from benchmarks.signalling import MemoryNetwork
from media.engine import MediaEngine
from media.messages import (
    Bridge,
    CloseStream,
    Command,
    Event,
    OpenStream,
    PortsReady,
    Statistics,
    StreamClosed,
)
from media.plan import Codec, StreamPlan
from media.ports import READY, Ports, pairs
from media.service import MediaService, MediaSettings
from media.worker import Channel, WorkerProcess, frame

PORTS = (20000, 29999)
STEP_SECONDS = 0.01
WARM_UP = 200
"""Calls before those that are measured: ports are used again then."""
PREPARED = 1000
"""What is said in so many calls is prepared at least, so that the difference of two numbers below has none of that."""
CLOSED = Statistics(
    1500, 1500, 3, jitter_ms=0.4, reports_received=6, remote_packets_sent=1500, heard_by_remote=True
)
"""How a stream went that has had sound."""


def plan(port: int) -> StreamPlan:
    """As phones of `benchmarks.load` get it."""
    trusted = frozenset({HOST, "127.0.0.2"})
    return StreamPlan(
        Codec.PCMU, 0, 0, (HOST, port), (HOST, port + 1), trusted, dtmf_send_payload_type=101,
        dtmf_receive_payload_type=101,
    )  # fmt: skip


PLANS = [plan(4000 + 2 * number) for number in range(100)]


def calling(service: MediaService) -> Iterator[None]:
    """One call, as the switch has it; pauses where the event loop has its turn."""
    one, other = service.reserve(), service.reserve()
    yield
    for each in (other, one):
        service.send(OpenStream(each.stream, each.port, PLANS[each.stream % len(PLANS)]))
    service.send(Bridge(one.stream, other.stream))
    yield
    service.send(CloseStream(one.stream))
    yield
    service.send(CloseStream(other.stream))
    yield


def in_step(service: MediaService, calls: int) -> Iterator[None]:
    """So many at once."""
    for _ in zip(*[calling(service) for _ in range(calls)], strict=True):
        yield


class Clock(asyncio.SelectorEventLoop):
    """An event loop with real descriptors, whose clock stands until it is moved."""

    now = 1000.0

    def time(self) -> float:
        return self.now


Begin = Callable[[], None]
"""To be called when the calls begin that are measured."""


class Part:
    """What is measured. `begin` and `step` are for so many calls at once."""

    def __init__(self, loop: Clock, calls: int, at_once: int) -> None:
        self.loop, self.steps, self.at_once = loop, calls // at_once, at_once
        self.prepared = max(calls, PREPARED) // at_once

    async def prepare(self) -> None:
        """What is not measured."""

    async def step(self, number: int) -> None:
        """So many calls."""

    async def linked(self, receive: Callable[[Any], None]) -> tuple[Channel, socket.socket]:
        """A channel, and the other end of its pair."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        _, channel = await self.loop.create_connection(lambda: Channel(receive, lambda: None), sock=ours)
        return channel, theirs

    async def turns(self) -> None:
        """The event loop reads, and sends."""
        for _ in range(3):
            await asyncio.sleep(0)


class Main(Part):
    async def prepare(self) -> None:
        self.closed = 0
        self.service = MediaService(MediaSettings(HOST, PORTS), MemoryNetwork(), random.Random(1))
        self.service.on_event = self.hear
        link = self.service._workers[0].link
        assert isinstance(link, WorkerProcess)
        link._channel, self.line = await self.linked(link._receive)
        self.line.send(frame([PortsReady(0, tuple(pairs(*PORTS))[: 2 * READY])]))
        await self.turns()
        numbers = range(1, 2 * self.at_once * self.prepared + 1)
        closed = [StreamClosed(number, CLOSED) for number in numbers]
        size = 2 * self.at_once
        self.answers = [frame(closed[size * step :][:size]) for step in range(self.prepared)]

    def hear(self, event: Event) -> None:
        self.closed += isinstance(event, StreamClosed)

    async def step(self, number: int) -> None:
        for _ in in_step(self.service, self.at_once):
            await asyncio.sleep(0)
        await self.turns()
        self.line.recv(1 << 20)
        self.line.send(self.answers[number])
        await self.turns()
        if self.closed != 2 * self.at_once * (number + 1):
            raise RuntimeError("not all streams were told as closed")


class ListLink:
    """Notes what is sent to a worker."""

    def __init__(self) -> None:
        self.sent: list[Command] = []
        self.send = self.sent.append

    async def start(self) -> None:
        """Nothing is there."""

    stop = start


class Worker(Part):
    async def prepare(self) -> None:
        channel, self.line = await self.linked(lambda command: self.engine.handle(command))
        ports = Ports(MemoryNetwork(), HOST, *PORTS)
        self.engine = MediaEngine(MemoryNetwork(), ports, random.Random(1), channel.send)
        self.engine.start()
        await self.turns()
        self.line.recv(1 << 20)
        link = ListLink()
        with patch.object(MediaService, "_link", lambda *_: link):
            service = MediaService(MediaSettings(HOST, PORTS), MemoryNetwork(), random.Random(1))
        service._told(0, PortsReady(0, tuple(pairs(*PORTS))[: 2 * READY]))
        self.commands = []
        for _ in range(self.prepared):
            sets = []
            for _ in in_step(service, self.at_once):
                sets.append(list(link.sent))
                link.sent.clear()
            _, opening, *closing = sets
            self.commands.append([frame(opening), frame([*chain(*closing)])])
        self.heard = 0

    async def step(self, number: int) -> None:
        for commands in self.commands[number]:
            self.line.send(commands)
            await self.turns()
        self.line.recv(1 << 20)
        if self.engine._streams:
            raise RuntimeError("streams were left open")


class Inline(Part):
    async def prepare(self) -> None:
        settings = MediaSettings(HOST, PORTS, workers=0)
        self.service = MediaService(settings, MemoryNetwork(), random.Random(1))
        await self.service.start()

    async def step(self, number: int) -> None:
        for _ in in_step(self.service, self.at_once):
            continue


PARTS: dict[str, type[Part]] = {"main": Main, "worker": Worker, "inline": Inline}


def measure(name: str, calls: int, at_once: int, profile: cProfile.Profile | None = None) -> float:
    """CPU seconds a call."""
    loop = Clock()
    part = PARTS[name](loop, WARM_UP + calls, at_once)

    async def run() -> float:
        await part.prepare()
        gc.collect()
        gc.freeze()
        before = 0.0
        for number in range(part.steps):
            if number == WARM_UP // at_once:
                before = time.process_time()
                if profile is not None:
                    profile.enable()
            loop.now += STEP_SECONDS
            await part.step(number)
        if profile is not None:
            profile.disable()
        return (time.process_time() - before) / calls

    try:
        return loop.run_until_complete(run())
    finally:
        gc.unfreeze()
        loop.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="?", choices=PARTS, help="default: all")
    parser.add_argument("--calls", type=int, default=2000, help="a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=1, help="calls in step (default: %(default)s)")
    parser.add_argument("--profile", action="store_true", help="say in which functions the time goes")
    options = parser.parse_args()
    gc.set_threshold(20_000)  # as the server does
    rows = []
    for name in [options.part] if options.part else PARTS:
        if options.profile:
            profile = cProfile.Profile()
            measure(name, options.calls, options.at_once, profile)
            pstats.Stats(profile).sort_stats("tottime").print_stats(45)
        else:
            figures = [measure(name, options.calls, options.at_once) for _ in range(options.rounds)]
            rows.append((name, f"{statistics.median(figures) * 1e3:.4f} ms"))
    if rows:
        print_table(f"media side of a basic call, {options.at_once} at once, CPU", rows)


if __name__ == "__main__":
    main()
