"""The pair between a media process and its parent: what is said arrives, in few pieces."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import marshal
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from media import wire
from media.messages import Echo
from media.worker import MAX_FRAME_BYTES, Channel
from tests.unit.sipcore.net.loopback import run, until


def frame(*values: object) -> bytes:
    data = wire.dumps(values)
    return len(data).to_bytes(4, "big") + data


class Pair:
    """A channel, and the bare socket at its other end."""

    def __init__(self) -> None:
        self.received: list[object] = []
        self.answer: Callable[[object], None] = lambda value: None
        self.pieces = bytearray()
        """Those that have come to the other end."""
        self.closed = 0
        self.other, self._ours = socket.socketpair()
        self.other.setblocking(False)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Channel]:
        loop = asyncio.get_running_loop()
        with self.other, self._ours:
            _, channel = await loop.create_connection(
                lambda: Channel(self._receive, self._closed), sock=self._ours
            )
            try:
                yield channel
            finally:
                self.other.close()
                await until(lambda: self.closed)

    def _receive(self, value: object) -> None:
        if value == "bad":
            raise RuntimeError("nobody can handle this")
        self.received.append(value)
        self.answer(value)

    def _closed(self) -> None:
        self.closed += 1


def test_what_is_sent_in_one_turn_goes_in_one_piece_and_in_order() -> None:
    async def story() -> None:
        pair = Pair()
        async with pair.open() as channel:
            for value in ("one", 2, Echo(3)):
                channel.send(value)
            await asyncio.sleep(0)
            channel.send("later")
            await asyncio.sleep(0)
            data = pair.other.recv(4096)
            size = int.from_bytes(data[:4], "big")
            assert wire.loads(data[4 : 4 + size]) == ["one", 2, Echo(3)]
            assert data[4 + size :] == frame("later")
            channel.send("last")
            channel.close()
            await until(lambda: pair.closed)
            assert b"last" in pair.other.recv(4096)
            channel.send("too late")
            await asyncio.sleep(0)

    run(story())


@pytest.mark.parametrize("size", [1, 3, 7, 10_000])
def test_frames_may_come_in_any_pieces(size: int) -> None:
    async def story() -> None:
        pair = Pair()
        async with pair.open():
            data = frame("a", "b") + frame() + frame("c" * 1000)
            for start in range(0, len(data), size):
                pair.other.send(data[start : start + size])
                await asyncio.sleep(0)
            await until(lambda: len(pair.received) == 3)
            assert pair.received == ["a", "b", "c" * 1000]

    run(story())


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\0\0\0\x04nope", id="nothing printed"),
        pytest.param(b"\0\0\0\0", id="an empty frame"),
        pytest.param(frame("never")[:4] + marshal.dumps(None).ljust(len(frame("never")) - 4), id="no list"),
        pytest.param(b"\xff\xff\xff\xff", id="a frame of 4 GB"),
        pytest.param((MAX_FRAME_BYTES + 1).to_bytes(4, "big"), id="a frame just too long"),
        pytest.param(b"Traceback (most recent call last):\n", id="text"),
    ],
)
def test_what_is_no_frame_ends_the_pair(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        pair = Pair()
        async with pair.open():
            pair.other.send(frame("before") + data + frame("after"))
            await until(lambda: pair.closed)
            assert pair.received == ["before"]
            assert pair.closed == 1

    run(story())
    assert "do not understand each other" in caplog.text


@pytest.mark.parametrize("cut", [1, 3, 4, 5, 14])
def test_a_frame_that_is_cut_off_is_nothing(cut: int) -> None:
    async def story() -> None:
        pair = Pair()
        async with pair.open():
            pair.other.send(frame("before") + frame("after")[:cut])
            pair.other.close()
            await until(lambda: pair.closed)
            assert pair.received == ["before"]

    run(story())


def test_a_value_that_cannot_be_handled_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        pair = Pair()
        async with pair.open():
            with caplog.at_level(logging.ERROR):
                pair.other.send(frame("one", "bad", "two") + frame("three"))
                await until(lambda: len(pair.received) == 3)
            assert pair.received == ["one", "two", "three"]
            assert "nobody can handle this" in caplog.text

    run(story())


def test_a_value_that_cannot_be_sent_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """Neither in the turn that it was to be sent in, nor where it was to answer something."""

    async def story() -> None:
        pair = Pair()
        async with pair.open() as channel:
            for value in ("one", object(), "two"):
                channel.send(value)
            await until(lambda: len(heard(pair)) == 2)
            pair.answer = lambda value: channel.send(object() if value == "odd" else value)
            pair.other.send(frame("three", "odd", "four"))
            await until(lambda: len(heard(pair)) == 4)
            assert heard(pair) == [["one"], ["two"], ["three"], ["four"]]
            assert not pair.closed

    run(story())
    assert caplog.text.count("could not be sent") == 2


def heard(pair: Pair) -> list[list[object]]:
    """The pieces that have come to the other end."""
    with contextlib.suppress(BlockingIOError):
        pair.pieces += pair.other.recv(4096)
    found, data = [], bytes(pair.pieces)
    while data:
        size = 4 + int.from_bytes(data[:4], "big")
        found.append(wire.loads(data[4:size]))
        data = data[size:]
    return found


def test_what_may_be_late_goes_with_what_is_sent_next_and_before_it() -> None:
    async def story() -> None:
        pair = Pair()
        async with pair.open() as channel:
            channel.send("late", late=True)
            channel.send("later", late=True)
            channel.send("now")
            channel.send("late again", late=True)
            await until(lambda: heard(pair))
            assert heard(pair) == [["late", "later", "now", "late again"]]

    run(story())


def test_what_may_be_late_goes_by_itself_where_nothing_else_is_sent() -> None:
    async def story() -> None:
        pair = Pair()
        async with pair.open() as channel:
            channel.send("late", late=True)
            channel.send("later", late=True)
            await until(lambda: heard(pair))
            assert heard(pair) == [["late", "later"]]
            channel.send("last", late=True)
            channel.close()
            await until(lambda: len(heard(pair)) == 2)
            assert heard(pair)[1] == ["last"]

    run(story())


def test_what_answers_one_piece_goes_in_one_piece() -> None:
    async def story() -> None:
        pair = Pair()
        async with pair.open() as channel:
            pair.answer = channel.send
            pair.other.send(frame("one", "bad", "two") + frame("three"))
            await until(lambda: heard(pair))
            assert heard(pair) == [["one", "two", "three"]]
            channel.send("by itself")
            await until(lambda: len(heard(pair)) == 2)

    run(story())
