"""Moments as text are those of `isoformat`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx import moments
from pbx.moments import MOST, moment_of, utc_text

DATES = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 28), timezones=st.timezones() | st.just(UTC))


@given(st.lists(DATES, min_size=1))
def test_a_moment_is_written_as_the_standard_library_writes_it(some: list[datetime]) -> None:
    for moment in some * 2:
        assert utc_text(moment) + "+00:00" == moment.astimezone(UTC).isoformat(" ", "microseconds")


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    twice = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Paris"))
    written = [utc_text(twice.replace(fold=fold)) for fold in (0, 1)]
    assert written == ["2026-10-25 00:30:00.000000", "2026-10-25 01:30:00.000000"]


def test_without_a_time_zone_it_is_none() -> None:
    assert utc_text(datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(ValueError, match="time zone"):
        utc_text(datetime(2026, 1, 2))


def test_what_is_remembered_does_not_grow_for_ever() -> None:
    at = datetime(2026, 1, 2, 23, 30, tzinfo=UTC)
    for second in range(2 * MOST):
        moment = at + timedelta(seconds=second, microseconds=second)
        assert utc_text(moment) == moment.isoformat(" ", "microseconds")[:26]
        assert len(moments._day[1]) <= MOST


@given(DATES)
def test_a_text_is_read_again(moment: datetime) -> None:
    assert moment_of(utc_text(moment)) == moment.astimezone(UTC)
