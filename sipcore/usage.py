"""What lives in the dialogs of an endpoint (RFC 5057): INVITE sessions, subscriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from sipcore.deadlines import Timed
    from sipcore.dialog.dialog import DialogId
    from sipcore.effects import Effect
    from sipcore.endpoint import EndpointSettings
    from sipcore.syntax.identifiers import Identifiers
    from sipcore.syntax.message import Request, Response
    from sipcore.transaction.table import ClientTransaction, ServerTransaction, TransactionTable
    from sipcore.transport.about_us import AboutUs
    from sipcore.transport.flow import Address, Flow


class Usage(Protocol):
    """One use of one or more dialogs. Every method that takes `now` (seconds) returns effects."""

    flow: Flow
    """The way to the peer."""
    dialog_ids: tuple[DialogId, ...]
    """The dialogs that `Core.enter` was called for."""

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called."""

    def hears(self, dialog: DialogId, flow: Flow) -> bool:
        """Whether a request within one of its dialogs is to be listened to; the answer is 481 if not. An empty remote
        tag of `dialog` is none."""

    def receive_request(self, request: Request, transaction: ServerTransaction, now: float) -> list[Effect]:
        """A request within its dialogs, but no ACK, no CANCEL, and no BYE of a session.

        Raises PeerError with the status to answer.
        """

    def receive_ack(self, request: Request, now: float) -> list[Effect]:
        """The ACK of a 2xx."""

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> list[Effect]:
        """A response to one of its requests; a time-out comes as a 408, a dead flow as a 503 (section 8.1.3.1).

        Raises PeerError for a response that makes no sense.
        """

    def flow_closed(self, now: float) -> list[Effect]:
        """The way to the peer is gone."""

    def tick(self, now: float) -> list[Effect]:
        """A deadline has come."""

    def hang_up(self, now: float) -> list[Effect]:
        """End it in the way that the protocol has for that; does nothing where it is ending already."""


class Core(Protocol):
    """What a usage needs of its endpoint."""

    settings: EndpointSettings
    transactions: TransactionTable
    random: Random
    identifiers: Identifiers
    about_us: AboutUs
    advertised: Callable[[Flow], Address]
    """Where the peer of a flow is told to reach us."""

    def send(
        self, request: Request, flow: Flow, user: Any, now: float, branch: str | None = None
    ) -> tuple[ClientTransaction, list[Effect]]:
        """Begin a client transaction: adds the Via, where the request has not the one of `branch` already."""

    def via(self, flow: Flow) -> tuple[str, str]:
        """The branch and the Via of a new request of ours."""

    def local_headers(self, flow: Flow, user: str, scheme: str = "sip") -> list[tuple[str, str]]:
        """Contact and what every message of ours says about us."""

    def join(self, usage: Usage, before: Flow | None = None) -> None:
        """The usage has begun; to be called again when it has another flow than the one `before`."""

    def enter(self, usage: Usage, dialog: DialogId) -> None:
        """Requests within this dialog are the usage's. An empty remote tag stands for any that has no usage."""

    def leave(self, usage: Usage) -> None:
        """The usage is over; requests within its dialogs are nobody's."""

    def watch(self, usage: Timed, deadline: float | None = None, /) -> None:
        """The usage's deadline has changed. Who knows that it is not before `deadline` may say so."""
