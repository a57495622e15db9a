"""The 20 ms tick: absolute deadlines, missed ones skipped, and no tick while nothing needs one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

TICK_SECONDS = 0.02

logger = logging.getLogger(__name__)


class Ticker:
    """Calls everyone who asked for it every 20 ms."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: dict[object, Callable[[], None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0
        self.missed = 0
        """Ticks that came too late to be made up for."""

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

    def _tick(self) -> None:
        for call in list(self._calls.values()):
            try:
                call()
            except Exception:
                logger.exception("a stream failed in its tick")
        if not self._calls:
            self._timer = None
            return
        self._next += TICK_SECONDS
        behind = self._loop.time() - self._next
        if behind > TICK_SECONDS:
            skipped = int(behind / TICK_SECONDS)
            self.missed += skipped
            self._next += skipped * TICK_SECONDS
        self._timer = self._loop.call_at(self._next, self._tick)
