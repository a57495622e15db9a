"""What users say of themselves (available, away, a text), and the queues that they are logged in to."""

from __future__ import annotations

from sqlalchemy import Column, Connection, ForeignKey, String, Table, Text, delete, insert, select

from pbx.store.schema import metadata

statuses = Table(
    "statuses",
    metadata,
    Column("extension", ForeignKey("extensions.number", ondelete="CASCADE"), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("note", Text, nullable=False),
)
"""Of those who are not simply available."""

queue_logins = Table(
    "queue_logins",
    metadata,
    Column("queue", String(15), primary_key=True),
    Column("extension", ForeignKey("extensions.number", ondelete="CASCADE"), primary_key=True),
)
"""Who takes calls of which queue, by its number."""


def set_status(extension: str, status: str, note: str, connection: Connection) -> None:
    """Enter what a user says, in place of what was said before."""
    clear_status(extension, connection)
    connection.execute(insert(statuses).values(extension=extension, status=status, note=note))


def clear_status(extension: str, connection: Connection) -> None:
    """The user is available, and has nothing to say."""
    connection.execute(delete(statuses).where(statuses.c.extension == extension))


def every_status(connection: Connection) -> list[tuple[str, str, str]]:
    """(extension, status, note) of all that are entered."""
    return [(row.extension, row.status, row.note) for row in connection.execute(select(statuses))]


def log_in(queue: str, extension: str, connection: Connection) -> None:
    """The extension takes calls of the queue; twice is harmless."""
    log_out(queue, extension, connection)
    connection.execute(insert(queue_logins).values(queue=queue, extension=extension))


def log_out(queue: str, extension: str, connection: Connection) -> None:
    """The extension takes no calls of the queue any more; twice is harmless."""
    which = (queue_logins.c.queue == queue) & (queue_logins.c.extension == extension)
    connection.execute(delete(queue_logins).where(which))


def every_login(connection: Connection) -> list[tuple[str, str]]:
    """(queue, extension) of all who are logged in."""
    return [(row.queue, row.extension) for row in connection.execute(select(queue_logins))]
