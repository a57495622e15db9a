"""The caller's side of setting a session up (RFC 3261 sections 13.2 and 9.1)."""

from __future__ import annotations

from enum import Enum
from typing import Any

from sipcore.dialog.dialog import Dialog
from sipcore.dialog.invite import InviteSession
from sipcore.dialog.offer_answer import OfferState
from sipcore.dialog.session import SDP, Headers, SessionState, description_of
from sipcore.effects import Accepted, Effect, Progressed, Rejected
from sipcore.errors import PeerError, UsageError
from sipcore.sdp.description import SessionDescription
from sipcore.syntax.headers import CSeq
from sipcore.syntax.message import Request, Response, cancel_for, response_to
from sipcore.transaction.events import FlowFailed, ResponseReceived
from sipcore.transaction.table import ClientTransaction, ServerTransaction
from sipcore.transport.flow import Flow
from sipcore.usage import Core


class Progress(Enum):
    """How far an INVITE of ours has come."""

    CALLING = "nobody has reacted"
    PROCEEDING = "a provisional response has come"
    ACCEPTED = "answered"
    CHALLENGED = "401 or 407: may be tried again with credentials"
    FAILED = "refused, cancelled, or timed out"


class CallerSession(InviteSession):
    """A session that we invite to."""

    made_call_id = True

    def __init__(
        self, core: Core, request: Request, flow: Flow, offer: SessionDescription | None, owner: Any = None
    ) -> None:
        super().__init__(core, request, flow, owner=owner)
        self.progress_state = Progress.CALLING
        self._cancelling_until: float | None = None
        self._cancel_headers: Headers = ()
        self._transaction: ClientTransaction | None = None
        self._acks: dict[str, Effect | None] = {}
        """To tag -> the ACK of that 2xx, sent again for each retransmission (section 13.2.2.4); None as long as the
        user owes the answer that goes with it."""
        self._late_offer = offer is None
        if offer is not None:
            self.offers.send_offer(offer)

    def start(self, now: float) -> list[Effect]:
        """Send the INVITE."""
        self.core.join(self)
        self._transaction, effects = self.core.send(self.request, self.flow, self, now)
        return effects

    @property
    def deadline(self) -> float | None:
        own, common = self._cancelling_until, super().deadline
        return own if common is None else common if own is None else min(own, common)

    # -- verbs ----------------------------------------------------------------------------------------

    def cancel(self, now: float, headers: Headers = ()) -> list[Effect]:
        """Give the call up. The CANCEL waits for a provisional response (section 9.1); a 2xx that crosses it is
        acknowledged and ended with BYE. The user is told Rejected in every case: with 487, or with the refusal
        that crossed."""
        if self.state is not SessionState.SETTING_UP or self._cancelling_until is not None:
            return []
        self._cancelling_until = now + self.core.transactions.timers.timeout
        self._cancel_headers = headers
        self.core.watch(self)
        return self._send_cancel(now) if self.progress_state is Progress.PROCEEDING else []

    def acknowledge(self, answer: SessionDescription, now: float) -> list[Effect]:
        """Answer the offer that came in the 2xx. Raises UsageError where there was none."""
        assert self.dialog is not None
        self.offers.send_answer(answer)
        return [self._ack(self.dialog, self.request.cseq, answer)]

    def authorize(self, name: str, value: str, now: float) -> list[Effect]:
        """Begin anew with credentials after Rejected(401 or 407): same call, CSeq one higher (section 22.2)."""
        if self.progress_state is not Progress.CHALLENGED:
            raise UsageError("there is no challenge to answer")
        previous = self.request
        headers = [header for header in previous.headers if header[0] not in ("Via", "CSeq", name)]
        headers += [("CSeq", f"{previous.cseq.number + 1} INVITE"), (name, value)]
        self.request = Request("INVITE", previous.uri_text, headers, previous.body)
        self.progress_state = Progress.CALLING
        self.state = SessionState.SETTING_UP
        return self.start(now)

    def hang_up(self, now: float, headers: Headers = ()) -> list[Effect]:
        if self.state is SessionState.SETTING_UP:
            return self.cancel(now, headers)
        effects: list[Effect] = []
        if self.dialog is not None and None in self._acks.values():  # nobody will answer the late offer
            effects.append(self._ack(self.dialog, self.request.cseq))
        return effects + super().hang_up(now, headers)

    # -- responses to the INVITE ------------------------------------------------------------------------

    def on_transaction(self, event: ResponseReceived | Any, now: float) -> list[Effect]:
        transaction = event.transaction
        if transaction.request.method == "CANCEL" or self._ends_unwanted_dialog(transaction.request):
            return []
        if transaction is not self._transaction:
            return super().on_transaction(event, now)
        if not isinstance(event, ResponseReceived):
            return self._fail(response_to(self.request, 503 if isinstance(event, FlowFailed) else 408))
        response = event.response
        if response.status < 200:
            return self._progressed(response, now)
        return self._accepted(response, now) if response.status < 300 else self._rejected(response)

    def _progressed(self, response: Response, now: float) -> list[Effect]:
        if self.progress_state is Progress.CALLING:
            self.progress_state = Progress.PROCEEDING
            if self._cancelling_until is not None:
                return self._send_cancel(now)
        if (
            response.status == 100
            or self._cancelling_until is not None
            or self.state is not SessionState.SETTING_UP
        ):
            return []
        if response.to.tag and len(response.contacts) == 1:  # early dialogs may be several (section 13.2.2.1)
            early = Dialog.of_client(self.request, response, self.flow)
            if early.id not in self.dialog_ids:
                self.dialog = early
                self.core.enter(self, early.id)
        return [Progressed(self, response, _readable(response))]

    def _accepted(self, response: Response, now: float) -> list[Effect]:
        tag = response.to.tag or ""
        if tag in self._acks:
            ack = self._acks[tag]
            return [] if ack is None else [ack]
        try:
            dialog = self._confirmed(response)
        except PeerError:
            setting_up = self.state is SessionState.SETTING_UP
            return self._fail(response_to(self.request, 502)) if setting_up else []
        if self.state is not SessionState.SETTING_UP or self._cancelling_until is not None:
            return self._turn_down(dialog, response.cseq, now, 487)
        try:
            description = description_of(response)
        except PeerError:
            return self._turn_down(dialog, response.cseq, now, 502)
        self.dialog = dialog
        self.core.enter(self, dialog.id)
        self.progress_state = Progress.ACCEPTED
        self.state = SessionState.ESTABLISHED
        if self._late_offer and description is not None:
            self._acks[tag] = None
            self.offers.receive_offer(description)
            return [Accepted(self, response, description)]
        effects = [self._ack(dialog, response.cseq)]
        return effects + self._agree(response, description, now)

    def _confirmed(self, response: Response) -> Dialog:
        """The dialog of a 2xx. Where it was early before, only the sequence numbers are kept (section 13.2.2.4)."""
        dialog, early = Dialog.of_client(self.request, response, self.flow), self.dialog
        if early is not None and early.id == dialog.id:
            dialog.local_cseq = max(dialog.local_cseq, early.local_cseq)
            dialog.remote_cseq = early.remote_cseq
        return dialog

    def _agree(self, response: Response, answer: SessionDescription | None, now: float) -> list[Effect]:
        if answer is not None and self.offers.state is OfferState.LOCAL_OFFER:
            self.offers.receive_answer(answer)
        elif self.offers.state is OfferState.LOCAL_OFFER:
            self.offers.withdraw()
        return [Accepted(self, response, answer)]

    def _rejected(self, response: Response) -> list[Effect]:
        challenged = response.status in (401, 407) and self._cancelling_until is None
        effects = self._fail(response)
        if challenged:
            self.progress_state = Progress.CHALLENGED
        return effects

    def _turn_down(self, dialog: Dialog, cseq: CSeq, now: float, status: int) -> list[Effect]:
        """A 2xx that nobody wants: of another branch, or one that crossed our CANCEL or cannot be read. `status` is
        told where the call has no other end yet."""
        ack = self._ack(dialog, cseq)
        bye = self.core.send(dialog.request("BYE"), self.flow, self, now)[1]
        wanted = self.state is SessionState.SETTING_UP
        return [ack, *bye, *(self._fail(response_to(self.request, status)) if wanted else [])]

    def _ends_unwanted_dialog(self, request: Request) -> bool:
        """Whether a request of ours is the BYE of `_turn_down`, of which nobody wants to hear."""
        return request.method == "BYE" and (self.dialog is None or request.to.tag != self.dialog.remote_tag)

    def _ack(self, dialog: Dialog, cseq: CSeq, answer: SessionDescription | None = None) -> Effect:
        headers = [(name, value) for name, value in self.request.headers if name.endswith("Authorization")]
        body = b""
        if answer is not None:
            headers.append(("Content-Type", SDP))
            body = answer.to_bytes()
        ack = self.core.transmit(dialog.request("ACK", headers, body, cseq=cseq.number), self.flow)
        self._acks[dialog.remote_tag] = ack
        return ack

    def _send_cancel(self, now: float) -> list[Effect]:
        return self.core.send(cancel_for(self.request, self._cancel_headers), self.flow, self, now)[1]

    def _receive_bye(self, transaction: ServerTransaction, now: float) -> list[Effect]:
        """The called side must not end an early dialog with BYE (section 15); where it does, the call is given up."""
        if self.state is not SessionState.SETTING_UP:
            return super()._receive_bye(transaction, now)
        answered = self.core.transactions.respond(transaction, response_to(transaction.request, 200), now)
        return answered + self.cancel(now)

    def _fail(self, response: Response) -> list[Effect]:
        """The terminal fact of a call that was never answered, told once."""
        self.progress_state = Progress.FAILED
        self._cancelling_until = None
        return [] if self._leave() else [Rejected(self, response)]

    def tick(self, now: float) -> list[Effect]:
        if self._cancelling_until is None or now < self._cancelling_until:
            return super().tick(now)
        if self._transaction is not None:
            self.core.transactions.abandon(self._transaction)
        return self._fail(response_to(self.request, 487))


def _readable(response: Response) -> SessionDescription | None:
    """The description in a provisional response; None where it is missing or makes no sense."""
    try:
        return description_of(response)
    except PeerError:
        return None
