"""How mailboxes are set up, and the tables of messages and of mails that wait."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pbx.store.schema import Moment

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add columns to extensions, and create two tables."""
    with op.batch_alter_table("extensions") as table:
        table.add_column(sa.Column("email", sa.String(320), nullable=False, server_default=""))
        table.add_column(sa.Column("voicemail_enabled", sa.Boolean, nullable=False, server_default=sa.true()))
        table.add_column(
            sa.Column("voicemail_say_caller", sa.Boolean, nullable=False, server_default=sa.false())
        )
        table.add_column(
            sa.Column("voicemail_say_time", sa.Boolean, nullable=False, server_default=sa.false())
        )
        table.add_column(sa.Column("voicemail_mail", sa.String(32), nullable=False, server_default="none"))
    op.create_table(
        "voicemails",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("mailbox", sa.String(15), nullable=False),
        sa.Column("caller_number", sa.String(64), nullable=False, server_default=""),
        sa.Column("caller_name", sa.String(200), nullable=False, server_default=""),
        sa.Column("left_at", Moment, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("heard", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("forwarded_by", sa.String(15), nullable=False, server_default=""),
        sa.Column("deleted", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("id", name="pk_voicemails"),
        sa.ForeignKeyConstraint(
            ["mailbox"], ["extensions.number"], name="fk_voicemails_mailbox", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_voicemails_mailbox", "voicemails", ["mailbox", "left_at"])
    op.create_table(
        "voicemail_mails",
        sa.Column("voicemail", sa.String(16), nullable=False),
        sa.Column("queued_at", Moment, nullable=False),
        sa.Column("due_at", Moment, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("voicemail", name="pk_voicemail_mails"),
        sa.ForeignKeyConstraint(
            ["voicemail"], ["voicemails.id"], name="fk_voicemail_mails_voicemail", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_voicemail_mails_due_at", "voicemail_mails", ["due_at"])
