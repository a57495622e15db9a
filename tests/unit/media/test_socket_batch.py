"""Sockets that are read and written to together: by io_uring, where the kernel has it, as one by one."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.net import EpollSockets, SocketBatch, SocketMediaNetwork
from media.uring import _MOST_AGE, Ring, UringSockets
from tests.unit.media.test_net import House, Phone
from tests.unit.sipcore.net.loopback import PATIENCE_SECONDS, run, until

SLOT_BYTES, PACKET_BYTES = 64, 12

Make = Callable[[memoryview, memoryview], SocketBatch]


def has_io_uring() -> bool:
    try:
        Ring(8)
    except OSError:
        return False
    return True


WAYS = [
    EpollSockets,
    pytest.param(
        UringSockets, marks=pytest.mark.skipif(not has_io_uring(), reason="the kernel offers no io_uring")
    ),
]
ways = pytest.mark.parametrize("make", WAYS)


class Batch:
    """A batch of sockets with a phone at the other end of each."""

    def __init__(self, make: Make, count: int, slots: int) -> None:
        self.slots = np.zeros((slots, SLOT_BYTES), np.uint8)
        self.packets = np.zeros((count, PACKET_BYTES), np.uint8)
        self.house = House(count)
        self.phones = [Phone() for _ in range(count)]
        self.sockets = make(self.slots.data, self.packets.data)
        self.said: list[list[bytes]] = [[] for _ in range(count)]
        """By each phone, as it can be read."""
        self.heard: list[list[bytes]] = [[] for _ in range(count)]

    async def lend(self) -> None:
        """Give the batch all sockets, by their numbers."""
        for each, phone, address in zip(self.house.sockets, self.phones, self.house.addresses, strict=True):
            each.connect(phone.address)
            phone.send_to(b"before", address)
        await until(lambda: len(self.house.received) == len(self.phones))
        for number, each in enumerate(self.house.sockets):
            await until(lambda: self.sockets.add(each, number))  # noqa: B023 - it is awaited here

    def say(self, number: int, data: bytes) -> None:
        """Let a phone send something."""
        self.said[number].append(data[:SLOT_BYTES])
        self.phones[number].send_to(data, self.house.addresses[number])

    def read(self, first: int = 0) -> list[int]:
        """Read once; of whom there was something to read."""
        numbers, sizes, _ = self.sockets.read(first)
        slots, present = self.slots[first:], []
        assert len(numbers) == len(sizes) == len(set(numbers)) <= len(slots)
        for number, size, slot in zip(numbers, sizes, slots, strict=False):
            if size >= 0:
                self.heard[number].append(slot[:size].tobytes())
                present.append(int(number))
        return present

    async def read_all(self, first: int = 0) -> None:
        """Until all that was said has been read."""
        await until(lambda: [self.read(first), self.heard == self.said][1])

    def close(self) -> None:
        self.house.close()
        for phone in self.phones:
            phone.__exit__()


def with_batch(
    make: Make, count: int, slots: int, story: Callable[[Batch], Awaitable[None]]
) -> list[list[bytes]]:
    """Play a story; what was read, by number."""
    batches = []

    async def whole() -> None:
        batches.append(batch := Batch(make, count, slots))
        try:
            await batch.lend()
            await story(batch)
        finally:
            batch.close()

    run(whole())
    return batches[0].heard


# -- what a batch does -----------------------------------------------------------------------------


@ways
def test_who_has_no_peer_or_may_have_something_of_others_is_not_taken(make: Make) -> None:
    async def story() -> None:
        house = House(1)
        with Phone() as phone, ExitStack() as stack:
            stack.callback(house.close)
            batch = make(np.zeros((4, SLOT_BYTES), np.uint8).data, np.zeros((4, PACKET_BYTES), np.uint8).data)
            assert not batch.add(house.sockets[0], 2)  # no peer
            house.sockets[0].connect(phone.address)
            phone.send_to(b"before", house.addresses[0])
            assert not batch.add(house.sockets[0], 2)  # others may have written before
            await until(lambda: house.received == [(0, b"before")])
            await until(lambda: batch.add(house.sockets[0], 2))

    run(story())


@ways
def test_each_reading_gives_one_datagram_of_each_socket_that_has_some(make: Make) -> None:
    """So who floods one socket takes nothing from the others."""

    async def story(batch: Batch) -> None:
        for each in range(50):
            batch.say(1, bytes([each]))
        batch.say(0, b"zero")
        batch.say(2, b"")
        readings = 0

        def read() -> bool:
            nonlocal readings
            readings += bool(batch.read())
            return batch.heard == batch.said

        await until(read)
        assert readings >= 50

    with_batch(make, 3, 8, story)


@ways
def test_nothing_is_written_before_the_first_slot_or_past_the_last(make: Make) -> None:
    async def story(batch: Batch) -> None:
        for number in range(6):
            batch.say(number, bytes([number + 1] * (SLOT_BYTES + 5)))
        await batch.read_all(first=2)
        assert not batch.slots[:2].any()
        assert batch.slots[2:].all()

    with_batch(make, 6, 4, story)


@ways
def test_each_peer_is_sent_the_packet_of_its_number(make: Make) -> None:
    async def story(batch: Batch) -> None:
        for round in range(3):
            for number in range(5):
                batch.packets[number] = 10 * round + number
            batch.sockets.send()
        for number, phone in enumerate(batch.phones):
            for round in range(3):
                data, source = phone.receive()
                assert data == bytes([10 * round + number] * PACKET_BYTES)
                assert source == batch.house.addresses[number]

    with_batch(make, 5, 4, story)


@ways
def test_who_is_given_back_is_read_by_itself_and_sent_nothing(make: Make) -> None:
    async def story(batch: Batch) -> None:
        [given, _], [phone, other] = batch.house.sockets, batch.phones
        batch.sockets.remove(given)
        batch.house.received.clear()
        batch.packets[1] = 7
        batch.sockets.send()
        assert other.receive() == (bytes([7] * PACKET_BYTES), batch.house.addresses[1])
        phone.send_to(b"after", batch.house.addresses[0])
        await until(lambda: batch.house.received == [(0, b"after")])
        assert batch.read() == []
        given.send(b"own", phone.address)
        assert phone.receive()[0] == b"own"
        await until(lambda: batch.sockets.add(given, 0))
        batch.say(0, b"again")
        await batch.read_all()

    with_batch(make, 2, 4, story)


@ways
def test_a_peer_that_is_gone_costs_no_other_its_packets(make: Make) -> None:
    """Its machine says so by ICMP, which is an error of the next system call for that socket."""

    async def story(batch: Batch) -> None:
        gone = batch.phones[0]
        gone.__exit__()
        for round in range(1, 4):
            batch.packets[:] = round
            batch.sockets.send()
            batch.say(1, bytes([round]))
            await batch.read_all()
            assert batch.phones[1].receive()[0] == bytes([round] * PACKET_BYTES)
        with socket.socket(type=socket.SOCK_DGRAM) as back:
            back.bind(gone.address)
            back.sendto(b"back", batch.house.addresses[0])
            batch.said[0].append(b"back")
            await batch.read_all()
            batch.sockets.send()
            back.settimeout(PATIENCE_SECONDS)
            assert back.recv(100) == bytes([3] * PACKET_BYTES)

    with_batch(make, 2, 4, story)


@pytest.mark.skipif(not has_io_uring(), reason="the kernel offers no io_uring")
@pytest.mark.parametrize("clock_set_by", [0, 3600, -3600])
def test_the_kernel_notes_when_a_datagram_came(clock_set_by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the wall clock; where somebody sets that meanwhile, it came when it was read."""

    async def read(batch: Batch) -> tuple[float, dict[int, float]]:
        """What they say: how long ago the first can have come at most, and how long ago each is said to have come."""
        began = time.monotonic()
        assert isinstance(batch.sockets, UringSockets)
        epoll = batch.sockets._epoll
        for number in range(2):
            batch.say(number, b"x")
            await until(lambda: len(epoll.poll(0)) == number + 1)  # noqa: B023 - it is awaited here
            await asyncio.sleep(0.05)
        wall = time.time_ns
        with monkeypatch.context() as clock:
            clock.setattr("media.uring.time.time_ns", lambda: wall() + clock_set_by * 1_000_000_000)
            numbers, sizes, found = batch.sockets.read(0)
        assert list(sizes) == [1, 1]
        return time.monotonic() - began, dict(zip(map(int, numbers), found, strict=True))

    async def story(batch: Batch) -> None:
        most, ages = await read(batch)
        # Where this process stood still, that passes for a clock that was set; and the kernel begins to note times
        # some time after it was asked to.
        while most > _MOST_AGE or (not clock_set_by and ages[0] < 0.01):
            most, ages = await read(batch)
        if clock_set_by:
            assert ages == {0: 0.0, 1: 0.0}
        else:  # a millisecond, as the wall clock is corrected all the time
            assert 0.099 < ages[0] < most + 0.001
            assert 0.049 < ages[1] < ages[0] - 0.049

    with_batch(UringSockets, 2, 4, story)


@pytest.mark.skipif(not has_io_uring(), reason="the kernel offers no io_uring")
def test_all_are_tried_each_with_the_slot_of_its_number() -> None:
    async def story(batch: Batch) -> None:
        for round in range(3):
            expected = {number: bytes([round, number]) for number in (1, 3, 4)[round:]}
            for number, data in expected.items():
                batch.phones[number].send_to(data, batch.house.addresses[number])
            found: dict[int, bytes] = {}

            def tried(found: dict[int, bytes] = found) -> dict[int, bytes]:
                assert isinstance(batch.sockets, UringSockets)
                sizes, _ = batch.sockets.try_all(5)
                for number, size in enumerate(sizes.tolist()):
                    if size >= 0:
                        assert number not in found
                        found[number] = batch.slots[number, :size].tobytes()
                return found

            await until(lambda: tried() == expected)  # noqa: B023 - it is awaited here
            batch.say(0, b"asked for")  # to a slot where another has its own
            await batch.read_all(first=1)

    with_batch(UringSockets, 5, 8, story)


@pytest.mark.skipif(not has_io_uring(), reason="the kernel offers no io_uring")
def test_what_comes_while_others_are_read_waits_until_all_are_tried_again() -> None:
    async def story(batch: Batch) -> None:
        sockets = batch.sockets
        assert isinstance(sockets, UringSockets)

        def drain() -> None:
            while sockets.try_all(2)[0].max() >= 0 or batch.read(2):
                pass

        def is_read_as_it_was_there_before() -> bool:
            drain()
            for data in (b"first", b"second"):
                batch.phones[0].send_to(data, batch.house.addresses[0])
            return sockets.try_all(2)[0][0] == 5 and batch.read(2) == [0]

        def comes_later() -> bool:
            drain()
            batch.phones[1].send_to(b"third", batch.house.addresses[1])
            return batch.read(2) == [1]

        await until(is_read_as_it_was_there_before)  # on a busy machine it may come some time after it was sent
        await until(comes_later)
        batch.phones[1].send_to(b"fourth", batch.house.addresses[1])
        await until(lambda: len(sockets._epoll.poll(0)) == 1)
        assert batch.read(2) == []
        assert [size >= 0 for size in sockets.try_all(2)[0]] == [False, True]

    with_batch(UringSockets, 2, 6, story)


# -- both ways -------------------------------------------------------------------------------------


@pytest.mark.skipif(not has_io_uring(), reason="the kernel offers no io_uring")
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_both_ways_read_and_send_the_same(seed: int) -> None:
    """Whatever is said, and whoever comes and goes meanwhile."""
    found = []
    for make in (EpollSockets, UringSockets):
        dice, sent = Random(seed), list[bytes]()

        async def story(batch: Batch, dice: Random = dice, sent: list[bytes] = sent) -> None:
            for _ in range(6):
                for _ in range(dice.randrange(20)):
                    batch.say(dice.randrange(5), dice.randbytes(dice.choice([0, 1, 12, 60, 64, 65, 1500])))
                if dice.random() < 0.5:
                    await batch.read_all(dice.randrange(8))
                    number = dice.randrange(5)
                    batch.sockets.remove(batch.house.sockets[number])
                    assert batch.sockets.add(batch.house.sockets[number], number)
                batch.packets[dice.randrange(5)] = dice.randrange(256)
                batch.sockets.send()
                sent += [phone.receive()[0] for phone in batch.phones]
            await batch.read_all()

        heard = with_batch(make, 5, 10, story)
        found.append((heard, sent))
    assert found[0] == found[1]


# -- where the kernel has less ---------------------------------------------------------------------


def open_batch(network: SocketMediaNetwork) -> SocketBatch | None:
    return network.open_batch(np.zeros((4, 64), np.uint8).data, np.zeros((4, 12), np.uint8).data)


def test_where_io_uring_is_forbidden_the_plain_way_is_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("media.uring._SETUP", 100_000)  # there is no such system call
    with caplog.at_level(logging.INFO):
        assert isinstance(open_batch(SocketMediaNetwork()), EpollSockets)
    assert "there is no io_uring" in caplog.text


def test_where_it_is_not_wanted_it_is_not_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert isinstance(open_batch(SocketMediaNetwork(io_uring=False)), EpollSockets)
    assert caplog.text == ""


@pytest.mark.skipif(not has_io_uring(), reason="the kernel offers no io_uring")
def test_operations_that_the_kernel_has_no_memory_for_are_left_for_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(batch: Batch) -> None:
        assert isinstance(batch.sockets, UringSockets)
        ring, answers = batch.sockets._ring, [-errno.EINTR, 2, -errno.EAGAIN]
        call: Callable[..., int] = ring._call

        def stingy(number: int, fd: int, count: int, most: int, *rest: object) -> int:
            answer = answers.pop(0) if answers else count
            if answer > 0:
                return call(number, fd, answer, answer, *rest)
            monkeypatch.setattr("media.uring.ctypes.get_errno", lambda: -answer)
            return -1

        for number in range(5):
            batch.say(number, bytes([number]))
        await until(lambda: len(batch.sockets._epoll.poll(0)) == 5)  # type: ignore[attr-defined]
        monkeypatch.setattr(ring, "_call", stingy)
        assert len(batch.read()) == 2
        await batch.read_all()

    with_batch(UringSockets, 5, 8, story)
