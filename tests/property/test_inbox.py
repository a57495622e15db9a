"""A message that waits alone is kept apart from the order of those that wait together, and nobody can tell."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sipcore.net import inbox
from sipcore.net.inbox import Inbox, Sender
from sipcore.transport.flow import Address, Flow, Transport
from tests.simulation.loop import JumpingLoop

PHONES = [Address(f"192.0.2.{host}", port) for host in (1, 2) for port in (5060, 5061)]
SENDERS: list[Sender] = [*PHONES, Flow(Transport.TCP, Address("192.0.2.9", 5060), PHONES[0], 1)]
PUTS = st.tuples(st.sampled_from([b"one", b"two", b"three", b"four"]), st.sampled_from(SENDERS))
STEPS = st.lists(PUTS | st.sampled_from(["work", "turn", 0.01, 0.3]), max_size=30)


class Books:
    """What an inbox has handed on; each message takes three milliseconds, "three" fails, and "four" brings another."""

    def __init__(self, *, always_in_order: bool) -> None:
        self.loop = JumpingLoop()
        self.handed: list[object] = []
        self.always_in_order = always_in_order
        self.inbox = Inbox(self.loop, self._take, self._refuse)

    def _take(self, data: bytes, sender: Sender, now: float) -> None:
        self.handed.append((data, sender, round(now, 6)))
        self.loop.work(0.003)
        if data == b"three":
            raise LookupError
        if data == b"four":
            self._put(b"four" if len(self.handed) < 100 else b"one", sender)

    def _refuse(self, data: bytes, sender: Sender, waited: float) -> bool:
        self.handed.append((data, sender, round(waited, 6)))
        return data == b"two"

    def _put(self, data: bytes, sender: Sender) -> None:
        self.inbox.put(data, sender, self.loop.time())
        if self.always_in_order and self.inbox._lone is not None:
            lone, self.inbox._lone = self.inbox._lone, None
            self.inbox._enqueue(*lone)

    def do(self, step: tuple[bytes, Sender] | str | float) -> None:
        if isinstance(step, tuple):
            self._put(*step)
        elif isinstance(step, float):
            self.loop.work(step)
        elif step == "turn":
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()
        else:
            try:
                self.inbox.work()
            except LookupError:
                self.handed.append("failed")
        self.handed.append((len(self.inbox), self.inbox.lost, self.inbox.refused))


@given(STEPS, st.integers(1, 4))
def test_what_waits_alone_is_handled_as_in_the_order(
    steps: list[tuple[bytes, Sender] | str | float], most: int
) -> None:
    before, inbox.MAX_WAITING = inbox.MAX_WAITING, most
    books = Books(always_in_order=False), Books(always_in_order=True)
    try:
        for each in books:
            each.loop.set_exception_handler(lambda loop, context: None)
            for step in [*steps, "work", "turn", "turn"]:
                each.do(step)
        assert books[0].handed == books[1].handed
    finally:
        inbox.MAX_WAITING = before
        for each in books:
            each.loop.close()
