"""What users say of themselves: available, or away. Lamps, rules and queues follow it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pbx.keeping import enter_status
from pbx.presence import UserStatus
from values import dataclass

if TYPE_CHECKING:
    from pbx.switch import Switch

__all__ = ["OwnStatus", "UserStatus", "set_status", "set_user_status", "user_status"]

MAX_NOTE_LENGTH = 200


async def set_status(switch: Switch, number: str, status: UserStatus, note: str = "") -> None:
    """Let the user of an extension say this, wherever it was set. It is on disk before it holds.

    Raises StoreUnavailable; ValueError for a note that is too long or has control characters.
    """
    if len(note) > MAX_NOTE_LENGTH or not note.isprintable():
        raise ValueError(f"should be a text of {MAX_NOTE_LENGTH} characters at most")
    await switch.store.write(partial(enter_status, number, status, note))
    switch.presence.say(number, status, note)


@dataclass(frozen=True, slots=True)
class OwnStatus:
    """What the user of an extension has set: whether calls are taken, and those of queues."""

    number: str
    status: UserStatus
    note: str
    logged_in: bool
    """To one of the extension's queues, or more."""


def user_status(switch: Switch, number: str) -> OwnStatus:
    """What is in force for an extension."""
    state = switch.presence.of(number)
    return OwnStatus(number, state.status, state.note, bool(switch.queues.logged_in(number)))


async def set_user_status(
    switch: Switch, number: str, status: UserStatus, note: str = "", *, logged_in: bool | None = None
) -> None:
    """Set all of it: `logged_in` to all queues of the extension, or out of all; None leaves that as it is.

    Raises StoreUnavailable and ValueError as `set_status`. The status comes first: it may be set if the rest fails.
    """
    await set_status(switch, number, status, note)
    if logged_in is not None:
        await (switch.queues.log_in if logged_in else switch.queues.log_out)(number)
