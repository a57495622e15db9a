"""However a byte stream is divided, the same messages come out of it."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import ParseError
from sipcore.transport.framing import StreamFramer

LINES = st.sampled_from(
    [
        b"Subject: x",
        b"l: 1",
        b" l: 2",
        b"Content-Length: 3",
        b"content-length :\r\n 0",
        b"l: x",
        b"",
        b"\r",
        b"x\n",
    ]
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Whole messages that can be cut out of a stream."""
    body = draw(st.binary(max_size=40))
    length = draw(st.sampled_from([b"l: %d", b"Content-Length:%d", b"CONTENT-LENGTH : 0%d\t", b"l:\r\n  %d"]))
    return b"\r\n".join([b"OPTIONS sip:a SIP/2.0", b"Subject: l: 9", length % len(body), b"", body])


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """What looks like a header, and may be none."""
    return b"\r\n".join([b"INVITE sip:a SIP/2.0", *draw(st.lists(LINES, max_size=4)), b"", b""])


EMPTY = st.sampled_from([b"\r\n", b"\r\n\r\n", b"\r", b"\n"])
STREAMS = st.lists(st.one_of(messages(), EMPTY, headers(), st.binary(max_size=20)), max_size=8).map(b"".join)


def cut(chunks: list[bytes]) -> tuple[list[bytes], int | None, bool]:
    """The messages, the status of the fault that ends them, and whether something is left."""
    framer = StreamFramer()
    found: list[bytes] = []
    try:
        for chunk in [*chunks, b""]:
            while told := framer.feed(chunk):
                found += told
                chunk = b""
    except ParseError as fault:
        return found, fault.status, False
    return found, None, framer.pending


def divide(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


@given(STREAMS, st.lists(st.integers(0, 10_000), max_size=12))
def test_any_division_of_a_stream_gives_the_same(data: bytes, places: list[int]) -> None:
    whole = cut([data])
    assert cut(divide(data, places)) == whole
    assert cut([data[index : index + 1] for index in range(len(data))]) == whole


@given(st.lists(st.tuples(st.sampled_from([b"", b"\r\n", b"\n"]), messages()), max_size=6))
def test_messages_come_out_as_they_went_in_whatever_stands_between_them(
    parts: list[tuple[bytes, bytes]],
) -> None:
    data = b"".join(gap + message for gap, message in parts)
    assert cut([data]) == ([message for _, message in parts], None, False)


@given(STREAMS)
def test_nothing_is_invented(data: bytes) -> None:
    found, _, _ = cut([data])
    place = 0
    for message in found:
        place = data.index(message, place) + len(message)
