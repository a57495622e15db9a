"""RTP sockets on the machine's own network: one peer's packets, and errors that stay where they belong."""

from __future__ import annotations

import asyncio
import socket
from typing import Self

import pytest

from media.net import (
    DRAIN,
    MAX_DATAGRAM_BYTES,
    TURN_SECONDS,
    MediaSocket,
    SocketMediaNetwork,
    SystemMediaSocket,
)
from media.plan import Address
from tests.unit.sipcore.net.loopback import HERE, PATIENCE_SECONDS, run, until


class Port:
    """An RTP socket; keeps what comes, and is locked on a peer once it has been told to `lock_on` it."""

    def __init__(self, port: int = 0) -> None:
        self.received: list[bytes] = []
        self.sources: list[Address] = []
        self.lock_on: Address | None = None
        self.socket = SocketMediaNetwork().open_media((HERE, port), self._receive)
        self.address = address_of(self.socket)

    def _receive(self, data: bytes, source: Address) -> None:
        self.received.append(data)
        self.sources.append(source)
        if source == self.lock_on:
            self.lock_on = None
            self.socket.connect(source)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


class Phone:
    """A plain socket: what it sends has been queued at the receiver when `send` returns."""

    def __init__(self) -> None:
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind((HERE, 0))
        self.address: Address = self._socket.getsockname()

    def send(self, data: bytes, port: Port) -> None:
        self.send_to(data, port.address)

    def send_to(self, data: bytes, address: Address) -> None:
        self._socket.sendto(data, address)

    def receive(self) -> tuple[bytes, Address]:
        self._socket.settimeout(PATIENCE_SECONDS)
        return self._socket.recvfrom(2048)

    def __enter__(self) -> Phone:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def address_of(media: MediaSocket) -> Address:
    """Where a socket is bound, whose port the kernel has chosen."""
    assert isinstance(media, SystemMediaSocket)
    return media._local


def test_a_packet_tells_where_it_comes_from() -> None:
    async def story() -> None:
        with Port() as port, Phone() as one, Phone() as other:
            one.send(b"one", port)
            other.send(b"other", port)
            await until(lambda: len(port.received) == 2)
            assert dict(zip(port.sources, port.received, strict=True)) == {
                one.address: b"one",
                other.address: b"other",
            }

    run(story())


@pytest.mark.parametrize("connected", [False, True])
def test_a_packet_goes_out_from_the_port(connected: bool) -> None:
    async def story() -> None:
        with Port() as port, Phone() as phone:
            if connected:
                port.socket.connect(phone.address)
            port.socket.send(b"hello", phone.address)
            assert phone.receive() == (b"hello", port.address)

    run(story())


def test_a_connected_port_hears_its_peer_alone() -> None:
    async def story() -> None:
        with Port() as port, Phone() as phone, Phone() as stranger:
            port.socket.connect(phone.address)
            for number in range(100):
                stranger.send(b"noise", port)
                phone.send(b"%d" % number, port)
            await until(lambda: len(port.received) >= 100)
            assert port.received == [b"%d" % number for number in range(100)]
            assert set(port.sources) == {phone.address}

    run(story())


@pytest.mark.parametrize("queued", [1, DRAIN, 3 * DRAIN])
def test_what_strangers_queued_before_the_lock_is_not_taken_for_the_peers(queued: int) -> None:
    """The kernel sorts out only what comes after connecting."""

    async def story() -> None:
        with Port() as port, Phone() as phone, Phone() as stranger:
            port.lock_on = phone.address
            phone.send(b"first", port)
            for _ in range(queued):
                stranger.send(b"noise", port)
            phone.send(b"second", port)
            await until(lambda: b"second" in port.received)
            stranger.send(b"noise", port)
            phone.send(b"third", port)
            await until(lambda: b"third" in port.received)
            assert port.received == [b"first", b"second", b"third"]
            assert set(port.sources) == {phone.address}

    run(story())


def test_a_port_that_was_disconnected_hears_everybody_again() -> None:
    async def story() -> None:
        with Port() as port, Phone() as phone, Phone() as other:
            port.socket.connect(phone.address)
            port.socket.disconnect()
            port.socket.disconnect()
            other.send(b"other", port)
            phone.send(b"phone", port)
            await until(lambda: len(port.received) == 2)
            assert set(port.sources) == {other.address, phone.address}
            port.socket.connect(other.address)
            phone.send(b"noise", port)
            other.send(b"again", port)
            await until(lambda: len(port.received) > 2)
            assert port.received[2:] == [b"again"]

    run(story())


def test_a_heap_of_packets_lets_others_have_their_turn() -> None:
    async def story() -> None:
        with Port() as port, Phone() as phone:
            for number in range(3 * DRAIN):
                phone.send(b"%d" % number, port)
            seen = set()
            while len(port.received) < 3 * DRAIN:
                await asyncio.sleep(0)
                seen.add(len(port.received))
            assert {DRAIN, 2 * DRAIN} <= seen

    run(story())


def test_a_datagram_that_is_too_long_is_cut() -> None:
    """More than any RTP packet, so that it is refused above."""

    async def story() -> None:
        with Port() as port, Phone() as phone:
            phone.send(bytes(60_000), port)
            await until(lambda: port.received)
            assert len(port.received[0]) == MAX_DATAGRAM_BYTES

    run(story())


@pytest.mark.parametrize(
    "remote",
    [
        pytest.param((HERE, 0), id="port 0"),
        pytest.param((HERE, 65536), id="port 65536"),
        pytest.param((HERE, -1), id="port -1"),
        pytest.param(("::1", 4000), id="IPv6 from IPv4"),
        pytest.param(("255.255.255.255", 4000), id="broadcast"),
    ],
)
def test_what_cannot_be_sent_is_lost_and_hurts_nobody(remote: Address) -> None:
    async def story() -> None:
        with Port() as port, Phone() as phone:
            port.socket.send(b"lost", remote)
            port.socket.connect(remote)
            port.socket.send(b"hello", phone.address)
            assert phone.receive() == (b"hello", port.address)

    run(story())


def test_a_peer_that_has_gone_does_no_harm() -> None:
    """Its machine says so in ICMP, and the next system call fails."""

    async def story() -> None:
        with Port() as port:
            with Phone() as phone:
                gone = phone.address
            port.socket.connect(gone)
            for _ in range(5):
                port.socket.send(b"is anybody there?", gone)
                await asyncio.sleep(0)
            port.socket.disconnect()
            with Phone() as phone:
                phone.send(b"I am", port)
                await until(lambda: port.received)
                assert port.sources == [phone.address]

    run(story())


def test_a_port_may_be_closed_while_its_packets_are_handled() -> None:
    async def story() -> None:
        received = []

        def close(data: bytes, source: Address) -> None:
            received.append(data)
            port.socket.close()

        with Port() as port, Phone() as phone:
            port.socket.receive = close
            phone.send(b"first", port)
            phone.send(b"second", port)
            await until(lambda: received)
            await asyncio.sleep(0)
            assert received == [b"first"]
            port.socket.close()
            port.socket.send(b"lost", port.address)

    run(story())


def test_a_port_is_bound_once_and_free_again_when_closed() -> None:
    async def story() -> None:
        with Port() as port, pytest.raises(OSError, match="in use"):
            Port(port.address[1])
        Port(port.address[1]).socket.close()

    run(story())


# -- many sockets ----------------------------------------------------------------------------------


SOCKETS = 18


class House:
    """Many ports of one network."""

    def __init__(self, ports: int) -> None:
        self.received: list[tuple[int, bytes]] = []
        self.network = SocketMediaNetwork()
        self.addresses: list[Address] = []
        self.sockets = [self.open(number) for number in range(ports)]

    def open(self, number: int) -> MediaSocket:
        opened = self.network.open_media((HERE, 0), lambda data, _: self.received.append((number, data)))
        self.addresses.append(address_of(opened))
        return opened

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for each in self.sockets:
            each.close()


@pytest.mark.parametrize("turn_seconds", [TURN_SECONDS, -1])
def test_under_load_and_after_it_every_packet_is_read(
    turn_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media.net.TURN_SECONDS", turn_seconds)  # less than 0: no time for a second socket

    async def story() -> None:
        ports = SOCKETS
        with House(ports) as house, Phone() as phone:
            for turn in range(5):
                sent = [(number, bytes([turn, number])) for number in range(ports if turn % 2 == 0 else 1)]
                house.received.clear()
                for number, data in sent:
                    phone.send_to(data, house.addresses[number])
                await until(lambda: len(house.received) == len(sent))  # noqa: B023 - it is awaited here
                assert sorted(house.received) == sent

    run(story())


def test_a_socket_that_another_closes_meanwhile_is_not_read() -> None:
    async def story() -> None:
        def close_all(data: bytes, source: Address) -> None:
            house.received.append((0, data))
            house.close()

        with House(SOCKETS) as house, Phone() as phone:
            for each in house.sockets:
                each.receive = close_all
            for address in house.addresses:
                phone.send_to(b"close", address)
            await until(lambda: house.received)
            assert house.received == [(0, b"close")]
            house.sockets = [house.open(0)]  # and the network goes on
            phone.send_to(b"open", house.addresses[-1])
            await until(lambda: len(house.received) == 2)
            assert house.received[1] == (0, b"open")

    run(story())


def test_a_stream_that_fails_costs_no_other_its_packet(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        def fail(data: bytes, source: Address) -> None:
            raise RuntimeError("broken")

        with House(3) as house, Phone() as phone:
            house.sockets[1].receive = fail
            for address in house.addresses:
                phone.send_to(b"hello", address)
            await until(lambda: len(house.received) == 2)
            assert sorted(house.received) == [(0, b"hello"), (2, b"hello")]

    run(story())
    assert "broken" in caplog.text


def test_a_port_that_somebody_else_has_bound_meanwhile_is_not_taken_for_one_that_is_ready() -> None:
    async def story() -> None:
        with Port() as port, Phone() as phone, socket.socket(type=socket.SOCK_DGRAM) as thief:
            port.socket.connect(phone.address)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("media.net._bind", lambda local: bind_after(thief, local))
                with pytest.raises(OSError, match="in use"):
                    port.socket.disconnect()
            with pytest.raises(OSError, match="in use"):
                port.socket.disconnect()
            thief.close()
            port.socket.disconnect()
            phone.send(b"hello", port)
            await until(lambda: port.received == [b"hello"])

    def bind_after(thief: socket.socket, local: Address) -> socket.socket:
        thief.bind(local)
        raise OSError("address already in use")

    run(story())


class NoReaders:
    """An event loop that never finds the time to read."""

    def add_reader(self, fd: int, callback: object) -> None: ...

    def remove_reader(self, fd: int) -> None: ...


def test_who_lends_a_socket_first_reads_what_was_queued_of_others() -> None:
    """Where the event loop has too much to do to come to an end with it: being lent is what would help."""

    async def story() -> None:
        received: list[bytes] = []
        sent = [bytes([number]) for number in range(3 * DRAIN)]
        with Phone() as phone, Phone() as stranger:
            media = SystemMediaSocket((HERE, 0), lambda data, _: received.append(data), NoReaders())
            try:
                assert media.lend() is None  # it has no peer
                stranger.send_to(b"stranger", media._local)
                media.connect(phone.address)
                for data in sent:
                    phone.send_to(data, media._local)
                assert media.lend() is None
                await until(lambda: media.lend() is not None)
                assert received == sent
            finally:
                media.close()

    run(story())
