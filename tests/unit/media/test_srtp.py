"""SRTP of one stream: what goes through, what is refused and counted, and what other keys do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from media.plan import SrtpKeys, SrtpSuite
from media.rtp import HEADER_BYTES, parse_rtp
from media.srtp import MAX_SOURCES, Srtp

SUITES = list(SrtpSuite)
SHA1_80 = SrtpSuite.AES_CM_128_HMAC_SHA1_80
TAG_BYTES = {SHA1_80: 10, SrtpSuite.AES_CM_128_HMAC_SHA1_32: 4}
"""RFC 4568 section 6.2."""
SSRC = 0x12345678
SOUND = bytes(range(160))


def keys(send: int, receive: int, suite: SrtpSuite = SHA1_80) -> SrtpKeys:
    """Keys that can be told apart by a number."""
    return SrtpKeys(suite, bytes([send]) * 30, bytes([receive]) * 30)


def pair(suite: SrtpSuite = SHA1_80) -> tuple[Srtp, Srtp]:
    """Two ends of one stream."""
    return Srtp(keys(1, 2, suite)), Srtp(keys(2, 1, suite))


def rtp(index: int, ssrc: int = SSRC) -> bytes:
    """Packet number `index` of a stream."""
    numbers = (index & 0xFFFF).to_bytes(2, "big") + (index * 160 & 0xFFFFFFFF).to_bytes(4, "big")
    return b"\x80\x00" + numbers + ssrc.to_bytes(4, "big") + SOUND


def rtcp(ssrc: int = SSRC) -> bytes:
    """An empty receiver report."""
    return b"\x80\xc9\x00\x01" + ssrc.to_bytes(4, "big")


def sealed(data: bytes | None) -> bytes:
    """What `protect` returned, which was a packet."""
    assert data is not None
    return data


def talk(sender: Srtp, receiver: Srtp, first: int, last: int) -> None:
    """Packets of so many numbers, all of which arrive."""
    for index in range(first, last):
        assert receiver.unprotect(sealed(sender.protect(rtp(index)))) == rtp(index)


# -- both ways -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", SUITES)
def test_a_packet_arrives_as_it_was_sent(suite: SrtpSuite) -> None:
    here, there = pair(suite)
    for index in range(3):
        travelling = sealed(here.protect(rtp(index)))
        assert len(travelling) == len(rtp(index)) + TAG_BYTES[suite]
        assert there.unprotect(travelling) == rtp(index)
        assert here.unprotect(sealed(there.protect(rtp(index)))) == rtp(index)


def test_sound_cannot_be_seen_and_the_header_can() -> None:
    here, _ = pair()
    travelling = sealed(here.protect(rtp(7)))
    assert travelling[:HEADER_BYTES] == rtp(7)[:HEADER_BYTES]
    assert SOUND[:16] not in travelling


@pytest.mark.parametrize("suite", SUITES)
def test_reports_have_a_tag_of_80_bits_in_either_suite(suite: SrtpSuite) -> None:
    """RFC 4568 section 6.2.2."""
    here, there = pair(suite)
    travelling = sealed(here.protect_rtcp(rtcp()))
    assert len(travelling) == len(rtcp()) + 4 + 10
    assert there.unprotect_rtcp(travelling) == rtcp()


def test_packets_out_of_order_arrive() -> None:
    here, there = pair()
    travelling = [sealed(here.protect(rtp(index))) for index in range(10)]
    assert [there.unprotect(data) for data in reversed(travelling)] == [rtp(n) for n in range(9, -1, -1)]


def test_the_sequence_number_wraps() -> None:
    here, there = pair()
    talk(here, there, 0x7FF0, 0x8000)
    talk(here, there, 0xFFF0, 0x10010)


# -- what is refused -------------------------------------------------------------------------------


def test_a_replayed_packet_is_counted() -> None:
    here, there = pair()
    first, report = sealed(here.protect(rtp(0))), sealed(here.protect_rtcp(rtcp()))
    assert there.unprotect(first) is not None
    assert there.unprotect_rtcp(report) is not None
    assert there.unprotect(first) is None
    assert there.unprotect_rtcp(report) is None
    assert (there.replayed, there.forged) == (2, 0)


@pytest.mark.parametrize("at", [1, 3, 5, 11, 12, 100, -1])
def test_a_forged_packet_is_counted(at: int) -> None:
    """Whichever byte has been changed."""
    here, there = pair()
    travelling = bytearray(sealed(here.protect(rtp(0))))
    travelling[at] ^= 1
    assert there.unprotect(bytes(travelling)) is None
    assert (there.replayed, there.forged) == (0, 1)
    talk(here, there, 1, 3)


@pytest.mark.parametrize(
    "data", [b"", b"\x80", bytes(12), bytes(200), b"\xff" * 1500, b"\x8f" * 20, bytes(2048), rtp(0), rtcp()]
)
def test_what_was_never_secured_is_counted(data: bytes) -> None:
    _, there = pair()
    assert there.unprotect(data) is None
    assert there.unprotect_rtcp(data) is None
    assert there.forged == 2


def test_another_key_is_a_forgery() -> None:
    assert Srtp(keys(2, 1)).unprotect(sealed(Srtp(keys(3, 4)).protect(rtp(0)))) is None


def test_no_number_is_used_for_two_packets() -> None:
    """The same keystream twice gives both sounds away (RFC 3711 section 9.1)."""
    here, _ = pair()
    assert here.protect(rtp(5)) is not None
    assert here.protect(rtp(5)[:-1] + b"!") is None


@pytest.mark.parametrize("data", [b"", b"\x80", bytes(2000)])
def test_what_is_no_packet_is_not_sent(data: bytes) -> None:
    here, _ = pair()
    assert here.protect(data) is None
    assert here.protect_rtcp(data) is None


def test_a_peer_has_not_sources_without_end() -> None:
    here, there = pair()
    arrived = [there.unprotect(sealed(here.protect(rtp(0, ssrc)))) for ssrc in range(MAX_SOURCES + 5)]
    assert arrived.count(None) == there.forged == 5
    assert there.unprotect(sealed(here.protect(rtp(1, 0)))) is not None


# -- other keys ------------------------------------------------------------------------------------


def test_packets_under_the_old_key_count_until_the_new_one_is_heard() -> None:
    here, there = pair()
    late = [sealed(here.protect(rtp(index))) for index in range(3)]
    here.change(keys(3, 2))
    there.change(keys(2, 3))
    assert there.unprotect(late[0]) == rtp(0)
    talk(here, there, 3, 5)
    assert there.unprotect(late[1]) is None
    assert there.forged == 1


def test_a_replay_counts_as_one_while_a_new_key_is_awaited() -> None:
    here, there = pair()
    old = sealed(here.protect(rtp(0)))
    assert there.unprotect(old) is not None
    there.change(keys(2, 3))
    assert there.unprotect(old) is None
    assert there.replayed == 1


@pytest.mark.parametrize(
    ("new", "changed"),
    [
        (keys(2, 1), False),
        (keys(2, 3), False),
        (keys(3, 1), True),
        (keys(2, 1, SrtpSuite.AES_CM_128_HMAC_SHA1_32), True),
    ],
)
def test_it_tells_whether_the_key_for_sending_is_another(new: SrtpKeys, changed: bool) -> None:
    _, there = pair()
    assert there.change(new) is changed


def test_the_same_keys_again_change_nothing() -> None:
    here, there = pair()
    first = sealed(here.protect(rtp(0)))
    assert there.unprotect(first) is not None
    there.change(keys(2, 1))
    assert there.unprotect(first) is None
    here.change(keys(1, 2))
    assert here.protect(rtp(0)) is None


@pytest.mark.parametrize("wraps", [1, 3])
@pytest.mark.parametrize("goes_on", [True, False])
def test_under_a_new_key_the_rollover_counter_may_go_on_or_begin_again(wraps: int, goes_on: bool) -> None:
    """RFC 3711 section 3.3.1 says that it goes on; phones that make everything anew begin again at 0."""
    here, there = pair()
    last = wraps * 0x10000 + 100
    for index in range(0, last, 0x4000):
        assert there.unprotect(sealed(here.protect(rtp(index)))) is not None
    there.change(keys(2, 3), (SSRC, last))
    phone = Srtp(keys(3, 2))
    for index in range(0, last, 0x4000) if goes_on else ():
        phone.protect(rtp(index))
    talk(phone, there, last + 1, last + 5)


@pytest.mark.parametrize("wraps", [0, 1, 3, 40])
@pytest.mark.parametrize("sequence", [1, 100, 0xFFFF])
@pytest.mark.parametrize("suite", SUITES)
def test_who_takes_a_stream_over_finds_out_how_far_it_has_come(
    wraps: int, sequence: int, suite: SrtpSuite
) -> None:
    phone, there = Srtp(keys(1, 2, suite)), Srtp(replace(keys(2, 1, suite), continues=True))
    last = wraps * 0x10000 + sequence
    for index in range(0, last, 0x4000):
        phone.protect(rtp(index))
    talk(phone, there, last + 1, last + 5)
    assert there.forged == 0


def test_who_takes_a_stream_over_does_not_try_for_ever() -> None:
    phone, there = Srtp(keys(1, 2)), Srtp(replace(keys(2, 1), continues=True))
    stranger = Srtp(keys(7, 8))
    for index in range(50):
        assert there.unprotect(sealed(stranger.protect(rtp(index)))) is None
    assert there.forged == 50
    for index in range(0, 0x20000, 0x4000):
        phone.protect(rtp(index))
    assert there.unprotect(sealed(phone.protect(rtp(0x20000)))) is None


def test_a_packet_is_parsed_after_it_was_deciphered() -> None:
    here, there = pair()
    packet = parse_rtp(there.unprotect(sealed(here.protect(rtp(9)))) or b"")
    assert packet is not None
    assert (packet.sequence, packet.payload) == (9, SOUND)


def test_keys_are_not_shown() -> None:
    held = keys(65, 66)
    assert "AAAA" not in repr(held)
    assert "BBBB" not in repr(held)
