"""MESSAGEs (RFC 3428) that wait for their receiver to come back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    LargeBinary,
    String,
    Table,
    delete,
    insert,
    select,
)

from pbx.store.schema import Moment, WireText, metadata

page_messages = Table(
    "page_messages",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("sender", ForeignKey("extensions.number", ondelete="CASCADE"), nullable=False),
    Column("receiver", ForeignKey("extensions.number", ondelete="CASCADE"), nullable=False),
    Column("content_type", WireText, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("expires_seconds", BigInteger),
    Column("sent_at", Moment, nullable=False),
    Column("kept_until", Moment, nullable=False),
)


def add_page_message(row: Mapping[str, Any], connection: Connection) -> None:
    """Keep a message."""
    connection.execute(insert(page_messages).values(**row))


def remove_page_message(id_: str, connection: Connection) -> None:
    """It was delivered, or is of no use any more."""
    connection.execute(delete(page_messages).where(page_messages.c.id == id_))


def page_messages_at(now: datetime, connection: Connection) -> list[dict[str, Any]]:
    """Those that are still of use, the oldest first."""
    wanted = select(page_messages).where(page_messages.c.kept_until > now)
    rows = connection.execute(wanted.order_by(page_messages.c.sent_at, page_messages.c.id)).mappings()
    return [dict(row) for row in rows]
