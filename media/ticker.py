"""The 20 ms tick: absolute deadlines, missed ones skipped, and no tick while nothing needs one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from values import dataclass

TICK_SECONDS = 0.02
LATE_SECONDS = TICK_SECONDS / 2
"""A tick that begins so long after its time is late: every phone's buffer notices."""

_STEPS_PER_SECOND = 10_000
_STEPS = 500
"""Of the distribution; the last one stands for 50 ms and all beyond."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Punctuality:
    """How long after their time ticks began. Times in ms; percentiles are rounded up to tenths."""

    ticks: int = 0
    late: int = 0
    """By half a tick or more, missed ones among them."""
    missed: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    work_ms: float = 0.0
    """How long a tick took, on the mean."""


class Ticker:
    """Calls everyone who asked for it every 20 ms."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: dict[object, Callable[[], None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0
        self.missed = 0
        """Ticks that came too late to be made up for."""
        self._missed_before = 0
        self._begun = [0] * _STEPS
        """Ticks by how late they began."""
        self._latest = 0.0
        self._worked = 0.0

    def add(self, key: object, call: Callable[[], None]) -> None:
        """Call `call` on every tick."""
        self._calls[key] = call
        if self._timer is None:
            self._next = self._loop.time() + TICK_SECONDS
            self._timer = self._loop.call_at(self._next, self._tick)

    def remove(self, key: object) -> None:
        """No more."""
        self._calls.pop(key, None)

    def stop(self) -> None:
        """No more for anybody."""
        self._calls.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def punctuality(self) -> Punctuality:
        """Of all ticks since the last call of this."""
        begun, latest, missed = self._begun, self._latest, self.missed - self._missed_before
        worked, ticks = self._worked, sum(begun)
        self._begun, self._latest, self._worked, self._missed_before = [0] * _STEPS, 0.0, 0.0, self.missed
        return Punctuality(
            ticks=ticks + missed,
            late=sum(begun[int(LATE_SECONDS * _STEPS_PER_SECOND) :]) + missed,
            missed=missed,
            p50_ms=_percentile_ms(begun, 0.5),
            p99_ms=_percentile_ms(begun, 0.99),
            max_ms=1000 * latest,
            work_ms=1000 * worked / ticks if ticks else 0.0,
        )

    def _tick(self) -> None:
        began = self._loop.time()
        behind = max(began - self._next, 0.0)  # a timer may be early by the clock's resolution
        self._begun[min(int(behind * _STEPS_PER_SECOND), _STEPS - 1)] += 1
        if behind > self._latest:
            self._latest = behind
        for call in list(self._calls.values()):
            try:
                call()
            except Exception:
                logger.exception("a stream failed in its tick")
        now = self._loop.time()
        self._worked += now - began
        if not self._calls:
            self._timer = None
            return
        self._next += TICK_SECONDS
        behind = now - self._next
        if behind > TICK_SECONDS:
            skipped = int(behind / TICK_SECONDS)
            self.missed += skipped
            self._next += skipped * TICK_SECONDS
        self._timer = self._loop.call_at(self._next, self._tick)


def _percentile_ms(begun: list[int], share: float) -> float:
    """The lateness that this share of the ticks kept within."""
    wanted, seen = share * sum(begun), 0
    for step, count in enumerate(begun):
        seen += count
        if count and seen >= wanted:
            return 1000 * (step + 1) / _STEPS_PER_SECOND
    return 0.0
