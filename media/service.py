"""The switch's side of media: hands out ports, and brings commands to the engine that serves their stream.

Engines run in worker processes, or inline where there are none. A call is set up without waiting for either: ports
are bound ahead of need and handed out from here.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import field, replace
from functools import partial
from itertools import count
from random import Random
from typing import NamedTuple, Protocol

from media.messages import (
    Bridge,
    CloseStream,
    Command,
    Event,
    FillPorts,
    JoinRoom,
    OpenStream,
    PlayEnded,
    PortsReady,
    RecordingEnded,
    RecordingFailed,
    Statistics,
    StreamBroken,
    StreamClosed,
    StreamCommand,
    StreamEvent,
    StreamFailed,
    TicksReported,
    WorkerLost,
)
from media.net import MediaNetwork
from media.plan import G711, Codec
from media.ports import READY, Ports, PortsExhausted, pairs
from media.process import START_SECONDS, ForkServer, start_anew
from media.standing import Standing, together
from media.worker import Ahead, DiskThread, WorkerProcess
from values import dataclass

__all__ = ["MediaService", "MediaSettings", "PortsExhausted", "Reservation"]

logger = logging.getLogger(__name__)

LOW = READY // 2
"""With fewer ports ready than that, others are asked for."""
HANGS_SECONDS = 5.0
"""An engine that has been asked for ports and has not answered for so long may never do so. Until then it is slow: it
will bind what is handed out meanwhile when it comes to open it."""
LAST_WORDS_SECONDS = 1.0
"""How long a stop waits for what engines tell of streams that have been closed."""


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """Where ports are bound, and by how many processes; 0 workers: by this one."""

    host: str
    port_range: tuple[int, int] = (20000, 29999)
    workers: int = 1
    threads: bool = False
    """Whether an engine in this process reads and writes files in threads of its own; else whatever it does waits."""
    codecs: tuple[Codec, ...] = G711
    """What calls may want: it is loaded from the first call on, where there are threads to do it in."""


class Reservation(NamedTuple):
    """A stream to be, and its RTP port."""

    stream: int
    port: int


_reserve = tuple.__new__
"""Makes one without a call of Python."""

_CLOSED = (StreamClosed, StreamBroken)
_ENDS = (*_CLOSED, StreamFailed)


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
    ports: tuple[int, int]
    """The part of the range that it has, first and last."""
    ready: deque[int] = field(default_factory=deque)
    known: set[int] = field(default_factory=set)
    """All ports that it has told of, or that were handed out before it did: they are ready, reserved, or in use."""
    streams: set[int] = field(default_factory=set)
    asked: float | None = None
    """Since when more ports are asked for; None: they are not."""
    has_ports: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the first ports have come, or the engine has ended before."""


def _load(worker: _Worker) -> int:
    """How much it has to do; one that has no port ready is the last to be given more."""
    return len(worker.streams) if worker.ready else 1 << 30


class MediaService:
    """All engines of one system. Build it inside a running event loop."""

    def __init__(
        self,
        settings: MediaSettings,
        network: MediaNetwork,
        random: Random,
        forks: ForkServer | None = None,
    ) -> None:
        """`network` serves an inline engine; workers have the machine's own. `forks` starts them; without it each is
        started anew."""
        self.on_event: Callable[[Event], None] = lambda event: None
        self._settings = settings
        self._numbers = count(1)
        self._reserved: dict[int, tuple[_Worker, int]] = {}
        """Stream -> its worker and port, until the stream is opened."""
        self._waiting: dict[int, list[StreamCommand]] = {}
        """Stream -> what it is to do as soon as it is open."""
        self._open: dict[int, tuple[_Worker, int]] = {}
        """Stream -> its worker and port, from its opening until one of us closes it."""
        self._closing: dict[int, _Worker] = {}
        """Stream -> its worker, until that has told how it went."""
        self._moving: dict[int, tuple[_Worker, int]] = {}
        """Open stream -> the worker that it is to move to, and its port there."""
        self._left: dict[tuple[int, int], int] = {}
        """Worker and stream -> how many stays of it there are over, and not told as ended yet. An engine tells one end
        of each, in their order: so what it tells of the stream until then is of those."""
        self._unwritten: dict[tuple[int, int], int] = {}
        """Worker and stream that has ended there -> how many of its recordings are not told of yet."""
        self._before: dict[int, Statistics] = {}
        """How streams that have moved went before."""
        self._now = asyncio.get_running_loop().time
        self._standing = Standing(self._now)
        self._forks = forks
        self._workers = [
            _Worker(number, self._link(number, ports, network, random), ports)
            for number, ports in enumerate(self._shares())
        ]
        self._only = self._workers[0] if len(self._workers) == 1 else None
        """The one that there is: then nothing moves."""

    def _shares(self) -> list[tuple[int, int]]:
        """The port range, cut into one part for each engine."""
        first, last = self._settings.port_range
        engines = max(1, self._settings.workers)
        size = (last + 1 - first) // engines // 2 * 2
        return [(first + index * size, first + (index + 1) * size - 1) for index in range(engines)]

    def _link(self, number: int, ports: tuple[int, int], network: MediaNetwork, random: Random) -> EngineLink:
        host = self._settings.host
        if self._settings.workers == 0:
            tell, threads = partial(self._told, number), self._settings.threads
            return InlineEngine(
                network, host, ports, random, tell, number, threads=threads, codecs=self._codec_names
            )
        start = start_anew if self._forks is None else self._forks.start
        return WorkerProcess(number, host, ports, partial(self._told, number), start, self._codec_names)

    @property
    def _codec_names(self) -> list[str]:
        return [codec.encoding_name for codec in self._settings.codecs]

    # -- life -------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the engines and wait for their first ports. Raises OSError."""
        if self._settings.workers == 0 and self._forks is not None:
            await self._forks.stop()
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
        """End all streams and engines. What is still to be told of streams that have been closed is waited for, a
        while: else how the calls went that a stop ends would be lost."""
        deadline = self._now() + LAST_WORDS_SECONDS
        while self._hears_more() and self._now() < deadline:
            await asyncio.sleep(0.01)
        for worker in self._workers:
            await worker.link.stop()
        if self._forks is not None:
            await self._forks.stop()

    # -- what the switch asks -----------------------------------------------------------------------------

    def reserve(self, beside: int | None = None) -> Reservation:
        """A port for a new stream, of the engine that serves the stream `beside`, or of the one with the least to do.
        Raises PortsExhausted."""
        worker = self._only
        if worker is None and beside is not None:
            worker = self._worker_of(beside)
        if worker is None:
            worker = min(self._workers, key=_load)
        ready = worker.ready
        port = ready.popleft() if len(ready) >= LOW else self._take_port(worker)
        stream = next(self._numbers)
        worker.streams.add(stream)
        self._reserved[stream] = worker, port
        return _reserve(Reservation, (stream, port))

    def _take_port(self, worker: _Worker) -> int:
        if len(worker.ready) < LOW and worker.asked is None:
            worker.asked = self._now()
            taken = [*self._reserved.values(), *self._moving.values()]
            worker.link.send(FillPorts(sum(reservation[0] is worker for reservation in taken)))
        if worker.ready:
            return worker.ready.popleft()
        if worker.asked is not None and self._now() - worker.asked < HANGS_SECONDS:
            for port in pairs(*worker.ports):
                if port not in worker.known:
                    worker.known.add(port)
                    return port
        raise PortsExhausted("every media port is in use")

    # -- streams that move ------------------------------------------------------------------------------

    def worker_of(self, stream: int) -> int | None:
        """The number of the engine that serves a stream; None where there is no such stream."""
        worker = self._worker_of(stream)
        return None if worker is None else worker.number

    def are_together(self, one: int, other: int) -> bool:
        """Whether one engine serves two streams that exist."""
        return self._only is not None or self._worker_of(one) is self._worker_of(other)

    def new_room(self, stream: int) -> int:
        """The number of a room that nobody is in yet. Its engine is the one with the least to do but for `stream`,
        who begins it; where several have that, the one who is there already."""
        loads = [len(worker.streams - {stream}) for worker in self._workers]
        here = self.worker_of(stream)
        worker = here if here is not None and loads[here] == min(loads) else loads.index(min(loads))
        return next(self._numbers) * len(self._workers) + worker

    def room_beside(self, stream: int) -> int:
        """The number of a room that nobody is in yet, in the engine that serves `stream`."""
        return next(self._numbers) * len(self._workers) + (self.worker_of(stream) or 0)

    def worker_of_room(self, room: int) -> int:
        """The number of the engine that all who join a room have to be served by."""
        return room % len(self._workers)

    def move(self, stream: int, worker: int) -> int:
        """A port for a stream in the engine that it is to go to. Raises PortsExhausted.

        One that is not open yet has moved then. One that is open moves when it is opened there; what it does (the
        sound it hears, its bridge, its room, the recording of its call) goes on there.
        """
        target = self._workers[worker]
        port = self._take_port(target)
        if stream in self._reserved:
            before, old_port = self._reserved[stream]
            before.ready.append(old_port)
            before.streams.discard(stream)
            target.streams.add(stream)
            self._reserved[stream] = target, port
        else:
            self.stay(stream)
            self._moving[stream] = target, port
        return port

    def stay(self, stream: int) -> None:
        """A stream does not move after all."""
        if stream in self._moving:
            worker, port = self._moving.pop(stream)
            worker.ready.append(port)

    def _arrive(self, command: OpenStream) -> None:
        """Open a stream in the engine that it moves to, and close it where it was."""
        stream = command.stream
        old, port = self._open.pop(stream)
        key = old.number, stream
        self._left[key] = self._left.get(key, 0) + 1
        old.ready.append(port)
        old.link.send(CloseStream(stream))
        if stream not in self._moving:  # that engine has ended meanwhile
            self._closing[stream] = old
            self._standing.forget(stream)
            old.link.send(command)  # no port of another is ready there: the stream is told as failed
            return
        old.streams.discard(stream)
        new, _ = self._open[stream] = self._moving.pop(stream)
        new.streams.add(stream)
        new.link.send(_continued(command))
        for again in self._standing.again(stream):
            if self._is_together(again):
                self._open[again.stream][0].link.send(again)

    def send(self, command: StreamCommand) -> None:
        """Bring a command to the engine of its stream; one for a stream that has ended is too late.

        What is asked of a stream that is not open yet waits until it is: with a late offer, a call is answered
        before the caller's media is known.
        """
        if isinstance(command, OpenStream):
            stream = command.stream
            place = self._reserved.pop(stream, None)
            if place is None:
                if stream in self._open:
                    self._arrive(command)
                return
            self._open[stream] = place
            place[0].link.send(command)
            if self._waiting:
                for waiting in self._waiting.pop(stream, ()):
                    self.send(waiting)
        elif isinstance(command, CloseStream):
            stream = command.stream
            place = self._open.pop(stream, None)
            if place is None:
                self._close_early(stream)
                return
            # Its port is ready for another: its engine opens that after it has closed this. So one that is slow keeps
            # no calls waiting, however many begin and end meanwhile.
            worker, port = place
            self._closing[stream] = worker
            worker.ready.append(port)
            if self._only is None:
                self._standing.forget(stream)
                self.stay(stream)
            worker.link.send(command)
        else:
            self._pass_on(command)

    def _pass_on(self, command: StreamCommand) -> None:
        """What neither begins nor ends a stream."""
        stream, streams = command.stream, self._open
        place = streams.get(stream)
        if place is None:
            if stream in self._reserved:
                self._waiting.setdefault(stream, []).append(command)
            return
        if isinstance(command, Bridge) and command.other not in streams:
            if command.other in self._reserved:
                self._waiting.setdefault(command.other, []).append(command)
            return
        if self._only is None:
            self._standing.note(command)
            if not self._is_together(command):
                return
        place[0].link.send(command)

    def _close_early(self, stream: int) -> None:
        """A stream is not open yet, or no more."""
        if stream in self._reserved:  # never opened: the port is as good as new
            worker, port = self._reserved.pop(stream)
            self._waiting.pop(stream, None)
            worker.ready.append(port)
            worker.streams.discard(stream)
        self.stay(stream)

    def _is_together(self, command: StreamCommand) -> bool:
        """Whether what a command joins is in one engine; else it waits in `_standing` until somebody has moved."""
        place = self._open.get(command.stream)
        worker = None if place is None else place[0]
        if isinstance(command, Bridge):
            return worker is not None and self._worker_of(command.other) is worker
        if isinstance(command, JoinRoom):
            return worker is not None and worker.number == self.worker_of_room(command.room)
        return worker is not None

    def tells_more_of(self, stream: int) -> bool:
        """Whether a stream is open, or what became of its recordings is still to be told."""
        if stream in self._open or stream in self._closing:
            return True
        return bool(self._unwritten) and any(stream == each for _, each in self._unwritten)

    def _hears_more(self) -> bool:
        """Whether a stream that has been closed is not told as closed, or a recording of one not as ended."""
        return bool(self._closing or self._unwritten)

    def live(self) -> dict[str, int]:
        """How many streams there are: for tests of leaks."""
        return {
            "reserved": len(self._reserved),
            "streams": len(self._open) + len(self._closing),
            "waiting": len(self._waiting),
            "unwritten": len(self._unwritten),
            "moving": len(self._moving) + len(self._left) + len(self._before) + len(self._standing),
        }

    def _worker_of(self, stream: int) -> _Worker | None:
        place = self._reserved.get(stream) or self._open.get(stream)
        return self._closing.get(stream) if place is None else place[0]

    # -- what the engines tell ----------------------------------------------------------------------------

    def _told(self, number: int, event: Event) -> None:
        if (
            isinstance(event, StreamClosed)
            and event.stream in self._closing
            and not (self._left or self._before or self._moving)
        ):  # nearly always
            self._closing.pop(event.stream).streams.discard(event.stream)
            if event.recordings:
                self._expect_recordings(number, event)
        elif isinstance(event, PortsReady):
            self._take_ports(self._workers[event.worker], event.ports)
            return
        elif isinstance(event, WorkerLost):
            event = self._lost(event.worker)
        elif self._left and not isinstance(event, TicksReported) and (number, event.stream) in self._left:
            self._told_late(number, event)
            return
        elif isinstance(event, _CLOSED):
            event = self._closed(number, event)
        elif isinstance(event, StreamFailed):
            event = self._failed(event)
        elif isinstance(event, PlayEnded):
            self._standing.told(event)
        elif isinstance(event, RecordingEnded | RecordingFailed):
            self._count_recording(number, event.stream)
        tell = self.on_event  # as a local it is called in half the time
        tell(event)

    @staticmethod
    def _take_ports(worker: _Worker, ports: tuple[int, ...]) -> None:
        worker.ready.extend(port for port in ports if port not in worker.known)
        worker.known.update(ports)
        worker.asked = None
        worker.has_ports.set()

    def _closed(self, number: int, event: StreamClosed | StreamBroken) -> StreamClosed | StreamBroken:
        """A stream has ended; how it went in all engines."""
        stream = event.stream
        place = self._forget(stream)
        if place is not None:  # its engine has closed it by itself
            place[0].ready.append(place[1])
        if event.recordings:
            self._expect_recordings(number, event)
        before = self._before.pop(stream, None) if self._before else None
        return event if before is None else replace(event, statistics=together(before, event.statistics))

    def _failed(self, event: StreamFailed) -> StreamFailed | StreamBroken:
        """A stream could not be opened; one that has come from another engine was open there."""
        place = self._forget(event.stream)
        if place is not None:  # who has the port may have it
            place[0].known.discard(place[1])
        before = self._before.pop(event.stream, None)
        return event if before is None else StreamBroken(event.stream, event.problem, before)

    def _expect_recordings(self, number: int, event: StreamClosed | StreamBroken) -> None:
        key = number, event.stream
        self._unwritten[key] = self._unwritten.get(key, 0) + event.recordings

    def _count_recording(self, number: int, stream: int) -> None:
        left = self._unwritten.pop((number, stream), 0) - 1
        if left > 0:
            self._unwritten[number, stream] = left

    def _told_late(self, number: int, event: StreamEvent) -> None:
        """An engine tells of a stream that has left it: how it went there, and what became of its recordings."""
        if isinstance(event, RecordingEnded | RecordingFailed):
            self._count_recording(number, event.stream)
            self.on_event(event)
        elif isinstance(event, _ENDS):
            key, stream = (number, event.stream), event.stream
            self._left[key] -= 1
            if not self._left[key]:
                del self._left[key]
            if isinstance(event, StreamFailed):
                return
            if event.recordings:
                self._expect_recordings(number, event)
            if stream in self._open or stream in self._closing:
                before = self._before.get(stream)
                statistics = event.statistics
                self._before[stream] = statistics if before is None else together(before, statistics)

    def _forget(self, stream: int) -> tuple[_Worker, int] | None:
        """A stream is no more; where it was, if it was not closed by us."""
        place = self._open.pop(stream, None)
        worker = self._closing.pop(stream, None) if place is None else place[0]
        if worker is not None:
            worker.streams.discard(stream)
        if self._only is None:
            self._standing.forget(stream)
            self.stay(stream)
        return place

    def _lost(self, number: int) -> WorkerLost:
        """A worker is gone: its streams and ports too. The link starts another, which will tell its own ports."""
        worker = self._workers[number]
        unwritten = [stream for each, stream in self._unwritten if each == number]
        ended = (stream for stream in unwritten if self._worker_of(stream) is None)  # others have moved
        streams = tuple(sorted(worker.streams.union(ended)))
        for stream in streams:
            self._reserved.pop(stream, None)
            self._waiting.pop(stream, None)
            self._forget(stream)
            self._before.pop(stream, None)
        for stream in [stream for stream, (target, _) in self._moving.items() if target is worker]:
            del self._moving[stream]
        for told in (self._left, self._unwritten):
            for key in [key for key in told if key[0] == number]:
                del told[key]
        worker.streams.clear()
        worker.ready.clear()
        worker.known.clear()
        worker.asked = -math.inf  # it answers no more; the next one tells its ports without being asked
        worker.has_ports.set()
        logger.error("media worker %d has ended unexpectedly, %d streams are lost", number, len(streams))
        return WorkerLost(number, streams)


def _continued(command: OpenStream) -> OpenStream:
    """As the engine is told that another has served the stream before."""
    plan = command.plan
    if plan.srtp is None:
        return command
    return replace(command, plan=replace(plan, srtp=replace(plan.srtp, continues=True)))


class InlineEngine:
    """An engine in this process."""

    def __init__(
        self,
        network: MediaNetwork,
        host: str,
        port_range: tuple[int, int],
        random: Random,
        tell: Callable[[Event], None],
        number: int = 0,
        *,
        threads: bool = False,
        codecs: Iterable[str] = (),
    ) -> None:
        # With all that makes sound: where there are workers only they need it.
        from media.engine import MediaEngine

        loop = asyncio.get_running_loop()
        self._threads = [DiskThread(loop), DiskThread(loop)] if threads else []
        disk, library = self._threads or (None, None)
        ports = Ports(network, host, *port_range)
        self._engine = MediaEngine(
            network,
            ports,
            random,
            tell,
            worker=number,
            disk=disk,
            library=library,
            load_ahead=Ahead(codecs).load if threads else None,
        )
        self.send: Callable[[Command], None] = self._engine.handle
        """Carries out a command at once."""

    async def start(self) -> None:
        """Bind the first ports."""
        self._engine.start()

    async def stop(self) -> None:
        """Close everything."""
        self._engine.stop()
        for thread in self._threads:
            await asyncio.get_running_loop().run_in_executor(None, thread.close)
