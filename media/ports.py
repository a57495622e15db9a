"""The port pool: RTP and RTCP ports in pairs, bound ahead of need."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from media.net import MediaNetwork, MediaSocket
from media.plan import Address

READY = 64
"""Pairs that are bound and wait, where the range has as many."""


class PortsExhausted(Exception):
    """Every port of the range is in use."""


@dataclass(frozen=True, slots=True)
class PortPair:
    """An even port for RTP and the odd one above it for RTCP (RFC 3550 section 11)."""

    port: int
    rtp: MediaSocket
    rtcp: MediaSocket


class Ports:
    """Ports of one engine."""

    def __init__(self, network: MediaNetwork, host: str, first: int, last: int) -> None:
        self._network = network
        self._host = host
        self._free = deque(range(first + first % 2, last, 2))
        self._ready: dict[int, PortPair] = {}

    def fill(self) -> tuple[int, ...]:
        """Bind pairs until READY of them wait; the new ones. A pair that somebody else uses is passed over."""
        opened = []
        for _ in range(len(self._free)):
            if len(self._ready) >= READY:
                break
            port = self._free.popleft()
            pair = self._bind(port)
            if pair is None:
                self._free.append(port)
                continue
            self._ready[port] = pair
            opened.append(port)
        return tuple(opened)

    def take(self, port: int) -> PortPair | None:
        """A pair that was ready; None if it was not."""
        return self._ready.pop(port, None)

    def release(self, pair: PortPair) -> None:
        """Close a pair; its port will be the last to be used again, so that stragglers find nobody."""
        pair.rtp.close()
        pair.rtcp.close()
        self._free.append(pair.port)

    def close(self) -> None:
        """Close what waits."""
        for pair in self._ready.values():
            pair.rtp.close()
            pair.rtcp.close()
        self._ready.clear()
        self._free.clear()

    def _bind(self, port: int) -> PortPair | None:
        opened: list[MediaSocket] = []
        try:
            for number in (port, port + 1):
                opened.append(self._network.open_media((self._host, number), _ignore))
        except OSError:
            for socket in opened:
                socket.close()
            return None
        return PortPair(port, *opened)


def _ignore(data: bytes, source: Address) -> None:
    """Nobody is there yet."""
