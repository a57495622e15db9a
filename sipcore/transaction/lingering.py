"""Transactions that all wait equally long, in one queue: for their end, or for the first retransmission."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

SWEEP_SECONDS = 0.5
"""They may end so much late: then one wake-up serves many."""


class Ending(Protocol):
    """Something that waits until `deadline` (seconds)."""

    deadline: float | None


Item = TypeVar("Item", bound=Ending)


class Lingering(Generic[Item]):
    """Who comes first is due first, so no order has to be kept but that of arrival.

    Who puts an item into `waiting`, and finds no `deadline` here, sets it to that of the item, and has it watched.
    """

    __slots__ = ("_sweep", "deadline", "waiting")

    def __init__(self, sweep_seconds: float = SWEEP_SECONDS) -> None:
        self.waiting: dict[Item, None] = {}
        """Who waits, in the order of arrival. Who waits no more is taken away."""
        self.deadline: float | None = None
        """When to look at them; the first may have gone before."""
        self._sweep = sweep_seconds

    def __len__(self) -> int:
        """How many wait."""
        return len(self.waiting)

    def due(self, now: float) -> list[Item]:
        """Take all whose time has come; then it is a while until the next look."""
        due: list[Item] = []
        self.deadline = None
        for item in self.waiting:
            ends_at = item.deadline or 0.0
            if ends_at > now:
                self.deadline = max(ends_at, now + self._sweep)
                break
            due.append(item)
        for item in due:
            del self.waiting[item]
        return due
