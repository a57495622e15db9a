"""Many rows for one table, by a statement that is written once.

SQLAlchemy's own `insert` looks at each value of each row as if it had never seen the like, which takes several times
what the database does; and each call leaves five rows. Types and their processors are SQLAlchemy's here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Boolean, Connection, Dialect, Integer, Numeric, String, Table, Text
from sqlalchemy.types import TypeEngine

MAX_TEXT = 500
"""Characters of a name or number that are kept: phones may call themselves anything."""

_MARKS = {"qmark": "?", "format": "%s", "pyformat": "%s"}
"""Of a value, as the drivers want it (PEP 249)."""


_Processors = list[tuple[int, Callable[[Any], Any]]]
"""By the place of the value in its row."""


class Insertion:
    """Enters rows: values in the order of `names`, as the types of the columns have them."""

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self._table = table
        self._names = tuple(names)
        self._prepared: dict[str, tuple[str, _Processors]] = {}
        """The statement, and what is done with values of a row, by dialect."""

    def __call__(self, connection: Connection, rows: Iterable[Sequence[object]]) -> None:
        """There has to be one row at least."""
        dialect = connection.dialect
        if dialect.name not in self._prepared:
            self._prepared[dialect.name] = self._prepare(dialect)
        statement, processors = self._prepared[dialect.name]
        prepared = []
        for row in rows:
            values = list(row)
            for index, process in processors:
                if values[index] is not None:
                    values[index] = process(values[index])
            prepared.append(tuple(values))
        connection.exec_driver_sql(statement, prepared)

    def _prepare(self, dialect: Dialect) -> tuple[str, _Processors]:
        quote = dialect.identifier_preparer.quote
        names = ", ".join(map(quote, self._names))
        marks = ", ".join([_MARKS[dialect.paramstyle]] * len(self._names))
        found = ((index, _processor(self._table.c[name].type, dialect)) for index, name in enumerate(self._names))
        processors = [(index, process) for index, process in found if process is not None]
        return f"INSERT INTO {quote(self._table.name)} ({names}) VALUES ({marks})", processors


def _processor(type_: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """What makes a value one that the driver takes; None for numbers and our own words, which it takes as they are."""
    if isinstance(type_, Text):
        return storable
    if isinstance(type_, String | Boolean | Numeric | Integer):
        return None
    processor: Callable[[Any], Any] | None = type_.dialect_impl(dialect).bind_processor(dialect)
    return processor


def storable(foreign: str) -> str:
    """What a database takes: no NUL and no half of a surrogate pair, which phones may send, and not for ever."""
    if len(foreign) <= MAX_TEXT and foreign.isprintable():  # as nearly all is
        return foreign
    return foreign[:MAX_TEXT].encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
