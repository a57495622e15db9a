"""A call as the rules of an extension see it."""

from __future__ import annotations

from dataclasses import field
from datetime import UTC, datetime
from functools import cached_property

from pbx.office_hours import DAY_MINUTES, OfficeHours
from values import dataclass


@dataclass(frozen=True)
class Situation:
    """Who calls, which number was called, and when: all that conditions are about."""

    caller: str = ""
    """The number shown: of an extension, or E.164 where it has such a form; empty where it is withheld."""
    internal: bool = True
    dids: tuple[str, ...] = ()
    """The number outside that was called, in all forms that it is known in; none for a call from inside."""
    at: datetime = datetime(1, 1, 1, tzinfo=UTC)
    """When the call arrived: what follows an hour later is decided by that too."""
    hours: OfficeHours = field(default_factory=OfficeHours)

    @cached_property
    def open(self) -> bool:
        """Whether that is within office hours."""
        return self.hours.open_at(self.at)

    @cached_property
    def minute(self) -> int:
        """The minute since Monday, 0:00, on the clock of the office."""
        local = self.hours.local(self.at)
        return local.weekday() * DAY_MINUTES + local.hour * 60 + local.minute
