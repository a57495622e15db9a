"""Many alarms on one timer of the event loop.

The loop makes much of each of its own timers, and most alarms of a stream are taken back before they ring.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

logger = logging.getLogger(__name__)

_AT, _NUMBER, _RING = range(3)
"""Of an alarm."""


Alarm = list[Any]
"""One that was set: when it rings, how many were set before it (-1: it stands in a row), and what is called then; None
once it has rung, or is taken back. A plain list is made, compared and read without any code of ours."""


class Row:
    """Alarms that are all set for as many seconds ahead, so that they ring in the order in which they were set. Nothing
    has to be sorted, and one alarm serves them all."""

    def __init__(self, alarms: Alarms, seconds: float) -> None:
        self._alarms, self._now = alarms, alarms.now
        self._seconds = seconds
        self._waiting: deque[Alarm] = deque()
        self._served = False
        """Whether that alarm is set, or is ringing."""

    def set(self, ring: Callable[[], object]) -> Alarm:
        """Have `ring` called when the time of the row has gone by. What it raises is logged. `Alarms.cancel` takes it
        back."""
        now = self._now  # as a local it is called in half the time
        alarm = [now() + self._seconds, -1, ring]
        if not self._served:
            self._served = True
            self._alarms.set(self._seconds, self._look)
        self._waiting.append(alarm)
        return alarm

    def _look(self) -> None:
        now, waiting = self._alarms.now(), self._waiting
        try:
            while waiting:
                alarm = waiting[0]
                at, _, ring = alarm
                if ring is None:
                    waiting.popleft()
                elif at <= now:
                    waiting.popleft()
                    alarm[_RING] = None
                    ring()
                else:
                    break
        finally:  # whatever one of them was for: the others ring too
            self._served = bool(waiting)
            if waiting:
                self._alarms.set(waiting[0][_AT] - now, self._look)


class _Rows(dict[float, Row]):
    """By their seconds; made when the first alarm is set."""

    def __init__(self, alarms: Alarms) -> None:
        super().__init__()
        self._alarms = alarms

    def __missing__(self, seconds: float) -> Row:
        row = self[seconds] = Row(self._alarms, seconds)
        return row


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
        self.rows: dict[float, Row] = _Rows(self)
        """Of alarms that are set for the same time again and again, each by its seconds."""

    def set(self, seconds: float, ring: Callable[[], object]) -> Alarm:
        """Have `ring` called in so many seconds. What it raises is logged."""
        at = self.now() + seconds
        alarm = [at, next(self._numbers), ring]
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
        if alarm[_NUMBER] < 0:
            return
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
