"""What the four transactions share: timers, the two sides, and the actions of several tables."""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar

from sipcore.effects import Effect, Transmit
from sipcore.errors import UsageError
from sipcore.machine import Machine
from sipcore.syntax.message import Printed, Request, Response
from sipcore.transaction.events import FlowFailed, ResponseReceived, TimedOut
from sipcore.transaction.matching import Key, client_key, server_key
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Flow


class Transaction(Machine):
    """A table with two timers: one retransmits, the other moves the transaction on.

    Every method that takes `now` (seconds) returns effects: `Transmit`, and the events of
    `sipcore.transaction.events`. Whoever calls one reads `deadline` and `terminated` afterwards.

    The steps of nearly every call are written out beside the tables (`Client.passes`, `Server.respond`): what they do
    is what the tables do, and a property test compares the two.
    """

    __slots__ = (
        "_advance", "_advance_at", "_interval", "_retransmit_at",
        "deadline", "flow", "key", "lingers", "terminated", "timers", "user",
    )  # fmt: skip

    BEGIN: ClassVar[Enum]
    """The state to begin in."""
    RETRANSMIT: ClassVar[Enum]
    """The event of the timer that retransmits (A, E or G)."""
    LOSE_FLOW: ClassVar[Enum]
    """The event of a flow that is gone."""

    END: ClassVar[Enum]
    """The state after the end."""

    key: Key
    flow: Flow
    timers: Timers
    user: Any
    """Whoever is to hear of the transaction. A slot for the endpoint: nothing here looks into it."""
    deadline: float | None
    """When `tick` wants to be called."""
    lingers: float
    """Seconds to its end, for which it only absorbs what is repeated; 0 where there is more to do."""
    terminated: bool
    """Whether nothing can happen any more."""
    _retransmit_at: float | None
    _advance_at: float | None

    def tick(self, now: float) -> list[Effect]:
        """A deadline has come; does nothing if it has not."""
        if self._advance_at is not None and now >= self._advance_at:
            return self.step(self._advance, None, now)
        if self._retransmit_at is not None and now >= self._retransmit_at:
            return self.step(self.RETRANSMIT, None, now)
        return []

    def flow_failed(self, now: float) -> list[Effect]:
        """The flow is gone, and flows never come back: the transaction ends at once, in every state.

        RFC 6026 keeps server transactions, as responses might take another way (RFC 3261 section 18.2.2);
        here they take the flow of the request or none.
        """
        return self.step(self.LOSE_FLOW, None, now)

    def expire(self) -> None:
        """The time has come to which the transaction lingered: it ends, as `tick` would end it, and nobody is told."""
        self.state = self.END
        self.terminated = True
        self.user = self._advance_at = self.deadline = None

    # -- timers ---------------------------------------------------------------------------------------

    def _retransmit_after(self, interval: float, now: float) -> None:
        self._interval = interval
        self._retransmit_at = now + interval
        self._note_deadline()

    def _advance_after(self, seconds: float, event: Enum, now: float) -> None:
        """Take `event` after so many seconds; until then nothing is retransmitted unless asked for."""
        self._retransmit_at = None
        self._advance = event
        self._advance_at = self.deadline = now + seconds

    def _linger(self, seconds: float, event: Enum, now: float) -> None:
        """Timers L and M: only absorb what is repeated, or pass it up, until `event` ends the transaction."""
        self._retransmit_at = None
        self._advance = event
        self._advance_at = self.deadline = now + seconds
        self.lingers = seconds

    def _linger_on_udp(self, seconds: float, event: Enum, now: float, effects: list[Effect]) -> None:
        """Timers D, I, J and K: the same, but on a reliable transport nothing is still on its way, so the timer is set
        to zero seconds, and fires at once."""
        if self.flow.transport.reliable:
            effects += self.step(event, None, now)
        else:
            self._linger(seconds, event, now)

    def _stop_timers(self) -> None:
        self._retransmit_at = self._advance_at = self.deadline = None

    def _note_deadline(self) -> None:
        first, second = self._retransmit_at, self._advance_at
        self.deadline = second if first is None else first if second is None or first < second else second


class Client(Transaction):
    """A transaction that begins when `request` is sent, sends it again, and passes responses up."""

    __slots__ = ("request",)

    GIVE_UP: ClassVar[Enum]
    """The event of the timer that waits for a response (B or F)."""

    def __init__(
        self, request: Request, flow: Flow, timers: Timers, now: float, key: Key | None = None, user: Any = None
    ) -> None:
        """Whoever makes it sends the request."""
        self.state = self.BEGIN
        self.key = key or client_key(request)
        self.flow = flow
        self.timers = timers
        self.user = user
        self.request = request
        self.lingers = 0.0
        self.terminated = False
        self._advance = self.GIVE_UP
        self._advance_at = self.deadline = now + timers.timeout
        if flow.transport.reliable:
            self._retransmit_at = None
        else:
            self._interval = interval = timers.t1
            self._retransmit_at = self.deadline = now + interval


class Server(Transaction):
    """A transaction that answers a request, and its retransmissions with the bytes of the last answer.

    With the final response `request` and `user` are given up: for the half minute in which retransmissions
    are still absorbed, a transaction is little more than those bytes.
    """

    __slots__ = ("_last", "_request", "merged_key")

    def __init__(self, request: Request, flow: Flow, timers: Timers, key: Key | None = None) -> None:
        self.state = self.BEGIN
        self.key = key or server_key(request, request.method)
        self.flow = flow
        self.timers = timers
        self.lingers = 0.0
        self.terminated = False
        self.merged_key: Key | None = None
        """Where the table finds the request if it comes by another way too (RFC 3261 section 8.2.2.2)."""
        self._request: Request | None = request
        self._last: bytes | None = None
        self.user = self.deadline = self._retransmit_at = self._advance_at = None

    @property
    def answered(self) -> bool:
        """Whether the final response has been sent."""
        return self._request is None

    @property
    def request(self) -> Request:
        """What is to be answered. Raises UsageError after the final response."""
        if self._request is None:
            raise UsageError("the request was answered, and is not kept")
        return self._request

    # -- actions --------------------------------------------------------------------------------------

    def _send(self, response: Response | Printed, now: float, effects: list[Effect]) -> None:
        self._last = response.to_bytes()
        effects.append(Transmit(self.flow, self._last))

    def _send_final(self, response: Response | Printed, now: float, effects: list[Effect]) -> None:
        self._last = response.to_bytes()
        effects.append(Transmit(self.flow, self._last))
        self._request = self.user = None

    def _send_again(self, _: Any, now: float, effects: list[Effect]) -> None:
        if self._last is not None:
            effects.append(Transmit(self.flow, self._last))


# -- actions of several tables -------------------------------------------------------------------------


def end(transaction: Transaction, _: Any, now: float, effects: list[Effect]) -> None:
    """Stop the timers. Stands in every row that leads to Terminated."""
    transaction._stop_timers()
    transaction.terminated = True


def pass_up(transaction: Any, response: Response, now: float, effects: list[Effect]) -> None:
    """Tell the user of a response."""
    effects.append(ResponseReceived(transaction, response))


def tell_timeout(transaction: Any, _: Any, now: float, effects: list[Effect]) -> None:
    """Tell the user that no response came."""
    effects.append(TimedOut(transaction))


def tell_flow_failure(transaction: Any, _: Any, now: float, effects: list[Effect]) -> None:
    """Tell the user that the flow is gone."""
    effects.append(FlowFailed(transaction))
