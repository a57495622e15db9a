"""UDP on a raw socket: one system call a datagram, and a bounded drain for each wake-up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

from sipcore.transport.flow import Address

logger = logging.getLogger(__name__)

RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
MAX_DATAGRAM_BYTES = 65535
DRAIN = 256
"""Datagrams read before others on the loop have their turn."""


class SystemUdpSocket:
    """A bound UDP socket on the running event loop."""

    def __init__(
        self,
        local: Address,
        receive: Callable[[bytes, Address], None],
        drained: Callable[[], None] = lambda: None,
    ) -> None:
        """`drained` is told after each wake-up, when all that it brought was received. Raises OSError."""
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
        self._receive = receive
        self._drained = drained
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._readable)

    def send(self, data: bytes, remote: Address) -> None:
        """Send one datagram; a full buffer loses it, as the network might. Raises OSError on what never works."""
        with contextlib.suppress(BlockingIOError):
            self._socket.sendto(data, remote)

    def close(self) -> None:
        """Free the port."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _readable(self) -> None:
        self._drain()
        self._drained()

    def _drain(self) -> None:
        for _ in range(DRAIN):
            if self._closed:
                return
            try:
                data, peer = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError as error:  # an ICMP error of an earlier datagram
                logger.debug("UDP %s: %s", self.local, error)
                continue
            self._receive(data, Address(peer[0], peer[1]))
