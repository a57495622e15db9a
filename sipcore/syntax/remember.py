"""What is parsed once: a value of a message, and a text that comes again and again.

A stranger cannot fill the memory with more than it is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

MAX_CHARACTERS = 256
"""Longer texts are parsed anew each time."""
MAX_PARAMETERS = 16
"""So are those with more: what takes the most when it is parsed are short parameters. Of a text that is not all ASCII,
whose characters may take four times as much, both count twice. So all memories together take no more than some 130 MB,
whatever somebody fills them with."""

Key = TypeVar("Key")
Value = TypeVar("Value")


def remembered(entries: int) -> Callable[[Callable[[str], Value]], Callable[[str], Value]]:
    """Remember the values of so many texts, and of as many before them; those that nobody asks for are forgotten."""

    def decorate(parse: Callable[[str], Value]) -> Callable[[str], Value]:
        return _Memory(parse, entries).__getitem__  # type: ignore[return-value]  # never None, for it parses

    return decorate


def memory(entries: int) -> Callable[[Callable[[str], Value]], Mapping[str, Value]]:
    """The same, to be looked up (`values[text]`), which takes less than a call: for what each message is made of."""

    def decorate(parse: Callable[[str], Value]) -> Mapping[str, Value]:
        return _Memory(parse, entries)

    return decorate


class Recent(dict[Key, Any], Generic[Key, Value]):
    """The values of so many keys, and of as many before them; those that nobody asks for are forgotten.

    What is known is found without a call of any Python function: this runs dozens of times for each message.
    """

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._before: dict[Key, Value] = {}
        """What was known when the memory was last full: who goes on being asked for comes back from there."""

    if TYPE_CHECKING:

        def __getitem__(self, key: Key) -> Value | None: ...

    def __missing__(self, key: Key) -> Value | None:
        value = self._before.get(key)
        if value is not None:
            self.keep(key, value)
        return value

    def keep(self, key: Key, value: Value) -> None:
        """Remember a value."""
        if len(self) >= self._entries:
            self.turn()
        self[key] = value

    def turn(self) -> None:
        """Begin anew; what is known is what was known before."""
        self._before = self.copy()
        self.clear()


class _Memory(Recent[str, Any]):
    """What a function has made of texts."""

    def __init__(self, parse: Callable[[str], Any], entries: int) -> None:
        super().__init__(entries)
        self._parse = parse

    def __missing__(self, text: str) -> Any:
        value = self._before.get(text) or self._parse(text)
        size, parameters = len(text), text.count(";") + text.count("&")
        if not text.isascii():
            size, parameters = size * 2, parameters * 2
        if size <= MAX_CHARACTERS and parameters <= MAX_PARAMETERS:
            # `keep`, without the call
            if len(self) >= self._entries:
                self.turn()
            self[text] = value
        return value


class kept(Generic[Value]):
    """A property that is worked out when it is first asked for, and an attribute like any other from then on.

    It is `functools.cached_property` without the lock, which costs more than most of what is kept here.
    """

    def __init__(self, work_out: Callable[[Any], Value]) -> None:
        self._work_out = work_out
        self.__doc__ = work_out.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, owner: Any, kind: type | None = None) -> Value:
        if owner is None:
            return self  # type: ignore[return-value]  # only who looks at the class sees it
        value = self._work_out(owner)
        setattr(owner, self._name, value)
        return value

    if TYPE_CHECKING:  # whoever knows the value may say so

        def __set__(self, owner: Any, value: Value) -> None: ...
