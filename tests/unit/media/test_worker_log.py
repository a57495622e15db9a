"""What a media process says is in the log of its parent, and nowhere else."""

from __future__ import annotations

import logging
import socket
import subprocess
from typing import cast

import pytest

from media.messages import Command, Event, OpenStream, PlayFile, WorkerLost
from media.process import Start, command
from media.worker import WorkerProcess
from tests.unit.media.processes import started
from tests.unit.media.studio import plan_for
from tests.unit.sipcore.net.loopback import HERE, PATIENCE_SECONDS, run, until


def test_what_a_process_logs_is_in_the_log_of_its_parent(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with started() as (worker, port):
            phone = worker.phone()
            worker.process.send(OpenStream(1, port, plan_for(phone.address)))
            worker.process.send(PlayFile(1, "/no/where.wav"))
            worker.process.send(cast(Command, "nonsense"))
            await until(lambda: len(caplog.records) >= 2)

    caplog.set_level(logging.WARNING)
    run(story())
    missing, nonsense = sorted(caplog.records, key=lambda record: record.name)  # of two threads
    assert (missing.levelname, missing.name) == ("WARNING", "media.player")
    assert missing.getMessage().startswith("media worker 0: /no/where.wav cannot be played")
    assert (nonsense.levelname, nonsense.name) == ("ERROR", "media.worker")
    assert nonsense.getMessage() == "media worker 0: 'nonsense' could not be handled"
    assert "AttributeError" in nonsense.__dict__["exception"]


NO_RING = "import media.lane; media.lane.UringLane = lambda secret: open('/no/ring')"
BROKEN = "import media.engine; media.engine.MediaEngine.start = lambda engine: 1 / 0"
UPDATED = "import media.wire; media.wire.VERSION = 'another'"
BLIND = "import media.worker; media.worker._loop = lambda lane: 1 / 0"


def starting(change: str, processes: list[subprocess.Popen[bytes]]) -> Start:
    """Starts workers of which something is different; they are noted."""

    async def start(arguments: list[str], pair: socket.socket) -> subprocess.Popen[bytes]:
        *python, code = command()
        code = code.replace("from media.worker", f"exec({change!r}); from media.worker")
        process = subprocess.Popen([*python, code, *arguments], stdin=pair.fileno(), stderr=subprocess.PIPE)
        processes.append(process)
        return process

    return start


def test_what_a_process_says_before_it_has_begun_is_in_the_log_too(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with started(start=starting(NO_RING, processes)):
            await until(lambda: "there is no io_uring" in caplog.text)

    processes: list[subprocess.Popen[bytes]] = []
    caplog.set_level(logging.INFO)
    run(story())
    assert said_by(processes) == b""
    [record] = [each for each in caplog.records if "no io_uring" in each.getMessage()]
    assert (record.levelname, record.name) == ("INFO", "media.lane")
    assert record.getMessage().startswith("media worker 0: media sockets are read and written to one by one")


@pytest.mark.parametrize(("change", "said"), [(BROKEN, "cannot go on"), (BLIND, "cannot begin")])
def test_why_a_process_ends_is_in_the_log_and_nowhere_else(
    change: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        worker = WorkerProcess(0, HERE, (10000, 10003), lambda event: None, starting(change, processes))
        await worker.start()
        try:
            await until(lambda: said in caplog.text)
        finally:
            await worker.stop()

    processes: list[subprocess.Popen[bytes]] = []
    run(story())
    assert said_by(processes) == b""
    record = next(each for each in caplog.records if said in each.getMessage())
    assert record.getMessage() == f"media worker 0: {said}: division by zero"
    assert "ZeroDivisionError" in record.__dict__["exception"]


def test_a_process_of_another_version_does_not_guess_what_it_is_told() -> None:
    """Numbers of messages may mean others there: the program was updated under a parent that runs on."""

    async def story() -> None:
        told: list[Event] = []
        worker = WorkerProcess(0, HERE, (10000, 10003), told.append, starting(UPDATED, processes))
        await worker.start()
        try:
            await until(lambda: WorkerLost(0, ()) in told)
        finally:
            await worker.stop()
        assert set(told) == {WorkerLost(0, ())}

    processes: list[subprocess.Popen[bytes]] = []
    run(story())
    assert said_by(processes).startswith(b"media worker 0: the program has been updated")


def said_by(processes: list[subprocess.Popen[bytes]]) -> bytes:
    """What processes that have ended have written to standard error."""
    return b"".join(process.communicate(timeout=PATIENCE_SECONDS)[1] for process in processes)
