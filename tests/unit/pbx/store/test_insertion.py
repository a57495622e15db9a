"""Many rows entered at once are those that SQLAlchemy's own statement enters one by one, on both databases."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    select,
)

from pbx.moments import utc_text
from pbx.store.database import Database
from pbx.store.insertion import MAX_TEXT, ROWS, Insertion
from pbx.store.schema import Moment

Row = tuple[int, str, bool, float | None, datetime, datetime | None, str | None, tuple[str, ...]]

table = Table(
    "test_insertion",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("call", Text, nullable=False),
    Column("flag", Boolean, nullable=False),
    Column("share", Float),
    Column("at", Moment, nullable=False),
    Column("until", Moment),
    Column("word", String(8)),
    Column("reasons", JSON, nullable=False),
)
NAMES = [column.name for column in table.c]
enter = Insertion(table, NAMES)
enter_texts = Insertion(table, NAMES, moments_as_texts=True)
MOMENTS = [index for index, column in enumerate(table.c) if isinstance(column.type, Moment)]
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def entered(database: Database, rows: Sequence[Row], *, by: str) -> list[Row]:
    """What the table has of rows that were entered `by` one of the two ways."""

    def change(connection: Connection) -> list[Row]:
        table.create(connection)
        if by == "insertion":
            enter(connection, list(map(written, rows)))
        elif by == "insertion of texts":
            enter_texts(connection, [with_moments_as_texts(written(row)) for row in rows])
        else:
            connection.execute(table.insert(), [dict(zip(NAMES, row, strict=True)) for row in rows])
        found = [
            (*row[:-1], tuple(row[-1])) for row in connection.execute(select(table).order_by(table.c.id))
        ]
        table.drop(connection)
        return found

    return database.transact(change)


def written(row: Row) -> tuple[object, ...]:
    """With its JSON as text."""
    return (*row[:-1], json.dumps(row[-1]))


def with_moments_as_texts(row: tuple[Any, ...]) -> tuple[object, ...]:
    return tuple([value and utc_text(value) if index in MOMENTS else value for index, value in enumerate(row)])


def row(number: int) -> Row:
    at = AT + timedelta(days=number, microseconds=number)
    reasons, word = ("é", str(number % 4)), "a" * (number % 3) or None
    if number % 2:
        return (
            number,
            f"call {number}",
            True,
            None,
            at,
            at.astimezone(timezone(timedelta(hours=-5))),
            word,
            reasons,
        )
    return number, f"call {number}", False, number / 4, at, None, word, reasons


@pytest.mark.parametrize("count", [1, 2, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS, 3 * ROWS + 7])
def test_as_many_as_are_given_are_there(database: Database, count: int) -> None:
    rows = [row(number) for number in range(count)]
    assert entered(database, rows, by="insertion") == entered(database, rows, by="sqlalchemy") == rows
    assert entered(database, rows, by="insertion of texts") == rows


def test_a_statement_has_no_more_values_than_the_database_takes() -> None:
    """SQLite before 3.32 takes 999; more would fail, and a batch of calls be lost."""
    database, few = Database.memory(), Insertion(table, NAMES)

    def change(connection: Connection) -> Sequence[int]:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
        table.create(connection)
        few(connection, [written(row(number)) for number in range(3 * ROWS)])
        return connection.scalars(select(table.c.id).order_by(table.c.id)).all()

    assert database.transact(change) == list(range(3 * ROWS))
    database.close()


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(min_codepoint=32, max_codepoint=126)),
            st.booleans(),
            st.none() | st.floats(allow_nan=False, width=32),
            st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 28), timezones=st.timezones()),
            st.none() | st.datetimes(datetime(1990, 1, 1), timezones=st.just(UTC)),
        ),
        min_size=1,
        max_size=ROWS + 5,
    )
)
def test_every_value_is_kept_as_sqlalchemy_keeps_it(
    some: list[tuple[str, bool, float | None, datetime, datetime | None]],
) -> None:
    database = Database.memory()
    rows: list[Row] = [(number, *values, None, ()) for number, values in enumerate(some)]
    expected = entered(database, rows, by="sqlalchemy")
    assert entered(database, rows, by="insertion") == entered(database, rows, by="insertion of texts") == expected
    database.close()


@pytest.mark.parametrize("count", [1, ROWS + 1])
def test_rows_that_are_there_are_overwritten_if_that_is_wanted(database: Database, count: int) -> None:
    replace = Insertion(table, NAMES, replaces=True)
    others = [row(number) for number in range(count // 2, 2 * count)]
    rows = [(number, *row(number + 3)[1:]) for number in range(count)]

    def change(connection: Connection) -> list[Any]:
        table.create(connection)
        enter(connection, list(map(written, others)))
        replace(connection, list(map(written, rows)))
        found = list(connection.execute(select(table).order_by(table.c.id)))
        table.drop(connection)
        return found

    found = [(*each[:-1], tuple(each[-1])) for each in database.transact(change)]
    assert found == rows + others[count - count // 2 :]


def test_what_is_there_already_and_all_key_is_left_alone(database: Database) -> None:
    pairs = Table("test_pairs", MetaData(), Column("a", Text, primary_key=True), Column("b", Text, primary_key=True))
    put = Insertion(pairs, ["a", "b"], replaces=True)

    def change(connection: Connection) -> list[Any]:
        pairs.create(connection)
        put(connection, [("1", "2")])
        put(connection, [("1", "2"), ("1", "3"), ("1", "3")] * ROWS)
        found = list(connection.execute(select(pairs).order_by(pairs.c.b)))
        pairs.drop(connection)
        return found

    assert database.transact(change) == [("1", "2"), ("1", "3")]


def test_what_no_database_takes_is_changed_and_the_rest_of_its_column_is_not(database: Database) -> None:
    texts = ["plain", "nul \0", "x" * (MAX_TEXT + 1), "half \ud800", "", "line\nend"]
    rows: list[Row] = [(number, text, True, None, AT, None, None, ()) for number, text in enumerate(texts)]
    kept = [row[1] for row in entered(database, rows, by="insertion")]
    assert kept == ["plain", "nul \N{REPLACEMENT CHARACTER}", "x" * MAX_TEXT, "half ?", "", "line\nend"]


def test_a_moment_needs_its_time_zone(database: Database) -> None:
    rows: list[Row] = [(1, "", True, None, datetime(2026, 1, 2), None, None, ())]
    with pytest.raises(Exception, match="time zone"):
        entered(database, rows, by="insertion")
