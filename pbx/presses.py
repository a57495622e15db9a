"""One press of a key, one digit, in however many forms a phone tells of it."""

from __future__ import annotations

from collections import deque
from enum import Enum

from values import dataclass

WINDOW_SECONDS = 0.6
"""So much later, another form still tells of the same press: an INFO that is lost comes again after T1, 500 ms
(RFC 3261 section 17.1.2.2)."""
LONGEST_PRESS_SECONDS = 10.0
"""A press whose end is never told is over by then."""
_REMEMBERED = 32
"""Presses: more than anybody makes within the window."""


class Form(Enum):
    """How a phone tells of a key."""

    EVENT = "telephone-event"
    """RFC 4733."""
    SOUND = "in-band"
    MESSAGE = "INFO"
    """Comes once: when the key is pressed, or when it is let go."""

    __hash__ = object.__hash__


@dataclass(slots=True)
class _Press:
    digit: str
    forms: set[Form]
    over: float
    """When the key was let go; while it is held, when it must have been."""


class Presses:
    """Decides which reports of keys are new presses.

    A form tells of each press once. So two reports in one form are two presses, however quickly they follow; and a
    report belongs to the earliest press of its key that the form has not told of yet, if that was not long ago.
    """

    def __init__(self) -> None:
        self._recent: deque[_Press] = deque(maxlen=_REMEMBERED)

    def begins(self, form: Form, digit: str, now: float, held: float = 0.0) -> bool:
        """A form tells of a press that began `held` seconds ago; whether nobody has told of it before."""
        over = now if form is Form.MESSAGE else now + LONGEST_PRESS_SECONDS
        for press in self._recent:
            if press.digit == digit and form not in press.forms and now - held <= press.over + WINDOW_SECONDS:
                press.forms.add(form)
                press.over = max(press.over, over)
                return False
        self._recent.append(_Press(digit, {form}, over))
        return True

    def ends(self, form: Form, digit: str, now: float) -> None:
        """The key whose press this form has told of was let go."""
        for press in reversed(self._recent):
            if press.digit == digit and form in press.forms:
                press.over = min(press.over, now)
                return
