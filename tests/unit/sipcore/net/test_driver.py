"""The driver on a simulated network: what comes in, what goes out, by which way, and what mishaps it survives."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Iterator

import pytest

from sipcore.dialog.callee import CalleeSession
from sipcore.effects import CloseFlow, Effect, Invited, Responded, Transmit
from sipcore.net.driver import Driver, DriverSettings
from sipcore.net.limits import Limits
from sipcore.syntax.message import Request, Response, response_to
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Address, Flow, Transport
from sipcore.transport.stun import BINDING_SUCCESS, StunMessage
from tests.simulation.network import HostNetwork
from tests.simulation.simulation import Simulation
from tests.simulation.streams import SimulatedStream
from tests.unit.sipcore.net.serving import (
    CLIENT,
    SERVER,
    Datagrams,
    ask,
    connect,
    options,
    our_request,
    serving,
    travel,
)
from tests.unit.sipcore.pair import ANSWER, OFFER

# -- UDP -------------------------------------------------------------------------------------------


async def test_a_datagram_is_answered_where_it_came_from(simulation: Simulation, client: HostNetwork) -> None:
    async with serving(simulation) as server:
        udp = Datagrams(client, 40000)
        udp.send(options(transport="UDP"))
        await travel()
        assert server.flow == Flow(Transport.UDP, SERVER, Address(CLIENT, 40000))
        [answer] = udp.received
        assert answer.startswith(b"SIP/2.0 200 OK\r\n")
        assert b";rport=40000;received=10.0.1.1\r\n" in answer


@pytest.mark.parametrize("keep_alive", [b"\r\n\r\n", b"\r\n", b"\0\0\0\0", b""])
async def test_a_keep_alive_over_udp_is_dropped(
    simulation: Simulation, client: HostNetwork, keep_alive: bytes
) -> None:
    async with serving(simulation) as server:
        udp = Datagrams(client)
        seen: list[bytes] = []
        server.driver.on_wire = lambda outgoing, flow, data: seen.append(data)
        udp.send(keep_alive)
        await travel()
        assert (udp.received, seen) == ([], [])


@pytest.mark.parametrize(
    ("datagram", "status"),
    [
        (b"\xff\xfe\xfd", None),
        (b"GET / HTTP/1.1\r\n\r\n", None),
        (b"SIP/2.0 200 OK\r\n\r\n", None),
        (options(transport="UDP").replace(b"CSeq: 1 OPTIONS", b"CSeq: 1 INFO"), 400),
        (options(transport="UDP").replace(b"sip:server SIP/2.0", b"sip:server SIP/3.0"), 505),
        (options(transport="UDP").replace(b"Content-Length: 0", b"Content-Length: 99"), 400),
        (options(transport="UDP").replace(b"OPTIONS", b"ACK").replace(b"CSeq: 1", b"CSeq: x"), None),
    ],
)
async def test_a_datagram_that_is_no_message_is_answered_if_it_can_be(
    simulation: Simulation, client: HostNetwork, datagram: bytes, status: int | None
) -> None:
    async with serving(simulation) as server:
        udp = Datagrams(client)
        udp.send(datagram)
        await travel()
        assert [int(answer[8:11]) for answer in udp.received] == ([] if status is None else [status])
        assert server.told == []


async def test_every_message_is_shown_to_the_trace(simulation: Simulation, client: HostNetwork) -> None:
    async with serving(simulation) as server:
        seen: list[tuple[bool, bytes]] = []
        server.driver.on_wire = lambda outgoing, flow, data: seen.append((outgoing, data[:11]))
        Datagrams(client).send(options(transport="UDP"))
        connection = await connect(client)
        connection.stream.write(options(2))
        await travel()
        one = [(False, b"OPTIONS sip"), (True, b"SIP/2.0 200")]
        assert seen == one + one


async def test_a_datagram_that_can_never_be_sent_ends_its_transaction(simulation: Simulation) -> None:
    async with serving(simulation) as server:
        flow = server.driver.udp_flow(Address(CLIENT, 5060))
        now = asyncio.get_running_loop().time()
        _, effects = server.endpoint.request(our_request(flow, size=65500), flow, now)
        server.driver.perform(effects)
        await asyncio.sleep(64)
        [told] = server.told
        assert isinstance(told, Responded)
        assert told.response.status in (408, 503)
        assert server.endpoint.live()["transactions"] == 0


async def test_what_has_come_together_is_answered_in_order_when_all_is_done(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep-alives between them disturb nobody, and one that cannot be sent keeps no other back."""
    async with serving(simulation) as server:
        sent: list[bytes] = []
        at_first: list[int] = []

        def send(data: bytes, remote: Address) -> None:
            if b"Call-ID: 2@" in data:
                raise OSError(errno.EPERM, "no")
            sent.append(data)

        monkeypatch.setattr(server.driver._udp, "send", send)
        server.before = lambda effect: at_first.append(len(sent))
        phone = Address(CLIENT, 5060)
        heap = [(options(number, transport="UDP"), phone) for number in range(1, 5)]
        server.driver._datagrams([(b"\r\n\r\n", phone), *heap[:2], (b"\0\0", phone), *heap[2:]])
        assert at_first == [0] * 4
        assert [parse_message(data).call_id for data in sent] == [f"{number}@{CLIENT}" for number in (1, 3, 4)]


async def test_the_last_words_of_a_flow_come_before_its_end(simulation: Simulation, client: HostNetwork) -> None:
    async with serving(simulation) as server:
        connection = await connect(client)
        connection.stream.write(options(1))
        await travel()
        flow = server.flow
        server.before = lambda effect: server.driver.perform([Transmit(flow, b"last words"), CloseFlow(flow)])
        connection.stream.write(options(2))
        await travel()
        assert connection.received.endswith(b"last words")
        assert not connection.stream.is_open
        assert server.gone == [flow]


async def test_a_stun_message_that_its_receiver_fails_at_takes_nothing_with_it(
    simulation: Simulation, client: HostNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(simulation) as server:

        def on_stun(data: bytes) -> None:
            raise ValueError("a bug of the user")

        server.driver.on_stun = on_stun
        udp = Datagrams(client)
        told = StunMessage(BINDING_SUCCESS, bytes(12)).to_bytes()
        phone = Address(CLIENT, 5060)
        server.driver._datagrams(
            [(told, phone), (options(1, transport="UDP"), phone), (told, phone), (options(2, transport="UDP"), phone)]
        )
        await travel()
        assert [data[8:11] for data in udp.received] == [b"200"] * 2
        assert [record.message for record in caplog.records] == ["a STUN message was not handled"] * 2


async def test_what_the_end_of_a_flow_leads_to_is_sent_with_it(
    simulation: Simulation, client: HostNetwork
) -> None:
    async with serving(simulation) as server:
        udp, connection = Datagrams(client), await connect(client)
        there = server.driver.udp_flow(Address(CLIENT, 5060))
        server.driver._on_flow_closed = lambda flow: server.driver.perform([Transmit(there, b"it is gone")])
        connection.stream.write(options(1))
        await travel()
        flow = server.flow
        server.before = lambda effect: server.driver.perform([CloseFlow(flow)])
        udp.send(options(2, transport="UDP"))
        await travel()
        assert [data[:10] for data in udp.received] == [b"SIP/2.0 20", b"it is gone"]


async def test_what_cannot_be_sent_for_whatever_reason_keeps_no_other_back(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(simulation) as server:
        sent: list[bytes] = []

        def send(data: bytes, remote: Address) -> None:
            if data == b"one":
                raise OverflowError("no such port")
            sent.append(data)

        monkeypatch.setattr(server.driver._udp, "send", send)
        flow = server.driver.udp_flow(Address(CLIENT, 5060))
        server.driver.perform([Transmit(flow, data) for data in (b"one", b"two")])
        server.driver.perform([Transmit(flow, b"three")])
        assert sent == [b"two", b"three"]
        assert "no such port" in caplog.text


async def test_effects_that_fail_halfway_leave_nothing_unsent(
    simulation: Simulation, client: HostNetwork
) -> None:
    async with serving(simulation) as server:
        udp = Datagrams(client)
        flow = server.driver.udp_flow(Address(CLIENT, 5060))

        def effects() -> Iterator[Effect]:
            yield Transmit(flow, b"before")
            raise LookupError

        with pytest.raises(LookupError):
            server.driver.perform(effects())
        server.driver.perform([Transmit(flow, b"after")])
        await travel()
        assert udp.received == [b"before", b"after"]


# -- flows -----------------------------------------------------------------------------------------


async def test_a_request_to_a_client_goes_over_the_connection_that_it_opened(
    simulation: Simulation, client: HostNetwork
) -> None:
    """RFC 5626: the flow is the way back; nobody listens at the client."""
    async with serving(simulation) as server:
        connection = await connect(client)
        connection.stream.write(options())
        await travel()
        del connection.received[:]
        ask(server, server.flow)
        await travel()
        request = parse_message(bytes(connection.received), stream=True)
        assert isinstance(request, Request)
        assert str(request.via).startswith("SIP/2.0/TCP 10.0.0.1:5060;")
        connection.stream.write(response_to(request, 200).to_bytes())
        await travel()
        assert isinstance(server.told[-1], Responded)
        assert server.told[-1].response.status == 200


async def test_one_connection_serves_all_requests_to_an_address(
    simulation: Simulation, client: HostNetwork
) -> None:
    accepted: list[SimulatedStream] = []
    await client.listen(Address(CLIENT, 5060), accepted.append)
    async with serving(simulation) as server:
        first = await server.driver.flow_to(Transport.TCP, Address(CLIENT, 5060))
        second = await server.driver.flow_to(Transport.TCP, Address(CLIENT, 5060))
        assert first == second
        assert len(accepted) == 1
        accepted[0].close()
        await travel()
        third = await server.driver.flow_to(Transport.TCP, Address(CLIENT, 5060))
        assert third != first
        assert len(accepted) == 2


async def test_the_addresses_of_a_name_are_tried_in_order(simulation: Simulation, client: HostNetwork) -> None:
    accepted: list[SimulatedStream] = []
    await client.listen(Address(CLIENT, 5060), accepted.append)
    simulation.network.names["phones.example"] = ["10.0.9.9", CLIENT]
    async with serving(simulation) as server:
        first = await server.driver.flow_to(Transport.TCP, Address("phones.example", 5060))
        assert first.remote == Address(CLIENT, 5060)
        assert await server.driver.flow_to(Transport.TCP, Address("phones.example", 5060)) == first
        assert len(accepted) == 1
        with pytest.raises(OSError, match=r".+"):
            await server.driver.flow_to(Transport.TCP, Address("phones.example", 5061))


async def test_datagrams_go_to_the_first_address_of_our_family(simulation: Simulation) -> None:
    simulation.network.names["phones.example"] = ["2001:db8::1", CLIENT]
    async with serving(simulation) as server:
        flow = await server.driver.flow_to(Transport.UDP, Address("phones.example", 5060))
        assert flow.remote == Address(CLIENT, 5060)


@pytest.mark.parametrize(
    ("error", "seconds"), [(errno.ENETUNREACH, 0.0), (errno.EHOSTUNREACH, 0.0), (errno.EPERM, 32.0)]
)
async def test_a_request_that_no_way_leads_to_ends_soon(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch, error: int, seconds: float
) -> None:
    async with serving(simulation) as server:
        loop = asyncio.get_running_loop()

        def send(data: bytes, remote: Address) -> None:
            raise OSError(error, "no")

        monkeypatch.setattr(server.driver._udp, "send", send)
        began, flow = loop.time(), server.driver.udp_flow(Address(CLIENT, 5060))
        server.driver.perform(server.endpoint.request(our_request(flow), flow, began)[1])
        while not server.told:
            await asyncio.sleep(0.1)
        [responded] = server.told
        assert isinstance(responded, Responded)
        assert responded.response.status == (408 if seconds else 503)
        assert seconds <= round(loop.time() - began, 6) < seconds + 1
        assert len(server.endpoint.transactions) == 0


async def test_a_name_leads_to_a_flow(simulation: Simulation, client: HostNetwork) -> None:
    await client.listen(Address(CLIENT, 5061), lambda stream: None, tls=True)
    async with serving(simulation) as server:
        for transport, port in ((Transport.UDP, 5060), (Transport.TLS, 5061)):
            flow = await server.driver.flow_to(transport, Address("client", port))
            assert (flow.transport, flow.remote) == (transport, Address(CLIENT, port))
        with pytest.raises(OSError, match="not known"):
            await server.driver.flow_to(Transport.UDP, Address("nowhere", 5060))


# -- ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [SimulatedStream.close, SimulatedStream.break_off])
async def test_the_end_of_a_connection_ends_what_hangs_on_it(
    simulation: Simulation, client: HostNetwork, end: Callable[[SimulatedStream], None]
) -> None:
    async with serving(simulation) as server:
        server.answers = False
        connection = await connect(client)
        connection.stream.write(options())
        await travel()
        flow = server.flow
        ask(server, flow)
        assert server.endpoint.live()["transactions"] == 2
        end(connection.stream)
        await travel()
        assert server.endpoint.live()["transactions"] == 0
        assert isinstance(server.told[-1], Responded)
        assert server.told[-1].response.status == 503
        assert server.gone == [flow]


async def test_what_is_sent_over_a_connection_that_is_gone_fails_at_once(
    simulation: Simulation, client: HostNetwork
) -> None:
    async with serving(simulation) as server:
        connection = await connect(client)
        connection.stream.write(options())
        await travel()
        flow = server.flow
        connection.stream.close()
        await travel()
        ask(server, flow)
        assert not isinstance(server.told[-1], Responded)  # never within the step that sends
        await travel()
        assert server.told[-1].response.status == 503


async def test_the_endpoint_may_close_a_flow(simulation: Simulation, client: HostNetwork) -> None:
    async with serving(simulation) as server:
        connection = await connect(client)
        connection.stream.write(options())
        await travel()
        server.driver.perform([Transmit(server.flow, b"last words"), CloseFlow(server.flow)])
        server.driver.perform([CloseFlow(server.flow)])
        await travel()
        assert connection.received.endswith(b"last words")
        assert not connection.stream.is_open
        assert len(server.gone) == 1


async def test_a_stop_frees_every_port_and_tells_the_clients(
    simulation: Simulation, client: HostNetwork
) -> None:
    async with serving(simulation) as server:
        connections = [await connect(client) for _ in range(5)]
        ask(server, server.driver.udp_flow(Address(CLIENT, 5060)))
    await travel()
    assert not any(connection.stream.is_open for connection in connections)
    settings = DriverSettings(SERVER.host, SERVER.port, SERVER.port)
    again = Driver(server.endpoint, server.host, settings, lambda effect: None)
    await again.start()
    await again.stop()
    assert server.host.open_ports() == []


async def test_a_start_that_fails_frees_what_it_had_opened(
    simulation: Simulation, client: HostNetwork
) -> None:
    async with serving(simulation) as server:
        settings = DriverSettings(SERVER.host, 5070, SERVER.port)
        second = Driver(server.endpoint, server.host, settings, lambda effect: None)
        with pytest.raises(OSError, match="in use"):
            await second.start()
        await second.stop()
        assert server.host.open_ports() == ["udp 5060", "listen 5060"]


async def test_a_connection_that_is_made_during_a_stop_is_closed(
    simulation: Simulation, client: HostNetwork
) -> None:
    await client.listen(Address(CLIENT, 5060), lambda stream: None)
    async with serving(simulation) as server:
        connecting = asyncio.ensure_future(server.driver.flow_to(Transport.TCP, Address(CLIENT, 5060)))
        await asyncio.sleep(0)
        await server.driver.stop()
        with pytest.raises(OSError, match="stopped"):
            await connecting


# -- mishaps ---------------------------------------------------------------------------------------


def break_down(effect: Effect) -> None:
    raise ValueError("a bug of the user")


async def test_a_handler_that_fails_is_logged_and_its_request_is_answered(
    simulation: Simulation, client: HostNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(simulation) as server:
        connection, udp = await connect(client), Datagrams(client)
        server.before = break_down
        connection.stream.write(options(1) + options(2))
        udp.send(options(3, transport="UDP"))
        invite = options(4, transport="UDP").replace(b"OPTIONS", b"INVITE")
        udp.send(invite.replace(b"Max-Forwards", b"Contact: <sip:100@10.0.1.1>\r\nMax-Forwards"))
        await travel()
        server.before = lambda effect: None
        connection.stream.write(options(5))
        udp.send(options(6, transport="UDP"))
        await travel()
        assert connection.statuses == [500, 500, 200]
        assert [int(answer[8:11]) for answer in udp.received] == [500, 100, 500, 200]
        await asyncio.sleep(64)
        assert set(server.endpoint.live().values()) == {0}
    assert "a bug of the user" in caplog.text
    errors = [record.message for record in caplog.records if record.levelno >= logging.ERROR]
    assert errors == [*["Arrived was not handled"] * 3, "Invited was not handled"]


async def test_a_handler_that_fails_at_a_change_of_a_call_has_refused_it(
    simulation: Simulation, client: HostNetwork
) -> None:
    """Else its sender could never change the call again, nor anybody else."""
    sessions: list[CalleeSession] = []

    def accept(effect: Effect) -> None:
        if isinstance(effect, Invited):
            sessions.append(effect.session)
            server.driver.perform(effect.session.accept(OFFER, asyncio.get_running_loop().time()))

    async with serving(simulation) as server:
        udp = Datagrams(client)
        server.before = accept
        contact = b"Contact: <sip:100@10.0.1.1>\r\nMax-Forwards"
        udp.send(options(1, transport="UDP").replace(b"OPTIONS", b"INVITE").replace(b"Max-Forwards", contact))
        await travel()
        answer = parse_message(udp.received[-1])
        assert isinstance(answer, Response)
        for number, method in ((2, "ACK"), (3, "INVITE")):
            request = parse_message(options(number, transport="UDP").replace(b"OPTIONS", method.encode()))
            for name in ("From", "To", "Call-ID"):
                request.set(name, answer.first[name])
            request.set("CSeq", f"{answer.cseq.number + (method == 'INVITE')} {method}")
            request.set("Content-Type", "application/sdp")
            request.body = ANSWER.to_bytes()
            udp.send(request.to_bytes())
            await travel()
            server.before = break_down
        assert [int(answer[8:11]) for answer in udp.received] == [100, 200, 100, 500]
        assert [session.can_change for session in sessions] == [True]


async def test_a_handler_that_fails_after_its_answer_has_answered(
    simulation: Simulation, client: HostNetwork
) -> None:
    async with serving(simulation) as server:
        connection = await connect(client)
        server.after = break_down
        connection.stream.write(options())
        await travel()
        assert connection.statuses == [200]


async def test_a_handler_that_fails_at_the_end_of_a_connection_is_logged(
    simulation: Simulation, client: HostNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(simulation, Limits(message_seconds=10.0)) as server:

        def on_flow_closed(flow: Flow) -> None:
            raise ValueError("a bug of the user")

        server.driver._on_flow_closed = on_flow_closed
        connections = [await connect(client) for _ in range(3)]
        connections[0].stream.close()
        connections[1].stream.write(b"no SIP at all\r\n\r\n")
        await asyncio.sleep(60)
        assert [connection.stream.is_open for connection in connections] == [False] * 3
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == [
        "the end of a connection was not handled"
    ] * 3


async def test_a_trace_that_fails_ends_nothing(
    simulation: Simulation, client: HostNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(simulation) as server:

        def on_wire(outgoing: bool, flow: Flow, data: bytes) -> None:
            raise OSError("the disk is full")

        server.driver.on_wire = on_wire
        udp = Datagrams(client)
        udp.send(options(transport="UDP"))
        await travel()
        assert udp.received[0].startswith(b"SIP/2.0 200")
        assert server.driver.on_wire is None
    assert "the disk is full" in caplog.text


async def test_a_datagram_that_cannot_be_sent_is_lost_and_nothing_more(
    simulation: Simulation, client: HostNetwork
) -> None:
    """Whoever makes us answer at too great a length ends nothing of the others on that flow."""
    async with serving(simulation) as server:
        flow = server.driver.udp_flow(Address(CLIENT, 5060))
        _, effects = server.endpoint.request(our_request(flow), flow, asyncio.get_running_loop().time())
        server.driver.perform(effects)
        server.driver.perform([Transmit(flow, b"SIP/2.0 200 OK\r\n" + bytes(70_000))])
        await travel()
        assert server.told == []
        assert server.endpoint.live()["transactions"] == 1


async def test_what_a_call_waits_for_comes_in_time_too(simulation: Simulation, client: HostNetwork) -> None:
    """A 200 is repeated by its session, though the timer waits for the end of transactions already."""
    async with serving(simulation) as server:

        def accept(effect: Effect) -> None:
            if isinstance(effect, Invited):
                answered = effect.session.accept(ANSWER, simulation.loop.time())
                server.driver.perform(answered)

        server.after = accept
        udp = Datagrams(client)
        udp.send(options(2, transport="UDP"))
        await travel()
        invite = options(transport="UDP", body=OFFER.to_bytes()).replace(b"OPTIONS", b"INVITE")
        more = f"Contact: <sip:100@{CLIENT}>\r\nContent-Type: application/sdp\r\nTo:".encode()
        udp.send(invite.replace(b"To:", more))
        await travel()
        assert [message[8:11] for message in udp.received] == [b"200", b"100", b"200"]
        await asyncio.sleep(0.5)
        assert [message[8:11] for message in udp.received] == [b"200", b"100", b"200", b"200"]
