"""Registrations: where the phones of each extension are (RFC 3261 section 10)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
)

from pbx.store.extensions import extensions
from pbx.store.schema import Moment, WireText, metadata

bindings = Table(
    "bindings",
    metadata,
    Column("extension", ForeignKey("extensions.number", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("contact", WireText, nullable=False),
    Column("transport", String(8), nullable=False),
    Column("host", String(64), nullable=False),
    Column("port", Integer, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("q", Float, nullable=False),
    Column("instance", WireText),
    Column("reg_id", WireText),
    Column("path", WireText, nullable=False),
    Column("call_id", WireText, nullable=False),
    Column("cseq", BigInteger, nullable=False),
    Column("user_agent", WireText, nullable=False),
)
"""In the order in which they came. `host` and `port` are where the phone's packets come from;
`path` has a line for each."""


def replace_bindings(extension: str, rows: Iterable[Mapping[str, Any]], connection: Connection) -> None:
    """Enter the bindings of an extension in place of those before; nothing happens if the extension is gone."""
    connection.execute(delete(bindings).where(bindings.c.extension == extension))
    known = select(extensions.c.number).where(extensions.c.number == extension)
    if connection.scalar(known) is None:
        return
    numbered = [{**row, "extension": extension, "position": position} for position, row in enumerate(rows)]
    if numbered:
        connection.execute(insert(bindings), numbered)


def bindings_at(now: datetime, connection: Connection) -> list[dict[str, Any]]:
    """Those that have not expired, by extension, in the order in which they came."""
    wanted = select(bindings).where(bindings.c.expires_at > now)
    rows = connection.execute(wanted.order_by(bindings.c.extension, bindings.c.position)).mappings()
    return [dict(row) for row in rows]
