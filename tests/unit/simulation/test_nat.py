"""NAT boxes behave as RFC 4787 words it, each of the four kinds of RFC 3489."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from sipcore.transport.flow import Address
from tests.simulation.nat import NatBox, NatKind
from tests.simulation.network import HostNetwork, SimulatedUdpSocket
from tests.simulation.simulation import Simulation


@dataclass
class Peer:
    """A host with a socket on port 5060 and what it has received."""

    host: HostNetwork
    received: list[tuple[bytes, Address]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.socket: SimulatedUdpSocket = self.open(5060)

    def open(self, port: int) -> SimulatedUdpSocket:
        return self.host.open_udp(
            Address(self.host.address, port), lambda data, source: self.received.append((data, source))
        )

    @property
    def address(self) -> Address:
        return Address(self.host.address, 5060)


class Scene:
    """A phone behind a NAT box; a server and a stranger outside."""

    def __init__(self, simulation: Simulation, kind: NatKind, mapping_seconds: float = 60) -> None:
        self.box = NatBox(simulation.network, "203.0.113.1", kind, mapping_seconds=mapping_seconds)
        self.phone = Peer(self.box.host("192.168.1.2"))
        self.server = Peer(simulation.network.host("198.51.100.1"))
        self.stranger = Peer(simulation.network.host("198.51.100.2"))

    async def knock(self, at: Peer) -> Address:
        """Let the phone write to a peer; return the address the peer sees."""
        self.phone.socket.send(b"knock", at.address)
        await asyncio.sleep(0.1)
        return at.received[-1][1]

    async def lets_in(self, sender: SimulatedUdpSocket, public: Address) -> bool:
        """Whether a datagram from outside reaches the phone."""
        before = len(self.phone.received)
        sender.send(b"anybody there?", public)
        await asyncio.sleep(0.1)
        return len(self.phone.received) > before


@pytest.mark.parametrize("kind", NatKind)
async def test_answers_get_back_in(simulation: Simulation, kind: NatKind) -> None:
    scene = Scene(simulation, kind)
    public = await scene.knock(scene.server)
    assert public.host == "203.0.113.1"
    assert await scene.lets_in(scene.server.socket, public)
    assert scene.phone.received == [(b"anybody there?", scene.server.address)]


@pytest.mark.parametrize(
    ("kind", "same_mapping"),
    [
        (NatKind.FULL_CONE, True),
        (NatKind.RESTRICTED_CONE, True),
        (NatKind.PORT_RESTRICTED_CONE, True),
        (NatKind.SYMMETRIC, False),
    ],
)
async def test_mapping(simulation: Simulation, kind: NatKind, same_mapping: bool) -> None:
    """RFC 4787 section 4.1: endpoint-independent mapping shows every peer the same public port."""
    scene = Scene(simulation, kind)
    seen_by_server = await scene.knock(scene.server)
    seen_by_stranger = await scene.knock(scene.stranger)
    assert (seen_by_server == seen_by_stranger) is same_mapping


@pytest.mark.parametrize(
    ("kind", "other_port", "other_host"),
    [
        (NatKind.FULL_CONE, True, True),
        (NatKind.RESTRICTED_CONE, True, False),
        (NatKind.PORT_RESTRICTED_CONE, False, False),
        (NatKind.SYMMETRIC, False, False),
    ],
)
async def test_filtering(simulation: Simulation, kind: NatKind, other_port: bool, other_host: bool) -> None:
    """RFC 4787 section 5: who but the addressed peer may use the public port."""
    scene = Scene(simulation, kind)
    public = await scene.knock(scene.server)
    assert await scene.lets_in(scene.server.open(6060), public) is other_port
    assert await scene.lets_in(scene.stranger.socket, public) is other_host


@pytest.mark.parametrize("kind", NatKind)
async def test_a_mapping_dies_unless_refreshed_from_inside(simulation: Simulation, kind: NatKind) -> None:
    """RFC 4787 section 4.3 and REQ-6: what comes in does not keep the mapping alive."""
    scene = Scene(simulation, kind, mapping_seconds=30)
    public = await scene.knock(scene.server)
    for _ in range(3):
        await asyncio.sleep(20)
        assert await scene.knock(scene.server) == public
    await asyncio.sleep(20)
    assert await scene.lets_in(scene.server.socket, public)
    await asyncio.sleep(20)
    assert not await scene.lets_in(scene.server.socket, public)
    assert await scene.knock(scene.server) != public


async def test_a_restarted_box_lets_nothing_in(simulation: Simulation) -> None:
    scene = Scene(simulation, NatKind.FULL_CONE)
    public = await scene.knock(scene.server)
    scene.box.forget()
    assert not await scene.lets_in(scene.server.socket, public)


async def test_neighbours_talk_directly_and_by_hairpin(simulation: Simulation) -> None:
    """RFC 4787 REQ-9: the hairpinned packet shows its external source address."""
    scene = Scene(simulation, NatKind.FULL_CONE)
    public = await scene.knock(scene.server)
    neighbour = Peer(scene.box.host("192.168.1.3"))
    neighbour.socket.send(b"direct", scene.phone.address)
    neighbour.socket.send(b"hairpin", public)
    await asyncio.sleep(0.1)
    (direct, near), (hairpin, far) = sorted(scene.phone.received)
    assert (direct, near) == (b"direct", neighbour.address)
    assert (hairpin, far.host) == (b"hairpin", "203.0.113.1")
