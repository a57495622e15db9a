"""Many rows for one table, by statements that are written once.

SQLAlchemy's own `insert` looks at each value of each row as if it had never seen the like, which takes several times
what the database does; and each call leaves three rows. Here values are made ready a column at a time, which is most
often one look at all of them, and many rows go by one statement: the database lets other threads go on, and has to wait
for them, at each. Types and their processors are SQLAlchemy's here too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Connection, Dialect, Integer, Numeric, String, Table, Text
from sqlalchemy.types import TypeEngine

from pbx.moments import moment_of, utc_text
from pbx.store.schema import Moment
from values import dataclass

MAX_TEXT = 500
"""Characters of a name or number that are kept: phones may call themselves anything."""
ROWS = 128
"""Of one statement, at most; what is left over goes by statements of half as many, and so on."""
MAX_VALUES = 65_535
"""Of one statement of PostgreSQL, which numbers them by 16 bits."""

_Values = Sequence[Any]
"""Of one column."""
_Process = Callable[[_Values], _Values]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """For one dialect."""

    statements: list[tuple[int, str]]
    """How many rows at once, and the statement for them, the most first; the last one is for a single row."""
    processes: list[tuple[int, _Process]]
    """What is done with the values of a column, by its place."""


class Insertion:
    """Enters rows: values in the order of `names`, as the types of the columns have them, but JSON as its text; and an
    empty text is not for a column that may be NULL.

    With `replaces` a row that is there already, by its primary key, is overwritten; none may be given twice, unless a
    primary key is all there is of it. With `moments_as_texts` those are given as `utc_text` has them.
    """

    def __init__(
        self, table: Table, names: Sequence[str], *, replaces: bool = False, moments_as_texts: bool = False
    ) -> None:
        self._table = table
        self._names = tuple(names)
        self._replaces = replaces
        self._moments_as_texts = moments_as_texts
        self._prepared: dict[str, _Prepared] = {}

    def __call__(self, connection: Connection, rows: Iterable[Sequence[object]]) -> None:
        """There has to be one row at least."""
        dialect = connection.dialect
        prepared = self._prepared.get(dialect.name)
        if prepared is None:
            prepared = self._prepared[dialect.name] = self._prepare(connection)
        columns: list[_Values] = list(zip(*rows, strict=True))
        for index, process in prepared.processes:
            columns[index] = process(columns[index])
        ready = list(zip(*columns, strict=True))
        start = 0
        for count, statement in prepared.statements:
            while len(ready) - start >= count:
                connection.exec_driver_sql(statement, tuple(chain.from_iterable(ready[start : start + count])))
                start += count

    def _prepare(self, connection: Connection) -> _Prepared:
        dialect = connection.dialect
        quote = dialect.identifier_preparer.quote
        columns = [self._table.c[name] for name in self._names]
        names = ", ".join(quote(column.name) for column in columns)
        marks = f"({', '.join(_mark(column, dialect) for column in columns)})"
        as_texts = self._moments_as_texts
        found = ((index, _process(column, dialect, as_texts)) for index, column in enumerate(columns))
        processes = [(index, process) for index, process in found if process is not None]
        head = f"INSERT INTO {quote(self._table.name)} ({names}) VALUES "
        tail = _over(columns, quote) if self._replaces else ""
        most = max(1, _most_values(connection) // len(columns))
        counts = [count for halves in range(ROWS.bit_length()) if (count := ROWS >> halves) <= most]
        return _Prepared([(count, head + ", ".join([marks] * count) + tail) for count in counts], processes)


def _most_values(connection: Connection) -> int:
    """Of one statement: SQLite before 3.32 takes 999, unless it was built for more."""
    driver = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        return driver.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
    return MAX_VALUES


def _over(columns: Iterable[Column[Any]], quote: Callable[[str], str]) -> str:
    """What has a row overwrite that with the same primary key."""
    key = ", ".join(quote(column.name) for column in columns if column.primary_key)
    names = [quote(column.name) for column in columns if not column.primary_key]
    if not names:
        return f" ON CONFLICT ({key}) DO NOTHING"
    return f" ON CONFLICT ({key}) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in names)}"


def _mark(column: Column[Any], dialect: Dialect) -> str:
    """Of a value, as the driver wants it (PEP 249)."""
    if _asks_each(dialect) and column.nullable:
        return "nullif(?, '')"
    return {"qmark": "?", "format": "%s", "pyformat": "%s"}[dialect.paramstyle]


def _asks_each(dialect: Dialect) -> bool:
    """Whether the driver asks each value that is no plain number or text, as None, how it wants to be adapted: that
    takes longer than to enter it."""
    return dialect.name == "sqlite"


def _process(column: Column[Any], dialect: Dialect, moments_as_texts: bool) -> _Process | None:
    """What makes values such that the driver takes them as they are; None where they are so."""
    if moments_as_texts and isinstance(column.type, Moment):
        process = None if _asks_each(dialect) else _each(moment_of)
    else:
        process = _process_of(column.type, dialect)
    if not (_asks_each(dialect) and column.nullable):
        return process
    return lambda values: [
        "" if value is None else value for value in (process(values) if process else values)
    ]


def _process_of(type_: TypeEngine[Any], dialect: Dialect) -> _Process | None:
    if isinstance(type_, Text):
        return _storable
    if isinstance(type_, Boolean) and _asks_each(dialect):
        return lambda values: [None if value is None else +value for value in values]
    if isinstance(type_, String | Boolean | Numeric | Integer | JSON):
        return None
    if isinstance(type_, Moment) and _asks_each(dialect):
        return _moments
    processor: Callable[[Any], Any] | None = type_.dialect_impl(dialect).bind_processor(dialect)
    if processor is None:
        return None
    return _each(processor)


def _each(processor: Callable[[Any], Any]) -> _Process:
    return lambda values: [None if value is None else processor(value) for value in values]


def _moments(values: _Values) -> _Values:
    return [None if value is None else utc_text(value) for value in values]


def _storable(values: _Values) -> _Values:
    texts = list(filter(None, values))
    if "".join(texts).isprintable() and max(map(len, texts), default=0) <= MAX_TEXT:  # as nearly all are
        return values
    return [text and storable(text) for text in values]


def storable(foreign: str) -> str:
    """What a database takes: no NUL and no half of a surrogate pair, which phones may send, and not for ever."""
    if len(foreign) <= MAX_TEXT and foreign.isprintable():  # as nearly all is
        return foreign
    return foreign[:MAX_TEXT].encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
