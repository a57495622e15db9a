"""The switch's side of media: hands out ports, and brings commands to the engine that serves their stream.

Engines run in worker processes, or inline where there are none. A call is set up without waiting for either: ports
are bound ahead of need and handed out from here.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Protocol

from media.engine import MediaEngine
from media.messages import (
    Bridge,
    CloseStream,
    Command,
    Event,
    FillPorts,
    OpenStream,
    PortsReady,
    StreamClosed,
    StreamCommand,
    StreamFailed,
    WorkerLost,
)
from media.net import MediaNetwork
from media.ports import READY, Ports, PortsExhausted
from media.worker import WorkerProcess

__all__ = ["MediaService", "MediaSettings", "PortsExhausted", "Reservation"]

logger = logging.getLogger(__name__)

LOW = READY // 2
"""With fewer ports ready than that, others are asked for."""
START_SECONDS = 20.0
"""How long a worker may take to start."""


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """Where ports are bound, and by how many processes; 0 workers: by this one."""

    host: str
    port_range: tuple[int, int] = (20000, 29999)
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Reservation:
    """A stream to be, and its RTP port."""

    stream: int
    port: int


class EngineLink(Protocol):
    """The way to one engine."""

    async def start(self) -> None:
        """Begin. Raises OSError."""

    def send(self, command: Command) -> None:
        """Bring a command there."""

    async def stop(self) -> None:
        """End it."""


@dataclass(slots=True, eq=False)
class _Worker:
    """What is known of one engine."""

    number: int
    link: EngineLink
    ready: deque[int] = field(default_factory=deque)
    streams: set[int] = field(default_factory=set)
    filling: bool = False
    """Whether more ports have been asked for."""
    has_ports: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the first ports have come, or the engine has ended before."""


class MediaService:
    """All engines of one system. Build it inside a running event loop."""

    def __init__(self, settings: MediaSettings, network: MediaNetwork, random: Random) -> None:
        """`network` serves an inline engine; workers have the machine's own."""
        self.on_event: Callable[[Event], None] = lambda event: None
        self._settings = settings
        self._numbers = count(1)
        self._reserved: dict[int, tuple[_Worker, int]] = {}
        """Stream -> its worker and port, until the stream is opened."""
        self._waiting: dict[int, list[StreamCommand]] = {}
        """Stream -> what it is to do as soon as it is open."""
        self._open: dict[int, _Worker] = {}
        self._workers = [
            _Worker(number, self._link(number, ports, network, random))
            for number, ports in enumerate(self._shares())
        ]

    def _shares(self) -> list[tuple[int, int]]:
        """The port range, cut into one part for each engine."""
        first, last = self._settings.port_range
        engines = max(1, self._settings.workers)
        size = (last + 1 - first) // engines // 2 * 2
        return [(first + index * size, first + (index + 1) * size - 1) for index in range(engines)]

    def _link(self, number: int, ports: tuple[int, int], network: MediaNetwork, random: Random) -> EngineLink:
        host = self._settings.host
        if self._settings.workers == 0:
            return InlineEngine(network, host, ports, random, self._told)
        return WorkerProcess(number, host, ports, self._told)

    # -- life -------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the engines and wait for their first ports. Raises OSError."""
        for worker in self._workers:
            await worker.link.start()
        for worker in self._workers:
            try:
                async with asyncio.timeout(START_SECONDS):
                    await worker.has_ports.wait()
            except TimeoutError:
                raise OSError(
                    f"media worker {worker.number} has no port after {START_SECONDS:.0f} s"
                ) from None
            if not worker.ready:
                raise OSError(f"media worker {worker.number} has ended at its start")

    async def stop(self) -> None:
        """End all streams and engines."""
        for worker in self._workers:
            await worker.link.stop()

    # -- what the switch asks -----------------------------------------------------------------------------

    def reserve(self, beside: int | None = None, group: str | None = None) -> Reservation:
        """A port for a new stream. Raises PortsExhausted.

        It is one of the engine that serves the stream `beside`, or all streams of `group`: those that may meet.
        """
        worker = None if beside is None else self._worker_of(beside)
        if worker is None and group is not None:
            worker = self._workers[zlib.crc32(group.encode()) % len(self._workers)]
        if worker is None:
            worker = min(self._workers, key=lambda each: len(each.streams) if each.ready else 1 << 30)
        if len(worker.ready) < LOW and not worker.filling:
            worker.filling = True
            reserved = sum(reservation[0] is worker for reservation in self._reserved.values())
            worker.link.send(FillPorts(reserved))
        if not worker.ready:
            raise PortsExhausted("every media port is in use")
        stream, port = next(self._numbers), worker.ready.popleft()
        worker.streams.add(stream)
        self._reserved[stream] = worker, port
        return Reservation(stream, port)

    def send(self, command: StreamCommand) -> None:
        """Bring a command to the engine of its stream; one for a stream that has ended is too late.

        What is asked of a stream that is not open yet waits until it is: with a late offer, a call is answered
        before the caller's media is known.
        """
        stream = command.stream
        if isinstance(command, OpenStream) and stream in self._reserved:
            self._open[stream] = self._reserved.pop(stream)[0]
            self._pass_on(command)
            for waiting in self._waiting.pop(stream, ()):
                self.send(waiting)
        elif isinstance(command, CloseStream) and stream in self._reserved:
            worker, port = self._reserved.pop(stream)  # never opened: the port is as good as new
            self._waiting.pop(stream, None)
            worker.ready.append(port)
            worker.streams.discard(stream)
        elif stream in self._reserved:
            self._waiting.setdefault(stream, []).append(command)
        elif isinstance(command, Bridge) and command.other in self._reserved:
            self._waiting.setdefault(command.other, []).append(command)
        else:
            self._pass_on(command)

    def _pass_on(self, command: StreamCommand) -> None:
        opened = self._open.get(command.stream)
        if opened is not None:
            opened.link.send(command)

    def live(self) -> dict[str, int]:
        """How many streams there are: for tests of leaks."""
        return {"reserved": len(self._reserved), "streams": len(self._open), "waiting": len(self._waiting)}

    def _worker_of(self, stream: int) -> _Worker | None:
        reserved = self._reserved.get(stream)
        return self._open.get(stream) if reserved is None else reserved[0]

    # -- what the engines tell ----------------------------------------------------------------------------

    def _told(self, event: Event) -> None:
        if isinstance(event, PortsReady):
            worker = self._workers[event.worker]
            worker.ready.extend(event.ports)
            worker.filling = False
            worker.has_ports.set()
            return
        if isinstance(event, StreamClosed | StreamFailed):
            self._forget(event.stream)
        elif isinstance(event, WorkerLost):
            event = self._lost(event.worker)
        self.on_event(event)

    def _forget(self, stream: int) -> None:
        worker = self._open.pop(stream, None)
        if worker is not None:
            worker.streams.discard(stream)

    def _lost(self, number: int) -> WorkerLost:
        """A worker is gone: its streams and ports too. The link starts another, which will tell its own ports."""
        worker = self._workers[number]
        streams = tuple(worker.streams)
        for stream in streams:
            self._reserved.pop(stream, None)
            self._waiting.pop(stream, None)
            self._open.pop(stream, None)
        worker.streams.clear()
        worker.ready.clear()
        worker.filling = False
        worker.has_ports.set()
        logger.error("media worker %d has ended unexpectedly, %d streams are lost", number, len(streams))
        return WorkerLost(number, streams)


class InlineEngine:
    """An engine in this process."""

    def __init__(
        self,
        network: MediaNetwork,
        host: str,
        port_range: tuple[int, int],
        random: Random,
        tell: Callable[[Event], None],
    ) -> None:
        self._engine = MediaEngine(network, Ports(network, host, *port_range), random, tell)

    async def start(self) -> None:
        """Bind the first ports."""
        self._engine.start()

    def send(self, command: Command) -> None:
        """Carry out a command at once."""
        self._engine.handle(command)

    async def stop(self) -> None:
        """Close everything."""
        self._engine.stop()
