"""Moments as text are those of `isoformat`."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.moments import utc_text


@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 28), timezones=st.timezones() | st.just(UTC)))
def test_a_moment_is_written_as_the_standard_library_writes_it(moment: datetime) -> None:
    assert utc_text(moment) + "+00:00" == moment.astimezone(UTC).isoformat(" ", "microseconds")


def test_without_a_time_zone_it_is_none() -> None:
    with pytest.raises(ValueError, match="time zone"):
        utc_text(datetime(2026, 1, 2))
