"""RTP packets (RFC 3550 section 5)."""

from __future__ import annotations

import struct
from random import Random
from typing import NamedTuple

HEADER_BYTES = 12
MAX_PACKET_BYTES = 1500
_FIXED = struct.Struct("!BBHII")
_pack = _FIXED.pack
_unpack = _FIXED.unpack_from
_PLAIN_HEADER = struct.Struct("!HHII")
unpack_header = _PLAIN_HEADER.unpack_from
"""(the first two bytes, sequence, timestamp, ssrc)"""
_pack_plain = _PLAIN_HEADER.pack
_PLAIN = 0x80
"""The first byte of a packet without padding, extension and CSRCs: what phones send."""
PLAIN_START = _PLAIN << 8
"""Such a packet's first two bytes, without marker, but for the payload type."""


class RtpPacket(NamedTuple):
    """A packet as received; padding, CSRCs and extension are gone."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def plain_start(payload_type: int) -> int:
    """The first two bytes of a packet that has nothing between header and payload, and no marker."""
    return PLAIN_START | payload_type


def parse_rtp(data: bytes) -> RtpPacket | None:
    """The packet in a datagram; None if it is none (section A.1)."""
    size = len(data)
    if size < HEADER_BYTES or size > MAX_PACKET_BYTES:
        return None
    first, second, sequence, timestamp, ssrc = _unpack(data)
    if first == _PLAIN:
        return RtpPacket(second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, data[12:])
    if first >> 6 != 2:
        return None
    start, end = HEADER_BYTES + 4 * (first & 0x0F), size
    if first & 0x10:
        if start + 4 > size:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    if first & 0x20:
        padding = data[-1]
        if padding == 0:
            return None
        end -= padding
    if start > end:
        return None
    return RtpPacket(second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, data[start:end])


class RtpSender:
    """One outgoing stream: its SSRC, sequence and timestamps run on, whatever sounds it carries in turn."""

    __slots__ = (
        "octets",
        "packets",
        "sequence",
        "sequence_offset",
        "source",
        "ssrc",
        "timestamp",
        "timestamp_offset",
    )

    def __init__(self, random: Random) -> None:
        self.ssrc = random.getrandbits(32)
        self.sequence = random.getrandbits(15)
        """Of the last packet. It begins far from its wrap, so that nobody who misses the first packets of SRTP takes
        the rollover counter for another (RFC 3711 section 3.3.1)."""
        self.timestamp = random.getrandbits(32)
        """Of the last packet, in clock ticks."""
        self.packets = 0
        self.octets = 0
        self.source: int | None = None
        """The SSRC of what is relayed; None if the next packet begins another source."""
        self.sequence_offset = 0
        """What is added to the numbers of what is relayed; of that, the lowest 16 bits count."""
        self.timestamp_offset = 0
        """The same for timestamps, with 32 bits."""

    def packet(
        self,
        payload_type: int,
        payload: bytes | memoryview,
        ticks: int,
        marker: bool = False,
        same_time: bool = False,
    ) -> bytes:
        """The next packet of our own making, `ticks` after the last (or at the same time: RFC 4733 section 2.5.1.2)."""
        self.source = None
        self.sequence = self.sequence + 1 & 0xFFFF
        if not same_time:
            self.timestamp = self.timestamp + ticks & 0xFFFFFFFF
        self.packets += 1
        self.octets += len(payload)
        return (
            _pack(0x80, payload_type | (0x80 if marker else 0), self.sequence, self.timestamp, self.ssrc)
            + payload
        )

    def skip(self, ticks: int) -> None:
        """Time passes in which nothing is sent."""
        self.timestamp = self.timestamp + ticks & 0xFFFFFFFF

    def advance(self, packets: int, ticks: int, octets: int) -> None:
        """So many packets of our own making have been sent elsewhere, and took so long in all."""
        if packets:
            self.source = None
            self.sequence = self.sequence + packets & 0xFFFF
            self.timestamp = self.timestamp + ticks & 0xFFFFFFFF
            self.packets += packets
            self.octets += octets

    def change_source(self) -> None:
        """What is relayed from now on is of another source, whatever its SSRC."""
        self.source = None

    def relayed(self, packet: RtpPacket, payload_type: int, payload: bytes, ticks: int) -> bytes:
        """A packet of somebody else in our stream. Gaps and order stay; a new source goes on where the last ended."""
        marker = packet.marker
        if packet.ssrc != self.source:
            marker = self.source is None or marker
            self.source = packet.ssrc
            self.sequence_offset = self.sequence + 1 - packet.sequence
            self.timestamp_offset = self.timestamp + ticks - packet.timestamp
        sequence = packet.sequence + self.sequence_offset & 0xFFFF
        timestamp = packet.timestamp + self.timestamp_offset & 0xFFFFFFFF
        if (sequence - self.sequence & 0xFFFF) < 0x8000:
            self.sequence, self.timestamp = sequence, timestamp
        self.packets += 1
        self.octets += len(payload)
        return _pack(0x80, payload_type | (0x80 if marker else 0), sequence, timestamp, self.ssrc) + payload

    def passed_on(self, start: int, sequence: int, timestamp: int, payload: bytes) -> bytes:
        """`relayed` for a packet of the same source as before; `start` are its first two bytes."""
        sequence = sequence + self.sequence_offset & 0xFFFF
        timestamp = timestamp + self.timestamp_offset & 0xFFFFFFFF
        if (sequence - self.sequence & 0xFFFF) < 0x8000:
            self.sequence, self.timestamp = sequence, timestamp
        self.packets += 1
        self.octets += len(payload)
        return _pack_plain(start, sequence, timestamp, self.ssrc) + payload

    def resume(self, numbers: int, timestamp: int, packets: int, octets: int) -> None:
        """Take over what somebody else has passed on of the same source: so many sequence numbers have gone by, and the
        last packet came with this timestamp."""
        self.sequence = self.sequence + numbers & 0xFFFF
        self.timestamp = timestamp + self.timestamp_offset & 0xFFFFFFFF
        self.packets += packets
        self.octets += octets


class RtpReceiver:
    """Statistics of one incoming stream (sections 6.4.1, A.3 and A.8)."""

    __slots__ = (
        "_base",
        "_cycles",
        "_expected_before",
        "_highest",
        "_jitter",
        "_received_before",
        "clock_rate",
        "packets",
        "ssrc",
        "transit",
    )

    def __init__(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self.ssrc: int | None = None
        self.packets = 0
        self._base = self._highest = self._cycles = 0
        self._expected_before = self._received_before = 0
        self.transit: int | None = None
        """Of the last packet, in clock ticks: when it came, less its timestamp."""
        self._jitter = 0.0

    def note(self, packet: RtpPacket, now: float) -> None:
        """Count a packet that arrived at `now` (seconds)."""
        self.count(packet.sequence, packet.timestamp, packet.ssrc, now)

    def count(self, sequence: int, timestamp: int, ssrc: int, now: float) -> None:
        """The same where there is no more of it than its header."""
        if ssrc != self.ssrc:
            self.ssrc = ssrc
            self._base = self._highest = sequence
            self._cycles = self._expected_before = self._received_before = self.packets = 0
            self.transit = None
            self._jitter = 0.0
        self.packets += 1
        highest = self._highest
        if 0 < (sequence - highest & 0xFFFF) < 0x8000:
            if sequence < highest:
                self._cycles += 0x10000
            self._highest = sequence
        transit = int(now * self.clock_rate) - timestamp
        if self.transit is not None:
            difference = abs(transit - self.transit)
            if difference > 0x7FFFFFFF:
                difference = abs((transit - self.transit + 0x80000000 & 0xFFFFFFFF) - 0x80000000)
            self._jitter += (difference - self._jitter) / 16
        self.transit = transit

    def resume(self, packets: int, transit: int, jitter: float, *, again: int = 0) -> None:
        """Take over what somebody else has counted: so many packets, each the next one, and some that came again."""
        self.packets += packets + again
        highest = self.highest_sequence + packets
        self._highest = highest & 0xFFFF
        self._cycles = highest - self._highest
        self.transit, self._jitter = transit, jitter

    def change_clock(self, clock_rate: int) -> None:
        """The timestamps of packets to come count in another clock."""
        if clock_rate != self.clock_rate:
            self.clock_rate, self.transit, self._jitter = clock_rate, None, 0.0

    @property
    def highest_sequence(self) -> int:
        """Extended highest sequence number."""
        return self._cycles + self._highest

    @property
    def expected(self) -> int:
        """Packets sent to us, by their numbers."""
        return 0 if self.ssrc is None else self.highest_sequence - self._base + 1

    @property
    def lost(self) -> int:
        """Packets that never came; duplicates can make it negative."""
        return self.expected - self.packets

    @property
    def jitter(self) -> float:
        """Interarrival jitter in clock ticks."""
        return self._jitter

    def fraction_lost(self) -> int:
        """Loss since the last call, in 1/256 (section A.3)."""
        expected, received = self.expected - self._expected_before, self.packets - self._received_before
        self._expected_before, self._received_before = self.expected, self.packets
        lost = expected - received
        return 0 if expected <= 0 or lost <= 0 else min(lost * 256 // expected, 255)
