"""A byte stream is cut into messages and keep-alives, and given up where it cannot be cut."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from sipcore.errors import ParseError
from sipcore.syntax.parser import parse_message
from sipcore.transport.framing import MAX_HEADER_BYTES, MAX_MESSAGE_BYTES, PING, PONG, StreamFramer

LENGTH_0 = "Content-Length: 0"


def message(length: str = LENGTH_0, *, body: bytes = b"", more: str = "") -> bytes:
    return f"OPTIONS sip:a SIP/2.0\r\n{more}{length}\r\n\r\n".encode() + body


def feed_all(framer: StreamFramer, chunks: Iterable[bytes]) -> list[bytes]:
    return [message for chunk in chunks for message in framer.feed(chunk)]


def in_bytes(data: bytes) -> Iterable[bytes]:
    return (data[index : index + 1] for index in range(len(data)))


def refusal(data: bytes) -> ParseError:
    with pytest.raises(ParseError) as refused:
        StreamFramer().feed(data)
    with pytest.raises(ParseError) as dripping:
        feed_all(StreamFramer(), in_bytes(data))
    assert refused.value.status == dripping.value.status
    return refused.value


# -- messages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "whole",
    [
        message(),
        message("Content-Length: 4", body=b"body"),
        message("content-length:4", body=b"body"),
        message("CONTENT-LENGTH \t: \t04 \t", body=b"body"),
        message("l: 4", body=b"\r\n\r\n"),
        message("L:4\r\nSubject: x", body=b"body"),
        message("Content-Length:\r\n 4", body=b"body"),
        message("Content-Length: 4", more="Subject: Content-Length: 9\r\nX-l: 7\r\n", body=b"body"),
        message("l: 4", more="Subject: folded\r\n l: 9\r\n", body=b"body"),
        message("l: 4", body=b"\0\xff\r\n"),
    ],
)
def test_a_message_ends_where_its_content_length_says(whole: bytes) -> None:
    for chunks in ([whole], in_bytes(whole)):
        framer = StreamFramer()
        assert feed_all(framer, chunks) == [whole]
        assert not framer.pending
    assert StreamFramer().feed(whole * 3) == [whole] * 3


def test_a_message_that_is_not_whole_is_waited_for() -> None:
    framer = StreamFramer()
    assert not framer.pending
    assert framer.feed(message("l: 4", body=b"bod")) == []
    assert framer.pending
    assert framer.feed(b"yOPT") == [message("l: 4", body=b"body")]
    assert framer.pending
    assert framer.feed(message()[3:]) == [message()]
    assert not framer.pending


def test_what_is_cut_is_what_the_parser_reads() -> None:
    fields = (
        "Via: SIP/2.0/TCP a\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
    )
    (cut,) = StreamFramer().feed(message("Content-Length:\r\n 4", more=fields, body=b"body"))
    assert parse_message(cut, stream=True).body == b"body"


# -- keep-alives ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PING, [b""]),
        (PONG, []),
        (PING * 3, [b""] * 3),
        (PING + PONG, [b""]),
        (PONG + message(), [message()]),
        (PING + message() + PING, [b"", message(), b""]),
        (message() + PONG + message() + PONG + message(), [message()] * 3),
        (b"\n\n\n\n" + message(), [message()]),
        (b"\n\r\n" + message(), [message()]),
        (b"\r\r\n" + message(), [message()]),
        (b"\r\n\n\r\n" + message(), [message()]),
    ],
)
def test_a_double_crlf_is_a_ping_and_other_empty_lines_are_nothing(
    data: bytes, expected: list[bytes]
) -> None:
    for chunks in ([data], in_bytes(data)):
        framer = StreamFramer()
        assert feed_all(framer, chunks) == expected
        assert not framer.pending


def test_a_ping_may_come_in_two_halves() -> None:
    framer = StreamFramer()
    assert framer.feed(b"\r\n") == []
    assert not framer.pending
    assert framer.feed(b"\r") == []
    assert framer.feed(b"\n") == [b""]


def test_empty_lines_without_end_are_only_chatter() -> None:
    framer = StreamFramer()
    assert framer.feed(b"\n" * 100_000) == []
    assert framer.feed(b"\r" * 100_000) == []
    assert framer.feed(b"\n" + PING) == [b""]


# -- faults --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "length",
    [
        "Subject: no length",
        "Content-Length:",
        "Content-Length: x",
        "Content-Length: -1",
        "Content-Length: 1 1",
        "Content-Length: 0x4",
        "Content-Length: 9999999999",
        "Content-Length; 4",
        "Content-Length-Not: 4",
        " Content-Length: 4",
        "Subject: Content-Length: 4",
        "Content-Length:\r\n\r\n4",
    ],
)
def test_without_a_length_the_stream_is_given_up(length: str) -> None:
    assert refusal(message(length)).status == 400


def test_junk_is_given_up() -> None:
    assert refusal(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").status == 400
    assert refusal(b"\x16\x03\x01\x02\0" + b"\0" * MAX_HEADER_BYTES).status == 513


def header_of(size: int) -> bytes:
    """A message whose header has so many bytes before the empty line."""
    filler = "X: " + "x" * (size - len(message()) - len("X: \r\n") + len("\r\n\r\n"))
    return message(more=filler + "\r\n")


def test_a_header_may_have_32_kib_and_more_is_a_513() -> None:
    largest = header_of(MAX_HEADER_BYTES)
    assert largest.index(b"\r\n\r\n") == MAX_HEADER_BYTES == 32768
    assert StreamFramer().feed(largest) == feed_all(StreamFramer(), in_bytes(largest)) == [largest]
    assert refusal(header_of(MAX_HEADER_BYTES + 1)).status == 513


def test_a_header_without_end_is_not_waited_for_for_ever() -> None:
    framer = StreamFramer()
    with pytest.raises(ParseError) as refused:
        feed_all(framer, [b"X: x\r\n"] * MAX_HEADER_BYTES)
    assert refused.value.status == 513


def test_a_body_that_makes_the_message_too_large_is_a_513_before_it_is_read() -> None:
    room = MAX_MESSAGE_BYTES - len(message(f"Content-Length: {MAX_MESSAGE_BYTES}")) + 4
    assert StreamFramer().feed(message(f"Content-Length: {room}")) == []
    assert refusal(message(f"Content-Length: {room + 1}")).status == 513
    assert refusal(message("Content-Length: 999999999")).status == 513


def test_what_came_before_the_fault_comes_first() -> None:
    framer = StreamFramer()
    assert framer.feed(message() + PING + message("l: x") + message()) == [message(), b""]
    for data in (b"", message(), b""):
        with pytest.raises(ParseError):
            framer.feed(data)
