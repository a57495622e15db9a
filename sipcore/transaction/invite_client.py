"""The INVITE client transaction (RFC 3261 section 17.1.1, with the Accepted state of RFC 6026)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from sipcore.effects import Effect, Transmit
from sipcore.machine import Machine, Row
from sipcore.syntax.message import Request, Response, ack_for
from sipcore.transaction.events import FlowFailed, ResponseReceived, TimedOut
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Flow


class State(Enum):
    """RFC 3261 figure 5, RFC 6026 figure 1."""

    CALLING = "calling"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    TERMINATED = "terminated"

    __hash__ = object.__hash__


class Event(Enum):
    """What can happen to the transaction."""

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "300-699"
    TIMER_A = "retransmit"
    TIMER_B = "give up"
    TIMER_D = "failure absorbed long enough"
    TIMER_M = "success absorbed long enough"
    FLOW_FAILED = "flow failed"

    __hash__ = object.__hash__


class InviteClient(Machine):
    """Sends an INVITE until somebody reacts, acknowledges failures, passes responses up."""

    __slots__ = ("_ack", "_interval", "_retransmit_at", "_timer", "_timer_at", "flow", "key", "request", "timers", "user")

    States: ClassVar = State
    Events: ClassVar = Event

    def __init__(self, request: Request, flow: Flow, timers: Timers) -> None:
        self.state = State.CALLING
        self.request = request
        self.flow = flow
        self.timers = timers
        self.key = (request.via.branch, "INVITE")
        self.user: Any = None
        self._interval = timers.t1
        self._retransmit_at: float | None = None
        self._timer = Event.TIMER_B
        self._timer_at: float | None = None
        self._ack: bytes | None = None

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
        """Send the INVITE."""
        self._timer_at = now + self.timers.timeout
        if not self.flow.transport.reliable:
            self._retransmit_at = now + self._interval
        return [Transmit(self.flow, self.request.to_bytes())]

    def receive(self, response: Response, now: float) -> list[Effect]:
        """A response that matches."""
        if response.status < 200:
            return self.step(Event.PROVISIONAL, response, now)
        return self.step(Event.SUCCESS if response.status < 300 else Event.FAILURE, response, now)

    def tick(self, now: float) -> list[Effect]:
        """A deadline has come."""
        if self._timer_at is not None and now >= self._timer_at:
            return self.step(self._timer, None, now)
        if self._retransmit_at is not None and now >= self._retransmit_at:
            return self.step(Event.TIMER_A, None, now)
        return []

    def flow_failed(self, now: float) -> list[Effect]:
        """The flow is gone."""
        return self.step(Event.FLOW_FAILED, None, now)

    # -- actions --------------------------------------------------------------------------------------

    def _retransmit(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._interval *= 2
        self._retransmit_at = now + self._interval
        effects.append(Transmit(self.flow, self.request.to_bytes()))

    def _stop_timers(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._retransmit_at = self._timer_at = None

    def _pass_up(self, response: Response, now: float, effects: list[Effect]) -> None:
        effects.append(ResponseReceived(self, response))

    def _acknowledge(self, response: Response, now: float, effects: list[Effect]) -> None:
        if self._ack is None:
            self._ack = ack_for(self.request, response).to_bytes()
        effects.append(Transmit(self.flow, self._ack))

    def _absorb_failures(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._timer, self._timer_at = Event.TIMER_D, now + (0.0 if self.flow.transport.reliable else self.timers.d)

    def _absorb_successes(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._timer, self._timer_at = Event.TIMER_M, now + self.timers.timeout

    def _tell_timeout(self, _: Any, now: float, effects: list[Effect]) -> None:
        effects.append(TimedOut(self))

    def _tell_failure(self, _: Any, now: float, effects: list[Effect]) -> None:
        effects.append(FlowFailed(self))

    TABLE: ClassVar[Mapping[tuple[State, Event], Row]] = {
        (State.CALLING, Event.TIMER_A): (State.CALLING, _retransmit),
        (State.CALLING, Event.TIMER_B): (State.TERMINATED, _stop_timers, _tell_timeout),
        (State.CALLING, Event.PROVISIONAL): (State.PROCEEDING, _stop_timers, _pass_up),
        (State.CALLING, Event.SUCCESS): (State.ACCEPTED, _stop_timers, _absorb_successes, _pass_up),
        (State.CALLING, Event.FAILURE): (State.COMPLETED, _stop_timers, _acknowledge, _absorb_failures, _pass_up),
        (State.CALLING, Event.FLOW_FAILED): (State.TERMINATED, _stop_timers, _tell_failure),
        (State.PROCEEDING, Event.PROVISIONAL): (State.PROCEEDING, _pass_up),
        (State.PROCEEDING, Event.SUCCESS): (State.ACCEPTED, _absorb_successes, _pass_up),
        (State.PROCEEDING, Event.FAILURE): (State.COMPLETED, _acknowledge, _absorb_failures, _pass_up),
        (State.PROCEEDING, Event.FLOW_FAILED): (State.TERMINATED, _stop_timers, _tell_failure),
        (State.ACCEPTED, Event.SUCCESS): (State.ACCEPTED, _pass_up),
        (State.ACCEPTED, Event.TIMER_M): (State.TERMINATED, _stop_timers),
        (State.ACCEPTED, Event.FLOW_FAILED): (State.TERMINATED, _stop_timers),
        (State.COMPLETED, Event.FAILURE): (State.COMPLETED, _acknowledge),
        (State.COMPLETED, Event.TIMER_D): (State.TERMINATED, _stop_timers),
        (State.COMPLETED, Event.FLOW_FAILED): (State.TERMINATED, _stop_timers),
    }

    IGNORED: ClassVar = frozenset(
        # timers that do not run in the state
        {(state, Event.TIMER_A) for state in State if state is not State.CALLING}
        | {(state, Event.TIMER_B) for state in State if state is not State.CALLING}
        | {(state, Event.TIMER_D) for state in State if state is not State.COMPLETED}
        | {(state, Event.TIMER_M) for state in State if state is not State.ACCEPTED}
        # responses that come too late, or contradict the final one
        | {(State.ACCEPTED, Event.PROVISIONAL), (State.ACCEPTED, Event.FAILURE)}
        | {(State.COMPLETED, Event.PROVISIONAL), (State.COMPLETED, Event.SUCCESS)}
        | {(State.TERMINATED, event) for event in Event}
    )
