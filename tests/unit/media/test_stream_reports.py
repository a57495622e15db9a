"""What a stream reports to its peer, what it learns from the peer's reports, and what it says of itself in the end."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from media.messages import Bridge, CloseStream, PlayTone, Statistics, StreamClosed, StreamSilent
from media.rtcp import INTERVAL_SECONDS, build_report
from media.rtp import RtpReceiver
from media.tones import Tone
from media.vigil import SILENCE_SECONDS
from tests.simulation.impairment import Profile
from tests.simulation.nat import NatBox, NatKind
from tests.simulation.simulation import Simulation
from tests.unit.media.studio import Peer, Studio, frames

TONE = Tone.sine(440)
HELLO = frames(1, 10)


def closed(studio: Studio, stream: int) -> Statistics:
    """Close a stream and return what it tells of itself."""
    studio.do(CloseStream(stream))
    [statistics] = [event.statistics for event in studio.told_of(StreamClosed) if event.stream == stream]
    return statistics


def report_from(peer: Peer, now: float, *, heard: tuple[int, float] | None = None) -> bytes:
    """A report of a peer that has heard the packets it keeps."""
    receiver = RtpReceiver(8000)
    for packet, arrival in zip(peer.packets, peer.arrivals, strict=True):
        receiver.note(packet, arrival)
    return build_report(peer.sender, receiver, "phone", now, heard, sending=True)


# -- reports we send -------------------------------------------------------------------------------


async def test_reports_come_at_intervals_as_long_as_the_stream_lives(simulation: Simulation) -> None:
    """RFC 3550 section 6.2: five seconds, times 0.5 to 1.5 at random."""
    studio = Studio(simulation)
    lee = studio.peer()
    stream = studio.open(lee)
    studio.do(PlayTone(stream, TONE))
    await asyncio.sleep(100)
    gaps = [after - before for before, after in pairwise(lee.report_arrivals)]
    assert min(gaps) >= 0.5 * INTERVAL_SECONDS - 0.001
    assert max(gaps) <= 1.5 * INTERVAL_SECONDS + 0.001
    assert max(gaps) - min(gaps) > 1
    assert not any(report.bye for report in lee.reports)
    count = len(lee.reports)
    studio.do(CloseStream(stream))
    await asyncio.sleep(60)
    assert len(lee.reports) == count + 1
    assert lee.reports[-1].bye
    studio.stop()


async def test_who_sends_reports_as_sender_and_who_only_hears_as_receiver(simulation: Simulation) -> None:
    """RFC 3550 section 6.4."""
    studio = Studio(simulation)
    lee, richardson = studio.peer(), studio.peer()
    studio.do(Bridge(studio.open(lee), studio.open(richardson)))
    await lee.say(frames(0, 500))
    await asyncio.sleep(0.1)
    assert {report.sender_ntp is None for report in lee.reports} == {True}
    assert {report.sender_ntp is None for report in richardson.reports} == {False}
    assert {report.ssrc for report in richardson.reports} == {richardson.packets[0].ssrc}
    assert {block.ssrc for report in lee.reports for block in report.blocks} == {lee.sender.ssrc}
    assert all(report.blocks == () for report in richardson.reports)
    studio.stop()


async def test_a_report_says_what_was_lost_since_the_last(simulation: Simulation) -> None:
    studio = Studio(simulation)
    lee = studio.peer()
    stream = studio.open(lee)
    for number in range(100):
        lee.sender.sequence += number % 4 == 3  # every fourth is lost on the way
        lee.send(HELLO[0])
    await asyncio.sleep(0.1)
    studio.do(CloseStream(stream))
    await asyncio.sleep(0.1)
    [block] = lee.reports[-1].blocks
    assert block.lost == 25
    assert block.fraction_lost == 25 * 256 // 125 / 256
    studio.stop()


async def test_reports_go_beside_where_a_phone_behind_a_nat_comes_from(simulation: Simulation) -> None:
    """And not to the address that it wrote, which leads nowhere."""
    studio = Studio(simulation)
    box = NatBox(simulation.network, "203.0.113.9", NatKind.FULL_CONE)
    home = Peer(simulation, box.host("192.168.1.5"))
    stream = studio.open(home, trusted_hosts=frozenset({"192.168.1.5", "203.0.113.9"}))
    home.send(HELLO[0])
    home.send_report(report_from(home, simulation.loop.time()))  # makes the NAT give the next port to RTCP
    await home.say(frames(0, 30))
    studio.do(CloseStream(stream))
    await asyncio.sleep(0.1)
    assert [report.bye for report in home.reports] == [True]
    studio.stop()


# -- reports we get --------------------------------------------------------------------------------


async def test_round_trip_and_loss_are_learnt_from_the_peer(simulation: Simulation) -> None:
    """RFC 3550 section 6.4.1: now, less the time of our report, less how long the peer kept it."""
    studio = Studio(simulation)
    lee = Peer(simulation, simulation.network.host("10.0.2.1", link=Profile(delay_seconds=0.04)))
    stream = studio.open(lee)
    studio.do(PlayTone(stream, TONE))
    await asyncio.sleep(8)
    last = lee.reports[-1].sender_ntp
    assert last is not None
    del lee.packets[10:20], lee.arrivals[10:20]  # lost on the way
    expected = lee.packets[-1].sequence - lee.packets[0].sequence + 1 & 0xFFFF
    lee.send_report(report_from(lee, simulation.loop.time(), heard=(last, lee.report_arrivals[-1])))
    await asyncio.sleep(0.1)
    statistics = closed(studio, stream)
    assert statistics.remote_loss == 10 * 256 // expected / 256
    assert statistics.round_trip_ms == pytest.approx(2 * 40.5, abs=0.1)
    studio.stop()


async def test_a_peer_is_told_how_long_we_kept_its_report(simulation: Simulation) -> None:
    studio = Studio(simulation)
    lee = studio.peer()
    stream = studio.open(lee)
    lee.send(HELLO[0])
    lee.send_report(report_from(lee, now=77.5))
    await asyncio.sleep(1)
    studio.do(CloseStream(stream))
    await asyncio.sleep(0.1)
    [block] = lee.reports[-1].blocks
    assert block.last_report >> 16 == 77 + 2_208_988_800 & 0xFFFF
    assert block.delay / 65536 == pytest.approx(1, abs=0.01)
    studio.stop()


async def test_reports_about_others_and_from_strangers_say_nothing_of_us(simulation: Simulation) -> None:
    studio = Studio(simulation)
    lee, stranger, other = studio.peer(), studio.peer(), studio.peer()
    stream = studio.open(lee)
    studio.do(PlayTone(stream, TONE), PlayTone(studio.open(other), TONE))
    stranger.towards = lee.towards
    await asyncio.sleep(10)
    del lee.packets[10:20], lee.arrivals[10:20]
    stranger.send_report(report_from(lee, simulation.loop.time()))
    lee.send_report(report_from(other, simulation.loop.time()))
    await asyncio.sleep(0.1)
    statistics = closed(studio, stream)
    assert statistics.remote_loss is None
    assert statistics.round_trip_ms is None
    assert statistics.packets_from_strangers == 1
    studio.stop()


async def test_a_report_that_was_never_ours_gives_no_round_trip(simulation: Simulation) -> None:
    """A time in the future would make a negative one."""
    studio = Studio(simulation)
    lee = studio.peer()
    stream = studio.open(lee)
    studio.do(PlayTone(stream, TONE))
    await asyncio.sleep(1)
    now = simulation.loop.time()
    lee.send_report(report_from(lee, now, heard=(int(now + 10 + 2_208_988_800) % 65536 << 16, now)))
    await asyncio.sleep(0.1)
    statistics = closed(studio, stream)
    assert statistics.remote_loss == 0
    assert statistics.round_trip_ms is None
    studio.stop()


# -- what a stream says in the end -----------------------------------------------------------------


async def test_the_statistics_of_a_stream(simulation: Simulation) -> None:
    studio = Studio(simulation)
    lee, stranger = studio.peer(), studio.peer()
    stream = studio.open(lee)
    stranger.towards = lee.towards
    studio.do(PlayTone(stream, TONE))
    await stranger.say(HELLO)
    await lee.say(HELLO)
    lee.sender.sequence += 5
    await lee.say(HELLO)
    await asyncio.sleep(0.61)
    statistics = closed(studio, stream)
    assert statistics.packets_received == 20
    assert statistics.packets_lost == 5
    assert statistics.packets_from_strangers == 10
    assert statistics.packets_sent == len(lee.packets)
    assert statistics.jitter_ms == pytest.approx(0, abs=0.2)
    studio.stop()


async def test_jitter_is_told_in_milliseconds(simulation: Simulation) -> None:
    """Every second packet 8 ms late: the difference is 8 ms each time, and the mean goes there."""
    studio = Studio(simulation)
    lee = studio.peer()
    stream = studio.open(lee)
    for _ in range(100):
        lee.send(HELLO[0])
        await asyncio.sleep(0.028)
        lee.send(HELLO[0])
        await asyncio.sleep(0.012)
    assert closed(studio, stream).jitter_ms == pytest.approx(8, rel=0.05)
    studio.stop()


async def test_a_stream_without_a_packet_has_empty_statistics(simulation: Simulation) -> None:
    studio = Studio(simulation)
    assert closed(studio, studio.open(studio.peer())) == Statistics()
    studio.stop()


# -- silence ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign_of_life", ["sound", "reports"])
async def test_a_peer_that_falls_silent_is_told_of_once_a_minute(
    simulation: Simulation, sign_of_life: str
) -> None:
    studio = Studio(simulation)
    lee = studio.peer()
    studio.open(lee)
    for _ in range(10):
        lee.send(HELLO[0]) if sign_of_life == "sound" else lee.send_report(report_from(lee, 0.0))
        await asyncio.sleep(SILENCE_SECONDS / 2)
    assert studio.told_of(StreamSilent) == []
    await asyncio.sleep(5 * SILENCE_SECONDS)
    assert 4 <= len(studio.told_of(StreamSilent)) <= 5
    studio.stop()


@pytest.mark.parametrize("strangers", [False, True])
async def test_a_peer_that_was_never_heard_is_told_of_a_minute_after_the_stream_began(
    simulation: Simulation, strangers: bool
) -> None:
    """Whatever others send meanwhile."""
    studio = Studio(simulation)
    lee, stranger = studio.peer(), studio.peer()
    studio.open(lee)
    stranger.towards = lee.towards
    for _ in range(int(SILENCE_SECONDS) - 2):
        if strangers:
            stranger.send_report(report_from(stranger, 0.0))
        await asyncio.sleep(1)
    assert studio.told_of(StreamSilent) == []
    await asyncio.sleep(4)
    assert len(studio.told_of(StreamSilent)) == 1
    studio.stop()
