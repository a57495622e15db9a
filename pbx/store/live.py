"""What the administrator may change while the system runs: the extensions, and whole tables of the configuration.

Each change of it moves a counter, so that a running system notices what another process has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Integer,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from pbx.store.errors import Conflict
from pbx.store.extensions import extensions
from pbx.store.schema import metadata

live_tables = Table(
    "live_tables",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("data", JSON, nullable=False),
    Column("version", Integer, nullable=False),
)
"""Tables of the configuration (`groups`, `trunks`, ...) as it has them, each as a whole; `version` counts changes."""

facts = Table(
    "facts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
)
"""What the store has to remember about itself."""

removed_extensions = Table(
    "removed_extensions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", String(15), nullable=False),
)
"""Those of which there may be files yet: whoever is given such a number later is not to find them."""

_remembered = select(facts.c.value).where(facts.c.name == bindparam("name"))  # asked every second: prepared once
_forget_removed = delete(removed_extensions).where(removed_extensions.c.id == bindparam("gone"))

REVISION, TAKEN_OVER = "revision", "taken_over"


def revision(connection: Connection) -> int:
    """How often anything of it has changed; 0 for a store that nothing was ever taken over into."""
    return int(fact(REVISION, connection) or 0)


def claim(connection: Connection) -> None:
    """Be the only one who changes live data, to the end of the transaction: what is read from now on stays so. Who
    writes into SQLite is alone anyhow; in PostgreSQL two who read the same would undo each other's changes."""
    connection.execute(select(facts.c.value).where(facts.c.name == REVISION).with_for_update())


def fact(name: str, connection: Connection) -> Any:
    """What is remembered; None if nothing is."""
    return connection.scalar(_remembered, {"name": name})


def remember(name: str, value: Any, connection: Connection) -> None:
    """Remember a value in place of the one before."""
    if connection.execute(update(facts).where(facts.c.name == name).values(value=value)).rowcount == 0:
        connection.execute(insert(facts).values(name=name, value=value))


def begin(tables: Mapping[str, Any], connection: Connection) -> None:
    """Enter the tables of a store in which nothing is."""
    rows = [{"name": name, "data": data, "version": 1} for name, data in tables.items()]
    if rows:
        connection.execute(insert(live_tables), rows)
    connection.execute(insert(facts).values(name=REVISION, value=1))


def changed(connection: Connection) -> None:
    """Tell running systems; every function here that changes something does."""
    remember(REVISION, revision(connection) + 1, connection)


# -- extensions ------------------------------------------------------------------------------------


def versions(connection: Connection) -> dict[str, int]:
    """The version of each extension, by its number."""
    rows = connection.execute(select(extensions.c.number, extensions.c.version))
    return {row.number: row.version for row in rows}


def change_extension(
    number: str, values: Mapping[str, Any], connection: Connection, *, version: int | None = None
) -> None:
    """Change columns of an extension that is still of `version`, or whatever its version is.

    Raises Conflict where it is of another version or gone.
    """
    claim(connection)
    wanted = extensions.c.number == number
    if version is not None:
        wanted &= extensions.c.version == version
    statement = update(extensions).where(wanted).values(**values, version=extensions.c.version + 1)
    if connection.execute(statement).rowcount == 0:
        raise _conflict(number, connection)
    changed(connection)


def remove_extension(number: str, connection: Connection, *, version: int | None = None) -> None:
    """Remove an extension and all that is its own. Raises Conflict as above."""
    claim(connection)
    wanted = extensions.c.number == number
    if version is not None:
        wanted &= extensions.c.version == version
    if connection.execute(delete(extensions).where(wanted)).rowcount == 0:
        raise _conflict(number, connection)
    connection.execute(insert(removed_extensions).values(number=number))
    changed(connection)


def removed(connection: Connection) -> dict[int, str]:
    """The numbers of extensions that were removed, and whose files are still to be, each under an ID of its own."""
    return {row.id: row.number for row in connection.execute(select(removed_extensions))}


def forget_removed(ids: Iterable[int], connection: Connection) -> None:
    """Their files are gone."""
    if gone := [{"gone": each} for each in ids]:
        connection.execute(_forget_removed, gone)


def _conflict(number: str, connection: Connection) -> Conflict:
    found = connection.scalar(select(extensions.c.version).where(extensions.c.number == number))
    if found is None:
        return Conflict(f"there is no extension {number}, or no more")
    return Conflict(f"somebody else has changed extension {number} meanwhile, it is of version {found} now")


def expect(name: str, version: int, connection: Connection) -> None:
    """Raise Conflict where an extension (by its number) or a table is not of this version any more."""
    if not name.isdecimal():
        _, found = table(name, connection)
        if version != found:
            raise Conflict(f"somebody else has changed {name} meanwhile, it is of version {found} now")
    elif connection.scalar(select(extensions.c.version).where(extensions.c.number == name)) != version:
        raise _conflict(name, connection)


# -- whole tables ----------------------------------------------------------------------------------


def table(name: str, connection: Connection) -> tuple[Any, int]:
    """A table as the configuration has it, and its version; (None, 0) where nothing is known of it."""
    row = connection.execute(
        select(live_tables.c.data, live_tables.c.version).where(live_tables.c.name == name)
    ).first()
    return (None, 0) if row is None else (row.data, row.version)


def tables(connection: Connection) -> dict[str, tuple[Any, int]]:
    """All that are kept, by name: each as the configuration has it, and its version."""
    return {row.name: (row.data, row.version) for row in connection.execute(select(live_tables))}


def put_table(name: str, data: Any, connection: Connection, *, version: int | None = None) -> None:
    """Replace a table that is still of `version`, or whatever its version is. Raises Conflict."""
    claim(connection)
    if version is not None:
        expect(name, version, connection)
    _, found = table(name, connection)
    if found:
        connection.execute(
            update(live_tables).where(live_tables.c.name == name).values(data=data, version=found + 1)
        )
    else:
        connection.execute(insert(live_tables).values(name=name, data=data, version=1))
    changed(connection)
