"""Who is relayed in arrays is looked at there: silence is noticed, and reports go, as for everybody else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from media.lane import UringLane
from media.rtcp import INTERVAL_SECONDS
from media.vigil import DOUBT_LOOKS, LOOK_SECONDS, SILENCE_SECONDS
from tests.unit.media.test_express import STREAMS, Call, call
from tests.unit.media.test_lane import lane_or_none
from tests.unit.sipcore.net.loopback import HERE

__all__ = ["call"]

FRAME = 0.020301


def talk(call: Call, speakers: int, seconds: float) -> None:
    """So many speak; the loop wakes up in any case."""
    for _ in range(int(seconds / FRAME)):
        call.say(range(speakers))
        call.world.lane.select(0)


def doubted(call: Call) -> list[bool]:
    return [stream._latch.doubted for stream in call.world.streams]


@pytest.mark.parametrize("silent", [1, STREAMS])
def test_who_falls_silent_is_doubted_after_as_long_as_others(call: Call, silent: int) -> None:
    """Also where all do, so that nothing comes any more."""
    talk(call, STREAMS, 30)
    assert doubted(call) == [False] * STREAMS
    talk(call, STREAMS - silent, DOUBT_LOOKS * LOOK_SECONDS)
    assert doubted(call) == [False] * STREAMS
    talk(call, STREAMS - silent, 2 * LOOK_SECONDS)
    assert doubted(call) == [False] * (STREAMS - silent) + [True] * silent
    assert call.world.in_arrays == (STREAMS - 2 if silent == 1 else 0)  # the port of one is open to others now


def test_who_is_silent_for_long_is_told_of_by_when_it_was_heard_last(call: Call) -> None:
    talk(call, STREAMS, 100)
    talk(call, STREAMS - 1, SILENCE_SECONDS - LOOK_SECONDS)
    told = [facts for facts in call.world.told if facts[0] == "silent"]
    talk(call, STREAMS - 1, 4 * LOOK_SECONDS)
    assert told == []
    assert [facts for facts in call.world.told if facts[0] == "silent"] == [("silent", STREAMS - 1)]


def test_each_goes_on_to_report(call: Call) -> None:
    seconds = 100
    for stream in call.world.streams:
        stream.change(replace(stream.plan, remote_rtcp=(HERE, 5000)))
    talk(call, STREAMS, 1)
    before = [len(rtcp.sent) for rtcp in call.world.rtcp]
    talk(call, STREAMS, seconds)
    assert call.world.in_arrays == STREAMS
    counts = [len(rtcp.sent) - old for rtcp, old in zip(call.world.rtcp, before, strict=True)]
    assert min(counts) > seconds / INTERVAL_SECONDS / 1.5
    assert max(counts) < seconds / INTERVAL_SECONDS * 1.5


def test_who_ends_in_arrays_sets_no_alarm_any_more(call: Call) -> None:
    talk(call, STREAMS, 10)
    for stream in call.world.streams:
        stream.close()
    reports = [len(rtcp.sent) for rtcp in call.world.rtcp]
    call.world.timers.advance(call.now + 100)
    assert [len(rtcp.sent) for rtcp in call.world.rtcp] == reports
    assert not [alarm for stream in call.world.streams for alarm in [stream._alarm] if alarm[2] is not None]


def test_who_ends_sets_no_alarm_any_more_even_where_what_it_hears_cannot_be_closed(call: Call) -> None:
    def close() -> None:
        raise OSError("no such file")

    talk(call, STREAMS, 10)
    stream = call.world.streams[3]
    stream.play(lambda: bytes(320), close=close)
    talk(call, STREAMS, 2)
    with pytest.raises(OSError, match="no such file"):
        stream.close()
    assert stream._alarm[2] is None


@pytest.mark.skipif(lane_or_none() is None, reason="the kernel offers no io_uring, or an old one")
@pytest.mark.parametrize(("timeout", "waited"), [(None, 1.0), (30.0, 1.0), (0.3, 0.3)])
def test_where_nothing_comes_a_lane_waits_for_no_longer_than_silence_may_last(
    monkeypatch: pytest.MonkeyPatch, timeout: float | None, waited: float
) -> None:
    lane, asked = UringLane(), list[float | None]()
    lane.use_arrays()
    assert lane._express is not None

    def wait(timeout: float | None, gather: float) -> int:
        asked.append(timeout)
        return 0

    monkeypatch.setattr(lane._ring, "wait", wait)
    lane.select(timeout)
    lane._express.routes[0] = None  # type: ignore[assignment]
    lane.select(timeout)
    lane._express.routes.clear()
    lane.close()
    assert asked == [timeout, waited]
