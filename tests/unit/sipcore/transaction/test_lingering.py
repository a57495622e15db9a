"""Queues of what waits for its end: first come, first gone, and few looks at them."""

from __future__ import annotations

from sipcore.transaction.lingering import SWEEP_SECONDS, Lingering


class Item:
    """Something that ends at a time."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline


def add(queue: Lingering[Item], item: Item) -> bool:
    """Let an item wait; whether the queue is to be watched from now on."""
    queue.waiting[item] = item.deadline
    if queue.deadline is not None:
        return False
    queue.deadline = item.deadline
    return True


def test_what_waits_is_taken_in_its_turn_and_once() -> None:
    queue: Lingering[Item] = Lingering()
    first, second, third = Item(1.0), Item(2.0), Item(3.0)
    assert add(queue, first), "a deadline that is new"
    assert not add(queue, second)
    assert not add(queue, third)
    assert not add(queue, first), "it waits already, in the same place"
    assert (queue.deadline, len(queue)) == (1.0, 3)
    assert queue.due(0.9) == []
    assert queue.due(2.0) == [first, second]
    assert queue.due(2.0) == []
    assert queue.due(9.0) == [third]
    assert (queue.deadline, len(queue)) == (None, 0)


def test_the_next_look_is_a_while_later() -> None:
    queue: Lingering[Item] = Lingering()
    for tenths in range(20):
        add(queue, Item(1.0 + tenths / 10))
    assert len(queue.due(1.0)) == 1
    assert queue.deadline == 1.0 + SWEEP_SECONDS
    assert len(queue.due(1.5)) == 5
    queue.due(2.4)
    assert queue.deadline == 2.4 + SWEEP_SECONDS
    add(queue, Item(9.0))
    queue.due(2.95)
    assert queue.deadline == 9.0


def test_who_ends_before_his_time_is_not_waited_for() -> None:
    queue: Lingering[Item] = Lingering()
    one, other = Item(1.0), Item(2.0)
    add(queue, one)
    add(queue, other)
    del queue.waiting[one]
    assert queue.due(1.0) == []
    assert queue.deadline == 2.0
    del queue.waiting[other]
    assert queue.due(2.0) == []
    assert queue.deadline is None
    assert add(queue, other), "there was nothing to wait for"


def test_without_a_sweep_each_is_looked_at_in_its_moment() -> None:
    queue: Lingering[Item] = Lingering(0.0)
    first, second = Item(1.0), Item(1.1)
    add(queue, first)
    add(queue, second)
    assert queue.due(1.0) == [first]
    assert queue.deadline == 1.1
