"""Registrations that are noted together: what is kept of them is what would be, had each been noted by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, event, insert, select

from pbx.store.bindings import bindings, bindings_at, replace_bindings
from pbx.store.database import Database
from pbx.store.extensions import extensions
from pbx.store.insertion import ROWS
from pbx.store.store import OneOf, Store
from tests.unit.pbx.store.test_kept import BINDING, NOW
from tests.unit.pbx.store.test_store import add, threads

Row = dict[str, Any]
Fact = tuple[str, list[Row]]
"""An extension and its bindings."""

KNOWN = [str(number) for number in range(100, 104)]
NUMBERS = [*KNOWN, "999"]
"""The last is none, or none any more."""
BEGINNING = datetime(1, 1, 3, tzinfo=UTC)
TEXTS = ["", "sip:100@10.0.0.1", "\x00\udcff'", "\N{PILE OF POO}"]

rows = st.fixed_dictionaries(
    {
        "contact": st.sampled_from(TEXTS),
        "transport": st.sampled_from(["UDP", "TCP", "TLS"]),
        "host": st.sampled_from(["10.0.0.1", "::1"]),
        "port": st.integers(0, 65535),
        "expires_at": st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 28), timezones=st.timezones()),
        "q": st.floats(0, 1),
        "instance": st.none() | st.sampled_from(TEXTS),
        "reg_id": st.none() | st.sampled_from(TEXTS),
        "path": st.sampled_from(TEXTS),
        "call_id": st.sampled_from(TEXTS),
        "cseq": st.integers(0, 2**32 - 1),
        "user_agent": st.sampled_from(TEXTS),
    }
)
facts = st.tuples(st.sampled_from(NUMBERS), st.lists(rows, max_size=3))
histories = st.lists(st.lists(facts, min_size=1, max_size=8), max_size=6)
"""What is noted together, again and again."""


def plainly(fact: Fact, connection: Connection) -> None:
    """Note the bindings of one extension as simply as that can be done."""
    number, rows = fact
    connection.execute(delete(bindings).where(bindings.c.extension == number))
    if connection.scalar(select(extensions.c.number).where(extensions.c.number == number)) is not None:
        for position, row in enumerate(rows):
            connection.execute(insert(bindings), row | {"extension": number, "position": position})


def kept(history: Sequence[Sequence[Fact]], database: Database, *, by: str) -> list[list[Row]]:
    """What a database that knows some extensions, and no bindings, has after each of the steps."""
    found = []
    database.transact(lambda connection: connection.execute(delete(bindings)))
    for together in history:
        if by == "batch":
            database.transact(partial(replace_bindings, together))
        else:
            for fact in together:
                database.transact(partial(plainly, fact))
        found.append(database.query(partial(bindings_at, BEGINNING)))
    return found


def remembered() -> Database:
    return Database.memory(lambda connection: [add(number, connection) for number in KNOWN])


@pytest.fixture
def known(database: Database) -> Database:
    for number in KNOWN:
        database.transact(partial(add, number))
    return database


# -- the same as one by one --------------------------------------------------------------------------------


@given(histories)
def test_whatever_comes_together_is_kept_as_if_it_had_come_alone(history: list[list[Fact]]) -> None:
    database = remembered()
    assert kept(history, database, by="batch") == kept(history, database, by="one")
    database.close()


@pytest.mark.parametrize("seed", range(3))
def test_so_it_is_in_both_databases(known: Database, seed: int) -> None:
    random = Random(seed)
    history = [
        [(random.choice(NUMBERS), some_rows(random)) for _ in range(random.choice([1, 3, 2 * ROWS]))]
        for _ in range(12)
    ]
    batch = kept(history, known, by="batch")
    assert batch == kept(history, known, by="one")
    assert any(batch)


def some_rows(random: Random) -> list[Row]:
    """Of an extension; a refresh is as likely as another phone."""
    return [
        BINDING
        | {
            "contact": random.choice(TEXTS),
            "port": random.randrange(65536),
            "instance": random.choice([None, *TEXTS]),
            "reg_id": random.choice([None, *TEXTS]),
            "q": random.random(),
            "cseq": random.choice([1, 2**31, 2**32 - 1]),
            "expires_at": NOW + timedelta(seconds=random.random() * 3600),
        }
        for _ in range(random.randrange(4))
    ]


def test_a_refresh_takes_two_statements_however_many_come() -> None:
    """And deletes nothing: the rows that are there get their new expiry."""
    database = remembered()
    database.transact(partial(replace_bindings, [(number, [BINDING]) for number in KNOWN]))
    said: list[str] = []
    later = BINDING | {"expires_at": NOW + timedelta(seconds=300), "cseq": 2}
    event.listen(
        database.engine, "before_cursor_execute", lambda _, cursor, statement, *more: said.append(statement)
    )
    database.transact(partial(replace_bindings, [(number, [later]) for number in KNOWN]))
    assert [statement.split()[0] for statement in said] == ["BEGIN", "SELECT", "INSERT"]
    found = database.query(partial(bindings_at, NOW))
    assert found == [later | {"extension": number, "position": 0} for number in KNOWN]
    database.close()


# -- one that cannot be kept -------------------------------------------------------------------------------


BAD = BINDING | {"cseq": 2**70}
"""No database has room for that."""


@pytest.mark.parametrize("bad_one", [0, 1, 2])
def test_a_row_that_cannot_be_kept_takes_no_other_with_it(
    known: Database, caplog: pytest.LogCaptureFixture, bad_one: int
) -> None:
    noted: list[Fact] = [("100", [BINDING]), ("101", [BINDING, BINDING]), ("102", [BINDING])]
    noted[bad_one] = (noted[bad_one][0], [BINDING, BAD])
    before: Fact = (noted[bad_one][0], [BINDING | {"cseq": 7}])

    async def story() -> None:
        store = Store(known, threads)
        try:
            for fact in (before, *noted):
                store.note(OneOf(replace_bindings, fact))
            await store.flush()
            assert len(store) == 0
        finally:
            await store.close()

    asyncio.run(story())
    noted[bad_one] = before
    assert caplog.text.count("a fact cannot be kept") == 1
    assert known.query(partial(bindings_at, NOW)) == list(numbered(noted))


def numbered(noted: Sequence[Fact]) -> Iterator[Row]:
    """As they come back."""
    for number, rows in noted:
        for position, row in enumerate(rows):
            yield row | {"extension": number, "position": position}


async def test_facts_keep_their_order_among_other_changes() -> None:
    """Those of one kind that stand one behind another go together, and none passes another change."""
    said: list[object] = []

    def first(facts: Sequence[int], connection: Connection) -> None:
        said.append(["first", *facts])

    def second(facts: Sequence[int], connection: Connection) -> None:
        said.append(["second", *facts])

    store = Store(Database.memory())
    for number in (1, 2):
        store.note(OneOf(first, number))
    store.note(lambda connection: said.append("other"))
    store.note(OneOf(first, 3))
    for number in (4, 5):
        store.note(OneOf(second, number))
    await store.flush()
    assert said == [["first", 1, 2], "other", ["first", 3], ["second", 4, 5]]
    assert store.settled == 6
    await store.close()
