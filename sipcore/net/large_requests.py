"""Requests too large for UDP, which go over TCP where the peer takes it (RFC 3261 section 18.1.1)."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from sipcore.transport.flow import Address, Flow, Transport

logger = logging.getLogger(__name__)

UDP_MAX_BYTES = 1300
"""Whatever the way to the peer is, so many bytes are sure to fit into a packet."""
CONNECT_SECONDS = 0.5
"""Behind a NAT nobody answers; the call should not have to wait for that."""
NO_TCP_SECONDS = 600.0
"""How long a peer that took no TCP is not asked again."""
MAX_PEERS = 10_000
TRANSACTION_SECONDS = 64.0
"""After this the CANCEL or ACK of a request has gone out, with timers of the usual length."""

_BRANCH = re.compile(rb"\r\nVia: SIP/2\.0/UDP [^\r\n]*;branch=([^;,\s]+)")


class LargeRequests:
    """Decides for requests of UDP flows. The CANCEL and ACK of a request take the way that it took."""

    def __init__(
        self,
        connect: Callable[[Transport, Address], Awaitable[Flow]],
        send: Callable[[Flow, bytes], None],
        send_datagram: Callable[[Flow, bytes], None],
    ) -> None:
        """`connect` finds a flow to an address, and raises OSError; the other two send at once."""
        self._connect = connect
        self._send = send
        self._send_datagram = send_datagram
        self._loop = asyncio.get_running_loop()
        self.ways: dict[bytes, asyncio.Task[None] | Flow] = {}
        """Branch -> the attempt to connect for it, then the connection that its request took."""
        self._no_tcp: OrderedDict[Address, float] = OrderedDict()
        """Peer -> until when it is not asked."""

    def concerns(self, data: bytes) -> bool:
        """Whether a message for a UDP flow is to be handed to `send`."""
        return (len(data) > UDP_MAX_BYTES or bool(self.ways)) and not data.startswith(b"SIP/2.0 ")

    def send(self, flow: Flow, data: bytes) -> None:
        """Send a request; a retransmission of what went over TCP is not needed."""
        found = _BRANCH.search(data)
        branch = found[1] if found else b""
        way = self.ways.get(branch)
        if len(data) <= UDP_MAX_BYTES:
            if isinstance(way, Flow):
                self._send(way, _by_tcp(data))
            else:
                self._send_datagram(flow, data)
        elif self._loop.time() < self._no_tcp.get(flow.remote, 0.0):
            self._send_datagram(flow, data)
        elif way is None:
            task = self.ways[branch] = self._loop.create_task(self._send_large(flow, branch, data))
            task.add_done_callback(lambda task: self._attempted(branch, task))

    def _attempted(self, branch: bytes, task: asyncio.Task[None]) -> None:
        if self.ways.get(branch) is task:  # it has led to no connection
            del self.ways[branch]

    def stop(self) -> None:
        """Give all attempts up."""
        for way in self.ways.values():
            if isinstance(way, asyncio.Task):
                way.cancel()

    async def _send_large(self, flow: Flow, branch: bytes, data: bytes) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                stream = await self._connect(Transport.TCP, flow.remote)
        except OSError as error:  # a TimeoutError is one
            logger.info(
                "%s takes no TCP, a request of %d bytes goes over UDP: %s", flow.remote, len(data), error
            )
            self._no_tcp[flow.remote] = self._loop.time() + NO_TCP_SECONDS
            if len(self._no_tcp) > MAX_PEERS:
                self._no_tcp.popitem(last=False)
            self._send_datagram(flow, data)
        else:
            self.ways[branch] = stream
            self._loop.call_later(TRANSACTION_SECONDS, self.ways.pop, branch)
            self._send(stream, _by_tcp(data))


def _by_tcp(data: bytes) -> bytes:
    """The same request with the new transport in its topmost Via, which is always our first header field."""
    return data.replace(b"\r\nVia: SIP/2.0/UDP ", b"\r\nVia: SIP/2.0/TCP ", 1)
