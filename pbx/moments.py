"""Moments as text, quickly."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

_DIGITS = [f"{number:02}" for number in range(100)]


def utc_text(moment: datetime) -> str:
    """`2026-01-02 03:04:05.678901`, in UTC. With `isoformat`, which takes five times as long, this was a fifth of what
    the record of a call cost. Raises ValueError for a moment without time zone."""
    if moment.tzinfo is None:
        raise ValueError(f"a moment needs its time zone: {moment}")
    in_utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    digits, second, micros = _DIGITS, in_utc.second, in_utc.microsecond
    return (
        f"{_day(in_utc.year, in_utc.month, in_utc.day)} {digits[in_utc.hour]}:{digits[in_utc.minute]}:{digits[second]}"
        f".{digits[micros // 10000]}{digits[micros // 100 % 100]}{digits[micros % 100]}"
    )


@lru_cache(maxsize=100)
def _day(year: int, month: int, day: int) -> str:
    return f"{year:04}-{month:02}-{day:02}"
