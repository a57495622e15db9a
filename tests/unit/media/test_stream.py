"""One stream and its peer: what is relayed, played, recorded, and whose packets count."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from media.codecs import g711
from media.latch import WINDOW_SECONDS
from media.messages import (
    Bridge,
    CloseStream,
    DigitEnded,
    DigitReceived,
    Echo,
    PlayTone,
    Quiet,
    RecordFile,
    SendDigits,
    StreamClosed,
    StreamLatched,
)
from media.plan import Codec, Direction
from media.rtp import RtpPacket
from media.stream import MAX_DIGITS_QUEUED
from media.tones import Tone
from media.wav import WavReader
from tests.simulation.nat import NatBox, NatKind
from tests.simulation.simulation import Simulation
from tests.unit.media.studio import EVENTS, FRAME_SECONDS, Peer, Studio, frames, plan_for

A_LAW = {"codec": Codec.PCMA, "send_payload_type": 97, "receive_payload_type": 8}
"""A peer that speaks A-law and numbers it its own way."""
HELLO = frames(1, 10)


def bridged(simulation: Simulation, **changes: object) -> tuple[Studio, Peer, Peer]:
    """Two peers that talk with each other; `changes` are of the second's plan."""
    studio = Studio(simulation)
    lee, richardson = studio.peer(), studio.peer()
    studio.do(Bridge(studio.open(lee), studio.open(richardson, **changes)))
    return studio, lee, richardson


def assert_one_stream(packets: list[RtpPacket]) -> None:
    """One source, and every packet follows the one before."""
    assert len({packet.ssrc for packet in packets}) == 1
    for before, after in pairwise(packets):
        assert after.sequence - before.sequence & 0xFFFF == 1
        assert after.timestamp - before.timestamp & 0xFFFFFFFF < 0x80000000


# -- relay -----------------------------------------------------------------------------------------


async def test_two_peers_hear_each_other(simulation: Simulation) -> None:
    studio, lee, richardson = bridged(simulation)
    await asyncio.gather(lee.say(frames(0, 20)), richardson.say(frames(100, 20)))
    assert richardson.heard() == frames(0, 20)
    assert lee.heard() == frames(100, 20)
    studio.stop()


async def test_a_packet_is_passed_on_at_once(simulation: Simulation) -> None:
    """A tick in between would cost 20 ms."""
    studio, lee, richardson = bridged(simulation)
    sent_at = simulation.loop.time()
    await lee.say(HELLO[:1])
    assert richardson.arrivals[0] - sent_at < 0.005
    studio.stop()


async def test_codec_and_payload_types_become_those_of_the_listener(simulation: Simulation) -> None:
    studio, lee, richardson = bridged(simulation, **A_LAW)
    await lee.say(HELLO)
    await richardson.say(HELLO, payload_type=8)
    to_a, to_mu = g711.TRANSLATE[Codec.PCMU, Codec.PCMA], g711.TRANSLATE[Codec.PCMA, Codec.PCMU]
    assert {packet.payload_type for packet in richardson.packets} == {97}
    assert {packet.payload_type for packet in lee.packets} == {0}
    assert richardson.heard() == [payload.translate(to_a) for payload in HELLO]
    assert lee.heard() == [payload.translate(to_mu) for payload in HELLO]
    studio.stop()


async def test_telephone_events_keep_their_bytes_and_get_the_listeners_payload_type(
    simulation: Simulation,
) -> None:
    studio, lee, richardson = bridged(
        simulation, **A_LAW, dtmf_send_payload_type=96, dtmf_receive_payload_type=96
    )
    lee.send(b"\x05\x0a\x00\xa0", EVENTS, marker=True)
    await asyncio.sleep(0.1)
    [packet] = richardson.packets
    assert (packet.payload_type, packet.marker, packet.payload) == (96, True, b"\x05\x0a\x00\xa0")
    studio.stop()


async def test_the_listener_hears_one_stream_whoever_speaks(simulation: Simulation) -> None:
    studio, lee, richardson = bridged(simulation)
    await lee.say(HELLO)
    lee.restart()
    await lee.say(HELLO)
    studio.do(PlayTone(2, Tone.sine(440)))
    await asyncio.sleep(0.1)
    studio.do(Bridge(1, 2))
    await lee.say(HELLO)
    assert len(richardson.packets) > 3 * len(HELLO)
    assert_one_stream(richardson.packets)
    assert richardson.packets[0].ssrc != lee.sender.ssrc
    studio.stop()


@pytest.mark.parametrize(
    ("direction", "hears", "is_heard"),
    [
        (Direction.SENDRECV, True, True),
        (Direction.SENDONLY, True, False),
        (Direction.RECVONLY, False, True),
        (Direction.INACTIVE, False, False),
    ],
)
async def test_sound_flows_only_as_agreed(
    simulation: Simulation, direction: Direction, hears: bool, is_heard: bool
) -> None:
    """And the direction may change at any time: hold, resume."""
    studio, lee, richardson = bridged(simulation)
    await asyncio.gather(lee.say(HELLO), richardson.say(HELLO))
    for now, (lee_hears, richardson_hears) in [
        (direction, (hears, is_heard)),
        (Direction.SENDRECV, (True, True)),
    ]:
        studio.change(1, replace(studio.plans[1], direction=now))
        lee.heard(), richardson.heard()
        await asyncio.gather(lee.say(HELLO), richardson.say(HELLO))
        assert lee.heard() == (HELLO if lee_hears else [])
        assert richardson.heard() == (HELLO if richardson_hears else [])
    studio.stop()


async def test_a_peer_that_listens_nowhere_is_sent_nothing_until_it_is_heard(simulation: Simulation) -> None:
    studio, lee, richardson = bridged(simulation, remote=None)
    await lee.say(HELLO)
    assert richardson.heard() == []
    await richardson.say(frames(0, round(WINDOW_SECONDS / FRAME_SECONDS) + 2))
    await lee.say(HELLO)
    assert richardson.heard() == HELLO
    studio.stop()


async def test_quiet_parts_and_a_new_bridge_joins_again(simulation: Simulation) -> None:
    studio, lee, richardson = bridged(simulation)
    studio.do(Quiet(1))
    await asyncio.gather(lee.say(HELLO), richardson.say(HELLO))
    assert (lee.heard(), richardson.heard()) == ([], HELLO)  # quiet is for one side: the other still listens
    studio.do(Quiet(2))
    await asyncio.gather(lee.say(HELLO), richardson.say(HELLO))
    assert (lee.heard(), richardson.heard()) == ([], [])
    studio.do(Bridge(2, 1))
    await asyncio.gather(lee.say(HELLO), richardson.say(HELLO))
    assert (lee.heard(), richardson.heard()) == (HELLO, HELLO)
    studio.stop()


async def test_a_bridge_that_is_made_twice_is_one(simulation: Simulation) -> None:
    studio, lee, richardson = bridged(simulation)
    studio.do(Bridge(1, 2), Bridge(2, 1))
    await lee.say(HELLO)
    assert richardson.heard() == HELLO
    studio.stop()


async def test_an_echo_gives_a_peer_its_own_sound(simulation: Simulation) -> None:
    studio = Studio(simulation)
    lee = studio.peer()
    studio.do(Echo(studio.open(lee, send_payload_type=98)))
    await lee.say(HELLO)
    assert {packet.payload_type for packet in lee.packets} == {98}
    assert lee.heard() == HELLO
    studio.stop()


async def test_whoever_listened_to_a_closed_stream_hears_nothing_more(simulation: Simulation) -> None:
    studio, lee, richardson = bridged(simulation)
    studio.do(CloseStream(1))
    await asyncio.gather(lee.say(HELLO), richardson.say(HELLO))
    assert (lee.heard(), richardson.heard()) == ([], [])
    studio.do(Echo(2))
    await richardson.say(HELLO)
    assert richardson.heard() == HELLO
    studio.stop()


@pytest.mark.parametrize("gone", [1, 3])
async def test_one_of_several_who_listen_goes_and_the_others_hear_on(
    simulation: Simulation, gone: int
) -> None:
    studio, lee, richardson = bridged(simulation)
    third = studio.peer()
    studio.do(Bridge(studio.open(third), 2))
    studio.do(Quiet(gone))
    await richardson.say(HELLO)
    assert (lee.heard(), third.heard()) == ((HELLO, []) if gone == 3 else ([], HELLO))
    studio.stop()


# -- what is no sound ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\0" * 100, id="zeros"),
        pytest.param(b"\x80\0" + bytes(2000), id="too long"),
        pytest.param(b"\x80\x09" + bytes(170), id="another payload type"),
        pytest.param(b"\x80\xc8\0\x06" + bytes(24), id="a report on the wrong port"),
    ],
)
async def test_junk_from_the_peer_itself_disturbs_nobody(simulation: Simulation, data: bytes) -> None:
    studio, lee, richardson = bridged(simulation)
    lee.send_raw(data)
    await lee.say(HELLO)
    lee.send_raw(data)
    lee.send_report(data)
    await lee.say(HELLO)
    assert richardson.heard() == HELLO * 2
    studio.do(CloseStream(1))
    assert studio.told_of(StreamClosed)[0].statistics.packets_received == 2 * len(HELLO)
    studio.stop()


# -- whose packets count ---------------------------------------------------------------------------


async def test_the_first_packet_of_the_peer_is_told_as_the_lock(simulation: Simulation) -> None:
    studio, lee, _ = bridged(simulation)
    assert studio.told_of(StreamLatched) == []
    await lee.say(HELLO)
    assert studio.told_of(StreamLatched) == [StreamLatched(1, lee.address)]
    studio.stop()


@pytest.mark.parametrize("guessed", [False, True])
async def test_a_stranger_is_neither_heard_nor_sent_to(simulation: Simulation, guessed: bool) -> None:
    """Before and after the peer has been heard, and even if it guesses SSRC, sequence and timestamp."""
    studio, lee, richardson = bridged(simulation)
    stranger = studio.peer()
    stranger.towards = lee.towards
    if guessed:
        stranger.sender = lee.sender  # whatever the peer sends next, it sends too
    noise = frames(200, 10)
    await stranger.say(noise)
    assert richardson.heard() == []
    await lee.say(HELLO)
    await stranger.say(noise)
    stranger.send(b"\x05\x8a\x03\x20", EVENTS)
    await richardson.say(HELLO)
    assert richardson.heard() == HELLO
    assert lee.heard() == HELLO
    assert stranger.packets == []
    assert studio.told_of(DigitReceived) == []
    studio.stop()


async def test_a_phone_behind_a_nat_is_sent_to_where_it_comes_from(simulation: Simulation) -> None:
    studio = Studio(simulation)
    box = NatBox(simulation.network, "203.0.113.9", NatKind.SYMMETRIC)
    home, desk = Peer(simulation, box.host("192.168.1.5")), studio.peer()
    trusted = frozenset({"192.168.1.5", "203.0.113.9"})
    studio.do(Bridge(studio.open(home, trusted_hosts=trusted), studio.open(desk)))
    await asyncio.gather(home.say(frames(0, 30)), desk.say(frames(100, 30)))
    [latched] = [event for event in studio.told_of(StreamLatched) if event.stream == 1]
    assert latched.remote[0] == "203.0.113.9"
    assert desk.heard() == frames(0, 30)
    assert home.heard() == frames(100, 30)[-len(home.arrivals) :]
    assert len(home.arrivals) >= 30 - WINDOW_SECONDS / FRAME_SECONDS - 2
    studio.stop()


async def test_a_new_plan_moves_the_stream_to_another_place(simulation: Simulation) -> None:
    """A re-INVITE: the call goes on at another phone."""
    studio, lee, richardson = bridged(simulation)
    elsewhere = studio.peer()
    await lee.say(HELLO)
    studio.change(1, plan_for(elsewhere.address))
    elsewhere.towards = lee.towards
    richardson.heard()
    await asyncio.gather(elsewhere.say(HELLO), lee.say(frames(200, 10)), richardson.say(HELLO))
    assert richardson.heard() == HELLO
    assert elsewhere.heard() == HELLO
    assert lee.heard() == []
    assert [event.remote for event in studio.told_of(StreamLatched)] == [
        lee.address,
        elsewhere.address,
        richardson.address,
    ]
    studio.stop()


# -- tones and recordings --------------------------------------------------------------------------


async def test_a_tone_is_sent_as_a_packet_every_twenty_milliseconds(simulation: Simulation) -> None:
    studio = Studio(simulation)
    lee = studio.peer()
    studio.do(PlayTone(studio.open(lee, **A_LAW), Tone.sine(440)))
    await asyncio.sleep(1.01)
    assert len(lee.packets) == 50
    assert {round(after - before, 6) for before, after in pairwise(lee.arrivals)} == {FRAME_SECONDS}
    assert_one_stream(lee.packets)
    assert [packet.marker for packet in lee.packets] == [True] + [False] * 49
    assert {packet.payload_type for packet in lee.packets} == {97}
    assert {after.timestamp - before.timestamp & 0xFFFFFFFF for before, after in pairwise(lee.packets)} == {
        160
    }
    studio.stop()


async def test_sound_after_a_silence_begins_a_talkspurt(simulation: Simulation) -> None:
    """RFC 3551 section 4.1: the listener may use the pause to adjust its delay."""
    studio = Studio(simulation)
    lee = studio.peer()
    stream = studio.open(lee)
    for _ in range(2):
        lee.heard()
        studio.do(PlayTone(stream, Tone.sine(440)))
        await asyncio.sleep(0.1)
        assert [packet.marker for packet in lee.packets][:3] == [True, False, False]
        studio.do(Quiet(stream))
        await asyncio.sleep(0.1)
    studio.stop()


@pytest.mark.parametrize("direction", [Direction.INACTIVE, Direction.RECVONLY])
async def test_nothing_is_played_to_a_peer_on_hold(simulation: Simulation, direction: Direction) -> None:
    studio = Studio(simulation)
    lee = studio.peer()
    studio.do(PlayTone(studio.open(lee, direction=direction), Tone.sine(440)))
    await asyncio.sleep(0.5)
    assert lee.heard() == []
    studio.change(1, replace(studio.plans[1], direction=Direction.SENDRECV))
    await asyncio.sleep(0.5)
    assert lee.heard() != []
    studio.stop()


async def test_a_recording_has_what_came_when_it_came(simulation: Simulation, tmp_path: Path) -> None:
    """Half a second of sound, half a second of nothing, and sound again."""
    studio = Studio(simulation)
    lee = studio.peer()
    stream, path = studio.open(lee), tmp_path / "recorded.wav"
    studio.do(RecordFile(stream, str(path)))
    sound = frames(16, 25)
    await lee.say(sound)
    await asyncio.sleep(0.5)
    await lee.say(sound)
    await asyncio.sleep(2 * FRAME_SECONDS)
    studio.do(CloseStream(stream))
    recorded = list(iter(WavReader(path).frame, None))
    spoken = [g711.decode(Codec.PCMU, payload) for payload in sound]
    first = recorded.index(spoken[0])
    second = recorded.index(spoken[0], first + 25)
    assert recorded[first : first + 25] == spoken
    assert recorded[second : second + 25] == spoken
    assert second - first == pytest.approx(50, abs=1)
    concealed = 3  # what might be late, until it is clear that nothing is being said
    assert not any(any(frame) for frame in recorded[first + 25 + concealed : second])
    studio.stop()


# -- digits ----------------------------------------------------------------------------------------


async def test_digits_are_sent_in_time_and_told_once(simulation: Simulation) -> None:
    """To a peer that gives them back: what we send is what we understand."""
    studio = Studio(simulation)
    lee = studio.peer()
    stream = studio.open(lee)
    studio.do(SendDigits(stream, "12"), SendDigits(stream, "#"))
    await asyncio.sleep(1)
    begins = [packet for packet in lee.packets if packet.marker]
    assert [packet.payload[0] for packet in begins] == [1, 2, 11]
    assert {packet.payload_type for packet in lee.packets} == {EVENTS}
    assert_one_stream(lee.packets)
    assert len({packet.timestamp for packet in lee.packets}) == 3
    moments = [at for at, packet in zip(lee.arrivals, lee.packets, strict=True) if packet.marker]
    for (before, since), (after, until) in pairwise(zip(begins, moments, strict=True)):
        elapsed = after.timestamp - before.timestamp & 0xFFFFFFFF
        assert elapsed == round((until - since) * 8000), "RFC 4733 section 2.2.1: the media clock runs on"
    for packet in lee.packets:
        lee.send(packet.payload, EVENTS, same_time=not packet.marker)
    await asyncio.sleep(0.1)
    assert studio.told_of(DigitReceived) == [DigitReceived(stream, digit, 20) for digit in "12#"]
    assert studio.told_of(DigitEnded) == [DigitEnded(stream, digit, 100) for digit in "12#"]
    studio.stop()


async def test_sound_goes_on_after_the_digits(simulation: Simulation) -> None:
    studio, lee, richardson = bridged(simulation)
    studio.do(SendDigits(2, "5"))
    await lee.say(frames(0, 30))
    events = [packet for packet in richardson.packets if packet.payload_type == EVENTS]
    sound = [packet.payload for packet in richardson.packets if packet.payload_type == 0]
    assert len(events) == 7
    assert sound == frames(30 - len(sound), len(sound))
    assert len(sound) >= 15
    assert_one_stream(richardson.packets)
    studio.stop()


async def test_a_flood_of_digits_keeps_nobody_deaf_for_long(simulation: Simulation) -> None:
    studio, lee, richardson = bridged(simulation)
    studio.do(*(SendDigits(2, "5") for _ in range(5000)))
    await asyncio.sleep(30)
    digits = [packet for packet in richardson.packets if packet.marker and packet.payload_type == EVENTS]
    assert len(digits) == MAX_DIGITS_QUEUED
    richardson.heard()
    await lee.say(frames(0, 30))
    assert richardson.heard() == frames(0, 30)
    studio.do(SendDigits(2, "7"))  # there is room again
    await asyncio.sleep(1)
    assert richardson.packets[0].payload[0] == 7
    studio.stop()


async def test_what_is_no_digit_hurts_nobody(simulation: Simulation) -> None:
    studio = Studio(simulation)
    lee = studio.peer()
    stream = studio.open(lee)
    studio.do(SendDigits(stream, "x"), SendDigits(stream, "5"))
    await asyncio.sleep(1)
    assert [packet.payload[0] for packet in lee.packets if packet.marker] == [5]
    studio.stop()


@pytest.mark.parametrize("new_timestamp", [0x70000000, 0xF0000000])
async def test_another_source_has_digits_of_its_own(simulation: Simulation, new_timestamp: int) -> None:
    """Its timestamps begin anywhere, before those of the last source too."""
    studio = Studio(simulation)
    lee = studio.peer()
    stream = studio.open(lee)
    for digit, timestamp in [(1, 0x20000000), (2, new_timestamp)]:
        lee.restart()
        lee.sender.timestamp = timestamp
        lee.send(bytes([digit, 0x8A, 0x03, 0x20]), EVENTS)
    await asyncio.sleep(0.1)
    assert [event.digit for event in studio.told_of(DigitReceived)] == ["1", "2"]
    assert {event.stream for event in studio.told_of(DigitReceived)} == {stream}
    studio.stop()


async def test_digits_of_a_peer_on_hold_are_not_told(simulation: Simulation) -> None:
    studio = Studio(simulation)
    lee = studio.peer()
    studio.open(lee, direction=Direction.SENDONLY)
    lee.send(b"\x05\x8a\x03\x20", EVENTS)
    await asyncio.sleep(0.1)
    assert studio.told_of(DigitReceived) == []
    studio.stop()


async def test_a_stream_that_never_heard_or_said_anything_sends_nothing(simulation: Simulation) -> None:
    studio = Studio(simulation)
    lee = studio.peer()
    studio.do(CloseStream(studio.open(lee)))
    await asyncio.sleep(60)
    assert (lee.packets, lee.reports) == ([], [])
    studio.stop()
