"""The port pool: RTP and RTCP ports in pairs, bound ahead of need."""

from __future__ import annotations

import logging
from collections import deque

from media.net import MediaNetwork, MediaSocket
from media.plan import Address
from values import dataclass

READY = 128
"""Pairs that are bound and wait, where the range has as many."""
MOST_READY = 512
"""Pairs that have been in use are kept up to this number: binding a port costs more than a call does otherwise."""

logger = logging.getLogger(__name__)


class PortsExhausted(Exception):
    """Every port of the range is in use."""


@dataclass(frozen=True, slots=True)
class PortPair:
    """An even port for RTP and the odd one above it for RTCP (RFC 3550 section 11)."""

    port: int
    rtp: MediaSocket
    rtcp: MediaSocket


def pairs(first: int, last: int) -> range:
    """The RTP ports of a range, which may begin and end with any port."""
    return range(first + first % 2, last, 2)


class Ports:
    """Ports of one engine."""

    def __init__(self, network: MediaNetwork, host: str, first: int, last: int) -> None:
        self._network = network
        self._host = host
        self._free = deque(pairs(first, last))
        self._ready: dict[int, PortPair] = {}
        self._name = f"{host} {first}-{last}"

    def __str__(self) -> str:
        return self._name

    def fill(self, reserved: int = 0) -> tuple[int, ...]:
        """Bind pairs until READY of them wait, besides those reserved for streams to come; the new ones.

        A pair that somebody else uses is passed over.
        """
        opened = []
        for _ in range(len(self._free)):
            if len(self._ready) >= READY + reserved:
                break
            port = self._free.popleft()
            pair = self._bind(port)
            if pair is None:
                self._free.append(port)
                continue
            self._ready[port] = pair
            opened.append(port)
        return tuple(opened)

    @property
    def few(self) -> bool:
        """Whether fewer than READY wait."""
        return len(self._ready) < READY

    def take(self, port: int) -> PortPair | None:
        """A pair that was ready, or that can be bound yet; None if somebody else uses it."""
        pair = self._ready.pop(port, None)
        if pair is None and port in self._free:  # one that was closed when it came back
            self._free.remove(port)
            pair = self._bind(port)
            if pair is None:
                self._free.append(port)
        return pair

    def release(self, pair: PortPair) -> tuple[int, ...]:
        """Take a pair back. It stays bound and waits again, as the last in the row: stragglers find nobody there.

        Returns its port, or nothing where so many wait that it is closed.
        """
        try:
            rtp, rtcp = pair.rtp, pair.rtcp
            rtp.receive = rtcp.receive = _ignore
            rtp.disconnect()
            rtcp.disconnect()
        except OSError as error:  # somebody else was quicker to bind it
            logger.warning("port %d is lost for now: %s", pair.port, error)
            self._close(pair)
            return ()
        if len(self._ready) >= MOST_READY:
            self._close(pair)
            return ()
        self._ready[pair.port] = pair
        return (pair.port,)

    def close(self) -> None:
        """Close what waits."""
        for pair in self._ready.values():
            self._close(pair)
        self._ready.clear()
        self._free.clear()

    def _close(self, pair: PortPair) -> None:
        pair.rtp.close()
        pair.rtcp.close()
        self._free.append(pair.port)

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
