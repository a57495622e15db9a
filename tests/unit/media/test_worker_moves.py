"""Two worker processes, and a stream that goes from one to the other."""

from __future__ import annotations

from media.messages import Bridge, CloseStream, OpenStream, StreamClosed
from tests.unit.media.processes import Phone, serving
from tests.unit.media.studio import plan_for
from tests.unit.sipcore.net.loopback import HERE, run, until


def test_a_stream_moves_from_one_process_to_another_and_is_bridged_there() -> None:
    async def story() -> None:
        async with serving(workers=2, pairs=4) as (service, told, _):
            one, other = service.reserve(), service.reserve()
            with Phone() as lee, Phone() as kim:
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
                closed = [event.stream for event in told if isinstance(event, StreamClosed)]
                assert closed == [one.stream, other.stream]

    run(story())
