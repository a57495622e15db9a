"""Datagrams on real sockets: all of them, from the right place, and errors that stay where they belong."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Iterable
from typing import Self

import pytest

from sipcore.net import udp
from sipcore.net.udp import DRAIN, IGNORED_SECONDS, MAX_IGNORED, Datagram, SystemUdpSocket
from sipcore.transport.flow import Address
from tests.unit.sipcore.net.loopback import HERE, run, until


class Port:
    """A bound port; keeps what comes."""

    def __init__(self, host: str = HERE) -> None:
        self.received: list[tuple[bytes, Address]] = []
        self.socket = SystemUdpSocket(Address(host, 0), self.received.extend)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def test_a_datagram_tells_where_it_comes_from() -> None:
    async def story() -> None:
        with Port() as one, Port() as other:
            one.socket.send(b"hello", other.socket.local)
            one.socket.send(b"", other.socket.local)
            one.socket.send(b"x" * 65507, other.socket.local)
            await until(lambda: len(other.received) == 3)
            assert [len(data) for data, _ in other.received] == [5, 0, 65507]
            assert {remote for _, remote in other.received} == {one.socket.local}

    run(story())


def test_a_heap_of_datagrams_lets_others_have_their_turn() -> None:
    async def story() -> None:
        with Port() as one, Port() as other:
            for number in range(3 * DRAIN):
                one.socket.send(b"%d" % number, other.socket.local)
            seen: list[int] = []
            while len(other.received) < 3 * DRAIN:
                await asyncio.sleep(0)
                seen.append(len(other.received))
            assert [data for data, _ in other.received] == [b"%d" % number for number in range(3 * DRAIN)]
            assert {DRAIN, 2 * DRAIN} <= set(seen)

    run(story())


def test_what_has_come_is_told_together() -> None:
    async def story() -> None:
        told: list[list[Datagram]] = []
        with Port() as one:
            listening = SystemUdpSocket(Address(HERE, 0), told.append)
            try:
                for number in range(5):
                    one.socket.send(b"%d" % number, listening.local)
                await until(lambda: sum(map(len, told)) == 5)
                together = [(b"%d" % number, one.socket.local) for number in range(5)]
                assert [datagram for datagrams in told for datagram in datagrams] == together
                assert all(told), "nobody is told of nothing"
            finally:
                listening.close()

    run(story())


def test_more_senders_than_are_remembered_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipcore.net.udp.MAX_SENDERS", 2)

    async def story() -> None:
        with Port() as one, Port() as other, Port() as third, Port() as listening:
            senders = (one, other, third, one, third)
            for port in senders:
                port.socket.send(b"hello", listening.socket.local)
            await until(lambda: len(listening.received) == len(senders))
            assert [remote for _, remote in listening.received] == [port.socket.local for port in senders]

    run(story())


def test_a_datagram_that_can_never_be_sent_is_an_error() -> None:
    async def story() -> None:
        with Port() as port, pytest.raises(OSError, match=r"[Mm]essage too long"):
            port.socket.send(b"x" * 65508, port.socket.local)

    run(story())


def test_a_peer_that_is_not_there_does_no_harm() -> None:
    async def story() -> None:
        with Port() as port, Port() as other:
            with socket.socket(type=socket.SOCK_DGRAM) as gone:
                gone.bind((HERE, 0))
                nobody = Address(*gone.getsockname())
            for _ in range(10):
                port.socket.send(b"is anybody there?", nobody)
            other.socket.send(b"I am", port.socket.local)
            await until(lambda: port.received)
            assert port.received == [(b"I am", other.socket.local)]

    run(story())


class Ignoring(Port):
    """By a clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.now = 0.0
        monkeypatch.setattr(self.socket, "_loop", self)

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, heed: Callable[[], None]) -> asyncio.TimerHandle:
        self.when, self.heed = when, heed
        return asyncio.get_running_loop().call_later(1000.0, heed)

    def remove_reader(self, port: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(port)

    def pass_on(self) -> None:
        """To when the timer is due."""
        self.now = self.when
        self.heed()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops datagrams for us")
def test_who_is_ignored_is_not_read_until_he_has_not_been_named_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = "127.0.0.2", "127.0.0.3"

    async def story() -> None:
        with Ignoring(monkeypatch) as port, Port(one) as first, Port(other) as second, Port() as phone:

            async def heard() -> list[str]:
                """Whose datagrams are told, up to that of the phone, which comes last."""
                port.received.clear()
                for sender in (first, second, phone):
                    sender.socket.send(b"hello", port.socket.local)
                await until(lambda: (b"hello", phone.socket.local) in port.received)
                return [remote.host for _, remote in port.received]

            port.socket.ignore({one})
            assert await heard() == [other, HERE]
            port.now = 0.75 * IGNORED_SECONDS
            port.socket.ignore({other})
            assert await heard() == [HERE]
            port.pass_on()
            assert (port.now, await heard()) == (IGNORED_SECONDS, [one, HERE])
            port.socket.ignore({other})
            port.pass_on()
            assert await heard() == [one, HERE]
            port.pass_on()
            assert (port.now, await heard()) == (2 * IGNORED_SECONDS, [one, other, HERE])
            port.socket.ignore({one, other})
            assert await heard() == [HERE]

    run(story())


def test_where_nothing_can_be_dropped_all_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(port: socket.socket, sources: Iterable[str]) -> None:
        raise PermissionError("not here")

    async def story() -> None:
        monkeypatch.setattr(udp, "drop", refused)
        monkeypatch.setattr(udp, "IGNORED_SECONDS", 0.001)
        with Port() as port, Port() as other:
            port.socket.ignore({HERE})
            other.socket.send(b"hello", port.socket.local)
            await until(lambda: port.received)
            await until(lambda: port.socket._heeding is None)

    run(story())


def test_no_more_are_ignored_than_the_kernel_is_to_look_for(monkeypatch: pytest.MonkeyPatch) -> None:
    named: list[int] = []

    async def story() -> None:
        monkeypatch.setattr(udp, "drop", lambda port, sources: named.append(len(sources)))
        with Port() as port:
            for number in range(2 * MAX_IGNORED):
                port.socket.ignore({f"192.0.2.{number}"})
                port.socket.ignore({f"192.0.2.{number}"})
            assert named == list(range(1, MAX_IGNORED + 1))
        port.socket.ignore({"192.0.2.1"})
        assert len(named) == MAX_IGNORED, "nothing is asked of a socket that is closed"

    run(story())


def test_a_close_frees_the_port_even_while_datagrams_are_told() -> None:
    async def story() -> None:
        with Port() as one:
            told: list[list[Datagram]] = []

            def receive(datagrams: list[Datagram]) -> None:
                told.append(datagrams)
                other.close()

            other = SystemUdpSocket(Address(HERE, 0), receive)
            for _ in range(DRAIN + 5):
                one.socket.send(b"hello", other.local)
            await until(lambda: told)
            again = SystemUdpSocket(other.local, receive)
            again.close()
            other.close()
            assert len(told) == 1

    run(story())


def test_a_port_in_use_is_an_error() -> None:
    async def story() -> None:
        with Port() as port, pytest.raises(OSError, match="in use"):
            SystemUdpSocket(port.socket.local, lambda datagrams: None)

    run(story())
