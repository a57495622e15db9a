"""Transactions that all wait equally long, in one queue: for their end, or for the first retransmission."""

from __future__ import annotations

from functools import partial
from itertools import islice, takewhile
from operator import ge
from typing import Generic, TypeVar

SWEEP_SECONDS = 0.5
"""They may end so much late: then one wake-up serves many."""


Item = TypeVar("Item")


class Lingering(Generic[Item]):
    """Who comes first is due first, so no order has to be kept but that of arrival.

    Who puts an item into `waiting`, and finds no `deadline` here, sets it to that of the item, and has the queue
    watched.
    """

    __slots__ = ("_sweep", "deadline", "waiting")

    def __init__(self, sweep_seconds: float = SWEEP_SECONDS) -> None:
        self.waiting: dict[Item, float] = {}
        """Who waits, in the order of arrival, and until when (seconds). Who waits no more is taken away."""
        self.deadline: float | None = None
        """When to look at them; the first may have gone before."""
        self._sweep = sweep_seconds

    def __len__(self) -> int:
        """How many wait."""
        return len(self.waiting)

    def due(self, now: float) -> list[Item]:
        """Take all whose time has come; then it is a while until the next look."""
        waiting = self.waiting
        many = len(list(takewhile(partial(ge, now), waiting.values())))
        due = list(islice(waiting, many))
        for item in due:
            del waiting[item]
        self.deadline = max(next(iter(waiting.values())), now + self._sweep) if waiting else None
        return due
