"""How much one source may take."""

from __future__ import annotations

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


class RateLimit:
    """A token bucket for each source (an IPv6 one is a /64). What is forgotten starts with a full bucket."""

    def __init__(self, limits: Limits) -> None:
        self._rate = limits.messages_per_second
        self._burst = limits.burst
        self._buckets: dict[str, list[float]] = {}

    def admit(self, source: str, now: float) -> bool:
        """Take a token of the source's bucket; False if there is none. What a time has earned is added when all are
        spent, so that nothing is reckoned for those who send little."""
        source = source_of(source)
        bucket = self._buckets.get(source)
        if bucket is None:
            if len(self._buckets) >= MAX_SOURCES:
                self._buckets.clear()
            bucket = self._buckets[source] = [self._burst, now]
        elif bucket[0] < 1.0:
            bucket[0] = min(self._burst, bucket[0] + (now - bucket[1]) * self._rate)
            bucket[1] = now
            if bucket[0] < 1.0:
                return False
        bucket[0] -= 1.0
        return True
