"""The non-INVITE client transaction (RFC 3261 section 17.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from sipcore.effects import Effect, Transmit
from sipcore.machine import Row
from sipcore.syntax.message import Response
from sipcore.transaction.transaction import Client, end, pass_up, tell_flow_failure, tell_timeout


class State(Enum):
    """RFC 3261 figure 6."""

    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    TERMINATED = "terminated"

    __hash__ = object.__hash__


TRYING, PROCEEDING, COMPLETED = State.TRYING, State.PROCEEDING, State.COMPLETED


class Event(Enum):
    """What can happen to the transaction."""

    PROVISIONAL = "1xx"
    FINAL = "200-699"
    TIMER_E = "retransmit the request"
    TIMER_F = "no final response came"
    TIMER_K = "final responses are absorbed"
    FLOW_FAILED = "the flow is gone"

    __hash__ = object.__hash__


TIMER_K = Event.TIMER_K


class RequestClient(Client):
    """Sends a request until a final response comes."""

    __slots__ = ()

    States: ClassVar = State
    Events: ClassVar = Event
    BEGIN: ClassVar = State.TRYING
    RETRANSMIT: ClassVar = Event.TIMER_E
    GIVE_UP: ClassVar = Event.TIMER_F
    LOSE_FLOW: ClassVar = Event.FLOW_FAILED
    END: ClassVar = State.TERMINATED

    def receive(self, response: Response, now: float) -> list[Effect]:
        """A response that matches."""
        return self.step(Event.PROVISIONAL if response.status < 200 else Event.FINAL, response, now)

    def passes(self, response: Response, host: str, now: float) -> float | None:
        """Take a response that matches, where nothing comes of it but that the user is told: for how long the
        transaction `lingers` then. None, and nothing has happened, where it is to be given to `receive`: provisional
        ones, those over a connection, and what has come from another host."""
        state, flow = self.state, self.flow
        if response.status < 200 or flow.transport.reliable or host != flow.host:
            return None
        if state is not TRYING and state is not PROCEEDING:
            return None
        self.state = COMPLETED
        self.lingers = seconds = self.timers.t4
        self._retransmit_at = None
        self._advance = TIMER_K
        self._advance_at = self.deadline = now + seconds
        return seconds

    # -- actions --------------------------------------------------------------------------------------

    def _retransmit(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._retransmit_after(min(2 * self._interval, self.timers.t2), now)
        effects.append(Transmit(self.flow, self.request.to_bytes()))

    def _retransmit_slowly(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._retransmit_after(self.timers.t2, now)
        effects.append(Transmit(self.flow, self.request.to_bytes()))

    def _absorb_finals(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._linger_on_udp(self.timers.t4, Event.TIMER_K, now, effects)

    TABLE: ClassVar[Mapping[tuple[State, Event], Row]] = {
        (State.TRYING, Event.TIMER_E): (State.TRYING, _retransmit),
        (State.TRYING, Event.TIMER_F): (State.TERMINATED, end, tell_timeout),
        (State.TRYING, Event.PROVISIONAL): (State.PROCEEDING, pass_up),
        (State.TRYING, Event.FINAL): (State.COMPLETED, pass_up, _absorb_finals),
        (State.TRYING, Event.FLOW_FAILED): (State.TERMINATED, end, tell_flow_failure),
        (State.PROCEEDING, Event.TIMER_E): (State.PROCEEDING, _retransmit_slowly),
        (State.PROCEEDING, Event.TIMER_F): (State.TERMINATED, end, tell_timeout),
        (State.PROCEEDING, Event.PROVISIONAL): (State.PROCEEDING, pass_up),
        (State.PROCEEDING, Event.FINAL): (State.COMPLETED, pass_up, _absorb_finals),
        (State.PROCEEDING, Event.FLOW_FAILED): (State.TERMINATED, end, tell_flow_failure),
        (State.COMPLETED, Event.TIMER_K): (State.TERMINATED, end),
        (State.COMPLETED, Event.FLOW_FAILED): (State.TERMINATED, end),
    }

    IGNORED: ClassVar = frozenset(
        # timers that do not run in the state
        {(State.TRYING, Event.TIMER_K), (State.PROCEEDING, Event.TIMER_K)}
        | {(State.COMPLETED, Event.TIMER_E), (State.COMPLETED, Event.TIMER_F)}
        # retransmitted responses are absorbed
        | {(State.COMPLETED, Event.PROVISIONAL), (State.COMPLETED, Event.FINAL)}
        | {(State.TERMINATED, event) for event in Event}
    )
