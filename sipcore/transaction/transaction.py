"""What the four transactions share: whom they serve, their timers, and the actions common to their tables."""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar

from sipcore.effects import Effect, Transmit
from sipcore.errors import UsageError
from sipcore.machine import Machine
from sipcore.syntax.message import Request, Response
from sipcore.transaction.events import FlowFailed, ResponseReceived, TimedOut
from sipcore.transaction.matching import Key
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Flow


class Transaction(Machine):
    """A table with two timers: one that retransmits, and one that moves the transaction on.

    Every method that takes `now` (seconds) returns effects: `Transmit`, and what `sipcore.transaction.events` names.
    """

    __slots__ = ("_expires_at", "_expiry", "_interval", "_retransmit_at", "deadline", "flow", "key", "timers", "user")

    RETRANSMIT: ClassVar[Enum]
    """The event of the timer that retransmits (A, E, G)."""

    def __init__(self, state: Enum, key: Key, flow: Flow, timers: Timers) -> None:
        self.state = state
        self.key = key
        self.flow = flow
        self.timers = timers
        self.user: Any = None
        """Whoever is to hear of the transaction; set by the endpoint."""
        self.deadline: float | None = None
        """When `tick` wants to be called."""
        self._interval = timers.t1
        self._retransmit_at: float | None = None
        self._expiry: Enum = self.RETRANSMIT
        self._expires_at: float | None = None

    @property
    def terminated(self) -> bool:
        """Whether nothing can happen any more; the table forgets such a transaction."""
        return self.state.value == "terminated"

    def tick(self, now: float) -> list[Effect]:
        """A deadline has come."""
        if self._expires_at is not None and now >= self._expires_at:
            return self.step(self._expiry, None, now)
        if self._retransmit_at is not None and now >= self._retransmit_at:
            return self.step(self.RETRANSMIT, None, now)
        return []
