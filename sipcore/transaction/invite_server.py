"""The INVITE server transaction (RFC 3261 section 17.2.1, with the Accepted state of RFC 6026)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from sipcore.effects import Effect, transmit
from sipcore.errors import UsageError
from sipcore.machine import Row
from sipcore.syntax.message import Printed, Request, Response, print_response
from sipcore.transaction.transaction import Server, end, tell_flow_failure


class State(Enum):
    """RFC 6026 figure 7."""

    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"

    __hash__ = object.__hash__


PROCEEDING, ACCEPTED = State.PROCEEDING, State.ACCEPTED


class Event(Enum):
    """What can happen to the transaction."""

    INVITE = "retransmitted INVITE"
    ACK = "ACK"
    SEND_PROVISIONAL = "1xx from the user"
    SEND_SUCCESS = "2xx from the user"
    SEND_FAILURE = "300-699 from the user"
    TIMER_G = "retransmit the failure"
    TIMER_H = "no ACK came"
    TIMER_I = "ACKs are absorbed"
    TIMER_L = "INVITEs are absorbed"
    FLOW_FAILED = "the flow is gone"

    __hash__ = object.__hash__


TIMER_L = Event.TIMER_L


class InviteServer(Server):
    """Answers an INVITE, and its retransmissions with the last answer; absorbs the ACKs of failures.

    The ACK of a 2xx is the session's, and so are the retransmissions of a 2xx until that ACK comes.
    """

    __slots__ = ()

    States: ClassVar = State
    Events: ClassVar = Event
    BEGIN: ClassVar = State.PROCEEDING
    RETRANSMIT: ClassVar = Event.TIMER_G
    LOSE_FLOW: ClassVar = Event.FLOW_FAILED
    END: ClassVar = State.TERMINATED

    @property
    def accepted(self) -> bool:
        """Whether a 2xx was sent, whose ACK is none of this transaction's business."""
        return self.state is ACCEPTED

    def receive(self, request: Request, now: float) -> list[Effect]:
        """A retransmitted INVITE, or the ACK of a failure."""
        return self.step(Event.ACK if request.method == "ACK" else Event.INVITE, request, now)

    def trying(self) -> list[Effect]:
        """Send 100, which a transaction may do by itself (section 17.2.1). To be called before anything else."""
        request = self._request or self.request
        self._last = data = print_response(request, 100, request.first["Via"], "", ())
        return [transmit((self.flow, data))]

    def respond(self, response: Response | Printed, now: float) -> list[Effect]:
        """Send a response. A 2xx may be sent again; any other second final response raises UsageError.

        A provisional response after the final one, or any response after the flow is gone, comes too late
        and does nothing.
        """
        status = response.status
        if self.state is PROCEEDING and status < 300:  # in nearly every call
            self._last = data = response.to_bytes()
            if status >= 200:
                self.state = ACCEPTED
                self._request = self.user = None
                self.lingers = seconds = self.timers.timeout
                self._advance = TIMER_L
                self._advance_at = self.deadline = now + seconds
            return [transmit((self.flow, data))]
        if status < 200:
            return self.step(Event.SEND_PROVISIONAL, response, now)
        event = Event.SEND_SUCCESS if status < 300 else Event.SEND_FAILURE
        refused = event is Event.SEND_FAILURE or self.state in (State.COMPLETED, State.CONFIRMED)
        if self._request is None and refused:
            raise UsageError(f"a second final response: {response.status}")
        return self.step(event, response, now)

    # -- actions --------------------------------------------------------------------------------------

    def _absorb_invites(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._linger(self.timers.timeout, Event.TIMER_L, now)

    def _await_ack(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._advance_after(self.timers.timeout, Event.TIMER_H, now)
        if not self.flow.transport.reliable:
            self._retransmit_after(self.timers.t1, now)

    def _back_off(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._retransmit_after(min(2 * self._interval, self.timers.t2), now)

    def _absorb_acks(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._linger_on_udp(self.timers.t4, Event.TIMER_I, now, effects)

    TABLE: ClassVar[Mapping[tuple[State, Event], Row]] = {
        (State.PROCEEDING, Event.INVITE): (State.PROCEEDING, Server._send_again),
        (State.PROCEEDING, Event.SEND_PROVISIONAL): (State.PROCEEDING, Server._send),
        (State.PROCEEDING, Event.SEND_SUCCESS): (State.ACCEPTED, Server._send_final, _absorb_invites),
        (State.PROCEEDING, Event.SEND_FAILURE): (State.COMPLETED, Server._send_final, _await_ack),
        (State.PROCEEDING, Event.FLOW_FAILED): (State.TERMINATED, end, tell_flow_failure),
        (State.ACCEPTED, Event.SEND_SUCCESS): (State.ACCEPTED, Server._send),
        (State.ACCEPTED, Event.TIMER_L): (State.TERMINATED, end),
        (State.ACCEPTED, Event.FLOW_FAILED): (State.TERMINATED, end),
        (State.COMPLETED, Event.INVITE): (State.COMPLETED, Server._send_again),
        (State.COMPLETED, Event.ACK): (State.CONFIRMED, _absorb_acks),
        (State.COMPLETED, Event.TIMER_G): (State.COMPLETED, Server._send_again, _back_off),
        (State.COMPLETED, Event.TIMER_H): (State.TERMINATED, end),
        (State.COMPLETED, Event.FLOW_FAILED): (State.TERMINATED, end),
        (State.CONFIRMED, Event.TIMER_I): (State.TERMINATED, end),
        (State.CONFIRMED, Event.FLOW_FAILED): (State.TERMINATED, end),
    }

    IGNORED: ClassVar = frozenset(
        # timers that do not run in the state
        {(state, Event.TIMER_G) for state in State if state is not State.COMPLETED}
        | {(state, Event.TIMER_H) for state in State if state is not State.COMPLETED}
        | {(state, Event.TIMER_I) for state in State if state is not State.CONFIRMED}
        | {(state, Event.TIMER_L) for state in State if state is not State.ACCEPTED}
        # an ACK for a response that was never sent; one for a 2xx; one more
        | {(State.PROCEEDING, Event.ACK), (State.ACCEPTED, Event.ACK), (State.CONFIRMED, Event.ACK)}
        # retransmissions that crossed the 2xx (RFC 6026 section 7.1), or our reaction to the ACK
        | {(State.ACCEPTED, Event.INVITE), (State.CONFIRMED, Event.INVITE)}
        # responses after the final one: a second final one `respond` refuses
        | {(State.ACCEPTED, Event.SEND_PROVISIONAL), (State.ACCEPTED, Event.SEND_FAILURE)}
        | {
            (state, event)
            for state in (State.COMPLETED, State.CONFIRMED)
            for event in (Event.SEND_PROVISIONAL, Event.SEND_SUCCESS, Event.SEND_FAILURE)
        }
        | {(State.TERMINATED, event) for event in Event}
    )
