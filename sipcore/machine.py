"""Table-driven state machines: the form in which every protocol table of this package is written.

A table maps `(state, event)` to `(next state, action, action, ...)`. An action is a method
`(self, message, now, effects) -> None` that appends what should happen to `effects`. A pair that is
neither in `TABLE` nor in `IGNORED` is a hole in the design; `uncovered()` names such pairs for the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, ClassVar

from sipcore.effects import Effect

Action = Callable[[Any, Any, float, list[Effect]], None]
Row = tuple[Any, ...]
"""(next state, action, ...)"""


class Machine:
    """A state that moves only as `TABLE` says. Subclasses set `States`, `Events`, `TABLE`, `IGNORED`."""

    __slots__ = ("state",)

    States: ClassVar[type[Enum]]
    Events: ClassVar[type[Enum]]
    TABLE: ClassVar[Mapping[tuple[Any, Any], Row]]
    IGNORED: ClassVar[frozenset[tuple[Any, Any]]] = frozenset()

    state: Any

    def step(self, event: Enum, message: Any, now: float) -> list[Effect]:
        """Feed one event; return the effects. The new state is in force before the actions run."""
        effects: list[Effect] = []
        row = self.TABLE.get((self.state, event))
        if row is not None:
            self.state = row[0]
            for action in row[1:]:
                action(self, message, now, effects)
        return effects

    @classmethod
    def uncovered(cls) -> Iterable[tuple[Enum, Enum]]:
        """The (state, event) pairs that nobody has decided about; the tests want none."""
        for state in cls.States:
            for event in cls.Events:
                if (state, event) not in cls.TABLE and (state, event) not in cls.IGNORED:
                    yield state, event
