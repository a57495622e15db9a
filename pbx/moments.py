"""Moments as text, quickly."""

from __future__ import annotations

from datetime import UTC, datetime

MOST = 1000
"""So many moments are remembered."""

_TWO, _THREE = [f"{number:02}" for number in range(100)], [f"{number:03}" for number in range(1000)]


class Texts(dict[datetime, str]):
    """Gives a moment as text: `Texts()[moment] == "2026-01-02 03:04:05.678901"`, in UTC.

    The record of a call has most of its moments twice or more. Written by `isoformat`, which takes several times as
    long, they were a fifth of what it costs. Raises ValueError for a moment without time zone.
    """

    def __init__(self) -> None:
        self._day = datetime.min.replace(tzinfo=UTC), "0001-01-01"
        """When that of the last moment began, and its name: most are of the same one."""

    def __missing__(self, moment: datetime) -> str:
        if moment.tzinfo is None:
            raise ValueError(f"a moment needs its time zone: {moment}")
        began, day = self._day
        since = moment - began
        if since.days:
            began = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            since, day = moment - began, began.date().isoformat()
            self._day = began, day  # at once, for there are several threads
        second, micros = since.seconds, since.microseconds
        text = (
            f"{day} {_TWO[second // 3600]}:{_TWO[second // 60 % 60]}:{_TWO[second % 60]}"
            f".{_THREE[micros // 1000]}{_THREE[micros % 1000]}"
        )
        if moment.tzinfo is UTC:  # elsewhere the hour that comes twice is equal to itself
            if len(self) >= MOST:
                self.clear()
            self[moment] = text
        return text


UTC_TEXTS = Texts()
"""For all: moments are the same in the journal and in the store."""


def moment_of(text: str) -> datetime:
    """The moment that `UTC_TEXTS` gives this text for. Raises ValueError."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
