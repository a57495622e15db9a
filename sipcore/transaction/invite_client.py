"""The INVITE client transaction (RFC 3261 section 17.1.1, with the Accepted state of RFC 6026)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from sipcore.effects import Effect, Transmit
from sipcore.machine import Row
from sipcore.syntax.message import Response, ack_for
from sipcore.transaction.transaction import Client, end, pass_up, tell_flow_failure, tell_timeout


class State(Enum):
    """RFC 6026 figure 5."""

    CALLING = "calling"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    TERMINATED = "terminated"

    __hash__ = object.__hash__


CALLING, PROCEEDING, ACCEPTED = State.CALLING, State.PROCEEDING, State.ACCEPTED


class Event(Enum):
    """What can happen to the transaction."""

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "300-699"
    TIMER_A = "retransmit the INVITE"
    TIMER_B = "no response came"
    TIMER_D = "failures are absorbed"
    TIMER_M = "successes are passed up"
    FLOW_FAILED = "the flow is gone"

    __hash__ = object.__hash__


TIMER_M = Event.TIMER_M


class InviteClient(Client):
    """Sends an INVITE until somebody reacts, acknowledges failures, passes every 2xx up.

    In Proceeding it has no deadline: how long a phone may ring is for the session to say, which ends the
    transaction by a CANCEL, and by `TransactionTable.abandon` where even that is not answered (section 9.1).
    """

    __slots__ = ()

    States: ClassVar = State
    Events: ClassVar = Event
    BEGIN: ClassVar = State.CALLING
    RETRANSMIT: ClassVar = Event.TIMER_A
    GIVE_UP: ClassVar = Event.TIMER_B
    LOSE_FLOW: ClassVar = Event.FLOW_FAILED
    END: ClassVar = State.TERMINATED

    def receive(self, response: Response, now: float) -> list[Effect]:
        """A response that matches."""
        status = response.status
        event = Event.PROVISIONAL if status < 200 else Event.SUCCESS if status < 300 else Event.FAILURE
        return self.step(event, response, now)

    def passes(self, response: Response, host: str, now: float) -> float | None:
        """Take a response that matches, where nothing comes of it but that the user is told: for how long the
        transaction `lingers` then. None, and nothing has happened, where it is to be given to `receive`: failures, what
        comes after the first 2xx, and what has come from another host."""
        state, status = self.state, response.status
        if status >= 300 or host != self.flow.host or (state is not PROCEEDING and state is not CALLING):
            return None
        self._retransmit_at = None
        if status < 200:
            self.state = PROCEEDING
            self._advance_at = self.deadline = None
            return 0.0
        self.state = ACCEPTED
        self.lingers = seconds = self.timers.timeout
        self._advance = TIMER_M
        self._advance_at = self.deadline = now + seconds
        return seconds

    # -- actions --------------------------------------------------------------------------------------

    def _retransmit(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._retransmit_after(2 * self._interval, now)
        effects.append(Transmit(self.flow, self.request.to_bytes()))

    def _await_final(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._stop_timers()

    def _acknowledge(self, response: Response, now: float, effects: list[Effect]) -> None:
        effects.append(Transmit(self.flow, ack_for(self.request, response).to_bytes()))

    def _absorb_failures(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._linger_on_udp(self.timers.d, Event.TIMER_D, now, effects)

    def _await_more(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._linger(self.timers.timeout, Event.TIMER_M, now)

    TABLE: ClassVar[Mapping[tuple[State, Event], Row]] = {
        (State.CALLING, Event.TIMER_A): (State.CALLING, _retransmit),
        (State.CALLING, Event.TIMER_B): (State.TERMINATED, end, tell_timeout),
        (State.CALLING, Event.PROVISIONAL): (State.PROCEEDING, _await_final, pass_up),
        (State.CALLING, Event.SUCCESS): (State.ACCEPTED, _await_more, pass_up),
        (State.CALLING, Event.FAILURE): (State.COMPLETED, _acknowledge, pass_up, _absorb_failures),
        (State.CALLING, Event.FLOW_FAILED): (State.TERMINATED, end, tell_flow_failure),
        (State.PROCEEDING, Event.PROVISIONAL): (State.PROCEEDING, pass_up),
        (State.PROCEEDING, Event.SUCCESS): (State.ACCEPTED, _await_more, pass_up),
        (State.PROCEEDING, Event.FAILURE): (State.COMPLETED, _acknowledge, pass_up, _absorb_failures),
        (State.PROCEEDING, Event.FLOW_FAILED): (State.TERMINATED, end, tell_flow_failure),
        (State.ACCEPTED, Event.SUCCESS): (State.ACCEPTED, pass_up),
        (State.ACCEPTED, Event.TIMER_M): (State.TERMINATED, end),
        (State.ACCEPTED, Event.FLOW_FAILED): (State.TERMINATED, end),
        (State.COMPLETED, Event.FAILURE): (State.COMPLETED, _acknowledge),
        (State.COMPLETED, Event.TIMER_D): (State.TERMINATED, end),
        (State.COMPLETED, Event.FLOW_FAILED): (State.TERMINATED, end),
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
