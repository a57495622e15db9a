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
from typing import Any, Final, get_args
from zlib import crc32

from media.messages import NOTHING, Command, Event, RecordingEnd, Statistics
from media.plan import Codec, Direction, SrtpKeys, SrtpSuite, StreamPlan
from media.ticker import Punctuality
from media.tones import Tone
from media.upward_log import LogLine
from values import reader

_Way = Callable[..., Any]
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
"""Fields, of whatever class, that are not plain themselves."""
_EMPTY = {"statistics": NOTHING, "srtp": None}
"""What None stands for in place of some of them: a call in which nobody speaks has two of the former."""


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
    """To a list of plain values, behind a number if there is one; and back.

    Both are written for the class, as `values` does it for `__init__`: a call has seven messages with a hundred fields.
    """
    known: dict[str, Any] = {}
    printed, ways = [*map(str, number)], {}
    for field in fields(kind):
        name, there, back = field.name, f"value.{field.name}", field.name
        nested = _NESTED.get(name)
        if nested is not None:
            if issubclass(nested, Enum):
                members = list(nested)
                known[f"number_of_{name}"] = {member: index for index, member in enumerate(members)}
                known[f"members_of_{name}"] = members
                there, back = f"number_of_{name}[{there}]", f"members_of_{name}[{back}]"
            else:
                known[f"print_{name}"], known[f"read_{name}"] = _ways(nested)
                there, back = f"print_{name}({there})", f"read_{name}({back})"
            if name in _EMPTY:
                known[f"empty_{name}"] = _EMPTY[name]
                there = f"None if value.{name} is empty_{name} else {there}"
                back = f"empty_{name} if {name} is None else {back}"
        printed.append(there)
        ways[name] = back
    return eval(f"lambda value: [{', '.join(printed)}]", known), reader(kind, ways, known, behind=len(number))


_KINDS = (*get_args(Command), *get_args(Event), LogLine)
_WAYS = [_ways(kind, number) for number, kind in enumerate(_KINDS)]
_PRINTERS = {kind: to_plain for kind, (to_plain, _) in zip(_KINDS, _WAYS, strict=True)}
_READERS = [from_plain for _, from_plain in _WAYS]


def _shape(kind: type[Any]) -> tuple[str, list[str]]:
    names = [each.name for each in (list(kind) if issubclass(kind, Enum) else fields(kind))]
    return kind.__qualname__, names


VERSION: Final = f"{crc32(repr([*map(_shape, (*_KINDS, *_NESTED.values())), *_EMPTY]).encode()):08x}"
"""Another where a message, or what is in it, has changed its place or its fields."""
