"""Flows: the ways to reach a peer (RFC 3261 section 18, RFC 5626 section 2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from enum import Enum
from itertools import islice
from operator import length_hint
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


_Values = tuple[Transport, Address, Address, int]


class _Flows(dict[_Values, "ref[Flow]"]):
    """All flows that anybody knows, and at most twice as many that nobody knows any more."""

    _left: Iterator[_Values] = iter(())
    """What has not been looked at since all have been."""

    def forget(self) -> None:
        """Look at the next two, and forget them if nobody knows them. Nobody has to wait until all are looked at."""
        for values in islice(self._left, 2):
            if self[values]() is None:
                del self[values]
        if not length_hint(self._left):
            self._left = iter(list(self))


_FLOWS = _Flows()
