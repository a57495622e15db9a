"""Table-driven machines: a step, its actions, and the pairs that nobody has decided about."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

import pytest

from sipcore.effects import Effect
from sipcore.machine import Machine, Row


class State(Enum):
    """Of a door."""

    OPEN = "open"
    SHUT = "shut"


class Event(Enum):
    """What is done to it."""

    PUSH = "push"
    KICK = "kick"


class Door(Machine):
    """Says what is done to it."""

    __slots__ = ()

    States: ClassVar = State
    Events: ClassVar = Event

    def __init__(self, state: State) -> None:
        self.state = state

    def _creak(self, message: Any, now: float, effects: list[Effect]) -> None:
        effects.append(("creak", self.state, message, now))

    def _bang(self, message: Any, now: float, effects: list[Effect]) -> None:
        effects.append(("bang", self.state, message, now))

    def _bounce(self, message: Any, now: float, effects: list[Effect]) -> None:
        effects += self.step(Event.KICK, "rebound", now)

    TABLE: ClassVar[Mapping[tuple[Any, Any], Row]] = {
        (State.OPEN, Event.PUSH): (State.SHUT, _creak, _bang),
        (State.OPEN, Event.KICK): (State.SHUT, _creak, _bounce, _bang),
        (State.SHUT, Event.KICK): (State.OPEN,),
    }
    IGNORED: ClassVar = frozenset({(State.SHUT, Event.PUSH)})


def test_the_actions_of_a_row_run_in_order_in_the_new_state() -> None:
    door = Door(State.OPEN)
    assert door.step(Event.PUSH, "gently", 1.5) == [
        ("creak", State.SHUT, "gently", 1.5),
        ("bang", State.SHUT, "gently", 1.5),
    ]
    assert door.state is State.SHUT


def test_a_row_without_actions_only_moves_the_state() -> None:
    door = Door(State.SHUT)
    assert door.step(Event.KICK, None, 0.0) == []
    assert door.state is State.OPEN


def test_a_pair_without_a_row_does_nothing() -> None:
    door = Door(State.SHUT)
    assert door.step(Event.PUSH, None, 0.0) == []
    assert door.state is State.SHUT


def test_an_action_may_take_a_step_itself() -> None:
    door = Door(State.OPEN)
    assert door.step(Event.KICK, "hard", 2.0) == [
        ("creak", State.SHUT, "hard", 2.0),
        ("bang", State.OPEN, "hard", 2.0),  # the step within has moved the state on
    ]


@pytest.mark.parametrize(
    ("table", "ignored", "expected"),
    [
        (Door.TABLE, Door.IGNORED, set()),
        (Door.TABLE, frozenset(), {(State.SHUT, Event.PUSH)}),
        ({}, Door.IGNORED, {(State.OPEN, Event.PUSH), (State.OPEN, Event.KICK), (State.SHUT, Event.KICK)}),
    ],
)
def test_a_pair_neither_in_the_table_nor_ignored_is_uncovered(
    table: Mapping[Any, Row], ignored: frozenset[Any], expected: set[tuple[State, Event]]
) -> None:
    class Changed(Door):
        __slots__ = ()
        TABLE = table
        IGNORED = ignored

    assert set(Changed.uncovered()) == expected


def test_nothing_is_ignored_unless_it_is_said() -> None:
    assert not Machine.IGNORED
