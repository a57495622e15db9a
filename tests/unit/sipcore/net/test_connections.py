"""Streams: cut into messages however they are split, closed in time, and no more of them than agreed."""

from __future__ import annotations

import asyncio

import pytest

from sipcore.effects import Arrived
from sipcore.net.limits import Limits
from tests.simulation.network import HostNetwork
from tests.simulation.simulation import Simulation
from tests.unit.sipcore.net.serving import Connection, Datagrams, connect, options, serving, travel

# -- cutting a stream ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 7, 100, 10_000])
async def test_messages_are_cut_from_a_stream_however_it_is_split(
    simulation: Simulation, client: HostNetwork, size: int
) -> None:
    wanted = [options(1), options(2, body=b"hello\r\n\r\n"), options(3)]
    async with serving(simulation) as server:
        connection = await connect(client)
        data = b"".join(wanted)
        for start in range(0, len(data), size):
            connection.stream.write(data[start : start + size])
        await travel()
        assert connection.statuses == [200, 200, 200]
        bodies = [effect.request.body for effect in server.told if isinstance(effect, Arrived)]
        assert bodies == [b"", b"hello\r\n\r\n", b""]


async def test_a_ping_is_answered_with_a_pong(simulation: Simulation, client: HostNetwork) -> None:
    """RFC 5626 section 4.4.1."""
    async with serving(simulation):
        connection = await connect(client)
        connection.stream.write(b"\r\n\r\n")
        await travel()
        assert connection.received == b"\r\n"
        del connection.received[:]
        connection.stream.write(b"\r\n\r\n" + options() + b"\r\n\r\n")
        await travel()
        assert connection.received.startswith(b"\r\n\r\nSIP/2.0 200 OK\r\n")
        assert connection.received.endswith(b"Content-Length: 0\r\n\r\n")


@pytest.mark.parametrize("idle", [b"\r\n", b"\n" * 5000, b"\r" * 5000, b"\r\n" * 5001])
async def test_empty_lines_before_a_message_do_no_harm(
    simulation: Simulation, client: HostNetwork, idle: bytes
) -> None:
    async with serving(simulation):
        connection = await connect(client)
        connection.stream.write(idle + options())
        await travel()
        assert connection.statuses == [200]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff" * 40_000,
        b"OPTIONS sip:server SIP/2.0\r\n" + b"X-Filler: x\r\n" * 4000,
        options().replace(b"Content-Length: 0\r\n", b""),
        options().replace(b"Content-Length: 0", b"Content-Length: many"),
        options().replace(b"Content-Length: 0", b"Content-Length: -1"),
        options().replace(b"Content-Length: 0", b"Content-Length: 70000"),
    ],
)
async def test_a_stream_that_cannot_be_cut_is_closed(
    simulation: Simulation, client: HostNetwork, garbage: bytes
) -> None:
    async with serving(simulation):
        connection = await connect(client)
        connection.stream.write(garbage)
        await travel()
        assert not connection.stream.is_open


async def test_what_came_whole_before_the_garbage_is_served(
    simulation: Simulation, client: HostNetwork
) -> None:
    async with serving(simulation):
        connection = await connect(client)
        connection.stream.write(options() + options(2).replace(b"Content-Length: 0", b"Content-Length: x"))
        await travel()
        assert connection.statuses == [200]
        assert not connection.stream.is_open


async def test_a_faulty_message_on_a_stream_that_is_cut_well_is_answered(
    simulation: Simulation, client: HostNetwork
) -> None:
    async with serving(simulation):
        connection = await connect(client)
        connection.stream.write(options().replace(b"CSeq: 1 OPTIONS", b"CSeq: 1 INFO") + options(2))
        await travel()
        assert connection.statuses == [400, 200]
        assert connection.stream.is_open


# -- time ------------------------------------------------------------------------------------------

BRIEF = Limits(idle_seconds=60.0, message_seconds=10.0)


async def open_for(connection: Connection, longest_seconds: float) -> float:
    """How long the connection stays open from now on; fails if that is too long."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    ended = loop.create_future()
    connection.stream.closed = lambda: ended.set_result(loop.time() - began)
    async with asyncio.timeout(longest_seconds):
        return float(await ended)


async def test_a_new_connection_that_sends_nothing_is_closed(
    simulation: Simulation, client: HostNetwork
) -> None:
    async with serving(simulation, BRIEF):
        connection = await connect(client)
        assert await open_for(connection, 11) == pytest.approx(10, abs=0.1)


async def test_a_message_that_drips_is_closed_however_lively_it_is(
    simulation: Simulation, client: HostNetwork
) -> None:
    async def drip(connection: Connection) -> None:
        for byte in options():
            connection.stream.write(bytes([byte]))
            await asyncio.sleep(1)

    async with serving(simulation, BRIEF) as server:
        connection = await connect(client)
        connection.stream.write(options(2))  # a well-behaved beginning is no excuse
        await travel()
        dripping = asyncio.ensure_future(drip(connection))
        assert 10 <= await open_for(connection, 21) <= 20.1
        await dripping
        assert connection.statuses == [200]
        assert len(server.told) == 1


async def test_a_half_sent_message_is_closed(simulation: Simulation, client: HostNetwork) -> None:
    async with serving(simulation, BRIEF):
        connection = await connect(client)
        connection.stream.write(options() + options(2)[:-5])
        assert 10 <= await open_for(connection, 21) <= 20.1


async def test_messages_back_to_back_are_never_slow(simulation: Simulation, client: HostNetwork) -> None:
    async with serving(simulation, BRIEF):
        connection = await connect(client)
        data = b"".join(options(number) for number in range(1, 101))
        step = len(options()) + 3  # each write ends within a message
        for start in range(0, len(data), step):
            connection.stream.write(data[start : start + step])
            await asyncio.sleep(1)
        assert connection.stream.is_open
        assert connection.statuses == [200] * 100


async def test_an_idle_connection_is_closed(simulation: Simulation, client: HostNetwork) -> None:
    async with serving(simulation, BRIEF) as server:
        connection = await connect(client)
        connection.stream.write(options())
        assert 60 <= await open_for(connection, 71) <= 70.1
        assert [flow.remote for flow in server.gone] == [connection.stream.local]


async def test_pings_keep_a_connection(simulation: Simulation, client: HostNetwork) -> None:
    async with serving(simulation, BRIEF):
        connection = await connect(client)
        for _ in range(20):
            connection.stream.write(b"\r\n\r\n")
            await asyncio.sleep(55)
        assert connection.stream.is_open
        assert connection.received == b"\r\n" * 20


# -- how much --------------------------------------------------------------------------------------


async def test_a_source_has_so_many_connections_and_no_more(
    simulation: Simulation, client: HostNetwork
) -> None:
    other = simulation.network.host("10.0.1.2")
    async with serving(simulation, Limits(connections_per_source=3)):
        first = [await connect(client) for _ in range(4)]
        elsewhere = await connect(other)
        await travel()
        assert [connection.stream.is_open for connection in first] == [True, True, True, False]
        assert elsewhere.stream.is_open
        first[0].stream.close()
        await travel()
        again = await connect(client)
        await travel()
        assert again.stream.is_open


async def test_there_are_so_many_connections_and_no_more(simulation: Simulation) -> None:
    hosts = [simulation.network.host(f"10.0.2.{number}") for number in range(1, 6)]
    async with serving(simulation, Limits(connections=3)):
        connections = [await connect(host) for host in hosts]
        await travel()
        assert [connection.stream.is_open for connection in connections] == [True] * 3 + [False] * 2
        connections[1].stream.break_off()
        again = await connect(hosts[4])
        await travel()
        assert again.stream.is_open


async def test_connections_that_come_and_go_leave_nothing(
    simulation: Simulation, client: HostNetwork
) -> None:
    async with serving(simulation, Limits(connections_per_source=2)) as server:
        for number in range(1, 200):
            connection = await connect(client)
            connection.stream.write(options(number))
            await travel()
            assert connection.statuses == [200]
            connection.stream.close()
            await travel()
        assert len(server.gone) == 199
        assert server.host.streams == set()


async def test_a_source_may_send_so_many_messages_and_no_more(
    simulation: Simulation, client: HostNetwork
) -> None:
    other = Datagrams(simulation.network.host("10.0.1.2"))
    async with serving(simulation, Limits(messages_per_second=1.0, burst=5.0)):
        udp = Datagrams(client)
        connection = await connect(client)
        for number in range(1, 4):
            udp.send(options(number, transport="UDP"))
        await travel()
        connection.stream.write(b"".join(options(number) for number in range(4, 20)))
        other.send(options(1, transport="UDP", host="10.0.1.2"))
        await travel()
        assert (len(udp.received), connection.statuses) == (3, [200, 200])
        assert len(other.received) == 1
        assert connection.stream.is_open
        await asyncio.sleep(2)
        connection.stream.write(b"".join(options(number) for number in range(20, 30)))
        await travel()
        assert connection.statuses == [200] * 4
