"""Sessions whose connection is gone, and how long they wait for their peer to come back by another (RFC 5626, 4.4)."""

from __future__ import annotations

from typing import Any

from sipcore.deadlines import Deadlines
from sipcore.effects import Effect
from sipcore.usage import Usage


class Adrift:
    """All wait equally long, so the first to lose its way is the first to be given up."""

    def __init__(self, seconds: float, deadlines: Deadlines[Any]) -> None:
        self._seconds = seconds
        self._deadlines = deadlines
        self.until: dict[Usage, float] = {}
        """The sessions to whose peer nobody knows a way, and when each is given up. Who is back is taken away."""

    def add(self, session: Usage, now: float) -> None:
        """The session has lost its way; to lose it again gives no more time."""
        self.until.setdefault(session, now + self._seconds)
        self._deadlines.watch(self)

    @property
    def deadline(self) -> float | None:
        """When the next is to be given up."""
        return next(iter(self.until.values()), None)

    def tick(self, now: float) -> list[Effect]:
        """Give up those that have waited long enough."""
        effects: list[Effect] = []
        try:
            while (deadline := self.deadline) is not None and deadline <= now:
                session = next(iter(self.until))
                del self.until[session]
                effects += session.flow_closed(now)
        finally:  # what goes wrong with one keeps no other waiting
            self._deadlines.watch(self)
        return effects
