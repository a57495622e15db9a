"""The INVITE session: what caller and callee share (RFC 3261 sections 13 to 15, RFC 3311).

A session begins as a `CallerSession` or a `CalleeSession`, which know how to set a call up. From the 2xx on both
behave alike, and that is what is written here: modifying, requests within the dialog, and the end.

Every verb returns effects. A session tells its user exactly one terminal fact: Rejected, Cancelled or Ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from sipcore.dialog.dialog import Dialog, DialogId
from sipcore.dialog.offer_answer import OfferAnswer, OfferState
from sipcore.effects import (
    Acknowledged,
    Answered,
    Effect,
    EndCause,
    Ended,
    Offered,
    OfferRefused,
    RequestInDialog,
    Transmit,
)
from sipcore.errors import PeerError, UsageError
from sipcore.sdp.description import SessionDescription
from sipcore.syntax.message import Request, Response, response_to
from sipcore.transaction.events import FlowFailed, ResponseReceived

if TYPE_CHECKING:
    from random import Random

    from sipcore.transaction.table import ClientTransaction, ServerTransaction, TransactionTable
    from sipcore.transport.flow import Flow

Headers = Iterable[tuple[str, str]]
SDP = "application/sdp"
_OPTIONAL = re.compile(r";\s*handling\s*=\s*optional\b", re.IGNORECASE)
_GONE = (408, 481)
"""Responses that end the dialog, whatever the request was (section 12.2.1.2)."""


class Core(Protocol):
    """What a session needs of its endpoint."""

    transactions: TransactionTable
    random: Random

    def send(
        self, request: Request, flow: Flow, user: Any, now: float
    ) -> tuple[ClientTransaction, list[Effect]]:
        """Begin a client transaction: adds the Via."""

    def transmit(self, request: Request, flow: Flow) -> Effect:
        """Send a request that has no transaction: the ACK of a 2xx."""

    def local_headers(self, flow: Flow, user: str) -> list[tuple[str, str]]:
        """Contact and what every message of ours says about us."""

    def join(self, session: InviteSession) -> None:
        """The session has begun."""

    def enter(self, session: InviteSession, dialog: DialogId) -> None:
        """Requests within this dialog are the session's."""

    def leave(self, session: InviteSession) -> None:
        """The session is over; requests within its dialogs are nobody's."""

    def watch(self, session: InviteSession) -> None:
        """The session's deadline has changed."""


class SessionState(Enum):
    """How far a session has come."""

    SETTING_UP = "setting up"
    ESTABLISHED = "established"
    ENDING = "ending"
    """BYE is sent, or waits for an ACK to come first."""
    ENDED = "ended"

    __hash__ = object.__hash__


@dataclass(slots=True)
class Unacknowledged:
    """A 2xx of ours that is sent again until its ACK comes (section 13.3.1.4)."""

    cseq: int
    response: Response
    transaction: ServerTransaction
    interval: float
    retransmit_at: float
    give_up_at: float


class InviteSession:
    """One INVITE session. `owner` is a slot for whoever steers it."""

    def __init__(
        self, core: Core, request: Request, flow: Flow, identity: str = "", owner: Any = None
    ) -> None:
        self.core = core
        self.request = request
        self.flow = flow
        self.identity = identity
        self.owner = owner
        self.state = SessionState.SETTING_UP
        self.dialog: Dialog | None = None
        self.offers = OfferAnswer()
        self.dialog_ids: set[DialogId] = set()
        self._unacknowledged: Unacknowledged | None = None
        self._change: ServerTransaction | None = None
        """The peer's re-INVITE or UPDATE that waits for our answer."""
        self._own_change: ClientTransaction | None = None
        """Our re-INVITE or UPDATE that waits for the peer's."""
        self._bye_headers: Headers = ()
        self._cause = EndCause.LOCAL
        """What the answer to our BYE ends the session for."""
        self._retry: tuple[float, str, SessionDescription] | None = None
        """When a change that met a 491 is tried again, by which method, and its offer."""
        self._forsaken: tuple[float, ClientTransaction] | None = None
        """How long a change of ours is waited for that had no final response at the end: its INVITE transaction
        would wait for ever."""

    # -- what both sides have agreed on ---------------------------------------------------------------

    @property
    def local_description(self) -> SessionDescription | None:
        """What we last agreed to."""
        return self.offers.local

    @property
    def remote_description(self) -> SessionDescription | None:
        """What the peer last agreed to."""
        return self.offers.remote

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        deadlines = [pending[0] for pending in (self._retry, self._forsaken) if pending is not None]
        if self._unacknowledged is not None:
            deadlines.append(min(self._unacknowledged.retransmit_at, self._unacknowledged.give_up_at))
        return min(deadlines, default=None)

    # -- verbs ----------------------------------------------------------------------------------------

    def modify(self, offer: SessionDescription, now: float) -> list[Effect]:
        """Send a re-INVITE (section 14.1). Raises UsageError while a change is pending."""
        return self._send_change("INVITE", offer, now)

    def update(self, offer: SessionDescription, now: float) -> list[Effect]:
        """Send an UPDATE (RFC 3311). Raises UsageError while a change is pending."""
        return self._send_change("UPDATE", offer, now)

    def answer(self, description: SessionDescription, now: float) -> list[Effect]:
        """Accept the peer's change: with our answer, or with our offer where it made none.

        Does nothing where the session is ending: that crossed.
        """
        if self._over:
            return []
        transaction = self._take_change()
        if self.offers.state is OfferState.REMOTE_OFFER:
            self.offers.send_answer(description)
        else:
            self.offers.send_offer(description)
        return self._send_success(transaction, description, (), now)

    def refuse(self, status: int, now: float) -> list[Effect]:
        """Refuse the peer's change; the session goes on as it was. Does nothing where it is ending."""
        return [] if self._over else self._refuse(status, now)

    def send_request(self, method: str, now: float, headers: Headers = (), body: bytes = b"") -> list[Effect]:
        """Send another request within the dialog (INFO, NOTIFY ...); nobody is told of its response.

        Does nothing where the session is ending: no request follows a BYE.
        """
        return [] if self._over else self._send_in_dialog(method, now, headers, body)[1]

    def hang_up(self, now: float, headers: Headers = ()) -> list[Effect]:
        """End the session with what its state asks for; does nothing where it is ending already.

        `headers`, such as Reason (RFC 3326), go with it.
        """
        if self.state is not SessionState.ESTABLISHED:
            return []
        self.state = SessionState.ENDING
        self._bye_headers = headers
        effects = self._drop_changes(now)
        return effects if self._unacknowledged is not None else effects + self._send_bye(now)

    @property
    def _over(self) -> bool:
        return self.state in (SessionState.ENDING, SessionState.ENDED)

    def hears(self, request: Request, flow: Flow) -> bool:
        """Whether a request within one of our dialogs is to be listened to.

        It has to come from the peer's host, as safely as before, and once we are established within the dialog
        that won: other branches of a fork have been told BYE.
        """
        if flow.remote.host != self.flow.remote.host or (
            self.flow.transport.secure and not flow.transport.secure
        ):
            return False
        if self.state is SessionState.SETTING_UP or self.dialog is None:
            return True
        return self.dialog.id == (request.call_id, request.to.tag, request.from_.tag or "")

    # -- what the endpoint brings -----------------------------------------------------------------------

    def receive_request(self, request: Request, transaction: ServerTransaction, now: float) -> list[Effect]:
        """A request within the dialog, but no ACK and no CANCEL. Raises PeerError with the status to answer."""
        assert self.dialog is not None
        self.dialog.admit(request)
        if request.method == "BYE":
            return self._receive_bye(transaction, now)
        if request.method in ("INVITE", "UPDATE"):
            return self._receive_change(request, transaction, now)
        return [RequestInDialog(self, transaction, request)]

    def receive_ack(self, request: Request, now: float) -> list[Effect]:
        """The ACK of a 2xx."""
        waiting = self._unacknowledged
        if waiting is None or request.cseq.number != waiting.cseq:
            return []
        self._unacknowledged = None
        self.core.watch(self)
        if self.state is SessionState.ENDING:
            return self._send_bye(now)
        try:
            return [Acknowledged(self, self._take_answer(request))]
        except PeerError:  # our offer was not answered: there is no session to speak of
            self.offers.withdraw()
            return self.hang_up(now)

    def receive_cancel(self, transaction: ServerTransaction, now: float) -> list[Effect]:
        """CANCEL of a re-INVITE; whoever set the call up has more to say."""
        if self._change is not transaction:
            return []
        return self._refuse(487, now)

    def on_transaction(self, event: ResponseReceived | Any, now: float) -> list[Effect]:
        """What a client transaction of this session tells; a time-out counts as 408, a dead flow as 503."""
        transaction = event.transaction
        if isinstance(event, ResponseReceived):
            response = event.response
        else:
            response = response_to(transaction.request, 503 if isinstance(event, FlowFailed) else 408)
        if self._own_change is not None and transaction is self._own_change:
            return self._change_answered(self._own_change, response, now)
        if response.status < 200:
            return []
        if transaction.request.method == "BYE":
            return self._end(self._cause, now)
        if transaction.request.method == "INVITE" and response.status < 300:
            return self._acknowledge(response)  # a retransmitted 2xx: the ACK was lost
        return self._gone(now) if response.status in _GONE else []

    def tick(self, now: float) -> list[Effect]:
        """A deadline has come."""
        effects: list[Effect] = []
        waiting = self._unacknowledged
        if waiting is not None and now >= waiting.give_up_at:
            self._unacknowledged = None
            effects += self._never_acknowledged(now)
        elif waiting is not None and now >= waiting.retransmit_at:
            waiting.interval = min(2 * waiting.interval, self.core.transactions.timers.t2)
            waiting.retransmit_at = now + waiting.interval
            effects.append(Transmit(waiting.transaction.flow, waiting.response.to_bytes()))
        if self._retry is not None and now >= self._retry[0]:
            effects += self._try_again(self._retry[1], self._retry[2], now)
        if self._forsaken is not None and now >= self._forsaken[0]:
            self.core.transactions.abandon(self._forsaken[1])
            self._forsaken = None
        self.core.watch(self)
        return effects

    # -- changes ----------------------------------------------------------------------------------------

    @property
    def can_change(self) -> bool:
        """Whether `modify` and `update` are allowed now: no INVITE and no offer is pending (section 14.1)."""
        return (
            self.state is SessionState.ESTABLISHED
            and self._unacknowledged is None
            and self._own_change is None
            and self._change is None
            and self.offers.state is OfferState.STABLE
        )

    def _send_change(self, method: str, offer: SessionDescription, now: float) -> list[Effect]:
        if not self.can_change:
            raise UsageError(
                f"no change can be made to a session that is {self.state.value}, or changing already"
            )
        self._retry = None
        self.offers.send_offer(offer)
        headers = [*self.core.local_headers(self.flow, self._local_user), ("Content-Type", SDP)]
        self._own_change, effects = self._send_in_dialog(method, now, headers, offer.to_bytes())
        return effects

    def _change_answered(
        self, transaction: ClientTransaction, response: Response, now: float
    ) -> list[Effect]:
        if response.status < 200:
            return []
        self._own_change = None
        if response.status < 300:
            effects = self._acknowledge(response) if transaction.request.method == "INVITE" else []
            return effects + self._change_accepted(response, now)
        offer = self.offers.withdraw()
        if response.status == 491 and offer is not None and self.state is SessionState.ESTABLISHED:
            self._retry = now + self._back_off(), transaction.request.method, offer
            self.core.watch(self)
            return []
        return self._gone(now) if response.status in _GONE else [OfferRefused(self, response)]

    def _change_accepted(self, response: Response, now: float) -> list[Effect]:
        assert self.dialog is not None
        try:
            self.dialog.refresh_target(response)
            return [Answered(self, self._take_answer(response))]
        except PeerError:  # the two sides do not agree on what the session is now
            self.offers.withdraw()
            return self.hang_up(now)

    def _try_again(self, method: str, offer: SessionDescription, now: float) -> list[Effect]:
        """Repeat a change that met a 491; later, if the peer is changing something just now."""
        if self.can_change:
            return self._send_change(method, offer, now)
        self._retry = now + self._back_off(), method, offer
        return []

    def _back_off(self) -> float:
        """Seconds until a change that met a 491 is tried again (section 14.1), in steps of 10 ms."""
        first, last = (210, 400) if self.made_call_id else (0, 200)
        return self.core.random.randint(first, last) / 100

    made_call_id = False
    """Whether the Call-ID is ours: decides who waits longer after a glare."""

    def _receive_change(self, request: Request, transaction: ServerTransaction, now: float) -> list[Effect]:
        assert self.dialog is not None
        if self._over:
            raise PeerError("the session has ended", status=481)
        setting_up = self.state is SessionState.SETTING_UP
        if self._own_change is not None or (setting_up and request.method == "INVITE" and self.made_call_id):
            raise PeerError("changes crossed", status=491)
        if self._change is not None or (setting_up and request.method == "INVITE"):
            raise PeerError("a change is pending", status=500)
        offer = description_of(request)
        _ = request.contacts  # those that make no sense are refused before anything has changed
        if offer is not None:
            if setting_up and self.offers.state is OfferState.STABLE:
                raise PeerError("the first offer is still to come", status=500)
            self.offers.receive_offer(offer)
        self.dialog.refresh_target(request)
        if offer is None and request.method == "UPDATE":
            return self._send_success(transaction, None, (), now)
        self._change = transaction
        return [Offered(self, request, offer)]

    def _refuse(self, status: int, now: float) -> list[Effect]:
        transaction = self._take_change()
        self.offers.withdraw()
        return self.core.transactions.respond(transaction, response_to(transaction.request, status), now)

    def _take_change(self) -> ServerTransaction:
        transaction, self._change = self._change, None
        if transaction is None:
            raise UsageError("the peer has asked for no change")
        return transaction

    def _take_answer(self, message: Request | Response) -> SessionDescription | None:
        """The answer in an ACK or a response, where one was due. Raises PeerError if it is no answer."""
        if self.offers.state is not OfferState.LOCAL_OFFER:
            return None
        answer = description_of(message)
        if answer is None:
            raise PeerError("the answer is missing")
        self.offers.receive_answer(answer)
        return answer

    # -- messages ---------------------------------------------------------------------------------------

    @property
    def _local_user(self) -> str:
        assert self.dialog is not None
        return self.dialog.local.uri.user or ""

    def _send_success(
        self,
        transaction: ServerTransaction,
        description: SessionDescription | None,
        headers: Headers,
        now: float,
    ) -> list[Effect]:
        """Send a 200; that of an INVITE again and again until its ACK comes."""
        assert self.dialog is not None
        all_headers = [*self.core.local_headers(self.flow, self._local_user), *headers]
        if description is not None:
            all_headers.append(("Content-Type", SDP))
        body = b"" if description is None else description.to_bytes()
        request = transaction.request
        response = response_to(request, 200, to_tag=self.dialog.local_tag, headers=all_headers, body=body)
        if request.method == "INVITE":
            timers = self.core.transactions.timers
            self._unacknowledged = Unacknowledged(
                request.cseq.number, response, transaction, timers.t1, now + timers.t1, now + timers.timeout
            )
            self.core.watch(self)
        return self.core.transactions.respond(transaction, response, now)

    def _send_in_dialog(
        self, method: str, now: float, headers: Headers = (), body: bytes = b""
    ) -> tuple[ClientTransaction, list[Effect]]:
        if self.dialog is None:
            raise UsageError(f"{method} needs a dialog")
        return self.core.send(self.dialog.request(method, headers, body), self.flow, self, now)

    def _acknowledge(self, response: Response) -> list[Effect]:
        """Acknowledge a 2xx of our re-INVITE."""
        assert self.dialog is not None
        ack = self.dialog.request("ACK", cseq=response.cseq.number)
        return [self.core.transmit(ack, self.flow)]

    # -- the end ----------------------------------------------------------------------------------------

    def flow_closed(self, now: float) -> list[Effect]:
        """The way to the peer is gone; an established session has no use without it."""
        if self.state is SessionState.SETTING_UP:
            return []
        return self._end(EndCause.FLOW_LOST, now)

    def _receive_bye(self, transaction: ServerTransaction, now: float) -> list[Effect]:
        effects = self.core.transactions.respond(transaction, response_to(transaction.request, 200), now)
        return effects + self._end(EndCause.BYE, now)

    def _send_bye(self, now: float) -> list[Effect]:
        return self._send_in_dialog("BYE", now, self._bye_headers)[1]

    def _never_acknowledged(self, now: float) -> list[Effect]:
        """Section 13.3.1.4: the session is taken as established, and ended with a BYE."""
        if self.state is SessionState.ENDING:
            return self._send_bye(now)
        return self._send_bye(now) + self._end(EndCause.NO_ACK, now)

    def _gone(self, now: float) -> list[Effect]:
        """The peer does not know the dialog, or does not answer (section 12.2.1.2)."""
        if self.state is not SessionState.ESTABLISHED:
            return []
        if self._unacknowledged is None:
            return self._send_bye(now) + self._end(EndCause.TIMEOUT, now)
        self._cause = (
            EndCause.TIMEOUT
        )  # our 2xx may still be on its way, and the BYE has to come after its ACK
        return self.hang_up(now)

    def _drop_changes(self, now: float) -> list[Effect]:
        """Settle what is pending: the peer's change gets 487, ours is not waited for."""
        effects: list[Effect] = []
        if self._change is not None:
            effects = self._refuse(487, now)
        if self._own_change is not None:
            self._forsaken = now + self.core.transactions.timers.timeout, self._own_change
            self.core.watch(self)
        self._own_change = self._retry = None
        self.offers.withdraw()
        return effects

    def _end(self, cause: EndCause, now: float) -> list[Effect]:
        """The terminal fact of an established session, told once."""
        effects = self._drop_changes(now)
        return effects if self._leave() else [*effects, Ended(self, cause)]

    def _leave(self) -> bool:
        """Leave the endpoint's tables; whether that had been done before."""
        if self.state is SessionState.ENDED:
            return True
        self.state = SessionState.ENDED
        self._unacknowledged = self._retry = None
        self.core.leave(self)
        self.core.watch(self)
        return False


def description_of(message: Request | Response) -> SessionDescription | None:
    """The session description in a message; None if it has no body. Raises PeerError(400 or 415).

    A body of another kind may be left unread where the sender says so (section 8.2.3).
    """
    if not message.body:
        return None
    encoding = message.get("Content-Encoding") or "identity"
    if message.content_type != SDP or encoding.lower() != "identity":
        if _OPTIONAL.search(message.get("Content-Disposition") or ""):
            return None
        raise PeerError(f"a body of type {message.content_type}, encoding {encoding}", status=415)
    return SessionDescription.parse(message.body)
