"""Databases of both kinds: whole transactions, references, and how failures are told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import DBAPIError

from pbx.store.database import Database
from pbx.store.errors import Conflict, StoreError, StoreUnavailable
from pbx.store.extensions import extensions
from pbx.store.statuses import set_status

ROW: dict[str, Any] = {"number": "100", "realm": "myphone", "ha1_md5": "0" * 32, "ha1_sha256": "0" * 64}


def add(connection: Connection) -> None:
    connection.execute(insert(extensions), ROW)


def numbers(connection: Connection) -> list[str]:
    return list(connection.scalars(select(extensions.c.number).order_by(extensions.c.number)))


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another program that keeps the file to itself."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.rollback()
    other.close()


def test_a_change_is_kept(database: Database) -> None:
    database.transact(add)
    assert database.query(numbers) == ["100"]


def test_a_change_that_raises_is_taken_back_whole(database: Database) -> None:
    def change(connection: Connection) -> None:
        add(connection)
        raise LookupError("on second thoughts")

    with pytest.raises(LookupError):
        database.transact(change)
    assert database.query(numbers) == []


def test_a_row_that_cannot_be_is_a_conflict(database: Database) -> None:
    database.transact(add)
    with pytest.raises(Conflict) as failure:
        database.transact(add)
    assert ROW["ha1_md5"] not in f"{failure.value} {failure.value.__cause__}"  # no secret in an error
    with pytest.raises(Conflict):
        database.transact(partial(set_status, "555", "away", ""))


def test_a_wrong_statement_is_not_called_an_absence(database: Database) -> None:
    with pytest.raises(DBAPIError):
        database.query(lambda connection: connection.execute(text("SELECT * FROM nowhere")))


def test_a_memory_is_filled_when_it_is_first_used() -> None:
    filled = []

    def fill(connection: Connection) -> None:
        filled.append(True)
        add(connection)

    database = Database.memory(fill)
    assert not filled
    assert database.query(numbers) == ["100"]
    assert database.query(numbers) == ["100"]
    assert len(filled) == 1
    database.close()
    other = Database.memory()
    assert other.query(numbers) == []
    other.close()


def test_a_locked_file_is_waited_for_and_then_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pbx.store.database.LOCK_SECONDS", 0.05)
    file = tmp_path / "myphone.db"
    database = Database.sqlite(file)
    try:
        database.transact(lambda connection: extensions.create(connection))
        with locked(file):
            with pytest.raises(StoreUnavailable, match="locked"):
                database.transact(add)
            assert database.query(numbers) == []  # who only reads need not wait
        database.transact(add)
        assert database.query(numbers) == ["100"]
    finally:
        database.close()


def test_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    database = Database.sqlite(tmp_path / "myphone.db")
    database.transact(lambda connection: extensions.create(connection))
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
    database.close()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="No such file"):
        Database.sqlite(tmp_path / "nowhere" / "myphone.db")


def test_a_server_that_is_not_there_is_unavailable() -> None:
    database = Database.postgresql("postgresql://tests@127.0.0.1:1/nothing")
    with pytest.raises(StoreUnavailable):
        database.query(numbers)
    database.close()


@pytest.mark.parametrize("url", ["mysql://a@b/c", "rubbish", "postgresql:/"])
def test_urls_of_something_else_are_refused(url: str) -> None:
    with pytest.raises(StoreError, match="postgresql://"):
        Database.postgresql(url)
