"""Which calls of an extension are recorded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column."""
    op.add_column(
        "extensions", sa.Column("record_calls", sa.String(16), nullable=False, server_default="none")
    )
