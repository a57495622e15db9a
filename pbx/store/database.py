"""The database itself: SQLite in a file or in memory, or PostgreSQL. All here is synchronous, for whatever thread."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, TimeoutError
from sqlalchemy.pool import StaticPool
from sqlalchemy.util import LRUCache

from pbx.store.errors import Conflict, StoreError, StoreUnavailable
from pbx.store.tables import metadata

Result = TypeVar("Result")

LOCK_SECONDS = 2.0
"""How long a change waits for another program to finish its own."""
STATEMENT_SECONDS = 10.0
"""PostgreSQL gives up a statement after so long."""

_WRITES = "writes"
"""The execution option of connections that are going to change something."""

_TRANSIENT = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip
"""What SQLite says of a file that is locked, full or gone, and not of the statement it was given."""

_MIGRATING = 0x6D7970686F6E65
"""The advisory lock of PostgreSQL that whoever changes tables holds."""

_PG_OPTIONS = (
    f"-c lock_timeout={LOCK_SECONDS * 1000:.0f} -c statement_timeout={STATEMENT_SECONDS * 1000:.0f} "
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
)
"""The last three: PostgreSQL forgets a machine that is gone, and what it holds there, within half a minute."""


class Database:
    """A place where tables are. It connects when it is first asked for something."""

    def __init__(
        self, engine: Engine, *, durable: bool, prepare: Callable[[Connection], object] | None = None
    ) -> None:
        """Use `memory`, `sqlite` or `postgresql` instead."""
        self._prepare = prepare
        self._engine = engine
        self._writing = engine.execution_options(**{_WRITES: True})
        self.durable = durable
        """Whether what is kept outlives the process."""

    @classmethod
    def memory(cls, prepare: Callable[[Connection], object] | None = None) -> Database:
        """An SQLite database of its own with all tables; `prepare` fills it when it is first used."""

        def connect() -> Any:
            connection = _plain_connection()
            _template().backup(connection)
            return connection

        like = _engine_in_memory()
        pool = StaticPool(connect, reset_on_return=None)
        engine = Engine(pool, like.dialect, like.url, hide_parameters=True)
        engine.update_execution_options(compiled_cache=_COMPILED)
        _on_connecting_to_sqlite(engine)
        return cls(engine, durable=False, prepare=prepare)

    @classmethod
    def sqlite(cls, file: Path) -> Database:
        """A file, made readable for its owner alone where it does not exist. Raises StoreUnavailable."""
        try:
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise StoreUnavailable(f"cannot open {file}: {error.strerror}") from error
        engine = create_engine(
            URL.create("sqlite", database=str(file)),
            hide_parameters=True,
            connect_args={"timeout": LOCK_SECONDS, "check_same_thread": False},
        )
        _on_connecting_to_sqlite(engine, "journal_mode = WAL", "synchronous = FULL")
        return cls(engine, durable=True)

    @classmethod
    def postgresql(cls, url: str) -> Database:
        """A database of a PostgreSQL server, `postgresql://user:password@host/name`. Raises StoreError."""
        try:
            parsed = make_url(url)
            if parsed.get_backend_name() != "postgresql":
                raise StoreError("store.url should begin with postgresql://")
            engine = create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                hide_parameters=True,
                pool_pre_ping=True,
                connect_args={"connect_timeout": 3, "tcp_user_timeout": 5000, "options": _PG_OPTIONS},
            )
        except (ArgumentError, NoSuchModuleError) as error:
            raise StoreError("store.url should be such as postgresql://user:password@host/name") from error
        except ImportError as error:
            raise StoreError("PostgreSQL needs its driver: pip install 'myphone-pbx[postgresql]'") from error
        return cls(engine, durable=True)

    @property
    def engine(self) -> Engine:
        """For migrations and tests; all else goes through `transact` and `query`."""
        return self._engine

    def transact(self, change: Callable[[Connection], Result]) -> Result:
        """Perform a change whole or not at all; it is on disk when this returns.

        Raises StoreUnavailable, and Conflict where a row refers to one that is gone, or is there already; what
        `change` raises takes all back and goes on to the caller.
        """
        try:
            self._fill()
            with self._writing.begin() as connection:
                return change(connection)
        except (DBAPIError, TimeoutError) as error:
            raise _judged(error) from error

    def query(self, query: Callable[[Connection], Result]) -> Result:
        """Read, all at one moment. Raises StoreUnavailable."""
        try:
            self._fill()
            with self._engine.connect() as connection:
                return query(connection)
        except (DBAPIError, TimeoutError) as error:
            raise _judged(error) from error

    def migrate(self, change: Callable[[Connection], Result]) -> Result:
        """Perform a change of the tables themselves. Raises StoreUnavailable, and StoreError where it leaves strays.

        SQLite changes a table by building it anew: its rows' dependents must not go with the old one, so
        references are not followed meanwhile, but checked afterwards.
        """
        if self._engine.dialect.name != "sqlite":
            return self.transact(partial(_patiently, change))
        try:
            with self._writing.connect() as connection:
                driver: Any = connection.connection.driver_connection
                driver.execute("PRAGMA foreign_keys = OFF")
                try:
                    with connection.begin():
                        result = change(connection)
                        if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                            raise StoreError(
                                "the upgrade would leave rows that refer to nothing: nothing was changed"
                            )
                    return result
                finally:
                    driver.execute("PRAGMA foreign_keys = ON")
        except (DBAPIError, TimeoutError) as error:
            raise _judged(error) from error

    def copy(self, target: Path) -> None:
        """Copy an SQLite database, as it is at one moment, into an empty file. Raises StoreUnavailable."""
        try:
            with self._engine.connect() as connection:
                driver: Any = connection.connection.driver_connection
                driver.execute("VACUUM INTO ?", (str(target),))
        except DBAPIError as error:
            raise _judged(error) from error
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the database cannot be copied: {error}") from error

    def _fill(self) -> None:
        prepare, self._prepare = self._prepare, None
        if prepare is not None:
            with self._writing.begin() as connection:
                prepare(connection)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _judged(error: DBAPIError | TimeoutError) -> Exception:
    """StoreUnavailable where the database is to blame, Conflict where other rows are, else the error itself."""
    if isinstance(error, TimeoutError):
        return StoreUnavailable("no connection to the database is free")
    if isinstance(error, IntegrityError):
        return Conflict("what it refers to is gone, or it is there already")
    original = error.orig
    if isinstance(original, sqlite3.Error):
        code = getattr(original, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # without its extension
        unavailable = code in _TRANSIENT
    else:
        unavailable = error.connection_invalidated or type(error).__name__ in (
            "OperationalError",
            "InterfaceError",
        )
    first_line, *_ = str(original).strip().splitlines() or [""]
    return StoreUnavailable(f"the database does not answer: {first_line}") if unavailable else error


def _patiently(change: Callable[[Connection], Result], connection: Connection) -> Result:
    """Perform a change of PostgreSQL's tables however long it takes, after whoever else does so."""
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
    return change(connection)


# -- SQLite ----------------------------------------------------------------------------------------

_COMPILED: LRUCache[Any, Any] = LRUCache(500)
"""Statements compiled once for all databases in memory, which have one dialect: tests open thousands."""


@cache
def _engine_in_memory() -> Engine:
    engine = create_engine("sqlite://", creator=_plain_connection, poolclass=StaticPool)
    engine.connect().close()  # the first connection tells the dialect what it has to know
    return engine


def _plain_connection() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", check_same_thread=False)


@cache
def _template() -> sqlite3.Connection:
    """A database with all tables, to be copied: creating them takes ten times as long."""
    connection = _plain_connection()
    metadata.create_all(create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool))
    return connection


def _on_connecting_to_sqlite(engine: Engine, *pragmas: str) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None  # transactions begin where `_begin` says, and nowhere else
        for pragma in ("foreign_keys = ON", *pragmas):
            connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "begin", _begin)


def _begin(connection: Connection) -> None:
    """Who is going to write takes the lock at once: one who asks for it later may have to be refused."""
    immediate = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
