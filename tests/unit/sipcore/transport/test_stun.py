"""STUN (RFC 8489): the test vectors of RFC 5769, requests answered, our own asked again and again."""

from __future__ import annotations

import struct
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.transport.flow import Address
from sipcore.transport.stun import (
    BINDING_ERROR,
    BINDING_REQUEST,
    BINDING_SUCCESS,
    MAPPED_ADDRESS,
    UNKNOWN_ATTRIBUTES,
    XOR_MAPPED_ADDRESS,
    BindingClient,
    StunMessage,
    answer,
    is_stun,
)

ID = bytes.fromhex("b7e7a701bc34d686fa87dfae")
IPV4_RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
"""RFC 5769 section 2.2."""
IPV6_RESPONSE = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9fa"
    "a5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)
"""Section 2.3."""
PHONE = Address("203.0.113.7", 40123)
REQUEST = StunMessage(BINDING_REQUEST, ID)


@pytest.mark.parametrize(
    ("data", "mapped"),
    [
        (IPV4_RESPONSE, Address("192.0.2.1", 32853)),
        (IPV6_RESPONSE, Address("2001:db8:1234:5678:11:2233:4455:6677", 32853)),
    ],
)
def test_the_vectors_of_rfc_5769(data: bytes, mapped: Address) -> None:
    message = StunMessage.parse(data)
    assert message is not None
    assert (message.kind, message.transaction_id, message.mapped) == (BINDING_SUCCESS, ID, mapped)


@pytest.mark.parametrize("source", [PHONE, Address("2001:db8::7", 5060)])
def test_a_request_is_told_where_it_came_from(source: Address) -> None:
    response = answer(REQUEST.to_bytes(), source)
    assert response is not None
    parsed = StunMessage.parse(response)
    assert parsed is not None
    assert (parsed.kind, parsed.transaction_id, parsed.mapped) == (BINDING_SUCCESS, ID, source)
    assert len(response) < 3 * len(REQUEST.to_bytes())  # nobody is flooded by it


def test_a_request_without_a_fingerprint_is_answered_too() -> None:
    assert answer(struct.pack("!HHI12s", BINDING_REQUEST, 0, 0x2112A442, ID), PHONE) is not None


def test_an_attribute_that_has_to_be_understood_and_is_not() -> None:
    response = answer(StunMessage(BINDING_REQUEST, ID, ((0x7001, b"x"), (0x8001, b"y"))).to_bytes(), PHONE)
    assert response is not None
    parsed = StunMessage.parse(response)
    assert parsed is not None
    assert parsed.kind == BINDING_ERROR
    assert dict(parsed.attributes)[UNKNOWN_ATTRIBUTES] == b"\x70\x01"


@pytest.mark.parametrize(
    "data",
    [
        REQUEST.to_bytes()[:-1],
        REQUEST.to_bytes()[:-1] + b"x",
        REQUEST.to_bytes() + bytes(4),
        StunMessage(BINDING_SUCCESS, ID).to_bytes(),
        StunMessage(0x0011, ID).to_bytes(),  # an indication
        StunMessage(BINDING_REQUEST, ID, ((0x8001, b""),) * 40).to_bytes(),
        StunMessage(BINDING_REQUEST, ID, ((0x8001, bytes(600)),)).to_bytes(),
        b"OPTIONS sip:x SIP/2.0\r\n\r\n",
        b"",
    ],
)
def test_what_is_no_request_gets_no_answer(data: bytes) -> None:
    assert answer(data, PHONE) is None


def test_a_sip_message_is_none() -> None:
    assert is_stun(REQUEST.to_bytes())
    assert not is_stun(b"REGISTER sip:example.com SIP/2.0\r\n")
    assert not is_stun(b"\0" * 40)


@given(st.binary(max_size=600))
def test_any_bytes_are_a_message_or_none(data: bytes) -> None:
    for whole in (data, REQUEST.to_bytes()[:20] + data):
        message = StunMessage.parse(whole)
        assert message is None or message.mapped is None or message.mapped.port < 65536
        answer(whole, PHONE)


@given(
    st.integers(0, 0xFFFF), st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=9)
)
def test_parse_and_print(kind: int, attributes: list[tuple[int, bytes]]) -> None:
    message = StunMessage(
        kind & 0x3FFF, ID, tuple((name, value) for name, value in attributes if name != 0x8028)
    )
    parsed = StunMessage.parse(message.to_bytes())
    assert parsed is not None
    assert parsed.attributes == message.attributes


@pytest.mark.parametrize(
    "value", [b"", b"\0", b"\0\1\0\0", b"\0\1\0\0abc", b"\0\3\0\0abcd", b"\0\2\0\0abcd", b"\0\1\0\0abcdef"]
)
def test_an_address_that_is_none(value: bytes) -> None:
    assert StunMessage(BINDING_SUCCESS, ID, ((XOR_MAPPED_ADDRESS, value),)).mapped is None


def test_an_old_server_writes_the_address_plainly() -> None:
    plain = b"\0\1" + (5060).to_bytes(2, "big") + bytes([192, 0, 2, 1])
    assert StunMessage(BINDING_SUCCESS, ID, ((MAPPED_ADDRESS, plain),)).mapped == Address("192.0.2.1", 5060)


# -- the client ----------------------------------------------------------------------------------------


def test_a_request_is_sent_seven_times() -> None:
    """RFC 8489 section 6.2.1: after 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s; it fails after 39.5 s."""
    client, times = BindingClient(Random(1)), [0.0]
    first = client.start(0.0)
    while client.deadline is not None:
        now = client.deadline
        again = client.tick(now)
        assert again in (first, None)
        times.append(now)
    assert times == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 39.5]
    assert client.tick(100.0) is None


def test_its_answer_ends_it_and_no_other_does() -> None:
    client = BindingClient(Random(1))
    request = StunMessage.parse(client.start(0.0))
    assert request is not None
    assert client.tick(0.4) is None
    forged = answer(REQUEST.to_bytes(), PHONE)
    assert forged is not None
    assert client.receive(forged) is None
    assert client.receive(client.start(0.0)) is None
    assert client.deadline is not None
    request = StunMessage.parse(client.start(1.0))
    assert request is not None
    response = answer(request.to_bytes(), PHONE)
    assert response is not None
    assert client.receive(response) == PHONE
    assert client.deadline is None
    assert client.receive(response) is None


def test_an_error_tells_no_address() -> None:
    client = BindingClient(Random(1))
    request = StunMessage.parse(client.start(0.0))
    assert request is not None
    assert client.receive(StunMessage(BINDING_ERROR, request.transaction_id).to_bytes()) is None
    assert client.deadline is None
