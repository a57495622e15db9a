"""Connected sockets that are read and written to by the wait of the event loop itself: nothing is lost or mixed up,
whoever comes, goes or floods meanwhile."""

from __future__ import annotations

import asyncio
import logging
import os
import selectors
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.lane import BUFFERS, GATHER_SECONDS, MOST, SENDS, UringLane, open_lane
from media.net import SocketMediaNetwork, SystemMediaSocket
from media.plan import Address
from media.uring import UringSockets
from tests.unit.media.test_net import Phone, address_of
from tests.unit.sipcore.net.loopback import HERE, run, until


def lane_or_none() -> UringLane | None:
    try:
        return UringLane()
    except OSError:
        return None


pytestmark = pytest.mark.skipif(lane_or_none() is None, reason="the kernel offers no io_uring, or an old one")


class Port:
    """A socket of a network with a lane; keeps what it hears."""

    def __init__(self, network: SocketMediaNetwork, number: int = 0) -> None:
        self.heard: list[bytes] = []
        self.sources: set[Address] = set()
        opened = network.open_media((HERE, number), self._receive)
        assert isinstance(opened, SystemMediaSocket)
        self.socket = opened
        self.address = address_of(opened)

    def _receive(self, data: bytes, source: Address) -> None:
        self.heard.append(data)
        self.sources.add(source)

    @property
    def is_in_lane(self) -> bool:
        return self.socket._number is not None

    async def enter(self, phone: Phone) -> None:
        """Be connected to a phone, and read in the lane; what is heard until then is forgotten."""
        self.socket.connect(phone.address)
        while not self.is_in_lane:
            phone.send_to(b"enter", self.address)
            heard = len(self.heard)
            await until(lambda: len(self.heard) > heard)  # noqa: B023 - it is awaited here
        self.heard.clear()
        self.sources.clear()


class House:
    """Ports of one network, each with its phone."""

    def __init__(self, lane: UringLane, count: int) -> None:
        self.lane = lane
        self.network = SocketMediaNetwork(lane=lane)
        self.stack = ExitStack()
        self.phones = [self.stack.enter_context(Phone()) for _ in range(count)]
        self.ports = [self.open() for _ in range(count)]

    def open(self, number: int = 0) -> Port:
        port = Port(self.network, number)
        self.stack.callback(port.socket.close)
        return port

    async def enter(self) -> None:
        for port, phone in zip(self.ports, self.phones, strict=True):
            await port.enter(phone)

    def say(self, number: int, data: bytes) -> None:
        self.phones[number].send_to(data, self.ports[number].address)


Story = Callable[[House], Coroutine[Any, Any, None]]


def with_house(count: int, story: Story, *, lane: UringLane | None = None) -> None:
    """Play a story in a loop with a lane."""
    lane = lane or UringLane()

    async def whole() -> None:
        house = House(lane, count)
        with house.stack:
            await story(house)

    run(whole(), lambda: asyncio.SelectorEventLoop(lane))


@pytest.fixture(params=[True, False], ids=["the kernel gathers", "we gather"])
def lane(request: pytest.FixtureRequest) -> UringLane:
    """With and without what newer kernels do."""
    made = UringLane()
    made._ring.gathers = made._ring.gathers and request.param
    return made


# -- one port --------------------------------------------------------------------------------------


def test_a_connected_port_hears_its_peer_alone_and_sends_to_it(lane: UringLane) -> None:
    async def story(house: House) -> None:
        [port], [phone] = house.ports, house.phones
        await house.enter()
        with Phone() as stranger:
            for number in range(100):
                stranger.send_to(b"noise", port.address)
                phone.send_to(b"%d" % number, port.address)
                await asyncio.sleep(0)
            await until(lambda: len(port.heard) >= 100)
            assert port.heard == [b"%d" % number for number in range(100)]
            assert port.sources == {phone.address}
            port.socket.send(b"hello", phone.address)
            port.socket.send(b"elsewhere", stranger.address)
            await asyncio.sleep(0)
            assert phone.receive() == (b"hello", port.address)
            assert stranger.receive() == (b"elsewhere", port.address)

    with_house(1, story, lane=lane)


@pytest.mark.parametrize("queued", [1, 50])
def test_what_strangers_queued_before_the_lock_is_not_taken_for_the_peers(queued: int) -> None:
    async def story(house: House) -> None:
        [port], [phone] = house.ports, house.phones
        with Phone() as stranger:
            for _ in range(queued):
                stranger.send_to(b"noise", port.address)
            port.socket.connect(phone.address)
            for number in range(queued):
                phone.send_to(b"%d" % number, port.address)
                await until(lambda: len(port.heard) == number + 1)  # noqa: B023 - it is awaited here
            assert port.sources == {phone.address}
            await port.enter(phone)

    with_house(1, story)


def test_a_port_that_was_disconnected_hears_everybody_again() -> None:
    async def story(house: House) -> None:
        [port], [phone] = house.ports, house.phones
        for _ in range(3):
            await house.enter()
            port.socket.disconnect()
            assert not port.is_in_lane
            with Phone() as other:
                other.send_to(b"other", port.address)
                phone.send_to(b"phone", port.address)
                await until(lambda: sorted(port.heard) == [b"other", b"phone"])
                assert port.sources == {other.address, phone.address}

    with_house(1, story)


def test_a_port_that_is_connected_to_another_hears_that_alone() -> None:
    async def story(house: House) -> None:
        [port], [phone] = house.ports, house.phones
        await house.enter()
        with Phone() as other:
            await port.enter(other)
            phone.send_to(b"noise", port.address)
            other.send_to(b"hello", port.address)
            await until(lambda: port.heard)
            assert (port.heard, port.sources) == ([b"hello"], {other.address})

    with_house(1, story)


def test_a_port_is_free_as_soon_as_it_is_closed() -> None:
    """Though packets come, and the kernel has been asked to receive them."""

    async def story(house: House) -> None:
        [port], [phone] = house.ports, house.phones
        for _ in range(100):
            await port.enter(phone)
            phone.send_to(b"late", port.address)
            port.socket.close()
            port = house.open(port.address[1])
        assert len(house.lane._free) < len(house.lane._sockets)
        await until(lambda: len(house.lane._free) == len(house.lane._sockets))

    with_house(1, story)


def test_an_empty_datagram_and_one_too_long_are_told_as_they_are() -> None:
    async def story(house: House) -> None:
        [port], [phone] = house.ports, house.phones
        await house.enter()
        for data in (b"", b"x", bytes(60_000), b"", b"y"):
            phone.send_to(data, port.address)
        await until(lambda: len(port.heard) == 5)
        assert port.heard == [b"", b"x", bytes(2048), b"", b"y"]

    with_house(1, story)


def test_a_peer_that_has_gone_and_comes_back_is_heard() -> None:
    """Its machine says so by ICMP, which ends the receiving."""

    async def story(house: House) -> None:
        port, gone = house.open(), Phone()
        with gone:
            await port.enter(gone)
        port.socket.send(b"is anybody there?", gone.address)
        await until(lambda: not port.is_in_lane)
        for _ in range(3):
            port.socket.send(b"is anybody there?", gone.address)
            await asyncio.sleep(0)
        with socket.socket(type=socket.SOCK_DGRAM) as back:
            back.bind(gone.address)
            while not port.is_in_lane:
                heard = len(port.heard)
                back.sendto(b"I am", port.address)
                await until(lambda: len(port.heard) > heard)  # noqa: B023 - it is awaited here
            back.sendto(b"still", port.address)
            await until(lambda: port.heard[-1] == b"still")
            port.socket.send(b"so am I", gone.address)
            await until(lambda: heard_by(back) == b"so am I")

    with_house(0, story)


def heard_by(phone: socket.socket) -> bytes:
    phone.setblocking(False)
    try:
        return phone.recv(2048)
    except BlockingIOError:
        return b""


# -- many ------------------------------------------------------------------------------------------


def test_more_than_there_are_buffers_for_is_all_heard_in_order(lane: UringLane) -> None:
    async def story(house: House) -> None:
        await house.enter()
        count = BUFFERS // 2
        for number in range(count):
            for each in range(4):
                house.say(each, b"%d" % number)
        await until(lambda: all(len(port.heard) == count for port in house.ports))
        for port in house.ports:
            assert port.heard == [b"%d" % number for number in range(count)]

    with_house(4, story, lane=lane)


def test_a_wake_up_has_an_end_and_who_floods_takes_nothing_from_the_others() -> None:
    async def story(house: House) -> None:
        flooded, other = house.ports
        await house.enter()
        turns = []

        def watch() -> None:
            turns.append(len(flooded.heard))
            if len(other.heard) < 3:
                asyncio.get_running_loop().call_soon(watch)

        watch()
        for number in range(3):
            for _ in range(BUFFERS):
                house.say(0, b"flood")
            house.say(1, b"%d" % number)
            await until(lambda: len(other.heard) == number + 1)  # noqa: B023 - it is awaited here
        assert other.heard == [b"0", b"1", b"2"]
        assert max(after - before for before, after in pairwise(turns)) <= MOST
        assert len(flooded.heard) >= MOST

    with_house(2, story)


def test_more_than_one_system_call_can_send_is_sent_in_order() -> None:
    async def story(house: House) -> None:
        await house.enter()
        for number in range(SENDS // 4 + 50):
            for port, phone in zip(house.ports, house.phones, strict=True):
                port.socket.send(b"%d" % number, phone.address)
        await asyncio.sleep(0)
        for phone in house.phones:
            for number in range(SENDS // 4 + 50):
                assert phone.receive()[0] == b"%d" % number

    with_house(4, story)


def test_what_is_sent_before_the_end_of_a_port_arrives() -> None:
    async def story(house: House) -> None:
        [port], [phone] = house.ports, house.phones
        await house.enter()
        port.socket.send(b"bye", phone.address)
        port.socket.close()
        assert phone.receive()[0] == b"bye"

    with_house(1, story)


def test_a_socket_that_another_closes_meanwhile_is_not_heard() -> None:
    async def story(house: House) -> None:
        await house.enter()
        closed = []

        def close_all(data: bytes, source: Address) -> None:
            closed.append(data)
            for port in house.ports:
                port.socket.close()

        for port in house.ports:
            port.socket.receive = close_all
        for number in range(len(house.ports)):
            house.say(number, b"close")
        await until(lambda: closed)
        await asyncio.sleep(2 * GATHER_SECONDS)
        assert closed == [b"close"]

    with_house(5, story)


def test_a_stream_that_fails_costs_no_other_its_packet(caplog: pytest.LogCaptureFixture) -> None:
    async def story(house: House) -> None:
        await house.enter()
        failing, *others = house.ports

        def fail(data: bytes, source: Address) -> None:
            raise RuntimeError("broken")

        failing.socket.receive = fail
        for number in range(3):
            house.say(number, b"hello")
        await until(lambda: all(port.heard for port in others))
        await until(lambda: "broken" in caplog.text)

    with_house(3, story)


def test_who_finds_no_room_is_read_as_before() -> None:
    async def story(house: House) -> None:
        del house.lane._free[:-1]
        one, other = house.ports
        await one.enter(house.phones[0])
        other.socket.connect(house.phones[1].address)
        for number in range(10):
            house.say(1, b"%d" % number)
            await until(lambda: len(other.heard) == number + 1)  # noqa: B023 - it is awaited here
        assert not other.is_in_lane
        other.socket.send(b"hello", house.phones[1].address)
        assert house.phones[1].receive()[0] == b"hello"

    with_house(2, story)


def test_a_conference_borrows_a_socket_and_gives_it_back() -> None:
    async def story(house: House) -> None:
        [port], [phone] = house.ports, house.phones
        await house.enter()
        slots, packets = np.zeros((4, 64), np.uint8), np.zeros((1, 12), np.uint8)
        batch = UringSockets(slots.data, packets.data)
        for _ in range(3):
            assert batch.add(port.socket, 0)
            assert not port.is_in_lane
            phone.send_to(b"to the batch", port.address)
            await until(lambda: 12 in batch.read(0)[1])
            assert bytes(slots[0, :12]) == b"to the batch"
            batch.remove(port.socket)
            await port.enter(phone)

    with_house(1, story)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_whoever_comes_and_goes_each_hears_what_its_peer_said_in_order(seed: int) -> None:
    dice = Random(seed)

    async def story(house: House) -> None:
        said: list[list[bytes]] = [[] for _ in house.ports]
        with Phone() as stranger:
            await house.enter()
            for turn in range(30):
                number = dice.randrange(len(house.ports))
                port, phone = house.ports[number], house.phones[number]
                for _ in range(dice.choice([0, 1, 3, 40])):
                    said[number].append(b"%d" % turn)
                    phone.send_to(said[number][-1], port.address)
                    if dice.random() < 0.1:
                        await asyncio.sleep(0)
                stranger.send_to(b"noise", port.address)
                if dice.random() < 0.4:
                    await until(lambda: port.heard == said[number])  # noqa: B023 - it is awaited here
                    if dice.random() < 0.5:
                        port.socket.close()
                        house.ports[number] = port = house.open(port.address[1])
                    said[number].clear()
                    await port.enter(phone)
            await until(lambda: [port.heard for port in house.ports] == said)

    with_house(3, story)


@contextmanager
def next_socket(fd: int, phone: Phone) -> Iterator[None]:
    """The file descriptor of a socket that was closed is that of another now, which is connected to a phone."""
    with socket.socket(type=socket.SOCK_DGRAM) as opened, ExitStack() as stack:
        opened.bind((HERE, 0))
        opened.connect(phone.address)
        if opened.fileno() != fd:
            os.dup2(opened.fileno(), fd)
            stack.callback(os.close, fd)
        yield


def test_what_is_sent_to_a_peer_that_has_gone_is_not_heard_by_whoever_gets_its_file_descriptor() -> None:
    """It waits for the next system call while it is told that the peer has gone, and then the port is closed."""

    async def story(house: House) -> None:
        speaker, [phone, next_phone] = house.ports[0], house.phones
        await house.enter()
        port, gone = house.open(), Phone()
        with gone:
            await port.enter(gone)
        speaker.socket.receive = lambda data, source: port.socket.send(b"late", gone.address)
        phone.send_to(b"hello", speaker.address)
        port.socket._socket.send(b"is anybody there?")
        while port.is_in_lane:
            house.lane.select(1)
        fd = port.socket._socket.fileno()
        port.socket.close()
        with next_socket(fd, next_phone):
            house.lane.select(0)
        assert heard_by(next_phone._socket) == b""

    with_house(2, story)


def test_what_the_kernel_does_not_take_is_lost_with_its_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it is short of memory for long: nobody who gets the file descriptor next says it."""

    async def story(house: House) -> None:
        port, [phone, next_phone] = house.ports[0], house.phones
        await house.enter()
        port.socket.send(b"late", phone.address)
        fd = port.socket._socket.fileno()
        with monkeypatch.context() as short:
            short.setattr(house.lane._ring, "_call", lambda *arguments: -1)
            port.socket.close()
        with next_socket(fd, next_phone):
            house.lane.select(0)
        assert heard_by(next_phone._socket) == b""

    with_house(2, story)


# -- the loop --------------------------------------------------------------------------------------


def test_all_else_that_a_loop_waits_for_comes_as_ever(lane: UringLane) -> None:
    async def story(house: House) -> None:
        await house.enter()
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_connection(sock=ours)
            for number in range(5):
                assert await loop.run_in_executor(None, lambda: "from a thread") == "from a thread"
                theirs.send(b"line\n")
                assert await reader.readline() == b"line\n"
                house.say(0, b"%d" % number)
                await asyncio.sleep(0.001)
            writer.close()
            await writer.wait_closed()
        await until(lambda: len(house.ports[0].heard) == 5)

    with_house(1, story, lane=lane)


def test_what_waits_for_others_of_its_kind_puts_off_no_timer(
    lane: UringLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is waited for in the kernel ends when the loop wants to be woken up."""
    ring = lane._ring
    enter, waits = ring._enter, list[tuple[float, int]]()

    def noted(least: int, timeout: float, gather_us: int) -> None:
        waits.append((timeout, gather_us))
        enter(least, timeout, gather_us)

    monkeypatch.setattr(ring, "_enter", noted)
    ring._gathered = True
    with lane:
        for timeout in (0, GATHER_SECONDS / 4, 2 * GATHER_SECONDS):
            waits.clear()
            assert lane.select(timeout) == []
            assert sum(seconds for seconds, _ in waits) <= timeout + 1e-9
            assert all(gather_us <= seconds * 1e6 for seconds, gather_us in waits)


def test_what_can_be_read_is_told_until_it_is_read(lane: UringLane) -> None:
    ours, theirs = socket.socketpair()
    with lane, ours, theirs:
        lane.register(ours, selectors.EVENT_READ)
        assert lane.select(0) == []
        theirs.send(b"x")
        for timeout in (None, 60, 60):
            assert [key.fileobj for key, _ in lane.select(timeout)] == [ours]
        ours.recv(10)
        assert lane.select(0) == []


def test_where_io_uring_is_forbidden_there_is_no_lane(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("media.ring._SETUP", 100_000)  # there is no such system call
    with caplog.at_level(logging.INFO):
        assert open_lane(1) is None
    assert "there is no io_uring" in caplog.text


def test_where_the_kernel_knows_no_shared_buffers_there_is_no_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.ring._REGISTER_BUFFERS", 10_000)
    assert open_lane(1) is None


def test_a_kernel_that_is_short_of_memory_is_asked_again(lane: UringLane) -> None:
    """What it did not take is taken next time; nothing is sent twice, or with what belongs to another packet."""
    ring = lane._ring
    call, refused = ring._call, list[int]()

    def stingy(number: int, fd: int, count: int, *rest: int) -> int:
        if count > 1 and not refused:
            refused.append(count)
            return -1
        answer: int = call(number, fd, count, *rest)
        return answer

    async def story(house: House) -> None:
        [port], [phone] = house.ports, house.phones
        await house.enter()
        ring._call = stingy
        for number in range(5):
            port.socket.send(b"%d" % number, phone.address)
        ring.flush()
        for number in range(5, 10):
            port.socket.send(b"%d" % number, phone.address)
        await asyncio.sleep(0)
        for number in range(10):
            assert phone.receive()[0] == b"%d" % number
        assert refused == [5]

    with_house(1, story, lane=lane)
