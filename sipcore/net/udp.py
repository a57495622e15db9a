"""UDP on a raw socket: one system call a datagram, and all that has come is read before any of it is worked on."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import repeat

from sipcore.net.sieve import let_through
from sipcore.transport.flow import Address

logger = logging.getLogger(__name__)

RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
MAX_DATAGRAM_BYTES = 65535
DRAIN = 256
"""Datagrams read before others on the loop have their turn."""
MAX_SIEVED = 100
"""Sources; each costs the kernel some steps for each datagram."""
SIEVE_SECONDS = 0.05
SIEVE_LEAVES = 250
"""Datagrams: so many beyond what is taken are read of a source in such a time, so that its rate stays known; what is
above, the kernel drops by chance. As much more is taken in that time, so that who sends in the name of another does him
no more harm than by what is read and left out."""
LEAST_SHARE = 1 / 256
"""That is let through. It doubles each time when nothing is too much: all is heard 0.4 s after the end of a flood."""

Datagram = tuple[bytes, tuple[str, int]]
"""What has come, and from where: an `Address`, or what is equal to one, as the kernel says it."""
Receive = Callable[[list[Datagram]], None]
"""Told all that has come together; the list is the receiver's."""


class SystemUdpSocket:
    """A bound UDP socket on the running event loop."""

    def __init__(self, local: Address, receive: Receive) -> None:
        """Raises OSError."""
        self._of_ipv6 = ":" in local.host
        self._socket = socket.socket(socket.AF_INET6 if self._of_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
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
        datagrams: list[Datagram] = []
        coming = map(self._socket.recvfrom, repeat(MAX_DATAGRAM_BYTES, DRAIN))
        while True:
            try:
                datagrams.extend(coming)  # what came before an error stays there
                break
            except BlockingIOError:
                break
            except OSError as error:  # an ICMP error of an earlier datagram
                logger.debug("UDP %s: %s", self.local, error)
        if self._of_ipv6:  # where the kernel says more
            datagrams = [(data, peer[:2]) for data, peer in datagrams]
        if datagrams:
            self._receive(datagrams)
