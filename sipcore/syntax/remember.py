"""A memory for what is parsed again and again, which a stranger cannot fill with more than it is worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

MAX_CHARACTERS = 256
"""Longer texts are parsed anew each time."""

Value = TypeVar("Value")


def remembered(entries: int) -> Callable[[Callable[[str], Value]], Callable[[str], Value]]:
    """Remember the values of so many texts; then begin anew."""

    def decorate(parse: Callable[[str], Value]) -> Callable[[str], Value]:
        return _Memory(parse, entries).__getitem__

    return decorate


class _Memory(dict[str, Any]):
    """What is known is found without a call of any Python function: this runs dozens of times for each message."""

    def __init__(self, parse: Callable[[str], Any], entries: int) -> None:
        self._parse = parse
        self._entries = entries

    def __missing__(self, text: str) -> Any:
        value = self._parse(text)
        if len(text) <= MAX_CHARACTERS:
            if len(self) >= self._entries:
                self.clear()
            self[text] = value
        return value
