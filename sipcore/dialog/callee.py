"""The called side of setting a session up (RFC 3261 sections 13.3 and 9.2)."""

from __future__ import annotations

from sipcore.dialog.dialog import Dialog
from sipcore.dialog.invite import InviteSession
from sipcore.dialog.offer_answer import OfferState
from sipcore.dialog.session import SDP, Headers, SessionState, description_of
from sipcore.effects import Cancelled, Effect, Invited
from sipcore.errors import UsageError
from sipcore.sdp.description import SessionDescription
from sipcore.syntax.message import response_to
from sipcore.transaction.table import ServerTransaction
from sipcore.transport.flow import Flow
from sipcore.usage import Core


class CalleeSession(InviteSession):
    """A session that we are invited to."""

    def __init__(
        self, core: Core, transaction: ServerTransaction, flow: Flow, identity: str, local_tag: str
    ) -> None:
        """Raises PeerError for an INVITE that no dialog can come of, or whose body is no offer."""
        request = transaction.request
        super().__init__(core, request, flow, identity)
        self._transaction = transaction
        self.dialog = Dialog.of_server(request, local_tag, flow)
        self._offer = description_of(request)
        if self._offer is not None:
            self.offers.receive_offer(self._offer)

    def start(self) -> list[Effect]:
        """Tell the user."""
        assert self.dialog is not None
        self.core.join(self)
        self.core.enter(self, self.dialog.id)
        return [Invited(self, self.request, self.identity, self._offer)]

    # -- verbs ----------------------------------------------------------------------------------------

    def progress(
        self, status: int, now: float, description: SessionDescription | None = None, headers: Headers = ()
    ) -> list[Effect]:
        """Send a provisional response. A description in it previews the answer (RFC 6337 section 3.1.1)."""
        self._expect_ringing()
        return self._respond(status, now, None, description, headers)

    def accept(self, description: SessionDescription, now: float, headers: Headers = ()) -> list[Effect]:
        """Send 200 with the answer, or with our offer where the caller made none."""
        self._expect_ringing()
        if self.offers.state is OfferState.REMOTE_OFFER:
            self.offers.send_answer(description)
        else:
            self.offers.send_offer(description)
        self.state = SessionState.ESTABLISHED
        return self._send_success(self._transaction, description, [*self._record_routes, *headers], now)

    def reject(
        self, status: int, now: float, reason: str | None = None, headers: Headers = ()
    ) -> list[Effect]:
        """Send a final response >= 300. The session is over, and tells nothing more."""
        self._expect_ringing()
        self._leave()
        return self._respond(status, now, reason, None, headers)

    def hang_up(self, now: float, headers: Headers = ()) -> list[Effect]:
        if self.state is SessionState.SETTING_UP:
            return self.reject(480, now, headers=headers)
        return super().hang_up(now, headers)

    # -- what the endpoint brings -----------------------------------------------------------------------

    def receive_cancel(self, transaction: ServerTransaction, now: float) -> list[Effect]:
        """The caller gave up: 487, where no final response has been sent."""
        if transaction is not self._transaction:
            return super().receive_cancel(transaction, now)
        if self.state is not SessionState.SETTING_UP:
            return []
        return [*self.reject(487, now), Cancelled(self)]

    def _receive_bye(self, transaction: ServerTransaction, now: float) -> list[Effect]:
        """A BYE in the early dialog counts as a CANCEL (section 15.1.2)."""
        if self.state is not SessionState.SETTING_UP:
            return super()._receive_bye(transaction, now)
        answered = self.core.transactions.respond(transaction, response_to(transaction.request, 200), now)
        return [*answered, *self.reject(487, now), Cancelled(self)]

    def flow_closed(self, now: float) -> list[Effect]:
        if self.state is not SessionState.SETTING_UP:
            return super().flow_closed(now)
        return [*self.reject(480, now), Cancelled(self)]  # on UDP a flow may work again

    # -- helpers --------------------------------------------------------------------------------------

    @property
    def _record_routes(self) -> list[tuple[str, str]]:
        """For the caller's route set (section 12.1.1)."""
        return [("Record-Route", value) for value in self.request.get_all("Record-Route")]

    def _respond(
        self,
        status: int,
        now: float,
        reason: str | None,
        description: SessionDescription | None,
        headers: Headers,
    ) -> list[Effect]:
        assert self.dialog is not None
        all_headers = list(headers)
        if status < 300:
            all_headers += self._record_routes
            all_headers += self.core.local_headers(self.flow, self._local_user)
        if description is not None:
            all_headers.append(("Content-Type", SDP))
        response = response_to(
            self.request,
            status,
            reason,
            to_tag=self.dialog.local_tag,
            headers=all_headers,
            body=b"" if description is None else description.to_bytes(),
        )
        return self.core.transactions.respond(self._transaction, response, now)

    def _expect_ringing(self) -> None:
        if self.state is not SessionState.SETTING_UP:
            raise UsageError(f"a session that is {self.state.value} cannot be answered")
