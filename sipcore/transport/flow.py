"""Flows: the ways to reach a peer (RFC 3261 section 18, RFC 5626 section 2)."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Address(NamedTuple):
    """An IP address (text, IPv6 without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Transport(Enum):
    """The transports of Via and of the `transport` URI parameter (RFC 3261 section 18, RFC 7118)."""

    UDP = "UDP"
    TCP = "TCP"
    TLS = "TLS"
    WS = "WS"
    WSS = "WSS"

    __hash__ = object.__hash__  # members are singletons; Enum's own hash is a Python call

    def __init__(self, via_name: str) -> None:
        self.via_name = via_name
        self.reliable = via_name != "UDP"
        self.secure = via_name in ("TLS", "WSS")


class Flow(NamedTuple):
    """One way to reach a peer: a UDP address pair, or one stream connection.

    `connection` tells two successive connections of the same address pair apart; it is 0 for UDP.
    Equal flows are the same flow.
    """

    transport: Transport
    local: Address
    remote: Address
    connection: int = 0

    def __str__(self) -> str:
        return f"{self.transport.value} {self.local} -> {self.remote}"
