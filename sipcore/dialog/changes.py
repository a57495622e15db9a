"""Changes of a session: re-INVITE and UPDATE, ours and the peer's (RFC 3261 section 14, RFC 3311)."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from sipcore.dialog.offer_answer import LOCAL_OFFER, STABLE
from sipcore.dialog.session import ESTABLISHED, SDP, SETTING_UP, Headers, Session, description_of
from sipcore.effects import Answered, Effect, Offered, OfferRefused
from sipcore.errors import PeerError, UsageError
from sipcore.sdp.description import SessionDescription
from sipcore.syntax.message import Request, Response, response_to

if TYPE_CHECKING:
    from sipcore.transaction.table import ClientTransaction, ServerTransaction

GONE = (408, 481)
"""Responses that end the dialog, whatever the request was (section 12.2.1.2)."""


class ChangingSession(Session):
    """What a session does about changes, one at a time. A change that is refused leaves all as it was."""

    made_call_id = False
    """Whether the Call-ID is ours: decides who waits longer after a glare."""

    __slots__ = ()

    _refreshing = False
    """Whether our change changes nothing, and only shows that we are still there (RFC 4028 section 10)."""
    _refreshes_by_update = True

    # -- verbs ----------------------------------------------------------------------------------------

    def modify(self, offer: SessionDescription, now: float) -> list[Effect]:
        """Send a re-INVITE (section 14.1). Raises UsageError while a change is pending."""
        return self._send_change("INVITE", offer, now)

    def update(self, offer: SessionDescription, now: float) -> list[Effect]:
        """Send an UPDATE (RFC 3311), early or later. Raises UsageError where `can_update` does not hold."""
        return self._send_change("UPDATE", offer, now)

    @property
    def can_change(self) -> bool:
        """Whether `modify` and `update` are allowed now: no INVITE and no offer is pending (section 14.1)."""
        return (
            self.state is ESTABLISHED
            and self._unacknowledged is None
            and self._own_change is None
            and self._change is None
            and self.offers.state is STABLE
        )

    @property
    def can_update(self) -> bool:
        """Whether `update` is allowed now: in an early dialog after the first answer too (RFC 3311 section 5.1)."""
        return self.can_change or (
            self.state is SETTING_UP
            and self.dialog is not None
            and self._has_agreed
            and self._own_change is None
            and self._change is None
            and self.offers.state is STABLE
        )

    @property
    def _has_agreed(self) -> bool:
        """Whether the offer of the INVITE, or the one it asked for, has been answered reliably."""
        return self.offers.local is not None

    def answer(self, description: SessionDescription, now: float) -> list[Effect]:
        """Accept the peer's change: with our answer, or with our offer where it made none.

        Does nothing where the session is ending: that crossed.
        """
        if self._over:
            return []
        transaction = self._take_change()
        self.offers.say(description)
        return self._send_success(transaction, transaction.request, description, "", now)

    def refuse(self, status: int, now: float) -> list[Effect]:
        """Refuse the peer's change; the session goes on as it was. Does nothing where it is ending."""
        return [] if self._over else self._refuse(status, now)

    def drop_retry(self) -> None:
        """Do not try again what met a 491: the peer has changed the session meanwhile, and ours is out of date."""
        self._retry = None

    @abstractmethod
    def hang_up(self, now: float, headers: Headers = ()) -> list[Effect]:
        """End the session."""

    # -- ours -----------------------------------------------------------------------------------------

    def _send_change(self, method: str, offer: SessionDescription | None, now: float) -> list[Effect]:
        if not self._may_send(method):
            raise UsageError(
                f"no change can be made to a session that is {self.state.value}, or changing already"
            )
        self._retry = None
        headers = self._local_headers
        if self.state is ESTABLISHED:
            headers += self.timer.ask()
        body = b""
        if offer is not None:
            self.offers.send_offer(offer)
            headers.append(("Content-Type", SDP))
            body = offer.to_bytes()
        self._own_change, effects = self._send_in_dialog(method, now, headers, body)
        return effects

    def _may_send(self, method: str) -> bool:
        return self.can_update if method == "UPDATE" else self.can_change

    def _refresh(self, now: float) -> list[Effect]:
        """Show that we are still there: by UPDATE where the peer takes it, else by what we said last (section 7.4
        of RFC 4028: the same description, in the same version)."""
        self.timer.postpone(now)
        by_update = self._refreshes_by_update and "UPDATE" in self._peer_allows
        description = None if by_update else self.offers.local
        if not self.can_change or self._retry is not None or not (by_update or description):
            return []
        self._refreshing = True
        return self._send_change("UPDATE" if by_update else "INVITE", description, now)

    def _change_answered(
        self, transaction: ClientTransaction, response: Response, now: float
    ) -> list[Effect]:
        if response.status < 200:
            return []
        self._own_change = None
        refreshing, self._refreshing = self._refreshing, False
        if response.status < 300:
            effects = self._acknowledge(response) if transaction.request.method == "INVITE" else []
            return effects + self._change_accepted(response, refreshing, now)
        offer = self.offers.withdraw()
        if response.status in GONE:
            return self._gone_early(now) if self.state is SETTING_UP else self._gone(now)
        if refreshing:
            return self._refresh_refused(transaction.request.method, response, now)
        if offer is not None and not self._over and self._is_tried_again(response):
            wait = self._back_off() if response.status == 491 else 0.0
            self._retry = now + wait, transaction.request.method, offer
            self.core.watch(self)
            return []
        return [OfferRefused(self, response)]

    def _is_tried_again(self, response: Response) -> bool:
        """After a glare, and after an interval that was too small (RFC 4028 section 7.3)."""
        return response.status == 491 or (response.status == 422 and self.timer.raised_by(response))

    def _refresh_refused(self, method: str, response: Response, now: float) -> list[Effect]:
        """Try again while the session lives: by re-INVITE where it was the UPDATE that the peer did not like."""
        if response.status == 491:
            self.timer.postpone(now, self._back_off())
        elif response.status == 422 and self.timer.raised_by(response):
            self.timer.postpone(now, 0.0)
        elif method == "UPDATE":
            self._refreshes_by_update = False
            self.timer.postpone(now, 0.0)
        self.core.watch(self)
        return []

    def _change_accepted(self, response: Response, refreshing: bool, now: float) -> list[Effect]:
        assert self.dialog is not None
        if self.state is ESTABLISHED:
            self._note_abilities(response)
            self.timer.granted(response, now)
            self.core.watch(self)
        before = self.offers.remote
        try:
            self.dialog.refresh_target(response)
            answer = self._take_answer(response)
            return [] if refreshing and answer in (None, before) else [Answered(self, answer)]
        except PeerError:  # the two sides do not agree on what the session is now
            self.offers.withdraw()
            return self.hang_up(now)

    def _try_again(self, method: str, offer: SessionDescription, now: float) -> list[Effect]:
        """Repeat a change that met a 491; later, if the peer is changing something just now."""
        if self._may_send(method):
            return self._send_change(method, offer, now)
        self._retry = now + self._back_off(), method, offer
        return []

    def _back_off(self) -> float:
        """Seconds until a change that met a 491 is tried again (section 14.1), in steps of 10 ms."""
        first, last = (210, 400) if self.made_call_id else (0, 200)
        return self.core.random.randint(first, last) / 100

    def _gone_early(self, now: float) -> list[Effect]:
        """The peer does not know the early dialog, or we not what it made of our offer: no call can come of it."""
        return self.hang_up(now)

    @abstractmethod
    def _gone(self, now: float) -> list[Effect]:
        """The peer does not know the dialog, or does not answer."""

    # -- the peer's -----------------------------------------------------------------------------------

    def _receive_change(self, request: Request, transaction: ServerTransaction, now: float) -> list[Effect]:
        assert self.dialog is not None
        if self._over:
            raise PeerError("the session has ended", status=481)
        setting_up = self.state is SETTING_UP
        if self._own_change is not None or (setting_up and request.method == "INVITE" and self.made_call_id):
            raise PeerError("changes crossed", status=491)
        if self._change is not None or (setting_up and request.method == "INVITE"):
            raise PeerError("a change is pending", status=500)
        self.timer.check(request)
        offer = description_of(request)
        _ = request.contacts  # those that make no sense are refused before anything has changed
        if offer is not None:
            if setting_up and self.offers.state is STABLE and not self._has_agreed:
                raise PeerError("the first offer is still to come", status=500)
            self.offers.receive_offer(offer)
        elif request.method == "INVITE" and self.offers.state is not STABLE:
            # Our answer would have to be an offer, and could not be one.
            ours = self.offers.state is LOCAL_OFFER
            raise PeerError("an offer is pending", status=491 if ours else 500)
        self.dialog.refresh_target(request)
        if offer is None and request.method == "UPDATE":
            return self._send_success(transaction, request, None, "", now)
        self._change = transaction
        return [Offered(self, request, offer)]

    def receive_cancel(self, transaction: ServerTransaction, now: float) -> list[Effect]:
        """CANCEL of a re-INVITE; whoever set the call up has more to say."""
        if self._change is not transaction:
            return []
        return self._refuse(487, now)

    def _refuse(self, status: int, now: float) -> list[Effect]:
        transaction = self._take_change()
        self.offers.withdraw()
        return self.core.transactions.respond(transaction, response_to(transaction.request, status), now)

    def _take_change(self) -> ServerTransaction:
        transaction, self._change = self._change, None
        if transaction is None:
            raise UsageError("the peer has asked for no change")
        return transaction

    # -- the end --------------------------------------------------------------------------------------

    def _drop_changes(self, now: float) -> list[Effect]:
        """Settle what is pending: the peer's change gets 487, ours is not waited for."""
        effects: list[Effect] = []
        if self._change is not None:
            effects = self._refuse(487, now)
        if self._own_change is not None:
            self._forsaken = now + self.core.transactions.timers.timeout, self._own_change
            self._own_change = None
            self.core.watch(self)
        self._retry = None
        if self.offers.state is not STABLE:
            self.offers.withdraw()
        return effects
