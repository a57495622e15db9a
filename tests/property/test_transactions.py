"""Whatever happens to transactions, each ends in time, tells its user once how it ended, and is silent then."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from sipcore.effects import Effect, Transmit
from sipcore.errors import UsageError
from sipcore.syntax.message import Request, Response, ack_for, cancel_for
from sipcore.syntax.parser import parse_message
from sipcore.transaction.events import FlowFailed, ResponseReceived, TimedOut
from sipcore.transaction.invite_client import State as InviteClientState
from sipcore.transaction.table import ClientTransaction, ServerTransaction, TransactionTable
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Flow
from tests.unit.sipcore.transaction.support import TCP, UDP, request, response, word

AGAIN = Flow(TCP.transport, TCP.local, TCP.remote, connection=2)
"""A second connection to the same peer."""


@dataclass
class Watched:
    """A transaction, and what was seen of it."""

    transaction: ClientTransaction | ServerTransaction
    request: Request
    started: float
    decided: float | None = None
    """When the final response came, or was given."""
    given: set[bytes] = field(default_factory=set)
    """The responses of the user of a server transaction."""
    sent: Counter[str] = field(default_factory=Counter)
    told: list[Effect] = field(default_factory=list)
    abandoned: bool = False
    over: bool = False

    @property
    def is_client(self) -> bool:
        return isinstance(self.transaction, ClientTransaction)

    @property
    def is_invite(self) -> bool:
        return self.request.method == "INVITE"


class Bench:
    """A table under test, with a clock that only moves forward, and a tick at every time it shows."""

    def __init__(self, timers: Timers) -> None:
        self.table = TransactionTable(timers)
        self.timers = timers
        self.now = 100.0
        self.watched: list[Watched] = []

    # -- what can happen --------------------------------------------------------------------------

    def begin(self, client: bool, method: str, flow: Flow) -> None:
        """A request of ours, or one of the peer."""
        wanted = request(method, branch=f"z9hG4bK{len(self.watched)}", call_id=str(len(self.watched)))
        if client:
            transaction, effects = self.table.send(wanted, flow, self.now)
            self.watched.append(Watched(transaction, wanted, self.now))
            self.take(effects)
        else:
            self.watched.append(Watched(self.table.accept(wanted, flow), wanted, self.now))

    def receive(self, one: Watched, status: int) -> None:
        """The peer answers a request of ours; or sends its own again, or an ACK or a CANCEL."""
        if one.is_client:
            effects = self.pass_up(response(status, one.request))
            assert one.over == (effects is None), "known while it lives, and unknown after that"
            if status >= 200 and one.decided is None:
                one.decided = self.now
            self.take(effects or [])
            return
        message = one.request
        if one.is_invite and status % 3:
            message = ack_for(message, response(486)) if status % 3 == 1 else cancel_for(message)
        found = self.table.find_server(message)
        if message is one.request:
            assert one.over == (found is None)
        if found is not None:
            self.take(self.table.receive_request(found, message, self.now))

    def pass_up(self, answer: Response) -> list[Effect] | None:
        """Give a response to its transaction, as an endpoint does."""
        transaction = self.table.pass_up(answer, self.now, UDP.remote.host)
        if transaction is None:
            return self.table.receive_response(answer, self.now)
        return [ResponseReceived(transaction, answer)]

    def respond(self, one: Watched, status: int) -> None:
        """The user answers a request of the peer, perhaps in error."""
        if isinstance(one.transaction, ClientTransaction):
            return
        message = response(status, one.request)
        try:
            effects = self.table.respond(one.transaction, message, self.now)
        except UsageError:
            assert one.decided is not None, "only a second final response is a mistake"
            return
        one.given.add(message.to_bytes())
        if status >= 200 and one.decided is None:
            one.decided = self.now
        self.take(effects)

    def close(self, flow: Flow) -> None:
        self.take(self.table.flow_closed(flow, self.now))

    def jump(self, seconds: float) -> None:
        """Let time pass, with nobody awake meanwhile."""
        self.wake(self.now + seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass, with a tick at each deadline."""
        end = self.now + seconds
        while (deadline := self.table.next_deadline()) is not None and deadline <= end:
            assert deadline > self.now, "what was ticked waits for a later time"
            self.wake(deadline)
        self.wake(end)

    def wake(self, now: float) -> None:
        self.now = now
        self.take(self.table.tick(now))
        for one in self.watched:
            assert one.over or now < self.limit(one)

    def settle(self) -> None:
        """Users do what they owe, the peer falls silent, and time passes until nothing waits."""
        for one in self.watched:
            if one.is_client:
                if one.transaction.state is InviteClientState.PROCEEDING:  # cancelled in vain
                    self.table.abandon(one.transaction)  # type: ignore[arg-type]
                    one.abandoned = one.over = True
            elif one.decided is None:
                self.respond(one, 500)
        while self.table.next_deadline() is not None:
            self.advance(10 * self.timers.timeout)

    # -- what must hold ---------------------------------------------------------------------------

    def limit(self, one: Watched) -> float:
        """When a transaction must have ended."""
        timers = self.timers
        if one.is_client and not one.is_invite:
            return one.started + timers.timeout + timers.t4
        if one.decided is not None:
            wait = timers.d if one.is_client else timers.timeout + timers.t4
            return one.decided + max(wait, timers.timeout)
        calling = one.transaction.state is InviteClientState.CALLING
        return one.started + timers.timeout if calling else float("inf")

    def take(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Transmit):
                self.transmitted(effect)
            else:
                one = next(one for one in self.watched if one.transaction is effect.transaction)
                assert not one.over
                one.told.append(effect)
        for one in self.watched:
            one.over = one.over or one.transaction.terminated

    def transmitted(self, effect: Transmit) -> None:
        message = parse_message(effect.data)
        one = next(one for one in self.watched if one.request.via.branch == message.via.branch)
        assert not one.over, "silence after the end"
        assert effect.flow is one.transaction.flow
        if isinstance(message, Request):
            one.sent[message.method] += 1
            assert one.is_client
        else:
            assert effect.data in one.given, "nothing but what the user said"


def check_told(one: Watched) -> None:
    """A client's user hears provisional responses, then one end; after a 2xx to an INVITE only more of them."""
    ends = [effect for effect in one.told if not is_provisional(effect)]
    assert one.told[len(one.told) - len(ends) :] == ends, "nothing provisional after the end"
    if one.abandoned:
        assert ends == []
        return
    assert ends
    if len(ends) > 1:
        assert one.is_invite
        assert all(is_success(effect) for effect in ends)


def is_provisional(effect: Any) -> bool:
    return isinstance(effect, ResponseReceived) and effect.response.status < 200


def is_success(effect: Any) -> bool:
    return isinstance(effect, ResponseReceived) and 200 <= effect.response.status < 300


def check_end(bench: Bench, one: Watched) -> None:
    """What holds of every transaction when all is over."""
    assert one.over
    event(f"{type(one.transaction).__name__} ends in {[word(effect) for effect in one.told][-1:]}")
    reliable = one.transaction.flow.transport.reliable
    if one.is_client:
        check_told(one)
        assert (
            1 <= one.sent["INVITE"] + one.sent["OPTIONS"] <= (1 if reliable else 7 if one.is_invite else 11)
        )
        assert one.is_invite or not one.sent["ACK"]
    else:
        assert len(one.told) <= 1
        assert all(isinstance(effect, FlowFailed) and one.is_invite for effect in one.told)
    if not one.abandoned:
        check_silence(one, bench.now + 1.0)


def check_silence(one: Watched, now: float) -> None:
    """Nothing wakes a transaction that has ended."""
    transaction = one.transaction
    effects = transaction.tick(now) + transaction.flow_failed(now)
    if isinstance(transaction, ClientTransaction):
        for status in (180, 200, 486):
            effects += transaction.receive(response(status, one.request), now)
    else:
        effects += transaction.receive(one.request, now)
        effects += transaction.respond(response(180, one.request), now)
    assert effects == []
    assert transaction.deadline is None


# -- histories -------------------------------------------------------------------------------------

SECONDS = st.sampled_from([0.0, 0.1, 0.5, 1.5, 4.0, 20.0, 31.9, 32.0]) | st.floats(0, 5)
STATUSES = st.sampled_from([100, 180, 200, 202, 302, 404, 486, 487, 603])
FLOWS = st.sampled_from([UDP, TCP, AGAIN])
BEGIN = st.tuples(st.just("begin"), st.booleans(), st.sampled_from(["INVITE", "OPTIONS"]), FLOWS)
RECEIVE = st.tuples(st.just("receive"), st.integers(0, 3), STATUSES)
RESPOND = st.tuples(st.just("respond"), st.integers(0, 3), STATUSES)
ADVANCE = st.tuples(st.just("advance"), SECONDS)
JUMP = st.tuples(st.just("jump"), SECONDS)
CLOSE = st.tuples(st.just("close"), FLOWS)
MESSAGES = st.lists(RECEIVE | RESPOND | ADVANCE, min_size=8, max_size=30)
ANYTHING = st.lists(BEGIN | RECEIVE | RESPOND | ADVANCE | JUMP | CLOSE, max_size=20)
HISTORIES = st.tuples(st.lists(BEGIN, min_size=1, max_size=4), MESSAGES, ANYTHING).map(
    lambda parts: [step for part in parts for step in part]
)
TIMERS = st.sampled_from([Timers(), Timers(t1=0.1, t2=0.8, t4=1.0), Timers(t1=1.0, t2=8.0, t4=2.0)])


@settings(max_examples=200)
@given(timers=TIMERS, history=HISTORIES)
def test_any_history_of_transactions_comes_to_an_end(timers: Timers, history: list[tuple[Any, ...]]) -> None:
    bench = Bench(timers)
    for name, *arguments in history:
        if name in ("receive", "respond"):
            arguments[0] = bench.watched[arguments[0] % len(bench.watched)]
        getattr(bench, name)(*arguments)
    bench.settle()
    for one in bench.watched:
        check_end(bench, one)
    table = bench.table
    assert len(table) == 0
    assert not any([table._clients, table._servers, table._merged, table._streams, len(table.deadlines)])


GAP = st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0, 3.0])


@given(st.lists(st.tuples(GAP, st.sampled_from([0.0, 0.1, 0.4, 0.5, 0.6, 2.0, 9.0]), STATUSES), max_size=12))
def test_each_request_is_sent_again_at_its_own_times_whatever_comes_of_others(
    story: list[tuple[float, float, int]],
) -> None:
    """Of each INVITE: how long after the one before it is sent, and when it is answered, and how."""
    bench, at = Bench(Timers()), 100.0
    begun: list[float] = []
    answers: list[tuple[float, int, int]] = []
    for gap, patience, status in story:
        at += gap
        begun.append(at)
        answers.append((at + patience, len(answers), status))
    sent: dict[int, list[float]] = {}
    for moment, what, status in sorted([*((at, number, 0) for number, at in enumerate(begun)), *answers]):
        while (deadline := bench.table.next_deadline()) is not None and deadline <= moment:
            before = [one.sent["INVITE"] for one in bench.watched]
            bench.wake(deadline)
            for number, one in enumerate(bench.watched):
                if one.sent["INVITE"] > before[number]:
                    sent.setdefault(number, []).append(deadline)
        bench.now = moment
        if status:
            bench.receive(bench.watched[what], status)
        else:
            bench.begin(True, "INVITE", UDP)
    for number, (start, (answered, _, _)) in enumerate(zip(begun, answers, strict=True)):
        due = [start + 0.5 * (2**times - 1) for times in range(1, 7)]
        assert sent.get(number, []) == pytest.approx([moment for moment in due if moment <= answered])


@given(timers=TIMERS, flow=st.sampled_from([UDP, TCP]), method=st.sampled_from(["INVITE", "OPTIONS"]))
def test_without_any_answer_a_request_times_out_after_64_t1(timers: Timers, flow: Flow, method: str) -> None:
    bench = Bench(timers)
    bench.begin(True, method, flow)
    (one,) = bench.watched
    bench.advance(timers.timeout - 0.01)
    assert not one.over
    bench.advance(0.02)
    assert one.over
    assert one.told == [TimedOut(one.transaction)]
    assert one.sent[method] == (1 if flow is TCP else 7 if method == "INVITE" else 11)
