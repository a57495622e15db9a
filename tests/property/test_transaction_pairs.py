"""Two tables at the ends of a pipe that loses, doubles and reorders: both sides agree, and nothing is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from random import Random

from hypothesis import event, given
from hypothesis import strategies as st

from sipcore.effects import Effect, Transmit
from sipcore.syntax.message import Request, Response, cancel_for, response_to
from sipcore.syntax.parser import parse_message
from sipcore.transaction.events import ResponseReceived
from sipcore.transaction.invite_server import InviteServer
from sipcore.transaction.table import ClientTransaction, ServerTransaction, TransactionTable
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Flow
from tests.unit.sipcore.transaction.support import TCP, UDP, request, words

TIMERS = Timers()


@dataclass(frozen=True)
class Pipe:
    """What becomes of a packet. No packet travels longer than a copy may lag behind its original (timer J
    and L less timer B), or a request could be served twice: the protocol does not prevent that."""

    flow: Flow
    loss: float = 0.0
    duplication: float = 0.0
    jitter: float = 0.0

    def delays(self, random: Random) -> list[float]:
        """The travel times of the copies that arrive."""
        copies = 0 if random.random() < self.loss else 2 if random.random() < self.duplication else 1
        return [0.05 + random.random() * self.jitter for _ in range(copies)]


@dataclass
class Call:
    """What the users on both sides want, and what became of it."""

    method: str
    starts: float
    thinking: float
    status: int
    patience: float
    name: str = ""
    client: ClientTransaction | None = None
    server: ServerTransaction | None = None
    served: int = 0
    provisional: bool = False
    cancelled: bool = False
    acknowledged: bool = False
    given: int | None = None
    ends: list[str] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)


class World:
    """Virtual time, two tables, the pipe, and the users: a caller who loses patience, a callee who thinks."""

    def __init__(self, pipe: Pipe, random: Random, calls: list[Call]) -> None:
        self.pipe = pipe
        self.random = random
        self.now = 0.0
        self.caller, self.callee = TransactionTable(TIMERS), TransactionTable(TIMERS)
        self.calls: dict[str, Call] = {}
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []
        self.serial = 0
        for index, call in enumerate(calls):
            call.name = f"call-{index}"
            self.calls[call.name] = call
            self.after(call.starts, partial(self.begin, call))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self.serial += 1
        heappush(self.agenda, (self.now + seconds, self.serial, action))

    def run(self) -> None:
        """Until nothing can happen any more."""
        while True:
            deadlines = [self.caller.next_deadline(), self.callee.next_deadline()]
            times = [time for time in deadlines if time is not None] + [entry[0] for entry in self.agenda[:1]]
            if not times:
                return
            self.now = min(times)
            self.perform(self.caller.tick(self.now), self.reach_callee)
            self.perform(self.callee.tick(self.now), self.reach_caller)
            while self.agenda and self.agenda[0][0] <= self.now:
                heappop(self.agenda)[2]()

    def perform(self, effects: list[Effect], reach: Callable[[bytes], None]) -> None:
        for effect in effects:
            if isinstance(effect, Transmit):
                for delay in self.pipe.delays(self.random):
                    self.after(delay, partial(reach, effect.data))
                message = parse_message(effect.data)
                if isinstance(message, Request):
                    self.calls[message.call_id].sent[message.method] += 1
            else:
                self.tell_caller(effect)

    # -- the caller -------------------------------------------------------------------------------

    def begin(self, call: Call) -> None:
        wanted = request(call.method, branch=f"z9hG4bK{call.name}", call_id=call.name)
        call.client, effects = self.caller.send(wanted, self.pipe.flow, self.now)
        self.perform(effects, self.reach_callee)
        if call.method == "INVITE":
            self.after(call.patience, lambda: self.lose_patience(call))

    def tell_caller(self, effect: Effect) -> None:
        call = self.calls[effect.transaction.request.call_id]
        if effect.transaction is not call.client:  # that of the CANCEL
            return
        if isinstance(effect, ResponseReceived) and effect.response.status < 200:
            assert not call.ends
            call.provisional = True
            if self.now >= call.starts + call.patience:
                self.lose_patience(call)
            return
        if isinstance(effect, ResponseReceived) and call.method == "INVITE" and effect.response.status < 300:
            ack = request("ACK", branch=f"z9hG4bK{self.serial}", call_id=call.name, cseq="314159 ACK")
            self.perform([Transmit(self.pipe.flow, ack.to_bytes())], self.reach_callee)
        call.ends += words([effect])

    def lose_patience(self, call: Call) -> None:
        """CANCEL, but not before the callee has reacted (section 9.1)."""
        assert call.client is not None
        if call.cancelled or call.ends or not call.provisional:
            return
        call.cancelled = True
        _, effects = self.caller.send(cancel_for(call.client.request), self.pipe.flow, self.now)
        self.perform(effects, self.reach_callee)
        self.after(TIMERS.timeout, lambda: self.give_up(call))

    def give_up(self, call: Call) -> None:
        if not call.ends and call.client is not None:
            self.caller.abandon(call.client)
            call.ends.append("abandoned")

    def reach_caller(self, data: bytes) -> None:
        message = parse_message(data)
        assert isinstance(message, Response)
        self.perform(self.caller.receive_response(message, self.now) or [], self.reach_callee)

    # -- the callee -------------------------------------------------------------------------------

    def reach_callee(self, data: bytes) -> None:
        message = parse_message(data)
        assert isinstance(message, Request)
        call = self.calls[message.call_id]
        found = self.callee.find_server(message)
        if found is not None:
            self.perform(self.callee.receive_request(found, message, self.now), self.reach_caller)
        elif message.method == "ACK":
            call.acknowledged = True
        elif message.method == "CANCEL":
            self.cancel(call, message)
        else:
            assert not self.callee.is_merged(message)
            call.served += 1
            call.server = self.callee.accept(message, self.pipe.flow)
            if call.method == "INVITE":
                self.respond(call.server, response_to(message, 100))
            self.after(call.thinking, lambda: self.answer(call, call.status))

    def cancel(self, call: Call, message: Request) -> None:
        cancelled = self.callee.find_cancelled(message)
        assert cancelled in (call.server, None)
        self.respond(self.callee.accept(message, self.pipe.flow), response_to(message, 200))
        if cancelled is not None:
            self.answer(call, 487)

    def answer(self, call: Call, status: int) -> None:
        if call.given is None and call.server is not None:
            call.given = status
            final = response_to(call.server.request, status, to_tag="callee")
            self.respond(call.server, final)
            if call.method == "INVITE" and status < 300:
                self.insist(call, final, TIMERS.t1, self.now + TIMERS.timeout)

    def insist(self, call: Call, final: Response, interval: float, end: float) -> None:
        """Send a 2xx again until it is acknowledged (section 13.3.1.4)."""

        def again() -> None:
            assert isinstance(call.server, InviteServer)
            if not call.acknowledged and self.now < end:
                self.respond(call.server, final)
                self.insist(call, final, min(2 * interval, TIMERS.t2), end)

        self.after(interval, again)

    def respond(self, transaction: ServerTransaction, message: Response) -> None:
        self.perform(self.callee.respond(transaction, message, self.now), self.reach_caller)


# -- properties ------------------------------------------------------------------------------------

SECONDS = st.floats(0, 30)
INVITES = st.builds(
    Call, st.just("INVITE"), SECONDS, st.floats(0, 200), st.sampled_from([200, 302, 486]), st.floats(0, 300)
)
OTHERS = st.builds(Call, st.just("OPTIONS"), SECONDS, SECONDS, st.sampled_from([200, 404]), st.just(0.0))
CALLS = st.lists(INVITES | OTHERS, min_size=1, max_size=4)
SEEDS = st.integers(0, 2**32)
CHANCE = st.floats(0, 0.9)


def play(pipe: Pipe, seed: int, calls: list[Call]) -> None:
    """Run everything, and check what holds on every pipe."""
    world = World(pipe, Random(seed), calls)
    world.run()
    for call in calls:
        event(f"{call.method} {call.given} ends in {call.ends[:1]}")
        check(call)
    for table in (world.caller, world.callee):
        assert len(table) == 0
        assert not any([table._clients, table._servers, table._merged, table._streams, len(table.deadlines)])


def check(call: Call) -> None:
    assert call.served <= 1, "a copy is never taken for another request"
    assert call.ends, "the caller hears how it ended"
    assert len(set(call.ends)) == 1
    if len(call.ends) > 1:
        assert call.method == "INVITE"
        assert call.ends[0] == "up 200"
    if call.ends[0] not in ("timed out", "abandoned"):
        assert call.ends[0] == f"up {call.given}", "both sides agree"
    assert call.sent["INVITE"] <= 7
    assert call.sent["OPTIONS"] <= 11
    assert call.sent["CANCEL"] <= 11


@given(st.builds(Pipe, st.just(UDP), CHANCE, CHANCE, st.floats(0, 0.4)), SEEDS, CALLS)
def test_on_any_pipe_both_sides_come_to_one_end(pipe: Pipe, seed: int, calls: list[Call]) -> None:
    play(pipe, seed, calls)


@given(st.builds(Pipe, st.just(UDP), st.just(0.0), CHANCE, st.floats(0, 0.4)), SEEDS, CALLS)
def test_where_nothing_is_lost_every_request_is_answered(pipe: Pipe, seed: int, calls: list[Call]) -> None:
    play(pipe, seed, calls)
    for call in calls:
        assert call.served == 1
        assert call.ends[0] == f"up {call.given}"
        assert call.acknowledged == (call.method == "INVITE" and call.given == 200)
        assert call.sent["INVITE"] <= 2, "100 Trying ends the retransmission"


@given(SEEDS, CALLS)
def test_on_a_stream_each_message_is_sent_once(seed: int, calls: list[Call]) -> None:
    play(Pipe(TCP), seed, calls)
    for call in calls:
        assert call.served == 1
        assert call.ends[0] == f"up {call.given}"
        assert call.sent[call.method] == 1
        assert call.sent["CANCEL"] == call.cancelled
