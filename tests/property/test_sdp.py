"""Session descriptions: whatever we write we can read, and no bytes do more than raise PeerError."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st

from sipcore.errors import PeerError
from sipcore.sdp.description import (
    DIRECTIONS,
    Attributes,
    MediaDescription,
    Origin,
    SessionDescription,
    _read,
)

TOKENS = st.text("abcXYZ019-+._*", min_size=1, max_size=8)
"""RFC 8866 section 9."""
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=12).map(str.strip)
ADDRESSES = st.ip_addresses().map(ipaddress.ip_address).map(str)


def attributes() -> st.SearchStrategy[Attributes]:
    names = st.one_of(st.sampled_from(["rtpmap", "fmtp", "ptime", *DIRECTIONS]), TOKENS)
    return st.lists(st.tuples(names, st.none() | VALUES), max_size=4).map(tuple)


MEDIA = st.builds(
    MediaDescription,
    st.sampled_from(["audio", "video", "text"]) | TOKENS,
    st.integers(0, 65535),
    st.sampled_from(["RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVPF"]),
    st.lists(st.integers(0, 127).map(str), min_size=1, max_size=5).map(tuple),
    st.none() | ADDRESSES,
    attributes(),
    st.integers(1, 4),
)
DESCRIPTIONS = st.builds(
    SessionDescription,
    st.builds(Origin, TOKENS, st.integers(0).map(str), st.integers(0).map(str), ADDRESSES),
    VALUES.filter(bool),
    st.none() | ADDRESSES,
    st.just("0 0"),
    attributes(),
    st.lists(MEDIA, max_size=4).map(tuple),
)

LINES = st.sampled_from(
    [
        b"v=0",
        b"o=- 1 1 IN IP4 192.0.2.1",
        b"s=-",
        b"c=IN IP4 0.0.0.0",
        b"c=IN IP6 ::1/3",
        b"t=0 0",
        b"m=audio 4000 RTP/AVP 0 101",
        b"m=video 0/2 RTP/AVP 99",
        b"a=rtpmap:101 telephone-event/8000",
        b"a=rtpmap:",
        b"a=sendonly",
        b"a=",
        b"=",
    ]
)
"""What random bytes would hardly ever hit."""
PIECES = st.one_of(LINES, st.binary(max_size=12))
HOSTILE = st.lists(PIECES, max_size=12).map(b"\r\n".join)
BEGUN = HOSTILE.map(lambda rest: b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n" + rest)


def read_all(description: SessionDescription) -> None:
    """Everything that a reader asks of a description."""
    for media in description.media:
        assert 0 <= media.port < 65536
        assert media.port_count >= 1
        assert description.direction_of(media) in DIRECTIONS
        assert all(0 <= int(number) < 128 for number in media.rtpmap)
        description.address_of(media)


@given(DESCRIPTIONS)
def test_what_is_written_reads_the_same(description: SessionDescription) -> None:
    assert SessionDescription.parse(description.to_bytes()) == description
    read_all(description)


@given(DESCRIPTIONS, st.sampled_from([b"\r\n", b"\n"]))
def test_unknown_lines_change_nothing(description: SessionDescription, end: bytes) -> None:
    """RFC 8866 section 5: unknown types are errors by the letter, but what they say is not for us."""
    lines = description.to_bytes().split(b"\r\n")[:-1]
    padded = [line for known in lines for line in (known, b"b=AS:64", b"i=x", b"")]
    assert SessionDescription.parse(end.join(padded)) == description


@given(st.binary(max_size=300) | HOSTILE | BEGUN)
@example(b"v=0\no=- 1 1 IN IP4 h\nm=audio 1 RTP/AVP \xe2\x80\xa8\na=rtpmap:\xd9\xa3 x")
def test_any_bytes_are_a_description_or_a_peer_error(data: bytes) -> None:
    try:
        description = SessionDescription.parse(data)
    except PeerError:
        return
    read_all(description)
    assert SessionDescription.parse(description.to_bytes()) == description


@given(DESCRIPTIONS, st.data())
def test_a_changed_byte_does_no_more_than_raise_a_peer_error(
    description: SessionDescription, data: st.DataObject
) -> None:
    raw = bytearray(description.to_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_all(SessionDescription.parse(bytes(raw)))
    except PeerError:
        return


def read_by(read: Callable[[bytes], SessionDescription], data: bytes) -> SessionDescription | str:
    try:
        return read(data)
    except PeerError as error:
        return error.reason


ORIGINS = st.sampled_from(
    [
        b"- 1 1 IN IP4 h",
        b"a 12 3 IN IP6 ::1",
        b"-  1 1 IN IP4 h",
        b"- 1",
        b"- x 1 IN IP4 h",
        b"- 1 1 in ip4 h",
    ]
)
PORTS = st.sampled_from([b"0", b"9", b"00012", b"65535", b"65536", b"99999", b"123456", b"4/2", b"x", b""])
OTHER_LINES = st.lists(LINES | st.binary(max_size=8), max_size=3).map(
    lambda lines: b"".join(b"\r\n" + line for line in lines)
)
NAMES = st.sampled_from(
    [
        b"",
        b"\r\ns=-",
        b"\r\ns=Lee Parker",
        b"\r\ns= -",
        b"\r\ns=a ",
        b"\r\ns=Caf\xe9",
        b"\r\ns=-\r\nc=IN IP4 192.0.2.9",
        b"\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0",
        b"\r\ns=-\r\nc=IN IP6 2001:db8::9\r\nt=1 2\r\na=sendonly",
        b"\r\ns=-\r\nc=IN IP6 ::1/3",
        b"\r\ns=-\r\nt=0 0\r\nc=IN IP4 192.0.2.9",
        b"\nc=IN IP4 192.0.2.9\r\ns=-",
    ]
)
ENDS = st.sampled_from([b"\r\n", b"\n", b"", b"\r\n\r\n"])
NEARLY_USUAL = st.builds(
    lambda origin, name, before, port, after, end: (
        b"v=0\r\no=%b%b%b\r\nm=audio %b RTP/AVP 0%b%b" % (origin, name, before, port, after, end)
    ),
    ORIGINS,
    NAMES,
    OTHER_LINES,
    PORTS,
    OTHER_LINES,
    ENDS,
)


@given(NEARLY_USUAL | BEGUN | DESCRIPTIONS.map(SessionDescription.to_bytes))
def test_what_is_usual_reads_the_same_as_if_it_were_not(data: bytes) -> None:
    for _ in range(2):  # unknown, and remembered
        told, expected = read_by(SessionDescription.parse, data), read_by(_read, data)
        assert told == expected or (isinstance(told, str) and isinstance(expected, str))


@given(MEDIA, st.sampled_from(DIRECTIONS))
def test_a_direction_that_is_added_in_front_is_the_one_that_holds(
    media: MediaDescription, direction: str
) -> None:
    own = media._replace(connection="192.0.2.1", attributes=((direction, None), *media.attributes))
    description = SessionDescription(Origin("-", "1", "1", "192.0.2.1"), media=(own,))
    [read] = SessionDescription.parse(description.to_bytes()).media
    assert description.direction_of(read) == direction
