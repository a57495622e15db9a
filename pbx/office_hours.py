"""Office hours: one schedule for the whole system, and whether it is open at a moment."""

from __future__ import annotations

import re
from datetime import date, datetime
from itertools import pairwise
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from pbx.config_values import Table

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY_MINUTES = 24 * 60

_TIME = r"([01][0-9]|2[0-4]):([0-5][0-9])"
_RANGE = re.compile(rf"{_TIME}-{_TIME}")
_DAY = re.compile("(?:[0-9]{4}-)?[0-9]{2}-[0-9]{2}")
_LEAP_YEAR = "2000-"


def minutes(text: str) -> tuple[int, int]:
    """The range "08:30-12:00" in minutes since midnight, the second no more in it. Raises ValueError."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError('should be times such as "08:30-12:00"')
    from_hour, from_minute, to_hour, to_minute = map(int, match.groups())
    begin, end = from_hour * 60 + from_minute, to_hour * 60 + to_minute
    if not begin < end <= DAY_MINUTES:
        raise ValueError(
            "should end after it begins, at 24:00 at the latest; what goes on is for the next day"
        )
    return begin, end


def _ranges(texts: tuple[str, ...]) -> tuple[str, ...]:
    parsed = sorted(map(minutes, texts))
    if any(later[0] < earlier[1] for earlier, later in pairwise(parsed)):
        raise ValueError("has times that overlap, leave one of them out")
    return texts


def _holiday(text: str) -> str:
    """A day, of one year or of all: "2026-04-06", "12-25"."""
    try:
        if _DAY.fullmatch(text) is None:
            raise ValueError
        date.fromisoformat(text if len(text) == len("2026-04-06") else _LEAP_YEAR + text)
    except ValueError:
        raise ValueError('should be days such as "2026-04-06", or "12-25" for each year') from None
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError):  # no name of a zone, an unknown one, that of a folder
        raise ValueError('should be a time zone of the IANA list, such as "Europe/Paris"') from None
    return name


Ranges = Annotated[tuple[str, ...], AfterValidator(_ranges)]
Holiday = Annotated[str, AfterValidator(_holiday)]
Zone = Annotated[str, AfterValidator(_zone)]


class Week(Table):
    """Times of day, such as "08:30-12:00", for each day of a week."""

    monday: Ranges = ()
    tuesday: Ranges = ()
    wednesday: Ranges = ()
    thursday: Ranges = ()
    friday: Ranges = ()
    saturday: Ranges = ()
    sunday: Ranges = ()

    @property
    def kept(self) -> bool:
        """Whether there are any."""
        return any(getattr(self, day) for day in WEEKDAYS)

    def intervals(self) -> list[tuple[int, int]]:
        """All of them in minutes since Monday, 0:00, the second of each no more in it."""
        return [
            (day * DAY_MINUTES + begin, day * DAY_MINUTES + end)
            for day, name in enumerate(WEEKDAYS)
            for begin, end in map(minutes, getattr(self, name))
        ]


class OfficeHours(Week):
    """`[office_hours]`: when the company is there, by the clock on its wall. Without any times it is always open."""

    time_zone: Zone = "UTC"
    holidays: tuple[Holiday, ...] = ()
    """Days on which it is closed."""

    def local(self, when: datetime) -> datetime:
        """What the clock on the wall shows at a moment."""
        return when.astimezone(ZoneInfo(self.time_zone))

    def open_at(self, when: datetime) -> bool:
        """Whether the office is open at a moment, which has a time zone of its own.

        Clocks that are set back show an hour twice, and both belong to it; an hour that they leave out is nobody's.
        """
        if not self.kept:
            return True
        local = self.local(when)
        if self.holiday_at(when):
            return False
        minute = local.hour * 60 + local.minute
        return any(
            begin <= minute < end for begin, end in map(minutes, getattr(self, WEEKDAYS[local.weekday()]))
        )

    def holiday_at(self, when: datetime) -> bool:
        """Whether the clock on the wall shows a holiday."""
        day = self.local(when).date().isoformat()
        return day in self.holidays or day[len("2026-") :] in self.holidays
