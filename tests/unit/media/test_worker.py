"""A real media process: commands arrive, events come back, and nobody waits for one that has died."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from media import wire
from media.messages import (
    Bridge,
    CloseStream,
    Command,
    Echo,
    Event,
    OpenStream,
    PlayEnded,
    PlayFile,
    PlayTone,
    PortsReady,
    RecordCall,
    RecordFile,
    RecordingEnded,
    ReportStream,
    StreamClosed,
    StreamLatched,
    StreamReported,
    WorkerLost,
)
from media.net import SocketMediaNetwork
from media.process import command
from media.service import MediaService, MediaSettings, PortsExhausted
from media.tones import Tone
from media.wav import WavReader, WavWriter
from media.worker import PunctualSelector, WorkerProcess
from tests.unit.media.processes import HELLO, Phone, Worker, bound, free_pairs, lives, serving, started
from tests.unit.media.studio import plan_for
from tests.unit.sipcore.net.loopback import HERE, PATIENCE_SECONDS, run, until


def test_a_recording_is_whole_when_its_end_is_told_and_the_end_of_its_stream_tells_of_it(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        path = tmp_path / "hello.wav"
        async with started() as (worker, port):
            phone = worker.phone()
            worker.process.send(OpenStream(1, port, plan_for(phone.address)))
            worker.process.send(RecordFile(1, str(path)))
            await worker.latched(1, phone, port)
            await worker.ticked()
            worker.process.send(CloseStream(1))
            await until(lambda: worker.told_of(StreamClosed) and worker.told_of(RecordingEnded))
            [closed], [recorded] = worker.told_of(StreamClosed), worker.told_of(RecordingEnded)
            assert closed.recordings == (worker.told.index(closed) < worker.told.index(recorded))
            assert path.stat().st_size == 44 + 16000 * recorded.seconds > 44

    run(story())


def test_an_engine_in_the_main_process_leaves_files_to_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str] = []

    class Reader(WavReader):
        def frame(self) -> bytes | None:
            used.append(threading.current_thread().name)
            return super().frame()

    class Writer(WavWriter):
        def write(self, pcm: bytes) -> None:
            used.append(threading.current_thread().name)
            super().write(pcm)

    async def story() -> None:
        told, (first, last) = list[Event](), free_pairs(1)
        settings = MediaSettings(HERE, (first, last), workers=0, threads=True)
        service = MediaService(settings, SocketMediaNetwork(), Random(1))
        service.on_event = told.append
        try:
            await service.start()
            with Phone() as phone:
                stream = service.reserve()
                service.send(OpenStream(stream.stream, stream.port, plan_for(phone.address)))
                service.send(RecordFile(stream.stream, str(tmp_path / "said.wav")))
                service.send(PlayFile(stream.stream, str(played)))
                await until(lambda: PlayEnded(stream.stream) in told and phone.heard)
                service.send(CloseStream(stream.stream))
                await until(lambda: any(isinstance(event, StreamClosed) for event in told))
        finally:
            await service.stop()
        assert any(isinstance(event, RecordingEnded) for event in told)
        assert set(used) == {"disk"}

    played = tmp_path / "played.wav"
    with contextlib.closing(WavWriter(played)) as writer:
        writer.write(bytes(range(200)) * 16)
    monkeypatch.setattr("media.prompts.files.WavReader", Reader)
    monkeypatch.setattr("media.recorder.WavWriter", Writer)
    run(story())


# -- a process -------------------------------------------------------------------------------------


@pytest.mark.row("CORE-01")
def test_commands_arrive_and_events_come_back() -> None:
    async def story() -> None:
        async with started() as (worker, port):
            assert worker.told == [PortsReady(0, (port, port + 2, port + 4, port + 6))]
            one, other = worker.phone(), worker.phone()
            worker.process.send(OpenStream(1, port, plan_for(one.address)))
            worker.process.send(OpenStream(2, port + 2, plan_for(other.address)))
            worker.process.send(Bridge(1, 2))
            worker.process.send(PlayFile(3, "no such stream"))
            worker.process.send(PlayTone(1, Tone.sine(440)))
            await until(lambda: one.heard)
            worker.process.send(Bridge(1, 2))
            await worker.answer(ReportStream(1), StreamReported)
            one.say(HELLO, (HERE, port))
            await until(lambda: len(other.heard) >= len(HELLO) and worker.told_of(StreamLatched))
            assert other.heard == HELLO
            assert worker.told_of(StreamLatched) == [StreamLatched(1, one.address)]
            worker.process.send(CloseStream(1))
            await until(lambda: worker.told_of(StreamClosed))
            [closed] = worker.told_of(StreamClosed)
            assert (closed.stream, closed.statistics.packets_received) == (1, len(HELLO))

    run(story())


def test_a_killed_process_is_noticed_and_replaced() -> None:
    async def story() -> None:
        async with started() as (worker, port):
            first = worker.pid
            os.kill(first, signal.SIGKILL)
            await worker.replaced()
            assert worker.pid != first
            assert not lives(first)
            assert worker.told_of(WorkerLost) == [WorkerLost(0, ())]
            assert set(worker.told_of(PortsReady)[1].ports) == {port, port + 2, port + 4, port + 6}
            await worker.echo(1, port)

    run(story())


def test_a_process_that_cannot_be_replaced_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with started() as (worker, port):
            with monkeypatch.context() as broken:
                broken.setattr(sys, "executable", "/nowhere/python")
                os.kill(worker.pid, signal.SIGKILL)
                await until(lambda: caplog.text.count("cannot be started again") >= 2)
                worker.process.send(Echo(1))  # lost: nobody is there
            await worker.replaced()
            await worker.echo(2, port)

    run(story())


def test_a_process_that_cannot_be_started_is_an_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        worker = Worker(free_pairs(1))
        with pytest.raises(FileNotFoundError):
            await worker.process.start()
        await worker.process.stop()

    run(story())


def test_a_stop_ends_the_process_its_streams_and_its_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.process.STOP_SECONDS", PATIENCE_SECONDS)

    async def story() -> None:
        async with started() as (worker, port):
            pid, phone = worker.pid, worker.phone()
            worker.process.send(OpenStream(1, port, plan_for(phone.address)))
            worker.process.send(PlayTone(1, Tone.sine(440)))
            await until(lambda: phone.heard)
            await worker.process.stop()
            await until(lambda: phone.byes == 1)
            assert not lives(pid)
            assert worker.process.pid is None
            bound(port).close()
            await worker.process.stop()
        assert worker.told_of(WorkerLost) == []

    run(story())


def test_a_process_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.process.STOP_SECONDS", 0.1)

    async def story() -> None:
        async with started(1) as (worker, _):
            pid = worker.pid
            os.kill(pid, signal.SIGSTOP)
        assert not lives(pid)

    run(story())


def test_a_stop_in_the_middle_of_a_restart_leaves_no_process() -> None:
    async def story() -> None:
        async with started() as (worker, _):
            os.kill(worker.pid, signal.SIGKILL)
            await until(lambda: worker.told_of(WorkerLost))
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        assert {task.get_name() for task in tasks} <= {"Task-1"}  # the one that limits this test
        assert worker.process.pid is None

    run(story())


@pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="the environment of a process is not shown here"
)
def test_a_process_counts_on_one_thread() -> None:
    async def story() -> None:
        async with started() as (worker, _):
            environment = Path(f"/proc/{worker.pid}/environ").read_bytes().split(b"\0")
            assert b"OPENBLAS_NUM_THREADS=1" in environment

    run(story())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_group_is_for_the_parent_to_act_upon(number: signal.Signals) -> None:
    """Ctrl-C, or a service manager: calls are hung up first."""

    async def story() -> None:
        async with started() as (worker, port):
            pid = worker.pid
            os.kill(pid, number)
            await worker.echo(1, port)
            await worker.echo(2, port + 2)
            assert worker.pid == pid

    run(story())


def test_one_call_that_goes_wrong_leaves_the_others_alone() -> None:
    """A path that is none, a peer at the last port, a command that is none."""

    async def story() -> None:
        async with started() as (worker, port):
            pid, phone = worker.pid, worker.phone()
            worker.process.send(OpenStream(1, port, plan_for(phone.address)))
            worker.process.send(PlayTone(1, Tone.sine(440)))
            worker.process.send(cast(Command, "nonsense"))
            worker.process.send(OpenStream(3, port + 4, plan_for((HERE, 65535))))
            worker.process.send(PlayFile(3, "a\0b"))
            await until(lambda: worker.told_of(PlayEnded) and phone.heard)
            worker.process.send(PlayTone(3, Tone.sine(440)))
            worker.process.send(CloseStream(3))
            await until(lambda: worker.told_of(StreamClosed))
            phone.heard.clear()
            await until(lambda: phone.heard)
            assert worker.pid == pid

    run(story())


# -- all processes together ------------------------------------------------------------------------


def test_a_lost_worker_takes_its_own_calls_along_and_no_other() -> None:
    async def story() -> None:
        async with serving(workers=2, pairs=4) as (service, told, first):
            with Phone() as phone, Phone() as lost:
                await lose_one(service, told, first, phone, lost)

    async def lose_one(
        service: MediaService, told: list[Event], first: int, phone: Phone, lost: Phone
    ) -> None:
        one, other = service.reserve(), service.reserve()
        beside_one, beside_other = service.reserve(beside=one.stream), service.reserve(beside=other.stream)
        assert {one.port, beside_one.port} == {first, first + 2}
        assert {other.port, beside_other.port} == {first + 4, first + 6}
        with pytest.raises(PortsExhausted):
            service.reserve()
        service.send(OpenStream(one.stream, one.port, plan_for(lost.address)))
        service.send(OpenStream(other.stream, other.port, plan_for(phone.address)))
        for stream in (one.stream, other.stream):
            service.send(PlayTone(stream, Tone.sine(440)))
        await until(lambda: phone.heard and lost.heard)
        link = service._workers[0].link
        assert isinstance(link, WorkerProcess)
        assert link.pid is not None
        os.kill(link.pid, signal.SIGKILL)
        await until(lambda: told)
        assert isinstance(told[0], WorkerLost)
        assert (told[0].worker, set(told[0].streams)) == (0, {one.stream, beside_one.stream})
        assert service.live()["streams"] == service.live()["reserved"] == 1
        service.send(OpenStream(beside_one.stream, beside_one.port, plan_for(lost.address)))  # too late
        phone.heard.clear()
        await until(lambda: phone.heard)
        await until(lambda: service._workers[0].ready)
        again = service.reserve()
        assert again.port in (first, first + 2)

    run(story())


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_told_of_streams_that_a_stop_closes_is_waited_for(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How they went, and that their recordings are whole: calls have both in their records."""
    monkeypatch.setattr("media.service.LAST_WORDS_SECONDS", PATIENCE_SECONDS)

    async def story() -> None:
        async with serving(workers, pairs=4) as (service, told, _):
            streams = [service.reserve() for _ in range(4)]
            for each in streams:
                service.send(OpenStream(each.stream, each.port, plan_for((HERE, 65535))))
                service.send(RecordCall(each.stream, str(tmp_path / f"{each.stream}.wav")))
            for each in streams:
                service.send(CloseStream(each.stream))
        numbers = {each.stream for each in streams}
        for kind in (StreamClosed, RecordingEnded):
            assert {event.stream for event in told if isinstance(event, kind)} == numbers
        assert not any(service.live().values())

    run(story())


def test_a_stop_waits_for_a_process_that_hangs_but_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.process.STOP_SECONDS", 0.1)
    monkeypatch.setattr("media.service.LAST_WORDS_SECONDS", 0.1)

    async def story() -> None:
        async with serving(workers=1, pairs=4) as (service, told, _):
            link, one = service._workers[0].link, service.reserve()
            assert isinstance(link, WorkerProcess)
            assert link.pid is not None
            os.kill(link.pid, signal.SIGSTOP)
            service.send(OpenStream(one.stream, one.port, plan_for((HERE, 65535))))
            service.send(CloseStream(one.stream))
        assert told == []
        assert link.pid is None

    run(story())


def test_where_a_worker_finds_no_port_the_start_fails_at_once() -> None:
    async def story() -> None:
        first, last = free_pairs(1)
        service = MediaService(MediaSettings(HERE, (first, last), workers=1), SocketMediaNetwork(), Random(1))
        with bound(first):
            try:
                with pytest.raises(OSError, match="media worker 0 has ended at its start"):
                    await service.start()
            finally:
                await service.stop()

    run(story())


# -- the child alone -------------------------------------------------------------------------------


def frame(*values: object) -> bytes:
    data = wire.dumps(values)
    return len(data).to_bytes(4, "big") + data


def spawn(ports: tuple[int, int]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A worker process whose parent is this test, byte for byte."""
    ours, theirs = socket.socketpair()
    with theirs:
        child = subprocess.Popen(
            command("7", HERE, *map(str, ports), "30", wire.VERSION),
            stdin=theirs.fileno(),
            stderr=subprocess.PIPE,
        )
    ours.settimeout(PATIENCE_SECONDS)
    return child, ours


@pytest.mark.parametrize("last_words", [b"", b"\0\0\0\x10half", b"\0\0\0\x04nope", b"\xff" * 100])
def test_a_child_ends_when_its_pair_breaks_however_it_breaks(last_words: bytes) -> None:
    ports = free_pairs(1)
    child, pair = spawn(ports)
    with child, pair, pair.makefile("rb") as incoming:
        told = wire.loads(incoming.read(int.from_bytes(incoming.read(4), "big")))
        assert told == [PortsReady(7, (ports[0],))]
        pair.sendall(last_words)
        pair.shutdown(socket.SHUT_WR)
        assert incoming.read() == b""
        assert child.wait(PATIENCE_SECONDS) == 0
    bound(ports[0]).close()


def test_modules_of_the_working_directory_are_not_taken_for_those_of_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bisect.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path)
    child, pair = spawn(free_pairs(1))
    with child, pair:
        pair.shutdown(socket.SHUT_WR)
        assert child.wait(PATIENCE_SECONDS) == 0


def test_a_child_without_a_port_ends_and_says_why() -> None:
    ports = free_pairs(1)
    with bound(ports[0]):
        child, pair = spawn(ports)
        with child, pair, pair.makefile("rb") as incoming:
            [words] = wire.loads(incoming.read(int.from_bytes(incoming.read(4), "big")))
            assert child.wait(PATIENCE_SECONDS) == 1
    assert (words.level, words.exception) == (logging.ERROR, "")
    assert words.text.startswith("cannot go on: [Errno")
    assert f"{ports[0]}-{ports[1]}" in words.text


# -- waking up -------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="the system has no epoll")
def test_a_wake_up_is_not_put_off_to_a_whole_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    """Epoll counts in those, and rounds up."""
    waited: list[float] = []
    wait = select.select

    def noted(readers: list[object], *others: Any) -> object:
        waited.append(others[-1])
        return wait(cast(Any, readers), *others)

    monkeypatch.setattr("media.worker.select.select", noted)
    ours, theirs = socket.socketpair()
    with PunctualSelector() as selector, ours, theirs:
        selector.register(ours, selectors.EVENT_READ)
        assert selector.select(0.0021) == []
        assert waited == [0.0021]
        assert selector.select(0) == []
        theirs.send(b"x")
        for timeout in (None, PATIENCE_SECONDS, 0):
            assert [key.fileobj for key, _ in selector.select(timeout)] == [ours]
        assert waited == [0.0021, PATIENCE_SECONDS]


@pytest.mark.skipif(sys.platform != "linux", reason="what a process has loaded is read in /proc")
def test_codecs_are_loaded_from_the_first_call_on_before_one_wants_them() -> None:
    async def story() -> None:
        told: list[Event] = []
        worker = WorkerProcess(0, HERE, free_pairs(16), told.append, codecs=["PCMA", "opus"])
        await worker.start()

        def loaded() -> bool:
            return "libavcodec" in Path(f"/proc/{worker.pid}/maps").read_text()

        try:
            await until(lambda: any(isinstance(event, PortsReady) for event in told))
            ports = [port for event in told if isinstance(event, PortsReady) for port in event.ports]
            assert not loaded()  # an idle worker goes without
            worker.send(OpenStream(1, ports[0], plan_for((HERE, 9))))
            await until(loaded)
            assert not [event for event in told if isinstance(event, WorkerLost)]
        finally:
            await worker.stop()

    run(story())
