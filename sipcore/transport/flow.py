"""Flows: the ways to reach a peer (RFC 3261 section 18, RFC 5626 section 2)."""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import NamedTuple
from weakref import WeakValueDictionary

from values import dataclass


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


class _Referable:
    """What a weak reference can lead to."""

    __slots__ = ("__weakref__",)


@dataclass(frozen=True, slots=True, eq=False)
class Flow(_Referable):
    """One way to reach a peer: a UDP address pair, or one stream connection.

    `connection` tells two successive connections of the same address pair apart; it is 0 for UDP.
    Equal flows are the same flow, and one object, however often it is made: they are compared and looked up dozens of
    times in each call, and that is for nothing.
    """

    transport: Transport
    local: Address
    remote: Address
    connection: int = 0
    host: str = field(init=False, repr=False)
    """The peer's: that of `remote`."""
    seen: str = field(init=False, repr=False)
    """Where the peer is, as the answers to what it sends tell it in the Via: what follows `rport` (RFC 3581)."""

    def __new__(cls, transport: Transport, local: Address, remote: Address, connection: int = 0) -> Flow:
        """The flow of these values, if there is one already."""
        values = transport, local, remote, connection
        flow = _FLOWS.get(values)
        if flow is None:
            flow = _FLOWS[values] = object.__new__(cls)
        return flow

    def __post_init__(self) -> None:
        host, port = self.remote
        object.__setattr__(self, "host", host)
        object.__setattr__(self, "seen", f"={port};received={host}")

    def __str__(self) -> str:
        return f"{self.transport.value} {self.local} -> {self.remote}"


_FLOWS: WeakValueDictionary[tuple[Transport, Address, Address, int], Flow] = WeakValueDictionary()
