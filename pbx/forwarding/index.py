"""Finds the first of many rules that applies, without looking at each.

Rules are grouped by the caller and the DID that they are about. Of those that are about the same, one that an earlier
one always goes before is left out, so at most nine remain (three kinds of hours, three of calls) beside those with
hours of their own; for these a timetable of the week says which is the first at each minute.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import product

from pbx.forwarding.callers import all_forms
from pbx.forwarding.rules import CallType, Hours, Rule, RuleType
from pbx.forwarding.situation import Situation
from pbx.numbers import NumberingPlan

NONE = 1 << 30
"""The place of no rule."""

_Key = tuple[str | None, str | None]
"""A caller and a DID; None: whoever calls, whatever was called."""


class _Group:
    """The rules about one caller and one DID, by their places in the list of the user."""

    def __init__(self) -> None:
        self._plain: dict[tuple[Hours, CallType], int] = {}
        self._weekly: list[tuple[int, Rule]] = []
        self._timetables: dict[bool, tuple[list[int], list[int]]] = {}

    def add(self, place: int, rule: Rule) -> None:
        """Rules are added in their order."""
        if rule.hours is Hours.SPECIFIC:
            self._weekly.append((place, rule))
        else:
            self._plain.setdefault((rule.hours, rule.calls), place)

    def finish(self) -> None:
        """All rules have been added."""
        for internal, calls in ((True, CallType.INTERNAL), (False, CallType.EXTERNAL)):
            rules = [(place, rule) for place, rule in self._weekly if rule.calls in (CallType.ALL, calls)]
            if rules:
                self._timetables[internal] = _timetable(rules)
        self._weekly = []

    def first(self, situation: Situation) -> int:
        """The place of the first that applies, or NONE."""
        first, calls = NONE, CallType.INTERNAL if situation.internal else CallType.EXTERNAL
        for (hours, about), place in self._plain.items():
            if (
                place < first
                and (about is CallType.ALL or about is calls)
                and (hours is Hours.ALL or situation.open is (hours is Hours.OFFICE))
            ):
                first = place
        timetable = self._timetables.get(situation.internal)
        if timetable is not None:
            starts, firsts = timetable
            first = min(first, firsts[bisect_right(starts, situation.minute) - 1])
        return first


def _timetable(rules: Iterable[tuple[int, Rule]]) -> tuple[list[int], list[int]]:
    """Minutes of the week at which the first rule that applies changes, and which it is from then on."""
    changes: dict[int, list[tuple[int, bool]]] = {0: []}
    for place, rule in rules:
        for begin, end in rule.week.intervals():
            changes.setdefault(begin, []).append((place, True))
            changes.setdefault(end, []).insert(
                0, (place, False)
            )  # what ends is over before it may begin again
    running: set[int] = set()
    waiting: list[int] = []
    starts, firsts = [], []
    for minute in sorted(changes):
        for place, begins in changes[minute]:
            if begins:
                running.add(place)
                heappush(waiting, place)
            else:
                running.discard(place)
        while waiting and waiting[0] not in running:
            heappop(waiting)
        starts.append(minute)
        firsts.append(waiting[0] if waiting else NONE)
    return starts, firsts


class Stage:
    """The rules that are tried at one moment of a call."""

    def __init__(self, rules: Iterable[Rule], types: frozenset[RuleType], plan: NumberingPlan) -> None:
        self._groups: dict[_Key, _Group] = {}
        for place, rule in enumerate(rules):
            if rule.type in types:
                callers, dids = (
                    all_forms(rule.callers, plan) or (None,),
                    all_forms(rule.dids, plan) or (None,),
                )
                for key in product(callers, dids):
                    self._groups.setdefault(key, _Group()).add(place, rule)
        for group in self._groups.values():
            group.finish()

    def first(self, situation: Situation) -> int | None:
        """The place, in the list of all rules, of the first of these that applies."""
        groups, first = self._groups, NONE
        if not groups:
            return None
        for caller in (situation.caller, None) if situation.caller else (None,):
            for did in (*situation.dids, None):
                group = groups.get((caller, did))
                if group is not None:
                    first = min(first, group.first(situation))
        return None if first == NONE else first
