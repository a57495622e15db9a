"""A call is one row, with who was in it and how it sounded; who finds it in which list is in a table of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pbx.store.schema import Moment

revision = "0010"
down_revision = "0009"

LISTS = """
INSERT INTO call_lists (number, list, started_at, call)
SELECT number, list, started_at, call FROM call_parties WHERE list IS NOT NULL
ORDER BY number, list, started_at ON CONFLICT DO NOTHING
"""

ON_SQLITE = """
UPDATE call_records SET parties = (
    SELECT json_group_array(json_array(
        number, role, at || '+00:00', trunk, json(CASE WHEN rang THEN 'true' ELSE 'false' END),
        answered_at || '+00:00', taken_by, json(CASE WHEN blocked THEN 'true' ELSE 'false' END),
        json(CASE WHEN addressed THEN 'true' ELSE 'false' END)
    )) FROM (SELECT * FROM call_parties AS party WHERE party.call = call_records.call ORDER BY position)
), legs = (
    SELECT json_group_array(json_array(
        at || '+00:00', extension, packets, loss, jitter_ms, mos, sent, remote_loss, remote_jitter_ms, remote_mos,
        round_trip_ms
    )) FROM (SELECT * FROM call_quality AS leg WHERE leg.call = call_records.call ORDER BY id)
)
"""

_TEXT = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00:00'"

ON_POSTGRESQL = f"""
UPDATE call_records SET parties = coalesce((
    SELECT json_agg(json_build_array(
        party.number, party.role, {_TEXT.format("party.at")}, party.trunk, party.rang,
        {_TEXT.format("party.answered_at")}, party.taken_by, party.blocked, party.addressed
    ) ORDER BY party.position) FROM call_parties AS party WHERE party.call = call_records.call
), '[]'), legs = coalesce((
    SELECT json_agg(json_build_array(
        {_TEXT.format("leg.at")}, leg.extension, leg.packets, leg.loss, leg.jitter_ms, leg.mos, leg.sent,
        leg.remote_loss, leg.remote_jitter_ms, leg.remote_mos, leg.round_trip_ms
    ) ORDER BY leg.id) FROM call_quality AS leg WHERE leg.call = call_records.call
), '[]')
"""


def upgrade() -> None:
    """Bring what there is into the new form, and drop the old tables."""
    op.create_table(
        "call_lists",
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("list", sa.String(8), nullable=False),
        sa.Column("started_at", Moment, nullable=False),
        sa.Column("call", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("number", "list", "started_at", "call", name="pk_call_lists"),
        sqlite_with_rowid=False,
    )
    for name in ("parties", "legs"):
        op.add_column("call_records", sa.Column(name, sa.JSON, nullable=False, server_default="[]"))
    connection = op.get_bind()
    connection.exec_driver_sql(LISTS)
    connection.exec_driver_sql(ON_SQLITE if connection.dialect.name == "sqlite" else ON_POSTGRESQL)
    op.drop_table("call_quality")
    op.drop_table("call_parties")
