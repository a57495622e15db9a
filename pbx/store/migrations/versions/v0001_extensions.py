"""The table of extensions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Create it."""
    op.create_table(
        "extensions",
        sa.Column("number", sa.String(15), nullable=False),
        sa.Column("first_name", sa.String(100), nullable=False, server_default=""),
        sa.Column("last_name", sa.String(100), nullable=False, server_default=""),
        sa.Column("sip_id", sa.String(64), nullable=False, server_default=""),
        sa.Column("realm", sa.String(64), nullable=False),
        sa.Column("ha1_md5", sa.String(32), nullable=False),
        sa.Column("ha1_sha256", sa.String(64), nullable=False),
        sa.Column("pin_hash", sa.String(200)),
        sa.Column("outbound_caller_id", sa.String(65), nullable=False, server_default=""),
        sa.Column("withhold_number", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("no_answer_seconds", sa.Float, nullable=False, server_default="60"),
        sa.Column("busy_detection", sa.String(16), nullable=False, server_default="pbx"),
        sa.Column("forward_always", sa.String(21)),
        sa.Column("forward_busy", sa.String(21)),
        sa.Column("forward_no_answer", sa.String(21)),
        sa.Column("forward_not_registered", sa.String(21)),
        sa.Column("manager", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("barge_in", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.PrimaryKeyConstraint("number", name="pk_extensions"),
    )
