"""Moments as text are those of `isoformat`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.moments import MOST, Texts

DATES = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 28), timezones=st.timezones() | st.just(UTC))


@given(st.lists(DATES, min_size=1))
def test_a_moment_is_written_as_the_standard_library_writes_it(moments: list[datetime]) -> None:
    texts = Texts()
    for moment in moments * 2:
        assert texts[moment] + "+00:00" == moment.astimezone(UTC).isoformat(" ", "microseconds")


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    texts, twice = Texts(), datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Paris"))
    written = [texts[twice.replace(fold=fold)] for fold in (0, 1)]
    assert written == ["2026-10-25 00:30:00.000000", "2026-10-25 01:30:00.000000"]


def test_without_a_time_zone_it_is_none() -> None:
    texts = Texts()
    assert texts[datetime(2026, 1, 2, tzinfo=UTC)]
    with pytest.raises(ValueError, match="time zone"):
        texts[datetime(2026, 1, 2)]


def test_what_is_remembered_does_not_grow_for_ever() -> None:
    texts, at = Texts(), datetime(2026, 1, 2, 23, 59, 59, 999_000, tzinfo=UTC)
    for micros in range(0, 2 * MOST * 10, 10):
        moment = at + timedelta(microseconds=micros)
        assert texts[moment] == moment.isoformat(" ", "microseconds")[:26]
        assert len(texts) <= MOST
