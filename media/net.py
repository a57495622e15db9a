"""RTP sockets: UDP without anything between the system call and the stream."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Protocol

from media.plan import Address

RECEIVE_BUFFER_BYTES = 256 * 1024
MAX_DATAGRAM_BYTES = 2048
DRAIN = 16
"""Datagrams of one socket handled before others have their turn."""

Receive = Callable[[bytes, Address], None]


class MediaSocket(Protocol):
    """A bound UDP socket. Its user may replace `receive`."""

    receive: Receive

    def send(self, data: bytes, remote: Address) -> None:
        """Send one datagram, or lose it."""

    def connect(self, remote: Address) -> None:
        """From now on only this peer's datagrams come in."""

    def disconnect(self) -> None:
        """Anybody's datagrams come in again."""

    def close(self) -> None:
        """Free the port."""


class MediaNetwork(Protocol):
    """Where RTP ports are opened."""

    def open_media(self, local: Address, receive: Receive) -> MediaSocket:
        """Bind a UDP port. Raises OSError."""


class SocketMediaNetwork:
    """The machine's own network."""

    def open_media(self, local: Address, receive: Receive) -> MediaSocket:
        """Bind a UDP port. Raises OSError."""
        return SystemMediaSocket(local, receive)


class SystemMediaSocket:
    """A UDP socket on the running event loop. Connected, it saves a lookup per packet and keeps strangers out."""

    __slots__ = ("_loop", "_peer", "_sifted", "_socket", "receive")

    def __init__(self, local: Address, receive: Receive) -> None:
        self.receive = receive
        self._peer: Address | None = None
        self._sifted = False
        """Whether all that was queued before connecting has been read: the kernel sorts out only what comes later."""
        self._loop = asyncio.get_running_loop()
        self._socket = _bind(local)
        self._loop.add_reader(self._socket, self._readable)

    def send(self, data: bytes, remote: Address) -> None:
        """Send one datagram; what cannot be sent now is lost, as on any network."""
        try:  # cheaper than contextlib.suppress, and this runs for each packet
            if remote == self._peer:
                self._socket.send(data)
            else:
                self._socket.sendto(data, remote)
        except (OSError, OverflowError):  # the latter: there is no such port
            return

    def connect(self, remote: Address) -> None:
        """From now on only this peer's datagrams come in."""
        with contextlib.suppress(OSError, OverflowError):
            self._socket.connect(remote)
            self._peer, self._sifted = remote, False

    def disconnect(self) -> None:
        """Anybody's datagrams come in again. The system call for that is out of reach: the port is opened anew."""
        if self._peer is None:
            return
        local = self._socket.getsockname()[:2]
        self.close()
        self._peer, self._sifted = None, False
        self._socket = _bind(local)
        self._loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Free the port."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _readable(self) -> None:
        try:
            if self._sifted and self._peer is not None:  # the common case: one packet a wake-up
                self.receive(self._socket.recv(MAX_DATAGRAM_BYTES), self._peer)
                return
            for _ in range(DRAIN):
                data, source = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
                if self._peer in (None, source[:2]):
                    self.receive(data, (source[0], source[1]))
        except BlockingIOError:
            self._sifted = self._peer is not None
        except OSError:
            return  # nothing left, or an ICMP error of an earlier datagram


def _bind(local: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        bound.bind(local)
    except OSError:
        bound.close()
        raise
    return bound
