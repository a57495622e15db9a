"""The caller's side of setting a session up (RFC 3261 sections 13.2 and 9.1)."""

from __future__ import annotations

from enum import Enum
from typing import Any

from sipcore.dialog.dialog import Dialog, OurEnd
from sipcore.dialog.early import MOST_EARLY_DIALOGS, EarlyDialog
from sipcore.dialog.invite import InviteSession
from sipcore.dialog.offer_answer import LOCAL_OFFER, OfferAnswer
from sipcore.dialog.reliable import RAck, rseq_of
from sipcore.dialog.session import ENDED, ESTABLISHED, SDP, SETTING_UP, Headers, description_of
from sipcore.effects import Accepted, Effect, Progressed, Rejected, fact, transmit
from sipcore.errors import PeerError, UsageError
from sipcore.sdp.description import SessionDescription
from sipcore.syntax.message import HeaderList, Request, Response, cancel_for, print_fields, response_to
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


CALLING, PROCEEDING, ACCEPTED, CHALLENGED, FAILED = Progress


_CREDENTIALS = ("Authorization", "Proxy-Authorization")
"""What the ACK of a 2xx has as its INVITE had it (section 22.1)."""
BRANCH_ENDED = 199
"""An early dialog is over, the call is not (RFC 6228)."""


class CallerSession(InviteSession):
    """A session that we invite to."""

    __slots__ = (
        "_acks", "_answer_before", "_cancelling_until", "_early", "_offer", "_ours", "_owed", "_transaction",
        "progress_state",
    )  # fmt: skip

    made_call_id = True
    progress_state: Progress
    _cancelling_until: float | None
    _cancel_headers: Headers = ()
    _transaction: ClientTransaction | None
    _owed: tuple[EarlyDialog, RAck] | None
    """The PRACK that waits for the user's answer to the offer in a reliable response."""
    _answer_before: SessionDescription | None
    """What the branch that won has answered while another was heard."""

    def __init__(
        self,
        core: Core,
        request: Request,
        flow: Flow,
        offer: SessionDescription | None,
        ours: OurEnd,
        owner: Any = None,
    ) -> None:
        super().__init__(core, request, flow, "", owner)
        self.progress_state = CALLING
        self._transaction = self._cancelling_until = self._owed = self._answer_before = None
        self._ours = ours
        self._acks: dict[str, Effect | None] = {}
        """To tag -> the ACK of that 2xx, sent again for each retransmission (section 13.2.2.4); None as long as the
        user owes the answer that goes with it."""
        self._offer = offer
        self._early: dict[str, EarlyDialog] = {}
        """By the tag of the branch."""
        self.offers = self._open_offers()
        if offer is None:
            self._late_offer = True

    def start(self, now: float, branch: str) -> list[Effect]:
        """Send the INVITE, which has a Via of this `branch`."""
        core = self.core
        core.join(self)
        self._transaction, effects = core.transactions.send(self.request, self.flow, now, branch, self)
        return effects

    @property
    def deadline(self) -> float | None:
        own, common = self._cancelling_until, super().deadline
        return own if common is None else common if own is None else min(own, common)

    # -- verbs ----------------------------------------------------------------------------------------

    def cancel(self, now: float, headers: Headers = ()) -> list[Effect]:
        """Give the call up. The CANCEL waits for a provisional response (section 9.1); a 2xx that crosses it is
        acknowledged and ended with BYE. The user is told Rejected in every case: with 487, or with the refusal
        that crossed. Raises UsageError, and leaves all as it is, where one of `headers` has a line break."""
        if self.state is not SETTING_UP or self._cancelling_until is not None:
            return []
        if headers:
            headers = list(headers)
            print_fields(headers)
        self._cancelling_until = now + self.core.transactions.timers.timeout
        self._cancel_headers = headers
        self.core.watch(self)
        return self._send_cancel(now) if self.progress_state is PROCEEDING else []

    def acknowledge(self, answer: SessionDescription, now: float) -> list[Effect]:
        """Answer the offer that came in the 2xx, or in a reliable response before it: then in a PRACK (RFC 3262
        section 5). Raises UsageError where there was none."""
        assert self.dialog is not None
        self.offers.send_answer(answer)
        if self._owed is not None:
            (early, rack), self._owed = self._owed, None
            return [] if self._over else self._send_prack(early, rack, now, answer)
        return [self._ack(self.dialog, self.request.cseq_number, answer)]

    def authorize(self, name: str, value: str, now: float) -> list[Effect]:
        """Begin anew with credentials after Rejected(401 or 407): same call, CSeq one higher (section 22.2). Raises
        UsageError, and leaves all as it is, where `value` has a line break."""
        if self.progress_state is not CHALLENGED:
            raise UsageError("there is no challenge to answer")
        return self._begin_anew([(name, value)], (name,), now)

    def _begin_anew(self, more: Headers, without: tuple[str, ...], now: float) -> list[Effect]:
        """Send the INVITE again, with `more` headers in the place of those `without` which it goes."""
        previous = self.request
        headers = [header for header in previous.headers if header[0] not in ("Via", "CSeq", *without)]
        number = previous.cseq_number + 1
        headers += [("CSeq", f"{number} INVITE"), *more]
        print_fields(headers)
        branch, via = self.core.via(self.flow)
        self.request = Request("INVITE", previous.uri_text, [("Via", via), *headers], previous.body)
        self._ours = self._ours._replace(cseq=number)
        self.progress_state = CALLING
        self.state = SETTING_UP
        return self.start(now, branch)

    def move(self, flow: Flow) -> None:
        super().move(flow)
        self._acks = {tag: None if ack is None else ack._replace(flow=flow) for tag, ack in self._acks.items()}

    def _give_up(self, now: float, headers: Headers) -> list[Effect]:
        return self.cancel(now, headers)

    def _decline_late_offer(self) -> list[Effect]:
        if self.dialog is None or None not in self._acks.values():
            return []
        return [self._ack(self.dialog, self.request.cseq_number)]

    # -- responses to the INVITE ------------------------------------------------------------------------

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> list[Effect]:
        if transaction is not self._transaction:
            method = transaction.request.method
            if method == "BYE" and len(self._acks) == 1 and self.dialog is not None:  # no branch has lost
                return self._end(self._cause, now) if response.status >= 200 else []
            unheard = method in ("CANCEL", "PRACK") or self._is_of_lost_branch(transaction.request)
            return [] if unheard else super().on_response(transaction, response, now)
        if response.status < 200:
            return self._progressed(response, now)
        return self._accepted(response, now) if response.status < 300 else self._rejected(response, now)

    def _progressed(self, response: Response, now: float) -> list[Effect]:
        if self.progress_state is CALLING:
            self.progress_state = PROCEEDING
            if self._cancelling_until is not None:
                return self._send_cancel(now)
        status, first = response.status, response.first
        if status == 100 or self._cancelling_until is not None or self.state is not SETTING_UP:
            return []
        early = self._early_dialog(response)
        rseq = rseq_of(response) if "Require" in first else None
        description: SessionDescription | None = None
        # Only a reliable response can make an offer (RFC 3262 section 5).
        if response.body and (rseq is not None or not self._late_offer):
            description = _readable(response)
        told: list[Effect] = []
        if status != BRANCH_ENDED:
            told.append(fact(Progressed, (self, response, description)))
        if early is None:
            return told if rseq is None else []
        if "Allow" in first:
            self._note_abilities(response)
        if self.dialog is not early.dialog:
            self._turn_to(early)
        if rseq is not None:
            if not early.order.admit(rseq):
                return []
            told = self._heard_reliably(early, RAck(rseq, response.cseq), description, now) + told
        if description is not None and status != BRANCH_ENDED:
            early.said = description
        return told

    def _heard_reliably(
        self, early: EarlyDialog, rack: RAck, description: SessionDescription | None, now: float
    ) -> list[Effect]:
        """The PRACK, unless the user owes what goes into it."""
        if description is not None and not early.offers.local:
            if self._late_offer and self._owed is None:
                early.offers.receive_offer(description)
                self._owed = early, rack
                return []
            early.offers.receive_answer(description)
        return self._send_prack(early, rack, now)

    def _early_dialog(self, response: Response) -> EarlyDialog | None:
        """The dialog of a provisional response, entered if it is new; there may be several (section 13.2.2.1)."""
        tag = response.to_tag
        early = self._early.get(tag)
        if early is None and tag and len(self._early) < MOST_EARLY_DIALOGS:
            contact = response.sole_contact
            if contact is None:
                return None
            dialog = Dialog.of_response(self._ours, response, contact.uri, self.flow)
            if self._early:
                offers = self._open_offers()
            else:  # nearly always the only one
                self.dialog, offers = dialog, self.offers
            early = self._early[tag] = EarlyDialog(dialog, offers, response)
            self.core.enter(self, dialog.id)
        return early

    def _open_offers(self) -> OfferAnswer:
        """What a branch begins with."""
        return OfferAnswer() if self._offer is None else OfferAnswer(LOCAL_OFFER, self._offer)

    def _turn_to(self, early: EarlyDialog) -> None:
        """What is said from now on is said to this branch; not in the middle of a change with another."""
        if self._change is None and self._own_change is None and self._owed is None:
            self.dialog, self.offers = early.dialog, early.offers

    def _send_prack(
        self, early: EarlyDialog, rack: RAck, now: float, answer: SessionDescription | None = None
    ) -> list[Effect]:
        headers = [("RAck", str(rack))]
        body = b""
        if answer is not None:
            headers.append(("Content-Type", SDP))
            body = answer.to_bytes()
        return self._send_within(early.dialog, "PRACK", now, headers, body)[1]

    def receive_request(self, request: Request, transaction: ServerTransaction, now: float) -> list[Effect]:
        self._turn_to_sender(request)
        return super().receive_request(request, transaction, now)

    def receive_bye(self, request: Request, now: float) -> list[Effect]:
        if self.state is SETTING_UP:
            self._turn_to_sender(request)
        return super().receive_bye(request, now)

    def _bye_early(self, now: float) -> list[Effect]:
        """The called side must not end an early dialog with BYE (section 15); where it does, the call is given up."""
        return self.cancel(now)

    def _turn_to_sender(self, request: Request) -> None:
        """The branch that a request comes from is the one to answer. Raises PeerError in the middle of a change."""
        early = self._early.get(request.from_tag)
        if self.state is SETTING_UP and early is not None:
            self._turn_to(early)
            if self.dialog is not early.dialog:
                raise PeerError("a change is pending on another branch", status=500)

    def _accepted(self, response: Response, now: float) -> list[Effect]:
        tag = response.to_tag
        if tag in self._acks:
            ack = self._acks[tag]
            return [] if ack is None else [ack]
        early = self._early.get(tag)
        if early is not None and early.confirmed_by(response):
            dialog = early.dialog
        else:
            try:
                dialog = self._confirmed(early, response)
            except PeerError:
                setting_up = self.state is SETTING_UP
                return self._fail(response_to(self.request, 502), now) if setting_up else []
        if self.state is not SETTING_UP or self._cancelling_until is not None:
            return self._turn_down(dialog, response.cseq_number, now, 487)
        try:
            description = description_of(response)
        except PeerError:
            return self._turn_down(dialog, response.cseq_number, now, 502)
        effects = [] if dialog is self.dialog else self._settle_on(early, dialog, now)
        self.progress_state = ACCEPTED
        self.state = ESTABLISHED
        first = response.first
        if "Allow" in first:
            self._note_abilities(response)
        if "Session-Expires" in first:
            self.timer.granted(response, now)
            self.core.watch(self)
        if self._late_offer and description is not None and self.offers.local is None and self._owed is None:
            self._acks[tag] = None
            self.offers.receive_offer(description)
            return [*effects, Accepted(self, response, description)]
        effects.append(self._ack(dialog, response.cseq_number))
        if self._late_offer or self.offers.local is not None:
            description = None  # it says nothing new
        elif description is not None:
            self.offers.receive_answer(description)
        else:
            self.offers.withdraw()
        effects.append(fact(Accepted, (self, response, description or self._answer_before)))
        return effects

    def _settle_on(self, winner: EarlyDialog | None, dialog: Dialog, now: float) -> list[Effect]:
        """This branch of the fork has won: what was pending on another is over. The others are still remembered, for a
        BYE to a late 2xx of theirs goes on in their numbers."""
        effects: list[Effect] = []
        if self.dialog is not None and self.dialog.id != dialog.id:
            self._owed = None
            effects = self._drop_changes(now)
            self.offers = winner.offers if winner is not None else self._open_offers()
            self._answer_before = winner.said if winner is not None else None
        if winner is not None:  # a PRACK that is still owed goes on in the same numbers
            winner.dialog = dialog
        else:
            self.core.enter(self, dialog.id)
        self.dialog = dialog
        return effects

    def _confirmed(self, early: EarlyDialog | None, response: Response) -> Dialog:
        """The dialog of a 2xx. Where it was early before, only the sequence numbers are kept (section 13.2.2.4)."""
        contact = response.sole_contact
        if contact is None:
            raise PeerError("a dialog needs one Contact")
        dialog = Dialog.of_response(self._ours, response, contact.uri, self.flow)
        if early is not None:
            dialog.local_cseq = max(dialog.local_cseq, early.dialog.local_cseq)
            dialog.remote_cseq = early.dialog.remote_cseq
        return dialog

    def _rejected(self, response: Response, now: float) -> list[Effect]:
        if response.status == 422 and self._cancelling_until is None and self.timer.raised_by(response):
            forgotten = self._forget_branches(now)
            changed = ("Session-Expires", "Min-SE", "Authorization", "Proxy-Authorization")
            wanted = [header for header in self.timer.ask() if header[0] in changed]
            return forgotten + self._begin_anew(wanted, changed, now)
        challenged = response.status in (401, 407) and self._cancelling_until is None
        effects = self._fail(response, now)
        if challenged:
            self.progress_state = CHALLENGED
        return effects

    def _turn_down(self, dialog: Dialog, cseq: int, now: float, status: int) -> list[Effect]:
        """A 2xx that nobody wants: of another branch, or one that crossed our CANCEL or cannot be read. `status` is
        told where the call has no other end yet."""
        ack = self._ack(dialog, cseq)
        bye = self._send_within(dialog, "BYE", now)[1]
        wanted = self.state is SETTING_UP
        return [ack, *bye, *(self._fail(response_to(self.request, status), now) if wanted else [])]

    def _is_of_lost_branch(self, request: Request) -> bool:
        """Whether a request of ours went to a branch that lost, such as the BYE of `_turn_down`: nobody wants to
        hear of it."""
        if request.method == "INVITE" and not request.to_tag:
            return False
        if request.method != "BYE" and self.state is SETTING_UP:
            return False
        return self.dialog is None or request.to_tag != self.dialog.remote_tag

    def _ack(self, dialog: Dialog, cseq: int, answer: SessionDescription | None = None) -> Effect:
        headers: HeaderList = []
        if b"uthorization: " in self.request.to_bytes():
            headers = [header for header in self.request.headers if header[0] in _CREDENTIALS]
        body = b""
        if answer is not None:
            headers.append(("Content-Type", SDP))
            body = answer.to_bytes()
        _, via = self.core.via(self.flow)
        ack = transmit((self.flow, dialog.printed("ACK", via, headers, body, cseq=cseq)))
        self._acks[dialog.id[2]] = ack
        return ack

    def _send_cancel(self, now: float) -> list[Effect]:
        return self.core.send(cancel_for(self.request, self._cancel_headers), self.flow, self, now)[1]

    def _fail(self, response: Response, now: float) -> list[Effect]:
        """The terminal fact of a call that was never answered, told once."""
        self.progress_state = FAILED
        self._cancelling_until = None
        effects = self._forget_branches(now)
        if self.state is not ENDED:
            self._leave()
            effects.append(Rejected(self, response))
        return effects

    def _forget_branches(self, now: float) -> list[Effect]:
        """All early dialogs end with the INVITE that made them, and so do changes within them."""
        effects = self._drop_changes(now)
        self._early.clear()
        self._owed = self.dialog = None
        self.offers = self._open_offers()
        return effects

    def tick(self, now: float) -> list[Effect]:
        if self._cancelling_until is None or now < self._cancelling_until:
            return super().tick(now)
        if self._transaction is not None:
            self.core.transactions.abandon(self._transaction)
        return self._fail(response_to(self.request, 487), now)


def _readable(response: Response) -> SessionDescription | None:
    """The description in a provisional response; None where it is missing or makes no sense."""
    try:
        return description_of(response)
    except PeerError:
        return None
