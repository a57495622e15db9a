"""What a running system holds of the places where it keeps things, so that no second one runs on them.

Two would each serve the phones that they know of, send each mail twice, and take each other's unfinished calls for
those of a system that was killed. Whoever only reads or changes live data, such as `myphone ext`, needs no hold.

Nothing of a hold is left when its process ends, however that ends: the operating system and PostgreSQL see to that.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from pbx.store.database import Database
from pbx.store.errors import StoreError, StoreUnavailable

logger = logging.getLogger(__name__)

LOCK_FILE = "myphone.lock"
CHECK_SECONDS = 10.0
"""How often it is seen whether PostgreSQL still knows of us."""

_RUNNING = 0x6D7970686F6E66
"""The advisory lock of PostgreSQL that a running system holds for its session."""
_LOCK_NOT_AVAILABLE = "55P03"
"""What PostgreSQL says of a lock that was waited for in vain (its manual, appendix A)."""


class InUse(StoreError):
    """Another system runs there."""


class FolderHold:
    """Of a data folder: an empty SQLite database in it that is locked, as that works on every operating system."""

    def __init__(self, folder: Path) -> None:
        """Take it. Raises InUse and StoreUnavailable."""
        file = folder / LOCK_FILE
        try:
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(file, timeout=0, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable(f"cannot open {file}: {error}") from error
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            self._connection.close()
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY:
                raise StoreUnavailable(f"cannot lock {file}: {error}") from error
            raise InUse(f"another system runs on {folder}, stop that or set another folder") from error

    def release(self) -> None:
        """Let others have the folder."""
        self._connection.close()


class DatabaseHold:
    """Of a PostgreSQL database, from whatever machine: an advisory lock, which lasts as long as its connection does."""

    def __init__(self, url: str) -> None:
        """Take it. One that has just been killed may take a moment to be forgotten, for which this waits. Raises InUse,
        StoreUnavailable, and StoreError for a URL that cannot be."""
        self._database = Database.postgresql(url)
        self._connection: Connection | None = None
        place = self._database.engine.url
        self._where = f"the database {place.database} at {place.host}"
        try:
            self._take("pg_advisory_lock")
        except BaseException:
            self._database.close()
            raise

    def _take(self, function: str) -> None:
        """By a function that gives false, or waits and is stopped, where another has the lock."""
        try:
            # In no transaction, for one that is open for long keeps PostgreSQL from tidying up; and out of the pool, so
            # that closing it ends it.
            connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            connection.detach()
        except DBAPIError as error:
            raise StoreUnavailable(f"the database does not answer: {error.orig}".strip()) from error
        try:
            taken = connection.exec_driver_sql(f"SELECT {function}({_RUNNING})").scalar() is not False
        except DBAPIError as error:
            connection.close()
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise StoreUnavailable(f"the database does not answer: {error.orig}".strip()) from error
            taken = False
        if not taken:
            connection.close()
            raise InUse(f"another system runs on {self._where}, stop that or set another database")
        self._connection = connection

    def check(self) -> None:
        """See whether the connection is still there, and with it the lock, which else is taken anew. Blocks."""
        if self._connection is not None:
            try:
                self._connection.exec_driver_sql("SELECT 1")
                return
            except DBAPIError:
                self._drop()
                logger.warning(
                    "%s has lost our hold on it: until it is taken anew a second system could run there", self._where
                )
        try:
            self._take("pg_try_advisory_lock")
        except InUse as error:
            logger.error("%s; both believe that they are alone", error)
        except StoreUnavailable as error:
            logger.debug("%s", error)
        else:
            logger.warning("our hold on %s is taken anew", self._where)

    async def watch(self) -> None:
        """Check from time to time, until cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await asyncio.to_thread(self.check)

    def release(self) -> None:
        """Let others have the database."""
        self._drop()
        self._database.close()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
