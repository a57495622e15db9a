"""Registrations, statuses, queue log-ins, MESSAGEs that wait, and counts of external calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def _extension(name: str, table: str) -> tuple[sa.Column[str], sa.ForeignKeyConstraint]:
    reference = sa.ForeignKeyConstraint(
        [name], ["extensions.number"], name=f"fk_{table}_{name}", ondelete="CASCADE"
    )
    return sa.Column(name, sa.String(15), nullable=False), reference


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "bindings",
        *_extension("extension", "bindings"),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("contact", sa.LargeBinary, nullable=False),
        sa.Column("transport", sa.String(8), nullable=False),
        sa.Column("host", sa.String(64), nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("q", sa.Float, nullable=False),
        sa.Column("instance", sa.LargeBinary),
        sa.Column("reg_id", sa.LargeBinary),
        sa.Column("path", sa.LargeBinary, nullable=False),
        sa.Column("call_id", sa.LargeBinary, nullable=False),
        sa.Column("cseq", sa.BigInteger, nullable=False),
        sa.Column("user_agent", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("extension", "position", name="pk_bindings"),
    )
    op.create_table(
        "statuses",
        *_extension("extension", "statuses"),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("extension", name="pk_statuses"),
    )
    op.create_table(
        "queue_logins",
        sa.Column("queue", sa.String(15), nullable=False),
        *_extension("extension", "queue_logins"),
        sa.PrimaryKeyConstraint("queue", "extension", name="pk_queue_logins"),
    )
    op.create_table(
        "page_messages",
        sa.Column("id", sa.String(32), nullable=False),
        *_extension("sender", "page_messages"),
        *_extension("receiver", "page_messages"),
        sa.Column("content_type", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("expires_seconds", sa.BigInteger),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_page_messages"),
    )
    op.create_table(
        "external_calls",
        sa.Column("payer", sa.String(64), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("payer", "day", name="pk_external_calls"),
    )
