"""Two worker processes, and a stream that goes from one to the other."""

from __future__ import annotations

from random import Random

from media.messages import Bridge, CloseStream, Event, OpenStream, StreamClosed
from media.net import SocketMediaNetwork
from media.service import MediaService, MediaSettings
from tests.unit.media.studio import plan_for
from tests.unit.media.test_worker import Phone, free_pairs
from tests.unit.sipcore.net.loopback import HERE, run, until


def test_a_stream_moves_from_one_process_to_another_and_is_bridged_there() -> None:
    async def story() -> None:
        first, last = free_pairs(4)
        told: list[Event] = []
        service = MediaService(MediaSettings(HERE, (first, last), workers=2), SocketMediaNetwork(), Random(1))
        service.on_event = told.append
        await service.start()
        one, other = service.reserve(), service.reserve()
        lee, kim = Phone(), Phone()
        service.send(OpenStream(one.stream, one.port, plan_for(lee.address)))
        service.send(OpenStream(other.stream, other.port, plan_for(kim.address)))
        service.send(Bridge(one.stream, other.stream))
        assert [service.worker_of(each.stream) for each in (one, other)] == [0, 1]
        port = service.move(one.stream, 1)
        service.send(OpenStream(one.stream, port, plan_for(lee.address)))

        def heard() -> bool:
            lee.say([b"\x55" * 160], (HERE, port))
            return bool(kim.heard)

        await until(heard)
        for each in (one, other):
            service.send(CloseStream(each.stream))
        await until(lambda: not any(service.live().values()))
        assert [event.stream for event in told if isinstance(event, StreamClosed)] == [one.stream, other.stream]
        await service.stop()
        lee.close()
        kim.close()

    run(story())
