"""RTCP reports: ours byte for byte, theirs with suspicion (RFC 3550 section 6)."""

from __future__ import annotations

import struct
from random import Random

import pytest

from media.rtcp import (
    INTERVAL_SECONDS,
    MAX_PACKET_BYTES,
    Report,
    ReportBlock,
    build_report,
    next_interval,
    ntp_middle,
    parse_report,
)
from media.rtp import RtpPacket, RtpReceiver, RtpSender

NOW = 1234.25
SR, RR, SDES, BYE = 200, 201, 202, 203


def sender(packets: int = 3) -> RtpSender:
    sender = RtpSender(Random(1))
    for _ in range(packets):
        sender.packet(0, bytes(160), 160)
    return sender


def receiver(*sequences: int) -> RtpReceiver:
    receiver = RtpReceiver(8000)
    for sequence in sequences:
        receiver.note(RtpPacket(0, False, sequence, sequence * 160, 0xCAFE, b""), NOW)
    return receiver


def report(
    *sequences: int,
    sending: bool = True,
    bye: bool = False,
    heard: tuple[int, float] | None = None,
    cname: str = "someone@pbx",
) -> bytes:
    return build_report(sender(), receiver(*sequences), cname, NOW, heard, sending=sending, bye=bye)


def packets(compound: bytes) -> list[tuple[int, int, bytes]]:
    """(packet type, count, body) of each packet, and all of it is packets."""
    found = []
    while compound:
        first, kind, length = struct.unpack_from("!BBH", compound)
        assert first & 0xE0 == 0x80, "version 2, no padding"
        end = 4 + 4 * length
        assert end <= len(compound)
        found.append((kind, first & 0x1F, compound[4:end]))
        compound = compound[end:]
    return found


# -- ours ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sending", "bye", "kinds"),
    [
        (True, False, [SR, SDES]),
        (False, False, [RR, SDES]),
        (True, True, [SR, SDES, BYE]),
        (False, True, [RR, SDES, BYE]),
    ],
)
def test_every_compound_packet_begins_with_a_report_and_names_its_source(
    sending: bool, bye: bool, kinds: list[int]
) -> None:
    """Section 6.1: a report first, a CNAME always, BYE last."""
    assert [kind for kind, _, _ in packets(report(1, sending=sending, bye=bye))] == kinds


def test_a_sender_report_says_what_was_sent_and_when() -> None:
    """Section 6.4.1. NTP time counts from 1900 (2 208 988 800 s before our own zero), in 1/2^32 s."""
    ours = sender()
    [(_, count, body), *_] = packets(build_report(ours, receiver(), "x", NOW, None, sending=True))
    assert count == 0
    assert struct.unpack("!6I", body) == (
        ours.ssrc,
        2_208_988_800 + 1234,
        0x40000000,
        ours.timestamp,
        3,
        480,
    )


def test_a_report_block_says_what_was_heard() -> None:
    [(_, count, body), *_] = packets(report(10, 11, 14, heard=(0x12345678, NOW - 1.5)))
    assert count == 1
    source, loss, highest, jitter, last, delay = struct.unpack("!6I", body[24:])
    assert (source, highest, last) == (0xCAFE, 14, 0x12345678)
    assert loss == (2 * 256 // 5) << 24 | 2
    assert jitter == int(receiver(10, 11, 14).jitter)
    assert delay == 0x18000  # 1.5 s in 1/65536 s


def test_without_a_sender_report_of_the_peer_there_is_no_delay() -> None:
    """Section 6.4.1: LSR and DLSR are then zero."""
    [(_, _, body), *_] = packets(report(10))
    assert body[-8:] == bytes(8)


def test_a_receiver_that_heard_nothing_reports_on_nobody() -> None:
    """Section 6.4.2: an empty RR heads a compound packet when there is nothing to report."""
    [(kind, count, body), *_] = packets(report(sending=False))
    assert (kind, count, len(body)) == (RR, 0, 4)


@pytest.mark.parametrize("length", range(9))
def test_the_canonical_name_ends_with_a_null_on_a_word(length: int) -> None:
    """Section 6.5."""
    name = "x" * length
    _, (kind, count, body) = packets(report(cname=name))
    assert (kind, count) == (SDES, 1)
    assert body[:4] == sender().ssrc.to_bytes(4, "big")
    assert body[4:6] == bytes([1, length])
    assert body[6 : 6 + length] == name.encode()
    assert body[6 + length :] == bytes(len(body) - 6 - length) != b""


@pytest.mark.parametrize("lost", [-3, 0, 5])
def test_a_peer_reads_the_losses_we_counted(lost: int) -> None:
    """Section 6.4.1: 24 bits, signed: duplicates may make them negative."""
    sequences = [1, 2 + lost] if lost > 0 else [1, *[2] * (1 - lost)]
    read = parse_report(report(*sequences))
    assert read is not None
    assert read.blocks[0].lost == lost


def test_losses_stop_at_what_24_bits_hold() -> None:
    theirs = receiver()
    for cycle in range(600):
        for sequence in (0, 0x7000, 0xE000):
            theirs.note(RtpPacket(0, False, sequence, cycle, 0xCAFE, b""), NOW)
    assert theirs.lost > 0x7FFFFF
    read = parse_report(build_report(sender(), theirs, "x", NOW, None, sending=False))
    assert read is not None
    assert read.blocks[0].lost == 0x7FFFFF


def test_the_time_in_a_sender_report_is_the_one_that_comes_back() -> None:
    """Section 6.4.1: the round trip is now, less LSR, less DLSR; all three must speak of one clock."""
    read = parse_report(report())
    assert read is not None
    assert read.sender_ntp == ntp_middle(NOW)
    assert ntp_middle(NOW + 0.5) - ntp_middle(NOW) & 0xFFFFFFFF == 0x8000


def test_reports_are_half_to_one_and_a_half_of_the_interval_apart() -> None:
    """Section 6.2: random, so that all do not report at once."""
    dice = Random(1)
    intervals = [next_interval(dice) / INTERVAL_SECONDS for _ in range(1000)]
    assert set(intervals) == {0.6, 0.8, 1.0, 1.2, 1.4}


# -- theirs ----------------------------------------------------------------------------------------


def rtcp(kind: int, count: int, body: bytes, first: int = 0x80) -> bytes:
    return struct.pack("!BBH", first | count, kind, len(body) // 4) + body


BLOCK = struct.pack("!6I", 0xCAFE, 64 << 24 | 0xFFFFFE, 99, 8, 0x11112222, 0x8000)
READ_BLOCK = ReportBlock(0xCAFE, 0.25, -2, 8, 0x11112222, 0x8000)
SENDER_INFO = struct.pack("!5I", 0xAAAABBBB, 0xCCCCDDDD, 3, 4, 5)
SOURCE = (7).to_bytes(4, "big")
SENDER = rtcp(SR, 1, SOURCE + SENDER_INFO + BLOCK)
RECEIVER = rtcp(RR, 1, SOURCE + BLOCK)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(SENDER, Report(7, 0xBBBBCCCC, (READ_BLOCK,), False, 4), id="sender report"),
        pytest.param(RECEIVER, Report(7, None, (READ_BLOCK,), False), id="receiver report"),
        pytest.param(rtcp(RR, 0, SOURCE), Report(7, None, (), False), id="empty"),
        pytest.param(
            rtcp(RR, 2, SOURCE + BLOCK + BLOCK), Report(7, None, (READ_BLOCK,) * 2, False), id="two blocks"
        ),
        pytest.param(
            rtcp(RR, 1, SOURCE + BLOCK + bytes(8)), Report(7, None, (READ_BLOCK,), False), id="extension"
        ),
        pytest.param(
            SENDER + rtcp(SDES, 1, SOURCE + b"\x01\x01x\0") + rtcp(BYE, 1, SOURCE),
            Report(7, 0xBBBBCCCC, (READ_BLOCK,), True, 4),
            id="with description and BYE",
        ),
        pytest.param(
            RECEIVER + rtcp(204, 0, SOURCE + b"name") + rtcp(250, 0, b""),
            Report(7, None, (READ_BLOCK,), False),
            id="unknown packets are skipped",
        ),
        pytest.param(
            RECEIVER + RECEIVER, Report(7, None, (READ_BLOCK,) * 2, False), id="more blocks than 31"
        ),
    ],
)
def test_a_compound_packet_is_read(data: bytes, expected: Report) -> None:
    assert parse_report(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(SENDER[:4], id="a header alone"),
        pytest.param(SENDER[:-1], id="no whole words"),
        pytest.param(SENDER[:-4], id="shorter than it says"),
        pytest.param(rtcp(SR, 0, SOURCE + SENDER_INFO[:-4]), id="sender report cut short"),
        pytest.param(rtcp(SR, 0, b"") + RECEIVER, id="empty sender report"),
        pytest.param(rtcp(RR, 0, b"") + RECEIVER, id="report without a source"),
        pytest.param(rtcp(RR, 2, SOURCE + BLOCK), id="fewer blocks than it says"),
        pytest.param(rtcp(SR, 31, SOURCE + SENDER_INFO + BLOCK), id="far fewer blocks"),
        pytest.param(rtcp(RR, 1, SOURCE + BLOCK, first=0x40), id="version 1"),
        pytest.param(RECEIVER + rtcp(BYE, 1, SOURCE, first=0xC0), id="version 3 behind"),
        pytest.param(RECEIVER + b"\x80\xcb\0\x09", id="BYE past the end"),
        pytest.param(rtcp(SDES, 1, SOURCE + bytes(4)), id="no report first"),
        pytest.param(rtcp(BYE, 1, SOURCE) + RECEIVER, id="BYE first"),
        pytest.param(RECEIVER + rtcp(204, 0, bytes(MAX_PACKET_BYTES)), id="too long"),
    ],
)
def test_what_is_no_compound_packet_is_none(data: bytes) -> None:
    """Section A.2."""
    assert parse_report(data) is None
