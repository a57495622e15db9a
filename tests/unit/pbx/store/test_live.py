"""Live data in the store: what its statements take."""

from __future__ import annotations

import sqlite3

from sqlalchemy import Connection

from pbx.store import live
from pbx.store.database import Database


def test_so_many_removed_extensions_as_there_are_can_be_forgotten() -> None:
    """SQLite before 3.32 takes 999 values in a statement; those that a clear has failed at gather."""
    database = Database.memory()

    def change(connection: Connection) -> dict[int, str]:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
        rows = [{"number": str(number)} for number in range(1001)]
        connection.execute(live.removed_extensions.insert(), rows)
        *gone, _ = live.removed(connection)
        live.forget_removed(gone, connection)
        live.forget_removed([], connection)
        return live.removed(connection)

    assert database.transact(change) == {1001: "1000"}
    database.close()
