"""Streams of the simulated network: in order, whatever the link; refused, closed and broken as TCP would."""

from __future__ import annotations

import asyncio

import pytest

from sipcore.transport.flow import Address
from tests.simulation.impairment import AWFUL, LAN, Profile
from tests.simulation.nat import NatBox, NatKind
from tests.simulation.network import HostNetwork
from tests.simulation.simulation import Simulation
from tests.simulation.streams import SimulatedStream

SERVER = Address("10.0.0.1", 5060)


class End:
    """Notes what one end of a stream is told."""

    def __init__(self, stream: SimulatedStream) -> None:
        self.stream = stream
        self.received: list[bytes] = []
        self.ends = 0
        stream.receive = self.received.append
        stream.closed = self._note_end

    def _note_end(self) -> None:
        self.ends += 1


async def pair(
    simulation: Simulation, link: Profile = LAN, client: HostNetwork | None = None
) -> tuple[End, End]:
    """A connection from 10.0.0.2 to 10.0.0.1."""
    accepted: list[End] = []
    server = simulation.network.host(SERVER.host, link=link)
    client = client or simulation.network.host("10.0.0.2", link=link)
    await server.listen(SERVER, lambda stream: accepted.append(End(stream)))
    opened = End(await client.connect(SERVER))
    return opened, accepted[0]


@pytest.mark.parametrize("link", [LAN, AWFUL], ids=["lan", "awful"])
async def test_bytes_arrive_in_order(simulation: Simulation, link: Profile) -> None:
    here, there = await pair(simulation, link)
    sent = [bytes([number % 256]) * (number * 7) for number in range(60)]
    for data in sent:
        here.stream.write(data)
        await asyncio.sleep(0.01)
    here.stream.close()
    await asyncio.sleep(600)
    assert b"".join(there.received) == b"".join(sent)
    assert max(map(len, there.received)) <= link.segment_bytes
    assert (here.ends, there.ends) == (1, 1)
    assert simulation.network.open_ports() == ["10.0.0.1 listen 5060"]


async def test_addresses_mirror_each_other(simulation: Simulation) -> None:
    here, there = await pair(simulation)
    assert here.stream.remote == there.stream.local == SERVER
    assert here.stream.local == there.stream.remote


async def test_nobody_listens(simulation: Simulation) -> None:
    simulation.network.host(SERVER.host)
    client = simulation.network.host("10.0.0.2")
    with pytest.raises(ConnectionRefusedError):
        await client.connect(SERVER)
    with pytest.raises(TimeoutError):
        await client.connect(Address("10.9.9.9", 5060))


async def test_both_must_speak_tls(simulation: Simulation) -> None:
    server, client = simulation.network.host(SERVER.host), simulation.network.host("10.0.0.2")
    await server.listen(SERVER, lambda stream: None, tls="context")
    with pytest.raises(ConnectionResetError):
        await client.connect(SERVER)
    assert (await client.connect(SERVER, tls="context")).secure


async def test_a_broken_connection_is_dead_at_both_ends(simulation: Simulation) -> None:
    here, there = await pair(simulation)
    here.stream.write(b"lost")
    there.stream.break_off()
    here.stream.write(b"dropped")
    await asyncio.sleep(1)
    assert (here.ends, there.ends, there.received) == (1, 1, [])


async def test_a_short_outage_only_delays(simulation: Simulation) -> None:
    here, there = await pair(simulation)
    simulation.network.hosts[0].unplug()
    for word in (b"a", b"b", b"c"):
        here.stream.write(word)
    await asyncio.sleep(30)
    assert there.received == []
    simulation.network.hosts[0].plug()
    here.stream.write(b"d")
    await asyncio.sleep(5)
    assert b"".join(there.received) == b"abcd"


async def test_a_long_outage_breaks(simulation: Simulation) -> None:
    here, _there = await pair(simulation)
    simulation.network.hosts[0].unplug()
    here.stream.write(b"anybody?")
    await asyncio.sleep(200)
    assert here.ends == 1


async def test_behind_a_nat_box_the_public_address_shows(simulation: Simulation) -> None:
    box = NatBox(simulation.network, "203.0.113.1", NatKind.SYMMETRIC)
    here, there = await pair(simulation, client=box.host("192.168.1.2"))
    assert there.stream.remote.host == "203.0.113.1"
    assert here.stream.local.host == "192.168.1.2"
    there.stream.write(b"back")
    await asyncio.sleep(1)
    assert here.received == [b"back"]
    with pytest.raises(TimeoutError):
        await simulation.network.hosts[0].connect(there.stream.remote)
