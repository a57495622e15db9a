"""Streams over the simulated network: reliable and ordered, but late, cut into pieces, refused or broken."""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from sipcore.transport.flow import Address

if TYPE_CHECKING:
    from tests.simulation.network import HostNetwork

STALLED_SECONDS = 1.0
"""How often a segment is tried again while a cable is out."""

GIVE_UP_SECONDS = 120.0
"""After so long without a cable the connection breaks."""


class SimulatedStream:
    """One end of a connection. It has the shape of sipcore.net.network.Stream.

    Its user sets `receive` (bytes arrived) and `closed` (the connection has ended, by whomever; told once).
    """

    def __init__(self, host: HostNetwork, local: Address, remote: Address, *, secure: bool) -> None:
        self.local = local
        self.remote = remote
        self.secure = secure
        self.receive: Callable[[bytes], None] = lambda data: None
        self.closed: Callable[[], None] = lambda: None
        self.is_open = True
        self._host = host
        self._peer: SimulatedStream | None = None
        self._on_the_way: deque[bytes | None] = deque()
        self._last_arrival = 0.0

    def join(self, peer: SimulatedStream) -> None:
        """Make two ends one connection."""
        self._peer, peer._peer = peer, self

    def write(self, data: bytes) -> None:
        """Send bytes; after the end of the connection they are dropped."""
        if not self.is_open or not data:
            return
        self._host.network.ladder.record(self._now(), self.local.host, self.remote.host, data)
        size = self._host.up.profile.segment_bytes
        for start in range(0, len(data), size):
            self._send(data[start : start + size])

    def close(self) -> None:
        """End the connection once what was written has arrived."""
        if self.is_open:
            self._send(None)
            self._end()

    def break_off(self) -> None:
        """Both ends find the connection dead, at once; what was on its way is lost."""
        for end in (self, self._peer):
            if end is not None and end.is_open:
                end._on_the_way.clear()
                end._end()

    # -- the way to the other end

    def _now(self) -> float:
        return self._host.network.loop.time()

    def _send(self, segment: bytes | None) -> None:
        """None is the end of the stream. Each segment has one arrival; arrivals are in order."""
        peer = self._peer
        assert peer is not None
        delay = self._host.up.carry_in_order() + peer._host.down.carry_in_order()
        self._last_arrival = max(self._now() + delay, self._last_arrival)
        self._on_the_way.append(segment)
        self._host.network.loop.call_at(self._last_arrival, self._arrive, self._now() + GIVE_UP_SECONDS)

    def _arrive(self, give_up_at: float) -> None:
        """The oldest segment reaches the peer, or is tried again while a cable is out."""
        peer = self._peer
        if not self._on_the_way or peer is None:
            return
        if not (self._host.plugged and peer._host.plugged):
            if self._now() > give_up_at:
                self.break_off()
            else:
                self._host.network.loop.call_later(STALLED_SECONDS, self._arrive, give_up_at)
            return
        segment = self._on_the_way.popleft()
        if not peer.is_open:
            return
        if segment is None:
            peer._end()
        else:
            peer.receive(segment)

    def _end(self) -> None:
        self.is_open = False
        self._host.streams.discard(self)
        self.closed()


class SimulatedListener:
    """A listening stream socket. It has the shape of sipcore.net.network.Listener."""

    def __init__(
        self, host: HostNetwork, local: Address, accept: Callable[[SimulatedStream], None], *, secure: bool
    ) -> None:
        self.local = local
        self.accept = accept
        self.secure = secure
        self._host = host

    def close(self) -> None:
        """Free the port; accepted connections live on."""
        if self._host.listeners.get(self.local.port) is self:
            del self._host.listeners[self.local.port]


async def connect(host: HostNetwork, local: Address, remote: Address, *, secure: bool) -> SimulatedStream:
    """Open a connection: one round trip, two with TLS. Raises OSError as the real ones do."""
    target, seen_source = host.find(local, remote)
    if target is None or not host.plugged or not target.plugged:
        await asyncio.sleep(GIVE_UP_SECONDS)
        raise TimeoutError(errno.ETIMEDOUT, f"no answer from {remote}")
    for _ in range(2 if secure else 1):
        await asyncio.sleep(2 * (host.up.carry_in_order() + target.down.carry_in_order()))
    listener = target.listeners.get(remote.port)
    if listener is None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, f"connection refused: {remote}")
    if listener.secure != secure:
        raise ConnectionResetError(errno.ECONNRESET, f"no TLS handshake with {remote}")
    here = SimulatedStream(host, local, remote, secure=secure)
    there = SimulatedStream(target, Address(target.address, remote.port), seen_source, secure=secure)
    here.join(there)
    host.streams.add(here)
    target.streams.add(there)
    listener.accept(there)
    return here
