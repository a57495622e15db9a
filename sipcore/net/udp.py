"""UDP on a raw socket: one system call a datagram, and all that has come is read before any of it is worked on."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable

from sipcore.net.sieve import drop
from sipcore.transport.flow import Address

logger = logging.getLogger(__name__)

RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
MAX_DATAGRAM_BYTES = 65535
DRAIN = 256
"""Datagrams read before others on the loop have their turn."""
MAX_SENDERS = 10_000
MAX_IGNORED = 100
"""Sources; each costs the kernel some steps for each datagram."""
IGNORED_SECONDS = 0.05
"""So long after the last that was too much a source is heard again: what the queue had of it has been read then."""

Datagram = tuple[bytes, Address]
"""What has come, and from where."""
Receive = Callable[[list[Datagram]], None]
"""Told all that has come together; the list is the receiver's."""


class _Senders(dict[tuple[str, int], Address]):
    """Who has sent lately, by what the kernel says of him: found without a call of any Python function."""

    def __missing__(self, peer: tuple[str, int]) -> Address:
        if len(self) >= MAX_SENDERS:
            self.clear()
        address = self[peer] = Address(peer[0], peer[1])
        return address


class SystemUdpSocket:
    """A bound UDP socket on the running event loop."""

    def __init__(self, local: Address, receive: Receive) -> None:
        """Raises OSError."""
        family = socket.AF_INET6 if ":" in local.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            self._socket.bind(local)
        except OSError:
            self._socket.close()
            raise
        self.local = Address(*self._socket.getsockname()[:2])
        self.send = self._socket.sendto
        """Send one datagram. Raises OSError: on what never works, and where the buffer is full, which loses it as the
        network might. The system call itself, for it is made for each message."""
        self._receive = receive
        self._closed = False
        self._ignored: dict[str, float] = {}
        """Sources, until when."""
        self._heeding: asyncio.TimerHandle | None = None
        self._senders = _Senders()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Free the port."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._socket)
            if self._heeding is not None:
                self._heeding.cancel()
            self._socket.close()

    def ignore(self, sources: Iterable[str]) -> None:
        """Have the kernel drop for a while what comes of these: it would fill the queue that others need too."""
        if self._closed:
            return
        before, until = len(self._ignored), self._loop.time() + IGNORED_SECONDS
        for source in sources:
            if source in self._ignored or len(self._ignored) < MAX_IGNORED:
                self._ignored[source] = until
        if len(self._ignored) > before:
            self._drop()
        if self._heeding is None:
            self._heeding = self._loop.call_at(until, self._heed)

    def _heed(self) -> None:
        """Let those be heard that have been ignored for long enough."""
        now = self._loop.time()
        self._ignored = {source: until for source, until in self._ignored.items() if until > now}
        self._drop()
        soonest = min(self._ignored.values(), default=None)
        self._heeding = None if soonest is None else self._loop.call_at(soonest, self._heed)

    def _drop(self) -> None:
        try:
            drop(self._socket, self._ignored)
        except OSError as error:  # it is read, and lost then
            logger.debug("UDP %s: %s", self.local, error)

    def _readable(self) -> None:
        recvfrom, senders = self._socket.recvfrom, self._senders
        datagrams: list[Datagram] = []
        for _ in range(DRAIN):
            try:
                data, peer = recvfrom(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                break
            except OSError as error:  # an ICMP error of an earlier datagram
                logger.debug("UDP %s: %s", self.local, error)
            else:
                datagrams.append((data, senders[peer]))
        if datagrams:
            self._receive(datagrams)
