"""Many rows for one table, by a statement that is written once.

SQLAlchemy's own `insert` looks at each value of each row as if it had never seen the like, which takes several times
what the database does; and each call leaves five rows. Types and their processors are SQLAlchemy's here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, String, Table

MAX_TEXT = 500
"""Characters of a name or number that are kept: phones may call themselves anything."""

_MARKS = {"qmark": "?", "format": "%s", "pyformat": "%s"}
"""Of a value, as the drivers want it (PEP 249)."""


class Insertion:
    """Enters rows: values in the order of `names`, as the types of the columns have them."""

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self._table = table
        self._names = tuple(names)
        self._prepared: dict[str, tuple[str, list[Callable[[Any], Any] | None]]] = {}
        """The statement, and what is done with each value of a row, by dialect."""

    def __call__(self, connection: Connection, rows: Iterable[Sequence[object]]) -> None:
        """There has to be one row at least."""
        dialect = connection.dialect
        if dialect.name not in self._prepared:
            self._prepared[dialect.name] = self._prepare(dialect)
        statement, processors = self._prepared[dialect.name]
        connection.exec_driver_sql(
            statement,
            [
                tuple(
                    [
                        value if process is None or value is None else process(value)
                        for process, value in zip(processors, row, strict=True)
                    ]
                )
                for row in rows
            ],
        )

    def _prepare(self, dialect: Dialect) -> tuple[str, list[Callable[[Any], Any] | None]]:
        quote = dialect.identifier_preparer.quote
        names = ", ".join(map(quote, self._names))
        marks = ", ".join([_MARKS[dialect.paramstyle]] * len(self._names))
        types = [self._table.c[name].type for name in self._names]
        return f"INSERT INTO {quote(self._table.name)} ({names}) VALUES ({marks})", [
            storable if isinstance(each, String) else each.dialect_impl(dialect).bind_processor(dialect)
            for each in types
        ]


def storable(foreign: str) -> str:
    """What a database takes: no NUL and no half of a surrogate pair, which phones may send, and not for ever."""
    if len(foreign) <= MAX_TEXT and foreign.isprintable():  # as nearly all is
        return foreign
    return foreign[:MAX_TEXT].encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
