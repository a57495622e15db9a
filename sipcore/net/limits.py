"""How much one source may take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

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
        """How many of each source have been left out; cleared by whoever reads it."""

    def admit(self, host: str, now: float) -> bool:
        """Take a token of the bucket of a host's source; False if there is none."""
        return self._take(source_of(host), 1, now) == 1

    def limit(self, queues: Mapping[str, list[Datagram]], now: float) -> None:
        """Leave in the queue of each source those for which there are tokens: the first."""
        buckets, earning = self._buckets, self._earning
        full, latest = now - self._longest, now + _TOLERANCE
        for source, queue in queues.items():
            since = buckets.get(source)
            if since is not None:  # `_take`, without the call, where all are let in
                since = (full if since < full else since) + len(queue) * earning
                if since <= latest:
                    buckets[source] = since
                    continue
            taken = self._take(source, len(queue), now)
            if taken < len(queue):
                self.excess[source] += len(queue) - taken
                del queue[taken:]

    def _take(self, source: str, wanted: int, now: float) -> int:
        """Take so many tokens of a bucket, or those that there are: how many."""
        full = now - self._longest
        since = self._buckets.get(source)
        if since is None:
            if len(self._buckets) >= MAX_SOURCES:
                self._buckets.clear()
            since = full
        elif since < full:
            since = full
        latest, earning = now + _TOLERANCE, self._earning
        if since + wanted * earning > latest:
            wanted = max(int((latest - since) / earning), 0)
        if wanted:
            self._buckets[source] = since + wanted * earning
        return wanted
