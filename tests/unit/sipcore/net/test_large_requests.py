"""Requests above 1300 bytes (RFC 3261 section 18.1.1): over TCP where the peer takes it, else over UDP."""

from __future__ import annotations

import asyncio

import pytest

from sipcore.effects import Transmit
from sipcore.net.large_requests import CONNECT_SECONDS, NO_TCP_SECONDS, UDP_MAX_BYTES, LargeRequests
from sipcore.syntax.message import Request
from sipcore.syntax.parser import parse_message
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Address, Flow, Transport
from sipcore.transport.framing import StreamFramer
from tests.simulation.network import HostNetwork
from tests.simulation.simulation import Simulation
from tests.simulation.streams import SimulatedStream
from tests.unit.sipcore.net.serving import CLIENT, TRAVEL_SECONDS, SimulatedServer, serving

PEER = Address(CLIENT, 5060)


class Peer:
    """A peer that answers nothing and keeps what comes, by UDP and, once it listens, by TCP."""

    def __init__(self, host: HostNetwork) -> None:
        self.host = host
        self.datagrams: list[Request] = []
        self.streamed: list[Request] = []
        host.open_udp(PEER, lambda data, source: self._keep(self.datagrams, data))

    async def listen(self) -> None:
        """Take TCP too."""
        await self.host.listen(PEER, self._accept)

    def _accept(self, stream: SimulatedStream) -> None:
        framer = StreamFramer()

        def receive(data: bytes) -> None:
            for message in framer.feed(data):
                self._keep(self.streamed, message)

        stream.receive = receive

    def _keep(self, kept: list[Request], data: bytes) -> None:
        message = parse_message(data)
        assert isinstance(message, Request)
        kept.append(message)


@pytest.fixture
def peer(simulation: Simulation) -> Peer:
    return Peer(simulation.network.host(CLIENT, "client"))


def send(server: SimulatedServer, size: int, method: str = "MESSAGE") -> Request:
    """Let the server send a request of exactly so many bytes."""
    now = asyncio.get_running_loop().time()
    headers = [
        ("Max-Forwards", "70"),
        ("From", "<sip:100@10.0.0.1>;tag=1"),
        ("To", "<sip:101@10.0.1.1>"),
        ("Call-ID", server.endpoint.identifiers.call_id()),
        ("CSeq", f"1 {method}"),
    ]
    flow, uri = server.driver.udp_flow(PEER), Uri("sip", "101", host=CLIENT)
    via = "Via", server.endpoint.via(flow)[1]
    empty = Transmit(flow, Request(method, uri, [via, *headers]).to_bytes())
    bare = len(empty.data) - len("0")  # of Content-Length
    body = next(
        b"x" * (size - bare - digits) for digits in range(6) if len(str(size - bare - digits)) == digits
    )
    request = Request(method, uri, headers, body)
    transaction, effects = server.endpoint.request(request, flow, now)
    server.driver.perform(effects)
    return transaction.request


async def travel() -> None:
    await asyncio.sleep(3 * TRAVEL_SECONDS)  # a connection is opened first


async def test_a_request_of_just_1300_bytes_goes_over_udp(simulation: Simulation, peer: Peer) -> None:
    await peer.listen()
    async with serving(simulation) as server:
        assert len(send(server, UDP_MAX_BYTES).to_bytes()) == UDP_MAX_BYTES
        await travel()
    assert (len(peer.datagrams), len(peer.streamed)) == (1, 0)


@pytest.mark.parametrize("size", [UDP_MAX_BYTES + 1, 60_000])
async def test_a_larger_one_goes_over_tcp_and_says_so_in_its_via(
    simulation: Simulation, peer: Peer, size: int
) -> None:
    await peer.listen()
    async with serving(simulation) as server:
        sent = send(server, size)
        await asyncio.sleep(40)  # its retransmissions are needless on a connection
    [received] = peer.streamed
    assert peer.datagrams == []
    assert (received.via.transport, received.via.branch) == ("TCP", sent.via.branch)
    assert received.body == sent.body


async def test_a_cancel_follows_its_invite_over_tcp(simulation: Simulation, peer: Peer) -> None:
    await peer.listen()
    async with serving(simulation) as server:
        invite = send(server, 2000, "INVITE")
        await travel()
        cancel = Request("CANCEL", invite.uri_text, [*invite.headers[:5], ("CSeq", "1 CANCEL")])
        flow = server.driver.udp_flow(PEER)
        _, effects = server.endpoint.send(cancel, flow, None, asyncio.get_running_loop().time())
        server.driver.perform(effects)
        await travel()
    assert [request.method for request in peer.streamed] == ["INVITE", "CANCEL"]
    assert peer.streamed[1].via.transport == "TCP"
    assert peer.datagrams == []


async def test_other_requests_of_that_peer_still_go_over_udp(simulation: Simulation, peer: Peer) -> None:
    await peer.listen()
    async with serving(simulation) as server:
        send(server, 2000)
        await travel()
        send(server, 500)
        await travel()
    assert (len(peer.datagrams), len(peer.streamed)) == (1, 1)


async def test_a_response_stays_where_its_request_came_from(simulation: Simulation, peer: Peer) -> None:
    async with serving(simulation) as server:
        assert not server.driver._large.concerns(b"SIP/2.0 200 OK\r\n" + b"x" * 5000)


async def test_a_peer_without_tcp_gets_it_over_udp_and_is_not_asked_again_for_a_while(
    simulation: Simulation, peer: Peer
) -> None:
    async with serving(simulation) as server:
        send(server, 2000)
        await travel()
        assert (len(peer.datagrams), peer.datagrams[0].via.transport) == (1, "UDP")
        await peer.listen()
        send(server, 2000)
        await asyncio.sleep(NO_TCP_SECONDS)
        assert peer.streamed == []
        send(server, 2000)
        await travel()
        assert len(peer.streamed) == 1


async def test_a_call_does_not_wait_long_for_a_peer_that_answers_no_connection(
    simulation: Simulation, peer: Peer
) -> None:
    """A NAT drops the attempt without a word."""
    peer.host.plugged = False
    async with serving(simulation) as server:
        send(server, 2000)
        await travel()
        peer.host.plugged = True
        await asyncio.sleep(CONNECT_SECONDS)
        assert len(peer.datagrams) >= 1


async def test_a_stop_gives_the_attempt_up(simulation: Simulation, peer: Peer) -> None:
    peer.host.plugged = False
    async with serving(simulation) as server:
        send(server, 2000)
        await asyncio.sleep(0)
    await asyncio.sleep(60)
    assert (peer.datagrams, peer.streamed) == ([], [])


async def test_an_attempt_that_fails_in_whatever_way_is_forgotten(simulation: Simulation) -> None:
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))

    async def connect(transport: Transport, remote: Address) -> Flow:
        raise LookupError("a bug")

    def nowhere(flow: Flow, data: bytes) -> None:
        """Nothing is sent."""

    large = LargeRequests(connect, nowhere, nowhere)
    request = b"INFO sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n" + bytes(UDP_MAX_BYTES)
    assert large.concerns(request)
    large.send(Flow(Transport.UDP, PEER, PEER), request)
    assert list(large.ways) == [b"z9hG4bK1"]
    await asyncio.sleep(1)
    assert not large.ways
    assert not large.concerns(b"ACK sip:a SIP/2.0\r\n")
