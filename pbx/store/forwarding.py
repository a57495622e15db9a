"""What users set for calls to their extensions: rules and black lists."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Integer,
    String,
    Table,
    false,
    insert,
    select,
    update,
)

from pbx.store.schema import Moment, metadata
from values import dataclass


def _extension(**options: Any) -> Column[str]:
    return Column("extension", ForeignKey("extensions.number", ondelete="CASCADE"), **options)


forwarding = Table(
    "forwarding",
    metadata,
    _extension(primary_key=True),
    Column("interface", String(8)),
    Column("form", JSON),
    Column("rejected", JSON, nullable=False),
    Column("reject_anonymous", Boolean, nullable=False, server_default=false()),
)
"""One row for an extension whose user has set something. `interface` says which form it is, "simple" or "advanced";
both are NULL where only the black list was set."""

replaced_rules = Table(
    "replaced_rules",
    metadata,
    Column("id", Integer, primary_key=True),
    _extension(nullable=False, index=True),
    Column("at", Moment, nullable=False),
    Column("form", JSON, nullable=False),
)
"""Advanced forms that were given up for the simple one, so that nothing is lost for good."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one user has set."""

    interface: str | None = None
    form: dict[str, Any] | None = None
    rejected: tuple[str, ...] = ()
    reject_anonymous: bool = False


def all_rows(connection: Connection) -> dict[str, Row]:
    """By extension."""
    return {row.extension: _row(row) for row in connection.execute(select(forwarding))}


def find(extension: str, connection: Connection) -> Row | None:
    """Of one extension; None if its user has set nothing."""
    found = connection.execute(select(forwarding).where(forwarding.c.extension == extension)).first()
    return None if found is None else _row(found)


def put(extension: str, row: Row, connection: Connection) -> None:
    """Keep what a user has set."""
    values = {
        "interface": row.interface,
        "form": row.form,
        "rejected": list(row.rejected),
        "reject_anonymous": row.reject_anonymous,
    }
    changed = connection.execute(update(forwarding).where(forwarding.c.extension == extension).values(values))
    if not changed.rowcount:
        connection.execute(insert(forwarding).values(extension=extension, **values))


def keep_replaced(extension: str, form: dict[str, Any], at: datetime, connection: Connection) -> None:
    """Note an advanced form that is given up."""
    connection.execute(insert(replaced_rules).values(extension=extension, at=at, form=form))


def replaced(extension: str, connection: Connection) -> list[tuple[datetime, dict[str, Any]]]:
    """The advanced forms that were given up, the latest first."""
    rows = connection.execute(
        select(replaced_rules.c.at, replaced_rules.c.form)
        .where(replaced_rules.c.extension == extension)
        .order_by(replaced_rules.c.id.desc())
    )
    return [(row.at, row.form) for row in rows]


def _row(row: Any) -> Row:
    return Row(row.interface, row.form, tuple(row.rejected), row.reject_anonymous)
