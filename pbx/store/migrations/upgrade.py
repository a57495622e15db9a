"""Bringing a database to the schema of this version, all in one transaction, after a copy of an SQLite file."""

from __future__ import annotations

import logging
import os
import re
from importlib.resources import files
from itertools import count
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from pbx.store.database import Database
from pbx.store.errors import StoreError
from pbx.store.tables import metadata

logger = logging.getLogger(__name__)

_VERSION = re.compile(r"v([0-9]{4})_[a-z0-9_]+\.py")


def newest() -> str:
    """The last revision there is: they are numbered, so Alembic need not read them all at every start."""
    names = (_VERSION.fullmatch(each.name) for each in files("pbx.store.migrations.versions").iterdir())
    return max(match[1] for match in names if match is not None)


def revision(connection: Connection) -> str | None:
    """That of the database; None where it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def upgrade(database: Database, file: Path | None = None, *, older: bool = True) -> None:
    """Create the tables, or bring those of an older version to this one; `file` is copied before.

    Raises StoreError: made by a newer version, or by an older one where that may not be; and StoreUnavailable.
    Then nothing has changed.
    """
    found = database.query(revision)
    if found == newest():
        return
    if found is not None and found > newest():
        raise StoreError(
            f"the database is of a newer version ({found}), this one knows {newest()}: update it"
        )
    if found is None:
        database.migrate(_create)
        return
    if not older:
        raise StoreError(f"the database is of an older version ({found}): start `myphone serve`, which upgrades it")
    kept = "" if file is None else f"; as it was it is kept in {_copy(database, file, found)}"
    logger.warning("the database is upgraded from %s to %s, which may take minutes%s", found, newest(), kept)
    database.migrate(follow)


def _copy(database: Database, file: Path, found: str) -> Path:
    """A copy beside the file, whole and on disk when this returns."""
    names = (f"{file.name}.{found}" + (f"-{number}" if number else "") for number in count())
    target = next(path for path in map(file.with_name, names) if not path.exists())
    unfinished = target.with_name(f"{target.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT, 0o600))
    database.copy(unfinished)
    with unfinished.open("rb") as written:
        os.fsync(written.fileno())
    unfinished.rename(target)
    return target


def _create(connection: Connection) -> None:
    """All at once: what the chain leads to, and a test says that it does."""
    if revision(connection) is not None:
        return  # another process was faster
    metadata.create_all(connection)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:newest)"), {"newest": newest()})


def follow(connection: Connection) -> None:
    """Follow the chain from wherever the database is."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of itself while it is imported
    from alembic import command  # takes its time, and is not needed where nothing is to be changed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "pbx.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
