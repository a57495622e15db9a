"""Moments as text, quickly."""

from __future__ import annotations

from datetime import UTC, datetime

_DIGITS = [f"{number:02}" for number in range(100)]

_day = datetime.min.replace(tzinfo=UTC), "0001-01-01"
"""When the day of the last moment began, and what it is called: most moments are of the same day."""


def utc_text(moment: datetime) -> str:
    """`2026-01-02 03:04:05.678901`, in UTC. With `isoformat`, which takes four times as long, this was a fifth of what
    the record of a call cost. Raises ValueError for a moment without time zone."""
    global _day
    if moment.tzinfo is None:
        raise ValueError(f"a moment needs its time zone: {moment}")
    began, day = _day
    since = moment - began
    if since.days:
        began = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        since, day = moment - began, began.date().isoformat()
        _day = began, day  # at once, for there are several threads
    digits, seconds, micros = _DIGITS, since.seconds, since.microseconds
    return (
        f"{day} {digits[seconds // 3600]}:{digits[seconds // 60 % 60]}:{digits[seconds % 60]}"
        f".{digits[micros // 10000]}{digits[micros // 100 % 100]}{digits[micros % 100]}"
    )
