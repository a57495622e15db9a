"""The switch's side of media: ports are handed out and come back, and every stream has an end."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from media import ports as ports_module
from media.codecs import g711
from media.messages import (
    Bridge,
    CloseStream,
    Echo,
    Event,
    OpenStream,
    PlayFiles,
    PlayTone,
    PortsReady,
    RecordCall,
    RecordingEnd,
    RecordingEnded,
    RecordingFailed,
    Statistics,
    StreamClosed,
    StreamFailed,
    WorkerLost,
)
from media.plan import Codec
from media.service import InlineEngine, MediaService, MediaSettings, PortsExhausted, Reservation
from media.tones import Tone
from media.wav import WavWriter
from tests.simulation.office import DistantEngine
from tests.simulation.simulation import Simulation
from tests.unit.media.studio import PBX, Peer, SlowDisk, frames, plan_for

HELLO = frames(1, 10)
NOTHING = {"reserved": 0, "streams": 0, "waiting": 0, "unwritten": 0, "moving": 0}


class House:
    """A service with an inline engine, and what it tells."""

    def __init__(
        self, simulation: Simulation, first: int = 20000, last: int = 20007, workers: int = 0
    ) -> None:
        self.simulation = simulation
        self.host = simulation.network.host(PBX)
        settings = MediaSettings(PBX, (first, last), workers)
        worker = partial(DistantEngine, self.host, simulation.dice("workers"))
        with patch("media.service.WorkerProcess", worker):
            self.service = MediaService(settings, self.host, simulation.dice("media"))
        self.told: list[Event] = []
        self.service.on_event = self.told.append
        self._hosts = 0

    def reserve(self) -> tuple[OpenStream, Peer]:
        """What opens a stream that has been reserved, and its peer."""
        self._hosts += 1
        peer = Peer(self.simulation, self.simulation.network.host(f"10.0.1.{self._hosts}"))
        reserved = self.service.reserve()
        peer.towards = (PBX, reserved.port)
        return OpenStream(reserved.stream, reserved.port, plan_for(peer.address)), peer

    def open(self) -> tuple[int, Peer]:
        """A stream and its peer."""
        command, peer = self.reserve()
        self.service.send(command)
        return command.stream, peer

    async def stop(self) -> None:
        """Stop; fails if anything is left."""
        await self.service.stop()
        assert self.service.live() == NOTHING
        assert self.host.open_ports() == []


async def started(simulation: Simulation, first: int = 20000, last: int = 20007, workers: int = 0) -> House:
    house = House(simulation, first, last, workers)
    await house.service.start()
    return house


async def test_every_reservation_is_another_stream_on_another_port(simulation: Simulation) -> None:
    house = await started(simulation)
    reserved = [house.service.reserve() for _ in range(4)]
    assert [each.port for each in reserved] == [20000, 20002, 20004, 20006]
    assert len({each.stream for each in reserved}) == 4
    assert house.service.live() == NOTHING | {"reserved": 4}
    for each in reserved:
        house.service.send(CloseStream(each.stream))
    await house.stop()


async def test_without_a_free_port_there_is_no_reservation_until_one_is_freed(simulation: Simulation) -> None:
    house = await started(simulation)
    streams = [house.open()[0] for _ in range(4)]
    with pytest.raises(PortsExhausted):
        house.service.reserve()
    assert house.service.live() == NOTHING | {"streams": 4}
    house.service.send(CloseStream(streams[2]))
    again = house.service.reserve()
    assert again == Reservation(again.stream, 20004)
    assert again.stream not in streams
    house.service.send(CloseStream(again.stream))
    await house.stop()


async def test_a_thousand_phones_may_ring_at_once(simulation: Simulation) -> None:
    """Reserved ports are not open streams yet: more are bound as they are handed out, to the last of the range."""
    house = await started(simulation, 20000, 21999)
    reserved = [house.service.reserve() for _ in range(1000)]
    assert {each.port for each in reserved} == set(range(20000, 22000, 2))
    with pytest.raises(PortsExhausted):
        house.service.reserve()
    for each in reserved:
        house.service.send(CloseStream(each.stream))
    await house.stop()


async def test_a_reservation_that_was_never_used_gives_its_port_back(simulation: Simulation) -> None:
    """A call that was refused: no stream was opened, so none is told as closed."""
    house = await started(simulation, 20000, 20001)
    for _ in range(10):
        house.service.send(CloseStream(house.service.reserve().stream))
    assert house.service.live() == NOTHING
    assert house.told == []
    await house.stop()


async def test_a_port_that_comes_back_serves_the_next_call(simulation: Simulation) -> None:
    house = await started(simulation, 20000, 20003)
    for _ in range(10):
        (one, lee), (other, richardson) = house.open(), house.open()
        house.service.send(Bridge(one, other))
        await asyncio.gather(lee.say(HELLO), richardson.say(HELLO))
        assert (lee.heard(), richardson.heard()) == (HELLO, HELLO)
        house.service.send(CloseStream(one))
        house.service.send(CloseStream(other))
        assert house.service.live() == NOTHING
    await house.stop()


async def test_packets_of_the_call_before_do_not_reach_the_next(simulation: Simulation) -> None:
    """The same port, and the old phone has not noticed yet that it was hung up."""
    house = await started(simulation, 20000, 20001)
    first, late = house.open()
    await late.say(HELLO)
    house.service.send(CloseStream(first))
    second, lee = house.open()
    house.service.send(Echo(second))
    assert late.towards == lee.towards
    await asyncio.gather(late.say(frames(200, 10)), lee.say(HELLO))
    assert lee.heard() == HELLO
    assert late.heard() == []
    await house.stop()


async def test_a_stream_beside_another_is_served_by_the_same_engine(simulation: Simulation) -> None:
    house = await started(simulation)
    stream, _ = house.open()
    beside = house.service.reserve(beside=stream)
    beside_reserved = house.service.reserve(beside=beside.stream)
    beside_nobody = house.service.reserve(beside=4711)
    assert house.service.live() == NOTHING | {"reserved": 3, "streams": 1}
    for each in (beside, beside_reserved, beside_nobody):
        house.service.send(CloseStream(each.stream))
    await house.stop()


async def test_what_is_asked_of_a_reserved_stream_waits_until_it_is_open(simulation: Simulation) -> None:
    """A call may be answered before the caller's media is known: RFC 3264 section 5, of a late offer."""
    house = await started(simulation)
    command, lee = house.reserve()
    house.service.send(PlayTone(command.stream, Tone.sine(440)))
    house.service.send(Echo(command.stream))
    await asyncio.sleep(0.1)
    assert house.service.live() == NOTHING | {"reserved": 1, "waiting": 1}
    house.service.send(command)
    assert house.service.live() == NOTHING | {"streams": 1}
    await lee.say(HELLO)
    assert lee.heard() == HELLO  # in their order: the echo was the last
    await house.stop()


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("asked", [0, 1])
async def test_a_bridge_waits_for_both_its_streams(simulation: Simulation, asked: int, turned: bool) -> None:
    """Asked for when none or one of them is open."""
    house = await started(simulation)
    (first, lee), (second, richardson) = house.reserve(), house.reserve()
    one, other = (second, first) if turned else (first, second)
    for command in (first, second)[:asked]:
        house.service.send(command)
    house.service.send(Bridge(one.stream, other.stream))
    for command in (first, second)[asked:]:
        house.service.send(command)
    await asyncio.gather(lee.say(HELLO), richardson.say(HELLO))
    assert (lee.heard(), richardson.heard()) == (HELLO, HELLO)
    await house.stop()


@pytest.mark.parametrize("gone_first", [False, True])
async def test_what_waits_for_a_stream_that_is_never_opened_is_forgotten(
    simulation: Simulation, gone_first: bool
) -> None:
    house = await started(simulation)
    (first, lee), (second, _) = house.reserve(), house.reserve()
    house.service.send(first)
    house.service.send(Bridge(first.stream, second.stream))
    for command in (first, second) if gone_first else (second, first):
        house.service.send(CloseStream(command.stream))
    assert house.service.live() == NOTHING
    await lee.say(HELLO)
    assert lee.heard() == []
    await house.stop()


async def test_events_go_to_whoever_asked_for_them(simulation: Simulation) -> None:
    house = await started(simulation)
    stream, lee = house.open()
    await lee.say(HELLO)
    house.service.send(CloseStream(stream))
    [closed] = [event for event in house.told if isinstance(event, StreamClosed)]
    assert (closed.stream, closed.statistics.packets_received) == (stream, len(HELLO))
    await house.stop()


async def test_commands_for_a_stream_that_has_ended_or_never_was_are_dropped(simulation: Simulation) -> None:
    house = await started(simulation)
    stream, lee = house.open()
    house.service.send(CloseStream(stream))
    before = list(house.told)
    for number in (stream, 4711):
        house.service.send(PlayTone(number, Tone.sine(440)))
        house.service.send(CloseStream(number))
        house.service.send(OpenStream(number, 20000, plan_for(lee.address)))
    await asyncio.sleep(1)
    assert house.told == before
    assert lee.heard() == []
    await house.stop()


async def test_a_stream_that_failed_is_forgotten(simulation: Simulation) -> None:
    house = await started(simulation)
    reserved = house.service.reserve()
    house.service.send(OpenStream(reserved.stream, 29998, plan_for(("10.0.9.9", 4000))))
    assert house.told == [StreamFailed(reserved.stream, "port 29998 is not ready")]
    assert house.service.live() == NOTHING
    await house.stop()


async def test_stopping_ends_every_stream(simulation: Simulation) -> None:
    house = await started(simulation)
    streams = {house.open()[0] for _ in range(3)}
    await house.stop()
    assert {event.stream for event in house.told if isinstance(event, StreamClosed)} == streams


async def test_a_service_whose_ports_are_all_taken_does_not_start(simulation: Simulation) -> None:
    house = House(simulation)
    for port in range(20000, 20008):
        house.host.open_media((PBX, port), lambda data, source: None)
    with pytest.raises(OSError, match="no media port"):
        await house.service.start()


# -- streams that move -------------------------------------------------------------------------------


async def settled() -> None:
    """What the engines tell has come."""
    await asyncio.sleep(0.2)


async def test_a_stream_that_is_not_open_moves_at_once(simulation: Simulation) -> None:
    house = await started(simulation, workers=2)
    reserved = house.service.reserve()
    assert house.service.worker_of(reserved.stream) == 0
    port = house.service.move(reserved.stream, 1)
    assert (house.service.worker_of(reserved.stream), port) == (1, 20004)
    house.service.send(CloseStream(reserved.stream))
    assert house.service.live() == NOTHING
    await house.stop()


async def test_two_streams_of_different_engines_are_bridged_once_one_has_moved(
    simulation: Simulation,
) -> None:
    house = await started(simulation, last=20015, workers=2)
    (one, lee), (other, richardson) = house.open(), house.open()
    assert [house.service.worker_of(stream) for stream in (one, other)] == [0, 1]
    house.service.send(Bridge(one, other))
    await asyncio.gather(lee.say(HELLO), richardson.say(HELLO))
    assert lee.heard() == richardson.heard() == []
    port = house.service.move(one, 1)
    assert house.service.live()["moving"] == 1 + 2
    lee.towards = (PBX, port)
    house.service.send(OpenStream(one, port, plan_for(lee.address)))
    assert house.service.worker_of(one) == 1
    await settled()
    await asyncio.gather(lee.say(HELLO), richardson.say(HELLO))
    assert (lee.heard(), richardson.heard()) == (HELLO, HELLO)
    house.service.send(CloseStream(one))
    house.service.send(CloseStream(other))
    await settled()
    closed = [event for event in house.told if isinstance(event, StreamClosed)]
    assert [event.stream for event in closed] == [one, other]
    assert [event.statistics.packets_received for event in closed] == [20, 20]
    await house.stop()


async def test_how_a_stream_went_that_ends_as_it_moves_is_told_of_both_engines(simulation: Simulation) -> None:
    house = await started(simulation, last=20015, workers=2)
    stream, lee = house.open()
    await lee.say(HELLO)
    house.service.send(OpenStream(stream, house.service.move(stream, 1), plan_for(lee.address)))
    house.service.send(CloseStream(stream))
    assert house.service.tells_more_of(stream)
    await settled()
    [closed] = [event for event in house.told if isinstance(event, StreamClosed)]
    assert (closed.stream, closed.statistics.packets_received) == (stream, len(HELLO))
    assert house.service.live() == NOTHING
    await house.stop()


async def test_music_goes_on_where_it_was_in_the_engine_that_a_stream_moves_to(
    simulation: Simulation, tmp_path: Path
) -> None:
    """Each frame of it is louder than the one before."""
    song = tmp_path / "song.wav"
    writer = WavWriter(song)
    for number in range(100):
        writer.write((100 * number).to_bytes(2, "little") * 160)
    writer.close()
    house = await started(simulation, last=20015, workers=2)
    stream, lee = house.open()
    house.service.send(PlayFiles(stream, (str(song),), again=True))
    await asyncio.sleep(0.5)
    before = lee.heard()
    port = house.service.move(stream, 1)
    lee.towards = (PBX, port)
    house.service.send(OpenStream(stream, port, plan_for(lee.address)))
    await asyncio.sleep(0.5)
    house.service.send(CloseStream(stream))
    await settled()
    frames = [g711.decode(Codec.PCMU, payload)[:2] for payload in before + lee.heard()]
    steps = [round(int.from_bytes(frame, "little", signed=True) / 100) for frame in frames]
    assert len(steps) > len(before) > 20
    assert steps == pytest.approx(list(range(len(steps))), abs=2)
    await house.stop()


async def test_nothing_is_kept_of_a_bridge_to_a_stream_that_has_ended(simulation: Simulation) -> None:
    house = await started(simulation, workers=2)
    (one, _), (other, _) = house.open(), house.open()
    house.service.send(CloseStream(other))
    await settled()
    house.service.send(Bridge(one, other))
    house.service.send(CloseStream(one))
    await settled()
    assert house.service.live() == NOTHING
    await house.stop()


async def test_a_stream_that_stays_gives_the_port_back(simulation: Simulation) -> None:
    house = await started(simulation, last=20003, workers=2)
    stream, _ = house.open()
    port = house.service.move(stream, 1)
    with pytest.raises(PortsExhausted):
        house.service.move(house.open()[0], 1)
    house.service.stay(stream)
    assert house.service.worker_of(stream) == 0
    assert house.service.reserve().port == port


async def test_what_became_of_recordings_is_waited_for_after_the_end_of_their_stream(
    simulation: Simulation,
) -> None:
    house = await started(simulation)
    stream, _ = house.open()
    service = house.service
    service._told(0, StreamClosed(stream, Statistics(), recordings=2))
    assert service.live() == NOTHING | {"unwritten": 1}
    assert service.tells_more_of(stream)
    service._told(0, RecordingFailed(stream, "the disk is full", "a.wav"))
    assert service.tells_more_of(stream)
    service._told(0, RecordingEnded(stream, 1.0, 0, RecordingEnd.CLOSED, "b.wav"))
    assert not service.tells_more_of(stream)
    assert [type(event) for event in house.told[-3:]] == [StreamClosed, RecordingFailed, RecordingEnded]
    await house.stop()


async def test_a_worker_that_is_lost_takes_along_what_it_had_not_told_of_recordings(
    simulation: Simulation,
) -> None:
    house = await started(simulation)
    stream, _ = house.open()
    house.service._told(0, StreamClosed(stream, Statistics(), recordings=1))
    house.service._told(0, WorkerLost(0, ()))
    assert house.told[-1] == WorkerLost(0, (stream,))
    assert not house.service.tells_more_of(stream)
    await house.stop()


async def recorded_and_moved(house: House, path: Path) -> tuple[int, SlowDisk]:
    """A stream that is recorded and has moved from engine 0 to 1, and the disk that has to write what it left there."""
    link, disk, service = house.service._workers[0].link, SlowDisk(), house.service
    assert isinstance(link, InlineEngine)
    link._engine._disk = disk
    stream, lee = house.open()
    service.send(RecordCall(stream, str(path)))
    service.send(OpenStream(stream, service.move(stream, 1), plan_for(lee.address)))
    await settled()
    return stream, disk


async def test_recordings_that_a_stream_has_left_behind_are_waited_for(
    simulation: Simulation, tmp_path: Path
) -> None:
    house = await started(simulation, workers=2)
    stream, disk = await recorded_and_moved(house, tmp_path / "call.wav")
    house.service.send(CloseStream(stream))
    await settled()
    assert house.service.tells_more_of(stream)
    disk.catch_up()
    await settled()
    ended = [event.path for event in house.told if isinstance(event, RecordingEnded)]
    assert ended == [str(tmp_path / "call-2.wav"), str(tmp_path / "call.wav")]
    assert not house.service.tells_more_of(stream)
    await house.stop()


async def test_a_worker_that_is_lost_takes_no_stream_along_that_has_left_it(
    simulation: Simulation, tmp_path: Path
) -> None:
    """Though it has not told what became of a recording of it."""
    house = await started(simulation, workers=2)
    stream, _ = await recorded_and_moved(house, tmp_path / "call.wav")
    house.service._told(0, WorkerLost(0, ()))
    assert house.told[-1] == WorkerLost(0, ())
    assert house.service.worker_of(stream) == 1
    assert house.service.live()["unwritten"] == 0
    house.service.send(CloseStream(stream))
    await settled()
    await house.stop()


# -- a slow worker ---------------------------------------------------------------------------------


async def test_a_worker_that_says_nothing_for_a_while_keeps_no_calls_waiting(simulation: Simulation) -> None:
    """Calls that end give their ports to those that begin, whether it has told of the end or not."""
    house = await started(simulation, workers=1)  # with four pairs of ports
    for _ in range(10):
        pairs = [house.open() for _ in range(2)]
        for stream, _ in pairs:
            house.service.send(CloseStream(stream))
    stream, peer = house.open()
    house.service.send(Echo(stream))
    await peer.say(HELLO)
    await asyncio.sleep(1)
    assert peer.heard() == HELLO
    assert not [event for event in house.told if isinstance(event, StreamFailed)]
    assert len([event for event in house.told if isinstance(event, StreamClosed)]) == 20
    await asyncio.sleep(1)
    house.service.send(CloseStream(stream))
    await asyncio.sleep(1)
    held = [house.reserve() for _ in range(4)]
    assert len({command.port for command, _ in held}) == 4  # none is lost, and none is there twice
    with pytest.raises(PortsExhausted):
        house.service.reserve()
    for command, _ in held:
        house.service.send(CloseStream(command.stream))
    await house.stop()


async def test_a_port_that_somebody_else_has_taken_is_offered_again_when_he_has_left(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await started(simulation, last=20001)
    monkeypatch.setattr(ports_module, "MOST_READY", 0)  # what comes back is closed
    stream, _ = house.open()
    house.service.send(CloseStream(stream))
    taken = house.host.open_media((PBX, 20000), lambda data, source: None)
    stream, _ = house.open()
    assert house.told[-1] == StreamFailed(stream, "port 20000 is not ready")
    with pytest.raises(PortsExhausted):
        house.service.reserve()
    taken.close()
    reserved = house.service.reserve()
    assert reserved.port == 20000
    house.service.send(CloseStream(reserved.stream))
    await house.stop()


async def test_while_a_worker_is_slow_to_bind_more_ports_calls_get_those_that_it_will_bind(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one is that loads what calls may want, on a machine that does much else."""
    monkeypatch.setattr(ports_module, "READY", 8)
    house = await started(simulation, 20000, 20079, workers=1)
    streams = [house.open() for _ in range(39)]  # in no time
    for stream, _ in streams:
        house.service.send(Echo(stream))
    await asyncio.gather(*(peer.say(HELLO) for _, peer in streams))
    await asyncio.sleep(1)
    assert [peer.heard() for _, peer in streams] == [HELLO] * 39
    assert not [event for event in house.told if isinstance(event, StreamFailed)]
    last = house.service.reserve()
    assert len({last.port, *(peer.towards[1] for _, peer in streams)}) == 40
    with pytest.raises(PortsExhausted):
        house.service.reserve()
    for stream in (last.stream, *(stream for stream, _ in streams)):
        house.service.send(CloseStream(stream))
    await asyncio.sleep(1)
    held = [house.service.reserve() for _ in range(40)]  # none is lost, and none is there twice
    assert {each.port for each in held} == set(range(20000, 20080, 2))
    for each in held:
        house.service.send(CloseStream(each.stream))
    await house.stop()


async def test_calls_that_are_ahead_of_what_a_slow_worker_answers_are_not_refused(simulation: Simulation) -> None:
    """What it has bound by then has been handed out before it told: it is asked again, and calls go on meanwhile."""
    house = await started(simulation, 20000, 21999, workers=1)
    held = [house.service.reserve() for _ in range(300)]
    await settled()
    held += [house.service.reserve() for _ in range(100)]
    await settled()
    held += [house.service.reserve() for _ in range(600)]
    assert {each.port for each in held} == set(range(20000, 22000, 2))
    for each in held:
        house.service.send(CloseStream(each.stream))
    await house.stop()


async def test_calls_are_refused_until_a_worker_that_has_ended_is_replaced(simulation: Simulation) -> None:
    """What the one that is gone would open is opened by nobody."""
    house = await started(simulation, workers=1)
    with patch.object(house.service._workers[0].link, "send"):
        house.service._told(0, WorkerLost(0, ()))
        for _ in range(3):
            with pytest.raises(PortsExhausted):
                house.service.reserve()
        house.service._told(0, PortsReady(0, (20004, 20006)))
        reserved = [house.service.reserve() for _ in range(2)]
        assert [each.port for each in reserved] == [20004, 20006]
        for each in reserved:
            house.service.send(CloseStream(each.stream))
    await house.stop()


async def test_a_worker_that_hangs_gets_no_more_calls_after_a_while(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports_module, "READY", 8)
    house = await started(simulation, 20000, 20079, workers=1)
    link = house.service._workers[0].link
    with patch.object(link, "send"):
        held = [house.service.reserve() for _ in range(10)]
        await asyncio.sleep(6)
        with pytest.raises(PortsExhausted):
            house.service.reserve()
    for each in held:
        house.service.send(CloseStream(each.stream))
    await house.stop()
