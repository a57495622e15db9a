"""What users set for calls to their extensions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pbx.store.schema import Moment

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "forwarding",
        sa.Column("extension", sa.String(15), nullable=False),
        sa.Column("interface", sa.String(8)),
        sa.Column("form", sa.JSON),
        sa.Column("rejected", sa.JSON, nullable=False),
        sa.Column("reject_anonymous", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("extension", name="pk_forwarding"),
        _reference("forwarding"),
    )
    op.create_table(
        "replaced_rules",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("extension", sa.String(15), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("form", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_replaced_rules"),
        _reference("replaced_rules"),
    )
    op.create_index("ix_replaced_rules_extension", "replaced_rules", ["extension"])


def _reference(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["extension"], ["extensions.number"], name=f"fk_{table}_extension", ondelete="CASCADE"
    )
