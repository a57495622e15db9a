"""The playout buffer and time: how long sound waits, whatever networks, machines and clocks do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from random import Random

import pytest

from media.conceal import is_quiet_g711
from media.jitter import CONCEAL, NOTHING, Absent, JitterBuffer
from media.plan import Codec
from media.rtp import RtpPacket
from tests.unit.media.listener import FRAME, TAPE, TICK, Listener, frames, listen, packet

# -- how long sound waits --------------------------------------------------------------------------


def delays(
    buffer: JitterBuffer,
    seconds: float,
    delay: Callable[[int], float],
    *,
    drift: float = 0.0,
    payload: Callable[[int], bytes] = lambda number: number.to_bytes(4, "big") * 40,
) -> list[tuple[int, float]]:
    """(number, seconds from the sending of its packet until it is heard) of each frame that is heard of packets of
    20 ms that are under way for `delay(number)` and come in order; the sender's clock is fast by `drift`."""

    def packets() -> Iterator[tuple[float, RtpPacket]]:
        came = 0.0
        for number in range(round(seconds / TICK)):
            came = max(came, number * TICK * (1 - drift) + delay(number))
            yield (
                came,
                RtpPacket(0, False, number & 0xFFFF, number * FRAME & 0xFFFFFFFF, 1, payload(number)),
            )

    heard = ((now, frame) for now, frame in listen(buffer, packets()) if isinstance(frame, bytes))
    numbers = ((now, int.from_bytes(frame[:4], "big")) for now, frame in heard)
    return [(number, now - number * TICK * (1 - drift)) for now, number in numbers]


def test_the_delay_grows_quickly_with_the_jitter_and_shrinks_slowly() -> None:
    dice, buffer = Random(3), JitterBuffer()
    waits, targets = list[float](), list[float]()

    def delay(number: int) -> float:
        waits.append(buffer.delay_ms)
        targets.append(buffer.target_ms)
        return 0.02 + dice.random() * (0.06 if 500 <= number < 1000 else 0.001)

    heard = delays(buffer, 60, delay)
    assert [number for number, _ in heard][-1] == 2999
    assert max(targets[:500]) < 22
    assert max(waits[:500]) < 20
    assert targets[520] > 30  # 0.4 s later
    assert targets[600] > 40
    assert all(20 < wait < 60 for wait in waits[600:1000])
    assert targets[1050] > 40
    assert targets[2000] < 25
    assert waits[-1] < 30
    assert buffer.inserted <= 8
    assert buffer.inserted - 1 <= buffer.dropped <= buffer.inserted + 1
    assert buffer.lost == buffer.late == 0


@pytest.mark.parametrize("jitter", [0.005, 0.02, 0.04, 0.06, 0.1])
def test_the_delay_covers_the_jitter_and_little_more(jitter: float) -> None:
    dice, buffer = Random(4), JitterBuffer()
    heard = delays(buffer, 120, lambda number: dice.random() * jitter)
    settled = [delay for number, delay in heard if number > 500]
    assert max(settled) < 1.6 * jitter + 0.04
    assert buffer.lost == 0
    assert buffer.concealed - 3 <= 5 + buffer.dropped  # at the begin, as long as the jitter is not known


@pytest.mark.parametrize("outage", [0.1, 0.15, 0.3, 1.0, 5.0])
def test_after_an_outage_what_comes_late_adds_no_lasting_delay(outage: float) -> None:
    """All packets of the outage come at its end."""
    buffer = JitterBuffer()
    heard = delays(
        buffer, 30, lambda number: max(outage - (number - 200) * TICK, 0) if number >= 200 else 0.0
    )
    assert all(later[0] > earlier[0] for earlier, later in pairwise(heard))
    normal = [(number, delay) for number, delay in heard if number > 200 + outage / TICK]
    assert max(delay for _, delay in normal) <= 0.2 + TICK
    assert max(delay for number, delay in normal if number > 1400) < 0.04
    assert len(heard) + buffer.dropped + buffer.discarded == 1500


def test_what_was_too_much_is_dropped_frame_by_frame() -> None:
    """150 ms at once are 7 frames too many: one after the other goes, not two within 200 ms."""
    buffer = JitterBuffer()
    heard = delays(buffer, 30, lambda number: max(0.15 - (number - 200) * TICK, 0) if number >= 200 else 0.0)
    drops = [number for (_, before), (number, delay) in pairwise(heard) if delay < before - TICK / 2]
    assert len(drops) == buffer.dropped >= 5
    assert all(later - earlier >= 10 for earlier, later in pairwise(drops))


@pytest.mark.parametrize("last", range(5, 60))
def test_the_end_of_what_was_said_is_never_dropped(last: int) -> None:
    listener = Listener()
    listener.put(*(packet(number) for number in range(5)))
    heard = listener.each(packet(number) for number in range(5, last + 1))
    heard += listener.take(10)
    sound = [frame for frame in heard if isinstance(frame, bytes)]
    assert sound[-1:] == frames(last)
    assert len(sound) == last + 1 - listener.buffer.dropped


def test_the_mean_wait_follows_at_once_what_the_buffer_does() -> None:
    """Not only after the packets to come have shown it: else one cause had two corrections."""
    listener = Listener()
    listener.each(packet(number) for number in range(100))
    assert listener.buffer.delay_ms == pytest.approx(5)
    listener.take(2)
    listener.put(packet(100), packet(101))
    listener.each([packet(102)])
    assert 35 < listener.buffer.delay_ms < 46
    before, at = listener.buffer.delay_ms, 103
    while not listener.buffer.dropped:
        before = listener.buffer.delay_ms
        listener.each([packet(at)])
        at += 1
    assert listener.buffer.delay_ms == pytest.approx(before - 20, abs=1)


@pytest.mark.parametrize(("gap", "more"), [(60, -7.5), (100, 7.5)])
def test_the_mean_wait_follows_the_rounding_of_silence(gap: int, more: float) -> None:
    """Silence of 60 ticks is left out, silence of 100 made a whole frame."""
    listener = Listener()
    listener.put(packet(0), packet(1), packet(2), packet(3, shift=gap))
    listener.take(3)
    before = listener.buffer.delay_ms
    assert listener.take() == (frames(3) if more < 0 else [NOTHING])
    assert listener.buffer.delay_ms == pytest.approx(max(before + more, 0))


@pytest.mark.parametrize("drift", [1000e-6, -1000e-6])
def test_whole_payloads_are_dropped_and_their_delay_is_kept_too(drift: float) -> None:
    """600 ms in ten minutes; a payload of 60 ms goes at a time, but 20 ms are inserted."""
    buffer, delays, due = JitterBuffer(ticks_of=lambda payload: 480), list[float](), 0.005
    for number in range(10_000):
        sent = number * 0.06 * (1 - drift)
        while due < sent:
            frame = buffer.take(due)
            if isinstance(frame, bytes):
                delays.append(due - int.from_bytes(frame, "big") * 0.06 * (1 - drift))
                due += 0.06
            else:
                due += TICK
        buffer.put(RtpPacket(0, False, number, number * 480, 1, number.to_bytes(4, "big")), sent)
    assert max(delays) < 0.13
    if drift > 0:
        assert 8 <= buffer.dropped <= 11
        assert buffer.inserted == 0
    else:
        assert buffer.dropped == 0
        assert 28 <= buffer.inserted <= 31


@pytest.mark.parametrize("samples", [160, 240])
def test_takes_that_are_missed_add_no_lasting_delay(samples: int) -> None:
    """As when the machine was busy: what waits stays bounded, and is caught up with."""
    buffer, positions, due = JitterBuffer(), list[int](), 0.005
    after: float | None = None
    for number in range(900):
        now = number * samples / 8000
        while due < now:
            frame = buffer.take(due) if not 5 < due < 7 else NOTHING
            if isinstance(frame, bytes):
                positions.append(TAPE.find(frame))
                if due > 7 and after is None:
                    after = due - positions[-1] / 8000
            due += TICK
        buffer.put(packet(number, samples), now)
    assert -1 not in positions
    assert all(later >= earlier + FRAME for earlier, later in pairwise(positions))
    assert positions[-1] >= 897 * samples
    missing = 900 * samples - len(positions) * FRAME
    assert 2 * 8000 <= missing <= buffer.dropped * FRAME + buffer.discarded * samples + 4 * FRAME
    assert after is not None
    assert after < 0.2
    assert buffer.delay_ms < 45


@pytest.mark.parametrize(("drift", "jitter"), [(100e-6, 0.0), (-100e-6, 0.01)])
def test_clocks_that_drift_add_no_delay(drift: float, jitter: float) -> None:
    """100 ppm are 720 ms in two hours: 36 frames too many or too few, and each of them is counted. What is heard never
    breaks off: each tick has a frame, or, a single time, sound that goes on from the one before."""
    dice, buffer, tone = Random(5), JitterBuffer(), bytes(range(100, 256))
    delays, due, count = list[float](), 0.005, 2 * 3600 * 50
    breaks = 0
    before: bytes | Absent = CONCEAL
    for number in range(count):
        sent = number * TICK * (1 - drift)
        came = sent + dice.random() * jitter
        while due < came:
            frame = buffer.take(due)
            if isinstance(frame, bytes):
                delays.append(due - int.from_bytes(frame[:4], "big") * TICK * (1 - drift))
                assert frame[4:] == tone
            elif delays:
                breaks += frame is NOTHING or before is CONCEAL
            due, before = due + TICK, frame
        payload = number.to_bytes(4, "big") + tone
        buffer.put(RtpPacket(0, False, number & 0xFFFF, number * FRAME & 0xFFFFFFFF, 1, payload), came)
    assert breaks == 0
    assert max(abs(delay - delays[0]) for delay in delays) < 0.042
    assert count - 3 <= len(delays) + buffer.dropped <= count
    assert buffer.lost == buffer.late == buffer.discarded == buffer.resyncs == 0
    needless, needed = (buffer.inserted, buffer.dropped) if drift > 0 else (buffer.dropped, buffer.inserted)
    assert 34 <= needed <= 38
    assert needless <= 1  # where the jitter was not yet known
    assert buffer.concealed == buffer.inserted


@pytest.mark.parametrize("drift", [200e-6, -200e-6])
def test_frames_are_dropped_and_inserted_where_it_is_quiet(drift: float) -> None:
    loud, quiet, dice = b"\x80" * 156, b"\xfe" * 156, Random(6)
    buffer = JitterBuffer(is_quiet=lambda frame: is_quiet_g711(Codec.PCMU)(frame[4:]))

    def is_pause(number: int) -> bool:
        return number % 500 >= 450  # one second in ten

    def payload(number: int) -> bytes:
        return number.to_bytes(4, "big") + (quiet if is_pause(number) else loud)

    heard = delays(buffer, 1000, lambda number: dice.random() * 0.01, drift=drift, payload=payload)
    there = {number for number, _ in heard}
    dropped = [number for number in range(50_000) if number not in there]
    assert len(dropped) == buffer.dropped
    assert all(is_pause(number) for number in dropped)
    steps = [(number, delay - before) for (_, before), (number, delay) in pairwise(heard)]
    inserted = [number for number, step in steps if step > TICK / 2 and number - 1 in there]
    assert all(is_pause(number - 1) for number in inserted if number > 100)
    assert (buffer.dropped if drift > 0 else len(inserted)) >= 8
