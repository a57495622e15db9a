"""A memory for what is parsed again and again, which a stranger cannot fill with more than it is worth."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

MAX_CHARACTERS = 256
"""Longer texts are parsed anew each time."""

Value = TypeVar("Value")


def remembered(entries: int) -> Callable[[Callable[[str], Value]], Callable[[str], Value]]:
    """Remember the values of so many texts."""

    def decorate(parse: Callable[[str], Value]) -> Callable[[str], Value]:
        known = lru_cache(maxsize=entries)(parse)

        @wraps(parse)
        def look_up(text: str) -> Value:
            return known(text) if len(text) <= MAX_CHARACTERS else parse(text)

        return look_up

    return decorate
