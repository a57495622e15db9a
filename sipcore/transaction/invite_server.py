"""The INVITE server transaction (RFC 3261 section 17.2.1, with the Accepted state of RFC 6026)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from sipcore.effects import Effect, Transmit
from sipcore.errors import UsageError
from sipcore.machine import Machine, Row
from sipcore.syntax.message import Request, Response
from sipcore.transaction.events import FlowFailed
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Flow


class State(Enum):
    """RFC 3261 figure 7, RFC 6026 figure 2."""

    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"

    __hash__ = object.__hash__


class Event(Enum):
    """What can happen to the transaction."""

    INVITE = "retransmitted INVITE"
    ACK = "ACK"
    SEND_PROVISIONAL = "1xx from the user"
    SEND_SUCCESS = "2xx from the user"
    SEND_FAILURE = "300-699 from the user"
    TIMER_G = "retransmit the failure"
    TIMER_H = "no ACK came"
    TIMER_I = "ACKs absorbed long enough"
    TIMER_L = "INVITEs absorbed long enough"
    FLOW_FAILED = "flow failed"

    __hash__ = object.__hash__


class InviteServer(Machine):
    """Answers an INVITE, and its retransmissions with the last answer; absorbs ACKs of failures."""

    __slots__ = ("_interval", "_last", "_retransmit_at", "_timer", "_timer_at", "flow", "key", "request", "timers", "user")

    States: ClassVar = State
    Events: ClassVar = Event

    def __init__(self, request: Request, flow: Flow, timers: Timers, key: Any = None) -> None:
        self.state = State.PROCEEDING
        self.request = request
        self.flow = flow
        self.timers = timers
        self.key = key
        self.user: Any = None
        self._last: bytes | None = None
        self._interval = timers.t1
        self._retransmit_at: float | None = None
        self._timer = Event.TIMER_H
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

    def receive(self, request: Request, now: float) -> list[Effect]:
        """A retransmitted INVITE, or the ACK of a failure."""
        return self.step(Event.ACK if request.method == "ACK" else Event.INVITE, request, now)

    def respond(self, response: Response, now: float) -> list[Effect]:
        """Send a response. Further 2xx are passed on as they are (RFC 6026 section 8.7)."""
        if response.status < 200:
            return self.step(Event.SEND_PROVISIONAL, response, now)
        event = Event.SEND_SUCCESS if response.status < 300 else Event.SEND_FAILURE
        if event is Event.SEND_FAILURE and self.state is not State.PROCEEDING:
            raise UsageError(f"a second final response in {self.state}")
        return self.step(event, response, now)

    def tick(self, now: float) -> list[Effect]:
        """A deadline has come."""
        if self._timer_at is not None and now >= self._timer_at:
            return self.step(self._timer, None, now)
        if self._retransmit_at is not None and now >= self._retransmit_at:
            return self.step(Event.TIMER_G, None, now)
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

    def _absorb_invites(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._timer, self._timer_at = Event.TIMER_L, now + self.timers.timeout

    def _await_ack(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._timer, self._timer_at = Event.TIMER_H, now + self.timers.timeout
        if not self.flow.transport.reliable:
            self._retransmit_at = now + self._interval

    def _back_off(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._interval = min(2 * self._interval, self.timers.t2)
        self._retransmit_at = now + self._interval

    def _absorb_acks(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._retransmit_at = None
        self._timer, self._timer_at = Event.TIMER_I, now + (0.0 if self.flow.transport.reliable else self.timers.t4)

    def _stop_timers(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._retransmit_at = self._timer_at = None

    def _tell_failure(self, _: Any, now: float, effects: list[Effect]) -> None:
        effects.append(FlowFailed(self))

    TABLE: ClassVar[Mapping[tuple[State, Event], Row]] = {
        (State.PROCEEDING, Event.INVITE): (State.PROCEEDING, _send_again),
        (State.PROCEEDING, Event.SEND_PROVISIONAL): (State.PROCEEDING, _send),
        (State.PROCEEDING, Event.SEND_SUCCESS): (State.ACCEPTED, _send, _absorb_invites),
        (State.PROCEEDING, Event.SEND_FAILURE): (State.COMPLETED, _send, _await_ack),
        (State.PROCEEDING, Event.FLOW_FAILED): (State.TERMINATED, _tell_failure),
        (State.ACCEPTED, Event.SEND_SUCCESS): (State.ACCEPTED, _send),
        (State.ACCEPTED, Event.TIMER_L): (State.TERMINATED, _stop_timers),
        (State.ACCEPTED, Event.FLOW_FAILED): (State.TERMINATED, _stop_timers),
        (State.COMPLETED, Event.INVITE): (State.COMPLETED, _send_again),
        (State.COMPLETED, Event.ACK): (State.CONFIRMED, _absorb_acks),
        (State.COMPLETED, Event.TIMER_G): (State.COMPLETED, _send_again, _back_off),
        (State.COMPLETED, Event.TIMER_H): (State.TERMINATED, _stop_timers),
        (State.COMPLETED, Event.FLOW_FAILED): (State.TERMINATED, _stop_timers),
        (State.CONFIRMED, Event.TIMER_I): (State.TERMINATED, _stop_timers),
        (State.CONFIRMED, Event.FLOW_FAILED): (State.TERMINATED, _stop_timers),
    }

    IGNORED: ClassVar = frozenset(
        # timers that do not run in the state
        {(state, Event.TIMER_G) for state in State if state is not State.COMPLETED}
        | {(state, Event.TIMER_H) for state in State if state is not State.COMPLETED}
        | {(state, Event.TIMER_I) for state in State if state is not State.CONFIRMED}
        | {(state, Event.TIMER_L) for state in State if state is not State.ACCEPTED}
        # an ACK for a response that was never sent; the ACK of a 2xx belongs to the dialog
        | {(State.PROCEEDING, Event.ACK), (State.ACCEPTED, Event.ACK), (State.CONFIRMED, Event.ACK)}
        # retransmissions that crossed the 2xx (RFC 6026 section 7.1) or our reaction to the ACK
        | {(State.ACCEPTED, Event.INVITE), (State.CONFIRMED, Event.INVITE)}
        # responses after the final one: `respond` refuses the second final
        | {
            (state, event)
            for state in (State.ACCEPTED, State.COMPLETED, State.CONFIRMED)
            for event in (Event.SEND_PROVISIONAL, Event.SEND_SUCCESS, Event.SEND_FAILURE)
        }
        | {(State.TERMINATED, event) for event in Event}
    ) - TABLE.keys()
