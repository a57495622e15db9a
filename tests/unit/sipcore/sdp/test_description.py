"""Session descriptions as phones write them, and as nobody should (RFC 8866)."""

from __future__ import annotations

import pytest

from sipcore.errors import PeerError
from sipcore.sdp import description as remembering
from sipcore.sdp.description import (
    MAX_BYTES,
    MAX_LINES,
    MAX_MEDIA,
    MediaDescription,
    Origin,
    SessionDescription,
)

SESSION = ("v=0", "o=alice 2890844526 2890842807 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0")
AUDIO = "m=audio 49170 RTP/AVP 0"


def parse(*lines: str, end: str = "\r\n") -> SessionDescription:
    return SessionDescription.parse(written(*lines, end=end))


def written(*lines: str, end: str = "\r\n") -> bytes:
    return "".join(line + end for line in lines).encode("utf-8", "surrogateescape")


def parse_media(*lines: str) -> MediaDescription:
    """The only media section of a description."""
    [media] = parse(*SESSION, *lines).media
    return media


# -- what is read ----------------------------------------------------------------------------------


def test_the_example_of_the_rfc() -> None:
    """Section 5."""
    description = parse(
        "v=0",
        "o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1",
        "s=Call to John Smith",
        "i=SDP Offer #1",
        "u=http://www.jdoe.example.com/home.html",
        "e=Jane Doe <jane@jdoe.example.com>",
        "p=+1 617 555-6011",
        "c=IN IP4 198.51.100.1",
        "t=0 0",
        "m=audio 49170 RTP/AVP 0",
        "m=audio 49180 RTP/AVP 0",
        "m=video 51372 RTP/AVP 99",
        "c=IN IP6 2001:db8::2",
        "a=rtpmap:99 h263-1998/90000",
    )
    assert description.origin == Origin("jdoe", "3724394400", "3724394405", "198.51.100.1")
    assert description.name == "Call to John Smith"
    assert [(media.kind, media.port) for media in description.media] == [
        ("audio", 49170),
        ("audio", 49180),
        ("video", 51372),
    ]
    assert [description.address_of(media) for media in description.media] == [
        "198.51.100.1",
        "198.51.100.1",
        "2001:db8::2",
    ]
    assert description.media[2].rtpmap == {"99": "H263-1998/90000"}


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_lines_end_with_crlf_or_lf_alone(end: str) -> None:
    """Section 5: "parsers SHOULD be tolerant and also accept records terminated with a single newline"."""
    assert parse(*SESSION, AUDIO, end=end) == parse(*SESSION, AUDIO)


def test_the_last_line_may_lack_its_end() -> None:
    assert SessionDescription.parse("\r\n".join([*SESSION, AUDIO]).encode()) == parse(*SESSION, AUDIO)


@pytest.mark.parametrize("character", ["\u2028", "\u0085", "\x0b", "\x0c", "\x1c"])
def test_only_cr_and_lf_end_a_line(character: str) -> None:
    """Section 9: a byte-string may hold everything but NUL, CR and LF."""
    text = f"Lee{character}Parker"
    assert parse("v=0", SESSION[1], f"s={text}").name == text


def test_text_that_is_no_utf8_comes_out_as_it_went_in() -> None:
    line = b"s=Caf\xe9"
    assert line in SessionDescription.parse(b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n" + line).to_bytes()


def test_attributes_belong_to_the_section_they_stand_in() -> None:
    description = parse(
        *SESSION, "a=tool:x", AUDIO, "a=ptime:20", "m=audio 49172 RTP/AVP 8", "a=ptime:30", "a=sendonly"
    )
    assert description.attributes == (("tool", "x"),)
    assert [media.attributes for media in description.media] == [
        (("ptime", "20"),),
        (("ptime", "30"), ("sendonly", None)),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ptime", "20"),
        ("fmtp", "101 0-16"),
        ("rtcp-mux", ""),
        ("empty", ""),
        ("absent", None),
        ("url", "a:b:c"),
    ],
)
def test_an_attribute_is_its_first_value_or_empty_or_none(name: str, value: str | None) -> None:
    media = parse_media(
        AUDIO, "a=ptime:20", "a=ptime:40", "a=fmtp:101 0-16", "a=rtcp-mux", "a=empty:", "a=url:a:b:c"
    )
    assert media.attribute(name) == value


def test_a_port_count_stands_behind_the_port() -> None:
    media = parse_media("m=video 49170/2 RTP/AVP 31")
    assert (media.port, media.port_count) == (49170, 2)


def test_a_declined_section_keeps_its_place() -> None:
    description = parse(*SESSION, "m=video 0 RTP/AVP 99", AUDIO)
    assert [media.port for media in description.media] == [0, 49170]


def test_a_multicast_address_is_read_without_its_ttl() -> None:
    description = parse(*SESSION, AUDIO, "c=IN IP4 224.2.36.42/127")
    assert description.address_of(description.media[0]) == "224.2.36.42"


# -- payload types ---------------------------------------------------------------------------------


def test_static_payload_types_need_no_rtpmap() -> None:
    assert parse_media("m=audio 4000 RTP/AVP 0 8 9 18 96").rtpmap == {
        "0": "PCMU/8000",
        "8": "PCMA/8000",
        "9": "G722/8000",
        "18": "G729/8000",
    }


def test_a_rtpmap_names_dynamic_types_and_overrides_static_ones() -> None:
    media = parse_media(
        "m=audio 4000 RTP/AVP 0 97 101",
        "a=rtpmap:97 opus/48000/2",
        "a=rtpmap:101 telephone-event/8000",
        "a=rtpmap:0 pcmu/8000/1",
    )
    assert media.rtpmap == {"0": "PCMU/8000/1", "97": "OPUS/48000/2", "101": "TELEPHONE-EVENT/8000"}


@pytest.mark.parametrize("number", ["x", "-1", "128", "1e2", "٣", "0" * 5000, ""])
def test_a_rtpmap_of_what_is_no_payload_type_names_nothing(number: str) -> None:
    """RFC 3550 section 5.1: seven bits. Whoever reads the mapping may rely on numbers."""
    media = parse_media(f"m=audio 4000 RTP/AVP {number or 0}", f"a=rtpmap:{number} PCMU/8000")
    assert set(media.rtpmap) <= {"0"}


# -- addresses and directions ----------------------------------------------------------------------


def test_a_connection_of_the_section_goes_before_that_of_the_session() -> None:
    description = parse(*SESSION, AUDIO, "c=IN IP4 203.0.113.5", AUDIO)
    first, second = description.media
    assert description.address_of(first) == "203.0.113.5"
    assert description.address_of(second) == "192.0.2.1"


def test_no_connection_at_all_is_no_address() -> None:
    description = parse(*SESSION[:3], AUDIO)
    assert description.address_of(description.media[0]) is None


def test_an_ipv6_address_is_written_as_such() -> None:
    description = SessionDescription(
        Origin("-", "1", "1", "2001:db8::1"),
        connection="2001:db8::1",
        media=(MediaDescription("audio", 4000, "RTP/AVP", ("0",), "2001:db8::2"),),
    )
    text = description.to_bytes().decode()
    assert "o=- 1 1 IN IP6 2001:db8::1\r\n" in text
    assert text.count("c=IN IP6 ") == 2
    assert SessionDescription.parse(text.encode()) == description


@pytest.mark.parametrize("direction", ["sendrecv", "sendonly", "recvonly", "inactive"])
def test_a_direction_of_the_section_goes_before_that_of_the_session(direction: str) -> None:
    description = parse(*SESSION, "a=sendonly", AUDIO, f"a={direction}", AUDIO)
    first, second = description.media
    assert description.direction_of(first) == direction
    assert description.direction_of(second) == "sendonly"


def test_without_a_direction_sound_goes_both_ways() -> None:
    """Section 6.7."""
    description = parse(*SESSION, AUDIO)
    assert description.direction_of(description.media[0]) == "sendrecv"


@pytest.mark.parametrize(
    ("written", "meant"),
    [("sendrecv", "sendonly"), ("sendonly", "sendonly"), ("recvonly", "inactive"), ("inactive", "inactive")],
)
@pytest.mark.parametrize("level", ["session", "section"])
def test_the_address_zero_holds(written: str, meant: str, level: str) -> None:
    """RFC 3264 section 8.4, of RFC 2543 phones: nothing is to be sent there."""
    zero = "c=IN IP4 0.0.0.0"
    lines = [*SESSION[:3], zero, AUDIO] if level == "session" else [*SESSION, AUDIO, zero]
    description = parse(*lines, f"a={written}")
    assert description.direction_of(description.media[0]) == meant


# -- what is written -------------------------------------------------------------------------------


def test_a_description_is_written_in_the_order_of_the_grammar() -> None:
    description = SessionDescription(
        Origin("-", "7", "8", "192.0.2.1"),
        connection="192.0.2.1",
        attributes=(("tool", "x"),),
        media=(
            MediaDescription(
                "audio", 4000, "RTP/AVP", ("0", "101"), "192.0.2.9", (("ptime", "20"), ("sendrecv", None))
            ),
            MediaDescription("video", 0, "RTP/AVP", ("99",), port_count=2),
        ),
    )
    assert description.to_bytes().decode().split("\r\n") == [
        "v=0",
        "o=- 7 8 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "a=tool:x",
        "m=audio 4000 RTP/AVP 0 101",
        "c=IN IP4 192.0.2.9",
        "a=ptime:20",
        "a=sendrecv",
        "m=video 0/2 RTP/AVP 99",
        "",
    ]


@pytest.mark.parametrize("line", ["s=", "s= ", "s=-"])
def test_a_session_without_a_name_is_called_dash(line: str) -> None:
    """Section 5.3."""
    assert parse(*SESSION[:2], line).name == "-"


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        (),
        SESSION[:1],
        SESSION[1:],
        ("v=1", *SESSION[1:]),
        (AUDIO, *SESSION),
        ("hello",),
        (*SESSION, "no line at all"),
        (*SESSION, "ab=c"),
    ],
)
def test_what_is_no_description_is_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(PeerError):
        parse(*lines)


@pytest.mark.parametrize(
    "line",
    [
        "o=alice 1 1 IN IP4",
        "o=",
        "c=IN IP4",
        "c=",
        "c=IN IP4 /127",
        "c=ATM NSAP 47.0091",
        "c=IN IP4 192.0.2.1 192.0.2.2",
    ],
)
def test_a_broken_line_of_the_session_is_refused(line: str) -> None:
    kept = [other for other in SESSION if other[0] != line[0]]
    with pytest.raises(PeerError):
        parse(*kept, line)


@pytest.mark.parametrize(
    "line",
    [
        "m=",
        "m=audio",
        "m=audio 4000",
        "m=audio 4000 RTP/AVP",
        "m=audio -1 RTP/AVP 0",
        "m=audio 65536 RTP/AVP 0",
        "m=audio 000000999999 RTP/AVP 0",
        "m=audio ٤٠٠٠ RTP/AVP 0",
        "m=audio 4000/0 RTP/AVP 0",
        "m=audio 4000/x RTP/AVP 0",
        "m=audio 4000/٢ RTP/AVP 0",
        f"m=audio {'9' * 5000} RTP/AVP 0",
        f"m=audio {'0' * 5000} RTP/AVP 0",
        f"m=audio 4000/{'9' * 5000} RTP/AVP 0",
    ],
)
def test_a_broken_media_line_is_refused(line: str) -> None:
    with pytest.raises(PeerError):
        parse(*SESSION, line)


def test_a_broken_connection_of_a_section_is_refused() -> None:
    with pytest.raises(PeerError):
        parse(*SESSION, AUDIO, "c=IN IP4")


def test_a_refusal_is_a_bad_request_and_quotes_little() -> None:
    with pytest.raises(PeerError) as caught:
        parse(*SESSION, "x" * 1000)
    assert caught.value.status == 400
    assert len(caught.value.reason) < 200


def test_as_many_sections_and_lines_as_the_limit_allows() -> None:
    assert len(parse(*SESSION, *[AUDIO] * MAX_MEDIA).media) == MAX_MEDIA
    filled = [*SESSION, *["a=x"] * (MAX_LINES - len(SESSION))]
    assert len(parse(*filled).attributes) == MAX_LINES - len(SESSION)
    longest = "a=" + "x" * (MAX_BYTES - 4 - len(written(*SESSION)))
    assert len(written(*SESSION, longest)) == MAX_BYTES
    assert len(parse(*SESSION, longest).attributes) == 1


@pytest.mark.parametrize(
    "lines",
    [
        [*SESSION, *[AUDIO] * (MAX_MEDIA + 1)],
        [*SESSION, *["a=x"] * (MAX_LINES - len(SESSION) + 1)],
        [*SESSION, "a=" + "x" * (MAX_BYTES - 3 - len(written(*SESSION)))],
    ],
)
def test_more_than_the_limit_is_refused(lines: list[str]) -> None:
    with pytest.raises(PeerError):
        parse(*lines)


def test_phones_of_a_model_say_the_same_but_for_who_and_where_they_are() -> None:
    rest = "t=0 0", "m=audio {} RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000", "a=sendrecv", ""
    said = "\r\n".join(("v=0", "o={} {} 1 IN IP4 {}", "s={}", "c=IN IP4 {}", *rest))
    one, other = (
        SessionDescription.parse(said.format(*each).encode())
        for each in (
            ("lee", 12, "192.0.2.1", "a call", "192.0.2.1", 4000),
            ("-", 7, "192.0.2.2", "-", "203.0.113.9", 65534),
        )
    )
    assert (one.origin, one.name) == (Origin("lee", "12", "1", "192.0.2.1"), "a call")
    assert (one.connection, one.media[0].port) == ("192.0.2.1", 4000)
    assert (other.connection, other.media[0].port) == ("203.0.113.9", 65534)
    assert one.media[0].attributes is other.media[0].attributes
    assert one.media[0].formats is other.media[0].formats


def test_keys_are_of_one_call_and_never_remembered() -> None:
    """And the same is read whatever came before."""
    plain = (
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        b"m=audio 4000 RTP/SAVP 0\r\na=sendrecv\r\n"
    )
    key = "A" * 40
    keyed = plain + f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n".encode()
    SessionDescription.parse(plain)  # all but the key is known
    memories = (remembering._remembered, remembering._remembered_lines)
    before = [memory.cache_info().misses for memory in memories]
    read = [SessionDescription.parse(keyed) for _ in range(2)]
    assert [memory.cache_info().misses for memory in memories] == before
    assert [said.to_bytes() for said in read] == [keyed, keyed]
