"""What the pure stack asks of the world, and what it tells the transaction user.

`Transmit` and `CloseFlow` are for the driver; all others are facts for the switch (the transaction
user of RFC 3261 section 5). All are frozen values: a test compares lists of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from values import dataclass

if TYPE_CHECKING:
    from sipcore.dialog.callee import CalleeSession
    from sipcore.dialog.caller import CallerSession
    from sipcore.dialog.changes import ChangingSession
    from sipcore.dialog.invite import InviteSession
    from sipcore.events.watch import Watch
    from sipcore.registrar.registrar import BindingChange
    from sipcore.sdp.description import SessionDescription
    from sipcore.syntax.message import Request, Response
    from sipcore.transport.flow import Flow

Effect = Any
"""One of the classes below."""


# -- for the driver ---------------------------------------------------------------------------------


class Transmit(NamedTuple):
    """Send these bytes, one whole message, on this flow."""

    flow: Flow
    data: bytes


fact = tuple.__new__
"""`fact(Ended, (session, cause))` is `Ended(session, cause)` without a call of a Python function."""
transmit = partial(tuple.__new__, Transmit)
"""`Transmit`, of the pair of its values: without a call of a Python function, for each message that is sent is one."""


@dataclass(frozen=True, slots=True)
class CloseFlow:
    """Close a stream connection that broke the rules."""

    flow: Flow


# -- outside sessions ------------------------------------------------------------------------------


class Arrived(NamedTuple):
    """An admitted request that opens no INVITE session (REGISTER, OPTIONS, MESSAGE, ...) wants a response.

    Answer it through `Endpoint.respond(transaction, response, now)`.
    """

    transaction: Any
    request: Request
    identity: str
    """The authenticated extension, as the gate named it."""
    flow: Flow


@dataclass(frozen=True, slots=True)
class Registered:
    """A REGISTER, which has been answered, has changed bindings."""

    changes: Sequence[BindingChange]


@dataclass(frozen=True, slots=True)
class Responded:
    """A response to a request sent with `Endpoint.request`; a time-out arrives as 408, a dead flow as 503."""

    transaction: Any
    response: Response


# -- INVITE sessions -------------------------------------------------------------------------------


class Invited(NamedTuple):
    """A new call. `offer` is None for a late offer (RFC 3261 section 13.2.1)."""

    session: CalleeSession
    request: Request
    identity: str
    offer: SessionDescription | None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The caller cancelled before we answered, or is gone: `status` has been sent (RFC 3261 section 9.2)."""

    session: InviteSession
    status: int = 487


class Acknowledged(NamedTuple):
    """Our 2xx was acknowledged. `answer` is the peer's answer if our 2xx carried the offer."""

    session: InviteSession
    answer: SessionDescription | None


class Progressed(NamedTuple):
    """A provisional response above 100 to our INVITE."""

    session: InviteSession
    response: Response
    description: SessionDescription | None


class Accepted(NamedTuple):
    """Our INVITE was answered with a 2xx; the ACK is sent by the session.

    With a late offer (`session` sent no offer) `description` is the peer's offer and the ACK waits for
    `session.acknowledge(answer, now)`; otherwise it is the answer, or None if a 18x already carried it.
    """

    session: InviteSession
    response: Response
    description: SessionDescription | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Our INVITE failed: a final response >= 300, 408 for a time-out, 503 for a dead flow."""

    session: CallerSession
    response: Response


@dataclass(frozen=True, slots=True)
class Offered:
    """The peer wants to change the session (re-INVITE or UPDATE); `offer` is None for a late offer.

    Answer with `session.answer(description, now)` or `session.refuse(status, now)`.
    """

    session: ChangingSession
    request: Request
    offer: SessionDescription | None


@dataclass(frozen=True, slots=True)
class Answered:
    """Our re-INVITE or UPDATE was accepted."""

    session: ChangingSession
    answer: SessionDescription | None


@dataclass(frozen=True, slots=True)
class OfferRefused:
    """Our re-INVITE or UPDATE failed; the session goes on as it was (RFC 3261 section 14.1)."""

    session: ChangingSession
    response: Response


@dataclass(frozen=True, slots=True)
class RequestInDialog:
    """INFO or another method within the dialog; answer it through `Endpoint.respond`."""

    session: InviteSession
    transaction: Any
    request: Request


@dataclass(frozen=True, slots=True)
class Moved:
    """The peer is reached by another flow from now on, and may send its media from elsewhere."""

    session: InviteSession


class EndCause(Enum):
    """Why a session ended."""

    BYE = "bye"
    """The peer hung up."""
    LOCAL = "local"
    """We hung up, and the peer has confirmed it or the transaction has timed out."""
    NO_ACK = "no-ack"
    """Our 2xx was never acknowledged (RFC 3261 section 13.3.1.4)."""
    TIMEOUT = "timeout"
    """A request within the dialog got 408 or 481, or no response (RFC 3261 section 12.2.1.2)."""
    FLOW_LOST = "flow-lost"
    """The way to the peer is gone."""


class Ended(NamedTuple):
    """An established session is over. Told once; nothing of it follows."""

    session: InviteSession
    cause: EndCause


# -- subscriptions of ours ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Notified:
    """A NOTIFY of something that we have subscribed to; it has been answered."""

    watch: Watch
    request: Request


@dataclass(frozen=True, slots=True)
class WatchEnded:
    """A subscription of ours is over. Told once; nothing of it follows."""

    watch: Watch
    status: int
    """200 where the notifier said so, else the final response that ended it."""
    reason: str
    """The reason that the notifier gave (RFC 6665 section 4.1.3); empty if it gave none."""
