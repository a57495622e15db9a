"""Deadlines against a dictionary that is searched in full."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sipcore.deadlines import Deadlines


class Item:
    """Something with a deadline that may change."""

    deadline: float | None = None


TIMES = st.integers(0, 20).map(float)
INDEX = st.integers(0, 9)
WATCH = st.tuples(st.just("watch"), INDEX, st.none() | TIMES)
WATCH_KNOWN = st.tuples(st.just("watch known"), INDEX, TIMES)
"""By who knows a time that is not after the deadline."""
PUT_OFF = st.tuples(st.just("put off"), INDEX, st.none() | TIMES)
"""To a later time or to none, of which nobody is told."""
FORGET = st.tuples(st.just("forget"), INDEX, st.none())
DUE = st.tuples(st.just("due"), st.just(0), TIMES)


@given(st.lists(WATCH | WATCH | WATCH_KNOWN | PUT_OFF | FORGET | DUE, max_size=60), st.booleans())
def test_the_least_deadline_is_found_whatever_happened_before(
    history: list[tuple[str, int, float | None]], looks: bool
) -> None:
    """`looks` at the least each time, or only at the end."""
    items = [Item() for _ in range(10)]
    deadlines: Deadlines[Item] = Deadlines()
    model: dict[Item, float] = {}
    for action, index, time in history:
        item = items[index]
        if action.startswith("watch"):
            item.deadline = time
            deadlines.watch(item, max(time - index, 0.0) if time and action != "watch" else None)
            model.pop(item, None)
            if time is not None:
                model[item] = time
        elif action == "put off":
            if item in model and (time is None or time >= model[item]):
                item.deadline = time
                if time is None:
                    del model[item]
                else:
                    model[item] = time
        elif action == "forget":
            deadlines.forget(item)
            model.pop(item, None)
        elif time is not None:
            least = min(model.values(), default=None)
            taken = deadlines.due(time)
            assert (taken is None) == (least is None or least > time)
            if taken is not None:
                assert model.pop(taken) == least
        least = min(model.values(), default=None)
        assert least is None or deadlines.soonest <= least
        if looks:
            assert deadlines.next() == least
        assert len(deadlines) >= len(model)
    assert deadlines.next() == min(model.values(), default=None)
