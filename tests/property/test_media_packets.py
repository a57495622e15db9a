"""RTP and RTCP: packets of every shape are read, and any bytes are a packet or none."""

from __future__ import annotations

import struct
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from media.dtmf import EVENTS, EventReceiver
from media.rtcp import build_report, parse_report
from media.rtp import RtpPacket, RtpReceiver, RtpSender, parse_rtp

WORDS = st.integers(0, 0xFFFFFFFF)
PACKETS = st.builds(
    RtpPacket,
    st.integers(0, 127),
    st.booleans(),
    st.integers(0, 0xFFFF),
    WORDS,
    WORDS,
    st.binary(max_size=200),
)


@given(
    PACKETS,
    st.lists(WORDS, max_size=15),
    st.none() | st.integers(0, 20).flatmap(lambda words: st.binary(min_size=4 * words, max_size=4 * words)),
    st.integers(0, 255),
)
def test_a_packet_of_any_shape_is_read(
    packet: RtpPacket, sources: list[int], extension: bytes | None, padding: int
) -> None:
    """RFC 3550 section 5.1: version, padding, extension, CSRC count, marker, payload type ..."""
    first = 0x80 | (0x20 if padding else 0) | (0x10 if extension is not None else 0) | len(sources)
    second = packet.payload_type | (0x80 if packet.marker else 0)
    data = struct.pack("!BBHII", first, second, packet.sequence, packet.timestamp, packet.ssrc)
    data += b"".join(source.to_bytes(4, "big") for source in sources)
    if extension is not None:
        data += struct.pack("!HH", 0xBEDE, len(extension) // 4) + extension
    data += packet.payload
    if padding:
        data += bytes(padding - 1) + bytes([padding])
    assert parse_rtp(data) == packet


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda rest: b"\xbf" + rest))
def test_any_bytes_are_an_rtp_packet_or_none(data: bytes) -> None:
    packet = parse_rtp(data)
    if packet is not None:
        assert data[0] >> 6 == 2
        assert packet.payload in data


@given(st.lists(PACKETS, min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_what_is_sent_has_one_source_and_no_gap_but_those_of_its_sources(
    packets: list[RtpPacket], dice: Random
) -> None:
    """Each packet comes from another source: ours, or one that was relayed."""
    sender = RtpSender(Random(dice.getrandbits(32)))
    ours, sequence, timestamp = sender.ssrc, sender.sequence, sender.timestamp
    last = None
    for packet in packets:
        if dice.random() < 0.5 or packet.ssrc == last:
            data, last = sender.packet(packet.payload_type, packet.payload, 160), None
        else:
            data, last = sender.relayed(packet, packet.payload_type, packet.payload, 160), packet.ssrc
        sequence, timestamp = sequence + 1 & 0xFFFF, timestamp + 160 & 0xFFFFFFFF
        read = parse_rtp(data)
        assert read is not None
        assert read[2:] == (sequence, timestamp, ours, packet.payload)


@given(st.lists(st.tuples(PACKETS, st.floats(0, 1e6)), max_size=20), st.booleans(), st.booleans())
def test_whatever_was_heard_can_be_reported(
    heard: list[tuple[RtpPacket, float]], sending: bool, bye: bool
) -> None:
    receiver = RtpReceiver(8000)
    for packet, at in heard:
        receiver.note(packet, at)
    sender = RtpSender(Random(1))
    now = 1e6
    report = parse_report(
        build_report(sender, receiver, "a@b", now, (0xFFFFFFFF, 0.0), sending=sending, bye=bye)
    )
    assert report is not None
    assert (report.ssrc, report.bye) == (sender.ssrc, bye)
    assert (report.sender_ntp is not None) is sending
    assert [block.ssrc for block in report.blocks] == [packet.ssrc for packet, _ in heard[-1:]]
    assert all(0 <= block.fraction_lost < 1 for block in report.blocks)


KINDS = st.sampled_from([200, 201, 202, 203, 204, 0])
COUNTED = st.tuples(st.integers(0x80, 0x9F), KINDS, st.integers(0, 12), st.binary(max_size=60)).map(
    lambda parts: struct.pack("!BBH", *parts[:3]) + parts[3]
)


@given(st.binary(max_size=80) | st.lists(COUNTED, max_size=4).map(b"".join))
def test_any_bytes_are_a_report_or_none(data: bytes) -> None:
    report = parse_report(data)
    if report is not None:
        assert len(data) % 4 == 0
        assert len(report.blocks) * 24 < len(data)


@given(st.lists(st.tuples(WORDS, st.binary(max_size=6)), max_size=20))
def test_any_payloads_are_digits_or_nothing(packets: list[tuple[int, bytes]]) -> None:
    receiver = EventReceiver()
    told = [heard for timestamp, payload in packets for heard in receiver.receive(timestamp, payload)]
    begun = [heard.digit for heard in told if not heard.ended]
    assert len(begun) <= len(packets)
    assert all(heard.digit in EVENTS and 0 <= heard.duration < 0x10000 for heard in told)
    for before, after in pairwise(told):  # every end follows its begin, and so does the next begin
        assert before.ended is not after.ended
        assert before.ended or before.digit == after.digit
