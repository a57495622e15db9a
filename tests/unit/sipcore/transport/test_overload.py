"""Hasty refusals: an answer that is right, and never one to what belongs to something that exists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.syntax.message import Response
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Address
from sipcore.transport.overload import newcomer

PHONE = Address("192.0.2.7", 40123)
SUBSCRIBE = (
    b"SUBSCRIBE sip:101@pbx SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bKa;rport\r\n"
    b"Via: SIP/2.0/UDP far.example.com;branch=z9hG4bKb\r\n"
    b"Max-Forwards: 70\r\n"
    b'From: "Lee; tag=x" <sip:100@pbx>;tag=1\r\n'
    b"To: <sip:101@pbx>\r\n"
    b"Call-ID: one@10.0.1.1\r\n"
    b"CSeq: 7 SUBSCRIBE\r\n"
    b"Event: dialog\r\n"
    b"Content-Length: 0\r\n\r\n"
)
INVITE = SUBSCRIBE.replace(b"SUBSCRIBE", b"INVITE").replace(b"sip:101@pbx SIP", b"sip:112@pbx SIP")


def answer(data: bytes, remote: Address = PHONE) -> tuple[Response, Address]:
    request = newcomer(data, remote)
    assert request is not None
    response, back = request.unavailable(5)
    parsed = parse_message(response)
    assert isinstance(parsed, Response)
    return parsed, back


def test_a_new_request_is_answered() -> None:
    response, back = answer(SUBSCRIBE)
    assert (response.status, response.get("Retry-After"), back) == (503, "5", PHONE)
    assert (response.call_id, response.cseq.number, response.cseq.method) == ("one@10.0.1.1", 7, "SUBSCRIBE")
    assert [via.branch for via in response.vias] == ["z9hG4bKa", "z9hG4bKb"]
    assert (response.via.parameter("rport"), response.via.parameter("received")) == ("40123", "192.0.2.7")
    assert response.from_.tag == "1"
    assert response.to.tag


def test_a_repetition_gets_the_same_answer_and_another_request_another_tag() -> None:
    assert answer(SUBSCRIBE)[0].to_bytes() == answer(SUBSCRIBE)[0].to_bytes()
    assert answer(SUBSCRIBE)[0].to.tag != answer(SUBSCRIBE.replace(b"z9hG4bKa", b"z9hG4bKc"))[0].to.tag


def test_without_rport_the_answer_goes_to_the_port_of_the_via() -> None:
    response, back = answer(SUBSCRIBE.replace(b";rport", b""))
    assert back == Address(PHONE.host, 5060)
    assert (response.via.parameter("rport"), response.via.parameter("received")) == (None, PHONE.host)


def test_short_names_are_read_too() -> None:
    short = SUBSCRIBE.replace(b"\nVia:", b"\nv:").replace(b"From:", b"f :").replace(b"Call-ID:", b"i:")
    assert answer(short)[0].call_id == "one@10.0.1.1"


def test_it_tells_what_is_asked_for() -> None:
    request = newcomer(INVITE, PHONE)
    assert request is not None
    assert (request.method, request.user, request.via.branch) == ("INVITE", "112", "z9hG4bKa")


@pytest.mark.parametrize(
    "data",
    [
        *(
            SUBSCRIBE.replace(b"SUBSCRIBE", method)
            for method in (b"ACK", b"BYE", b"CANCEL", b"PRACK", b"NOTIFY")
        ),
        SUBSCRIBE.replace(b"To: <sip:101@pbx>", b"To: <sip:101@pbx>;tag=2"),
        SUBSCRIBE.replace(b"To: <sip:101@pbx>", b"To: <sip:101@pbx>\r\n ;tag=2"),
        SUBSCRIBE.replace(b"Call-ID", b"No-ID"),
        SUBSCRIBE.replace(b"CSeq", b"To"),
        SUBSCRIBE.replace(b";rport", b";maddr=192.0.2.9"),
        SUBSCRIBE.replace(b"Via: SIP/2.0/UDP 10.0.1.1:5060", b"Via: nonsense"),
        b"SIP/2.0 200 OK\r\n" + SUBSCRIBE.partition(b"\r\n")[2],
        SUBSCRIBE.replace(b"Event: dialog", b"X: " + b"x" * 9000),
        SUBSCRIBE[:-2],
        b"",
    ],
)
def test_whatever_is_not_plainly_new_goes_the_long_way(data: bytes) -> None:
    assert newcomer(data, PHONE) is None


@given(st.binary(max_size=60), st.integers(0, len(SUBSCRIBE)), st.integers(0, 20))
def test_no_bytes_are_too_much_and_no_answer_is_longer_than_it_should_be(
    noise: bytes, place: int, cut: int
) -> None:
    data = SUBSCRIBE[:place] + noise + SUBSCRIBE[place + cut :]
    request = newcomer(data, PHONE)
    if request is not None:
        assert len(request.unavailable(5)[0]) < len(data) + 200
