"""What an extension is doing: one truth, read from what is going on, for lamps, documents, lists and the API.

Nothing of it is kept but what users say of themselves. All else is worked out whenever it is asked for, from the legs
and registrations that there are, so it cannot be wrong about them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from sipcore.events.presence import Activity, PresenceFacts
from values import dataclass

if TYPE_CHECKING:
    from pbx.leg import Leg


class UserStatus(Enum):
    """What a user says."""

    AVAILABLE = "available"
    AWAY = "away"


class LineState(Enum):
    """What the phones of an extension do."""

    NOT_REGISTERED = "not_registered"
    IDLE = "idle"
    RINGING = "ringing"
    INTERNAL_CALL = "internal_call"
    EXTERNAL_CALL = "external_call"


class DisplayState(Enum):
    """The one thing that is shown of an extension."""

    RINGING = "ringing"
    EXTERNAL_CALL = "external_call"
    INTERNAL_CALL = "internal_call"
    AWAY = "away"
    NOT_REGISTERED = "not_registered"
    AVAILABLE = "available"

    __hash__ = object.__hash__

    @property
    def colour(self) -> str:
        """The colour that people know it by."""
        return _COLOURS[self]


_COLOURS = {
    DisplayState.RINGING: "yellow",
    DisplayState.EXTERNAL_CALL: "orange",
    DisplayState.INTERNAL_CALL: "pale blue",
    DisplayState.AWAY: "red",
    DisplayState.NOT_REGISTERED: "grey",
    DisplayState.AVAILABLE: "green",
}

_TEXTS = {
    LineState.NOT_REGISTERED: "Not registered",
    LineState.IDLE: "Registered (idle)",
    LineState.RINGING: "Registered (ringing)",
    LineState.INTERNAL_CALL: "Registered (in an internal call)",
    LineState.EXTERNAL_CALL: "Registered (in an external call)",
}

_BUSY = frozenset({LineState.RINGING, LineState.EXTERNAL_CALL, LineState.INTERNAL_CALL})
"""What is shown whatever the user says."""
_AWAY = frozenset({Activity.AWAY, Activity.BUSY, Activity.MEETING, Activity.VACATION})
"""What a phone may publish that means: no calls, please."""


@dataclass(frozen=True, slots=True)
class ExtensionState:
    """The two raw facts of an extension, and the user's note."""

    status: UserStatus
    line: LineState
    note: str = ""

    @property
    def display(self) -> DisplayState:
        """Ringing goes before an external call, that before an internal one, then away and not registered."""
        if self.line in _BUSY:
            return DisplayState(self.line.value)
        if self.status is UserStatus.AWAY:
            return DisplayState.AWAY
        registered = self.line is not LineState.NOT_REGISTERED
        return DisplayState.AVAILABLE if registered else DisplayState.NOT_REGISTERED

    @property
    def text(self) -> str:
        """The line state in words, as lists show it."""
        return _TEXTS[self.line]

    @property
    def facts(self) -> PresenceFacts:
        """The same as a presence document says it."""
        talks = self.line in (LineState.INTERNAL_CALL, LineState.EXTERNAL_CALL)
        activities = [Activity.ON_THE_PHONE] if talks else []
        activities += [Activity.AWAY] if self.status is UserStatus.AWAY else []
        return PresenceFacts(self.line is not LineState.NOT_REGISTERED, tuple(activities), self.note)


_AVAILABLE = UserStatus.AVAILABLE, ""


class Lines(Protocol):
    """What is going on."""

    def registered(self, number: str) -> bool:
        """Whether a phone is registered at the extension."""

    def legs_of(self, number: str) -> Iterable[Leg]:
        """The legs of the extension."""

    def is_internal(self, leg: Leg) -> bool:
        """Whether the call of a leg has no end outside."""


class Presence:
    """Of all extensions. `published` gives what phones publish of a user, the latest last."""

    def __init__(
        self, lines: Lines, published: Callable[[str], list[PresenceFacts]], changed: Callable[[str], None]
    ) -> None:
        """`changed` is told the number of an extension whose user says something else."""
        self._lines = lines
        self._published = published
        self._changed = changed
        self._statuses: dict[str, tuple[UserStatus, str]] = {}
        self.on_said: Callable[[str, UserStatus, str], None] = lambda number, status, note: None
        """Told what a user says."""

    def of(self, number: str) -> ExtensionState:
        """The state of an extension at this moment."""
        status, note = self._said(number)
        return ExtensionState(status, self._line(number), note)

    def away(self, number: str) -> bool:
        """Whether the user takes no calls."""
        return bool(number in self._statuses or self._published(number)) and self._said(number)[0] is UserStatus.AWAY

    def say(self, number: str, status: UserStatus, note: str = "") -> None:
        """Set what a user says; what the user's phones publish goes before it, as long as it lasts."""
        if (status, note) == (UserStatus.AVAILABLE, ""):
            self._statuses.pop(number, None)
        else:
            self._statuses[number] = status, note
        self.on_said(number, status, note)
        self._changed(number)

    def restore(self, number: str, status: UserStatus, note: str) -> None:
        """What a user said before a restart."""
        self._statuses[number] = status, note

    def forget(self, number: str) -> None:
        """The extension is gone, and with it what its user said."""
        self._statuses.pop(number, None)

    def _said(self, number: str) -> tuple[UserStatus, str]:
        published = self._published(number)
        if not published:
            return self._statuses.get(number, _AVAILABLE)
        latest = published[-1]
        away = not latest.open or bool(_AWAY & set(latest.activities))
        return UserStatus.AWAY if away else UserStatus.AVAILABLE, latest.note

    def _line(self, number: str) -> LineState:
        states = {self._line_of(leg) for leg in self._lines.legs_of(number)}
        for state in (LineState.RINGING, LineState.EXTERNAL_CALL, LineState.INTERNAL_CALL):
            if state in states:
                return state
        return LineState.IDLE if self._lines.registered(number) else LineState.NOT_REGISTERED

    def _line_of(self, leg: Leg) -> LineState | None:
        """What one leg does; None while its phone does not know of the call yet."""
        if leg.alerts:
            return LineState.RINGING
        if not leg.engaged:
            return None
        return LineState.INTERNAL_CALL if self._lines.is_internal(leg) else LineState.EXTERNAL_CALL
