"""Packet captures, byte by byte."""

from __future__ import annotations

import io
import struct
from datetime import UTC, datetime

import pytest

from pbx.pcap import PcapWriter, ip_packet
from sipcore.transport.flow import Address

AT = datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC)
IPV4 = Address("192.0.2.7", 5062), Address("192.0.2.1", 5060)
IPV6 = Address("2001:db8::7", 5062), Address("2001:db8::1", 5060)


def internet_sum(data: bytes) -> int:
    """The one's complement sum of RFC 1071, the slow way; 0xFFFF over data with a right checksum in it."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_file_header_and_record() -> None:
    file = io.BytesIO()
    PcapWriter(file).write(AT, *IPV4, b"hello")
    data = file.getvalue()
    assert struct.unpack("<IHHiIII", data[:24]) == (0xA1B2C3D4, 2, 4, 0, 0, 262144, 101)
    assert struct.unpack("<IIII", data[24:40]) == (int(AT.timestamp()), 600, 33, 33)
    assert data[40:] == ip_packet(*IPV4, b"hello")


@pytest.mark.parametrize("payload", [b"", b"x", b"odd", b"even", b"\xff" * 65000])
def test_ipv4(payload: bytes) -> None:
    packet = ip_packet(*IPV4, payload)
    assert packet[0] == 0x45
    assert struct.unpack("!H", packet[2:4])[0] == len(packet)
    assert packet[9] == 17
    assert packet[12:20] == bytes([192, 0, 2, 7, 192, 0, 2, 1])
    assert internet_sum(packet[:20]) == 0xFFFF
    assert struct.unpack("!HHH", packet[20:26]) == (5062, 5060, 8 + len(payload))
    assert internet_sum(packet[12:20] + struct.pack("!HH", 17, 8 + len(payload)) + packet[20:]) == 0xFFFF
    assert packet[28:] == payload


def test_ipv6() -> None:
    packet = ip_packet(*IPV6, b"hello")
    assert packet[0] == 0x60
    assert struct.unpack("!HB", packet[4:7]) == (13, 17)
    assert packet[8:24].endswith(b"\x07")
    assert internet_sum(packet[8:40] + struct.pack("!II", 13, 17) + packet[40:]) == 0xFFFF
    assert packet[48:] == b"hello"


def test_a_dual_stack_pair_is_written_as_ipv6() -> None:
    packet = ip_packet(IPV4[0], IPV6[1], b"")
    assert packet[8:24] == bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 7])


def test_a_sum_of_zero_is_sent_as_all_ones() -> None:
    """RFC 768: a checksum of zero means that there is none."""
    payloads = (number.to_bytes(2, "big") for number in range(0x10000))
    assert any(ip_packet(*IPV4, payload)[26:28] == b"\xff\xff" for payload in payloads)


def test_what_no_datagram_holds_is_cut() -> None:
    file = io.BytesIO()
    PcapWriter(file).write(AT, *IPV4, b"x" * 70_000)
    assert len(file.getvalue()) == 24 + 16 + 65535
