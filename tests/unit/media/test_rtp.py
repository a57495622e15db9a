"""RTP packets in, one steady stream out, and what is counted on the way (RFC 3550)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import pairwise
from random import Random

import pytest

from media.rtp import MAX_PACKET_BYTES, RtpPacket, RtpReceiver, RtpSender, parse_rtp

SOUND = bytes(range(160))
RATE_HZ = 8000
FRAME = 160


def datagram(
    *,
    first: int = 0x80,
    second: int = 0,
    sequence: int = 7,
    timestamp: int = 160,
    ssrc: int = 0x01020304,
    rest: bytes = SOUND,
) -> bytes:
    """The fixed header of section 5.1 and what follows it."""
    return struct.pack("!BBHII", first, second, sequence, timestamp, ssrc) + rest


def packet(sequence: int, timestamp: int = 0, ssrc: int = 1, marker: bool = False) -> RtpPacket:
    return RtpPacket(0, marker, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc, SOUND)


def sent(data: bytes) -> RtpPacket:
    read = parse_rtp(data)
    assert read is not None
    return read


# -- reading ---------------------------------------------------------------------------------------


def test_the_fields_of_a_packet() -> None:
    data = datagram(second=0x80 | 101, sequence=0xFFFE, timestamp=0xFFFFFFF0, ssrc=0xDEADBEEF)
    assert parse_rtp(data) == RtpPacket(101, True, 0xFFFE, 0xFFFFFFF0, 0xDEADBEEF, SOUND)


def test_a_packet_may_be_empty() -> None:
    assert parse_rtp(datagram(rest=b"")) == RtpPacket(0, False, 7, 160, 0x01020304, b"")


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        pytest.param(0x82, bytes(8) + SOUND, id="two CSRCs"),
        pytest.param(0x90, b"\xbe\xde\0\x02" + bytes(8) + SOUND, id="extension"),
        pytest.param(0x90, b"\xbe\xde\0\0" + SOUND, id="empty extension"),
        pytest.param(0xA0, SOUND + b"\0\0\0\x04", id="padding"),
        pytest.param(0xA0, SOUND + b"\x01", id="padding of one"),
        pytest.param(0xB1, bytes(4) + b"\0\0\0\x01" + bytes(4) + SOUND + b"\0\x02", id="all of it"),
    ],
)
def test_what_stands_around_the_payload_is_taken_off(first: int, rest: bytes) -> None:
    assert parse_rtp(datagram(first=first, rest=rest)) == parse_rtp(datagram())


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(datagram(rest=b"")[:-1], id="eleven bytes"),
        pytest.param(datagram(first=0x00), id="version 0"),
        pytest.param(datagram(first=0x40), id="version 1"),
        pytest.param(datagram(first=0xC0), id="version 3"),
        pytest.param(datagram(first=0x8F, rest=bytes(59)), id="CSRCs past the end"),
        pytest.param(datagram(first=0x90, rest=b"\0\0\0"), id="half an extension header"),
        pytest.param(datagram(first=0x90, rest=b"\0\0\xff\xff" + SOUND), id="extension past the end"),
        pytest.param(datagram(first=0xA0, rest=SOUND + b"\0"), id="padding of zero"),
        pytest.param(datagram(first=0xA0, rest=b"\0\x03"), id="padding past the beginning"),
        pytest.param(datagram(first=0xA1, rest=bytes(4) + b"\0\x03"), id="padding into the CSRCs"),
        pytest.param(datagram(rest=bytes(MAX_PACKET_BYTES)), id="too long"),
        pytest.param(b"OPTIONS sip:pbx SIP/2.0\r\n\r\n", id="SIP"),
    ],
)
def test_what_is_no_packet_is_none(data: bytes) -> None:
    assert parse_rtp(data) is None


# -- sending ---------------------------------------------------------------------------------------


def test_packets_of_our_own_follow_one_another() -> None:
    sender = RtpSender(Random(1))
    first = sent(sender.packet(8, SOUND, FRAME, marker=True))
    second = sent(sender.packet(8, SOUND, FRAME))
    assert (first.payload_type, first.marker, first.payload) == (8, True, SOUND)
    assert (second.marker, second.ssrc) == (False, first.ssrc)
    assert second.sequence == first.sequence + 1 & 0xFFFF
    assert second.timestamp == first.timestamp + FRAME & 0xFFFFFFFF
    assert (sender.packets, sender.octets) == (2, 2 * len(SOUND))


def test_packets_of_one_event_share_their_timestamp() -> None:
    """RFC 4733 section 2.5.1.2."""
    sender = RtpSender(Random(1))
    times = {sent(sender.packet(101, b"1234", FRAME, same_time=index > 0)).timestamp for index in range(5)}
    assert len(times) == 1


def test_silence_moves_the_timestamp_alone() -> None:
    sender = RtpSender(Random(1))
    before = sent(sender.packet(0, SOUND, FRAME))
    sender.skip(800)
    after = sent(sender.packet(0, SOUND, FRAME))
    assert after.sequence == before.sequence + 1 & 0xFFFF
    assert after.timestamp == before.timestamp + 800 + FRAME & 0xFFFFFFFF


def test_sequence_and_timestamp_wrap() -> None:
    """Sections 5.1 and A.1: 16 and 32 bits."""
    sender = RtpSender(Random(1))
    sender.sequence, sender.timestamp = 0xFFFF, 0xFFFFFFFF
    own = sent(sender.packet(0, SOUND, FRAME))
    assert (own.sequence, own.timestamp) == (0, FRAME - 1)
    sender.sequence, sender.timestamp = 0xFFFF, 0xFFFFFFFF
    relayed = sent(sender.relayed(packet(40000, 0xFFFFFFF0), 0, SOUND, FRAME))
    assert (relayed.sequence, relayed.timestamp) == (0, FRAME - 1)
    assert sent(sender.relayed(packet(40001, 0x90), 0, SOUND, FRAME)).timestamp == 2 * FRAME - 1


def test_senders_begin_anywhere() -> None:
    """Section 5.1: known plaintext makes attacks easier."""
    beginnings = {sent(RtpSender(Random(seed)).packet(0, SOUND, FRAME))[2:5] for seed in range(20)}
    assert len(beginnings) == 20


def test_a_relayed_packet_gets_our_header_and_keeps_its_marker() -> None:
    sender = RtpSender(Random(1))
    sender.relayed(packet(10), 0, SOUND, FRAME)
    for marker in (True, False):
        read = sent(sender.relayed(packet(11, marker=marker), 97, b"other", FRAME))
        assert (read.payload_type, read.marker, read.ssrc, read.payload) == (
            97,
            marker,
            sender.ssrc,
            b"other",
        )


def test_another_source_goes_on_where_the_last_ended() -> None:
    """The listener hears one stream, whoever speaks in it."""
    sender = RtpSender(Random(1))
    data = [
        sender.relayed(packet(60000, 5, ssrc=1), 0, SOUND, FRAME),
        sender.relayed(packet(60001, 5 + FRAME, ssrc=1), 0, SOUND, FRAME),
        sender.relayed(packet(3, 4_000_000_000, ssrc=2), 0, SOUND, FRAME),
        sender.packet(0, SOUND, FRAME),
        sender.relayed(packet(60002, 99, ssrc=1), 0, SOUND, FRAME),
    ]
    read = [sent(each) for each in data]
    assert len({each.ssrc for each in read}) == 1
    for before, after in pairwise(read):
        assert after.sequence - before.sequence & 0xFFFF == 1
        assert after.timestamp - before.timestamp & 0xFFFFFFFF == FRAME


def test_the_first_relayed_packet_after_our_own_begins_a_talkspurt() -> None:
    """RFC 3551 section 4.1."""
    sender = RtpSender(Random(1))
    sender.packet(0, SOUND, FRAME)
    assert sent(sender.relayed(packet(5), 0, SOUND, FRAME)).marker
    assert not sent(sender.relayed(packet(6), 0, SOUND, FRAME)).marker


def test_losses_and_order_of_a_source_show_in_what_is_relayed() -> None:
    sender = RtpSender(Random(1))
    numbers = [10, 11, 14, 13, 15]
    read = [sent(sender.relayed(packet(n, n * FRAME), 0, SOUND, FRAME)) for n in numbers]
    assert [each.sequence - read[0].sequence & 0xFFFF for each in read] == [0, 1, 4, 3, 5]
    assert [each.timestamp - read[0].timestamp & 0xFFFFFFFF for each in read] == [
        (number - 10) * FRAME for number in numbers
    ]


def test_a_late_packet_does_not_take_our_own_back() -> None:
    sender = RtpSender(Random(1))
    read = [sent(sender.relayed(packet(n, n * FRAME), 0, SOUND, FRAME)) for n in (10, 12, 11)]
    own = sent(sender.packet(0, SOUND, FRAME))
    assert own.sequence == read[1].sequence + 1 & 0xFFFF
    assert own.timestamp == read[1].timestamp + FRAME & 0xFFFFFFFF


def test_a_source_that_is_said_to_be_another_goes_on_where_it_ended() -> None:
    sender = RtpSender(Random(1))
    before = sent(sender.relayed(packet(10, 7), 0, SOUND, FRAME))
    sender.change_source()
    after = sent(sender.relayed(packet(500, 123456), 0, SOUND, FRAME))
    assert after.marker
    assert after.sequence == before.sequence + 1 & 0xFFFF
    assert after.timestamp == before.timestamp + FRAME & 0xFFFFFFFF


# -- counting --------------------------------------------------------------------------------------


def receiver_of(sequences: Iterable[int]) -> RtpReceiver:
    receiver = RtpReceiver(RATE_HZ)
    for sequence in sequences:
        receiver.note(packet(sequence, sequence * FRAME), 1000.0)
    return receiver


@pytest.mark.parametrize(
    ("sequences", "highest", "expected", "lost"),
    [
        pytest.param([], 0, 0, 0, id="nothing"),
        pytest.param([7], 7, 1, 0, id="one"),
        pytest.param([7, 8, 9], 9, 3, 0, id="all"),
        pytest.param([7, 9, 12], 12, 6, 3, id="losses"),
        pytest.param([7, 9, 8], 9, 3, 0, id="reordered"),
        pytest.param([7, 8, 8, 9], 9, 3, -1, id="a duplicate"),
        pytest.param([8, 7, 9], 9, 2, -1, id="one from before the first"),
        pytest.param([65534, 65535, 0, 1], 65537, 4, 0, id="wrapped"),
        pytest.param([65534, 1], 65537, 4, 2, id="lost at the wrap"),
        pytest.param([65534, 0, 65535, 1], 65537, 4, 0, id="reordered at the wrap"),
        pytest.param([65534, 0, 32000, 64000, 0], 2 * 65536, 65539, 65534, id="wrapped twice"),
    ],
)
def test_expected_and_lost(sequences: list[int], highest: int, expected: int, lost: int) -> None:
    """Section A.3: extended highest number, less the first, plus one; lost is that less what came."""
    receiver = receiver_of(sequences)
    assert (receiver.highest_sequence, receiver.expected, receiver.lost) == (highest, expected, lost)


def test_the_fraction_lost_is_that_of_the_interval() -> None:
    """Section A.3: an 8-bit fixed point number; 0 where duplicates outweigh losses."""
    receiver = receiver_of([0, 1, 2, 4, 5, 6, 7, 9])  # 8 of 10
    assert receiver.fraction_lost() == 2 * 256 // 10 == 51
    assert receiver.fraction_lost() == 0  # nothing expected since
    for sequence in (10, 11, 11, 13):  # one lost, one twice
        receiver.note(packet(sequence), 1000.0)
    assert receiver.fraction_lost() == 0
    receiver.note(packet(213), 1000.0)  # 1 of 200
    assert receiver.fraction_lost() == 199 * 256 // 200 == 254
    assert receiver.lost == 2 + 0 + 199


def test_jitter_is_smoothed_over_sixteen_packets() -> None:
    """Section A.8: J += (|D| - J) / 16. A packet each 1/64 s (125 ticks); the third comes as late as the fourth."""
    receiver = RtpReceiver(RATE_HZ)
    seen = []
    for number, arrival in enumerate([0, 1, 3, 3, 4]):
        receiver.note(packet(number, number * 125), 1000 + arrival / 64)
        seen.append(receiver.jitter)
    first = 125 / 16
    second = first + (125 - first) / 16
    assert seen == [0.0, 0.0, first, second, second * 15 / 16]


def test_a_stream_on_another_clock_has_no_jitter_of_the_clock_before() -> None:
    receiver = RtpReceiver(RATE_HZ)
    for number in range(4):
        receiver.note(packet(number, number * FRAME), number * 0.03)
    assert receiver.jitter > 0
    receiver.change_clock(RATE_HZ)
    assert receiver.jitter > 0
    receiver.change_clock(48000)
    for number in range(4, 8):
        receiver.note(packet(number, number * 960), number * 0.02)
    assert receiver.jitter == pytest.approx(0, abs=0.1)
    assert (receiver.packets, receiver.lost) == (8, 0)


def test_jitter_does_not_care_where_clocks_begin_nor_that_they_wrap() -> None:
    receiver = RtpReceiver(RATE_HZ)
    for number in range(100):
        receiver.note(packet(number, 0xFFFFFFFF - 300 + number * 125), 5 + number / 64)
    assert receiver.jitter == 0.0


def test_a_new_source_is_counted_from_the_beginning() -> None:
    receiver = RtpReceiver(RATE_HZ)
    receiver.note(packet(1, 0), 1000.0)
    receiver.note(packet(9, 0), 1001.0)
    assert receiver.jitter > 0
    receiver.note(packet(40000, 77, ssrc=2), 1002.0)
    assert receiver.ssrc == 2
    assert (receiver.packets, receiver.expected, receiver.lost) == (1, 1, 0)
    assert receiver.fraction_lost() == 0
    assert receiver.jitter == 0.0
