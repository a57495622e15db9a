"""The non-INVITE server transaction (RFC 3261 section 17.2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from sipcore.effects import Effect
from sipcore.errors import UsageError
from sipcore.machine import Row
from sipcore.syntax.message import Printed, Request, Response
from sipcore.transaction.transaction import Server, end


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
    TIMER_J = "requests are absorbed"
    FLOW_FAILED = "the flow is gone"

    __hash__ = object.__hash__


class RequestServer(Server):
    """Answers a request, and its retransmissions with the last answer.

    Until the final answer it has no deadline: the user owes one, and after 64*T1 the client has given up.
    """

    __slots__ = ()

    States: ClassVar = State
    Events: ClassVar = Event
    BEGIN: ClassVar = State.TRYING
    RETRANSMIT: ClassVar = Event.TIMER_J  # nothing is retransmitted but on request
    LOSE_FLOW: ClassVar = Event.FLOW_FAILED
    END: ClassVar = State.TERMINATED

    def receive(self, request: Request, now: float) -> list[Effect]:
        """A retransmission."""
        return self.step(Event.REQUEST, request, now)

    def respond(self, response: Response | Printed, now: float) -> list[Effect]:
        """Send a response. Raises UsageError on a second final one.

        A provisional response after the final one, or any response after the flow is gone, comes too late
        and does nothing.
        """
        if response.status < 200:
            return self.step(Event.SEND_PROVISIONAL, response, now)
        if self._request is None:
            raise UsageError(f"a second final response: {response.status}")
        return self.step(Event.SEND_FINAL, response, now)

    # -- actions --------------------------------------------------------------------------------------

    def _absorb_requests(self, _: Any, now: float, effects: list[Effect]) -> None:
        self._linger_on_udp(self.timers.timeout, Event.TIMER_J, now, effects)

    TABLE: ClassVar[Mapping[tuple[State, Event], Row]] = {
        (State.TRYING, Event.SEND_PROVISIONAL): (State.PROCEEDING, Server._send),
        (State.TRYING, Event.SEND_FINAL): (State.COMPLETED, Server._send_final, _absorb_requests),
        (State.TRYING, Event.FLOW_FAILED): (State.TERMINATED, end),
        (State.PROCEEDING, Event.REQUEST): (State.PROCEEDING, Server._send_again),
        (State.PROCEEDING, Event.SEND_PROVISIONAL): (State.PROCEEDING, Server._send),
        (State.PROCEEDING, Event.SEND_FINAL): (State.COMPLETED, Server._send_final, _absorb_requests),
        (State.PROCEEDING, Event.FLOW_FAILED): (State.TERMINATED, end),
        (State.COMPLETED, Event.REQUEST): (State.COMPLETED, Server._send_again),
        (State.COMPLETED, Event.TIMER_J): (State.TERMINATED, end),
        (State.COMPLETED, Event.FLOW_FAILED): (State.TERMINATED, end),
    }

    IGNORED: ClassVar = frozenset(
        {(State.TRYING, Event.REQUEST)}  # nothing has been answered yet
        # timers that do not run in the state
        | {(State.TRYING, Event.TIMER_J), (State.PROCEEDING, Event.TIMER_J)}
        # responses after the final one: a second final one `respond` refuses
        | {(State.COMPLETED, Event.SEND_PROVISIONAL), (State.COMPLETED, Event.SEND_FINAL)}
        | {(State.TERMINATED, event) for event in Event}
    )
