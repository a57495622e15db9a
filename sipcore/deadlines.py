"""The least of many deadlines, at O(log n) a change."""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from itertools import count
from math import inf
from typing import Any, Generic, Protocol, TypeVar


class Timed(Protocol):
    """Something that wants to be ticked at `deadline` (seconds), or never where that is None."""

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called."""


Item = TypeVar("Item", bound=Timed)
Entry = list[Any]
"""[time in the heap, order of arrival, item or None if forgotten]: a list, as it changes."""

_SLACK = 64
"""Forgotten entries that are always tolerated, so that short heaps are not rebuilt all the time."""


class Deadlines(Generic[Item]):
    """The items that wait for a time; each is held until it is due, forgotten, or has no deadline any more.

    Most deadlines move to a later time (a retransmission timer gives way to a longer one), or are given up before they
    come. So the place of an item in the heap only says when to look at it again, and what it waits for is asked then.
    An item has one entry, and forgotten entries never outnumber the living by more than `_SLACK`.
    """

    __slots__ = ("_entries", "_forgotten", "_heap", "_order", "soonest")

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._entries: dict[Item, Entry] = {}
        self._forgotten = 0
        self._order = count()
        self.soonest = inf
        """No deadline is earlier than this (seconds). To be looked at where `next` would be too much work."""

    def __len__(self) -> int:
        """How many items may have a deadline."""
        return len(self._entries)

    def watch(self, item: Item, deadline: float | None = None) -> None:
        """Note the item's present deadline. To be called whenever it may have come nearer. Who knows that it is not
        before `deadline` may say so."""
        if deadline is None:
            deadline = item.deadline
        entry = self._entries.get(item)
        if entry is not None:
            if deadline is not None and deadline >= entry[0]:
                return
            self.forget(item)
        if deadline is not None:
            self._entries[item] = entry = [deadline, next(self._order), item]
            heappush(self._heap, entry)
            if deadline < self.soonest:
                self.soonest = deadline

    def forget(self, item: Item) -> None:
        """The item is over, whatever its deadline says."""
        entry = self._entries.pop(item, None)
        if entry is not None:
            entry[2] = None
            self._forgotten += 1
            if self._forgotten > _SLACK:
                self._tidy()

    def next(self) -> float | None:
        """The earliest deadline (seconds); None if nothing waits."""
        heap = self._heap
        while heap:
            entry = heap[0]
            time, _, item = entry
            if item is None:
                heappop(heap)
                self._forgotten -= 1
            elif (deadline := item.deadline) is None:
                heappop(heap)
                del self._entries[item]
            elif deadline > time:
                entry[0] = deadline
                heapreplace(heap, entry)
            else:
                self.soonest = time
                return time  # type: ignore[no-any-return]
        self.soonest = inf
        return None

    def due(self, now: float) -> Item | None:
        """Take the item with the earliest deadline, if that has come; None otherwise."""
        if now < self.soonest:
            return None
        deadline = self.next()
        if deadline is None or deadline > now:
            return None
        item: Item = heappop(self._heap)[2]
        del self._entries[item]
        self._tidy()
        return item

    def _tidy(self) -> None:
        if self._forgotten > len(self._entries) + _SLACK:
            self._heap = [entry for entry in self._heap if entry[2] is not None]
            heapify(self._heap)
            self._forgotten = 0
