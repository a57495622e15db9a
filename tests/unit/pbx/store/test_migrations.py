"""The chain of revisions: one head, the schema of the tables, and a copy of the file before it is changed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from pbx.store.database import Database
from pbx.store.errors import StoreError
from pbx.store.migrations.upgrade import follow, newest, revision, upgrade
from pbx.store.tables import metadata
from tests.databases import opened


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", "pbx.store:migrations")
    return ScriptDirectory.from_config(config)


def test_there_is_one_chain_and_its_numbers_count() -> None:
    """Two heads are two pieces of work that took the same number: the later one takes the next."""
    heads = scripts().get_heads()
    assert heads == [newest()]
    chain = [step.revision for step in scripts().walk_revisions()][::-1]
    assert chain == [f"{number:04}" for number in range(1, len(chain) + 1)]


def test_the_migrated_schema_is_that_of_the_tables(location: Path | str) -> None:
    def differences(connection: Connection) -> object:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    database = opened(location)
    try:
        database.migrate(follow)
        assert database.query(differences) == []
        assert database.query(revision) == newest()
    finally:
        database.close()


def test_a_new_database_is_at_the_end_of_the_chain(database: Database) -> None:
    assert database.query(revision) == newest()
    database.migrate(follow)
    assert database.query(revision) == newest()


def test_a_database_that_is_up_to_date_is_left_alone(database: Database) -> None:
    upgrade(database)
    assert database.query(revision) == newest()


def test_a_newer_database_is_refused(database: Database) -> None:
    database.transact(
        lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    )
    with pytest.raises(StoreError, match="newer version"):
        upgrade(database)


def test_an_old_file_is_copied_before_it_is_changed(tmp_path: Path) -> None:
    file = tmp_path / "myphone.db"
    old = sqlite3.connect(file)
    old.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    old.execute("INSERT INTO alembic_version VALUES ('0000')")
    old.execute("CREATE TABLE precious (value TEXT)")
    old.execute("INSERT INTO precious VALUES ('kept')")
    old.commit()
    old.close()
    database = Database.sqlite(file)
    try:
        with pytest.raises(Exception, match="0000"):  # no version knows it: the upgrade fails after the copy
            upgrade(database, file)
    finally:
        database.close()
    copy = sqlite3.connect(tmp_path / "myphone.db.0000")
    try:
        assert copy.execute("SELECT value FROM precious").fetchall() == [("kept",)]
    finally:
        copy.close()
    assert (tmp_path / "myphone.db.0000").stat().st_mode & 0o077 == 0
