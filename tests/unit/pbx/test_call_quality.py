"""What a stream counted, as loss, jitter and opinion of both directions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from media.messages import Statistics
from media.plan import Codec
from pbx.call_quality import call_quality
from pbx.happenings import CallQuality

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
BEST = 4.4


def quality(codec: Codec = Codec.PCMA, **counted: Any) -> CallQuality:
    return call_quality(AT, "c1", "100", codec, Statistics(**counted))


def test_who_never_sent_is_rated_by_its_reports_alone() -> None:
    told = quality(packets_sent=100, remote_packets_lost=10, remote_jitter_ms=5.0, round_trip_ms=40.0)
    assert (told.packets, told.loss, told.jitter_ms, told.mos) == (0, None, None, None)
    assert (told.sent, told.remote_loss, told.remote_jitter_ms) == (100, 0.1, 5.0)
    assert told.remote_mos is not None


def test_who_never_reported_is_rated_by_what_came_alone() -> None:
    told = quality(packets_received=90, packets_lost=10, packets_sent=100, jitter_ms=3.0)
    assert (told.loss, told.jitter_ms, told.round_trip_ms) == (0.1, 3.0, None)
    assert told.mos is not None
    assert (told.remote_loss, told.remote_jitter_ms, told.remote_mos) == (None, None, None)


@pytest.mark.parametrize("codec", list(Codec))
def test_nothing_lost_is_as_good_as_it_gets(codec: Codec) -> None:
    told = quality(codec, packets_received=100, packets_sent=100, remote_packets_lost=0, remote_jitter_ms=0.0)
    assert told.mos == told.remote_mos == pytest.approx(BEST, abs=0.05)


@pytest.mark.parametrize("worse", [{"packets_lost": 5}, {"jitter_ms": 80.0}, {"round_trip_ms": 600.0}])
def test_loss_jitter_and_delay_each_make_it_worse(worse: dict[str, Any]) -> None:
    told = quality(packets_received=100, **worse)
    assert told.mos is not None
    assert told.mos < BEST - 0.1


@pytest.mark.parametrize(("lost", "share"), [(-3, 0.0), (101, 1.0)])
def test_a_peer_that_counts_duplicates_or_lies_gives_a_share_all_the_same(lost: int, share: float) -> None:
    assert quality(packets_sent=100, remote_packets_lost=lost).remote_loss == share


def test_of_nothing_sent_no_part_can_be_lost() -> None:
    assert quality(remote_packets_lost=4).remote_loss is None
