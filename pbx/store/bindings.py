"""Registrations: where the phones of each extension are (RFC 3261 section 10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
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
    bindparam,
    delete,
    func,
    select,
)

from pbx.store.extensions import extensions
from pbx.store.insertion import Insertion
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


Fact = tuple[str, Sequence[Mapping[str, Any]]]
"""The number of an extension, and its bindings, the oldest first."""

_TOLD = tuple(column.name for column in bindings.c if not column.primary_key)
_values_of = itemgetter(*_TOLD)

_put = Insertion(bindings, ["extension", "position", *_TOLD], replaces=True)
_last = (
    select(extensions.c.number, func.max(bindings.c.position))
    .outerjoin(bindings, bindings.c.extension == extensions.c.number)
    .where(extensions.c.number.in_(bindparam("numbers", expanding=True)))
    .group_by(extensions.c.number)
)
_forget_rest = delete(bindings).where(
    bindings.c.extension == bindparam("number"), bindings.c.position >= bindparam("first")
)


def replace_bindings(facts: Sequence[Fact], connection: Connection) -> None:
    """Enter the bindings of extensions in place of those before. Nothing happens to an extension that is gone, and
    what is said last of one holds.

    A phone that registers again most often says what it said before: rows are overwritten, and only those
    that are too many are deleted.
    """
    wanted = dict(facts)
    last = dict(connection.execute(_last, {"numbers": list(wanted)}).all())
    rows = [
        (extension, position, *_values_of(binding))
        for extension in last
        for position, binding in enumerate(wanted[extension])
    ]
    if rows:
        _put(connection, rows)
    rest = [
        {"number": extension, "first": len(wanted[extension])}
        for extension, position in last.items()
        if position is not None and position >= len(wanted[extension])
    ]
    if rest:
        connection.execute(_forget_rest, rest)


def bindings_at(now: datetime, connection: Connection) -> list[dict[str, Any]]:
    """Those that have not expired, by extension, in the order in which they came."""
    wanted = select(bindings).where(bindings.c.expires_at > now)
    rows = connection.execute(wanted.order_by(bindings.c.extension, bindings.c.position)).mappings()
    return [dict(row) for row in rows]
