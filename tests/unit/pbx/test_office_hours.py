"""What may stand in the schedule of office hours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pbx.config import ConfigError, parse
from pbx.office_hours import OfficeHours

MONDAY = datetime(2026, 11, 30, 8, 30, tzinfo=UTC)


@pytest.mark.row("ADM-07")
def test_without_times_it_is_always_open() -> None:
    assert OfficeHours().open_at(MONDAY)
    assert OfficeHours(holidays=("11-30",)).open_at(MONDAY)


@pytest.mark.row("ADM-07")
def test_the_last_minute_is_not_in_a_range_any_more() -> None:
    hours = OfficeHours(time_zone="Europe/Paris", monday=("08:30-09:30",))
    moments = [(7, 29), (7, 30), (8, 29), (8, 30)]  # in UTC
    assert [hours.open_at(MONDAY.replace(hour=hour, minute=minute)) for hour, minute in moments] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("table", "key", "remedy"),
    [
        ({"monday": ["8-12"]}, "monday", "should be times such as"),
        ({"monday": ["12:00-08:00"]}, "monday", "should end after it begins"),
        ({"monday": ["12:00-24:01"]}, "monday", "should end after it begins"),
        ({"monday": ["08:00-12:00", "11:59-13:00"]}, "monday", "overlap"),
        ({"holidays": ["02-30"]}, "holidays", "should be days such as"),
        ({"holidays": ["2026-13-01"]}, "holidays", "should be days such as"),
        ({"holidays": ["20261225"]}, "holidays", "should be days such as"),
        ({"holidays": ["W01-1"]}, "holidays", "should be days such as"),
        ({"time_zone": "Europe"}, "time_zone", "should be a time zone"),
        ({"time_zone": "Europe/Atlantis"}, "time_zone", "should be a time zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone", "should be a time zone"),
        ({"time_zone": ""}, "time_zone", "should be a time zone"),
    ],
)
def test_mistakes_are_named(table: dict[str, Any], key: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"office_hours": table})
    assert str(caught.value).startswith(f"office_hours.{key}")
    assert remedy in str(caught.value)
