"""What the driver asks of a network, and the network of the machine it runs on."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from sipcore.net.tcp import connect, listen
from sipcore.net.udp import Receive, SystemUdpSocket
from sipcore.transport.flow import Address
from sipcore.transport.resolve import Naptr, Srv

if TYPE_CHECKING:
    from sipcore.net.dns import SystemDns


class UdpSocket(Protocol):
    """A bound UDP socket."""

    @property
    def local(self) -> Address:
        """Where it is bound."""

    def send(self, data: bytes, remote: Address, /) -> object:
        """Send one datagram, or lose it. Raises OSError if it cannot be sent, now or ever."""

    def too_much(self, excess: Mapping[str, int]) -> None:
        """So many datagrams of these sources (named as by `source_of`) were too much: tell fewer of such, if it can."""

    def close(self) -> None:
        """Free the port."""


class Stream(Protocol):
    """One connection. Its user sets `receive` and `closed`."""

    local: Address
    remote: Address
    receive: Callable[[bytes], None]
    closed: Callable[[], None]
    """Told once, whoever ended the connection."""

    def write(self, data: bytes) -> None:
        """Send bytes; dropped after the end of the connection."""

    def close(self) -> None:
        """End the connection."""


class Listener(Protocol):
    """A listening port."""

    def close(self) -> None:
        """Accept no more; connections live on."""


class Network(Protocol):
    """The network as one host sees it."""

    def bind_udp(self, local: Address, receive: Receive) -> UdpSocket:
        """Bind a UDP port. `receive` is told datagrams, all together that have come together. Raises OSError."""

    async def listen(
        self, local: Address, accept: Callable[[Stream], None], tls: ssl.SSLContext | None = None
    ) -> Listener:
        """Accept connections. Raises OSError."""

    async def connect(
        self, remote: Address, tls: ssl.SSLContext | None = None, server_name: str | None = None
    ) -> Stream:
        """Open a connection; over TLS to whoever proves to be `server_name`. Raises OSError."""

    async def resolve(self, host: str) -> list[str]:
        """The addresses of a name. Raises OSError."""

    async def naptr(self, name: str) -> list[Naptr]:
        """The NAPTR records of a domain (`sipcore.transport.resolve.Dns`)."""

    async def srv(self, name: str) -> list[Srv]:
        """The SRV records of a service."""

    def local_host_towards(self, remote_host: str) -> str:
        """Our address as a peer sees it."""


class SystemNetwork:
    """The machine's own network."""

    def __init__(self) -> None:
        self._towards: dict[str, str] = {}

    @cached_property
    def _dns(self) -> SystemDns:
        from sipcore.net.dns import SystemDns  # who has no trunks starts sooner without dnspython

        return SystemDns()

    def bind_udp(self, local: Address, receive: Receive) -> UdpSocket:
        """Bind a UDP port. Raises OSError."""
        return SystemUdpSocket(local, receive)

    async def listen(
        self, local: Address, accept: Callable[[Stream], None], tls: ssl.SSLContext | None = None
    ) -> Listener:
        """Accept connections. Raises OSError."""
        return await listen(local, accept, tls)

    async def connect(
        self, remote: Address, tls: ssl.SSLContext | None = None, server_name: str | None = None
    ) -> Stream:
        """Open a connection; over TLS to whoever proves to be `server_name`.

        Raises OSError, which certificate errors are too.
        """
        return await connect(remote, tls, server_name)

    async def resolve(self, host: str) -> list[str]:
        """The addresses of a name, in the resolver's order. Raises OSError."""
        with suppress(ValueError):
            return [str(ipaddress.ip_address(host))]
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        except UnicodeError as error:  # a label that is empty or too long: no name at all
            raise OSError(f"{host[:80]!r} is no name: {error}") from None
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    async def naptr(self, name: str) -> list[Naptr]:
        """The NAPTR records of a domain; none where they cannot be had."""
        return await self._dns.naptr(name)

    async def srv(self, name: str) -> list[Srv]:
        """The SRV records of a service; none where they cannot be had."""
        return await self._dns.srv(name)

    def local_host_towards(self, remote_host: str) -> str:
        """Our address towards a peer, by asking the routing table; remembered, since routes seldom change."""
        known = self._towards.get(remote_host)
        if known is None:
            if len(self._towards) > 4096:
                self._towards.clear()
            known = self._towards[remote_host] = _route(remote_host)
        return known


def _route(remote_host: str) -> str:
    family = socket.AF_INET6 if ":" in remote_host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((remote_host, 9))  # sends nothing: UDP
        except OSError:
            return "::1" if family == socket.AF_INET6 else "127.0.0.1"
        return str(probe.getsockname()[0])
