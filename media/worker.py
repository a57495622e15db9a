"""A media process: an engine at the other end of a socket pair.

Commands go down and events come up as lists (`media.wire`), each behind its length in 4 bytes. The pair is private to
parent and child, and a broken pair ends the child; so neither ever waits for the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import queue
import random
import select
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from media import wire
from media.disk import Done, Work, outcome
from media.messages import CloseStream, Command, Event, WorkerLost
from media.ports import Ports
from media.process import (
    FORKS,
    ForkServer,
    Process,
    Start,
    can_fork,
    fork_workers,
    leave_signals_to_the_parent,
    reap,
    start_anew,
)
from media.upward_log import LogLine, UpwardLog

if TYPE_CHECKING:
    from media.lane import UringLane
    from media.net import Lane

logger = logging.getLogger(__name__)

DISK_SECONDS = 2.0
"""Of those in which a process has to stop, those in which recordings may be completed."""
SWITCH_SECONDS = 0.0005
"""How long a tick waits at most until a thread that reads or writes files lets the interpreter go."""
RESTART_SECONDS = 0.2
READ_BYTES = 64 * 1024
LATE_SECONDS = 0.02
"""What is told late waits so long at most for something else that is told: no longer than one packet for the next."""
MAX_FRAME_BYTES = 16 * 1024 * 1024
"""What one turn of a loop sends is far less; a longer frame is none."""


def frame(values: list[Any]) -> bytes:
    """Values as they go over the pair."""
    data = wire.dumps(values)
    return len(data).to_bytes(4, "big") + data


def _frames(values: list[Any]) -> bytes:
    """Values in one frame; or each in its own, if one of them cannot be printed, without that."""
    try:
        return frame(values)
    except Exception:  # as with one that cannot be handled: the others concern other calls
        if len(values) > 1:
            return b"".join(_frames([value]) for value in values)
        logger.exception("%r could not be sent", values[0])
        return b""


class Channel(asyncio.BufferedProtocol):
    """One end of the pair. What is sent in one turn of the loop goes in one piece, and so does what is sent in reply to
    one piece: each wakes up a process, which costs more than what is in it."""

    def __init__(self, receive: Callable[[Any], None], closed: Callable[[], None]) -> None:
        self.receive = receive
        """Called with each value that comes."""
        self._closed = closed
        self._transport: asyncio.Transport | None = None
        self.unsent: list[Any] = []
        self.will_flush = False
        """Whether that is sent in this turn, by the loop or by who reads."""
        self._late: asyncio.TimerHandle | None = None
        """Sends it soon."""
        self._room = memoryview(bytearray(READ_BYTES))
        self._buffer = bytearray()
        self._loop = asyncio.get_running_loop()

    def send(self, value: Any, *, late: bool = False) -> None:
        """Send a value with this turn's others, or, if that may be late, with what is sent next, in `LATE_SECONDS` at
        most; behind all that was sent before. Lost if the other end is gone."""
        self.unsent.append(value)
        if not self.will_flush:
            self.flush_soon(late=late)

    def flush_soon(self, *, late: bool) -> None:
        """See that what is unsent is sent."""
        if not late:
            self.will_flush = True
            self._loop.call_soon(self._flush)
        elif self._late is None:
            self._late = self._loop.call_later(LATE_SECONDS, self._flush_late)

    def close(self) -> None:
        """Send what waits, and close."""
        self._flush()
        if self._late is not None:
            self._late.cancel()
        if self._transport is not None:
            self._transport.close()

    def _flush(self) -> None:
        self.will_flush = False
        values, self.unsent = self.unsent, []
        if values and self._transport is not None:
            self._transport.write(_frames(values))

    def _flush_late(self) -> None:
        self._late = None
        self._flush()

    # -- asyncio.BufferedProtocol -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        self._buffer += self._room[:nbytes]
        replies, self.will_flush = not self.will_flush, True
        try:
            self._read_frames(self._buffer)
        finally:
            if replies:
                self._flush()

    def _read_frames(self, buffer: bytearray) -> None:
        while len(buffer) >= 4:
            size = int.from_bytes(buffer[:4], "big")
            if size <= MAX_FRAME_BYTES and len(buffer) < 4 + size:
                return
            try:
                values = wire.loads(buffer[4 : 4 + size]) if size <= MAX_FRAME_BYTES else None
            except Exception:
                values = None
            if values is None:
                self._give_up()
                return
            del buffer[: 4 + size]
            receive = self.receive
            for value in values:
                try:
                    receive(value)
                except Exception:  # it concerns one call; the pair carries hundreds
                    logger.exception("%r could not be handled", value)

    def _give_up(self) -> None:
        """Where one frame is broken, nobody knows where the next begins."""
        logger.error("a media process and its parent do not understand each other")
        self._buffer.clear()
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._closed()


# -- the parent's side -----------------------------------------------------------------------------


class WorkerProcess:
    """A worker as the switch sees it. One that dies is told as `WorkerLost` at once, and replaced."""

    def __init__(
        self,
        number: int,
        host: str,
        port_range: tuple[int, int],
        tell: Callable[[Event], None],
        start: Start = start_anew,
        codecs: Iterable[str] = (),
    ) -> None:
        """`codecs`: names of those that calls may want."""
        self._number = number
        log_level = str(logger.getEffectiveLevel())
        self._arguments = [str(number), host, *map(str, port_range), log_level, wire.VERSION, *codecs]
        self._tell = tell
        self._start_process = start
        self._process: Process | None = None
        self._channel: Channel | None = None
        self._stopping = False
        self._restart: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the process. Raises OSError."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = await self._start_process(self._arguments, theirs)
            _, self._channel = await loop.create_connection(
                lambda: Channel(self._receive, self._closed), sock=ours
            )
        except BaseException:
            ours.close()
            raise

    def send(self, command: Command) -> None:
        """Bring a command there; that a stream ends may be late."""
        channel = self._channel
        if channel is not None:  # `Channel.send`, without the call
            channel.unsent.append(command)
            if not channel.will_flush:
                channel.flush_soon(late=type(command) is CloseStream)

    async def stop(self) -> None:
        """End the process: it closes its streams when the pair breaks."""
        self._stopping = True
        if self._restart is not None:
            self._restart.cancel()
            await asyncio.wait([self._restart])
        if self._channel is not None:
            self._channel.close()
        await self._reap()

    def _receive(self, value: Event | LogLine) -> None:
        if not isinstance(value, LogLine):
            tell = self._tell
            tell(value)
            return
        text, extra = f"media worker {self._number}: {value.text}", {"exception": value.exception}
        logging.getLogger(value.logger).log(value.level, "%s", text, extra=extra if value.exception else None)

    def _closed(self) -> None:
        self._channel = None
        if self._stopping:
            return
        self._tell(WorkerLost(self._number, ()))
        self._restart = asyncio.get_running_loop().create_task(self._start_again())

    async def _start_again(self) -> None:
        await self._reap()
        while self._process is None:
            await asyncio.sleep(RESTART_SECONDS)  # one that dies at once does not take the machine with it
            try:
                await self.start()
            except OSError as error:
                logger.error("media worker %d cannot be started again: %s", self._number, error)

    async def _reap(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await asyncio.get_running_loop().run_in_executor(None, reap, process)


# -- the child's side ------------------------------------------------------------------------------


class DiskThread:
    """A `Disk` of its own thread. What is still to be done when the process ends is lost."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._work: queue.SimpleQueue[tuple[Work, Done] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def run(self, work: Work, done: Done) -> None:
        """Do it after all that came before."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="disk", daemon=True)
            self._thread.start()
        self._work.put((work, done))

    def close(self) -> None:
        """Wait until all is done, for a while."""
        if self._thread is not None:
            self._work.put(None)
            self._thread.join(DISK_SECONDS)

    def _serve(self) -> None:
        while (each := self._work.get()) is not None:
            work, done = each
            error = outcome(work)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for it any more
                self._loop.call_soon_threadsafe(done, error)
            del each, work, done  # they hold what is done with


class PunctualSelector(selectors.DefaultSelector):
    """Epoll that wakes up when it is time: by itself it counts in milliseconds, and a tick has twenty."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events, at most so many seconds."""
        if timeout is not None and timeout > 0:
            if not select.select([self], [], [], timeout)[0]:  # in microseconds
                return []
            timeout = 0
        return super().select(timeout)


class _Loop(asyncio.SelectorEventLoop):
    """What time it is costs no call of a Python function: streams ask that at each packet."""

    time = staticmethod(time.monotonic)


def _loop(lane: UringLane | None) -> asyncio.AbstractEventLoop:
    return _Loop(lane or (PunctualSelector() if hasattr(select, "epoll") else None))


async def serve(
    pair: socket.socket,
    number: int,
    host: str,
    port_range: tuple[int, int],
    lane: Lane | None,
    codecs: Iterable[str],
    log: UpwardLog,
) -> None:
    """Run an engine until the parent closes the pair. `lane`: of its own loop, for connected sockets. `log` has what
    was said before."""
    from media.engine import MediaEngine
    from media.net import SocketMediaNetwork

    loop = asyncio.get_running_loop()
    closed = asyncio.Event()
    network = SocketMediaNetwork(lane=lane)

    def too_early(command: Command) -> None:
        raise RuntimeError("there is no engine yet")

    _, channel = await loop.create_connection(lambda: Channel(too_early, closed.set), sock=pair)
    log.begin(channel.send)
    dice = random.Random(random.SystemRandom().getrandbits(256))
    disk, library = DiskThread(loop), DiskThread(loop)  # a recording that hangs keeps no prompt waiting
    try:
        engine = MediaEngine(
            network,
            Ports(network, host, *port_range),
            dice,
            channel.send,
            worker=number,
            disk=disk,
            library=library,
            load_ahead=Ahead(codecs, None if lane is None else lane.use_arrays).load,
        )
        channel.receive = engine.handle
        engine.start()
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(SWITCH_SECONDS)
        await closed.wait()
        engine.stop()
        disk.close()
    except Exception as error:
        _say("cannot go on", error)
        raise
    finally:
        channel.close()  # which sends what was said


def _say(what: str, error: Exception) -> None:
    """Why this process ends; what the machine lacks is no fault of the program's."""
    logger.error("%s: %s", what, error, exc_info=None if isinstance(error, OSError) else error)


def work(pair: socket.socket, arguments: list[str]) -> int:
    """Be a worker with the arguments NUMBER HOST FIRST LAST LOG-LEVEL VERSION CODEC...; returns the exit code."""
    from media.lane import open_lane

    number, host, first, last, log_level, version, *codecs = arguments
    if version != wire.VERSION:  # nor would the parent understand it if it said so
        print(f"media worker {number}: the program has been updated, and has to be started again", file=sys.stderr)
        return 1
    log = UpwardLog()
    logging.getLogger().setLevel(int(log_level))
    logging.getLogger().addHandler(log)
    try:
        lane = open_lane(random.SystemRandom().getrandbits(32))
        with asyncio.Runner(loop_factory=partial(_loop, lane)) as runner:
            runner.run(serve(pair, int(number), host, (int(first), int(last)), lane, codecs, log))
    except Exception as error:
        if pair.fileno() >= 0:  # else it is said already
            _say("cannot begin", error)
            with contextlib.suppress(OSError):
                pair.sendall(frame(log.early()))
        return 1
    return 0


class Ahead:
    """Loads in a thread, from the first call on, what conferences, recordings and other codecs than G.711 need, and
    what relays many calls at once.

    Loaded in the loop when it is wanted it would silence all other calls for so long; and a system that is idle, or has
    just started, goes without.
    """

    def __init__(self, codecs: Iterable[str], loaded: Callable[[], None] | None = None) -> None:
        """`codecs`: names of those that calls may want. `loaded` is called in the running loop when all is there."""
        self._codecs = tuple(codecs)
        self._loop, self._loaded = asyncio.get_running_loop(), loaded

    def load(self) -> None:
        """Begin."""
        threading.Thread(target=self._load, name="ahead", daemon=True).start()

    def _load(self) -> None:
        import media.express
        import media.room
        import media.srtp
        import media.transcode  # noqa: F401
        from media.codecs.codec import make_decoder, make_encoder

        for name in self._codecs:
            make_decoder(name)
            make_encoder(name)
        if self._loaded is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._loaded)


def load() -> None:
    """Load all that a worker needs, but for what conferences do."""
    import media.engine
    import media.lane
    import media.net  # noqa: F401


def fork_server(*, prepared: bool = False) -> ForkServer | None:
    """What forks workers, if that can be had here. `prepared`: from this process as it is, before it has other threads
    and has loaded what workers do not need."""
    if not can_fork():
        return None
    server = ForkServer()
    if prepared:
        server.prepare(work, load)
    return server


def main() -> None:
    """Run a worker by its arguments, or fork such by the argument `forks`; the pair is standard input. Started by the
    system, never by hand."""
    leave_signals_to_the_parent()
    pair, arguments = socket.socket(fileno=0), sys.argv[1:]
    if arguments == [FORKS]:
        load()
        fork_workers(pair, work)
    sys.exit(work(pair, arguments))
