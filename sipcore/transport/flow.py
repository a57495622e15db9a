"""Flows: the ways to reach a peer (RFC 3261 section 18, RFC 5626 section 2)."""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import NamedTuple
from weakref import ref

from values import dataclass, reader


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


SOME = 1000
"""Flows that nobody knows any more: so few are not worth looking for."""


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
        known = _FLOWS.get(values)
        flow = None if known is None else known()
        if flow is None:
            if len(_FLOWS) >= _FLOWS.most:
                _FLOWS.forget()
            host, port = remote
            flow = _make((*values, host, f"={port};received={host}"))
            _FLOWS[values] = ref(flow)
        return flow

    def __init__(self, transport: Transport, local: Address, remote: Address, connection: int = 0) -> None:
        """Nothing is left to do: a flow that is known already stays what it is."""

    def __reduce__(self) -> tuple[type[Flow], tuple[Transport, Address, Address, int]]:
        """For copies and pickles, which are the same flow too."""
        return Flow, (self.transport, self.local, self.remote, self.connection)

    def __str__(self) -> str:
        return f"{self.transport.value} {self.local} -> {self.remote}"


_make = reader(Flow, {}, {})


class _Flows(dict[tuple[Transport, Address, Address, int], "ref[Flow]"]):
    """All flows that anybody knows, and some that nobody knows any more."""

    most = SOME

    def forget(self) -> None:
        """Forget those; it is time again when there are twice as many as are left."""
        for values, known in list(self.items()):
            if known() is None:
                del self[values]
        self.most = 2 * len(self) + SOME


_FLOWS = _Flows()
