"""A seeded IP network: hosts with UDP sockets and streams, on links that lose, delay, double and reorder.

Hosts live in address spaces. The public one is `SimulatedNetwork.public`; each NAT box (nat.py) has one of
its own behind it. A datagram is judged once by the sender's uplink and once by the receiver's downlink.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from random import Random
from typing import Any, NamedTuple, Protocol, runtime_checkable

from sipcore.transport.flow import Address
from sipcore.transport.resolve import Naptr, Srv
from tests.simulation.impairment import LAN, Channel, Profile
from tests.simulation.ladder import Ladder
from tests.simulation.streams import SimulatedListener, SimulatedStream, connect

FIRST_EPHEMERAL_PORT = 49152
MAXIMUM_DATAGRAM_BYTES = 65507
WILDCARDS = ("0.0.0.0", "::", "")


class Datagram(NamedTuple):
    """One UDP packet as it looks at some point of its way."""

    source: Address
    destination: Address
    data: bytes


class Node(Protocol):
    """What an address of a space leads to: a host or a NAT box."""

    down: Channel

    def arrive(self, datagram: Datagram) -> None:
        """Take a datagram that has reached this node."""


@runtime_checkable
class Forwarder(Protocol):
    """A NAT box that lets connections in at some ports."""

    inside: Space

    def inwards(self, address: Address) -> Address | None:
        """The host that a public port is forwarded to; None if it is not."""


def os_error(number: int, about: object) -> OSError:
    """The OSError that a kernel would raise."""
    return OSError(number, f"{os.strerror(number)}: {about}")


Gateway = Callable[[Datagram], "tuple[Space, Datagram] | None"]
"""Takes a datagram out of its space: the next space, and the datagram as it looks there; None: no way out."""


class Space:
    """An address space: the public Internet, or a private network behind a NAT box."""

    def __init__(self, network: SimulatedNetwork, gateway: Gateway) -> None:
        self.network = network
        self.nodes: dict[str, Node] = {}
        self._gateway = gateway

    def route(self, datagram: Datagram) -> tuple[Node | None, Datagram]:
        """The node a datagram leads to, through gateways if need be, and the datagram as it looks there."""
        space: Space = self
        while (node := space.nodes.get(datagram.destination.host)) is None:
            passed = space._gateway(datagram)
            if passed is None:
                return None, datagram
            space, datagram = passed
        return node, datagram


class Deliveries:
    """What is on its way, on one timer of the loop: thousands of packets need no timer each."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._sent = 0
        self._delivering = False
        self._timer: asyncio.TimerHandle | None = None

    def after(self, seconds: float, deliver: Callable[[Any], None], what: Any) -> None:
        """Call `deliver(what)` later; what is due at the same time comes in the order of sending."""
        self._sent += 1
        heappush(self._heap, (self._loop.time() + seconds, self._sent, deliver, what))
        if not self._delivering and (self._timer is None or self._heap[0][0] < self._timer.when()):
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._heap[0][0], self._deliver_due)

    def _deliver_due(self) -> None:
        self._timer = None
        self._delivering = True
        now = self._loop.time()
        try:
            while self._heap and self._heap[0][0] <= now:
                _, _, deliver, what = heappop(self._heap)
                deliver(what)
        finally:
            self._delivering = False
            if self._heap:
                self._arm()


class SimulatedNetwork:
    """The network of one simulation. Everything random in it comes from `random`, in order of sending."""

    def __init__(self, loop: asyncio.AbstractEventLoop, random: Random, ladder: Ladder) -> None:
        self.loop = loop
        self.random = random
        self.ladder = ladder
        self.public = Space(self, lambda datagram: None)
        self.names: dict[str, list[str]] = {}
        """The whole DNS: host name -> addresses."""
        self.naptrs: dict[str, list[Naptr]] = {}
        self.srvs: dict[str, list[Srv]] = {}
        """And the records of services."""
        self.hosts: list[HostNetwork] = []
        self.deliveries = Deliveries(loop)

    def host(
        self, address: str, name: str = "", link: Profile = LAN, space: Space | None = None
    ) -> HostNetwork:
        """Connect a new host. `name` is for the ladder and is resolvable."""
        host = HostNetwork(self, space or self.public, address, link)
        self.hosts.append(host)
        if name:
            self.ladder.names[address] = name
            self.names[name] = [address]
        return host

    def note(self, datagram: Datagram, fate: str = "") -> None:
        """Put a datagram on the ladder."""
        source, destination, data = datagram
        self.ladder.record(self.loop.time(), source.host, destination.host, data, fate)

    def carry(self, datagram: Datagram, up: Channel, space: Space) -> None:
        """Take a datagram from a host's uplink to where it leads; the dice of both links decide."""
        node, routed = space.route(datagram)
        copies = [here + there for here in up.carry() for there in node.down.carry()] if node else []
        self.note(datagram, ("lost", "", "twice")[min(len(copies), 2)])
        for delay in copies:
            assert node is not None
            self.deliveries.after(delay, node.arrive, routed)

    def open_ports(self) -> list[str]:
        """What is still open anywhere, for tests that want nothing left: "10.0.0.1 udp 5060" ..."""
        return [f"{host.address} {port}" for host in self.hosts for port in host.open_ports()]


class SimulatedUdpSocket:
    """A bound UDP socket. It has the shape of sipcore.net.network.UdpSocket."""

    def __init__(self, host: HostNetwork, local: Address, receive: Callable[[bytes, Any], None]) -> None:
        self._host = host
        self.local = local
        self.receive = receive
        self.only_from: Address | None = None
        """If connected: the kernel drops what comes from anywhere else."""

    def send(self, data: bytes, remote: tuple[str, int]) -> None:
        """Send one datagram. Raises OSError when closed or when the datagram is too long."""
        if self._host.udp.get(self.local.port) is not self:
            raise os_error(errno.EBADF, self.local)
        if len(data) > MAXIMUM_DATAGRAM_BYTES:
            raise os_error(errno.EMSGSIZE, len(data))
        self._host.send(Datagram(Address(self._host.address, self.local.port), Address(*remote), bytes(data)))

    def too_much(self, excess: Mapping[str, int]) -> None:
        """All is told, as on systems that cannot drop it."""

    def connect(self, remote: tuple[str, int]) -> None:
        """From now on only this peer's datagrams come in."""
        self.only_from = Address(*remote)

    def disconnect(self) -> None:
        """Anybody's datagrams come in again."""
        self.only_from = None

    def close(self) -> None:
        """Free the port. Packets still on their way here are lost."""
        if self._host.udp.get(self.local.port) is self:
            del self._host.udp[self.local.port]


class HostNetwork:
    """One host's view of the network: the `Network` that a Driver or a switch is given."""

    def __init__(self, network: SimulatedNetwork, space: Space, address: str, link: Profile) -> None:
        if address in space.nodes:
            raise ValueError(f"address {address} is taken")
        self.network = network
        self.space = space
        self.address = address
        self.udp: dict[int, SimulatedUdpSocket] = {}
        self.listeners: dict[int, SimulatedListener] = {}
        self.streams: set[SimulatedStream] = set()
        self.plugged = True
        self.firewall: Callable[[Datagram], bool] = lambda datagram: False
        """Which datagrams, in and out, it drops."""
        self._next_port = FIRST_EPHEMERAL_PORT
        self.up = Channel(link, network.random)
        self.down = Channel(link, network.random)
        space.nodes[address] = self

    def unplug(self) -> None:
        """Pull the cable: nothing gets in or out until `plug()`; sockets do not notice."""
        self.plugged = False

    def plug(self) -> None:
        """Put the cable back."""
        self.plugged = True

    def degrade(self, link: Profile) -> None:
        """Change the quality of this host's link, both ways."""
        self.up.profile = self.down.profile = link

    # -- UDP

    def open_udp(self, local: Address, receive: Callable[[bytes, Address], None]) -> SimulatedUdpSocket:
        """Bind; port 0 picks one. Raises OSError if the address is not ours or the port is taken."""
        self.check_local(local)
        port = local.port or self.ephemeral_port(self.udp)
        if port in self.udp:
            raise os_error(errno.EADDRINUSE, local)
        self.udp[port] = SimulatedUdpSocket(self, Address(local.host, port), receive)
        return self.udp[port]

    def bind_udp(
        self, local: Address, receive: Callable[[list[tuple[bytes, tuple[str, int]]]], None]
    ) -> SimulatedUdpSocket:
        """The same, where what comes in the same instant is read together."""
        heap: list[tuple[bytes, tuple[str, int]]] = []

        def arrive(data: bytes, source: Address) -> None:
            heap.append((data, source))
            if len(heap) == 1:
                self.network.loop.call_soon(wake)

        def wake() -> None:
            read, heap[:] = list(heap), []
            if self.udp.get(socket.local.port) is socket:
                receive(read)

        socket = self.open_udp(local, arrive)
        return socket

    def open_media(
        self, local: tuple[str, int], receive: Callable[[bytes, tuple[str, int]], None]
    ) -> SimulatedUdpSocket:
        """Bind a port for RTP or RTCP. Raises OSError."""
        return self.open_udp(Address(*local), receive)

    def open_batch(self, slots: memoryview, packets: memoryview) -> None:
        """Here each packet comes at its own time."""

    def send(self, datagram: Datagram) -> None:
        """Let a datagram out."""
        if self.plugged and not self.firewall(datagram):
            self.network.carry(datagram, self.up, self.space)
        else:
            self.network.note(datagram, "lost")

    def arrive(self, datagram: Datagram) -> None:
        """Hand a datagram to the socket of its port; without one it is dropped."""
        source, destination, data = datagram
        bound = self.udp.get(destination.port)
        if bound is None or not self.plugged or self.firewall(datagram):
            return
        if bound.only_from is None or bound.only_from == source:
            bound.receive(data, source)

    # -- streams

    async def listen(
        self, local: Address, accept: Callable[[SimulatedStream], None], tls: object = None
    ) -> SimulatedListener:
        """Accept connections. With `tls` set, whatever it is, only those that ask for TLS get through."""
        self.check_local(local)
        port = local.port or self.ephemeral_port(self.listeners)
        if port in self.listeners:
            raise os_error(errno.EADDRINUSE, local)
        listener = SimulatedListener(self, Address(local.host, port), accept, secure=tls is not None)
        self.listeners[port] = listener
        return listener

    def find(self, local: Address, remote: Address) -> tuple[HostNetwork | None, Address]:
        """The host at an address as reached from here, and our address as it looks there."""
        node, seen = self.space.route(Datagram(local, remote, b""))
        if isinstance(node, Forwarder) and (inside := node.inwards(remote)) is not None:
            node = node.inside.nodes.get(inside.host)
        return (node if isinstance(node, HostNetwork) else None), seen.source

    async def connect(
        self, remote: Address, tls: object = None, server_name: str | None = None
    ) -> SimulatedStream:
        """Open a connection. Raises OSError if nobody listens there or only one side speaks TLS."""
        local = Address(self.address, self.ephemeral_port({}))
        return await connect(self, local, remote, secure=tls is not None)

    # -- addresses

    async def resolve(self, host: str) -> list[str]:
        """The addresses of a name, or the address itself. Raises OSError (gaierror) for an unknown name."""
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        await asyncio.sleep(0)
        if host not in self.network.names:
            raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {host}")
        return list(self.network.names[host])

    async def naptr(self, name: str) -> list[Naptr]:
        """The NAPTR records of a domain."""
        return list(self.network.naptrs.get(name, ()))

    async def srv(self, name: str) -> list[Srv]:
        """The SRV records of a service."""
        return list(self.network.srvs.get(name, ()))

    def local_host_towards(self, remote_host: str) -> str:
        """Our address as a peer at `remote_host` would be sent from."""
        return self.address

    def check_local(self, local: Address) -> None:
        """Raise OSError unless we may bind to this host address."""
        if local.host not in WILDCARDS and local.host != self.address:
            raise os_error(errno.EADDRNOTAVAIL, local)

    def ephemeral_port(self, taken: dict[int, Any]) -> int:
        """The next free port of the range that kernels pick from."""
        while self._next_port in taken:
            self._next_port += 1
        self._next_port += 1
        return self._next_port - 1

    def open_ports(self) -> list[str]:
        """What is open: "udp 5060", "listen 5060", "stream 10.0.0.2:49152" ..."""
        return [
            *(f"udp {port}" for port in self.udp),
            *(f"listen {port}" for port in self.listeners),
            *sorted(f"stream {stream.remote}" for stream in self.streams),
        ]
