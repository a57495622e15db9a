"""How much one source may take."""

from __future__ import annotations

from collections import Counter

from sipcore.net.udp import Datagram
from sipcore.transport.source import source_of
from values import dataclass

MAX_SOURCES = 20_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds."""

    messages_per_second: float = 5000.0
    """Sustained rate of one source address."""
    burst: float = 20_000.0
    """Messages that a source may send at once after a silence."""
    connections_per_source: int = 100
    connections: int = 10_000
    idle_seconds: float = 900.0
    """A connection over which nothing came for so long is closed; phones ping every two minutes at the latest."""
    message_seconds: float = 10.0
    """A message that has begun has to be whole within this time; a new connection has to send one."""


_TOLERANCE = 1e-6
"""Seconds: what the sums of many parts of a second may be wrong by."""


class RateLimit:
    """A token bucket for each source (an IPv6 one is a /64). What is forgotten starts with a full bucket."""

    def __init__(self, limits: Limits) -> None:
        self._earning = 1.0 / limits.messages_per_second
        self._longest = limits.burst * self._earning
        """In such a time a bucket fills."""
        self._buckets: dict[str, float] = {}
        """Source -> since when its tokens were earned; what is earlier than a whole bucket takes is lost."""
        self.excess = Counter[str]()
        """How many of each source `admitted` has left out; cleared by whoever reads it."""

    def admit(self, source: str, now: float) -> bool:
        """Take a token of the source's bucket; False if there is none."""
        source = source_of(source)
        full = now - self._longest
        since = self._buckets.get(source)
        if since is None:
            if len(self._buckets) >= MAX_SOURCES:
                self._buckets.clear()
            since = full
        elif since < full:
            since = full
        since += self._earning
        if since > now + _TOLERANCE:
            return False
        self._buckets[source] = since
        return True

    def admitted(self, datagrams: list[Datagram], now: float) -> list[Datagram]:
        """Those that `admit` lets in, one after the other. It is asked about few: all else is worked out here."""
        buckets, earning = self._buckets, self._earning
        full, latest = now - self._longest, now + _TOLERANCE
        let_in = []
        for datagram in datagrams:
            host = datagram[1].host
            since = buckets.get(host)
            if since is None:  # new, or of IPv6, where its network has the bucket
                if self.admit(host, now):
                    let_in.append(datagram)
                else:
                    self.excess[source_of(host)] += 1
                continue
            if since < full:
                since = full
            since += earning
            if since <= latest:
                buckets[host] = since
                let_in.append(datagram)
            else:
                self.excess[host] += 1
        return let_in
