"""Office hours follow the clock on the wall, on days of 23 and 25 hours too."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pbx.office_hours import WEEKDAYS, OfficeHours

ZONES = ("UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns")
MINUTE = timedelta(minutes=1)
zones = st.sampled_from(ZONES)
days = st.dates(date(2000, 1, 1), date(2037, 12, 31))
PARIS_SPRING, PARIS_AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


def spelled(begin: int, end: int) -> str:
    return f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"


@st.composite
def ranges(draw: st.DrawFn, first: int = 0) -> list[tuple[int, int]]:
    """Up to three ranges of minutes of a day that do not overlap."""
    ends = sorted(draw(st.sets(st.integers(first, 1440), max_size=6)))
    return list(zip(ends[::2], ends[1::2], strict=False))


def schedule(zone: str, times: list[tuple[int, int]], **others: object) -> OfficeHours:
    """The same times on each day."""
    texts = [spelled(*each) for each in times]
    return OfficeHours.model_validate({"time_zone": zone, **dict.fromkeys(WEEKDAYS, texts), **others})


def minutes_of(day: date, zone: str) -> list[datetime]:
    """Every minute of a day in a zone, in UTC: as many as it has there."""
    begin, end = (
        datetime.combine(each, time(), ZoneInfo(zone)).astimezone(UTC) for each in (day, day + timedelta(days=1))
    )
    return [begin + MINUTE * number for number in range(int((end - begin) / MINUTE))]


@pytest.mark.row("ADM-07")
@given(day=days, zone=zones, times=ranges(first=5 * 60))
@example(PARIS_SPRING, "Europe/Paris", [(8 * 60, 12 * 60), (13 * 60, 1440)])
@example(PARIS_AUTUMN, "Europe/Paris", [(8 * 60, 12 * 60), (13 * 60, 1440)])
def test_a_day_is_open_as_long_as_it_says(day: date, zone: str, times: list[tuple[int, int]]) -> None:
    """Clocks are changed before five in the morning: what comes later is as long on these days as on all others."""
    hours = schedule(zone, times)
    open_minutes = sum(map(hours.open_at, minutes_of(day, zone)))
    assert open_minutes == (sum(end - begin for begin, end in times) if times else len(minutes_of(day, zone)))


@pytest.mark.row("ADM-07")
@pytest.mark.parametrize(("day", "length"), [(PARIS_SPRING, 23), (PARIS_AUTUMN, 25), (date(2026, 7, 1), 24)])
def test_a_night_is_as_long_as_it_is(day: date, length: int) -> None:
    hours = schedule("Europe/Paris", [(0, 1440)])
    assert sum(map(hours.open_at, minutes_of(day, "Europe/Paris"))) == length * 60
    others = schedule("Europe/Paris", [(2 * 60, 3 * 60)])  # the hour that is left out, or shown twice
    assert sum(map(others.open_at, minutes_of(day, "Europe/Paris"))) == (length - 23) * 60


@pytest.mark.row("ADM-07")
@given(when=st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)), zone=zones, other=zones)
def test_a_moment_is_the_same_in_every_zone(when: datetime, zone: str, other: str) -> None:
    hours = schedule(zone, [(8 * 60, 18 * 60)])
    assert hours.open_at(when) == hours.open_at(when.astimezone(ZoneInfo(other)))


@pytest.mark.row("ADM-07")
@given(day=days, zone=zones, each_year=st.booleans())
def test_a_holiday_is_closed_from_midnight_to_midnight(day: date, zone: str, each_year: bool) -> None:
    holiday = day.isoformat()[5:] if each_year else day.isoformat()
    hours = schedule(zone, [(0, 1440)], holidays=[holiday])
    inside = minutes_of(day, zone)
    assert not any(map(hours.open_at, inside))
    assert hours.open_at(inside[0] - MINUTE)
    assert hours.open_at(inside[-1] + MINUTE)
