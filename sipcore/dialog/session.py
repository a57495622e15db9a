"""What every INVITE session has: state, dialog, agreement, and the messages it sends (RFC 3261 sections 12 to 15)."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any

from sipcore.dialog.dialog import Dialog, DialogId
from sipcore.dialog.offer_answer import LOCAL_OFFER, OfferAnswer
from sipcore.dialog.session_timer import OPTION, SessionTimer
from sipcore.effects import Effect, Transmit, transmit
from sipcore.errors import PeerError, UsageError
from sipcore.sdp.description import SessionDescription
from sipcore.syntax.headers import split_values
from sipcore.syntax.message import (
    HeaderList,
    Printed,
    Request,
    Response,
    print_answer,
    print_copied,
    print_fields,
)
from sipcore.syntax.printed import PrintedRequest
from sipcore.syntax.remember import remembered
from sipcore.usage import Core
from values import dataclass

if TYPE_CHECKING:
    from sipcore.transaction.table import ClientTransaction, ServerTransaction
    from sipcore.transport.flow import Flow

Headers = Iterable[tuple[str, str]]
SDP = "application/sdp"
CONTENT_TYPE = f"Content-Type: {SDP}\r\n"
_NOTHING: frozenset[str] = frozenset()
_parse_description = SessionDescription.parse
_OPTIONAL = re.compile(r";\s*handling\s*=\s*optional\b", re.IGNORECASE)


class SessionState(Enum):
    """How far a session has come."""

    SETTING_UP = "setting up"
    ESTABLISHED = "established"
    ENDING = "ending"
    """BYE is sent, or waits for an ACK to come first."""
    ENDED = "ended"

    __hash__ = object.__hash__


SETTING_UP, ESTABLISHED, ENDING, ENDED = SessionState


@dataclass(slots=True)
class Unacknowledged:
    """A 2xx of ours that is sent again until its ACK comes (section 13.3.1.4)."""

    cseq: int
    data: bytes
    flow: Flow
    interval: float
    retransmit_at: float
    give_up_at: float
    offers: bool = False
    """Whether it carries our offer, and its ACK the answer."""


class Session:
    """State, dialog and messages of one session. `owner` is for whoever steers it.

    What every call looks at has a slot, also in the classes derived from this; what most sessions never have begins
    as an attribute of the class. That class is no ABC, for those make `isinstance` a call in Python.
    """

    __slots__ = (
        "__dict__", "__weakref__", "_change", "_copied", "_forsaken", "_late_offer", "_own_change", "_peer_allows",
        "_retry", "_timer", "_unacknowledged", "core", "dialog", "dialog_ids", "flow", "identity", "offers", "owner",
        "request", "state",
    )  # fmt: skip

    state: SessionState
    offers: OfferAnswer
    dialog: Dialog | None
    dialog_ids: tuple[DialogId, ...]
    _peer_allows: frozenset[str]
    """The methods that the peer says it takes."""
    _unacknowledged: Unacknowledged | None
    _copied: str
    """What responses to the INVITE copy from it, printed with the first."""
    _late_offer: bool
    """Whether our INVITE was to be answered with an offer."""
    _timer: SessionTimer | None
    _change: ServerTransaction | None
    """The peer's re-INVITE or UPDATE that waits for our answer."""
    _own_change: ClientTransaction | None
    """Our re-INVITE or UPDATE that waits for the peer's."""
    _retry: tuple[float, str, SessionDescription] | None
    """When a change that met a 491 is tried again, by which method, and its offer."""
    _forsaken: tuple[float, ClientTransaction] | None
    """How long a change of ours is waited for that had no final response at the end: its INVITE transaction would wait
    for ever."""

    def __init__(
        self, core: Core, request: Request, flow: Flow, identity: str = "", owner: Any = None
    ) -> None:
        self.core = core
        self.request = request
        self.flow = flow
        self.identity = identity
        self.owner = owner
        self.state = SETTING_UP
        self.dialog_ids = ()
        self._peer_allows = _NOTHING
        self._copied = ""
        self._late_offer = False
        self.dialog = self._unacknowledged = self._timer = None
        self._change = self._own_change = self._retry = self._forsaken = None

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
    def timer(self) -> SessionTimer:
        """Of the whole session, from when messages speak of it: nearly all of a PBX never do."""
        timer = self._timer
        if timer is None:
            self._timer = timer = SessionTimer(self.core.settings.session_timers)
        return timer

    @property
    def _over(self) -> bool:
        return self.state is ENDING or self.state is ENDED

    @property
    @abstractmethod
    def deadline(self) -> float | None:
        """When `tick` wants to be called."""

    @abstractmethod
    def tick(self, now: float) -> list[Effect]:
        """A deadline has come."""

    # -- messages ---------------------------------------------------------------------------------------

    @property
    def _local_headers(self) -> list[tuple[str, str]]:
        """Contact and what every message of ours says about us."""
        dialog = self.dialog
        assert dialog is not None
        return self.core.local_headers(self.flow, dialog.address.uri.user or "", dialog.contact_scheme)

    def _print(
        self,
        request: Request,
        status: int,
        description: SessionDescription | None,
        fields: str = "",
        reason: str | None = None,
    ) -> Printed:
        """A response of ours; `fields` are printed already. Raises UsageError where `reason` has a line break."""
        dialog = self.dialog
        assert dialog is not None
        if request is not self.request:
            copied = print_copied(request, dialog.id[1])
        else:
            copied = self._copied
            if not copied:
                copied = self._copied = print_copied(request, dialog.id[1])
            if status < 300 and "Record-Route" in request.first:
                fields += print_fields(record_routes(request))
        if status < 300:
            core, flow = self.core, self.flow
            user, scheme = dialog.address.uri.user or "", dialog.contact_scheme
            fields = core.about_us.fields(flow.transport, core.advertised(flow), user, scheme) + fields
        body = b""
        if description is not None:
            fields += CONTENT_TYPE
            body = description.to_bytes()
        return print_answer(status, reason, copied, fields, body)

    def _send_success(
        self,
        transaction: ServerTransaction,
        request: Request,
        description: SessionDescription | None,
        fields: str,
        now: float,
    ) -> list[Effect]:
        """Send a 200; that of an INVITE again and again until its ACK comes. `fields` are printed already."""
        core = self.core
        if self.state is ESTABLISHED and request.method != "PRACK":
            if request is not self.request:  # what that says has been noted
                self._note_abilities(request)
            if "Session-Expires" in request.first or self._timer is not None or request.supports(OPTION):
                fields += print_fields(self.timer.grant(request, now))
        response = self._print(request, 200, description, fields)
        if request.method == "INVITE":
            timers = core.transactions.timers
            self._unacknowledged = Unacknowledged(
                request.cseq_number,
                response.data,
                self.flow if transaction.terminated else transaction.flow,  # the peer may be back by another
                timers.t1,
                now + timers.t1,
                now + timers.timeout,
                offers=description is not None and self.offers.state is LOCAL_OFFER,
            )
            core.watch(self, now + timers.t1)
        else:
            core.watch(self)
        return core.transactions.respond(transaction, response, now)

    def _note_abilities(self, message: Request | Response) -> None:
        """Keep what the peer says it takes (section 20.5); it need not say it each time."""
        first = message.first
        if "Allow" in first:
            once = message.has_each_once()  # nearly always
            self._peer_allows = (
                _methods(first["Allow"] if once else ", ".join(message.get_all("Allow"))) or self._peer_allows
            )

    def _send_in_dialog(
        self, method: str, now: float, headers: Headers = (), body: bytes = b""
    ) -> tuple[ClientTransaction, list[Effect]]:
        if self.dialog is None:
            raise UsageError(f"{method} needs a dialog")
        return self._send_within(self.dialog, method, now, headers, body)

    def _send_within(
        self, dialog: Dialog, method: str, now: float, headers: Headers = (), body: bytes = b""
    ) -> tuple[ClientTransaction, list[Effect]]:
        core = self.core
        branch, via = core.via(self.flow)
        request = PrintedRequest(method, dialog.printed(method, via, headers, body))
        return core.transactions.send(request, self.flow, now, branch, self)

    def _ack_within(self, dialog: Dialog, cseq: int, headers: Headers = (), body: bytes = b"") -> Transmit:
        """The ACK of a 2xx has no transaction."""
        _, via = self.core.via(self.flow)
        return transmit((self.flow, dialog.printed("ACK", via, headers, body, cseq=cseq)))

    def _acknowledge(self, response: Response) -> list[Effect]:
        """Acknowledge a 2xx of our re-INVITE."""
        assert self.dialog is not None
        return [self._ack_within(self.dialog, response.cseq_number)]

    def _take_answer(self, message: Request | Response) -> SessionDescription | None:
        """The answer in an ACK or a response, where one was due. Raises PeerError if it is no answer."""
        if self.offers.state is not LOCAL_OFFER:
            return None
        answer = description_of(message)
        if answer is None:
            raise PeerError("the answer is missing")
        self.offers.receive_answer(answer)
        return answer


def record_routes(request: Request) -> HeaderList:
    """For the route set of whoever has sent it (section 12.1.1)."""
    return [("Record-Route", value) for value in request.get_all("Record-Route")]


@remembered(256)
def _methods(allow: str) -> frozenset[str]:
    return frozenset(split_values(allow))


def description_of(message: Request | Response) -> SessionDescription | None:
    """The session description in a message; None if it has no body. Raises PeerError(400 or 415).

    A body of another kind may be left unread where the sender says so (section 8.2.3).
    """
    body, first = message.body, message.first
    if not body:
        return None
    if first.get("Content-Type") == SDP and "Content-Encoding" not in first:  # nearly always
        return _parse_description(body)
    encoding = first.get("Content-Encoding") or "identity"
    if message.content_type != SDP or encoding.lower() != "identity":
        if _OPTIONAL.search(message.get("Content-Disposition") or ""):
            return None
        raise PeerError(f"a body of type {message.content_type}, encoding {encoding}", status=415)
    return _parse_description(body)
