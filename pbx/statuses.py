"""What users say of themselves: available, or away. Lamps, rules and queues follow it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pbx.keeping import enter_status
from pbx.presence import UserStatus

if TYPE_CHECKING:
    from pbx.switch import Switch

__all__ = ["UserStatus", "set_status"]

MAX_NOTE_LENGTH = 200


async def set_status(switch: Switch, number: str, status: UserStatus, note: str = "") -> None:
    """Let the user of an extension say this, wherever it was set. It is on disk before it holds.

    Raises StoreUnavailable; ValueError for a note that is too long or has control characters.
    """
    if len(note) > MAX_NOTE_LENGTH or not note.isprintable():
        raise ValueError(f"should be a text of {MAX_NOTE_LENGTH} characters at most")
    await switch.store.write(partial(enter_status, number, status, note))
    switch.presence.say(number, status, note)
