"""The fork server: workers that share memory, live without it, and are noticed and reaped when they die."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from media.messages import WorkerLost
from media.net import SocketMediaNetwork
from media.process import FORKS, ForkServer, can_fork, command
from media.service import MediaService, MediaSettings
from media.worker import WorkerProcess, fork_server
from tests.unit.media.processes import Worker, free_pairs, lives, serving, started
from tests.unit.sipcore.net.loopback import HERE, PATIENCE_SECONDS, run, until

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")


@contextlib.asynccontextmanager
async def forking() -> AsyncIterator[ForkServer]:
    server = ForkServer()
    try:
        yield server
    finally:
        await server.stop()


def pid_of(server: ForkServer) -> int:
    assert server.pid is not None
    return server.pid


def children(pid: int) -> list[int]:
    """The living and the dead."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def own_kilobytes(pid: int) -> int:
    """Memory that no other process shares."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(size) for size in re.findall(r"^Private_\w+: +(\d+) kB", text, re.M))


# -- workers ---------------------------------------------------------------------------------------


def test_a_forked_worker_serves_calls() -> None:
    async def story() -> None:
        async with forking() as server, started(start=server.start) as (worker, port):
            assert children(pid_of(server)) == [worker.pid]
            await worker.echo(1, port)
            assert Path(f"/proc/{worker.pid}/environ").read_bytes().count(b"OPENBLAS_NUM_THREADS=1") == 1

    run(story())


def test_a_worker_shares_most_of_its_memory_with_others() -> None:
    async def story() -> None:
        async with (
            forking() as server,
            started(start=server.start) as (one, _),
            started(start=server.start) as (other, _),
            started() as (alone, _),
        ):
            assert max(own_kilobytes(one.pid), own_kilobytes(other.pid)) < own_kilobytes(alone.pid) / 2

    run(story())


def test_a_forked_worker_that_is_killed_is_noticed_reaped_and_replaced() -> None:
    async def story() -> None:
        async with forking() as server, started(start=server.start) as (worker, port):
            first = worker.pid
            os.kill(first, signal.SIGKILL)
            await worker.replaced()
            assert worker.told_of(WorkerLost) == [WorkerLost(0, ())]
            assert not lives(first)
            assert children(pid_of(server)) == [worker.pid]
            await worker.echo(1, port)

    run(story())


def test_a_forked_worker_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.process.STOP_SECONDS", 0.1)

    async def story() -> None:
        async with forking() as server:
            async with started(1, server.start) as (worker, _):
                pid = worker.pid
                os.kill(pid, signal.SIGSTOP)
            await until(lambda: not lives(pid))

    run(story())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_group_ends_neither(number: signal.Signals) -> None:
    async def story() -> None:
        async with forking() as server, started(start=server.start) as (worker, port):
            pids = pid_of(server), worker.pid
            for pid in pids:
                os.kill(pid, number)
            await worker.echo(1, port)
            async with started(1, server.start):
                assert (server.pid, worker.pid) == pids

    run(story())


# -- the server ------------------------------------------------------------------------------------


def test_a_server_that_dies_is_noticed_and_its_workers_go_on(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with forking() as server, started(start=server.start) as (worker, port):
            first, pid = worker.pid, pid_of(server)
            os.kill(pid, signal.SIGKILL)
            await until(lambda: server.pid is None)
            assert not lives(pid)
            await worker.echo(1, port)
            assert worker.pid == first
            os.kill(first, signal.SIGKILL)
            await worker.replaced()
            assert children(pid_of(server)) == [worker.pid]
            await worker.echo(1, port)

    with caplog.at_level(logging.ERROR):
        run(story())
    assert ENDED in caplog.text


def test_a_server_that_has_died_unnoticed_is_replaced_when_it_is_asked() -> None:
    async def story() -> None:
        async with forking() as server, started(1, server.start):
            first = pid_of(server)
            os.kill(first, signal.SIGKILL)
            os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
            async with started(1, server.start) as (worker, _):
                assert pid_of(server) != first
                assert children(pid_of(server)) == [worker.pid]
            assert not lives(first)

    run(story())


def test_a_stop_leaves_no_process() -> None:
    async def story() -> None:
        async with serving(workers=2, pairs=4) as (service, _, _):
            links = [each.link for each in service._workers]
            pids = [link.pid for link in links if isinstance(link, WorkerProcess) and link.pid is not None]
            assert service._forks is not None
            server = pid_of(service._forks)
            assert sorted(children(server)) == sorted(pids)
            await service.stop()
            assert not lives(server)
            await until(lambda: not any(map(lives, pids)))

    run(story())


def test_a_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with forking() as server, started(1, server.start):
            hanging = pid_of(server)
            os.kill(hanging, signal.SIGSTOP)
            worker = Worker(free_pairs(1), server.start)
            with monkeypatch.context() as impatient:
                impatient.setattr("media.process.START_SECONDS", 0.1)
                with pytest.raises(OSError, match="in time"):
                    await worker.process.start()
            await worker.process.stop()
            assert not lives(hanging)
            async with started(1, server.start):
                assert pid_of(server) != hanging

    run(story())


def test_a_server_that_cannot_be_started_is_an_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with forking() as server:
            worker = Worker(free_pairs(1), server.start)
            with monkeypatch.context() as broken:
                broken.setattr(sys, "executable", "/nowhere/python")
                with pytest.raises(FileNotFoundError):
                    await worker.process.start()
            await worker.process.stop()
            async with started(1, server.start):
                pass

    run(story())


def test_a_worker_whose_start_was_given_up_ends() -> None:
    async def story() -> None:
        async with forking() as server, started(1, server.start) as (worker, _):
            others = [Worker(free_pairs(1), server.start) for _ in range(3)]
            for other in others:
                starting = asyncio.ensure_future(other.process.start())
                await asyncio.sleep(0)
                starting.cancel()
                await asyncio.wait([starting])
                await other.process.stop()
            async with started(1, server.start):  # after all these requests
                await until(lambda: len(children(pid_of(server))) == 2)
            await until(lambda: children(pid_of(server)) == [worker.pid])

    run(story())


def test_why_nothing_can_be_forked_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel says EAGAIN where there are too many processes."""
    boot = "import os; os.fork = lambda: os.strerror(os.close(99))"  # EBADF, as any OSError
    monkeypatch.setattr("media.process._BOOT", f"{boot}; {command()[-1]}")

    async def story() -> None:
        async with forking() as server:
            worker = Worker(free_pairs(1), server.start)
            with pytest.raises(OSError, match="Bad file descriptor"):
                await worker.process.start()
            await worker.process.stop()

    run(story())


def test_a_server_ends_with_its_parent() -> None:
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with theirs:
        server = subprocess.Popen(command(FORKS), stdin=theirs.fileno(), stderr=subprocess.PIPE)
    with server:
        ours.close()
        assert server.wait(PATIENCE_SECONDS) == 0
        assert server.stderr is not None
        assert server.stderr.read() == b""


# -- one that is forked too ------------------------------------------------------------------------


ENDED = "the fork server of the media workers has ended; the next worker gets another"
PREPARED = """
import asyncio, os, re, signal, sys
from pathlib import Path
from tests.unit.media.processes import lives, started
from tests.unit.sipcore.net.loopback import run, until
from media.worker import fork_server

async def story(server):
    first = server.pid
    assert Path(f"/proc/{first}/cmdline").read_bytes() == Path("/proc/self/cmdline").read_bytes()
    async with started(start=server.start) as (worker, port):
        await worker.echo(1, port)
        assert server.pid == first
        os.kill(first, signal.SIGKILL)
        os.kill(worker.pid, signal.SIGKILL)
        await worker.replaced()
        assert not lives(first)
        assert server.pid != first
        await worker.echo(1, port)
    await server.stop()

with fork_server(prepared=True) as server:
    run(story(server))
with fork_server(prepared=True) as unused:
    pass
assert not lives(unused.pid)
print("fine")
"""


def test_a_server_that_is_forked_from_this_process_serves_and_is_replaced() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PREPARED],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", f"{ENDED}\n")


# -- where there is none ---------------------------------------------------------------------------


def test_without_file_descriptors_of_processes_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(pid: int) -> int:
        raise OSError("Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", unknown)
    assert not can_fork()
    assert fork_server(prepared=True) is None


def test_without_a_server_each_worker_is_started_anew() -> None:
    async def story() -> None:
        service = MediaService(MediaSettings(HERE, free_pairs(1), 1), SocketMediaNetwork(), Random(1))
        try:
            await service.start()
            link = service._workers[0].link
            assert isinstance(link, WorkerProcess)
            assert link.pid in children(os.getpid())
        finally:
            await service.stop()

    run(story())


def test_without_workers_there_is_no_use_for_a_server() -> None:
    async def story() -> None:
        async with forking() as server:
            async with started(1, server.start):
                pass
            settings = MediaSettings(HERE, free_pairs(1), 0)
            service = MediaService(settings, SocketMediaNetwork(), Random(1), server)
            try:
                await service.start()
                assert server.pid is None
            finally:
                await service.stop()

    run(story())


def test_elsewhere_nothing_is_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not can_fork()
