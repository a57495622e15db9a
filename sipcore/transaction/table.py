"""All transactions of an endpoint: found by the messages that match them, ticked, and dropped at their end."""

from __future__ import annotations

from sipcore.deadlines import Deadlines
from sipcore.effects import Effect
from sipcore.syntax.message import Request, Response
from sipcore.transaction.invite_client import InviteClient
from sipcore.transaction.invite_server import InviteServer
from sipcore.transaction.matching import Key, client_key, merged_key, server_key
from sipcore.transaction.request_client import RequestClient
from sipcore.transaction.request_server import RequestServer
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Flow

ClientTransaction = InviteClient | RequestClient
ServerTransaction = InviteServer | RequestServer


class TransactionTable:
    """Every method that may move a machine returns its effects, and keeps the books straight afterwards."""

    def __init__(self, timers: Timers) -> None:
        self.timers = timers
        self._clients: dict[Key, ClientTransaction] = {}
        self._servers: dict[Key, ServerTransaction] = {}
        self._merged: dict[Key, ServerTransaction] = {}
        self._deadlines: Deadlines[ClientTransaction | ServerTransaction] = Deadlines()

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    # -- clients --------------------------------------------------------------------------------------

    def send(self, request: Request, flow: Flow, now: float) -> tuple[ClientTransaction, list[Effect]]:
        """Begin a client transaction for a request that has its Via."""
        kind = InviteClient if request.method == "INVITE" else RequestClient
        transaction = kind(request, flow, self.timers)
        self._clients[transaction.key] = transaction
        return transaction, self._settle(transaction, transaction.start(now))

    def receive_response(self, response: Response, now: float) -> list[Effect] | None:
        """Give a response to its transaction; None if there is none."""
        transaction = self._clients.get(client_key(response))
        return None if transaction is None else self._settle(transaction, transaction.receive(response, now))

    def abandon(self, transaction: ClientTransaction) -> None:
        """Drop a client transaction whose response nobody waits for any more (section 9.1)."""
        self._clients.pop(transaction.key, None)
        self._deadlines.forget(transaction)

    # -- servers --------------------------------------------------------------------------------------

    def find_server(self, request: Request, method: str | None = None) -> ServerTransaction | None:
        """The server transaction of a request, or of the request of another method that it speaks of."""
        return self._servers.get(server_key(request, method))

    def receive_request(self, transaction: ServerTransaction, request: Request, now: float) -> list[Effect]:
        """Give a retransmission or an ACK to its transaction."""
        return self._settle(transaction, transaction.receive(request, now))

    def is_merged(self, request: Request) -> bool:
        """Whether the same request has come by another way (section 8.2.2.2)."""
        return not request.to.tag and merged_key(request) in self._merged

    def accept(self, request: Request, flow: Flow) -> ServerTransaction:
        """Begin a server transaction."""
        kind = InviteServer if request.method == "INVITE" else RequestServer
        transaction = kind(request, flow, self.timers, server_key(request))
        self._servers[transaction.key] = transaction
        if not request.to.tag:
            self._merged[merged_key(request)] = transaction
        return transaction

    def respond(self, transaction: ServerTransaction, response: Response, now: float) -> list[Effect]:
        """Send a response. Raises UsageError on a second final one."""
        return self._settle(transaction, transaction.respond(response, now))

    # -- time and flows -------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `tick` wants to be called."""
        return self._deadlines.next()

    def tick(self, now: float) -> list[Effect]:
        """Tick every transaction whose deadline has come."""
        effects: list[Effect] = []
        while (transaction := self._deadlines.due(now)) is not None:
            effects += self._settle(transaction, transaction.tick(now))
        return effects

    def flow_closed(self, flow: Flow, now: float) -> list[Effect]:
        """Tell every transaction on a flow that it is gone."""
        effects: list[Effect] = []
        for transaction in [*self._clients.values(), *self._servers.values()]:
            if transaction.flow == flow:
                effects += self._settle(transaction, transaction.flow_failed(now))
        return effects

    def _settle(self, transaction: ClientTransaction | ServerTransaction, effects: list[Effect]) -> list[Effect]:
        """Note what a step has changed."""
        if not transaction.terminated:
            self._deadlines.watch(transaction)
            return effects
        self._deadlines.forget(transaction)
        if isinstance(transaction, InviteClient | RequestClient):
            self._clients.pop(transaction.key, None)
        else:
            self._servers.pop(transaction.key, None)
            merged = merged_key(transaction.request)
            if self._merged.get(merged) is transaction:
                del self._merged[merged]
        return effects
