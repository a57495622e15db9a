"""NAT boxes in the terms of RFC 4787: how they map a private source to a public one, and whom they let in."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import Enum

from sipcore.transport.flow import Address
from tests.simulation.impairment import LAN, Channel, Profile
from tests.simulation.network import FIRST_EPHEMERAL_PORT, Datagram, HostNetwork, SimulatedNetwork, Space


class Dependence(Enum):
    """What of the other end a mapping (RFC 4787 section 4.1) or a filter (section 5) depends on."""

    ENDPOINT_INDEPENDENT = "endpoint-independent"
    ADDRESS_DEPENDENT = "address-dependent"
    ADDRESS_AND_PORT_DEPENDENT = "address-and-port-dependent"

    def key(self, remote: Address) -> Hashable:
        """Equal for the remote ends that are treated as one."""
        match self:
            case Dependence.ENDPOINT_INDEPENDENT:
                return None
            case Dependence.ADDRESS_DEPENDENT:
                return remote.host
            case Dependence.ADDRESS_AND_PORT_DEPENDENT:
                return remote


class NatKind(Enum):
    """The four kinds of RFC 3489 section 5, as (mapping, filtering)."""

    FULL_CONE = (Dependence.ENDPOINT_INDEPENDENT, Dependence.ENDPOINT_INDEPENDENT)
    RESTRICTED_CONE = (Dependence.ENDPOINT_INDEPENDENT, Dependence.ADDRESS_DEPENDENT)
    PORT_RESTRICTED_CONE = (Dependence.ENDPOINT_INDEPENDENT, Dependence.ADDRESS_AND_PORT_DEPENDENT)
    SYMMETRIC = (Dependence.ADDRESS_AND_PORT_DEPENDENT, Dependence.ADDRESS_AND_PORT_DEPENDENT)

    @property
    def mapping(self) -> Dependence:
        """Which packets of one private source share a public port."""
        return self.value[0]

    @property
    def filtering(self) -> Dependence:
        """Who outside may use that public port."""
        return self.value[1]


@dataclass(slots=True)
class Mapping:
    """A public port that stands for one private address and port."""

    private: Address
    public: Address
    used_at: float
    """Seconds; the last packet outwards. Packets inwards do not refresh (RFC 4787 REQ-6)."""
    permitted: set[Hashable] = field(default_factory=set)
    """The filter keys of those whom the inside has written to."""


class NatBox:
    """A router with one public address and a private space behind it."""

    def __init__(
        self,
        network: SimulatedNetwork,
        address: str,
        kind: NatKind,
        *,
        mapping_seconds: float = 120.0,
        link: Profile = LAN,
        outside: Space | None = None,
    ) -> None:
        self.kind = kind
        self.address = address
        self.mapping_seconds = mapping_seconds
        self.inside = Space(network, self._translate)
        self.down = Channel(link, network.random)
        self._network = network
        self._outside = outside or network.public
        self._outside.nodes[address] = self
        self._by_private: dict[tuple[Address, Hashable], Mapping] = {}
        self._by_port: dict[int, Mapping] = {}
        self._next_port = FIRST_EPHEMERAL_PORT
        self._forwarded: dict[int, str] = {}

    def host(self, address: str, name: str = "", link: Profile = LAN) -> HostNetwork:
        """Connect a host behind this box."""
        return self._network.host(address, name, link, self.inside)

    def forward(self, port: int, address: str) -> None:
        """Let everybody in at a port of the box, to the same port of a host behind it, and out from there by it."""
        self._forwarded[port] = address

    def forget(self, lost: Callable[[Address], bool] = lambda private: True) -> None:
        """Lose every mapping, as a box does that is switched off and on, or those of some private addresses alone."""
        for key, mapping in list(self._by_private.items()):
            if lost(mapping.private):
                del self._by_private[key]
                del self._by_port[mapping.public.port]

    def inwards(self, address: Address) -> Address | None:
        """The host that a public port is forwarded to; None if it is not."""
        host = self._forwarded.get(address.port)
        return None if host is None else Address(host, address.port)

    def arrive(self, datagram: Datagram) -> None:
        """A datagram from outside: let it in if a live mapping permits its source."""
        source, destination, data = datagram
        forwarded = self.inwards(destination)
        if forwarded is not None:
            self._let_in(Datagram(source, forwarded, data))
            return
        mapping = self._by_port.get(destination.port)
        key = self.kind.filtering.key(source)
        if mapping is None or not self._alive(mapping) or key not in mapping.permitted:
            self._network.note(datagram, "filtered")
            return
        self._let_in(Datagram(source, mapping.private, data))

    def _let_in(self, datagram: Datagram) -> None:
        host = self.inside.nodes.get(datagram.destination.host)
        if host is not None:
            for delay in host.down.carry():
                self._network.deliveries.after(delay, host.arrive, datagram)

    def _translate(self, datagram: Datagram) -> tuple[Space, Datagram]:
        source, destination, data = datagram
        if self._forwarded.get(source.port) == source.host:
            return self._outside, Datagram(Address(self.address, source.port), destination, data)
        mapping = self._mapping(source, destination)
        mapping.used_at = self._network.loop.time()
        mapping.permitted.add(self.kind.filtering.key(destination))
        return self._outside, Datagram(mapping.public, destination, data)

    def _mapping(self, private: Address, remote: Address) -> Mapping:
        key = (private, self.kind.mapping.key(remote))
        mapping = self._by_private.get(key)
        if mapping is None or not self._alive(mapping):
            public = Address(self.address, self._next_port)
            self._next_port += 1
            mapping = Mapping(private, public, self._network.loop.time())
            self._by_private[key] = self._by_port[public.port] = mapping
        return mapping

    def _alive(self, mapping: Mapping) -> bool:
        return self._network.loop.time() - mapping.used_at <= self.mapping_seconds
