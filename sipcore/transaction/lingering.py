"""Transactions that are over but for what may be repeated: all that wait equally long, in one queue."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

SWEEP_SECONDS = 0.5
"""They may end so much late: then one wake-up serves many."""


class Ending(Protocol):
    """Something that ends at `deadline` (seconds)."""

    deadline: float | None


Item = TypeVar("Item", bound=Ending)


class Lingering(Generic[Item]):
    """Who comes first ends first, so no order has to be kept but that of arrival."""

    __slots__ = ("_waiting", "deadline")

    def __init__(self) -> None:
        self._waiting: dict[Item, None] = {}
        self.deadline: float | None = None
        """When to look at them; None if there are none."""

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def add(self, item: Item) -> bool:
        """Another waits, or the same still does; whether `deadline` is a new one."""
        self._waiting[item] = None
        if self.deadline is not None:
            return False
        self.deadline = item.deadline
        return True

    def discard(self, item: Item) -> None:
        """It has ended before its time."""
        self._waiting.pop(item, None)
        if not self._waiting:
            self.deadline = None

    def due(self, now: float) -> list[Item]:
        """Take all whose time has come; then it is a while until the next look."""
        due: list[Item] = []
        self.deadline = None
        for item in self._waiting:
            ends_at = item.deadline or 0.0
            if ends_at > now:
                self.deadline = max(ends_at, now + SWEEP_SECONDS)
                break
            due.append(item)
        for item in due:
            del self._waiting[item]
        return due
