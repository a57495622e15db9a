"""The INVITE session: what caller and callee share (RFC 3261 sections 13 to 15, RFC 3311).

A session begins as a `CallerSession` or a `CalleeSession`, which know how to set a call up. From the 2xx on both
behave alike, and that is what is written here and in `changes.py`: modifying, requests within the dialog, and the end.

Every verb returns effects. A session tells its user exactly one terminal fact: Rejected, Cancelled or Ended.
"""

from __future__ import annotations

from abc import abstractmethod
from math import inf
from typing import TYPE_CHECKING

from sipcore.dialog.changes import GONE, ChangingSession
from sipcore.dialog.session import ENDED, ENDING, ESTABLISHED, SETTING_UP, Headers
from sipcore.effects import Acknowledged, Effect, EndCause, Ended, RequestInDialog, Transmit, fact
from sipcore.errors import PeerError
from sipcore.syntax.message import Request, Response, print_fields

if TYPE_CHECKING:
    from sipcore.dialog.dialog import DialogId
    from sipcore.transaction.table import ClientTransaction, ServerTransaction
    from sipcore.transport.flow import Flow


class InviteSession(ChangingSession):
    """One INVITE session."""

    __slots__ = ()

    _bye_headers: Headers = ()
    _cause = EndCause.LOCAL
    """What the answer to our BYE ends the session for."""

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        due = None if self._timer is None else self._timer.deadline
        if (waiting := self._unacknowledged) is not None:
            due = min(waiting.retransmit_at, waiting.give_up_at, inf if due is None else due)
        for pending in (self._retry, self._forsaken):
            if pending is not None and (due is None or pending[0] < due):
                due = pending[0]
        return due

    # -- verbs ----------------------------------------------------------------------------------------

    def send_request(self, method: str, now: float, headers: Headers = (), body: bytes = b"") -> list[Effect]:
        """Send another request within the dialog (INFO, NOTIFY ...); nobody is told of its response.

        Does nothing where the session is ending: no request follows a BYE.
        """
        return [] if self._over else self._send_in_dialog(method, now, headers, body)[1]

    def hang_up(self, now: float, headers: Headers = ()) -> list[Effect]:
        """End the session with what its state asks for; where it is ending already, or has ended, all that is sent is
        the ACK that a late offer is still owed.

        `headers`, such as Reason (RFC 3326), go with it. Raises UsageError, and leaves all as it is, where one of them
        has a line break.
        """
        if self.state is not ESTABLISHED:
            setting_up = self.state is SETTING_UP
            return self._give_up(now, headers) if setting_up else self._decline_late_offer()
        if headers:
            headers = list(headers)
            print_fields(headers)
            self._bye_headers = headers
        self.state = ENDING
        if self._timer is not None:
            self._timer.stop()
        effects = self._drop_changes(now)
        if self._late_offer:
            effects += self._decline_late_offer()
        if self._unacknowledged is None:
            assert self.dialog is not None
            effects += self._send_within(self.dialog, "BYE", now, headers)[1]
        return effects

    @abstractmethod
    def _give_up(self, now: float, headers: Headers) -> list[Effect]:
        """End a session that is being set up."""

    def _decline_late_offer(self) -> list[Effect]:
        """Nobody will answer it."""
        return []

    def move(self, flow: Flow) -> None:
        """Send by another flow from now on: the peer has proved that it is there now."""
        self.flow = flow
        if self._unacknowledged is not None:
            self._unacknowledged.flow = flow

    def hears(self, dialog: DialogId, flow: Flow) -> bool:
        """Whether a request within one of our dialogs is to be listened to.

        It has to come as safely as before, and once we are established within the dialog that won: other branches of
        a fork have been told BYE.
        """
        if flow is not self.flow and self.flow.transport.secure and not flow.transport.secure:
            return False
        ours = self.dialog
        if ours is None:  # the early dialogs are over, and the INVITE has begun anew
            return False
        return self.state is SETTING_UP or ours.id == dialog

    # -- what the endpoint brings -----------------------------------------------------------------------

    def receive_request(self, request: Request, transaction: ServerTransaction, now: float) -> list[Effect]:
        """A request within the dialog, but no ACK, CANCEL or BYE. Raises PeerError with the status to answer."""
        assert self.dialog is not None
        self.dialog.admit(request)
        if request.method in ("INVITE", "UPDATE"):
            return self._receive_change(request, transaction, now)
        if request.method == "PRACK":
            return self._receive_prack(request, transaction, now)
        return [RequestInDialog(self, transaction, request)]

    def receive_bye(self, request: Request, now: float) -> list[Effect]:
        """The peer hangs up: what follows the 200, which the endpoint sends. Raises PeerError with another status."""
        dialog = self.dialog
        assert dialog is not None
        dialog.admit(request)
        if self.state is SETTING_UP:
            return self._bye_early(now)
        return self._end(EndCause.BYE, now)

    @abstractmethod
    def _bye_early(self, now: float) -> list[Effect]:
        """The peer hangs up before there is a session."""

    def receive_ack(self, request: Request, now: float) -> list[Effect]:
        """The ACK of a 2xx."""
        waiting = self._unacknowledged
        if waiting is None or request.cseq_number != waiting.cseq:
            return []
        self._unacknowledged = None
        if self.state is ENDING:
            return self._send_bye(now)
        try:
            return [fact(Acknowledged, (self, self._take_answer(request) if waiting.offers else None))]
        except PeerError:  # our offer was not answered: there is no session to speak of
            self.offers.withdraw()
            return self.hang_up(now)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> list[Effect]:
        """A response to a request of this session."""
        if self._own_change is not None and transaction is self._own_change:
            return self._change_answered(self._own_change, response, now)
        if response.status < 200:
            return []
        if transaction.request.method == "BYE":
            return self._end(self._cause, now)
        if transaction.request.method == "INVITE" and response.status < 300:
            return self._acknowledge(response)  # a retransmitted 2xx: the ACK was lost
        return self._gone(now) if response.status in GONE else []

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
            effects.append(Transmit(waiting.flow, waiting.data))
        if self._retry is not None and now >= self._retry[0]:
            effects += self._try_again(self._retry[1], self._retry[2], now)
        if (timer := self._timer) is not None:
            if timer.expired(now):
                effects += self._gone(now)
            elif timer.wants_refresh(now):
                effects += self._refresh(now)
        if self._forsaken is not None and now >= self._forsaken[0]:
            self.core.transactions.abandon(self._forsaken[1])
            self._forsaken = None
        self.core.watch(self)
        return effects

    def _receive_prack(self, request: Request, transaction: ServerTransaction, now: float) -> list[Effect]:
        """Who was called has more to say: a caller sends no responses that want one."""
        raise PeerError("no response waits for a PRACK", status=481)

    # -- the end ----------------------------------------------------------------------------------------

    def flow_closed(self, now: float) -> list[Effect]:
        """The way to the peer is gone; an established session has no use without it."""
        if self.state is SETTING_UP:
            return []
        return self._end(EndCause.FLOW_LOST, now)

    def _send_bye(self, now: float) -> list[Effect]:
        assert self.dialog is not None
        return self._send_within(self.dialog, "BYE", now, self._bye_headers)[1]

    def _never_acknowledged(self, now: float) -> list[Effect]:
        """Section 13.3.1.4: the session is taken as established, and ended with a BYE."""
        if self.state is ENDING:
            return self._send_bye(now)
        return self._send_bye(now) + self._end(EndCause.NO_ACK, now)

    def _gone(self, now: float) -> list[Effect]:
        """The peer does not know the dialog, or does not answer (section 12.2.1.2)."""
        if self.state is not ESTABLISHED:
            return []
        if self._unacknowledged is None:
            return self._send_bye(now) + self._end(EndCause.TIMEOUT, now)
        # Our 2xx may still be on its way, and the BYE has to come after its ACK.
        self._cause = EndCause.TIMEOUT
        return self.hang_up(now)

    def _end(self, cause: EndCause, now: float) -> list[Effect]:
        """The terminal fact of an established session, told once."""
        state = self.state
        if state is ENDED:
            return []
        effects = [] if state is ENDING else self._drop_changes(now)  # `hang_up` has done so
        self._leave()
        effects.append(fact(Ended, (self, cause)))
        return effects

    def _leave(self) -> None:
        """Leave the endpoint's tables, after `_drop_changes`."""
        self.state = ENDED
        self._unacknowledged = None
        if self._timer is not None:
            self._timer.stop()
        self.core.leave(self)
        if self._forsaken is not None:
            self.core.watch(self)
