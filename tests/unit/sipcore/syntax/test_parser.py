"""Bytes become messages, or errors that say what to answer (RFC 3261 sections 7 and 18.3)."""

from __future__ import annotations

from functools import partial

import pytest

from sipcore.errors import ParseError
from sipcore.syntax.headers import CSeq
from sipcore.syntax.message import Request, Response
from sipcore.syntax.parser import LIMITS, Limits, parse_message, read_message

START = "OPTIONS sip:bob@example.com SIP/2.0"
VIA = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"
REST = ["From: <sip:alice@example.com>;tag=1", "To: <sip:bob@example.com>", "Call-ID: a@b", "CSeq: 7 OPTIONS"]


def options(
    *more: str, start: str = START, without: str = "-", end: str = "\r\n", body: bytes = b""
) -> bytes:
    """A request with these header fields more, and without those that begin with `without`."""
    lines = [start, *(line for line in (VIA, *REST) if not line.startswith(without)), *more]
    return (end.join(lines) + end + end).encode("utf-8", "surrogateescape") + body


def request(data: bytes, *, stream: bool = False) -> Request:
    message = parse_message(data, stream=stream)
    assert isinstance(message, Request)
    return message


def refusal(data: bytes, *, stream: bool = False, limits: Limits = LIMITS) -> ParseError:
    read = parse_message if limits is LIMITS else partial(read_message, limits=limits)
    with pytest.raises(ParseError) as refused:
        read(data, stream=stream)
    return refused.value


# -- start lines ---------------------------------------------------------------------------------------


def test_a_request_is_read() -> None:
    message = request(options("Max-Forwards: 70", "Subject: lunch", "Content-Length: 4", body=b"body"))
    assert (message.method, message.uri_text, message.body) == ("OPTIONS", "sip:bob@example.com", b"body")
    assert (message.via.host, message.cseq, message.max_forwards) == ("192.0.2.1", CSeq(7, "OPTIONS"), 70)
    assert [name for name, _ in message.headers] == [
        "Via",
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Max-Forwards",
        "Subject",
    ]


@pytest.mark.parametrize(
    ("start", "status", "reason"),
    [
        ("SIP/2.0 200 OK", 200, "OK"),
        ("SIP/2.0 180 Ringing  there", 180, "Ringing  there"),
        ("sip/2.0 699 ", 699, ""),  # section 7.1: the version is compared without regard to case
        ("SIP/2.0 100", 100, ""),
        ("SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять", 200, "= 2**3 * 5**2 но сто девяносто девять"),
    ],
)
def test_a_response_is_read(start: str, status: int, reason: str) -> None:
    message = parse_message(options(start=start))
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (status, reason)


@pytest.mark.parametrize(
    "start",
    [
        "",
        "OPTIONS",
        "OPTIONS sip:bob@example.com",
        "OPTIONS  SIP/2.0",
        " OPTIONS sip:bob@example.com SIP/2.0",
        "OP(IONS sip:bob@example.com SIP/2.0",
        "OPTIONS sip:bob@example.com HTTP/1.1",
        "GET / HTTP/1.1",
        "SIP/2.0",
        "SIP/2.0 ",
        "SIP/2.0 OK",
        "SIP/2.0 20 OK",
        "SIP/2.0 099 OK",
        "SIP/2.0 700 OK",
        "SIP/2.0 4294967301 OK",
        "SIP/2.0 2\u06600 OK",
        "SIP/3.0 200 OK",
        "SIP/2.0 200 O\rK",
        "OPTIONS sip:bob\r@example.com SIP/2.0",
        "OPTIONS sip:bob\0@example.com SIP/2.0",
        f"{'M' * 65} sip:bob@example.com SIP/2.0",
    ],
)
def test_what_has_no_start_line_is_not_answered(start: str) -> None:
    assert refusal(options(start=start)).request is None


@pytest.mark.parametrize(
    ("start", "status"),
    [
        ("OPTIONS sip:bob@example.com SIP/7.0", 505),
        ("OPTIONS sip:bob@example.com SIP/2.00", 505),
        ("OPTIONS sip:bob@example.com lr SIP/2.0", 400),
        ("OPTIONS  sip:bob@example.com  SIP/2.0", 400),
        ("OPTIONS <sip:bob@example.com> SIP/2.0", 400),
    ],
)
def test_a_start_line_that_is_only_half_right_is_answered(start: str, status: int) -> None:
    refused = refusal(options(start=start))
    assert refused.status == status
    assert refused.request is not None
    assert refused.request.call_id == "a@b"


def test_space_after_the_start_line_does_no_harm() -> None:
    assert request(options(start=START + "  ")).method == "OPTIONS"


def test_methods_differ_in_case_and_may_be_unknown() -> None:
    assert (
        request(options("CSeq: 1 oPtIoNs", start="oPtIoNs sip:a SIP/2.0", without="CSeq")).method == "oPtIoNs"
    )


def test_a_request_uri_is_read_when_it_is_asked_for() -> None:
    assert request(options(start="OPTIONS nobody:knows SIP/2.0")).uri.scheme == "nobody"


# -- header fields -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("compact", "name"),
    [
        ("i", "Call-ID"),
        ("m", "Contact"),
        ("e", "Content-Encoding"),
        ("c", "Content-Type"),
        ("f", "From"),
        ("s", "Subject"),
        ("k", "Supported"),
        ("t", "To"),
        ("v", "Via"),
        ("o", "Event"),
        ("u", "Allow-Events"),
        ("r", "Refer-To"),
        ("b", "Referred-By"),
        ("x", "Session-Expires"),
        ("j", "Reject-Contact"),
        ("d", "Request-Disposition"),
        ("a", "Accept-Contact"),
        ("y", "Identity"),
    ],
)
def test_compact_names_are_names(compact: str, name: str) -> None:
    value = "SIP/2.0/UDP 192.0.2.9" if compact == "v" else "<sip:c@example.com>"
    for form in (compact, compact.upper()):
        message = request(options(f"{form}: {value}", without=name))
        assert message.get_all(name)[-1] == value


def test_names_are_brought_into_one_form_and_unknown_ones_left() -> None:
    message = request(options("CONTACT:<sip:a@b>", "www-authenticate :x", "X-mY-oWn\t: y"))
    assert message.headers[-3:] == [("Contact", "<sip:a@b>"), ("WWW-Authenticate", "x"), ("X-mY-oWn", "y")]


def test_values_are_unfolded_and_stripped() -> None:
    message = request(
        options(
            "Subject:\r\n \tI know\r\n   you're there,\r\n\tpick up  \t",
            "Empty:",
            "Colons: a:b : c",
            "Blank: \t ",
        )
    )
    assert message.headers[-4:] == [
        ("Subject", "I know you're there, pick up"),
        ("Empty", ""),
        ("Colons", "a:b : c"),
        ("Blank", ""),
    ]


def test_lines_may_end_with_a_line_feed_alone() -> None:
    message = request(options("Subject: a\n b", end="\n", body=b"body"))
    assert message.get("Subject") == "a b"
    assert message.body == b"body"


@pytest.mark.parametrize("before", ["\r\n", "\r\n\r\n", "\n\n\n"])
def test_empty_lines_before_a_message_are_skipped(before: str) -> None:
    """Section 7.5 asks for it on streams, and in a datagram it does no harm."""
    assert request(before.encode() + options()).call_id == "a@b"


def test_text_is_utf8_and_other_bytes_survive() -> None:
    message = request(options("Subject: Grüße", "Organization: \udcff"))
    assert message.get("Subject") == "Grüße"
    assert b"Organization: \xff\r\n" in message.to_bytes()


@pytest.mark.parametrize(
    "line",
    [
        "no colon",
        ": no name",
        "Sub ject: x",
        "Sübject: x",
        "(Subject): x",
        "Subject: a\rb",
        "Subject: a\0b",
        "Subject: a\0",
        "Subject: a\r\rb",
    ],
)
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_what_is_no_header_field_is_refused_with_400(line: str, end: str) -> None:
    refused = refusal(options(line, end=end))
    assert refused.status == 400
    assert refused.request is not None
    assert refused.request.call_id == "a@b"
    assert not any(character in value for _, value in refused.request.headers for character in "\r\0")


@pytest.mark.parametrize(
    "via", ["SIP\r/2.0/UDP 192.0.2.20", "SIP/2.0/UDP\r192.0.2.20", "SIP/2.0/UDP 192.0.2.20\r:5060"]
)
def test_a_via_has_no_bare_carriage_return(via: str) -> None:
    """Nor where all else is written as usual."""
    data = (
        f"INVITE sip:101@192.0.2.1 SIP/2.0\r\nVia: {via};branch=z9hG4bK1;rport\r\nFrom: <sip:100@192.0.2.1>;tag=1\r\n"
        "To: <sip:101@192.0.2.1>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    )
    assert refusal(data.encode()).status == 400


def test_a_null_may_be_escaped_in_a_quoted_string() -> None:
    """Section 25.1: a quoted-pair takes every ASCII character but CR and LF; RFC 4475 section 3.1.1.2 uses it."""
    message = request(options('From: "BEL:\\\a NUL:\\\0" <sip:a@b>;tag=1', without="From"))
    assert message.from_.display_name == "BEL:\a NUL:\0"
    assert str(message.from_) == '"BEL:\\\a NUL:\\\0" <sip:a@b>;tag=1'
    message.set("From", str(message.from_))


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_what_every_message_has_is_missed_with_400(name: str) -> None:
    for start in (START, "SIP/2.0 200 OK"):
        assert refusal(options(start=start, without=name)).status == 400
        assert refusal(options(f"{name}:", start=start, without=name)).status == 400


@pytest.mark.parametrize(
    "line",
    [
        "From: <sip:x@y>",
        "To: <sip:x@y>",
        "Call-ID: x",
        "CSeq: 7 OPTIONS",
        "i: x",
        "Max-Forwards: 1\r\nMax-Forwards: 1",
        "l: 0\r\nl: 0",
    ],
)
def test_what_a_message_has_once_is_not_there_twice(line: str) -> None:
    assert refusal(options(line)).status == 400


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Via: SIP/2.0/UDP 192.0.2.15;;,;,,", "Via"),
        ("From: <sip:alice@example.com", "From"),
        ('To: "Bob <sip:bob@example.com>', "To"),
        ("CSeq: x OPTIONS", "CSeq"),
        ("CSeq: 7 INVITE", "CSeq"),
        ("CSeq: 7 options", "CSeq"),
        ("CSeq: 36893488147419103232 OPTIONS", "CSeq"),
        ("Max-Forwards: -1", "Max-Forwards"),
        ("Max-Forwards: many", "Max-Forwards"),
    ],
)
def test_what_a_transaction_needs_is_read_at_once(line: str, name: str) -> None:
    refused = refusal(options(line, without=name))
    assert refused.status == 400
    assert refused.request is not None


def test_a_response_may_have_a_cseq_of_any_method_but_a_readable_one() -> None:
    message = parse_message(options("CSeq: 7 INVITE", start="SIP/2.0 200 OK", without="CSeq"))
    assert message.cseq == CSeq(7, "INVITE")
    assert refusal(options("CSeq: x", start="SIP/2.0 200 OK", without="CSeq")).request is None


def test_other_values_are_read_only_when_they_are_asked_for() -> None:
    message = request(options("Contact: ;;;", "Expires: never", "Date: yesterday", "Record-Route: ???"))
    assert message.get("Contact") == ";;;"


@pytest.mark.parametrize("first", ["", " ", ", ,"])
def test_the_topmost_via_is_in_the_first_line(first: str) -> None:
    """An empty line in front of it would make the way back ambiguous."""
    assert refusal(options(f"Via: {first}", VIA, without="Via")).status == 400


def test_an_ack_is_never_answered() -> None:
    broken = options("CSeq: 7 ACK", "no colon", start="ACK sip:bob@example.com SIP/2.0", without="CSeq")
    assert refusal(broken).request is None


# -- bodies --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "body", "read"),
    [
        ("Content-Length: 4", b"body", b"body"),
        ("Content-Length: 4", b"bodyguard", b"body"),
        ("l : 0004", b"body\r\n\r\n", b"body"),
        ("Content-Length: 0", b"", b""),
        ("Content-Length: 8", b"\r\n\r\nv=0\n", b"\r\n\r\nv=0\n"),
        ("Content-Length: 2", b"\0\xff", b"\0\xff"),
    ],
)
def test_a_body_has_the_length_that_is_told(length: str, body: bytes, read: bytes) -> None:
    message = request(options(length, body=body))
    assert message.body == read
    assert not message.has("Content-Length")


def test_without_a_length_the_body_of_a_datagram_is_the_rest_and_on_a_stream_there_is_none() -> None:
    assert request(options(body=b"rest")).body == b"rest"
    assert refusal(options(body=b"rest"), stream=True).status == 400


@pytest.mark.parametrize("length", ["5", "-4", "four", "4 4", "", "1e1", "\uff14", "99999999999"])
def test_a_length_that_is_wrong_is_refused_with_400(length: str) -> None:
    refused = refusal(options(f"Content-Length: {length}", body=b"body"))
    assert refused.status == 400
    assert refused.request is not None


@pytest.mark.parametrize(
    "data", [b"", b"\r\n", b"\r\n\r\n", b"\0", options()[:-2], options()[:-4], options()[:-40]]
)
def test_a_header_that_does_not_end_is_refused(data: bytes) -> None:
    assert refusal(data).status == 400


# -- limits --------------------------------------------------------------------------------------------


def test_a_message_may_have_64_kib_and_more_is_a_513() -> None:
    room = LIMITS.message_bytes - len(options())
    assert LIMITS.message_bytes == 65535
    assert len(request(options(body=b"x" * room)).body) == room
    assert refusal(options(body=b"x" * (room + 1))).status == 513


def test_a_message_may_have_200_header_fields_and_more_is_a_400() -> None:
    more = [f"X-{number}: {number}" for number in range(200 - 5)]
    assert len(request(options(*more)).headers) == 200
    assert refusal(options(*more, "X: 1")).status == 400


def test_a_header_field_may_have_8192_characters_and_more_is_a_400() -> None:
    line = "Subject: ".ljust(8192, "x")
    assert len(request(options(line)).get("Subject") or "") == 8192 - len("Subject: ")
    assert refusal(options(line + "x")).status == 400


@pytest.mark.parametrize("join", ["\r\nVia: ", ", "])
def test_a_message_may_have_70_vias_and_more_is_a_400(join: str) -> None:
    vias = [f"SIP/2.0/UDP 192.0.2.{number}" for number in range(71)]
    assert len(request(options(f"Via: {join.join(vias[:70])}", without="Via")).vias) == 70
    assert refusal(options(f"Via: {join.join(vias)}", without="Via")).status == 400


@pytest.mark.parametrize("join", ["\r\nRoute: ", ", "])
def test_a_message_may_have_70_routes_and_more_is_a_400(join: str) -> None:
    routes = [f"<sip:192.0.2.{number};lr>" for number in range(71)]
    assert len(request(options(f"Route: {join.join(routes[:70])}")).routes) == 70
    refused = refusal(options(f"Route: {join.join(routes)}"))
    assert refused.status == 400
    assert refused.request is not None


def test_limits_are_for_the_caller_to_set() -> None:
    assert refusal(options(), limits=Limits(message_bytes=100)).status == 513
    assert refusal(options(), limits=Limits(header_fields=4)).status == 400
    assert refusal(options(), limits=Limits(vias=0)).status == 400
