"""The port pool: pairs of ports, bound ahead of need, and never lost."""

from __future__ import annotations

import pytest

from media import ports as ports_module
from media.ports import READY, PortPair, Ports
from tests.simulation.network import HostNetwork
from tests.simulation.simulation import Simulation

HOST = "10.0.0.1"
STRANGER = ("10.0.0.66", 4000)


@pytest.fixture
def host(simulation: Simulation) -> HostNetwork:
    return simulation.network.host(HOST)


def taken(pool: Ports, port: int) -> PortPair:
    pair = pool.take(port)
    assert pair is not None
    return pair


def occupy(host: HostNetwork, port: int) -> None:
    """Another program has this port."""
    host.open_media((HOST, port), lambda data, source: None)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (20000, 20003, (20000, 20002)),
        (20000, 20004, (20000, 20002)),
        (20001, 20005, (20002, 20004)),
        (20000, 20001, (20000,)),
        (20000, 20000, ()),
        (20001, 20002, ()),
        (65534, 65535, (65534,)),
    ],
)
def test_pairs_begin_at_even_ports_and_stay_within_the_range(
    host: HostNetwork, first: int, last: int, expected: tuple[int, ...]
) -> None:
    """RFC 3550 section 11: RTP on an even port, RTCP on the odd one above."""
    assert Ports(host, HOST, first, last).fill() == expected
    assert sorted(host.udp) == sorted([*expected, *(port + 1 for port in expected)])


def test_only_so_many_pairs_wait(host: HostNetwork) -> None:
    pool = Ports(host, HOST, 20000, 29999)
    assert len(pool.fill()) == READY
    assert pool.fill() == ()
    assert len(host.udp) == 2 * READY


def test_pairs_that_are_reserved_do_not_count_among_those_that_wait(host: HostNetwork) -> None:
    pool = Ports(host, HOST, 20000, 29999)
    assert len(pool.fill()) == READY
    assert len(pool.fill(reserved=3)) == 3
    assert pool.fill() == ()


def test_for_each_pair_that_is_taken_another_is_bound(host: HostNetwork) -> None:
    pool = Ports(host, HOST, 20000, 29999)
    first, *_, last = pool.fill()
    assert taken(pool, first).port == first
    assert pool.fill() == (last + 2,)


def test_a_pair_is_taken_once(host: HostNetwork) -> None:
    pool = Ports(host, HOST, 20000, 20003)
    pool.fill()
    assert pool.take(20000) is not None
    assert pool.take(20000) is None
    assert pool.take(20001) is None


@pytest.mark.parametrize("port", [20002, 20003])
def test_a_pair_that_somebody_else_uses_is_passed_over(host: HostNetwork, port: int) -> None:
    """And leaves nothing bound behind."""
    occupy(host, port)
    pool = Ports(host, HOST, 20000, 20005)
    assert pool.fill() == (20000, 20004)
    pool.close()
    assert list(host.udp) == [port]


def test_a_pair_is_bound_once_somebody_else_has_left_it(host: HostNetwork) -> None:
    occupy(host, 20000)
    pool = Ports(host, HOST, 20000, 20001)
    assert pool.fill() == ()
    host.udp[20000].close()
    assert pool.fill() == (20000,)


def test_a_pair_that_comes_back_waits_as_the_last_in_the_row(host: HostNetwork) -> None:
    """Packets of the call before find nobody there for as long as can be."""
    pool = Ports(host, HOST, 20000, 20005)
    ready = list(pool.fill())
    used = taken(pool, ready.pop(0))
    ready += pool.release(used)
    assert ready == [20002, 20004, 20000]
    assert [taken(pool, port).port for port in ready] == ready


async def test_a_pair_that_comes_back_has_forgotten_its_peer(
    host: HostNetwork, simulation: Simulation
) -> None:
    heard: list[str] = []
    pool = Ports(host, HOST, 20000, 20001)
    pool.fill()
    pair = taken(pool, 20000)
    pair.rtp.receive = lambda data, source: heard.append("the call before")
    pair.rtp.connect(("10.0.0.7", 4000))
    pool.release(pair)
    again = taken(pool, 20000)
    stranger = simulation.network.host(STRANGER[0]).open_media(STRANGER, lambda data, source: None)
    stranger.send(b"straggler", (HOST, 20000))
    await _arrive(simulation)
    assert heard == []
    again.rtp.receive = lambda data, source: heard.append("the call after")
    stranger.send(b"hello", (HOST, 20000))
    await _arrive(simulation)
    assert heard == ["the call after"]


async def _arrive(simulation: Simulation) -> None:
    arrived = simulation.loop.create_future()
    simulation.loop.call_later(0.1, arrived.set_result, None)
    await arrived


def test_of_pairs_that_come_back_not_all_stay_bound(
    host: HostNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports_module, "MOST_READY", 2)
    pool = Ports(host, HOST, 20000, 20007)
    pairs = [taken(pool, port) for port in pool.fill()]
    assert [pool.release(pair) for pair in pairs] == [(20000,), (20002,), (), ()]
    assert sorted(host.udp) == [20000, 20001, 20002, 20003]
    assert pool.fill() == (20004, 20006)


def test_a_pair_that_did_not_stay_bound_is_bound_when_it_is_wanted(
    host: HostNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports_module, "MOST_READY", 1)
    pool = Ports(host, HOST, 20000, 20005)
    for pair in [taken(pool, port) for port in pool.fill()]:
        pool.release(pair)
    assert sorted(host.udp) == [20000, 20001]
    assert taken(pool, 20004).port == 20004
    occupy(host, 20002)
    assert pool.take(20002) is None
    host.udp[20002].close()
    assert taken(pool, 20002).port == 20002


def test_a_pair_that_cannot_be_opened_anew_is_closed_and_tried_again_later(
    host: HostNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else was quicker to bind it."""

    def fail() -> None:
        raise OSError("Address already in use")

    pool = Ports(host, HOST, 20000, 20001)
    pool.fill()
    pair = taken(pool, 20000)
    monkeypatch.setattr(pair.rtp, "disconnect", fail)
    assert pool.release(pair) == ()
    assert host.open_ports() == []
    assert pool.fill() == (20000,)


def test_no_port_is_ever_lost(host: HostNetwork) -> None:
    pool = Ports(host, HOST, 20000, 20009)
    ready = list(pool.fill())
    for _ in range(100):
        ready += pool.release(taken(pool, ready.pop(0)))
        ready += pool.fill()
    assert sorted(ready) == [20000, 20002, 20004, 20006, 20008]
    pool.close()
    assert host.open_ports() == []


def test_closing_frees_what_waits_and_not_what_is_in_use(host: HostNetwork) -> None:
    pool = Ports(host, HOST, 20000, 20003)
    pool.fill()
    pair = taken(pool, 20000)
    pool.close()
    assert sorted(host.udp) == [20000, 20001]
    pair.rtp.close()
    pair.rtcp.close()
    assert pool.fill() == ()
