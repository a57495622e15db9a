"""What comes together is handled without being put anywhere, and nobody can tell."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from sipcore.net import inbox, limits
from sipcore.net.inbox import Inbox, Sender, by_source
from sipcore.net.limits import Limits, RateLimit
from sipcore.net.udp import Datagram
from sipcore.transport.flow import Address, Flow, Transport
from sipcore.transport.source import source_of
from tests.simulation.loop import JumpingLoop

V4 = [Address(f"192.0.2.{host}", port) for host in (1, 2, 3) for port in (5060, 5061)]
PHONES = [*V4, *(Address(f"2001:db8:0:{network}::{host}", 5060) for network in (1, 2) for host in (1, 2))]
STREAM = Flow(Transport.TCP, Address("192.0.2.9", 5060), V4[0], 1)
WORDS = st.sampled_from([b"one", b"two", b"three", b"four"])
HEAPS = st.lists(st.tuples(WORDS, st.sampled_from(PHONES)), min_size=1, max_size=8)
STEPS = st.lists(HEAPS | WORDS | st.sampled_from(["turn", 0.01, 0.3]), max_size=30)


class Books:
    """What an inbox has handed on; each message takes three milliseconds, "three" fails."""

    def __init__(self) -> None:
        self.loop = JumpingLoop()
        self.loop.set_exception_handler(lambda loop, context: self.handed.append("failed"))
        self.handed: list[object] = []
        self.inbox = Inbox(self.loop, self._take, self._refuse, lambda: self.handed.append("worked"))

    def _take(self, data: bytes, sender: Sender, now: float) -> None:
        self.handed.append((data, sender, round(now, 6)))
        self.loop.work(0.003)
        if data == b"three":
            raise LookupError

    def _refuse(self, data: bytes, sender: Sender, waited: float) -> bool:
        self.handed.append((data, sender, round(waited, 6)))
        return data == b"two"

    def turn(self) -> None:
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()

    def do(self, step: list[Datagram] | bytes | str | float) -> None:
        if isinstance(step, float):
            self.loop.work(step)
        elif isinstance(step, bytes):
            self.inbox.put([(step, STREAM)], self.loop.time())
        elif isinstance(step, str):
            self.turn()
        else:
            try:
                if len(step) == 1:
                    self.inbox.work_on(*step[0], self.loop.time())
                else:
                    self.inbox.work(by_source(list(step)).values(), self.loop.time())
            except LookupError:
                self.handed.append("failed")


@given(STEPS, st.integers(16, 20))
def test_what_comes_together_is_handled_as_what_waits_in_its_order(
    steps: list[list[Datagram] | bytes | str | float], most: int
) -> None:
    before, inbox.MAX_WAITING = inbox.MAX_WAITING, most
    straight, orderly = books = Books(), Books()
    try:
        for step in [*steps, "turn", "turn", "turn"]:
            handed = len(straight.handed)
            straight.do(step)
            if isinstance(step, list) and len(straight.handed) > handed:
                assert len(orderly.inbox) == 0
                orderly.inbox.put(step, orderly.loop.time())
                orderly.turn()
            else:
                orderly.do(step)
            assert straight.handed == orderly.handed
            counts = [(len(each.inbox), each.inbox.lost, each.inbox.refused) for each in books]
            assert counts[0] == counts[1]
    finally:
        inbox.MAX_WAITING = before
        for each in books:
            each.loop.close()


BURSTS = st.tuples(st.sampled_from(V4), st.integers(2, 12), st.integers(1, 40))


@given(st.lists(BURSTS | st.none(), max_size=25))
def test_who_floods_loses_his_own_and_nobody_elses(steps: list[tuple[Address, int, int] | None]) -> None:
    """Messages of an address, of so many bytes, so many; None is a turn. The first source sends what it likes, the
    others as long as less than a quarter of the room is enough for all that they have waiting."""
    before, inbox.MAX_WAITING, inbox.MAX_WAITING_BYTES = (inbox.MAX_WAITING, inbox.MAX_WAITING_BYTES), 20, 100
    books, waiting, numbers = Books(), defaultdict[str, list[Datagram]](list), count(1)
    flooder = V4[0].host
    try:
        for step in steps:
            if step is None:
                handed = len(books.handed)
                books.turn()
                for entry in books.handed[handed:]:
                    if isinstance(entry, tuple):
                        assert waiting[entry[1].host].pop(0) == entry[:2], "those of a source in order"
            sender, size, messages = step or (V4[0], 0, 0)
            for _ in range(messages):
                datagram = next(numbers).to_bytes(size, "little"), sender
                honest = [len(data) for host in waiting if host != flooder for data, _ in waiting[host]]
                enough = 4 * (len(honest) + 1) < 20 and 4 * (sum(honest) + size) < 100
                if sender.host != flooder and not enough:
                    break
                over = books.inbox.put([datagram], books.loop.time())
                assert sender.host == flooder or not over
                if not over:
                    waiting[sender.host].append(datagram)
            sizes = {host: [len(data) for data, _ in each] for host, each in waiting.items() if each}
            assert len(books.inbox) == sum(map(len, sizes.values())) <= 20
            assert books.inbox._bytes == sum(map(sum, sizes.values())) <= 100
            assert {host: queue.size for host, queue in books.inbox._waiting.items()} == {
                host: sum(each) for host, each in sizes.items()
            }
    finally:
        inbox.MAX_WAITING, inbox.MAX_WAITING_BYTES = before
        books.loop.close()


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.01, 0.125, 0.3, 5.0]), st.lists(st.sampled_from(PHONES), min_size=1, max_size=6)
        ),
        max_size=12,
    ),
    st.integers(1, 5),
)
def test_what_comes_together_is_admitted_as_one_after_the_other(
    heaps: list[tuple[float, list[Address]]], most: int
) -> None:
    before, limits.MAX_SOURCES = limits.MAX_SOURCES, most
    slow = Limits(messages_per_second=8.0, burst=4.0)
    together, each, now = RateLimit(slow), RateLimit(slow), 1000.0
    try:
        for number, (pause, senders) in enumerate(heaps):
            now += pause
            heap = [(b"%d %d" % (number, place), sender) for place, sender in enumerate(senders)]
            queues, one_by_one = by_source(list(heap)), by_source(list(heap))
            assert Counter(map(source_of, [host for _, (host, _) in heap])) == {
                source: len(queue) for source, queue in queues.items()
            }
            for queue in one_by_one.values():
                queue[:] = [datagram for datagram in queue if each.admit(datagram[1][0], now)]
            together.limit(queues, now)
            assert queues == one_by_one
            let_in = {datagram for queue in queues.values() for datagram in queue}
            left_out = Counter(source_of(sender.host) for data, sender in heap if (data, sender) not in let_in)
            assert together.excess == left_out
            together.excess.clear()
            assert together._buckets == each._buckets
    finally:
        limits.MAX_SOURCES = before
