"""Extensions that were removed, and whose files are still to be."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "removed_extensions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("number", sa.String(15), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_removed_extensions"),
    )
