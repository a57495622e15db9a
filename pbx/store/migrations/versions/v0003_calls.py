"""The tables of calls that are over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pbx.store.schema import Moment

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Create them."""
    _create_records()
    _create_parties()
    _create_quality()


def _create_records() -> None:
    op.create_table(
        "call_records",
        sa.Column("call", sa.String(32), nullable=False),
        sa.Column("started_at", Moment, nullable=False),
        sa.Column("ended_at", Moment, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("caller_name", sa.Text, nullable=False),
        sa.Column("trunk", sa.Text, nullable=False),
        sa.Column("dialled", sa.Text, nullable=False),
        sa.Column("internal", sa.Boolean, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("talk_seconds", sa.Float, nullable=False),
        sa.Column("answered_by", sa.Text, nullable=False),
        sa.Column("feature", sa.Text, nullable=False),
        sa.Column("hand_overs", sa.JSON, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("call", name="pk_call_records"),
    )
    op.create_index("ix_call_records_started_at", "call_records", ["started_at"])


def _create_parties() -> None:
    op.create_table(
        "call_parties",
        sa.Column("call", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("role", sa.String(8), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("trunk", sa.Text, nullable=False),
        sa.Column("rang", sa.Boolean, nullable=False),
        sa.Column("answered_at", Moment),
        sa.Column("taken_by", sa.Text, nullable=False),
        sa.Column("blocked", sa.Boolean, nullable=False),
        sa.Column("addressed", sa.Boolean, nullable=False),
        sa.Column("list", sa.String(8)),
        sa.Column("started_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("call", "position", name="pk_call_parties"),
        sa.ForeignKeyConstraint(
            ["call"], ["call_records.call"], name="fk_call_parties_call", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_call_parties_number", "call_parties", ["number", "started_at"])
    op.create_index("ix_call_parties_list", "call_parties", ["number", "list", "started_at"])


def _create_quality() -> None:
    op.create_table(
        "call_quality",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("call", sa.String(32), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("extension", sa.Text, nullable=False),
        sa.Column("packets", sa.Integer, nullable=False),
        sa.Column("loss", sa.Float),
        sa.Column("jitter_ms", sa.Float),
        sa.Column("mos", sa.Float),
        sa.Column("sent", sa.Integer, nullable=False),
        sa.Column("remote_loss", sa.Float),
        sa.Column("remote_jitter_ms", sa.Float),
        sa.Column("remote_mos", sa.Float),
        sa.Column("round_trip_ms", sa.Float),
        sa.PrimaryKeyConstraint("id", name="pk_call_quality"),
        sa.ForeignKeyConstraint(
            ["call"], ["call_records.call"], name="fk_call_quality_call", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_call_quality_call", "call_quality", ["call"])
