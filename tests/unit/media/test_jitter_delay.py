"""The playout buffer and time: how long sound waits, whatever networks, machines and clocks do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from random import Random

import pytest

from media.conceal import is_quiet_g711
from media.jitter import NOTHING, JitterBuffer
from media.plan import Codec
from media.rtp import RtpPacket
from tests.unit.media.listener import FRAME, TAPE, TICK, listen, packet

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


@pytest.mark.parametrize("samples", [160, 240])
def test_takes_that_are_missed_add_no_lasting_delay(samples: int) -> None:
    """As when the machine was busy: what waits stays bounded, and is caught up with."""
    buffer, positions, due = JitterBuffer(), list[int](), 0.005
    for number in range(900):
        now = number * samples / 8000
        while due < now:
            frame = buffer.take(due) if not 5 < due < 7 else NOTHING
            if isinstance(frame, bytes):
                positions.append(TAPE.find(frame))
            due += TICK
        buffer.put(packet(number, samples), now)
    assert -1 not in positions
    assert all(later >= earlier + FRAME for earlier, later in pairwise(positions))
    assert positions[-1] >= 897 * samples
    missing = 900 * samples - len(positions) * FRAME
    assert 2 * 8000 <= missing <= buffer.dropped * FRAME + buffer.discarded * samples + 4 * FRAME
    assert buffer.delay_ms < 45


@pytest.mark.parametrize(("drift", "jitter"), [(100e-6, 0.0), (-100e-6, 0.01)])
def test_clocks_that_drift_add_no_delay(drift: float, jitter: float) -> None:
    """100 ppm are 720 ms in two hours: 36 frames too many or too few, and each of them is counted."""
    dice, buffer, tone = Random(5), JitterBuffer(), bytes(range(100, 256))
    delays, due, count = list[float](), 0.005, 2 * 3600 * 50
    for number in range(count):
        sent = number * TICK * (1 - drift)
        came = sent + dice.random() * jitter
        while due < came:
            frame = buffer.take(due)
            if isinstance(frame, bytes):
                delays.append(due - int.from_bytes(frame[:4], "big") * TICK * (1 - drift))
            due += TICK
        payload = number.to_bytes(4, "big") + tone
        buffer.put(RtpPacket(0, False, number & 0xFFFF, number * FRAME & 0xFFFFFFFF, 1, payload), came)
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
