"""The simulated network: what arrives, in which order, and that a seed settles it all."""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket

import pytest

from sipcore.transport.flow import Address
from tests.simulation.impairment import AWFUL, Bursts, Channel, Profile
from tests.simulation.network import HostNetwork
from tests.simulation.simulation import Simulation

Received = list[tuple[bytes, Address]]


def listen(host: HostNetwork, port: int = 5060) -> Received:
    """Open a socket and return the list that what arrives is put into."""
    received: Received = []
    host.open_udp(Address(host.address, port), lambda data, source: received.append((data, source)))
    return received


async def test_a_datagram_arrives_after_the_delay_of_both_links(simulation: Simulation) -> None:
    here = simulation.network.host("10.0.0.1", link=Profile(delay_seconds=0.25))
    there = simulation.network.host("10.0.0.2", link=Profile(delay_seconds=0.5))
    received = listen(there)
    sender = here.open_udp(Address("0.0.0.0", 0), lambda data, source: None)
    sender.send(b"hello", Address("10.0.0.2", 5060))
    await asyncio.sleep(0.749)
    assert received == []
    await asyncio.sleep(0.002)
    assert received == [(b"hello", Address("10.0.0.1", sender.local.port))]


def trace(seed: int) -> list[tuple[float, bytes]]:
    """Two hundred numbered datagrams over an awful network, as they arrive."""
    arrivals: list[tuple[float, bytes]] = []
    with Simulation(seed) as simulation:
        here, there = (simulation.network.host(f"10.0.0.{n}", link=AWFUL) for n in (1, 2))
        there.open_udp(
            Address("10.0.0.2", 9), lambda data, source: arrivals.append((simulation.loop.time(), data))
        )

        async def story() -> None:
            sender = here.open_udp(Address("10.0.0.1", 9), lambda data, source: None)
            for number in range(200):
                sender.send(b"%d" % number, Address("10.0.0.2", 9))
                await asyncio.sleep(0.02)
            await asyncio.sleep(5)

        simulation.run(story())
    return arrivals


def test_the_same_seed_gives_the_same_trace() -> None:
    assert trace(7) == trace(7)
    assert trace(7) != trace(8)


def test_an_awful_network_loses_doubles_and_reorders() -> None:
    numbers = [int(data) for _, data in trace(7)]
    assert len(set(numbers)) < 200
    assert len(numbers) > len(set(numbers))
    assert numbers != sorted(numbers)


def test_loss_is_as_frequent_as_the_profile_says(simulation: Simulation) -> None:
    channel = Channel(Profile(loss=0.1), simulation.dice("loss"))
    lost = sum(channel.carry() == [] for _ in range(20_000))
    assert lost == pytest.approx(2000, rel=0.1)


def test_bursts_have_the_length_and_the_share_that_the_model_says(simulation: Simulation) -> None:
    """Mean length 1/stop; share start/(start+stop)."""
    channel = Channel(Profile(bursts=Bursts(start=0.01, stop=0.25)), simulation.dice("bursts"))
    fates = [bool(channel.carry()) for _ in range(100_000)]
    bursts = sum(before and not after for before, after in itertools.pairwise(fates))
    lost = fates.count(False)
    assert lost / len(fates) == pytest.approx(0.01 / 0.26, rel=0.15)
    assert lost / bursts == pytest.approx(4, rel=0.15)


async def test_an_unplugged_host_is_cut_off_both_ways(simulation: Simulation) -> None:
    here, there = simulation.network.host("10.0.0.1"), simulation.network.host("10.0.0.2")
    received = listen(there)
    sender = here.open_udp(Address("10.0.0.1", 5060), lambda data, source: None)
    there.unplug()
    sender.send(b"lost", Address("10.0.0.2", 5060))
    await asyncio.sleep(1)
    there.plug()
    sender.send(b"found", Address("10.0.0.2", 5060))
    await asyncio.sleep(1)
    assert [data for data, _ in received] == [b"found"]


def test_ports_are_taken_freed_and_listed(simulation: Simulation) -> None:
    host = simulation.network.host("10.0.0.1")
    first = host.open_udp(Address("10.0.0.1", 5060), lambda data, source: None)
    assert simulation.network.open_ports() == ["10.0.0.1 udp 5060"]
    with pytest.raises(OSError, match="in use") as raised:
        host.open_udp(Address("0.0.0.0", 5060), lambda data, source: None)
    assert raised.value.errno == errno.EADDRINUSE
    with pytest.raises(OSError, match="assign"):
        host.open_udp(Address("10.9.9.9", 5061), lambda data, source: None)
    first.close()
    first.close()
    assert simulation.network.open_ports() == []
    with pytest.raises(OSError, match="descriptor"):
        first.send(b"late", Address("10.0.0.2", 5060))


async def test_names_are_resolved(simulation: Simulation) -> None:
    host = simulation.network.host("10.0.0.1", "pbx")
    assert await host.resolve("pbx") == ["10.0.0.1"]
    assert await host.resolve("192.0.2.7") == ["192.0.2.7"]
    with pytest.raises(socket.gaierror):
        await host.resolve("nowhere.invalid")


async def test_the_ladder_shows_fates_and_names(simulation: Simulation) -> None:
    simulation.network.host("10.0.0.1", "pbx")
    phone = simulation.network.host("10.0.0.2", "phone")
    sender = phone.open_udp(Address("10.0.0.2", 5060), lambda data, source: None)
    sender.send(b"OPTIONS sip:pbx SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n", Address("10.0.0.1", 5060))
    sender.send(b"SIP/2.0 200 OK\r\nCSeq: 2 INVITE\r\n\r\n", Address("10.0.0.1", 5060))
    sender.send(b"BYE sip:pbx SIP/2.0\r\n\r\n", Address("10.7.7.7", 5060))
    sender.send(b"\x80\x00 media", Address("10.0.0.1", 5060))
    first, second, third = str(simulation.ladder).splitlines()
    assert "phone" in first
    assert first.endswith(">  pbx")
    assert "OPTIONS sip:pbx" in first
    assert "200 OK (2 INVITE)" in second
    assert "lost: BYE sip:pbx" in third
