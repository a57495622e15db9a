"""What transactions tell their user; the endpoint turns these into the facts of `sipcore.effects`.

They stand among the effects that the methods of a transaction return, beside `Transmit`. Whom to tell says
`event.transaction.user`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from values import dataclass

if TYPE_CHECKING:
    from sipcore.syntax.message import Response
    from sipcore.transaction.invite_client import InviteClient
    from sipcore.transaction.invite_server import InviteServer
    from sipcore.transaction.request_client import RequestClient


class ResponseReceived(NamedTuple):
    """A response to our request: each provisional one, one final, and for an INVITE every further 2xx."""

    transaction: InviteClient | RequestClient
    response: Response


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No final response came (timers B and F); to be taken as a 408 (RFC 3261 section 8.1.3.1)."""

    transaction: InviteClient | RequestClient


@dataclass(frozen=True, slots=True)
class FlowFailed:
    """The flow is gone before there was a final response; for a client to be taken as a 503.

    Of server transactions only that of an INVITE tells this: somebody may be ringing for it.
    """

    transaction: InviteClient | RequestClient | InviteServer


TransactionEvent = (ResponseReceived, TimedOut, FlowFailed)
"""For `isinstance`, which takes far longer with a union."""
