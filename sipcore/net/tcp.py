"""TCP and TLS streams on asyncio's transports, with bounded buffers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable

from sipcore.transport.flow import Address

logger = logging.getLogger(__name__)

MAX_UNSENT_BYTES = 1024 * 1024
"""A peer that does not read what we write is cut off above this."""
CONNECT_SECONDS = 5.0
HANDSHAKE_SECONDS = 10.0
MAX_HANDSHAKES = 400
"""TLS handshakes that a port is in the middle of; each takes 256 KiB before anything is known of the peer."""
MAX_HANDSHAKES_PER_SOURCE = 100
CLOSE_SECONDS = 5.0
"""How long a peer may take to read what was still to be sent, and to confirm the end of TLS."""
BACKLOG = 1024
"""Connections that wait to be accepted: after a restart all phones come at once."""
ACCEPTED_AT_ONCE = 64
"""Before others on the loop have their turn."""
RETRY_SECONDS = 1.0
"""How long a port rests that cannot accept, for want of descriptors or memory."""
NOWHERE = Address("", 0)


class SystemStream(asyncio.Protocol):
    """One connection on the running event loop."""

    def __init__(
        self, remote: Address = NOWHERE, accept: Callable[[SystemStream], None] | None = None
    ) -> None:
        """`remote` is who it is if the kernel cannot tell: the connection may be over before it begins."""
        self._accept = accept
        self._transport: asyncio.Transport | None = None
        self._cut_off: asyncio.TimerHandle | None = None
        self.local = NOWHERE
        self.remote = remote
        self.receive: Callable[[bytes], None] = _ignore
        self.closed: Callable[[], None] = lambda: None

    def write(self, data: bytes) -> None:
        """Send bytes; dropped after the end of the connection, which a peer that does not read brings about."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            transport.abort()

    def close(self) -> None:
        """End the connection once what was written is sent; cut off a peer that takes too long to read it."""
        transport = self._transport
        if transport is not None and self._cut_off is None:
            self._cut_off = asyncio.get_running_loop().call_later(CLOSE_SECONDS, transport.abort)
            transport.close()

    # -- asyncio.Protocol -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.local = Address(*(transport.get_extra_info("sockname") or self.local)[:2])
        self.remote = Address(*(transport.get_extra_info("peername") or self.remote)[:2])
        if self._accept is not None:
            self._accept(self)

    def data_received(self, data: bytes) -> None:
        self.receive(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._cut_off is not None:
            self._cut_off.cancel()
        self.closed()


def _ignore(data: bytes) -> None:
    """Nobody listens yet."""


class SystemListener:
    """A listening port. It accepts by itself, to know who asks before a TLS handshake costs anything."""

    def __init__(
        self, local: Address, accept: Callable[[SystemStream], None], tls: ssl.SSLContext | None
    ) -> None:
        """Raises OSError."""
        family = socket.AF_INET6 if ":" in local.host else socket.AF_INET
        self._socket = socket.create_server(local, family=family, backlog=BACKLOG)
        self._socket.setblocking(False)
        self.local = Address(*self._socket.getsockname()[:2])
        self._accept = accept
        self._tls = tls
        self._beginning: set[asyncio.Task[None]] = set()
        self._per_source: Counter[str] = Counter()
        """How many of those that are beginning come from an address."""
        self._retry: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._acceptable)

    def close(self) -> None:
        """Accept no more, and drop who is still shaking hands."""
        if self._retry is not None:
            self._retry.cancel()
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()
        for task in self._beginning:
            task.cancel()

    def _acceptable(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, peer = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # the port stays ready to read, so it has to rest
                logger.error("%s cannot accept connections: %s", self.local, error)
                self._loop.remove_reader(self._socket)
                self._retry = self._loop.call_later(
                    RETRY_SECONDS, self._loop.add_reader, self._socket, self._acceptable
                )
                return
            self._begin(connection, Address(*peer[:2]))

    def _begin(self, connection: socket.socket, remote: Address) -> None:
        host = remote.host
        if self._tls is not None and (
            len(self._beginning) >= MAX_HANDSHAKES or self._per_source[host] >= MAX_HANDSHAKES_PER_SOURCE
        ):
            connection.close()
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._shake_hands(connection, remote))
        self._beginning.add(task)
        self._per_source[host] += 1
        task.add_done_callback(lambda task: self._begun(task, connection, host))

    async def _shake_hands(self, connection: socket.socket, remote: Address) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: SystemStream(remote, self._accept),
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if self._tls else None,
            )
        except OSError as error:
            logger.debug("no connection from %s: %s", remote, error)

    def _begun(self, task: asyncio.Task[None], connection: socket.socket, host: str) -> None:
        self._beginning.discard(task)
        if task.cancelled():
            connection.close()
        self._per_source[host] -= 1
        if not self._per_source[host]:
            del self._per_source[host]


async def listen(
    local: Address, accept: Callable[[SystemStream], None], tls: ssl.SSLContext | None
) -> SystemListener:
    """Accept connections. Raises OSError."""
    return SystemListener(local, accept, tls)


async def connect(
    remote: Address, tls: ssl.SSLContext | None, server_name: str | None = None
) -> SystemStream:
    """Open a connection. Raises OSError."""
    loop = asyncio.get_running_loop()
    name = None if tls is None else server_name or remote.host
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CONNECT_SECONDS):
            _, stream = await loop.create_connection(
                SystemStream, remote.host, remote.port, ssl=tls, server_hostname=name
            )
            return stream
    raise TimeoutError(f"{remote} does not answer")
