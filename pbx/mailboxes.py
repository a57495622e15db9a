"""How many messages wait where: what voicemail tells, and message lamps show."""

from __future__ import annotations

from collections.abc import Callable

from sipcore.events.message_summary import Messages


class Mailboxes:
    """The counts of each mailbox, by the number of its extension."""

    def __init__(self, changed: Callable[[str], None]) -> None:
        """`changed` is told the number of a mailbox whose counts have changed."""
        self._changed = changed
        self._messages: dict[str, Messages] = {}

    def set(self, number: str, *, new: int, old: int = 0, new_urgent: int = 0, old_urgent: int = 0) -> None:
        """Note how many messages there are now; the urgent ones are among the new and the old."""
        messages = Messages(new, old, new_urgent, old_urgent)
        if messages != self._messages.get(number):
            self._messages[number] = messages
            self._changed(number)

    def get(self, number: str) -> Messages:
        """The counts of a mailbox; all 0 where nothing was ever told."""
        return self._messages.get(number, Messages())

    def known(self, number: str) -> bool:
        """Whether there is a mailbox of which something was told."""
        return number in self._messages
