"""What the kernel drops for us: what comes of those that are named, and nothing else."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sipcore.net.sieve import let_through

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="socket filters are of Linux")


class Ports:
    """A port that listens, and those of some hosts of this machine."""

    def __init__(self, here: str, others: list[str], stack: ExitStack) -> None:
        family = socket.AF_INET6 if ":" in here else socket.AF_INET
        opened = [stack.enter_context(socket.socket(family, socket.SOCK_DGRAM)) for _ in [here, *others]]
        for port, host in zip(opened, [here, *others], strict=True):
            try:
                port.bind((host, 0))
            except OSError:
                pytest.skip(f"{host} is not of this machine")
        self.listening, *self.others = opened
        self.listening.setblocking(False)

    def heard(self) -> list[str]:
        """Whose datagrams come through, where each sends one: on the way to this machine itself none waits."""
        for port in self.others:
            port.sendto(b"hello", self.listening.getsockname())
        found: list[str] = []
        while True:
            try:
                found.append(self.listening.recvfrom(100)[1][0])
            except BlockingIOError:
                return found


HOSTS = [f"127.0.0.{number}" for number in range(2, 7)]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def drop(port: socket.socket, sources: list[str]) -> None:
    let_through(port, dict.fromkeys(sources, 0.0))


@pytest.mark.parametrize("dropped", [HOSTS[:1], HOSTS[1:4], HOSTS, ["192.0.2.1", "2001:db8::/64"]])
def test_those_that_are_named_are_dropped_and_nobody_else(dropped: list[str], stack: ExitStack) -> None:
    ports = Ports("127.0.0.1", HOSTS, stack)
    assert ports.heard() == HOSTS
    drop(ports.listening, dropped)
    assert ports.heard() == [host for host in HOSTS if host not in dropped]
    drop(ports.listening, HOSTS[-1:])
    assert ports.heard() == HOSTS[:-1], "the last word counts"
    drop(ports.listening, [])
    assert ports.heard() == HOSTS
    drop(ports.listening, [])
    assert ports.heard() == HOSTS


@pytest.mark.parametrize(
    ("dropped", "heard"),
    [
        (["::/64"], False),
        (["2001:db8::/64", "::/64", "2001:db8:0:1::/64"], False),
        (["2001:db8::/64", "0:0:0:1::/64", "0:0:1::/64", "127.0.0.1"], True),
    ],
)
def test_of_ipv6_a_network_is_dropped(dropped: list[str], heard: bool, stack: ExitStack) -> None:
    ports = Ports("::1", ["::1"], stack)
    drop(ports.listening, dropped)
    assert ports.heard() == ["::1"] * heard


def test_what_comes_over_ipv4_to_a_port_of_both_is_dropped_too(stack: ExitStack) -> None:
    ports = Ports("::1", [], stack)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as both:
        both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        both.bind(("::", 0))
        both.setblocking(False)
        ports.listening = both
        for host in HOSTS[:3]:
            ports.others.append(stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
            ports.others[-1].bind((host, 0))
        to = "127.0.0.1", both.getsockname()[1]
        drop(both, [HOSTS[1], "::/64"])
        for other in ports.others:
            other.sendto(b"hello", to)
        assert [both.recvfrom(100)[1][0] for _ in range(2)] == [f"::ffff:{HOSTS[0]}", f"::ffff:{HOSTS[2]}"]


def test_a_share_is_let_through_by_chance(stack: ExitStack) -> None:
    ports = Ports("127.0.0.1", HOSTS[:3], stack)
    let_through(ports.listening, {HOSTS[0]: 0.5, HOSTS[1]: 1.0})
    heard = [host for _ in range(200) for host in ports.heard()]
    assert heard.count(HOSTS[1]) > 190, "all but one of four billions"
    assert heard.count(HOSTS[2]) == 200
    assert 0 < heard.count(HOSTS[0]) < 200, "otherwise by one chance of 2 ** 199"


def test_many_may_be_named(stack: ExitStack) -> None:
    ports = Ports("127.0.0.1", HOSTS, stack)
    drop(ports.listening, [*(f"192.0.2.{number}" for number in range(200)), *HOSTS[:2]])
    assert ports.heard() == HOSTS[2:]


def test_nobody_is_dropped_any_more_where_the_kernel_refuses_a_change(stack: ExitStack) -> None:
    ports = Ports("127.0.0.1", HOSTS, stack)
    drop(ports.listening, HOSTS[:2])
    with pytest.raises(OSError, match="Invalid argument"):  # it takes 4096 steps
        drop(ports.listening, [f"10.0.{number // 250}.{number % 250}" for number in range(1000)])
    assert ports.heard() == HOSTS


def test_other_systems_say_so(monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> None:
    ports = Ports("127.0.0.1", HOSTS, stack)
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(OSError, match="no socket filters"):
        drop(ports.listening, HOSTS)
    assert ports.heard() == HOSTS
