"""The playout buffer under any history: in order, bounded, counted; a tone over networks of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from media.codecs import g711
from media.jitter import CONCEAL, MAX_MS, NOTHING, Absent, JitterBuffer
from media.opus_ticks import opus_ticks
from media.plan import Codec
from media.rtp import MAX_PACKET_BYTES, RtpPacket
from tests.simulation.impairment import AWFUL, INTERNET, LAN, WIRELESS, Bursts, Channel, Profile

TICK = 0.02
FRAME = 160
SLOTS = 32


def waiting(buffer: JitterBuffer) -> list[bytes]:
    """The payloads that have not been played."""
    return [payload for payload in buffer._payloads if payload]


def check_bounds(buffer: JitterBuffer) -> None:
    assert len(buffer._payloads) == len(buffer._stamps) == len(buffer._seen) == SLOTS
    assert all(len(payload) <= MAX_PACKET_BYTES for payload in waiting(buffer))
    assert len(buffer._rest) <= MAX_PACKET_BYTES
    assert 0 <= buffer.delay_ms <= MAX_MS + 60
    assert 20 <= buffer.target_ms <= MAX_MS
    assert buffer.inserted <= buffer.concealed


# -- packets of no order at all --------------------------------------------------------------------

NEAR = st.integers(-40, 40) | st.integers(0, 0xFFFF)
STEPS = st.one_of(
    st.tuples(
        st.just("put"),
        NEAR,
        st.integers(-3200, 3200) | st.integers(0, 0xFFFFFFFF),
        st.sampled_from([1, 1, 1, 2]),
        st.sampled_from([0, 1, 80, 159, 160, 161, 240, 320, 480, 1500, 1501]),
    ),
    st.tuples(st.just("take"), st.integers(1, 5)),
    st.tuples(st.just("wait"), st.floats(0, 0.1) | st.floats(0, 1e6)),
)


def any_history(
    buffer: JitterBuffer, steps: list[tuple[str, int, int, int, int] | tuple[str, float]]
) -> None:
    now, number = 0.0, 0
    for step in steps:
        if len(step) == 5:
            _, near, shift, ssrc, size = step
            number += 1
            payload = bytes([number & 0xFF]) * size
            packet = RtpPacket(
                0, False, number + near & 0xFFFF, number * FRAME + shift & 0xFFFFFFFF, ssrc, payload
            )
            buffer.put(packet, now)
        elif step[0] == "take":
            for _ in range(int(step[1])):
                frame = buffer.take(now)
                if isinstance(frame, bytes):
                    assert buffer._ticks_of is not None or len(frame) == FRAME
                    assert frame
                else:
                    assert frame in (CONCEAL, NOTHING)
        else:
            now += step[1]
        check_bounds(buffer)
    assert buffer.received == number
    assert buffer.late + buffer.duplicate + len(waiting(buffer)) <= number


@given(st.lists(STEPS, max_size=60))
def test_no_history_breaks_a_buffer_that_cuts(
    steps: list[tuple[str, int, int, int, int] | tuple[str, float]],
) -> None:
    any_history(JitterBuffer(), steps)


@given(st.lists(STEPS, max_size=60))
def test_no_history_breaks_a_buffer_of_whole_payloads(
    steps: list[tuple[str, int, int, int, int] | tuple[str, float]],
) -> None:
    any_history(JitterBuffer(48000, ticks_of=opus_ticks, is_quiet=lambda frame: frame[0] % 2 == 0), steps)


# -- one stream, any network -----------------------------------------------------------------------

FATES = st.lists(
    st.lists(st.floats(0, 0.08) | st.floats(0, 1.0), max_size=3),  # the delays of the copies that arrive
    min_size=1,
    max_size=80,
)


@given(
    FATES,
    st.lists(st.booleans(), min_size=80, max_size=80),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.floats(0, 0.0199),
    st.booleans(),
)
@example([[0.0]] * 80, [True] * 80, 0xFFF0, 0xFFFFFF00, 0.005, False)
def test_one_stream_comes_in_order_and_is_counted(
    fates: list[list[float]], speaks: list[bool], first: int, start: int, phase: float, whole: bool
) -> None:
    """With pauses in which nothing is sent (the clock goes on), losses, copies, and delays of up to a second."""
    buffer = JitterBuffer(ticks_of=(lambda payload: FRAME) if whole else None)
    arrivals: list[tuple[float, RtpPacket]] = []
    number = 0
    for index, (copies, sends) in enumerate(zip(fates, speaks, strict=False)):
        if not sends:
            continue
        payload = index.to_bytes(4, "big") * 40
        packet = RtpPacket(0, False, first + number & 0xFFFF, start + index * FRAME & 0xFFFFFFFF, 1, payload)
        arrivals += [(index * TICK + delay, packet) for delay in copies]
        number += 1
    arrivals.sort(key=lambda arrival: arrival[0])
    heard: list[tuple[float, int]] = []
    for due, frame in play(buffer, arrivals, phase, seconds=4):
        check_bounds(buffer)
        if isinstance(frame, bytes):
            assert frame == frame[:4] * 40
            heard.append((due, int.from_bytes(frame[:4], "big")))
    assert all(later > earlier for (_, earlier), (_, later) in pairwise(heard))
    assert waiting(buffer) == []
    counted = buffer.late + buffer.duplicate + buffer.discarded
    assert len(heard) + counted <= buffer.received == len(arrivals) <= len(heard) + counted + buffer.dropped
    if heard:
        sent = [index for index, sends in zip(range(len(fates)), speaks, strict=False) if sends]
        unheard = sent.index(heard[-1][1]) - sent.index(heard[0][1]) + 1 - len(heard)
        assert unheard - buffer.dropped - buffer.discarded <= buffer.lost <= len(sent)


def play(
    buffer: JitterBuffer, arrivals: list[tuple[float, RtpPacket]], phase: float, seconds: float
) -> Iterator[tuple[float, bytes | Absent]]:
    """What is heard of packets at their times, with a take every 20 ms."""
    due, at = phase, 0
    while due < seconds:
        while at < len(arrivals) and arrivals[at][0] <= due:
            buffer.put(arrivals[at][1], arrivals[at][0])
            at += 1
        yield due, buffer.take(due)
        due += TICK


# -- a tone over networks of every kind ------------------------------------------------------------

SECONDS = 20
NETWORKS = {
    "LAN": LAN,
    "wireless": WIRELESS,
    "internet": INTERNET,
    "awful": AWFUL,
    "jitter": Profile(delay_seconds=0.01, jitter_seconds=0.05),
    "bursts": Profile(bursts=Bursts(start=0.01, stop=0.1)),
    "copies": Profile(duplication=0.3, jitter_seconds=0.04),
}


def make_tone() -> bytes:
    """A sine whose frequency slowly rises, so that no two pieces of 10 ms are alike."""
    times = np.arange(SECONDS * 8000) / 8000
    samples = 20000 * np.sin(2 * np.pi * (300 * times + 40 * times**2))
    return g711.encode(Codec.PCMU, samples.astype("<i2").tobytes())


TONE = make_tone()


@pytest.mark.parametrize("samples", [80, 160, 240, 320, 480])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_tone_comes_in_order_whole_but_for_what_is_counted(network: str, samples: int) -> None:
    profile, dice = NETWORKS[network], Random(f"{network} {samples}")
    channel, buffer = Channel(profile, dice), JitterBuffer()
    arrivals: list[tuple[float, RtpPacket]] = []
    first, start, count = dice.getrandbits(16), dice.getrandbits(32), len(TONE) // samples
    for number in range(count):
        payload = TONE[number * samples : (number + 1) * samples]
        packet = RtpPacket(
            0, number == 0, first + number & 0xFFFF, start + number * samples & 0xFFFFFFFF, 1, payload
        )
        sent = (number + 1) * samples / 8000  # when its last sample has been spoken
        arrivals += [(sent + delay, packet) for delay in channel.carry()]
    arrivals.sort(key=lambda arrival: arrival[0])

    came = {}
    for now, packet in reversed(arrivals):
        came[packet.sequence] = now
    position, whole, gaps = 0, 0, 0
    for due, frame in play(buffer, arrivals, dice.random() * TICK, SECONDS + 2):
        if not isinstance(frame, bytes):
            continue
        found = TONE.find(frame, position)
        if found < 0:  # filled up in part
            gaps += 1
            continue
        position, whole = found + FRAME, whole + 1
        number, offset = divmod(found, samples)
        waited = due - offset / 8000 - came[first + number & 0xFFFF]
        assert -TICK <= waited <= MAX_MS / 1000 + 3 * TICK
    assert gaps <= buffer.concealed
    accepted = buffer.received - buffer.late - buffer.duplicate - buffer.discarded
    # All that was taken in was played, dropped, or is part of a frame that was filled up.
    missed = (buffer.dropped + gaps + 1) * FRAME + buffer.discarded * samples
    assert accepted * samples - missed <= whole * FRAME <= (accepted + buffer.discarded) * samples
    assert buffer.received == len(arrivals)
    assert buffer.lost <= count - len(came) + buffer.late + buffer.discarded
