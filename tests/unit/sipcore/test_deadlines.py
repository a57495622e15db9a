"""The least of many deadlines: order, changes of mind, and no growth."""

from __future__ import annotations

import gc
import weakref
from random import Random

import pytest

from sipcore.deadlines import Deadlines


class Item:
    """Something with a deadline that may change."""

    def __init__(self, deadline: float | None = None) -> None:
        self.deadline = deadline


def watching(*times: float | None) -> tuple[Deadlines[Item], list[Item]]:
    deadlines: Deadlines[Item] = Deadlines()
    items = [Item(time) for time in times]
    for item in items:
        deadlines.watch(item)
    return deadlines, items


def drain(deadlines: Deadlines[Item], now: float) -> list[Item]:
    """All items that are due, in the order in which they are given out."""
    taken = []
    while (item := deadlines.due(now)) is not None:
        taken.append(item)
    return taken


def test_nothing_waits_at_first() -> None:
    deadlines, _ = watching()
    assert deadlines.next() is None
    assert deadlines.due(1e9) is None
    assert len(deadlines) == 0


def test_the_earliest_deadline_is_next() -> None:
    deadlines, _ = watching(3.0, 1.0, 2.0)
    assert deadlines.next() == 1.0
    assert len(deadlines) == 3


def test_items_are_due_in_the_order_of_their_deadlines() -> None:
    deadlines, (third, first, second) = watching(3.0, 1.0, 2.0)
    assert drain(deadlines, 3.0) == [first, second, third]
    assert len(deadlines) == 0
    assert deadlines.next() is None


def test_items_with_one_deadline_are_due_in_the_order_of_arrival() -> None:
    deadlines, items = watching(*[1.0] * 20)
    assert drain(deadlines, 1.0) == items


def test_an_item_is_due_at_its_deadline_and_not_before() -> None:
    deadlines, (item,) = watching(1.0)
    assert deadlines.due(0.999) is None
    assert deadlines.due(1.0) is item
    assert deadlines.due(1.0) is None, "it is given out once"


def test_an_item_without_a_deadline_is_not_held() -> None:
    deadlines, _ = watching(None)
    assert len(deadlines) == 0
    assert deadlines.next() is None


def test_an_item_is_held_again_if_it_is_watched_again() -> None:
    deadlines, (item,) = watching(1.0)
    assert deadlines.due(1.0) is item
    item.deadline = 2.0
    deadlines.watch(item)
    assert deadlines.next() == 2.0
    assert drain(deadlines, 2.0) == [item]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([5.0], 5.0),  # later
        ([1.0], 1.0),  # earlier
        ([2.0], 2.0),  # the same
        ([5.0, 3.0], 3.0),  # later, then less late
        ([5.0, 1.0], 1.0),  # later, then earlier than at first
        ([1.0, 5.0], 5.0),
        ([None], None),
        ([None, 4.0], 4.0),
        ([5.0, None], None),
    ],
)
def test_the_deadline_last_noted_counts(changes: list[float | None], expected: float | None) -> None:
    deadlines, (item,) = watching(2.0)
    for deadline in changes:
        item.deadline = deadline
        deadlines.watch(item)
    assert deadlines.next() == expected
    assert len(deadlines) == (expected is not None)
    if expected is not None:
        assert drain(deadlines, expected - 0.1) == []
        assert drain(deadlines, expected) == [item]


def test_an_item_that_moves_to_a_later_time_lets_others_pass() -> None:
    deadlines, (mover, other) = watching(1.0, 2.0)
    mover.deadline = 3.0
    deadlines.watch(mover)
    assert deadlines.next() == 2.0
    assert drain(deadlines, 3.0) == [other, mover]


def test_a_forgotten_item_is_never_due() -> None:
    deadlines, (one, other) = watching(1.0, 2.0)
    deadlines.forget(one)
    assert len(deadlines) == 1
    assert deadlines.next() == 2.0
    assert drain(deadlines, 9.0) == [other]


def test_to_forget_what_is_not_held_changes_nothing() -> None:
    deadlines, (item,) = watching(1.0)
    deadlines.forget(Item(0.5))
    deadlines.forget(item)
    deadlines.forget(item)
    assert len(deadlines) == 0
    assert deadlines.due(9.0) is None


def test_nothing_keeps_a_forgotten_item_alive() -> None:
    deadlines, items = watching(1.0, 2.0)
    trace = weakref.ref(items[1])
    deadlines.forget(items.pop())
    gc.collect()
    assert trace() is None


def test_forgotten_items_leave_the_heap_though_their_time_never_comes() -> None:
    deadlines, (item,) = watching(1.0)
    for _ in range(1000):
        passing = Item(100.0)
        deadlines.watch(passing)
        deadlines.forget(passing)
        assert len(deadlines._heap) <= 70
    assert drain(deadlines, 200.0) == [item]


def test_forgotten_items_leave_the_heap_also_when_the_others_were_due() -> None:
    deadlines, items = watching(*[1.0] * 500, 1.5, *[2.0] * 450)
    for item in items[501:]:
        deadlines.forget(item)
    assert drain(deadlines, 1.0) == items[:500]
    assert len(deadlines) == 1
    assert len(deadlines._heap) <= 70
    assert drain(deadlines, 2.0) == [items[500]]


def test_the_order_holds_when_many_are_forgotten() -> None:
    random = Random(1)
    deadlines, items = watching(*(random.random() for _ in range(1000)))
    for item in items[:800]:
        deadlines.forget(item)
    assert drain(deadlines, 1.0) == sorted(items[800:], key=lambda item: item.deadline or 0.0)


def test_an_item_that_moves_all_the_time_has_one_entry() -> None:
    deadlines, (item,) = watching(0.0)
    for step in range(1000):
        item.deadline = 1.0 + step
        deadlines.watch(item)
    assert len(deadlines._heap) == 1
    assert drain(deadlines, 999.0) == []
    assert drain(deadlines, 1000.0) == [item]


def test_a_deadline_that_is_given_up_or_put_off_without_a_word_is_not_kept() -> None:
    deadlines, (given_up, put_off, other) = watching(1.0, 2.0, 3.0)
    given_up.deadline, put_off.deadline = None, 4.0
    assert deadlines.soonest == 1.0, "nobody has looked"
    assert deadlines.due(2.5) is None
    assert deadlines.next() == deadlines.soonest == 3.0
    assert len(deadlines) == 2
    assert drain(deadlines, 4.0) == [other, put_off]


def test_no_deadline_is_sooner_than_the_soonest() -> None:
    random = Random(2)
    deadlines, items = watching(*(random.random() for _ in range(100)))
    for _ in range(1000):
        item = random.choice(items)
        item.deadline = random.choice([None, random.random()])
        deadlines.watch(item)
        least = min((item.deadline for item in items if item.deadline is not None), default=None)
        assert least is None or deadlines.soonest <= least
        if random.random() < 0.1:
            assert deadlines.next() == least
            assert least is None or deadlines.soonest == least
