"""Digits in SIP INFO: what phones write is read, everything else is refused."""

from __future__ import annotations

import pytest

from pbx.info_digits import LONGEST_MS, MAX_BODY_BYTES, USUAL_MS, BadInfo, InfoDigit, read_info
from sipcore.syntax.message import Request
from sipcore.syntax.uri import Uri

RELAY = "application/dtmf-relay"
PLAIN = "application/dtmf"
EVENTS = "0123456789*#ABCD"


def info(body: bytes, content_type: str | None = RELAY, *headers: tuple[str, str]) -> Request:
    """An INFO as far as its body is concerned."""
    kind = [] if content_type is None else [("Content-Type", content_type)]
    return Request("INFO", Uri("sip", "100", host="10.0.0.1"), [*kind, *headers], body)


@pytest.mark.row("CORE-25")
@pytest.mark.parametrize("digit", EVENTS)
def test_every_digit_in_either_type(digit: str) -> None:
    assert read_info(info(f"Signal={digit}\r\nDuration=160".encode())) == InfoDigit(digit, 160)
    assert read_info(info(digit.encode(), PLAIN)) == InfoDigit(digit, USUAL_MS)


@pytest.mark.parametrize("number", range(10, 16))
def test_numbers_of_events_are_digits_too(number: int) -> None:
    """Some phones write 10 for * and 11 for #."""
    assert read_info(info(f"Signal={number}\r\n".encode())) == InfoDigit(EVENTS[number])
    assert read_info(info(f"{number}".encode(), PLAIN)) == InfoDigit(EVENTS[number])


@pytest.mark.parametrize(
    "body",
    [
        b"Signal= 5\r\nDuration= 250\r\n",
        b"signal=5\r\nDURATION=250",
        b"Duration=250\nSignal=5\n",
        b"\r\nSignal = 5 \r\n\r\nDuration\t=\t250\r\n\r\n",
        b"Signal=5\r\nDuration=250\r\nVolume=10",
    ],
)
def test_phones_write_it_in_many_ways(body: bytes) -> None:
    assert read_info(info(body)) == InfoDigit("5", 250)


@pytest.mark.parametrize("kind", ["Application/DTMF-Relay", "application/dtmf-relay ;charset=us-ascii"])
def test_the_type_is_read_as_types_are(kind: str) -> None:
    assert read_info(info(b"Signal=a", kind)) == InfoDigit("A")


@pytest.mark.parametrize("body", [b"", b"Signal=5"])
def test_info_packages_are_not_taken(body: bytes) -> None:
    """RFC 6086."""
    with pytest.raises(BadInfo) as bad:
        read_info(info(body, RELAY, ("Info-Package", "foo")))
    assert bad.value.status == 469


def test_a_body_with_a_line_end_is_one_digit() -> None:
    assert read_info(info(b" 5\r\n", PLAIN)) == InfoDigit("5")


def test_a_key_that_is_leant_on_has_a_limit() -> None:
    assert read_info(info(b"Signal=5\r\nDuration=999999")) == InfoDigit("5", LONGEST_MS)


@pytest.mark.parametrize("content_type", [None, RELAY, "text/plain"])
def test_an_info_without_a_body_is_no_digit(content_type: str | None) -> None:
    assert read_info(info(b"", content_type)) is None


@pytest.mark.parametrize(
    "request_",
    [
        info(b"5", None),
        info(b"5", "text/plain"),
        info(b"5", "application/dtmf-relays"),
        info(b"<media_control/>", "application/media_control+xml"),
        info(b"--x\r\n\r\nSignal=5\r\n--x--", "multipart/mixed;boundary=x"),
        info(b"Signal=5", RELAY, ("Content-Encoding", "gzip")),
    ],
)
def test_other_bodies_are_of_a_type_we_do_not_read(request_: Request) -> None:
    with pytest.raises(BadInfo) as bad:
        read_info(request_)
    assert bad.value.status == 415


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n",
        b"5",
        b"Signal=",
        b"Signal=16\r\nDuration=160",
        b"Signal=E",
        b"Signal=12345",
        b"Signal=-1",
        b"Signal=5 5",
        b"Signal=5\r\nSignal=6",
        b"Signal==5",
        b"Duration=160",
        b"Signal=5\r\nDuration=",
        b"Signal=5\r\nDuration=-160",
        b"Signal=5\r\nDuration=1e3",
        b"Signal=5\r\nDuration=99999999999999999999",
        "Signal=\u0665".encode(),
        b"Signal=5\x00",
        b"Signal=5\r\n" + b"X=1\r\n" * 100,
        b"Signal=5".ljust(MAX_BODY_BYTES + 1),
    ],
)
def test_what_is_no_digit_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadInfo) as bad:
        read_info(info(body))
    assert bad.value.status == 400


@pytest.mark.parametrize("body", [b"55", b"1 1", b"x", b"Signal=5", "\uff15".encode(), b" ", b"5" * 1000])
def test_what_is_no_digit_in_the_plain_type_either(body: bytes) -> None:
    with pytest.raises(BadInfo) as bad:
        read_info(info(body, PLAIN))
    assert bad.value.status == 400
