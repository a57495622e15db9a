"""Writing packet captures that every analyser reads: the classic pcap format, link type "raw IP".

A SIP message comes off the stack without the packets that carried it, so each becomes one UDP datagram
between the true addresses, whatever the transport was: streams would need sequence numbers.
"""

from __future__ import annotations

import ipaddress
import struct
from datetime import datetime
from typing import BinaryIO

from sipcore.transport.flow import Address

_MAGIC, _VERSION = 0xA1B2C3D4, (2, 4)
_SNAP_LENGTH = 262144
_LINKTYPE_RAW = 101
_UDP = 17
_HOP_LIMIT = 64
_UDP_HEADER = 8
_LONGEST_PAYLOAD = 65535 - 20 - _UDP_HEADER  # what an IPv4 packet holds


class PcapWriter:
    """Writes datagrams to an open binary file, which it does not close."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.write(struct.pack("<IHHiIII", _MAGIC, *_VERSION, 0, 0, _SNAP_LENGTH, _LINKTYPE_RAW))

    def write(self, at: datetime, source: Address, destination: Address, payload: bytes) -> None:
        """Add one datagram; a payload that no datagram could hold is cut. Raises OSError."""
        packet = ip_packet(source, destination, payload[:_LONGEST_PAYLOAD])
        seconds = int(at.timestamp())
        self._file.write(struct.pack("<IIII", seconds, at.microsecond, len(packet), len(packet)) + packet)


def ip_packet(source: Address, destination: Address, payload: bytes) -> bytes:
    """An IPv4 or IPv6 packet with a UDP datagram (RFC 791, RFC 8200, RFC 768)."""
    sender, receiver = _packed(source.host), _packed(destination.host)
    if len(sender) != len(receiver):  # a dual-stack socket: IPv4 as IPv4-mapped IPv6
        sender, receiver = _as_ipv6(sender), _as_ipv6(receiver)
    length = _UDP_HEADER + len(payload)
    # The pseudo header of IPv6; that of IPv4 has the same numbers, so the same sum.
    pseudo_header = sender + receiver + struct.pack("!II", length, _UDP)
    unsummed = struct.pack("!HHHH", source.port, destination.port, length, 0) + payload
    checksum = _checksum(pseudo_header + unsummed) or 0xFFFF
    datagram = unsummed[:6] + struct.pack("!H", checksum) + payload
    header = _ipv4_header if len(sender) == 4 else _ipv6_header
    return header(sender, receiver, length) + datagram


def _ipv4_header(sender: bytes, receiver: bytes, length: int) -> bytes:
    start = struct.pack("!BBHHHBB", 0x45, 0, 20 + length, 0, 0, _HOP_LIMIT, _UDP)
    checksum = _checksum(start + sender + receiver)
    return start + struct.pack("!H", checksum) + sender + receiver


def _ipv6_header(sender: bytes, receiver: bytes, length: int) -> bytes:
    return struct.pack("!IHBB", 6 << 28, length, _UDP, _HOP_LIMIT) + sender + receiver


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071): big-endian words, summed with end-around carry, inverted."""
    # 2**16 is 1 modulo 0xFFFF, so the sum of the words is the number they form, modulo 0xFFFF.
    remainder = int.from_bytes(data + b"\0" * (len(data) % 2), "big") % 0xFFFF
    return 0xFFFF - (remainder or 0xFFFF) if any(data) else 0xFFFF


def _packed(host: str) -> bytes:
    return ipaddress.ip_address(host).packed


def _as_ipv6(address: bytes) -> bytes:
    return address if len(address) == 16 else bytes(10) + b"\xff\xff" + address
