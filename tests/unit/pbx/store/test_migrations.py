"""The chain of revisions: one head, the schema of the tables, and a copy of the file before it is changed."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    text,
)

from pbx.history.record import CallList, HandOver, Participation, Role
from pbx.store import calls
from pbx.store.database import Database
from pbx.store.errors import StoreError
from pbx.store.migrations.upgrade import follow, newest, revision, upgrade
from pbx.store.tables import metadata
from tests.databases import opened

IN_CALL_RECORDS = ("call_parties", "call_quality")
"""Until 0010; what becomes of these is tested by itself."""
MOMENT = datetime(2026, 1, 2, 3, 4, 5)


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


@pytest.mark.parametrize("before", [f"{number:04}" for number in range(1, int(newest()))])
def test_what_an_older_version_kept_is_there_after_the_upgrade(location: Path | str, before: str) -> None:
    """Rows of every table it had, with all their values; and of an SQLite file a copy that is of the old version."""
    file = location if isinstance(location, Path) else None
    database = opened(location)
    try:
        database.migrate(partial(_follow_to, before))
        kept = database.transact(_with_a_row_in_each_table)
        with pytest.raises(StoreError, match="start `myphone serve`"):
            upgrade(database, file, older=False)
        upgrade(database, file)
        assert database.query(revision) == newest()
        for table, row in kept.items():
            if table in IN_CALL_RECORDS:
                continue
            [found] = database.query(partial(_rows, table))
            assert row.items() <= found.items(), table
    finally:
        database.close()
    if file is not None:
        copy = Database.sqlite(file.with_name(f"{file.name}.{before}"))
        try:
            assert copy.query(revision) == before
            assert {table: copy.query(partial(_rows, table))[0] for table in kept} == kept
        finally:
            copy.close()


CALLS_OF_0009 = [
    """INSERT INTO call_records VALUES
    ('c1', '2026-01-02 03:04:05.678901', '2026-01-02 03:05:05.000000', '100', 'Lee "O''Neil" ☎', '', '101', {true}, 200,
     'OK', 59.5, 40.25, '102', '', '[["2026-01-02T03:04:30+00:00", "102", "100", "103"]]', '["ring 101"]'),
    ('c2', '2026-01-02 04:00:00.000000', '2026-01-02 04:00:01.000000', '+331', '', 'isdn', '101', {false}, 486,
     'Busy Here', 1.0, 0.0, '', '', '[]', '[]')""",
    """INSERT INTO call_parties VALUES
    ('c1', 1, '101', 'callee', '2026-01-02 03:04:05.678902', '', {true}, NULL, '102', {false}, {true}, 'received',
     '2026-01-02 03:04:05.678901'),
    ('c1', 0, '100', 'caller', '2026-01-02 03:04:05.678901', '', {false}, NULL, '', {false}, {false}, 'outbound',
     '2026-01-02 03:04:05.678901'),
    ('c1', 2, '102', 'callee', '2026-01-02 03:04:06.000000', '', {true}, '2026-01-02 03:04:10.000000', '', {false},
     {false}, 'received', '2026-01-02 03:04:05.678901'),
    ('c2', 0, '+331', 'caller', '2026-01-02 04:00:00.000000', 'isdn', {false}, NULL, '', {false}, {false}, NULL,
     '2026-01-02 04:00:00.000000'),
    ('c2', 1, '101', 'callee', '2026-01-02 04:00:00.000000', '', {false}, NULL, '', {true}, {true}, NULL,
     '2026-01-02 04:00:00.000000')""",
    """INSERT INTO call_quality VALUES
    (2, 'c1', '2026-01-02 03:05:06.500000', '102', 7, 0.25, 1.5, 4.125, 8, NULL, NULL, NULL, 20.5),
    (1, 'c1', '2026-01-02 03:05:06.000000', '100', 0, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL)""",
]


def test_calls_of_a_version_that_had_a_row_for_each_party_are_all_there(location: Path | str) -> None:
    database = opened(location)
    file = location if isinstance(location, Path) else None
    truth = {"true": "1", "false": "0"} if file else {"true": "true", "false": "false"}

    def enter(connection: Connection) -> None:
        if file is None:
            connection.exec_driver_sql("SET LOCAL timezone = 'UTC'")
        for statement in CALLS_OF_0009:
            connection.exec_driver_sql(statement.format(**truth))

    try:
        database.migrate(partial(_follow_to, "0009"))
        database.transact(enter)
        upgrade(database, file)
        at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
        second, first = database.query(calls.calls)
        assert (first.call, first.started_at, first.caller_name) == ("c1", at, 'Lee "O\'Neil" ☎')
        assert first.hand_overs == (HandOver(datetime(2026, 1, 2, 3, 4, 30, tzinfo=UTC), "102", "100", "103"),)
        answered = datetime(2026, 1, 2, 3, 4, 10, tzinfo=UTC)
        later = at + timedelta(microseconds=1)
        assert first.parties == (
            Participation("100", Role.CALLER, at),
            Participation("101", Role.CALLEE, later, rang=True, taken_by="102", addressed=True),
            Participation("102", Role.CALLEE, answered - timedelta(seconds=4), rang=True, answered_at=answered),
        )
        assert second.parties == (
            Participation("+331", Role.CALLER, second.started_at, trunk="isdn"),
            Participation("101", Role.CALLEE, second.started_at, blocked=True, addressed=True),
        )
        found = {
            (number, kind): [each.call for each in database.query(partial(calls.calls, number=number, kind=kind))]
            for number in ("100", "101", "102")
            for kind in CallList
        }
        assert {key: ids for key, ids in found.items() if ids} == {
            ("100", CallList.OUTBOUND): ["c1"],
            ("101", CallList.RECEIVED): ["c1"],
            ("102", CallList.RECEIVED): ["c1"],
        }
        silent, heard = database.query(partial(calls.qualities_of, call="c1"))
        assert (silent.extension, silent.packets, silent.loss, silent.mos) == ("100", 0, None, None)
        assert (heard.at, heard.extension) == (datetime(2026, 1, 2, 3, 5, 6, 500000, tzinfo=UTC), "102")
        assert (heard.packets, heard.loss, heard.jitter_ms, heard.mos) == (7, 0.25, 1.5, 4.125)
        assert (heard.sent, heard.remote_loss, heard.remote_mos, heard.round_trip_ms) == (8, None, None, 20.5)
        assert database.query(partial(calls.qualities_of, call="c2")) == []
    finally:
        database.close()


def test_a_start_that_upgrades_says_so_in_one_line(location: Path | str, caplog: pytest.LogCaptureFixture) -> None:
    """With very many calls it takes minutes, in which no phone is served."""
    database = opened(location)
    file = location if isinstance(location, Path) else None
    try:
        database.migrate(partial(_follow_to, "0009"))
        caplog.clear()
        upgrade(database, file)
        [line] = [record.getMessage() for record in caplog.records if record.name.startswith("pbx.")]
        assert f"from 0009 to {newest()}" in line
        assert ("is kept in" in line) == (file is not None)
        caplog.clear()
        upgrade(database, file)
        assert caplog.messages == []
    finally:
        database.close()


def _follow_to(target: str, connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "pbx.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, target)


def _with_a_row_in_each_table(connection: Connection) -> dict[str, dict[str, Any]]:
    """What was entered, by table: values made up by their type, references to the row of the other table."""
    schema = MetaData()
    schema.reflect(connection)
    values = {
        String: "100",
        Integer: 7,
        Float: 1.5,
        Boolean: True,
        DateTime: MOMENT,
        Date: MOMENT.date(),
        LargeBinary: b"x",
        JSON: [1],
    }
    kept = {}
    for table in schema.sorted_tables:
        if table.name != "alembic_version":
            row = {column.name: _value(column, values) for column in table.columns}
            connection.execute(table.insert().values(row))
            kept[table.name] = _rows(table.name, connection)[0]
    return kept


def _value(column: Column[Any], values: dict[type, Any]) -> Any:
    return next(value for kind, value in values.items() if isinstance(column.type, kind))


def _rows(name: str, connection: Connection) -> list[dict[str, Any]]:
    table = Table(name, MetaData(), autoload_with=connection)
    return [dict(row) for row in connection.execute(table.select()).mappings()]


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
