"""Whatever is asked of media, whatever its workers tell, and however late: no port is lost or in use twice, and each
worker is asked for what it can do alone."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from unittest.mock import Mock, patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.messages import (
    Bridge,
    CloseStream,
    Command,
    Echo,
    Event,
    FillPorts,
    JoinRoom,
    OpenStream,
    PortsReady,
    RecordingEnd,
    RecordingEnded,
    Statistics,
    StreamBroken,
    StreamClosed,
    StreamFailed,
    WorkerLost,
)
from media.plan import Codec, StreamPlan
from media.ports import PortsExhausted
from media.service import MediaService, MediaSettings

WORKERS, PAIRS = 2, 4
FIRST, LAST = 20000, 20000 + 2 * WORKERS * PAIRS - 1
PLAN = StreamPlan(Codec.PCMU, 0, 0, None)
NOTHING = {"reserved": 0, "streams": 0, "waiting": 0, "unwritten": 0, "moving": 0}


class FakeWorker:
    """An engine that does what it is told when it has its turn."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.ports = set(range(FIRST + 2 * PAIRS * number, FIRST + 2 * PAIRS * (number + 1), 2))
        self.commands: deque[Command] = deque()
        self.open: dict[int, int] = {}
        """Stream -> port."""
        self.missed: set[int] = set()
        """Streams that could not be opened, or have ended by themselves: whatever is asked of them then is too late."""
        self.unwritten: list[int] = []

    def send(self, command: Command) -> None:
        self.commands.append(command)

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass


class House:
    """A service, its workers, and what has been told of each stream."""

    def __init__(self, workers: int) -> None:
        self.workers = [FakeWorker(number) for number in range(workers)]
        if workers == 1:
            self.workers[0].ports = set(range(FIRST, LAST, 2))
        with patch.object(MediaService, "_link", lambda _, number, *__: self.workers[number]):
            settings = MediaSettings("192.0.2.1", (FIRST, LAST), workers)
            self.service = MediaService(settings, Mock(), random.Random(1))
        self.service.on_event = self.hear
        for worker in self.workers:
            self.service._told(worker.number, PortsReady(worker.number, tuple(sorted(worker.ports))))
        self.streams: dict[int, int] = {}
        """Those that are reserved or open, and the port of each."""
        self.moving: dict[int, int] = {}
        self.stranded: set[int] = set()
        """Those of the moving whose new worker has died."""
        self.failed: list[int] = []
        self.opened: set[int] = set()
        self.ended: list[int] = []
        self.broken: set[int] = set()

    def hear(self, event: Event) -> None:
        if isinstance(event, StreamClosed):
            self.ended.append(event.stream)
            self.drop(event.stream)
        elif isinstance(event, StreamFailed | StreamBroken):
            self.failed.append(event.stream)
            if isinstance(event, StreamBroken):
                self.ended.append(event.stream)
            self.drop(event.stream)
        elif isinstance(event, WorkerLost):
            for stream in event.streams:
                self.drop(stream)

    def drop(self, stream: int) -> None:
        self.streams.pop(stream, None)
        self.stays(stream)

    def stays(self, stream: int) -> None:
        self.moving.pop(stream, None)
        self.stranded.discard(stream)

    # -- the switch -----------------------------------------------------------------------------------

    def reserve(self, beside: int | None) -> None:
        try:
            stream, port = self.service.reserve(beside)
        except PortsExhausted:
            return
        assert port not in self.streams.values()
        assert port not in [port for each, port in self.moving.items() if each not in self.stranded]
        self.streams[stream] = port

    def open(self, stream: int) -> None:
        port = self.moving.get(stream, self.streams[stream])
        if stream in self.stranded:
            self.drop(stream)
        else:
            self.stays(stream)
            self.streams[stream] = port
        self.opened.add(stream)
        self.service.send(OpenStream(stream, port, PLAN))

    def close(self, stream: int) -> None:
        self.drop(stream)
        self.service.send(CloseStream(stream))

    def move(self, stream: int, worker: int) -> None:
        if self.service.worker_of(stream) == worker:
            return
        try:
            port = self.service.move(stream, worker)
        except PortsExhausted:
            return
        self.stays(stream)
        if stream in self.opened:
            self.moving[stream] = port
        else:
            self.streams[stream] = port

    # -- a worker -------------------------------------------------------------------------------------

    def work(self, worker: FakeWorker, fails: bool, recordings: int) -> None:
        """It does the next thing."""
        if not worker.commands:
            if worker.unwritten:
                ended = RecordingEnded(worker.unwritten.pop(), 1.0, 0, RecordingEnd.CLOSED, "a.wav")
                self.service._told(worker.number, ended)
            return
        command = worker.commands.popleft()
        match command:
            case OpenStream(stream, port):
                worker.missed.discard(stream)
                assert stream not in worker.open
                assert port in worker.ports or not self.lives(stream)
                assert port not in worker.open.values()
                if fails or port not in worker.ports:
                    self.broken |= {port} & worker.ports
                    worker.missed.add(stream)
                    self.service._told(worker.number, StreamFailed(stream, "its port is not ready"))
                else:
                    worker.open[stream] = port
            case CloseStream(stream):
                if worker.open.pop(stream, None) is not None:
                    worker.unwritten += [stream] * recordings
                    self.service._told(worker.number, StreamClosed(stream, Statistics(1), recordings))
            case FillPorts():
                again = tuple(sorted(self.broken & worker.ports - set(worker.open.values())))
                self.broken.difference_update(again)
                self.service._told(worker.number, PortsReady(worker.number, again))
            case JoinRoom(stream):
                assert self.is_there(stream, worker)
                if fails and worker.open.pop(stream, None) is not None:
                    worker.missed.add(stream)
                    worker.unwritten += [stream] * recordings
                    end = StreamBroken(stream, "the room is full", Statistics(1), recordings)
                    self.service._told(worker.number, end)
            case Echo(stream):
                assert self.is_there(stream, worker)
            case Bridge(stream, other):
                assert self.is_there(stream, worker)
                assert self.is_there(other, worker)

    def work_off(self, worker: FakeWorker, *, fails: bool = False, recordings: int = 0) -> None:
        """It does all that it has been told to."""
        while worker.commands:
            self.work(worker, fails, recordings)

    def is_there(self, stream: int, worker: FakeWorker) -> bool:
        """Whether it may be asked for something there."""
        return stream in worker.open or stream in worker.missed or not self.lives(stream)

    def lives(self, stream: int) -> bool:
        return stream in self.streams

    def die(self, worker: FakeWorker) -> None:
        worker.commands.clear()
        worker.open.clear()
        worker.missed.clear()
        worker.unwritten.clear()
        self.stranded |= {stream for stream, port in self.moving.items() if port in worker.ports}
        self.service._told(worker.number, WorkerLost(worker.number, ()))
        self.broken -= worker.ports
        self.service._told(worker.number, PortsReady(worker.number, tuple(sorted(worker.ports))))

    def finish(self) -> None:
        for stream in list(self.streams):
            self.close(stream)
        for _ in range(3):
            for worker in self.workers:
                while worker.commands or worker.unwritten:
                    self.work(worker, False, 0)
        assert self.service.live() == NOTHING
        assert len(self.ended) == len(set(self.ended))
        for worker, known in zip(self.workers, self.service._workers, strict=True):
            assert not worker.open
            assert len(known.ready) == len(set(known.ready))
            assert set(known.ready) | self.broken >= worker.ports
            assert not known.streams


@given(st.data(), st.sampled_from([1, WORKERS]))
def test_no_port_is_lost_or_in_use_twice(data: st.DataObject, workers: int) -> None:
    async def play() -> None:
        house = House(workers)
        for _ in range(data.draw(st.integers(10, 40))):
            act(house, data)
        house.finish()

    asyncio.run(play())


DEEDS = [
    *("reserve", "open", "open", "close", "echo", "bridge", "join"),
    *("work", "work", "work", "move", "move", "stay", "die"),
]  # fmt: skip


def act(house: House, data: st.DataObject) -> None:
    """Something happens."""
    deed = data.draw(st.sampled_from(DEEDS))
    worker = data.draw(st.sampled_from(house.workers))
    streams = sorted(house.streams)
    if deed == "reserve":
        house.reserve(data.draw(st.none() | st.sampled_from([*streams, 4711])))
    elif deed == "work":
        house.work(worker, data.draw(st.integers(0, 9)) == 9, data.draw(st.integers(0, 1)))
    elif deed == "die":
        if data.draw(st.integers(0, 4)) == 4:
            house.die(worker)
    elif streams:
        stream, other = (data.draw(st.sampled_from(streams)) for _ in range(2))
        if deed == "open":
            if stream not in house.opened or stream in house.moving:
                house.open(stream)
        elif deed == "close":
            house.close(stream)
        elif deed == "echo":
            house.service.send(Echo(stream))
        elif deed == "join":
            house.service.send(JoinRoom(stream, house.service.room_beside(stream)))
        elif deed == "bridge":
            house.service.send(Bridge(stream, other))
        elif deed == "move":
            house.move(stream, worker.number)
            if stream in house.moving and data.draw(st.booleans()):
                house.open(stream)
        else:
            house.stays(stream)
            house.service.stay(stream)


# -- what chance would seldom find -------------------------------------------------------------------------


def moved(*, was_open: bool) -> House:
    """A stream that has moved from the first worker to the second, of which neither has heard yet; whether the first
    had heard of its beginning."""
    house = House(WORKERS)
    house.reserve(None)
    house.open(1)
    if was_open:
        house.work_off(house.workers[0])
    house.move(1, 1)
    house.open(1)
    return house


async def test_one_that_could_not_be_opened_where_it_was_goes_on_where_it_is() -> None:
    house = moved(was_open=False)
    first, second = house.workers
    house.work_off(first, fails=True)
    house.work_off(second)
    assert not house.failed
    assert second.open == house.streams
    assert house.service.worker_of(1) == 1
    house.finish()
    assert house.ended == [1]


async def test_one_that_has_failed_where_it_was_goes_on_where_it_is() -> None:
    """It could not join a room there, and was closed."""
    house = moved(was_open=True)
    first, second = house.workers
    house.work_off(second)
    first.open.clear()
    house.service._told(0, StreamBroken(1, "cannot join a room", Statistics(1)))
    assert not house.failed
    assert house.service.worker_of(1) == 1
    house.finish()
    assert house.ended == [1]


@pytest.mark.parametrize("way", [(1, 0), (1, 0, 1)])
async def test_one_that_has_failed_in_its_first_stay_goes_on_in_its_last(way: tuple[int, ...]) -> None:
    """It could not join a room; by then it had moved away and come back, of which the worker had not heard."""
    house = House(WORKERS)
    first, second = house.workers
    house.reserve(None)
    house.open(1)
    house.work_off(first)
    house.service.send(JoinRoom(1, house.service.room_beside(1)))
    for worker in way:
        house.move(1, worker)
        house.open(1)
    house.work(first, True, 0)
    house.work_off(first)
    house.work_off(second)
    assert (house.ended, house.failed) == ([], [])
    assert first.open | second.open == house.streams
    house.finish()
    assert house.ended == [1]


async def test_one_that_fails_where_it_has_come_to_is_told_with_how_it_went_before() -> None:
    house = moved(was_open=True)
    first, second = house.workers
    told: list[Event] = []
    house.work_off(first)
    house.service.on_event = told.append
    house.work_off(second, fails=True)
    assert told == [StreamBroken(1, "its port is not ready", Statistics(1))]
    house.hear(*told)
    house.finish()


async def test_one_whose_new_worker_has_died_ends_with_all_that_it_has() -> None:
    house = House(WORKERS)
    first, second = house.workers
    house.reserve(None)
    house.open(1)
    house.work_off(first)
    house.move(1, 1)
    house.die(second)
    assert house.service.worker_of(1) == 0  # until its phone has taken the port that is gone
    house.open(1)
    house.work_off(first)
    assert (house.ended, house.failed) == ([1], [1])
    house.finish()


async def test_a_recording_is_told_of_though_its_stream_has_come_back_and_left_again() -> None:
    house = moved(was_open=True)
    first, _ = house.workers
    house.work_off(first, recordings=1)
    for worker in (0, 1):
        house.move(1, worker)
        house.open(1)
    house.service._told(0, RecordingEnded(first.unwritten.pop(), 1.0, 0, RecordingEnd.CLOSED, "a.wav"))
    assert house.service.live()["unwritten"] == 0
    house.finish()
