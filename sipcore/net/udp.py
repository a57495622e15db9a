"""UDP on a raw socket: one system call a datagram, and all that has come is read before any of it is worked on."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from sipcore.transport.flow import Address

logger = logging.getLogger(__name__)

RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
MAX_DATAGRAM_BYTES = 65535
DRAIN = 256
"""Datagrams read before others on the loop have their turn."""
MAX_SENDERS = 10_000

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
        self._senders = _Senders()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Free the port."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._socket)
            self._socket.close()

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
