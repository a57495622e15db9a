"""The non-INVITE client transaction (RFC 3261 section 17.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from sipcore.effects import Effect, Transmit
from sipcore.machine import Machine, Row
from sipcore.syntax.message import Request, Response
from sipcore.transaction.events import FlowFailed, ResponseReceived, TimedOut
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Flow


class State(Enum):
    """RFC 3261 figure 6."""

    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    TERMINATED = "terminated"

    __hash__ = object.__hash__


class Event(Enum):
    """What can happen to the transaction."""

    PROVISIONAL = "1xx"
    FINAL = "200-699"
    TIMER_E = "retransmit"
    TIMER_F = "give up"
    TIMER_K = "finals absorbed long enough"
    FLOW_FAILED = "flow failed"

    __hash__ = object.__hash__


class RequestClient(Machine):
    """Sends a request until a final response comes."""

    __slots__ = ("_interval", "_retransmit_at", "_timer", "_timer_at", "flow", "key", "request", "timers", "user")

    States: ClassVar = State
    Events: ClassVar = Event

    def __init__(self, request: Request, flow: Flow, timers: Timers) -> None:
        self.state = State.TRYING
        self.request = request
        self.flow = flow
        self.timers = timers
        self.key = (request.via.branch, request.method)
        self.user: Any = None
        self._interval = timers.t1
        self._retransmit_at: float | None = None
        self._timer = Event.TIMER_F
        self._timer_at: float | None = None

    @property
    def terminated(self) -> bool:
        """Whether nothing can happen any more."""
        return self.state is State.TERMINATED

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        if self._retransmit_at is None or self._timer_at is None:
            return self._timer_at
        return min(self._retransmit_at, self._timer_at)

    def start(self, now: float) -> list[Effect]:
        """Send the request."""
        self._timer_at = now + self.timers.timeout
        if not self.flow.transport.reliable:
            self._retransmit_at = now + self._interval
        return [Transmit(self.flow, self.request.to_bytes())]

    def receive(self, response: Response, now: float) -> list[Effect]:
        """A response that matches."""
        return self.step(Event.PROVISIONAL if response.status < 200 else Event.FINAL, response, now)

    def tick(self, now: float) -> list[Effect]:
        """A deadline has come."""
        if self._timer_at is not None and now >= self._timer_at:
            return self.step(self._timer, None, now)
        if self._retransmit_at is not None and now >= self._retransmit_at:
            return self.step(Event.TIMER_E, None, now)
        return []

    def flow_failed(self, now: float) -> list[Effect]:
        """The flow is gone."""
        return self.step(Event.FLOW_FAILED, None, now)

    # -- actions --------------------------------------------------------------------------------------

    def _retransmit(self, _: Any, now: float, effects: list[Effect]) -> None:
        proceeding = self.state is State.PROCEEDING
        self._interval = self.timers.t2 if proceeding else min(2 * self._interval, self.timers.t2)
        self._retransmit_at = now + self._interval
        effects.append(Transmit(self.flow, self.request.to_bytes()))

    def _pass_up(self, response: Response, now: float, effects: list[Effect]) -> None:
        effects.append(ResponseReceived(self, response))

    def _absorb_finals(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._retransmit_at = None
        self._timer, self._timer_at = Event.TIMER_K, now + (0.0 if self.flow.transport.reliable else self.timers.t4)

    def _stop_timers(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._retransmit_at = self._timer_at = None

    def _tell_timeout(self, _: Any, now: float, effects: list[Effect]) -> None:
        effects.append(TimedOut(self))

    def _tell_failure(self, _: Any, now: float, effects: list[Effect]) -> None:
        effects.append(FlowFailed(self))

    TABLE: ClassVar[Mapping[tuple[State, Event], Row]] = {
        (State.TRYING, Event.TIMER_E): (State.TRYING, _retransmit),
        (State.TRYING, Event.TIMER_F): (State.TERMINATED, _stop_timers, _tell_timeout),
        (State.TRYING, Event.PROVISIONAL): (State.PROCEEDING, _pass_up),
        (State.TRYING, Event.FINAL): (State.COMPLETED, _absorb_finals, _pass_up),
        (State.TRYING, Event.FLOW_FAILED): (State.TERMINATED, _stop_timers, _tell_failure),
        (State.PROCEEDING, Event.TIMER_E): (State.PROCEEDING, _retransmit),
        (State.PROCEEDING, Event.TIMER_F): (State.TERMINATED, _stop_timers, _tell_timeout),
        (State.PROCEEDING, Event.PROVISIONAL): (State.PROCEEDING, _pass_up),
        (State.PROCEEDING, Event.FINAL): (State.COMPLETED, _absorb_finals, _pass_up),
        (State.PROCEEDING, Event.FLOW_FAILED): (State.TERMINATED, _stop_timers, _tell_failure),
        (State.COMPLETED, Event.TIMER_K): (State.TERMINATED, _stop_timers),
        (State.COMPLETED, Event.FLOW_FAILED): (State.TERMINATED, _stop_timers),
    }

    IGNORED: ClassVar = frozenset(
        {(State.TRYING, Event.TIMER_K), (State.PROCEEDING, Event.TIMER_K)}
        # retransmitted responses are absorbed
        | {(State.COMPLETED, Event.PROVISIONAL), (State.COMPLETED, Event.FINAL)}
        | {(State.COMPLETED, Event.TIMER_E), (State.COMPLETED, Event.TIMER_F)}
        | {(State.TERMINATED, event) for event in Event}
    )
