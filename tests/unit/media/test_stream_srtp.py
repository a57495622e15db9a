"""Streams that are secured with SRTP: who hears whom, what does not count, and what other keys do."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest

from media.messages import Bridge, CloseStream, JoinRoom, PlayTone, SendDigits, Statistics, StreamClosed
from media.plan import Codec, SrtpKeys, SrtpSuite
from media.srtp import Srtp
from media.stream import MAX_MISORDER
from media.tones import Tone
from tests.simulation.network import HostNetwork
from tests.simulation.simulation import Simulation
from tests.unit.media.studio import EVENTS, FRAME_SECONDS, Peer, Studio, frames

HELLO = frames(1, 10)
SUITE = SrtpSuite.AES_CM_128_HMAC_SHA1_80


def keys(peer: int, engine: int = 99, suite: SrtpSuite = SUITE) -> SrtpKeys:
    """What the engine has: keys that can be told apart by a number."""
    return SrtpKeys(suite, send=bytes([engine]) * 30, receive=bytes([peer]) * 30)


class SecurePeer(Peer):
    """A peer that sends and takes SRTP. What it cannot decipher is left among `refused`."""

    def __init__(self, simulation: Simulation, host: HostNetwork, engine_keys: SrtpKeys) -> None:
        super().__init__(simulation, host)
        self.use(engine_keys)
        self.on_the_wire: list[bytes] = []
        self.refused = 0

    def use(self, engine_keys: SrtpKeys) -> None:
        """Begin anew with other keys; the rollover counter too, as most phones do."""
        turned = replace(engine_keys, send=engine_keys.receive, receive=engine_keys.send)
        self.srtp = Srtp(turned)

    def send_raw(self, data: bytes) -> None:
        super().send_raw(self.srtp.protect(data) or b"")

    def send_bare(self, data: bytes) -> None:
        """What is on the wire already, or never was secured."""
        super().send_raw(data)

    def send_report(self, data: bytes) -> None:
        super().send_report(self.srtp.protect_rtcp(data) or b"")

    def _receive(self, data: bytes, source: Any) -> None:
        self.on_the_wire.append(data)
        plain = self.srtp.unprotect(data)
        if plain is None:
            self.refused += 1
        else:
            super()._receive(plain, source)

    def _receive_report(self, data: bytes, source: Any) -> None:
        plain = self.srtp.unprotect_rtcp(data)
        assert plain is not None, "the engine sends nothing but SRTCP here"
        super()._receive_report(plain, source)


class Booth(Studio):
    """A studio with secure peers."""

    def secure_peer(self, plan_keys: SrtpKeys) -> SecurePeer:
        """A peer with a host of its own; its stream is opened with the same keys."""
        self._hosts += 1
        host = self.simulation.network.host(f"10.0.1.{self._hosts}")
        return SecurePeer(self.simulation, host, plan_keys)


def closed(studio: Studio, stream: int) -> Statistics:
    """How a stream went; it ends here."""
    studio.do(CloseStream(stream))
    [event] = [event for event in studio.told_of(StreamClosed) if event.stream == stream]
    return event.statistics


def mixed(simulation: Simulation, suite: SrtpSuite = SUITE, **changes: Any) -> tuple[Booth, SecurePeer, Peer]:
    """A secure peer (stream 1) that talks with one in the clear (stream 2); `changes` are of the first's plan."""
    studio = Booth(simulation)
    lee, richardson = studio.secure_peer(keys(1, suite=suite)), studio.peer()
    studio.open(lee, srtp=keys(1, suite=suite), **changes)
    studio.do(Bridge(1, studio.open(richardson)))
    return studio, lee, richardson


# -- who hears whom --------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", list(SrtpSuite))
async def test_a_secure_peer_talks_with_one_in_the_clear(simulation: Simulation, suite: SrtpSuite) -> None:
    studio, lee, richardson = mixed(simulation, suite)
    await asyncio.gather(lee.say(HELLO), richardson.say(HELLO))
    assert lee.heard() == richardson.heard() == HELLO
    assert all(payload not in data for payload in HELLO for data in lee.on_the_wire)
    studio.stop()


async def test_two_secure_peers_talk_each_under_its_own_keys(simulation: Simulation) -> None:
    studio = Booth(simulation)
    lee, richardson = studio.secure_peer(keys(1, 51)), studio.secure_peer(keys(2, 52))
    studio.do(Bridge(studio.open(lee, srtp=keys(1, 51)), studio.open(richardson, srtp=keys(2, 52))))
    await asyncio.gather(lee.say(HELLO), richardson.say(frames(50, 10)))
    assert lee.heard() == frames(50, 10)
    assert richardson.heard() == HELLO
    studio.stop()


async def test_a_secure_peer_speaks_another_codec(simulation: Simulation) -> None:
    studio, lee, richardson = mixed(simulation, codec=Codec.PCMA, send_payload_type=8, receive_payload_type=8)
    await asyncio.gather(lee.say(HELLO, 8), richardson.say(HELLO))
    assert len(lee.heard()) == len(richardson.heard()) == len(HELLO)
    studio.stop()


async def test_a_secure_peer_hears_tones_and_digits(simulation: Simulation) -> None:
    studio, lee, _ = mixed(simulation)
    studio.do(PlayTone(1, Tone.sine(440)))
    await asyncio.sleep(0.5)
    assert len(lee.packets) == 24
    studio.do(SendDigits(1, "5"))
    await asyncio.sleep(0.5)
    assert EVENTS in {packet.payload_type for packet in lee.packets}
    assert lee.refused == 0
    studio.stop()


async def test_a_secure_peer_is_heard_in_a_room(simulation: Simulation) -> None:
    studio, lee, richardson = mixed(simulation)
    studio.do(JoinRoom(1, 1), JoinRoom(2, 1))
    await asyncio.gather(lee.say([b"\x10" * 160] * 20), richardson.say([b"\x20" * 160] * 20))
    assert b"\x10" * 160 in richardson.heard()
    assert b"\x20" * 160 in lee.heard()
    studio.stop()


async def test_reports_are_secured_too(simulation: Simulation) -> None:
    studio, lee, _ = mixed(simulation)
    await lee.say(frames(1, 400))
    assert lee.reports[0].blocks[0].ssrc == lee.sender.ssrc
    lee.send_report(b"\x80\xc9\x00\x01" + lee.sender.ssrc.to_bytes(4, "big"))
    Peer.send_report(lee, b"\x80\xc9\x00\x01" + lee.sender.ssrc.to_bytes(4, "big"))
    await asyncio.sleep(1)
    assert closed(studio, 1).packets_forged == 1
    await asyncio.sleep(1)
    assert lee.reports[-1].bye
    studio.stop()


async def test_a_stream_that_is_over_waits_for_no_garbage_collector(simulation: Simulation) -> None:
    studio, lee, _ = mixed(simulation)
    await lee.say(HELLO)
    stream = weakref.ref(studio.engine._streams[1])
    gc.disable()
    try:
        studio.do(CloseStream(1))
        await asyncio.sleep(0.1)
        assert stream() is None
    finally:
        gc.enable()
    studio.stop()


# -- what does not count ---------------------------------------------------------------------------


async def test_forged_and_replayed_packets_are_counted_and_heard_by_nobody(simulation: Simulation) -> None:
    studio, lee, richardson = mixed(simulation)
    await lee.say(HELLO)
    richardson.heard()
    plain = lee.sender.packet(0, b"\x55" * 160, 160)
    again = lee.srtp.protect(plain)
    assert again is not None
    for data in (plain, b"", b"\x80" * 40, again[:-1] + b"!", again, again, again):
        lee.send_bare(data)
    await asyncio.sleep(0.1)
    assert richardson.heard() == [b"\x55" * 160]
    statistics = closed(studio, 1)
    assert (statistics.packets_forged, statistics.packets_replayed) == (4, 2)
    assert statistics.packets_received == len(HELLO) + 1
    studio.stop()


async def test_whoever_has_no_key_takes_no_stream_over(simulation: Simulation) -> None:
    """Even from the peer's own host, before the peer has said a word."""
    studio, lee, richardson = mixed(simulation)
    stranger = Peer(simulation, simulation.network.host("10.0.1.9"))
    studio.change(1, replace(studio.plans[1], trusted_hosts=frozenset({"10.0.1.1", "10.0.1.9"})))
    stranger.towards = lee.towards
    await stranger.say(frames(70, 30))
    assert richardson.heard() == []
    await asyncio.gather(lee.say(HELLO), richardson.say(HELLO))
    assert lee.heard() == richardson.heard() == HELLO
    assert closed(studio, 1).packets_forged == 30
    studio.stop()


async def test_a_packet_that_came_twice_goes_out_once(simulation: Simulation) -> None:
    """To encipher two packets under one number would give both away (RFC 3711 section 9.1)."""
    studio, lee, richardson = mixed(simulation)
    for payload in HELLO:
        data = richardson.sender.packet(0, payload, 160)
        richardson.send_raw(data)
        richardson.send_raw(data[:-1] + b"!")
        await asyncio.sleep(FRAME_SECONDS)
    assert lee.heard() == HELLO
    assert len(lee.on_the_wire) == len(HELLO)
    studio.stop()


async def test_whoever_goes_far_back_in_its_numbers_is_heard_on(simulation: Simulation) -> None:
    """Its packets look late, for which SRTP has no room."""
    studio, lee, richardson = mixed(simulation)
    for payload in frames(0, 2 * MAX_MISORDER):
        richardson.send(payload)
    await asyncio.sleep(0.1)
    assert len(lee.heard()) == 2 * MAX_MISORDER
    richardson.sender.sequence = richardson.sender.sequence - MAX_MISORDER - 20 & 0xFFFF
    await richardson.say(HELLO)
    assert lee.heard() == HELLO[1:]
    studio.stop()


# -- other keys ------------------------------------------------------------------------------------


async def test_a_call_goes_on_under_other_keys(simulation: Simulation) -> None:
    studio, lee, richardson = mixed(simulation)
    await asyncio.gather(lee.say(HELLO), richardson.say(HELLO))
    studio.change(1, replace(studio.plans[1], srtp=keys(2, 98)))
    await asyncio.sleep(0.1)
    lee.use(keys(2, 98))
    await asyncio.gather(lee.say(HELLO), richardson.say(HELLO))
    assert lee.heard() == richardson.heard() == [*HELLO, *HELLO]
    assert lee.refused == 0
    statistics = closed(studio, 1)
    assert (statistics.packets_sent, statistics.packets_received) == (20, 20)
    assert statistics.packets_forged == 0
    studio.stop()


async def test_the_peer_is_heard_on_until_it_uses_its_new_key(simulation: Simulation) -> None:
    studio, lee, richardson = mixed(simulation)
    await lee.say(HELLO)
    studio.change(1, replace(studio.plans[1], srtp=keys(2)))
    await lee.say(HELLO)
    assert richardson.heard() == [*HELLO, *HELLO]
    studio.stop()


async def test_another_key_of_the_peer_alone_leaves_our_source_as_it_is(simulation: Simulation) -> None:
    studio, lee, richardson = mixed(simulation)
    await richardson.say(HELLO)
    studio.change(1, replace(studio.plans[1], srtp=keys(2)))
    await richardson.say(HELLO)
    assert len({packet.ssrc for packet in lee.packets}) == 1
    assert lee.heard() == [*HELLO, *HELLO]
    studio.stop()


async def test_a_call_may_become_secure_and_go_back(simulation: Simulation) -> None:
    studio = Booth(simulation)
    lee, richardson = studio.secure_peer(keys(1)), studio.peer()
    studio.do(Bridge(studio.open(lee), studio.open(richardson)))
    lee.send_bare(lee.sender.packet(0, HELLO[0], 160))
    studio.change(1, replace(studio.plans[1], srtp=keys(1)))
    await lee.say(HELLO[1:])
    studio.change(1, replace(studio.plans[1], srtp=None))
    lee.send_bare(lee.sender.packet(0, HELLO[0], 160))
    await asyncio.sleep(0.1)
    assert richardson.heard()[-len(HELLO) :] == [*HELLO[1:], HELLO[0]]
    studio.stop()
