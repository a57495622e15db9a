"""How long packets are gathered, by how many come."""

from __future__ import annotations

from itertools import pairwise

import pytest

from media.lane import (
    BUFFERS,
    BUSY_RATE,
    BUSY_SECONDS,
    CROWD_RATE,
    CROWD_SECONDS,
    GATHER_SECONDS,
    UringLane,
    gathering,
)
from tests.unit.media.test_lane import lane_or_none


def test_the_more_packets_come_the_longer_they_are_gathered_and_never_more_than_there_is_room_for() -> None:
    rates = range(BUSY_RATE, 20 * CROWD_RATE, 100)
    found = [gathering(rate) for rate in rates]
    assert found[0] == BUSY_SECONDS
    assert max(found) == gathering(CROWD_RATE) == CROWD_SECONDS
    assert all(rate * seconds < BUFFERS for rate, seconds in zip(rates, found, strict=True))
    assert all(abs(one - other) < 0.0002 for one, other in pairwise(found))
    up_to_a_crowd = found[: rates.index(CROWD_RATE) + 1]
    assert up_to_a_crowd == sorted(up_to_a_crowd)


@pytest.mark.skipif(lane_or_none() is None, reason="the kernel offers no io_uring, or an old one")
def test_packets_are_gathered_as_long_as_their_load_says(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = 0.0, list[float]()
    lane = UringLane(now=lambda: now)
    for rate in (100, 1000, 10_000, 20_000, 700, 100):  # 700 a second are a load still, not one again
        came = rate // 5

        def wait(timeout: float | None, gather: float) -> int:
            asked.append(gather)
            return came  # noqa: B023 - it is called here

        monkeypatch.setattr(lane._ring, "wait", wait)
        now += 0.2
        lane.select(0)
    lane.select(0)
    lane.close()
    few, busy, crowd = GATHER_SECONDS, BUSY_SECONDS, CROWD_SECONDS
    assert asked == pytest.approx([few, few, busy, (busy + crowd) / 2, crowd, busy, few])
