"""Who is counted as one where sources are limited."""

from __future__ import annotations

from ipaddress import IPv6Address

from sipcore.syntax.remember import remembered


def source_of(host: str) -> str:
    """An IPv4 address itself; of an IPv6 address its /64, for whoever has one address of that has them all (RFC 4291
    section 2.5.4, RFC 6177)."""
    return _network_of(host) if ":" in host else host


@remembered(4096)
def _network_of(host: str) -> str:
    address = IPv6Address(host)
    mapped = address.ipv4_mapped
    return str(mapped) if mapped is not None else f"{IPv6Address(int(address) >> 64 << 64)}/64"
