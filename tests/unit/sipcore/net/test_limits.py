"""How much one source may take: a bucket each, which fills at a rate and holds a burst."""

from __future__ import annotations

import pytest

from sipcore.net import limits
from sipcore.net.limits import Limits, RateLimit

SOURCE, ANOTHER = "192.0.2.20", "2001:db8::20"
SMALL = Limits(messages_per_second=8.0, burst=4.0)  # eighths are exact in binary


def admitted(rate: RateLimit, times: list[float], source: str = SOURCE) -> list[bool]:
    return [rate.admit(source, now) for now in times]


def test_a_source_may_send_its_burst_at_once_and_no_more() -> None:
    assert admitted(RateLimit(SMALL), [0.0] * 6) == [True] * 4 + [False] * 2


def test_a_source_may_send_at_its_rate_for_ever() -> None:
    assert all(admitted(RateLimit(SMALL), [number / 8 for number in range(10_000)]))


@pytest.mark.parametrize("messages_per_second", [16, 80, 800])
def test_a_source_that_sends_faster_is_held_to_its_rate(messages_per_second: int) -> None:
    times = [number / messages_per_second for number in range(100 * messages_per_second)]
    assert sum(admitted(RateLimit(SMALL), times)) == pytest.approx(4 + 100 * 8, abs=1)


def test_what_is_refused_costs_nothing() -> None:
    rate = RateLimit(SMALL)
    admitted(rate, [0.0] * 1000)
    assert admitted(rate, [0.125, 0.125, 0.25]) == [True, False, True]


@pytest.mark.parametrize("silence", [0.5, 1.0, 1e9])
def test_a_silence_earns_a_burst_and_no_more(silence: float) -> None:
    rate = RateLimit(SMALL)
    admitted(rate, [0.0] * 4)
    assert admitted(rate, [silence] * 6) == [True] * 4 + [False] * 2


@pytest.mark.parametrize("before", [1, 2, 3])
def test_who_has_sent_a_little_before_a_silence_has_no_more_than_a_burst_after_it(before: int) -> None:
    rate = RateLimit(SMALL)
    admitted(rate, [0.0] * before)
    assert admitted(rate, [100.0] * 6) == [True] * 4 + [False] * 2


def test_the_usual_burst_is_counted_to_the_last_message() -> None:
    rate, usual = RateLimit(Limits()), Limits()
    start = 123456.789
    assert sum(admitted(rate, [start] * 30_000)) == usual.burst
    assert sum(admitted(rate, [start + 1.0] * 30_000)) == usual.messages_per_second


def test_a_part_of_a_token_is_kept_for_later() -> None:
    rate = RateLimit(SMALL)
    admitted(rate, [0.0] * 4)
    assert admitted(rate, [0.0625, 0.125, 0.1875, 0.25]) == [False, True, False, True]


def test_sources_do_not_take_from_each_other() -> None:
    rate = RateLimit(SMALL)
    admitted(rate, [0.0] * 100)
    assert admitted(rate, [0.0] * 5, ANOTHER) == [True] * 4 + [False]


def test_a_flood_from_everywhere_is_bounded_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_SOURCES", 10)
    rate = RateLimit(SMALL)
    for number in range(1000):
        assert rate.admit(f"10.0.{number // 250}.{number % 250}", 0.0)
        assert len(rate._buckets) <= 10


def test_a_source_that_was_forgotten_starts_with_a_full_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_SOURCES", 2)
    rate = RateLimit(SMALL)
    assert admitted(rate, [0.0] * 5) == [True] * 4 + [False]
    assert admitted(rate, [0.0], "a") + admitted(rate, [0.0], "b") == [True, True]
    assert admitted(rate, [0.0] * 5) == [True] * 4 + [False]


def test_the_limits_leave_room_for_phones() -> None:
    usual = Limits()
    # RFC 5626 section 4.4.1: a phone pings a connection every 95 to 120 s; one lost ping must not cost it the flow.
    assert usual.idle_seconds > 2 * 120
    assert usual.burst >= usual.messages_per_second >= 1
    assert 1 <= usual.connections_per_source <= usual.connections


def test_the_addresses_of_one_ipv6_network_share_a_bucket() -> None:
    rate = RateLimit(SMALL)
    addresses = [f"2001:db8:0:7::{number:x}" for number in range(6)]
    assert [rate.admit(address, 0.0) for address in addresses] == [True] * 4 + [False] * 2
    assert rate.admit("2001:db8:0:8::1", 0.0)
