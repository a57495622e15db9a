"""TCP and TLS streams on asyncio's transports, with bounded buffers."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable

from sipcore.transport.flow import Address

MAX_UNSENT_BYTES = 1024 * 1024
"""A peer that does not read what we write is cut off above this."""
CONNECT_SECONDS = 5.0
HANDSHAKE_SECONDS = 10.0


class SystemStream(asyncio.Protocol):
    """One connection on the running event loop."""

    def __init__(self, accept: Callable[[SystemStream], None] | None = None) -> None:
        self._accept = accept
        self._transport: asyncio.Transport | None = None
        self.local = self.remote = Address("", 0)
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
        """End the connection once what was written is sent."""
        if self._transport is not None:
            self._transport.close()

    # -- asyncio.Protocol -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.local = Address(*transport.get_extra_info("sockname")[:2])
        self.remote = Address(*transport.get_extra_info("peername")[:2])
        if self._accept is not None:
            self._accept(self)

    def data_received(self, data: bytes) -> None:
        self.receive(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.closed()


def _ignore(data: bytes) -> None:
    """Nobody listens yet."""


class SystemListener:
    """A listening port."""

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server

    def close(self) -> None:
        """Accept no more."""
        self._server.close()


async def listen(
    local: Address, accept: Callable[[SystemStream], None], tls: ssl.SSLContext | None
) -> SystemListener:
    """Accept connections. Raises OSError."""
    server = await asyncio.get_running_loop().create_server(
        lambda: SystemStream(accept),
        local.host,
        local.port,
        ssl=tls,
        ssl_handshake_timeout=HANDSHAKE_SECONDS if tls else None,
        reuse_address=True,
    )
    return SystemListener(server)


async def connect(remote: Address, tls: ssl.SSLContext | None) -> SystemStream:
    """Open a connection. Raises OSError."""
    loop = asyncio.get_running_loop()
    name = remote.host if tls is not None else None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CONNECT_SECONDS):
            _, stream = await loop.create_connection(
                SystemStream, remote.host, remote.port, ssl=tls, server_hostname=name
            )
            return stream
    raise TimeoutError(f"{remote} does not answer")
