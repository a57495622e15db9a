"""The subscriber's side of one subscription (RFC 6665 section 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sipcore.dialog.dialog import Dialog, DialogId
from sipcore.effects import Effect, Notified, WatchEnded
from sipcore.errors import PeerError
from sipcore.syntax.headers import parse_parameters
from sipcore.syntax.message import Request, Response, response_to

if TYPE_CHECKING:
    from sipcore.transaction.table import ClientTransaction, ServerTransaction
    from sipcore.transport.flow import Flow
    from sipcore.usage import Core

REFRESH_SHARE = 0.8
"""A subscription is refreshed after this share of its life."""
Credentials = Callable[[Request, Response], tuple[str, str] | None]
"""The header that answers a challenge for a request; None if it cannot be answered."""


class Watch:
    """One subscription of ours: refreshed until `hang_up`, or until the notifier ends it."""

    def __init__(
        self, core: Core, request: Request, flow: Flow, credentials: Credentials, owner: Any
    ) -> None:
        """`request` is the SUBSCRIBE without its Via."""
        self.flow = flow
        self.owner = owner
        self.dialog_ids: tuple[DialogId, ...] = ()
        self.deadline: float | None = None
        self.over = False
        self._core = core
        self._request = request
        self._credentials = credentials
        self._seconds = request.expires or 0
        self._dialog: Dialog | None = None
        self._answered = False
        """Whether a challenge has been answered, which is done once a request."""
        self._ending = False

    # -- verbs ----------------------------------------------------------------------------------------

    def start(self, now: float) -> list[Effect]:
        """Subscribe. A NOTIFY may come before the response, so its tag may be any (section 4.4.1)."""
        self._core.join(self)
        self._core.enter(self, (self._request.call_id, self._request.from_tag, ""))
        return self._core.send(self._request, self.flow, self, now)[1]

    def hang_up(self, now: float) -> list[Effect]:
        """Unsubscribe; the last NOTIFY is the end."""
        if self.over or self._ending:
            return []
        self._ending = True
        self._watch_until(now + self._core.transactions.timers.timeout)
        return self._subscribe(0, now)

    # -- what the endpoint brings -----------------------------------------------------------------------

    def hears(self, dialog: DialogId, flow: Flow) -> bool:
        """A NOTIFY has to come from where the SUBSCRIBE went, and from the dialog that there is."""
        known = self._dialog is None or self._dialog.remote_tag == dialog[2] != ""
        return known and flow.host == self.flow.host

    def receive_request(self, request: Request, transaction: ServerTransaction, now: float) -> list[Effect]:
        """A NOTIFY. Raises PeerError."""
        if self.over or request.method != "NOTIFY":
            raise PeerError("no such subscription", status=481)
        if self._dialog is None:
            self._enter(Dialog.of_server(request, request.to_tag, self.flow))
        else:
            self._dialog.admit(request)
            self._dialog.refresh_target(request)
        state, semicolon, parameters = (request.get("Subscription-State") or "").partition(";")
        effects = self._core.transactions.respond(transaction, response_to(request, 200), now)
        effects.append(Notified(self, request))
        if state.strip().lower() == "terminated":
            reason = dict(parse_parameters(semicolon + parameters)).get("reason") or ""
            effects += self._end(200, reason)
        return effects

    def receive_ack(self, request: Request, now: float) -> list[Effect]:
        """No subscription has anything to acknowledge."""
        return []

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> list[Effect]:
        """What became of a SUBSCRIBE."""
        if self.over or response.status < 200:
            return []
        if response.status < 300:
            self._accepted(transaction.request, response, now)
            return []
        header = self._credentials(transaction.request, response) if response.status in (401, 407) else None
        if header is not None and not self._answered:
            self._answered = True
            return self._again(transaction.request, header, now)
        return self._end(response.status, "")

    def flow_closed(self, now: float) -> list[Effect]:
        """The way to the notifier is gone."""
        return self._end(503, "")

    def tick(self, now: float) -> list[Effect]:
        """Refresh, or give up waiting for the end."""
        if self._ending:
            return self._end(408, "")
        self.deadline = None
        return self._subscribe(self._seconds, now)

    # -- helpers --------------------------------------------------------------------------------------

    def _subscribe(self, seconds: int, now: float) -> list[Effect]:
        if self._dialog is None:
            return self._end(487, "")
        self._answered = False
        kept = ("Event", "Accept", "Contact")
        headers = [(name, value) for name, value in self._request.headers if name in kept]
        request = self._dialog.request("SUBSCRIBE", [*headers, ("Expires", str(seconds))])
        return self._core.send(request, self.flow, self, now)[1]

    def _again(self, challenged: Request, header: tuple[str, str], now: float) -> list[Effect]:
        """Send a request once more, with credentials."""
        headers: Iterable[tuple[str, str]] = [
            (name, value) for name, value in challenged.headers if name not in ("Via", "CSeq")
        ]
        number = challenged.cseq_number + 1
        if self._dialog is not None:
            self._dialog.local_cseq = number
        again = Request("SUBSCRIBE", challenged.uri_text, [*headers, ("CSeq", f"{number} SUBSCRIBE"), header])
        if self._dialog is None:
            self._request = again
        return self._core.send(again, self.flow, self, now)[1]

    def _accepted(self, request: Request, response: Response, now: float) -> None:
        if self._dialog is None:
            self._enter(Dialog.of_client(request, response, self.flow))
        granted = response.expires
        if not self._ending and (granted or self._seconds):
            self._watch_until(now + (granted or self._seconds) * REFRESH_SHARE)

    def _enter(self, dialog: Dialog) -> None:
        dialog.local_cseq = max(dialog.local_cseq, self._request.cseq_number)
        self._dialog = dialog
        self._core.enter(self, dialog.id)

    def _watch_until(self, deadline: float | None) -> None:
        self.deadline = deadline
        self._core.watch(self)

    def _end(self, status: int, reason: str) -> list[Effect]:
        if self.over:
            return []
        self.over = True
        self.deadline = None
        self._core.leave(self)
        return [WatchEnded(self, status, reason)]
