"""Which of our addresses a peer is told: those in the local networks the one they reach us at, all others the public
one, which stands in the configuration or is found by STUN."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from sipcore.transport.flow import Address, Flow

if TYPE_CHECKING:
    from pbx.config import Config


PEERS_REMEMBERED = 4096
"""Of so many peers it is known whether they are local; each call asks for it several times."""
PRIVATE_NETWORKS = (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
    "fc00::/7", "fe80::/10", "::1/128",
)  # fmt: skip
"""Whose addresses mean something only in the network that they are in (RFC 1918, 3927, 4193, 6598)."""

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _within(host: str, networks: Iterable[_Network]) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in networks if network.version == address.version)


_PRIVATE = tuple(ipaddress.ip_network(text) for text in PRIVATE_NETWORKS)


def is_private(host: str) -> bool:
    """Whether an address means nothing on the Internet."""
    return _within(host, _PRIVATE)


def _same_family(one: str, other: str) -> bool:
    return (":" in one) == (":" in other)


class Addresses:
    """For signalling (Via, Contact) and for sound (session descriptions)."""

    def __init__(self, config: Config) -> None:
        networks = tuple(ipaddress.ip_network(text) for text in config.nat.local_networks)
        self._is_local = lru_cache(PEERS_REMEMBERED)(partial(_within, networks=networks))
        self._signalling = config.sip.public_address
        self._media = config.media.address
        self.found = ""
        """Our public address as a STUN server sees it; empty while it is not known."""

    def is_local(self, host: str) -> bool:
        """Whether a peer is in a network that reaches us without address translation."""
        return self._is_local(host)

    def signalling(self, flow: Flow) -> Address:
        """Where the peer of a flow is told to send its SIP to."""
        told = self._signalling or self.found
        if not told or self._is_local(flow.host) or not _same_family(told, flow.local.host):
            return flow.local
        return Address(told, flow.local.port)

    def media(self, flow: Flow) -> str:
        """Where the peer of a flow is told to send its sound to.

        `[media] address` is told to all where it is in a local network itself: then it is no public one, but the one
        among several that everybody is to use.
        """
        told = self._media
        if not (told or self._signalling or self.found):
            return flow.local.host
        if told and not _same_family(told, flow.local.host):
            told = ""
        if self._is_local(flow.host):
            return told if told and self._is_local(told) else flow.local.host
        return told or self.signalling(flow).host
