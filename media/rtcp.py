"""RTCP reports (RFC 3550 section 6): what we heard of the peer, and how we did in its ears."""

from __future__ import annotations

import struct
from math import ceil
from random import Random

from media.rtp import RtpReceiver, RtpSender
from values import dataclass

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, BYE = 200, 201, 202, 203
INTERVAL_SECONDS = 5.0
MAX_PACKET_BYTES = 1500
TOGETHER_SECONDS = 0.2
_BLOCK = struct.Struct("!IIIIII")
_SENDER = struct.Struct("!IIIII")
_NTP_EPOCH_SECONDS = 2_208_988_800


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a peer says of our stream."""

    ssrc: int
    fraction_lost: float
    """0 to 1, since its last report."""
    lost: int
    jitter: int
    """In clock ticks."""
    last_report: int
    """Middle 32 bits of the NTP time of our sender report that it heard last; 0 for none."""
    delay: int
    """Since then, in 1/65536 s."""


@dataclass(frozen=True, slots=True)
class Report:
    """A compound packet, as far as we use it."""

    ssrc: int
    sender_ntp: int | None
    """Middle 32 bits of the NTP time of a sender report."""
    blocks: tuple[ReportBlock, ...]
    bye: bool
    sender_packets: int | None = None
    """How many the sender of a sender report says it has sent."""


def next_interval(random: Random) -> int:
    """Seconds to the next report, whole ones: 0.5 to 1.5 of the nominal interval (section 6.2)."""
    return int(INTERVAL_SECONDS * (0.5 + random.random()) + 0.5)


def together(at: float) -> float:
    """When a report is sent that is due at this moment and can wait for those of other streams: to wake up for each
    costs more than they do."""
    return ceil(at / TOGETHER_SECONDS) * TOGETHER_SECONDS


def ntp_middle(now: float) -> int:
    """Middle 32 bits of the NTP time that a report of `now` carries. Any steady clock serves: the peer only
    gives it back (section 6.4.1)."""
    return (int(now) + _NTP_EPOCH_SECONDS & 0xFFFF) << 16 | int(now % 1 * 65536)


def build_report(
    sender: RtpSender,
    receiver: RtpReceiver,
    cname: str,
    now: float,
    heard: tuple[int, float] | None,
    *,
    sending: bool,
    bye: bool = False,
) -> bytes:
    """A compound packet: sender or receiver report, source description, perhaps BYE.

    `heard` is the middle NTP time of the peer's last sender report, and when it arrived.
    """
    blocks = b""
    if receiver.ssrc is not None:
        last, arrived = heard or (0, now)
        lost = min(max(receiver.lost, -0x800000), 0x7FFFFF) & 0xFFFFFF
        blocks = _BLOCK.pack(
            receiver.ssrc,
            receiver.fraction_lost() << 24 | lost,
            receiver.highest_sequence & 0xFFFFFFFF,
            int(receiver.jitter),
            last,
            int((now - arrived) * 65536) & 0xFFFFFFFF if last else 0,
        )
    ssrc = sender.ssrc.to_bytes(4, "big")
    if sending:
        seconds = int(now) + _NTP_EPOCH_SECONDS & 0xFFFFFFFF
        fraction = int(now % 1 * 0x100000000)
        counts = (sender.timestamp, sender.packets & 0xFFFFFFFF, sender.octets & 0xFFFFFFFF)
        body = ssrc + _SENDER.pack(seconds, fraction, *counts) + blocks
        report = _packet(SENDER_REPORT, bool(blocks), body)
    else:
        report = _packet(RECEIVER_REPORT, bool(blocks), ssrc + blocks)
    name = cname.encode()[:255]
    item = bytes([1, len(name)]) + name
    item += bytes(4 - len(item) % 4)
    packet = report + _packet(SOURCE_DESCRIPTION, 1, ssrc + item)
    return packet + _packet(BYE, 1, ssrc) if bye else packet


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def parse_report(data: bytes) -> Report | None:
    """Read a compound packet; None if it is none (section A.2)."""
    if (
        len(data) < 8
        or len(data) > MAX_PACKET_BYTES
        or len(data) % 4
        or data[1] not in (SENDER_REPORT, RECEIVER_REPORT)
    ):
        return None
    ssrc = int.from_bytes(data[4:8], "big")
    sender_ntp: int | None = None
    sender_packets: int | None = None
    blocks: list[ReportBlock] = []
    bye = False
    position = 0
    while position < len(data):
        first, kind = data[position], data[position + 1]
        end = position + 4 + 4 * int.from_bytes(data[position + 2 : position + 4], "big")
        if first >> 6 != 2 or end > len(data):
            return None
        body = data[position + 8 : end]
        if kind in (SENDER_REPORT, RECEIVER_REPORT) and end < position + 8:
            return None
        if kind == SENDER_REPORT:
            if len(body) < 20:
                return None
            sender_ntp, sender_packets = (
                int.from_bytes(body[2:6], "big"),
                int.from_bytes(body[12:16], "big"),
            )
            body = body[20:]
        if kind in (SENDER_REPORT, RECEIVER_REPORT):
            if len(body) < 24 * (first & 0x1F):
                return None
            blocks += [_block(body[24 * index :]) for index in range(first & 0x1F)]
        bye = bye or kind == BYE
        position = end
    return Report(ssrc, sender_ntp, tuple(blocks), bye, sender_packets)


def _block(body: bytes) -> ReportBlock:
    ssrc, loss, _, jitter, last, delay = _BLOCK.unpack_from(body)
    lost = loss & 0xFFFFFF
    return ReportBlock(
        ssrc, (loss >> 24) / 256, lost - 0x1000000 if lost & 0x800000 else lost, jitter, last, delay
    )
