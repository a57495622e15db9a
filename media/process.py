"""How media processes begin and end: started anew, or forked by one that has loaded all that they need.

Forked ones share its memory until they write to it. The fork server is a child of ours: forked too, where this process
had it prepared before anything else was loaded; else started anew. Workers are children of it, which the kernel reaps;
so each gives us a file descriptor of itself (`pidfd_open`), that tells when it has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn, Protocol, Self

logger = logging.getLogger(__name__)

STOP_SECONDS = 3.0
START_SECONDS = 20.0
"""How long a process may take to start."""
FORKS = "forks"
"""The argument that makes a process the fork server."""
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""Sums of 20 ms of sound are over before another thread has woken, on a core that is another worker's."""
_MOST_BYTES = 4096

_HOME = Path(__file__).parents[1]
_BOOT = f"import sys; sys.path.append({str(_HOME)!r}); from media.worker import main; main()"


def command(*arguments: str) -> list[str]:
    """How a worker is started. Not by `-m`, to which a module in the working directory could pass for Python's own."""
    return [sys.executable, "-P", "-c", _BOOT, *arguments]


class Process(Protocol):
    """A process that was started; once it has ended it has to be waited for."""

    @property
    def pid(self) -> int:
        """Its number."""

    def wait(self, timeout: float | None = None) -> object:
        """Wait for its end. Raises subprocess.TimeoutExpired."""

    def kill(self) -> None:
        """End it at once."""


Start = Callable[[list[str], socket.socket], Awaitable[Process]]
"""Start a worker with these arguments and this end of its pair. Raises OSError."""


Body = Callable[[socket.socket, list[str]], int]
"""What a worker does, with the end of its pair and its arguments; returns the exit code."""


async def start_anew(arguments: list[str], pair: socket.socket) -> Process:
    """Start a worker with an interpreter of its own. Raises OSError."""
    return _launch(arguments, pair)


def _launch(arguments: list[str], stdin: socket.socket) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command(*arguments), stdin=stdin.fileno(), env=os.environ | ONE_THREAD)


def reap(process: Process) -> None:
    """Wait for the end of a process that has been told to end; one that hangs is killed."""
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# -- the parent's side -----------------------------------------------------------------------------


def can_fork() -> bool:
    """Whether a fork server can be had: on Linux, since 5.3."""
    if sys.platform != "linux":
        return False
    with contextlib.suppress(AttributeError, OSError):
        os.close(os.pidfd_open(os.getpid()))
        return True
    return False


class ForkedProcess:
    """A process that was forked, by us or by the fork server."""

    def __init__(self, pid: int, descriptor: int) -> None:
        """`descriptor` is a pidfd: whatever becomes of the number, it means this process."""
        self.pid = pid
        self._descriptor = descriptor

    def wait(self, timeout: float | None = None) -> None:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        if self._descriptor < 0:
            return
        ended = select.poll()
        ended.register(self._descriptor, select.POLLIN)
        if not ended.poll(None if timeout is None else 1000 * timeout):
            raise subprocess.TimeoutExpired(FORKS, timeout or 0)
        os.close(self._descriptor)
        self._descriptor = -1
        # The server is a child of ours, and its workers are once it has ended, if we are the system's first process.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)


class ForkServer:
    """A process that forks workers. It is started when one is wanted, and anew when it has died. A context manager, for
    whoever prepares it."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._prepared: socket.socket | None = None
        """The control of one that has not been asked for a worker yet."""
        self._control: socket.socket | None = None
        self._answer: asyncio.Future[ForkedProcess] | None = None
        self._turn = asyncio.Lock()
        """One worker is forked at a time."""

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        return None if self._process is None else self._process.pid

    def prepare(self, body: Body, load: Callable[[], None]) -> None:
        """Fork the server from this process, which must have no other thread: what both have loaded they share. What
        workers need besides the server loads, while this process goes on."""
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        gc.collect()
        gc.freeze()  # a collection would write to all objects, and so copy the memory of all
        pid = os.fork()
        if pid == 0:
            ours.close()
            _be_server(theirs, body, load)
        theirs.close()
        self._prepared, self._process = ours, ForkedProcess(pid, os.pidfd_open(pid))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._prepared is not None and self._process is not None:
            self._prepared.close()
            reap(self._process)

    async def start(self, arguments: list[str], pair: socket.socket) -> Process:
        """Fork a worker with these arguments and this end of its pair. Raises OSError."""
        async with self._turn:
            try:
                return await self._ask(arguments, pair)
            except BrokenPipeError:  # it has died since the last time
                return await self._ask(arguments, pair)

    async def _ask(self, arguments: list[str], pair: socket.socket) -> Process:
        control = self._control or self._begin()
        self._answer = asyncio.get_running_loop().create_future()
        try:
            socket.send_fds(control, [json.dumps(arguments).encode()], [pair.fileno()])
            async with asyncio.timeout(START_SECONDS):
                return await self._answer
        except TimeoutError:
            self._end()
            raise OSError(errno.ETIMEDOUT, "no media worker was forked in time") from None
        except BrokenPipeError:
            self._answer.cancel()  # nobody waits for it, if the request could not be sent
            self._end()
            raise
        finally:
            self._answer = None

    async def stop(self) -> None:
        """End the server. The workers go on."""
        if self._process is None:
            return
        process, self._process = self._process, None
        self._close()
        await asyncio.get_running_loop().run_in_executor(None, reap, process)

    def _begin(self) -> socket.socket:
        ours, self._prepared = self._prepared or self._launched(), None
        ours.setblocking(False)
        asyncio.get_running_loop().add_reader(ours.fileno(), self._readable, ours)
        self._control = ours
        return ours

    def _launched(self) -> socket.socket:
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._process = _launch([FORKS], theirs)
            except BaseException:
                ours.close()
                raise
        return ours

    def _readable(self, control: socket.socket) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(control, _MOST_BYTES, 1)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            logger.error("the fork server of the media workers has ended; the next worker gets another")
            self._end()
        elif not descriptors:
            self._fail(OSError(int(data), os.strerror(int(data))))
        elif self._answer is None or self._answer.done():  # whoever asked for this one is gone
            ForkedProcess(int(data), descriptors[0]).kill()
            os.close(descriptors[0])
        else:
            self._answer.set_result(ForkedProcess(int(data), descriptors[0]))

    def _end(self) -> None:
        """It has ended, or does not answer."""
        self._close()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        self._fail(OSError(errno.EPIPE, "the fork server of the media workers has ended"))

    def _fail(self, error: OSError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    def _close(self) -> None:
        if self._prepared is not None:
            self._prepared.close()
            self._prepared = None
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._control.close()
            self._control = None


# -- the child's side ------------------------------------------------------------------------------


def leave_signals_to_the_parent() -> None:
    """Those that reach the whole group are not for us to act upon: calls are hung up first."""
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
        getattr(signal, "SIGHUP", signal.SIGTERM),
    ):  # Windows has no SIGHUP
        signal.signal(number, signal.SIG_IGN)


def _be_server(control: socket.socket, body: Body, load: Callable[[], None]) -> NoReturn:
    try:
        leave_signals_to_the_parent()
        os.environ.update(ONE_THREAD)
        load()
        fork_workers(control, body)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def fork_workers(control: socket.socket, body: Body) -> NoReturn:
    """Fork a process for each request, that does what workers do and ends, until the parent closes its end of
    `control`."""
    leave_signals_to_the_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps who ends
    gc.collect()
    gc.freeze()
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, _MOST_BYTES, 1)
        if not request:
            os._exit(0)  # what this process was forked from has nothing to do here
        try:
            pid = os.fork()
        except OSError as error:
            control.send(str(error.errno).encode())
            pid = -1
        if pid == 0:
            _be_worker(control, body, socket.socket(fileno=descriptors[0]), json.loads(request))
        os.close(descriptors[0])


def _be_worker(control: socket.socket, body: Body, pair: socket.socket, arguments: list[str]) -> NoReturn:
    exit_code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with control:
            myself = os.pidfd_open(os.getpid())
            socket.send_fds(control, [str(os.getpid()).encode()], [myself])
            os.close(myself)
        exit_code = body(pair, arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(exit_code)
