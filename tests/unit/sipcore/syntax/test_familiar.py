"""Requests that come again are read from what was read before, and what is out of the ordinary is not."""

from __future__ import annotations

import tracemalloc

import pytest

from sipcore.errors import ParseError
from sipcore.syntax import familiar
from sipcore.syntax.message import Request
from sipcore.syntax.parser import Limits, parse_message, read_message

LINES = [
    "REGISTER sip:pbx.example SIP/2.0",
    "Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK-1;rport",
    "Max-Forwards: 70",
    "From: <sip:100@pbx.example>;tag=1",
    "To: <sip:100@pbx.example>",
    "Call-ID: familiar",
    "CSeq: 1 REGISTER",
    "Contact: <sip:100@192.0.2.20:5060>",
    "User-Agent: Desk 3",
    "Content-Length: 0",
]
VIA, CSEQ, CONTACT = 1, 6, 7
CREDENTIALS = 'Authorization: Digest username="100", nonce="1"'


def written(lines: list[str], end: str = "\r\n") -> bytes:
    return (end.join(lines) + end * 2).encode()


def replaced(at: int, line: str) -> list[str]:
    return [*LINES[:at], line, *LINES[at + 1 :]]


@pytest.mark.parametrize(
    "lines",
    [
        replaced(VIA, "Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK-2;rport"),
        replaced(VIA, "Via: SIP/2.0/UDP 192.0.2.20:5062;rport;branch=z9hG4bK-3"),
        replaced(CSEQ, "CSeq: 2 REGISTER"),
        [*LINES[:-1], CREDENTIALS, LINES[-1]],
        [*LINES[:3], CREDENTIALS, *LINES[3:]],
    ],
)
def test_what_differs_in_little_is_familiar(lines: list[str]) -> None:
    parse_message(written(LINES))
    found = familiar.read(written(lines))
    assert found == read_message(written(lines))
    assert found is not None
    assert found.get("Authorization") == (CREDENTIALS[15:] if CREDENTIALS in lines else None)


@pytest.mark.parametrize(
    "lines",
    [
        replaced(CONTACT, "Contact: <sip:100@192.0.2.20:5062>"),
        replaced(CSEQ, "CSeq: 2 REGISTER "),
        replaced(CSEQ, "CSeq: 2 INVITE"),
        replaced(CSEQ, "CSeq: two REGISTER"),
        replaced(CSEQ, "CSeq: 2 REGISTER\nTo: <sip:101@pbx.example>"),
        replaced(VIA, "Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK-2;rport, SIP/2.0/UDP proxy"),
        replaced(VIA, "Via: SIP/2.0/UDP 192.0.2.20:99999;branch=z9hG4bK-2;rport"),
        [*LINES[:VIA], "v: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK-2;rport", *LINES[VIA + 1 :]],
        [*LINES[:-1], "Authorization: ", LINES[-1]],
        [*LINES[:-1], CREDENTIALS + "\nTo: <sip:101@pbx.example>", LINES[-1]],
        [*LINES[:-1], CREDENTIALS, CREDENTIALS.lower(), LINES[-1]],
    ],
)
def test_what_needs_a_closer_look_is_not(lines: list[str]) -> None:
    parse_message(written(LINES))
    assert familiar.read(written(lines)) is None


def test_what_was_not_read_before_is_not() -> None:
    lines = replaced(CONTACT, "Contact: <sip:unheard-of@192.0.2.20>")
    assert familiar.read(written(lines)) is None
    parse_message(written(lines))
    assert familiar.read(written(lines)) is not None


def test_what_other_limits_let_pass_is_not_familiar() -> None:
    lines = [*LINES[:-1], f"Route: {', '.join(['<sip:proxy>'] * 80)}", LINES[-1]]
    read_message(written(lines), limits=Limits(routes=100))
    with pytest.raises(ParseError, match="too many Route values"):
        parse_message(written(lines))


def test_nobody_changes_what_is_familiar() -> None:
    for _ in range(2):
        request = parse_message(written(LINES))
        assert isinstance(request, Request)
        assert request.get_all("Contact") == [LINES[CONTACT][9:]]
        request.set("Contact", "<sip:somebody-else>")
        request.set("Via", "SIP/2.0/UDP elsewhere")
        request.remove("User-Agent")
        request.prepend("Route", "<sip:proxy>")


def test_a_body_is_another_each_time_and_is_as_long_as_it_says() -> None:
    lines = ["PUBLISH sip:101@pbx.example SIP/2.0", *LINES[1:-1], "Content-Length: 3"]
    lines[CSEQ] = "CSeq: 1 PUBLISH"
    parse_message(written(lines) + b"abc")
    found = familiar.read(written(lines) + b"xyz")
    assert found is not None
    assert found.body == b"xyz"
    assert familiar.read(written(lines) + b"abcd") is None
    assert familiar.read(written(lines)) is None


def padded(parameters: int = 0, contacts: int = 1, fields: int = 0, subject: str = "") -> list[str]:
    """A request of its own, with so many of what takes more than its text."""
    contact = ",".join(f"<sip:{number}@pbx>" for number in range(contacts))
    lines = replaced(CONTACT, f"Contact: {contact}" + "".join(f";{hex(p)[2:]}" for p in range(parameters)))
    more = [f"X{field}: {field}" for field in range(fields)] + [f"Subject: {subject}"]
    return [*lines[:-1], *more, lines[-1]]


@pytest.mark.parametrize(
    "lines",
    [
        padded(parameters=900),
        padded(contacts=250),
        padded(fields=180),
        padded(subject="\N{TELEPHONE RECEIVER}" + "x" * 3000),
    ],
)
def test_what_takes_much_more_than_its_text_is_not_remembered(lines: list[str]) -> None:
    """A stranger fills the memory before anybody looks at credentials: a request of 4 kB took 300 kB of it."""
    data = written(lines)
    assert len(data) <= familiar.MAX_BYTES
    parse_message(data)
    assert familiar.read(data) is None


def test_all_that_is_remembered_of_a_request_is_bounded() -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(50):
            lines = padded(parameters=150, fields=29, subject=f"{number} {'x' * 2300}")
            lines[CONTACT] += f";{number}"
            parse_message(written(lines))
            assert familiar.read(written(lines)) is not None
        each = (tracemalloc.get_traced_memory()[0] - before) / 50
    finally:
        tracemalloc.stop()
    assert each < 40_000
