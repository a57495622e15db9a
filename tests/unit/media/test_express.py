"""Relayed packets in arrays: which are, which are not, and what is known of them meanwhile."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from media.express import Express
from media.plan import G711, SrtpKeys, SrtpSuite
from media.rtp import RtpPacket, RtpSender, parse_rtp
from media.srtp import Srtp
from tests.property.test_express import Lanes, remote_of

STREAMS = 14


class Call:
    """Streams that are relayed in arrays, and what their phones say."""

    def __init__(self, world: Lanes) -> None:
        self.world, dice = world, Random(7)
        self.phones = [RtpSender(dice) for _ in range(STREAMS)]
        for number, stream in enumerate(
            world.streams
        ):  # what is sent wraps sooner, or later, than what comes
            stream.sender.sequence = self.phones[number ^ 1].sequence + (100 if number % 2 else -100) & 0xFFFF
        self.now = world.timers.time()
        for _ in range(200):
            if world.in_arrays == STREAMS:
                break
            self.say(range(STREAMS))
        assert world.in_arrays == STREAMS

    def packet(self, number: int, **more: bool) -> bytes:
        return self.phones[number].packet(
            G711[0].static_payload_type or 0, bytes([number]) * 160, 160, **more
        )

    def say(self, numbers: range, odd: dict[int, bytes] | None = None) -> None:
        """A packet of each comes, of some another than the usual."""
        self.now += 0.020301  # never at the very time of an alarm, which these timers take for due
        self.world.step(self.now, [(each, (odd or {}).get(each) or self.packet(each)) for each in numbers])

    def heard(self, number: int) -> list[RtpPacket]:
        """By the phone of a stream."""
        self.world.lane.select(0)
        found = [parse_rtp(data) for data in self.world.kernel.sent[self.world.sockets[number].fileno()]]
        return [packet for packet in found if packet is not None]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    monkeypatch.setattr("media.express.FEW", 8)
    world = Lanes([G711[0]] * STREAMS, arrays=True)
    try:
        yield Call(world)
    finally:
        world.close()


def test_each_hears_its_partner(call: Call) -> None:
    for number in range(STREAMS):
        before = len(call.heard(number))
        call.say(range(STREAMS))
        *_, last = call.heard(number)
        assert len(call.heard(number)) == before + 1
        assert last.payload == bytes([number ^ 1]) * 160
    assert call.world.in_arrays == STREAMS


@pytest.mark.parametrize("kind", ["marker", "short", "source", "jump", "type", "extension"])
def test_what_is_unusual_goes_the_long_way_and_the_others_go_on(call: Call, kind: str) -> None:
    phone = call.phones[3]
    if kind == "source":
        phone.ssrc ^= 1
    elif kind == "jump":
        phone.sequence += 5
    data = call.packet(3, marker=kind == "marker")
    if kind == "short":
        data = data[:12]
    elif kind == "type":
        data = data[:1] + b"\x03" + data[2:]
    elif kind == "extension":
        data = b"\x90" + data[1:12] + bytes(4) + data[12:]
    call.say(range(STREAMS), {3: data})
    assert call.world.in_arrays == STREAMS - 1
    before, other = len(call.heard(2)), len(call.heard(5))
    call.say(range(STREAMS))
    assert len(call.heard(2)) == before + 1
    assert len(call.heard(5)) == other + 1
    if kind == "source":
        assert call.heard(2)[before - 1].ssrc == call.heard(2)[before].ssrc


@pytest.mark.parametrize("is_new", [True, False])
def test_where_no_route_is_nothing_is_the_next_packet(call: Call, is_new: bool) -> None:
    """Also of those that are no RTP: they are the packets of a stranger, of any SSRC."""
    call.world.streams[3].ports.rtp.connect(remote_of(3))  # so that its route is here no more
    assert call.world.in_arrays == STREAMS - 2
    before, ssrc = call.world.streams[3].statistics(), 0 if is_new else call.phones[3].ssrc
    for number in range(20):
        odd = struct.pack("!III", 0xC000_0000 + number, 160 * number, ssrc) + bytes(160)
        call.say(range(STREAMS), {3: odd})
    for _ in range(20):
        call.say(range(STREAMS))
    assert call.world.in_arrays == STREAMS
    after = call.world.streams[3].statistics()
    assert after.packets_from_strangers == before.packets_from_strangers + 20
    assert after.packets_received == before.packets_received + 20
    assert after.jitter_ms < 1000  # 20 packets are lacking


def test_nothing_is_sent_by_a_socket_that_is_closed(call: Call) -> None:
    """Its file descriptor may be that of another by then."""
    hearer = call.world.sockets[2]
    fd = hearer.fileno()
    call.say(range(STREAMS))
    hearer.close()
    sent = len(call.world.kernel.sent[fd])
    assert call.world.in_arrays == STREAMS - 2
    call.say(range(3, STREAMS))
    assert len(call.world.kernel.sent[fd]) == sent


def test_where_the_peer_of_a_socket_has_gone_nothing_is_sent_by_it_in_arrays(call: Call) -> None:
    call.world.kernel.refuse(call.world.sockets[2].fileno())
    call.say(range(3, STREAMS))
    assert call.world.sockets[2].number is None
    assert call.world.in_arrays <= STREAMS - 2


def test_what_is_secured_is_never_relayed_in_arrays(call: Call) -> None:
    """Neither what is deciphered nor what is to be enciphered; and it is as soon as it is secured no more."""
    stream, socket = call.world.streams[2], call.world.sockets[2]
    ours, theirs = bytes([1]) * 30, bytes([2]) * 30
    phone = Srtp(SrtpKeys(SrtpSuite.AES_CM_128_HMAC_SHA1_80, send=theirs, receive=ours))
    plain = stream.plan
    stream.change(replace(plain, srtp=SrtpKeys(SrtpSuite.AES_CM_128_HMAC_SHA1_80, send=ours, receive=theirs)))
    before = len(call.heard(2)), len(call.heard(3))
    for _ in range(20):
        call.say(range(STREAMS), {2: phone.protect(call.packet(2)) or b""})
        assert call.world.in_arrays == STREAMS - 2
    call.world.lane.select(0)
    plains = [phone.unprotect(data) for data in call.world.kernel.sent[socket.fileno()][before[0] :]]
    assert [data and data[12:] for data in plains] == [bytes([3]) * 160] * 20
    assert [packet.payload for packet in call.heard(3)[before[1] :]] == [bytes([2]) * 160] * 20
    stream.change(plain)
    for _ in range(20):
        call.say(range(STREAMS))
    assert call.world.in_arrays == STREAMS
    assert call.heard(2)[-1].payload == bytes([3]) * 160


def test_few_packets_are_relayed_without_arrays_by_the_same_tables(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    relayed, relay = list[int](), Express._pass_on_all

    def count(express: Express, *facts: Any) -> Any:
        relayed.append(1)
        return relay(express, *facts)

    monkeypatch.setattr(Express, "_pass_on_all", count)
    before = [len(call.heard(number)) for number in range(STREAMS)]
    for _ in range(12):
        call.say(range(STREAMS // 2))
    assert not relayed
    assert call.world.in_arrays == STREAMS
    call.say(range(STREAMS))
    assert relayed
    after = [len(call.heard(number)) for number in range(STREAMS)]
    assert [now - then for now, then in zip(after, before, strict=True)] == [
        13 if number ^ 1 < STREAMS // 2 else 1 for number in range(STREAMS)
    ]


@pytest.mark.parametrize("speakers", [STREAMS, STREAMS // 2])
def test_packets_of_several_sizes_are_sent_whole(call: Call, speakers: int) -> None:
    """And those of one size again after them, from the same buffers. Few are passed on one by one."""
    of_one_size = [((160,), STREAMS)] * 8
    for sizes, count in [
        *of_one_size,
        ((160, 80), speakers),
        *of_one_size,
        ((80,), STREAMS),
        ((40, 160, 240), speakers),
    ]:
        payloads = [bytes([number]) * sizes[number % len(sizes)] for number in range(count)]
        packets = {number: call.phones[number].packet(0, payloads[number], 160) for number in range(count)}
        call.say(range(count), packets)
        assert [call.heard(number ^ 1)[-1].payload for number in range(count)] == payloads
    assert call.world.in_arrays == STREAMS


@pytest.mark.parametrize("long", [1489, 2036])
def test_packets_that_are_too_long_are_refused_even_where_all_are(call: Call, long: int) -> None:
    before = [len(call.heard(number)) for number in range(STREAMS)]
    for size, more in ((1488, 1), (long, 0)):
        call.say(
            range(STREAMS), {each: call.phones[each].packet(0, bytes(size), 160) for each in range(STREAMS)}
        )
        after = [len(call.heard(number)) for number in range(STREAMS)]
        assert [now - then for now, then in zip(after, before, strict=True)] == [more] * STREAMS
        before = after
    strangers = [stream.statistics().packets_from_strangers for stream in call.world.streams]
    assert strangers == [1] * STREAMS


@pytest.mark.parametrize("sizes", [(160, 160, 160), (160, 80, 160)])
def test_octets_are_counted_whether_packets_are_of_one_size_or_not(
    call: Call, sizes: tuple[int, ...]
) -> None:
    """Those of one wake-up are."""
    streams = call.world.streams
    before = [(stream.statistics().packets_sent, stream.sender.octets) for stream in streams]
    for size in sizes:
        call.say(
            range(STREAMS), {each: call.phones[each].packet(0, bytes(size), 160) for each in range(STREAMS)}
        )
    assert call.world.in_arrays == STREAMS
    after = [(stream.statistics().packets_sent, stream.sender.octets) for stream in streams]
    assert after == [(packets + len(sizes), octets + sum(sizes)) for packets, octets in before]


def test_nothing_is_sent_from_buffers_behind_a_receive_that_has_not_begun(call: Call) -> None:
    """It would take them first, as soon as the kernel has the memory for it."""
    lane, kernel = call.world.lane, call.world.kernel
    kernel.is_short_of_memory = True
    lane._ring.watch(0)
    heard = [len(call.heard(number)) for number in range(STREAMS)]
    call.say(range(STREAMS))
    assert call.world.in_arrays < STREAMS / 2  # some may be back there by now
    kernel.is_short_of_memory = False
    assert [len(call.heard(number)) for number in range(STREAMS)] == [before + 1 for before in heard]


def test_how_it_goes_is_known_whenever_somebody_asks(call: Call) -> None:
    received = call.world.streams[1].statistics().packets_received
    sent = call.world.streams[0].statistics().packets_sent
    for _ in range(10):
        call.say(range(STREAMS))
    assert call.world.in_arrays == STREAMS
    after = call.world.streams[1].statistics()
    assert (after.packets_received, after.packets_lost) == (received + 10, 0)
    assert call.world.streams[0].statistics().packets_sent == sent + 10


def test_how_it_goes_is_known_of_who_only_talks() -> None:
    """And has been sent nothing."""
    world = Lanes([G711[0]] * 2, arrays=True)
    try:
        talker, hearer = RtpSender(Random(1)), RtpSender(Random(2))
        world.streams[0].quiet()
        now = world.timers.time()
        for number in range(40):
            now += 0.0203
            said = [(0, talker.packet(0, bytes(160), 160))]
            world.step(now, said if number > 1 else [*said, (1, hearer.packet(0, bytes(160), 160))])
        assert world.in_arrays == 1
        one, other = (stream.statistics() for stream in world.streams)
        assert (one.packets_received, one.packets_sent) == (40, 0)
        assert (other.packets_received, other.packets_sent) == (2, 40)
    finally:
        world.close()


def test_who_is_relayed_in_arrays_is_not_silent(call: Call) -> None:
    """And who falls silent there is doubted as soon as others are."""
    for _ in range(300):
        call.say(range(STREAMS - 1))
    latches = [stream._latch for stream in call.world.streams]
    assert [latch.doubted for latch in latches] == [False] * (STREAMS - 1) + [True]


@pytest.mark.parametrize("few", [8, 100])
def test_sequence_numbers_wrap(call: Call, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    """Those of the phones, and ours."""
    monkeypatch.setattr("media.express.FEW", few)
    before, dropped = len(call.heard(0)), 0
    for sequence in (0x8000, 0xFC00):  # by more than half of all it would be one of long ago
        for phone in call.phones[:2]:
            while phone.sequence < sequence:
                phone.packet(0, b"", 160)
        call.say(range(STREAMS))
    for _ in range(1700):
        call.say(range(STREAMS))
        dropped = max(dropped, STREAMS - call.world.in_arrays)
    assert dropped
    assert call.world.in_arrays == STREAMS
    for number in range(2):
        heard = call.heard(number)[before:]
        steps = [after.sequence - before.sequence & 0xFFFF for before, after in pairwise(heard)]
        assert set(steps[2:]) == {1}
        assert {packet.payload_type for packet in heard} == {0}
        assert heard[0].sequence > heard[-1].sequence
    assert call.world.streams[1].receiver.highest_sequence >= 0x10000
