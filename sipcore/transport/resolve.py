"""Where a SIP URI leads to: transports, addresses and ports in the order of trying (RFC 3263, RFC 2782)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from itertools import groupby
from random import Random
from typing import Protocol

from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Address, Transport
from values import dataclass

MAX_SERVERS = 16
"""Whatever the DNS says, no more are tried."""
DEFAULT_PORTS = {Transport.UDP: 5060, Transport.TCP: 5060, Transport.TLS: 5061}

_SERVICES = {"SIP+D2U": Transport.UDP, "SIP+D2T": Transport.TCP, "SIPS+D2T": Transport.TLS}
_LABELS = {Transport.UDP: "_sip._udp", Transport.TCP: "_sip._tcp", Transport.TLS: "_sips._tcp"}


@dataclass(frozen=True, slots=True)
class Naptr:
    """A record that says how a domain wants to be spoken to (RFC 3403), as far as SIP needs it."""

    order: int
    preference: int
    service: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Srv:
    """A record that says where a service is (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


class Dns(Protocol):
    """What is asked of the DNS. Records that are not there, or cannot be had now, are an empty list."""

    async def naptr(self, name: str) -> Sequence[Naptr]:
        """The NAPTR records of a domain."""

    async def srv(self, name: str) -> Sequence[Srv]:
        """The SRV records of a service."""

    async def resolve(self, host: str) -> Sequence[str]:
        """The addresses of a host. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Target:
    """One server to try."""

    transport: Transport
    address: Address
    name: str
    """Whom its certificate has to name: the domain that was asked for (RFC 5922 section 7.3)."""

    def __str__(self) -> str:
        return f"{self.transport.value} {self.address}"


async def locate(uri: Uri, transport: Transport | None, dns: Dns, random: Random) -> list[Target]:
    """The servers of a SIP URI, best first; by any transport, where none is given. Raises OSError for none."""
    host = uri.parameter("maddr") or uri.host
    default = Transport.TLS if uri.scheme == "sips" else Transport.UDP
    if _is_numeric(host) or uri.port is not None:
        chosen = transport or default
        places = [(chosen, host, uri.port or DEFAULT_PORTS[chosen])]
    else:
        places = await _services(host, transport, uri.scheme == "sips", dns, random)
    targets: list[Target] = []
    problem: OSError | None = None
    for chosen, name, port in places[:MAX_SERVERS]:
        try:
            addresses = await dns.resolve(name)
        except (OSError, UnicodeError) as error:  # the latter for what is no name at all
            problem = OSError(f"{name}: {error}")
            continue
        targets += [Target(chosen, Address(address, port), host) for address in addresses]
    if targets:
        return list(dict.fromkeys(targets))[:MAX_SERVERS]
    raise problem or OSError(f"{host} has no server for SIP")


Place = tuple[Transport, str, int]


async def _services(
    domain: str, transport: Transport | None, secure: bool, dns: Dns, random: Random
) -> list[Place]:
    """Sections 4.1 and 4.2: by NAPTR, by SRV, and where there is neither the domain itself."""
    usable = [transport] if transport else [Transport.TLS] if secure else list(_LABELS)
    names = [] if transport else _by_naptr(await dns.naptr(domain), usable)
    places: list[Place] = []
    absent = False
    for chosen, name in names or [(each, f"{_LABELS[each]}.{domain}") for each in usable]:
        for record in in_order(await dns.srv(name), random):
            if record.target in ("", "."):
                absent = True  # the domain says that it has no such service
            else:
                places.append((chosen, record.target, record.port))
    if places or absent:
        return places
    chosen = usable[0]
    return [(chosen, domain, DEFAULT_PORTS[chosen])]


def _by_naptr(records: Iterable[Naptr], usable: Sequence[Transport]) -> list[tuple[Transport, str]]:
    """What of the records we can use: names to ask for SRV records, best first."""
    ordered = sorted(records, key=lambda record: (record.order, record.preference))
    names = [
        (transport, record.replacement)
        for record in ordered
        if (transport := _SERVICES.get(record.service.upper())) in usable and transport and record.replacement
    ]
    return names[:MAX_SERVERS]


def in_order(records: Iterable[Srv], random: Random) -> list[Srv]:
    """By priority; those of one priority by chance, in proportion to their weights (RFC 2782)."""
    ordered: list[Srv] = []
    by_priority = sorted(
        records, key=lambda record: (record.priority, record.weight, record.target, record.port)
    )
    for _, group in groupby(by_priority, key=lambda record: record.priority):
        left = list(group)
        while left:
            point = random.randint(0, sum(record.weight for record in left))
            for record in left:
                point -= record.weight
                if point <= 0:
                    break
            left.remove(record)
            ordered.append(record)
    return ordered


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
