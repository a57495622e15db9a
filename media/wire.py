"""Commands and events as bytes, for the pair between the switch and a worker.

Each is a list of plain values, the first of which is the number of its class, and `marshal` prints a list of them.
Pickles name each class and each field anew in every piece, which took five times as long. Both ends have to be of one
version: what a parent that has been running since before an update starts from the disk may be of another.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterable
from dataclasses import fields
from enum import Enum
from operator import attrgetter
from typing import Any, Final, get_args
from zlib import crc32

from media.messages import Command, Event, RecordingEnd, Statistics
from media.plan import Codec, Direction, SrtpKeys, SrtpSuite, StreamPlan
from media.ticker import Punctuality
from media.tones import Tone
from media.upward_log import LogLine

_Way = Callable[[Any], Any]
"""From a value to plain ones, or back."""

_NESTED: dict[str, type[Any]] = {
    "plan": StreamPlan,
    "codec": Codec,
    "direction": Direction,
    "srtp": SrtpKeys,
    "suite": SrtpSuite,
    "tone": Tone,
    "reason": RecordingEnd,
    "statistics": Statistics,
    "punctuality": Punctuality,
}
"""Fields, of whatever class, that are not plain themselves; or are None."""


def dumps(values: Iterable[object]) -> bytes:
    """Print messages. Raises ValueError for what is none, unless it is a number or text."""
    return marshal.dumps([_PRINTERS.get(type(value), _itself)(value) for value in values])


def loads(data: bytes | bytearray) -> list[Any]:
    """What was printed. Raises ValueError, TypeError, EOFError or IndexError for anything else."""
    values = marshal.loads(data)
    if type(values) is not list:
        raise ValueError("no list of messages")
    return [_READERS[value[0]](value) if type(value) is list else value for value in values]


def _itself(value: object) -> object:
    return value


def _ways(kind: type[Any], *number: int) -> tuple[_Way, _Way]:
    """To plain values, behind a number if there is one, and back."""
    if issubclass(kind, Enum):
        members = list(kind)
        return {member: index for index, member in enumerate(members)}.__getitem__, members.__getitem__
    first, names = len(number), [field.name for field in fields(kind)]
    nested = [(index, *_ways(_NESTED[name])) for index, name in enumerate(names, first) if name in _NESTED]
    get = attrgetter(*names) if len(names) > 1 else _tuple_of(*names)

    def to_plain(value: Any) -> list[Any]:
        values = [*number, *get(value)]
        for index, there, _ in nested:
            if values[index] is not None:
                values[index] = there(values[index])
        return values

    def from_plain(values: list[Any]) -> Any:
        for index, _, back in nested:
            if values[index] is not None:
                values[index] = back(values[index])
        return kind(*values[first:])

    return to_plain, from_plain


def _tuple_of(*names: str) -> Callable[[Any], tuple[Any, ...]]:
    """Gets the tuple of no value, or of one."""
    if not names:
        return lambda _: ()
    get = attrgetter(*names)
    return lambda value: (get(value),)


_KINDS = (*get_args(Command), *get_args(Event), LogLine)
_PRINTERS = {kind: _ways(kind, number)[0] for number, kind in enumerate(_KINDS)}
_READERS = [_ways(kind, number)[1] for number, kind in enumerate(_KINDS)]


def _shape(kind: type[Any]) -> tuple[str, list[str]]:
    names = [each.name for each in (list(kind) if issubclass(kind, Enum) else fields(kind))]
    return kind.__qualname__, names


VERSION: Final = f"{crc32(repr([*map(_shape, (*_KINDS, *_NESTED.values()))]).encode()):08x}"
"""Another where a message, or what is in it, has changed its place or its fields."""
