"""What a caller means by the keys that he has pressed so far: pure, and told key by key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from values import dataclass

END = "#"
"""Ends a number, where the menu has no use for the key."""


class Meaning(Enum):
    """What to do with what was pressed."""

    KEY = "key"
    """It is a key of the menu."""
    NUMBER = "number"
    """It is a number that can be dialled."""
    WRONG = "wrong"
    """It is nothing, and becomes nothing."""
    MORE = "more"
    """Another key may follow."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be chosen: keys of the menu, and numbers."""

    keys: Mapping[str, str]
    numbers: frozenset[str] = frozenset()

    @classmethod
    def of(cls, keys: Mapping[str, str], numbers: Iterable[str] = ()) -> Choices:
        """Those of a menu."""
        return cls(keys, frozenset(numbers))

    def read(self, pressed: str) -> Meaning:
        """The meaning of what was pressed so far, in which no pause has been."""
        if pressed.endswith(END) and END not in self.keys:
            return self.decide(pressed.removesuffix(END))
        if any(number.startswith(pressed) and number != pressed for number in self.numbers):
            return Meaning.MORE
        return self.decide(pressed)

    def decide(self, pressed: str) -> Meaning:
        """The meaning where nothing follows: numbers go before keys."""
        if pressed in self.numbers:
            return Meaning.NUMBER
        return Meaning.KEY if pressed in self.keys else Meaning.WRONG
