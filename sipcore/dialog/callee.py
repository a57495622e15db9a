"""The called side of setting a session up (RFC 3261 sections 13.3 and 9.2)."""

from __future__ import annotations

from sipcore.dialog.dialog import Dialog
from sipcore.dialog.invite import InviteSession
from sipcore.dialog.offer_answer import LOCAL_OFFER, REMOTE_OFFER, STABLE, OfferAnswer
from sipcore.dialog.reliable import OPTION, RAck, ReliableResponses
from sipcore.dialog.session import ESTABLISHED, SDP, SETTING_UP, Headers, description_of, record_routes
from sipcore.effects import Acknowledged, Cancelled, Effect, Invited, Offered, Transmit, fact
from sipcore.errors import PeerError, UsageError
from sipcore.sdp.description import SessionDescription
from sipcore.syntax.message import Request, Response, print_fields, response_to
from sipcore.transaction.table import ServerTransaction
from sipcore.transport.flow import Flow
from sipcore.usage import Core


class CalleeSession(InviteSession):
    """A session that we are invited to."""

    __slots__ = ("_offer", "_reliable", "_transaction")

    _needs_reliable = False
    """Whether the caller takes no other provisional responses (RFC 3262 section 3)."""
    _reliable: ReliableResponses | None
    _held: tuple[SessionDescription, Headers] | None = None
    """What `accept` has been given, while its 200 waits for the PRACK of an answer or offer before it."""

    def __init__(
        self,
        core: Core,
        request: Request,
        transaction: ServerTransaction,
        flow: Flow,
        identity: str,
        local_tag: str,
    ) -> None:
        """Raises PeerError for an INVITE that no dialog can come of, whose body is no offer, or whose session
        interval is too small."""
        super().__init__(core, request, flow, identity)
        self._transaction = transaction
        self._reliable = None
        self.dialog = Dialog.of_server(request, local_tag, flow)
        first = request.first
        if "Session-Expires" in first or "Min-SE" in first:
            self.timer.check(request)
        if "Allow" in first:
            self._note_abilities(request)
        if "Require" in first:
            self._needs_reliable = OPTION in request.require
        if self._needs_reliable or (core.settings.reliable and request.supports(OPTION)):
            self._reliable = ReliableResponses(core.transactions.timers, core.random.randrange(1, 2**16))
        self._offer = offer = description_of(request) if request.body else None
        self.offers = OfferAnswer() if offer is None else OfferAnswer(REMOTE_OFFER, offer)

    def start(self) -> list[Effect]:
        """Tell the user."""
        assert self.dialog is not None
        core = self.core
        core.join(self)
        core.enter(self, self.dialog.id)
        return [fact(Invited, (self, self.request, self.identity, self._offer))]

    @property
    def deadline(self) -> float | None:
        common = super().deadline
        if self._reliable is None:
            return common
        own = self._reliable.deadline
        return own if common is None else common if own is None else min(own, common)

    @property
    def can_update(self) -> bool:
        return super().can_update and not self._waits_for_prack

    @property
    def _waits_for_prack(self) -> bool:
        return self._reliable is not None and self._reliable.describes

    # -- verbs ----------------------------------------------------------------------------------------

    def progress(
        self, status: int, now: float, description: SessionDescription | None = None, headers: Headers = ()
    ) -> list[Effect]:
        """Send a provisional response, reliably where the caller takes that (RFC 3262).

        A description in it is then the answer, or our offer where the caller made none; else it only previews the
        answer (RFC 6337 section 3.1.1). One that the caller's demands do not allow is left out.
        """
        if self.state is not SETTING_UP:
            raise self._too_late()
        if self._reliable is not None:
            if self._held is not None:
                return []
            begun = self.offers.state is not STABLE or self._has_agreed
            # The first reliable one has to carry the offer, where the caller made none (RFC 3262 section 5).
            if begun or description:
                return self._progress_reliably(self._reliable, status, now, description, headers)
            if self._needs_reliable:
                return []
        response = self._print(self.request, status, description, print_fields(headers) if headers else "")
        return self.core.transactions.respond(self._transaction, response, now)

    def _progress_reliably(
        self,
        reliable: ReliableResponses,
        status: int,
        now: float,
        description: SessionDescription | None,
        headers: Headers,
    ) -> list[Effect]:
        if self._has_agreed or self.offers.state is LOCAL_OFFER:  # what is said first holds
            description = None
        elif description is not None:
            self.offers.say(description)
        ready = reliable.send(self._response(status, description, headers), now)
        self.core.watch(self)
        return [] if ready is None else self.core.transactions.respond(self._transaction, ready, now)

    def accept(self, description: SessionDescription, now: float, headers: Headers = ()) -> list[Effect]:
        """Send 200 with the answer, or with our offer where the caller made none; with neither where a reliable
        response has said it before. While that one waits for its PRACK, so does the 200 (RFC 3262 section 3)."""
        if self.state is not SETTING_UP:
            raise self._too_late()
        if self._reliable is not None:
            if self._held is not None:
                raise UsageError("the session has been accepted already")
            if self._waits_for_prack:
                self._held = description, headers
                return []
        fields = print_fields(headers) if headers else ""
        said: SessionDescription | None = None
        if self.offers.local is None:
            self.offers.say(description)
            said = description
        if self._reliable is not None:
            self._reliable.stop()
        self.state = ESTABLISHED
        return self._send_success(self._transaction, self.request, said, fields, now)

    def reject(
        self, status: int, now: float, reason: str | None = None, headers: Headers = ()
    ) -> list[Effect]:
        """Send a final response >= 300. The session is over, and tells nothing more. Raises UsageError, and leaves all
        as it is, where `reason` or one of `headers` has a line break."""
        if self.state is not SETTING_UP:
            raise self._too_late()
        refusal = self._print(self.request, status, None, print_fields(headers) if headers else "", reason)
        settled = self._drop_changes(now)
        if self._reliable is not None:
            self._reliable.stop()
        self._leave()
        return [*settled, *self.core.transactions.respond(self._transaction, refusal, now)]

    def _give_up(self, now: float, headers: Headers) -> list[Effect]:
        return self.reject(480, now, headers=headers)

    # -- what the endpoint brings -----------------------------------------------------------------------

    def receive_cancel(self, transaction: ServerTransaction, now: float) -> list[Effect]:
        """The caller gave up: 487, where no final response has been sent."""
        if transaction is not self._transaction:
            return super().receive_cancel(transaction, now)
        if self.state is not SETTING_UP:
            return []
        return [*self.reject(487, now), Cancelled(self)]

    def _bye_early(self, now: float) -> list[Effect]:
        """A BYE in the early dialog counts as a CANCEL (section 15.1.2)."""
        return [*self.reject(487, now), Cancelled(self)]

    def flow_closed(self, now: float) -> list[Effect]:
        if self.state is not SETTING_UP:
            return super().flow_closed(now)
        return [*self.reject(480, now), Cancelled(self, 480)]  # on UDP a flow may work again

    def _receive_prack(self, request: Request, transaction: ServerTransaction, now: float) -> list[Effect]:
        """Raises PeerError(481) where no response waits for it, and leaves one waiting whose offer it should answer."""
        if self._reliable is None:
            return super()._receive_prack(request, transaction, now)
        self._reliable.expect(RAck.of(request), self.request.cseq)
        description = description_of(request)
        ours_pends = self.offers.state is LOCAL_OFFER and self._own_change is None
        if ours_pends:
            facts: list[Effect] = [Acknowledged(self, self._take_answer(request))]
        elif description is not None:
            return self._acknowledged(
                now, self._receive_offer_in_prack(request, transaction, description, now)
            )
        else:
            facts = []
        answered = self.core.transactions.respond(transaction, response_to(request, 200), now)
        return self._acknowledged(now, [*answered, *facts])

    def _receive_offer_in_prack(
        self, request: Request, transaction: ServerTransaction, offer: SessionDescription, now: float
    ) -> list[Effect]:
        """Section 5. The response it acknowledges is acknowledged in any case."""
        try:
            if self._over:
                raise PeerError("the session has ended", status=481)
            if self._change is not None:
                raise PeerError("a change is pending", status=500)
            self.offers.receive_offer(offer)
        except PeerError as error:
            return self.core.transactions.respond(transaction, response_to(request, error.status), now)
        self._change = transaction
        return [Offered(self, request, offer)]

    def _acknowledged(self, now: float, effects: list[Effect]) -> list[Effect]:
        """A PRACK has come: what waited for it follows."""
        assert self._reliable is not None
        following = self._reliable.acknowledge(now)
        self.core.watch(self)
        if following is not None:
            effects += self.core.transactions.respond(self._transaction, following, now)
        if self._held is not None and not self._waits_for_prack and self.state is SETTING_UP:
            (description, headers), self._held = self._held, None
            effects += self.accept(description, now, headers)
        return effects

    def tick(self, now: float) -> list[Effect]:
        reliable, effects = self._reliable, []
        if reliable is not None and reliable.given_up(now):
            effects = [*self.reject(504, now), Cancelled(self, 504)]
        elif reliable is not None and (again := reliable.tick(now)) is not None:
            effects = [Transmit(self._transaction.flow, again.to_bytes())]
        return effects + super().tick(now)

    def _gone_early(self, now: float) -> list[Effect]:
        return [*self.reject(480, now), Cancelled(self, 480)]

    # -- helpers --------------------------------------------------------------------------------------

    def _response(self, status: int, description: SessionDescription | None, headers: Headers) -> Response:
        """A provisional response that is to become reliable."""
        assert self.dialog is not None
        all_headers = [*headers, *record_routes(self.request), *self._local_headers]
        if description is not None:
            all_headers.append(("Content-Type", SDP))
        return response_to(
            self.request,
            status,
            to_tag=self.dialog.local_tag,
            headers=all_headers,
            body=b"" if description is None else description.to_bytes(),
        )

    def _too_late(self) -> UsageError:
        return UsageError(f"a session that is {self.state.value} cannot be answered")
