"""The notifier's side of one subscription (RFC 6665 section 4.2)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from random import Random
from typing import TYPE_CHECKING, Protocol

from sipcore.dialog.dialog import Dialog, DialogId
from sipcore.errors import PeerError
from sipcore.events.document import Document, Printed
from sipcore.syntax.headers import parse_parameters
from sipcore.syntax.message import Request, Response, response_to
from sipcore.syntax.template import Template
from values import dataclass

if TYPE_CHECKING:
    from sipcore.effects import Effect
    from sipcore.transaction.table import ClientTransaction, ServerTransaction
    from sipcore.transport.flow import Flow
    from sipcore.usage import Core

RETRY_SECONDS = 30.0
"""After so long a NOTIFY is tried again that was refused without saying when, or why for good."""
MAX_RETRY_SECONDS = 300.0
_GONE = frozenset({404, 405, 408, 410, 416, *range(480, 486), 489, 501, 604})
"""Responses to a NOTIFY that end the subscription (section 4.2.2; 408 is a NOTIFY without a response)."""


class Reason(Enum):
    """Why a subscription is over (section 4.1.3)."""

    DEACTIVATED = "deactivated"
    """Subscribe again: the system stops, or has moved."""
    NORESOURCE = "noresource"
    REJECTED = "rejected"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long things may last, in seconds."""

    min_expires: int = 60
    max_expires: int = 3600
    spread: float = 0.1
    """So much of what was asked for is withheld at random, so that those who come together do not come back so."""

    def grant(self, asked: int | None, random: Random) -> int:
        """What is granted; 0 where that is asked for. Raises PeerError(423) if it is too brief."""
        if asked == 0:
            return 0
        if asked is not None and asked < self.min_expires:
            raise PeerError("interval too brief", status=423)
        longest = self.max_expires if asked is None else min(asked, self.max_expires)
        return max(self.min_expires, int(longest * (1 - self.spread * random.random())))


class Topic(Protocol):
    """What is subscribed to: the state of one resource in one package."""

    @property
    def lifetimes(self) -> Lifetimes:
        """How long subscriptions may last."""

    @property
    def printed(self) -> Printed:
        """The state as it is told now."""

    @property
    def revision(self) -> int:
        """Rises whenever `printed` changes."""

    def discard(self, subscription: Subscription) -> None:
        """A subscription is over."""

    def waiting(self, change: int) -> None:
        """So many NOTIFYs more, or less, wait for their answers."""


class Subscription:
    """One subscription. One NOTIFY at a time is on its way, and what follows it is the state of that moment."""

    __slots__ = (
        "_behind", "_core", "_dialog", "_known", "_notify", "_outstanding", "_retry_at", "_version",
        "dialog_ids", "event", "expires_at", "flow", "identity", "over", "topic",
    )  # fmt: skip

    def __init__(
        self, core: Core, topic: Topic, request: Request, flow: Flow, identity: str, local_tag: str
    ) -> None:
        """Raises PeerError for a request that no dialog can come of."""
        self.topic = topic
        self.flow = flow
        self.identity = identity
        self.event = request.get("Event") or ""
        """As the subscriber wrote it, its `id` included."""
        self.expires_at = 0.0
        self.over = False
        self.dialog_ids: tuple[DialogId, ...] = ()
        self._core = core
        self._dialog = Dialog.of_server(request, local_tag, flow)
        self._notify: Template | None = None
        """What all NOTIFYs have in common."""
        self._version = 0
        self._known: int | None = None
        """The revision that the subscriber was last told; None if it is to be told everything."""
        self._outstanding: ClientTransaction | None = None
        self._behind = False
        """Whether there is something to tell when the NOTIFY that is on its way has been answered."""
        self._retry_at: float | None = None

    # -- verbs ----------------------------------------------------------------------------------------

    def start(self, transaction: ServerTransaction, seconds: int, now: float) -> list[Effect]:
        """Accept the SUBSCRIBE, and tell the state; 0 seconds ends it with that (a fetch, section 4.4.3)."""
        self._core.join(self)
        self._core.enter(self, self._dialog.id)
        return self._accept(transaction, seconds, now)

    def notify(self, now: float) -> list[Effect]:
        """The state has changed."""
        if self.over:
            return []
        if self._outstanding is not None or self._retry_at is not None:
            self._behind = True
            return []
        return self._send(now)

    def end(self, reason: Reason, now: float) -> list[Effect]:
        """Tell the subscriber that it is over; does nothing where it is."""
        if self.over:
            return []
        self._close()
        if self._outstanding is not None:  # sent no more, for nothing may follow what is sent now
            self._core.transactions.abandon(self._outstanding)
        return self._send(now, f"terminated;reason={reason.value}")

    def move(self, flow: Flow) -> None:
        """The subscriber is reached by another flow; what is on its way still goes by the old one."""
        before, self.flow = self.flow, flow
        self._notify = None
        self._core.join(self, before)

    def hang_up(self, now: float) -> list[Effect]:
        """The system stops."""
        return self.end(Reason.DEACTIVATED, now)

    # -- what the endpoint brings -----------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        if self.over:
            return None
        return self.expires_at if self._retry_at is None else min(self._retry_at, self.expires_at)

    def hears(self, dialog: DialogId, flow: Flow) -> bool:
        """A request has to come from the subscriber's host, as safely as before."""
        return flow.host == self.flow.host and (
            flow.transport.secure or not self.flow.transport.secure
        )

    def receive_request(self, request: Request, transaction: ServerTransaction, now: float) -> list[Effect]:
        """A refresh, or the end (sections 4.1.2.2 and 4.1.2.3). Raises PeerError."""
        self._dialog.admit(request)
        if self.over or request.method != "SUBSCRIBE" or event_of(request) != event_of_text(self.event):
            raise PeerError("no such subscription", status=481)
        try:
            seconds = self.topic.lifetimes.grant(request.expires, self._core.random)
        except PeerError as error:
            headers = [("Min-Expires", str(self.topic.lifetimes.min_expires))]
            refusal = response_to(request, error.status, headers=headers)
            return self._core.transactions.respond(transaction, refusal, now)
        self._dialog.refresh_target(request)
        if self.flow != transaction.flow:
            self.move(transaction.flow)
        return self._accept(transaction, seconds, now)

    def receive_ack(self, request: Request, now: float) -> list[Effect]:
        """No subscription has anything to acknowledge."""
        return []

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> list[Effect]:
        """What became of a NOTIFY."""
        status = response.status
        if transaction is not self._outstanding or status < 200:
            return []
        self._wait_for(None)
        retry_seconds = None if status < 300 else _retry_after(response)
        if self.over or (status in _GONE and retry_seconds is None):
            self._leave()
            return []
        if status < 300:
            return self._send(now) if self._behind else []
        self._known, self._behind = None, True
        self._retry_at = now + min(
            RETRY_SECONDS if retry_seconds is None else retry_seconds, MAX_RETRY_SECONDS
        )
        self._core.watch(self)
        return []

    def flow_closed(self, now: float) -> list[Effect]:
        """Nobody is there any more."""
        self._leave()
        return []

    def tick(self, now: float) -> list[Effect]:
        """It has expired, or a NOTIFY is to be tried again."""
        if self.over:
            return []
        if now >= self.expires_at:
            return self.end(Reason.TIMEOUT, now)
        effects: list[Effect] = []
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            effects = self._send(now)
        self._core.watch(self)
        return effects

    # -- helpers --------------------------------------------------------------------------------------

    def _accept(self, transaction: ServerTransaction, seconds: int, now: float) -> list[Effect]:
        headers = [*self._local_headers, ("Expires", str(seconds))]
        request = transaction.request
        headers += [("Record-Route", value) for value in request.get_all("Record-Route")]
        accepted = response_to(request, 200, to_tag=self._dialog.local_tag, headers=headers)
        effects = self._core.transactions.respond(transaction, accepted, now)
        self._known = self._retry_at = self._notify = None
        if seconds == 0:
            return effects + self.end(Reason.TIMEOUT, now)
        self.expires_at = now + seconds
        self._core.watch(self)
        return effects + self.notify(now)

    def _send(self, now: float, state: str = "") -> list[Effect]:
        """Send a NOTIFY with the state of this moment."""
        document = self._document()
        headers = [
            ("Subscription-State", state or f"active;expires={max(0, round(self.expires_at - now))}"),
            ("Content-Type", document.content_type),
        ]
        self._dialog.local_cseq += 1
        branch, body = self._core.identifiers.branch(), document.body(self._version)
        request = self._template.fill(branch, self._dialog.local_cseq, headers, body)
        self._version += 1
        self._behind = False
        transaction, effects = self._core.transactions.send(request, self.flow, now, branch)
        transaction.user = self
        self._wait_for(transaction)
        return effects

    def _wait_for(self, transaction: ClientTransaction | None) -> None:
        self.topic.waiting((transaction is not None) - (self._outstanding is not None))
        self._outstanding = transaction

    @property
    def _template(self) -> Template:
        if self._notify is None:
            headers = [*self._local_headers, ("Event", self.event)]
            self._notify = Template(self._dialog.request("NOTIFY", headers, cseq=0), self.flow)
        return self._notify

    def _document(self) -> Document:
        """What has changed, for a subscriber that knows the state before; else everything."""
        printed, revision = self.topic.printed, self.topic.revision
        knows = self._known is not None and self._known >= revision - 1
        self._known = revision
        return printed.change if knows and printed.change is not None else printed.full

    @property
    def _local_headers(self) -> Iterable[tuple[str, str]]:
        dialog = self._dialog
        return self._core.local_headers(self.flow, dialog.local.uri.user or "", dialog.contact_scheme)

    def _close(self) -> None:
        self.over = True
        self._retry_at = None
        self.topic.discard(self)
        self._core.watch(self)

    def _leave(self) -> None:
        """It is over, and nobody has to be told."""
        if not self.over:
            self._close()
        if self._outstanding is not None:
            self._core.transactions.abandon(self._outstanding)
            self._wait_for(None)
        self._core.leave(self)


def event_of(request: Request) -> tuple[str, str]:
    """The package and the `id` of the Event header (section 8.2.1). Raises PeerError(489) where it is missing."""
    return event_of_text(request.get("Event") or "")


def event_of_text(text: str) -> tuple[str, str]:
    """The package and the `id` of the value of an Event header. Raises PeerError(489)."""
    package, semicolon, parameters = text.partition(";")
    if not package.strip():
        raise PeerError("Event is missing", status=489)
    return package.strip().lower(), dict(parse_parameters(semicolon + parameters)).get("id") or ""


def _retry_after(response: Response) -> float | None:
    """Seconds of Retry-After (RFC 3261 section 20.33), without its comment and parameters; None if it is absent."""
    text = (response.get("Retry-After") or "").partition(";")[0].partition("(")[0].strip()
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
