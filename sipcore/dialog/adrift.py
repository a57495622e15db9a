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
        self._until: dict[Usage, float] = {}

    def __len__(self) -> int:
        """How many wait."""
        return len(self._until)

    def __contains__(self, session: Usage) -> bool:
        """Whether nobody knows a way to the session's peer."""
        return session in self._until

    def add(self, session: Usage, now: float) -> None:
        """The session has lost its way; to lose it again gives no more time."""
        self._until.setdefault(session, now + self._seconds)
        self._deadlines.watch(self)

    def discard(self, session: Usage) -> None:
        """The peer is back, or the session is over."""
        self._until.pop(session, None)

    @property
    def deadline(self) -> float | None:
        """When the next is to be given up."""
        return next(iter(self._until.values()), None)

    def tick(self, now: float) -> list[Effect]:
        """Give up those that have waited long enough."""
        effects: list[Effect] = []
        try:
            while (deadline := self.deadline) is not None and deadline <= now:
                session = next(iter(self._until))
                del self._until[session]
                effects += session.flow_closed(now)
        finally:  # what goes wrong with one keeps no other waiting
            self._deadlines.watch(self)
        return effects
