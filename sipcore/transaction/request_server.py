"""The non-INVITE server transaction (RFC 3261 section 17.2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from sipcore.effects import Effect, Transmit
from sipcore.errors import UsageError
from sipcore.machine import Machine, Row
from sipcore.syntax.message import Request, Response
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Flow


class State(Enum):
    """RFC 3261 figure 8."""

    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    TERMINATED = "terminated"

    __hash__ = object.__hash__


class Event(Enum):
    """What can happen to the transaction."""

    REQUEST = "retransmitted request"
    SEND_PROVISIONAL = "1xx from the user"
    SEND_FINAL = "200-699 from the user"
    TIMER_J = "requests absorbed long enough"
    FLOW_FAILED = "flow failed"

    __hash__ = object.__hash__


class RequestServer(Machine):
    """Answers a request, and its retransmissions with the last answer."""

    __slots__ = ("_last", "deadline", "flow", "key", "request", "timers", "user")

    States: ClassVar = State
    Events: ClassVar = Event

    def __init__(self, request: Request, flow: Flow, timers: Timers, key: Any = None) -> None:
        self.state = State.TRYING
        self.request = request
        self.flow = flow
        self.timers = timers
        self.key = key
        self.user: Any = None
        self.deadline: float | None = None
        self._last: bytes | None = None

    @property
    def terminated(self) -> bool:
        """Whether nothing can happen any more."""
        return self.state is State.TERMINATED

    def receive(self, request: Request, now: float) -> list[Effect]:
        """A retransmission."""
        return self.step(Event.REQUEST, request, now)

    def respond(self, response: Response, now: float) -> list[Effect]:
        """Send a response. Raises UsageError on a second final one."""
        if response.status < 200:
            return self.step(Event.SEND_PROVISIONAL, response, now)
        if self.state is State.COMPLETED:
            raise UsageError("a second final response")
        return self.step(Event.SEND_FINAL, response, now)

    def tick(self, now: float) -> list[Effect]:
        """A deadline has come."""
        if self.deadline is not None and now >= self.deadline:
            return self.step(Event.TIMER_J, None, now)
        return []

    def flow_failed(self, now: float) -> list[Effect]:
        """The flow is gone."""
        return self.step(Event.FLOW_FAILED, None, now)

    # -- actions --------------------------------------------------------------------------------------

    def _send(self, response: Response, now: float, effects: list[Effect]) -> None:
        self._last = response.to_bytes()
        effects.append(Transmit(self.flow, self._last))

    def _send_again(self, _: Any, now: float, effects: list[Effect]) -> None:
        if self._last is not None:
            effects.append(Transmit(self.flow, self._last))

    def _absorb_requests(self, _: Any, now: float, effects: list[Effect]) -> None:
        self.deadline = now + (0.0 if self.flow.transport.reliable else self.timers.timeout)

    def _stop_timer(self, _: Any, now: float, effects: list[Effect]) -> None:
        self.deadline = None

    TABLE: ClassVar[Mapping[tuple[State, Event], Row]] = {
        (State.TRYING, Event.SEND_PROVISIONAL): (State.PROCEEDING, _send),
        (State.TRYING, Event.SEND_FINAL): (State.COMPLETED, _send, _absorb_requests),
        (State.TRYING, Event.FLOW_FAILED): (State.TERMINATED,),
        (State.PROCEEDING, Event.REQUEST): (State.PROCEEDING, _send_again),
        (State.PROCEEDING, Event.SEND_PROVISIONAL): (State.PROCEEDING, _send),
        (State.PROCEEDING, Event.SEND_FINAL): (State.COMPLETED, _send, _absorb_requests),
        (State.PROCEEDING, Event.FLOW_FAILED): (State.TERMINATED,),
        (State.COMPLETED, Event.REQUEST): (State.COMPLETED, _send_again),
        (State.COMPLETED, Event.TIMER_J): (State.TERMINATED, _stop_timer),
        (State.COMPLETED, Event.FLOW_FAILED): (State.TERMINATED, _stop_timer),
    }

    IGNORED: ClassVar = frozenset(
        {(State.TRYING, Event.REQUEST)}  # nothing has been answered yet
        | {(State.TRYING, Event.TIMER_J), (State.PROCEEDING, Event.TIMER_J)}
        | {(State.COMPLETED, Event.SEND_PROVISIONAL), (State.COMPLETED, Event.SEND_FINAL)}
        | {(State.TERMINATED, event) for event in Event}
    )
