"""UDP on a raw socket: one system call a datagram, and all that has come is read before any of it is worked on."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable, Mapping

from sipcore.net.sieve import let_through
from sipcore.transport.flow import Address

logger = logging.getLogger(__name__)

RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
MAX_DATAGRAM_BYTES = 65535
DRAIN = 256
"""Datagrams read before others on the loop have their turn."""
MAX_SENDERS = 10_000
MAX_SIEVED = 100
"""Sources; each costs the kernel some steps for each datagram."""
SIEVE_SECONDS = 0.05
SIEVE_LEAVES = 250
"""Datagrams: so many beyond what is taken are read of a source in such a time, so that its rate stays known; what is
above, the kernel drops by chance. As much more is taken in that time, so that who sends in the name of another does him
no more harm than by what is read and left out."""
LEAST_SHARE = 1 / 256
"""That is let through. It doubles each time when nothing is too much: all is heard 0.4 s after the end of a flood."""

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
        self._excess = Counter[str]()
        """What of each source has been read in vain since `_sift`."""
        self._shares: dict[str, float] = {}
        """Of a source that sends too much, what the kernel lets through: less than 1."""
        self._sifting: asyncio.TimerHandle | None = None
        self._senders = _Senders()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Free the port."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._socket)
            if self._sifting is not None:
                self._sifting.cancel()
            self._socket.close()

    def too_much(self, excess: Mapping[str, int]) -> None:
        """So many of these sources have been read in vain: have the kernel drop most of such, for they fill the queue
        that others need too."""
        if self._closed:
            return
        self._excess.update(excess)
        if self._sifting is None:
            self._sifting = self._loop.call_later(SIEVE_SECONDS, self._sift)

    def _sift(self) -> None:
        """Let less through of a source of which too much was read, and more where it was less than that."""
        self._sifting = None
        wanted = {
            source: 2 * SIEVE_LEAVES / (self._excess[source] + SIEVE_LEAVES) * self._shares.get(source, 1.0)
            for source in {**self._shares, **self._excess}
        }
        self._excess.clear()
        worst = sorted((source for source in wanted if wanted[source] < 1.0), key=wanted.__getitem__)[
            :MAX_SIEVED
        ]
        shares = {source: max(wanted[source], LEAST_SHARE) for source in worst}
        if shares != self._shares:
            self._shares = shares
            try:
                let_through(self._socket, shares)
            except OSError as error:  # all is read, and lost then
                logger.debug("UDP %s: %s", self.local, error)
                self._shares = {}
        if self._shares:
            self._sifting = self._loop.call_later(SIEVE_SECONDS, self._sift)

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
