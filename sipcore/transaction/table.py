"""All transactions of an endpoint: found by the messages that match them, ticked, and dropped at their end.

How an endpoint uses it:

- A request of ours, with its Via: `send`.
- A response: `pass_up`, which knows nearly all; `receive_response` knows every one, and its None means that nobody
  waits for it: drop it (RFC 6026).
- A request: `find_server` first. If that gives a transaction, `receive_request` answers the retransmission
  or absorbs the ACK. Otherwise, where the request is to be served: `is_merged` (then 482), `accept`, and
  later `respond`, any number of times up to the final response; or `answer`, where that is known at once.
- A CANCEL is a request of its own; what it cancels is `find_cancelled`.
- `tick` when `next_deadline` has come, `flow_closed` when a stream connection is gone.

Every method that may move a transaction returns effects: `Transmit` for the driver, and the events of
`sipcore.transaction.events`, which tell the `user` of their transaction something.
"""

from __future__ import annotations

from typing import Any

from sipcore.deadlines import Deadlines
from sipcore.effects import Effect, transmit
from sipcore.syntax.headers import Via
from sipcore.syntax.message import Printed, Request, Response
from sipcore.transaction.answered import Answered, answered
from sipcore.transaction.invite_client import InviteClient
from sipcore.transaction.invite_server import InviteServer
from sipcore.transaction.lingering import Lingering
from sipcore.transaction.matching import (
    Key,
    client_key,
    first_invite_key,
    merged_key,
    server_key,
)
from sipcore.transaction.request_client import RequestClient
from sipcore.transaction.request_server import RequestServer
from sipcore.transaction.timers import Timers
from sipcore.transaction.transaction import Client
from sipcore.transport.flow import Flow

ClientTransaction = InviteClient | RequestClient
ServerTransaction = InviteServer | RequestServer
AnyTransaction = ClientTransaction | ServerTransaction
OF_USUAL_KEY = 3
"""How many parts it has; those of RFC 2543 clients have more."""


class TransactionTable:
    """Finds transactions, watches their deadlines, and keeps nothing of those that have ended."""

    def __init__(self, timers: Timers) -> None:
        self.timers = timers
        self._timer_j = timers.timeout
        self._clients: dict[Key, ClientTransaction] = {}
        self._servers: dict[Key, ServerTransaction | Answered] = {}
        self._has_old_clients = False
        """Whether any client was of RFC 2543: nearly never, and then nobody looks for theirs."""
        self._merged: dict[Key, ServerTransaction | Answered] = {}
        self._streams: dict[Flow, dict[AnyTransaction, None]] = {}
        """The transactions of each stream connection, in order, to be found when it breaks."""
        self._unanswered: Lingering[AnyTransaction] = Lingering(0.0)
        """Requests over UDP whose first retransmission is still to come: nearly always there is an answer before."""
        self._lingering: dict[float, Lingering[Any]] = {
            seconds: Lingering() for seconds in (timers.timeout, timers.t4, timers.d)
        }
        """Those that wait for nothing but their end, by the seconds that they do so."""
        self.deadlines: Deadlines[Any] = Deadlines()
        """Of these queues, and of all other transactions."""

    def __len__(self) -> int:
        """How many transactions live, those included that only absorb retransmissions."""
        return len(self._clients) + len(self._servers)

    # -- clients --------------------------------------------------------------------------------------

    def send(
        self, request: Request, flow: Flow, now: float, branch: str | None = None, user: Any = None
    ) -> tuple[ClientTransaction, list[Effect]]:
        """Begin a client transaction for a request, but no ACK, that has its Via with a `branch` of its own, which
        need not be read from there by who knows it; `user` is to hear of it. Raises UsageError, and begins nothing,
        where a header of it has a line break."""
        method = request.method
        kind = InviteClient if method == "INVITE" else RequestClient
        key = client_key(request) if branch is None else (branch, method)
        data = request.to_bytes()  # first: what cannot be printed is not kept
        self._clients[key] = transaction = kind(request, flow, self.timers, now, key, user)
        if flow.transport.reliable:
            self._join_stream(transaction)
            self.deadlines.watch(transaction)
        else:
            queue = self._unanswered
            queue.waiting[transaction] = now + self.timers.t1
            if queue.deadline is None:
                self._watch(queue, now + self.timers.t1)
        return transaction, [transmit((flow, data))]

    def pass_up(self, response: Response, now: float, host: str) -> ClientTransaction | None:
        """Give a response from `host` to its transaction, where nothing comes of it but that its user is to be told;
        None, and nothing has happened, where it is to be given to `receive_response`."""
        transaction = self._clients.get((response.branch, response.cseq_method))  # `client_key`
        if transaction is None or not response.sole_via:
            return None
        seconds = transaction.passes(response, host, now)
        if seconds is None:
            return None
        if self._unanswered.waiting.pop(transaction, None) is None:
            self.deadlines.forget(transaction)
        if seconds:
            queue = self._lingering[seconds]
            queue.waiting[transaction] = now + seconds
            if queue.deadline is None:
                self._watch(queue, now + seconds)
        return transaction

    def receive_response(
        self, response: Response, now: float, host: str | None = None
    ) -> list[Effect] | None:
        """Give a response to its transaction; None if there is none.

        A response with several Via values was meant for somebody else (RFC 3261 section 8.1.3.3), and one from
        another `host` than the request went to is none.
        """
        transaction = self._clients.get((response.branch, response.cseq_method))  # `client_key`
        if transaction is None or not response.sole_via:
            return None
        if host is not None and host != transaction.flow.host:
            return None
        return self._settle(transaction, transaction.receive(response, now))

    def abandon(self, transaction: ClientTransaction) -> None:
        """Drop a client transaction in whatever state, for instance an INVITE that was cancelled, and had no
        final response 64*T1 later (section 9.1). Nothing more is told of it."""
        self._drop_client(transaction)

    # -- servers --------------------------------------------------------------------------------------

    def find_server(self, request: Request) -> ServerTransaction | Answered | None:
        """The transaction that a retransmission, or an ACK for a failure, belongs to; None for a new request.

        An ACK for a 2xx is none of the transaction's business even where it has the branch of its INVITE
        (RFC 6026 section 7.1: it is passed on): for that, too, the answer is None.
        """
        method = request.method
        if method != "ACK":
            found = self._servers.get((request.branch, request.sent_by, method))  # `server_key` of nearly all
            if found is None and self._has_old_clients:
                found = self._servers.get(server_key(request, method))
            return found
        found = self._servers.get((request.branch, request.sent_by, "INVITE"))
        if found is None and self._has_old_clients:
            found = self._servers.get(server_key(request, "INVITE")) or self._servers.get(first_invite_key(request))
        return found if isinstance(found, InviteServer) and not found.accepted else None

    def find_cancelled(self, cancel: Request) -> ServerTransaction | Answered | None:
        """The INVITE that a CANCEL cancels (section 9.2); other requests cannot be."""
        return self._servers.get(server_key(cancel, "INVITE"))

    def serves(self, via: Via, method: str) -> bool:
        """Whether a request with this Via belongs to a transaction that lives, as far as its branch tells."""
        return (via.branch, (via.host, via.port), method) in self._servers

    def receive_request(
        self, transaction: ServerTransaction | Answered, request: Request, now: float
    ) -> list[Effect]:
        """Give a retransmission or an ACK to the transaction that `find_server` has found."""
        if isinstance(transaction, Answered):
            return transaction.receive(request, now)
        return self._settle(transaction, transaction.receive(request, now))

    def is_merged(self, request: Request) -> bool:
        """Whether a request that `find_server` did not find is here by another way (section 8.2.2.2)."""
        key = request.call_id, request.from_tag, request.cseq_number, request.method  # `merged_key`
        return key in self._merged and not request.to_tag

    def has_merged(self, key: Key) -> bool:
        """The same of a request that has this `merged_key`, and no To tag."""
        return key in self._merged

    def has_server(self, key: Key) -> bool:
        """Whether a request that has this `server_key` belongs to a transaction."""
        return key in self._servers

    def accept(self, request: Request, flow: Flow) -> ServerTransaction:
        """Begin a server transaction; `flow` is where responses go. The caller owes it a final response."""
        method = request.method
        kind = InviteServer if method == "INVITE" else RequestServer
        key = server_key(request, method)
        if len(key) > OF_USUAL_KEY:
            self._has_old_clients = True
        self._servers[key] = transaction = kind(request, flow, self.timers, key)
        if not request.to_tag:
            transaction.merged_key = merged = request.call_id, request.from_tag, request.cseq_number, method
            self._merged[merged] = transaction
        if flow.transport.reliable:
            self._join_stream(transaction)
        return transaction

    def answer(self, request: Request, flow: Flow, data: bytes, now: float) -> list[Effect]:
        """`accept` a request that is no INVITE, and `respond` to it by `data`, a final response, in one go."""
        if not flow.transport.reliable:  # on others nothing comes again
            merged = None if request.to_tag else merged_key(request)
            key = server_key(request, request.method)
            if len(key) > OF_USUAL_KEY:
                self._has_old_clients = True
            self.keep_answer(key, merged, flow, data, now)
        return [transmit((flow, data))]

    def keep_answer(self, key: Key, merged: Key | None, flow: Flow, data: bytes, now: float) -> None:
        """Have retransmissions of what has this `server_key` and `merged_key` answered by `data`."""
        wait = self._timer_j
        ends_at = now + wait
        self._servers[key] = kept = answered((key, merged, flow, data, ends_at))
        if merged is not None:
            self._merged[merged] = kept
        queue = self._lingering[wait]
        queue.waiting[kept] = ends_at
        if queue.deadline is None:
            self._watch(queue, ends_at)

    def respond(
        self, transaction: ServerTransaction, response: Response | Printed, now: float
    ) -> list[Effect]:
        """Send a response. Raises UsageError on a second final one, unless it is a 2xx of an INVITE again."""
        effects = transaction.respond(response, now)
        if transaction.lingers and not transaction.terminated:  # as it does from its first final response on
            self._linger(transaction)
            return effects
        if response.status < 200:
            return effects
        return self._settle(transaction, effects)

    # -- time and flows -------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `tick` wants to be called; None if nothing waits."""
        return self.deadlines.next()

    def tick(self, now: float) -> list[Effect]:
        """Tick every transaction whose deadline has come; the next deadline is later than `now` then."""
        effects: list[Effect] = []
        while (due := self.deadlines.due(now)) is not None:
            if due is self._unanswered:
                for transaction in due.due(now):
                    effects += self._settle(transaction, transaction.tick(now))
                self.deadlines.watch(due)
            elif isinstance(due, Lingering):
                self._expire(due.due(now))
                self.deadlines.watch(due)
            else:
                effects += self._settle(due, due.tick(now))
        return effects

    def flow_closed(self, flow: Flow, now: float) -> list[Effect]:
        """A stream connection is gone: end every transaction on it. (UDP has no connection that could go.)"""
        effects: list[Effect] = []
        for transaction in self._streams.pop(flow, ()):
            effects += self._settle(transaction, transaction.flow_failed(now))
        return effects

    def unsent(self, request: Request, now: float) -> list[Effect]:
        """A request of ours cannot be sent: end its transaction, if that lives."""
        transaction = self._clients.get(client_key(request))
        return [] if transaction is None else self._settle(transaction, transaction.flow_failed(now))

    # -- books ----------------------------------------------------------------------------------------

    def _settle(self, transaction: AnyTransaction, effects: list[Effect]) -> list[Effect]:
        """Note what a step has changed."""
        if not transaction.terminated:
            self._unanswered.waiting.pop(transaction, None)
            if transaction.lingers:
                self.deadlines.forget(transaction)
                self._linger(transaction)
            elif transaction.deadline is not None:
                self.deadlines.watch(transaction)
            return effects
        if not effects:  # nobody is told: then nobody is kept either, but by whoever knows the transaction
            transaction.user = None
        if isinstance(transaction, Client):
            self._drop_client(transaction)
        else:
            self._drop_server(transaction)
        return effects

    def _linger(self, transaction: AnyTransaction) -> None:
        queue, ends_at = self._lingering[transaction.lingers], transaction.deadline
        assert ends_at is not None
        queue.waiting[transaction] = ends_at
        if queue.deadline is None:
            self._watch(queue, ends_at)

    def _watch(self, queue: Lingering[Any], first: float) -> None:
        queue.deadline = first
        self.deadlines.watch(queue)

    def _expire(self, ended: list[Any]) -> None:
        """Those that lingered have come to their end, and nobody is told."""
        clients, streams = self._clients, self._streams
        for transaction in ended:
            if not isinstance(transaction, Answered):
                transaction.expire()
                if streams and transaction.flow.transport.reliable:
                    self._leave_stream(transaction)
                if isinstance(transaction, Client):
                    key = transaction.key
                    if clients.get(key) is transaction:
                        del clients[key]
                    continue
            self._strike_out(transaction)

    def _drop_client(self, transaction: ClientTransaction) -> None:
        if self._clients.get(transaction.key) is transaction:
            del self._clients[transaction.key]
        self._drop(transaction)

    def _drop_server(self, transaction: ServerTransaction) -> None:
        self._strike_out(transaction)
        self._drop(transaction)

    def _strike_out(self, transaction: ServerTransaction | Answered) -> None:
        key = transaction.key
        if self._servers.get(key) is transaction:
            del self._servers[key]
        merged = transaction.merged_key
        if merged is not None and self._merged.get(merged) is transaction:
            del self._merged[merged]

    def _drop(self, transaction: AnyTransaction) -> None:
        if transaction.lingers:
            self._lingering[transaction.lingers].waiting.pop(transaction, None)
        else:
            self._unanswered.waiting.pop(transaction, None)
            self.deadlines.forget(transaction)
        if transaction.flow.transport.reliable:
            self._leave_stream(transaction)

    def _join_stream(self, transaction: AnyTransaction) -> None:
        self._streams.setdefault(transaction.flow, {})[transaction] = None

    def _leave_stream(self, transaction: AnyTransaction) -> None:
        others = self._streams.get(transaction.flow)
        if others is not None:
            others.pop(transaction, None)
            if not others:
                del self._streams[transaction.flow]
