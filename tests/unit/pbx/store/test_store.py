"""The store: what is awaited, what is noted, in which order, and what happens while the database does not answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from pbx.store.database import Database
from pbx.store.errors import StoreUnavailable
from pbx.store.extensions import extensions
from pbx.store.store import Change, Store
from tests.unit.pbx.store.test_database import ROW


def add(number: str, connection: Connection) -> str:
    connection.execute(insert(extensions), ROW | {"number": number})
    return number


def numbers(connection: Connection) -> list[str]:
    return list(connection.scalars(select(extensions.c.number).order_by(extensions.c.number)))


def threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1)


def really(story: Callable[[Store], Coroutine[Any, Any, None]], database: Database) -> None:
    """Play a story with the store's threads, on a loop in real time."""

    async def played() -> None:
        store = Store(database, threads)
        try:
            await story(store)
        finally:
            await store.close()

    asyncio.run(played())


class Flaky(Database):
    """A database in memory that can be made to answer no more."""

    def __init__(self) -> None:
        self._inner = Database.memory()
        self.out = False
        self.asked = self.changes = 0
        self.durable = False

    def transact(self, change: Change[Any]) -> Any:
        self.asked += 1
        if self.out:
            raise StoreUnavailable("the database does not answer: pulled out")
        self.changes += 1
        return self._inner.transact(change)

    def query(self, query: Change[Any]) -> Any:
        return self._inner.query(query)

    def close(self) -> None:
        self._inner.close()


# -- with threads, on both databases -----------------------------------------------------------------------


def test_what_was_written_is_there_for_others(database: Database) -> None:
    async def story(store: Store) -> None:
        assert await store.write(partial(add, "100")) == "100"
        assert database.query(numbers) == ["100"]  # another connection
        assert store.read(numbers) == await store.fetch(numbers) == ["100"]

    really(story, database)


def test_who_reads_sees_what_was_noted_before(database: Database) -> None:
    async def story(store: Store) -> None:
        for number in range(100, 110):
            store.note(partial(add, str(number)))
        assert len(await store.fetch(numbers)) == 10
        assert len(store) == 0

    really(story, database)


def test_changes_keep_their_order(database: Database) -> None:
    """What is noted and what is written alike."""
    seen: list[int] = []

    def step(number: int, connection: Connection) -> None:
        seen.append(number)

    async def story(store: Store) -> None:
        for number in range(0, 40, 4):
            store.note(partial(step, number))
            first = asyncio.ensure_future(store.write(partial(step, number + 1)))
            second = asyncio.ensure_future(store.write(partial(step, number + 2)))
            await asyncio.sleep(0)  # both have begun
            await asyncio.gather(first, second)
            store.note(partial(step, number + 3))

    really(story, database)
    assert seen == list(range(40))


def test_a_caller_that_goes_away_withdraws_nothing(database: Database) -> None:
    async def story(store: Store) -> None:
        caller = asyncio.ensure_future(store.write(partial(add, "100")))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await store.write(partial(add, "101"))
        assert await store.fetch(numbers) == ["100", "101"]

    really(story, database)


def test_a_clean_end_writes_what_waits(database: Database) -> None:
    async def story(store: Store) -> None:
        for number in range(100, 1300):
            store.note(partial(add, str(number)))

    really(story, database)
    assert len(database.query(numbers)) == 1200


def test_a_closed_store_takes_nothing(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    async def story(store: Store) -> None:
        await store.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            await store.write(partial(add, "100"))
        store.note(partial(add, "100"))
        assert "facts are lost" in caplog.text

    really(story, database)


# -- in simulated time -------------------------------------------------------------------------------------


async def test_facts_go_together() -> None:
    database = Flaky()
    store = Store(database)
    for number in range(100, 400):
        store.note(partial(add, str(number)))
    await asyncio.sleep(1)
    assert len(store) == 0
    assert database.changes <= 2  # all of them, and what had them performed
    await store.close()


async def test_what_is_many_already_waits_for_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pbx.store.store.BATCH_SECONDS", 1000.0)
    database = Flaky()
    store, began = Store(database), asyncio.get_running_loop().time()
    store.note(partial(add, "100"))
    store.note(partial(add, "101"), at_once=True)
    await asyncio.sleep(1)
    assert (store.settled, asyncio.get_running_loop().time() - began < 1000) == (2, True)
    database.out = True
    store.note(partial(add, "102"), at_once=True)
    await asyncio.sleep(0.5)
    asked = database.asked
    for number in ("103", "104"):  # a database that is out is not asked more often for that
        store.note(partial(add, number), at_once=True)
        await asyncio.sleep(0.01)
    assert database.asked == asked
    database.out = False
    await asyncio.sleep(60)
    assert await store.fetch(numbers) == ["100", "101", "102", "103", "104"]
    await store.close()


async def test_facts_wait_while_the_database_is_out(caplog: pytest.LogCaptureFixture) -> None:
    database = Flaky()
    store = Store(database)
    database.out = True
    store.note(partial(add, "100"))
    with pytest.raises(StoreUnavailable, match="pulled out"):
        await store.write(partial(add, "101"))
    await asyncio.sleep(600)
    store.note(partial(add, "102"))
    assert await store.fetch(numbers) == []  # reading goes on
    assert [record.levelno for record in caplog.records] == [logging.WARNING]  # one line, not one a try
    assert "1 facts wait" in caplog.text
    database.out = False
    await asyncio.sleep(31)
    assert await store.fetch(numbers) == ["100", "102"]
    assert "is back" in caplog.text
    await store.close()


async def test_a_fact_that_cannot_be_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    store = Store(Flaky())
    for number in ("100", "100", "101"):
        store.note(partial(add, number))
    store.note(_wrong)
    store.note(partial(add, "102"))
    assert await store.fetch(numbers) == ["100", "101", "102"]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
        "a fact cannot be kept: LookupError: a mistake of ours"
    ]
    await store.close()


def _wrong(connection: Connection) -> None:
    raise LookupError("a mistake of ours")


async def test_no_more_facts_wait_than_fit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pbx.store.store.MAX_NOTES", 2)
    database = Flaky()
    store = Store(database)
    database.out = True
    for number in range(100, 110):
        store.note(partial(add, str(number)))
    assert len(store) == 2
    assert caplog.text.count("facts are lost") == 1
    database.out = False
    assert await store.fetch(numbers) == ["100", "101"]
    await store.close()


async def test_a_store_that_closes_while_the_database_is_out_says_what_is_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = Flaky()
    store = Store(database)
    database.out = True
    store.note(partial(add, "100"))
    await store.close()
    assert "1 facts are lost" in caplog.text
