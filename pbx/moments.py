"""Moments as text, quickly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

MOST = 1000
"""So many seconds of a day are remembered."""

_THREE = [f"{number:03}" for number in range(1000)]

_day: tuple[datetime, dict[int, str]] = datetime.min.replace(tzinfo=UTC), {}
"""When that of the last moment began, and its seconds as text, by their numbers."""


def utc_text(moment: datetime) -> str:
    """A moment in UTC: `utc_text(moment) == "2026-01-02 03:04:05.678901"`.

    The record of a call has five of them, most of them in seconds of which another was told before. `isoformat` takes
    several times as long; so does to remember texts by their moments, for these are slow to hash. Raises ValueError for
    a moment without time zone.
    """
    global _day
    began, seconds = _day
    try:
        since = moment - began
    except TypeError:
        raise ValueError(f"a moment needs its time zone: {moment}") from None
    if since.days:
        began, seconds = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0), {}
        since = moment - began
        _day = began, seconds  # at once, for there are several threads
    number, micros = since.seconds, since.microseconds
    try:
        second = seconds[number]
    except KeyError:
        if len(seconds) >= MOST:
            seconds.clear()
        second = (began + timedelta(seconds=number)).isoformat(" ").removesuffix("+00:00") + "."
        seconds[number] = second
    return f"{second}{_THREE[micros // 1000]}{_THREE[micros % 1000]}"


def moment_of(text: str) -> datetime:
    """The moment of such a text. Raises ValueError."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
