"""What of a MESSAGE is taken, and how it is passed on (RFC 3428)."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest

from sipcore.errors import PeerError
from sipcore.page_message import MAX_BYTES, PageMessage
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.uri import Uri
from tests.unit.sipcore.lone import request

TEXT = ("Content-Type", "text/plain")
LEE, KIM = NameAddress.parse("Lee <sip:100@192.0.2.1>"), NameAddress.parse("<sip:101@192.0.2.1>")


def read(*headers: tuple[str, str], body: bytes = b"Hi", datagram: bool = True) -> PageMessage:
    return PageMessage.of(request("MESSAGE", TEXT, *headers, body=body), datagram=datagram)


def test_a_text_is_taken_as_it_is() -> None:
    message = read(("Content-Type", 'Text/Plain; charset="utf-8"'), ("Expires", "60"), body="né".encode())
    assert message == PageMessage('Text/Plain; charset="utf-8"', "né".encode(), 60)
    assert message.text == "né"
    assert message.keeps


def test_text_that_is_none_is_shown_as_far_as_it_goes() -> None:
    assert read(body=b"\xff!").text == "\ufffd!"


@pytest.mark.parametrize(
    ("headers", "body", "datagram", "status"),
    [
        ((), b"", True, 400),
        ((), b"x" * 1300, True, 413),
        ((), b"x" * (MAX_BYTES + 1), False, 413),
        ((("Content-Type", "text/html"),), b"x", False, 415),
        ((("Content-Type", ""),), b"x", False, 415),
        ((("Content-Type", "message/cpim"),), b"From: <sip:boss@x>\r\n\r\nhi", False, 415),
        ((("Content-Encoding", "gzip"),), b"x", False, 415),
    ],
)
def test_what_is_not_taken(
    headers: tuple[tuple[str, str], ...], body: bytes, datagram: bool, status: int
) -> None:
    with pytest.raises(PeerError) as refused:
        read(*headers, body=body, datagram=datagram)
    assert refused.value.status == status


@pytest.mark.parametrize(
    "headers", [(("Content-Type", "application/im-iscomposing+xml"),), (("Expires", "0"),)]
)
def test_what_is_of_no_use_later(headers: tuple[tuple[str, str], ...]) -> None:
    message = read(*headers)
    assert not message.keeps


def test_what_is_passed_on_has_no_contact_and_says_when_it_was_sent_if_that_was_earlier() -> None:
    target, at = Uri.parse("sip:101@192.0.2.101:5070"), datetime(2009, 9, 21, 8, 0, tzinfo=UTC)
    message = read(("Content-Type", "text/plain;charset=UTF-8"))
    made = message.request(target, LEE, KIM, Random(1), at)
    assert made.get("Contact") is None
    assert made.get("Date") == "Mon, 21 Sep 2009 08:00:00 GMT"
    assert made.get("Content-Type") == "text/plain;charset=UTF-8"
    assert made.from_.tag
    assert not made.to.tag
    assert made.body == b"Hi"
    assert made.cseq.method == "MESSAGE"
    now = message.request(target, LEE, KIM, Random(1))
    assert not now.has("Date")
