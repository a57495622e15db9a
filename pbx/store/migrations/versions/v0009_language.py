"""The language that an extension is spoken to in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the column."""
    op.add_column("extensions", sa.Column("language", sa.String(8), nullable=False, server_default=""))
