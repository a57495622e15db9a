"""Many alarms on one timer of the event loop.

The loop makes much of each of its own timers, and most alarms of a stream are taken back before they ring.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

logger = logging.getLogger(__name__)

_AT, _RING = 0, 2
"""Of an alarm."""


class Alarm(list[Any]):
    """One that was set: when it rings, how many were set before it, and what is called then; None once it has rung, or
    is taken back. As a list it is compared, and made, without any code of ours."""

    __slots__ = ()


class Alarms:
    """Those of one part of the system, such as an engine."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, rest: float = 0.0, now: Callable[[], float] | None = None
    ) -> None:
        """`rest`: so many seconds go by after some have rung before others do. To wake up for each of hundreds costs
        more than they do. `now` tells the time of the loop, where there is a quicker way than to ask the loop."""
        self.now: Callable[[], float] = now or loop.time
        """The time of the loop."""
        self._loop = loop
        self._rest, self._rested = rest, 0.0
        """When the last rest is over."""
        self._heap: list[Alarm] = []
        """By when they ring, then in the order in which they were set."""
        self._numbers = count()
        self._set = 0
        """How many are to ring."""
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        """When that looks."""

    def set(self, seconds: float, ring: Callable[[], object]) -> Alarm:
        """Have `ring` called in so many seconds. What it raises is logged."""
        at = self.now() + seconds
        alarm = Alarm((at, next(self._numbers), ring))
        heappush(self._heap, alarm)
        self._set += 1
        if self._timer is None or at < self._due:
            self._arm(at)
        return alarm

    def cancel(self, alarm: Alarm) -> None:
        """Take an alarm back; to do so once more, or after it has rung, does nothing."""
        if alarm[_RING] is None:
            return
        alarm[_RING] = None
        self._set -= 1
        if not self._set and self._timer is not None:  # nothing is left that the loop would have to wait for
            self._heap.clear()
            self._timer.cancel()
            self._timer = None

    def _arm(self, at: float) -> None:
        at = max(at, self._rested)
        if self._timer is not None:
            if self._due <= at:
                return
            self._timer.cancel()
        self._due = at
        self._timer = self._loop.call_at(at, self._look)

    def _look(self) -> None:
        """Ring those whose time has come."""
        self._timer = None
        now, heap = self.now(), self._heap
        self._rested = now + self._rest
        while heap and heap[0][_AT] <= now:
            alarm = heappop(heap)
            ring = alarm[_RING]
            if ring is None:
                continue
            alarm[_RING] = None
            self._set -= 1
            try:
                ring()
            except Exception:
                logger.exception("what an alarm was for has failed")
        if heap:
            self._arm(heap[0][_AT])
