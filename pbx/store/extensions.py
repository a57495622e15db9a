"""The table of extensions: who can be called, and what their phones log in with."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Integer, String, Table, false, true

from pbx.store.schema import metadata

extensions = Table(
    "extensions",
    metadata,
    Column("number", String(15), primary_key=True),
    Column("first_name", String(100), nullable=False, server_default=""),
    Column("last_name", String(100), nullable=False, server_default=""),
    Column("sip_id", String(64), nullable=False, server_default=""),
    Column("realm", String(64), nullable=False),
    Column("ha1_md5", String(32), nullable=False),
    Column("ha1_sha256", String(64), nullable=False),
    Column("pin_hash", String(200)),
    Column("outbound_caller_id", String(65), nullable=False, server_default=""),
    Column("withhold_number", Boolean, nullable=False, server_default=false()),
    Column("no_answer_seconds", Float, nullable=False, server_default="60"),
    Column("busy_detection", String(16), nullable=False, server_default="pbx"),
    Column("record_calls", String(16), nullable=False, server_default="none"),
    Column("forward_always", String(21)),
    Column("forward_busy", String(21)),
    Column("forward_no_answer", String(21)),
    Column("forward_not_registered", String(21)),
    Column("manager", Boolean, nullable=False, server_default=false()),
    Column("barge_in", Boolean, nullable=False, server_default=false()),
    Column("email", String(320), nullable=False, server_default=""),
    Column("voicemail_enabled", Boolean, nullable=False, server_default=true()),
    Column("voicemail_say_caller", Boolean, nullable=False, server_default=false()),
    Column("voicemail_say_time", Boolean, nullable=False, server_default=false()),
    Column("voicemail_mail", String(32), nullable=False, server_default="none"),
    Column("language", String(8), nullable=False, server_default=""),
    Column("version", Integer, nullable=False, server_default="1"),
)
"""One row a user. `ha1_*` are what digest authentication needs of the password (RFC 7616 section 3.4.2), for
`realm`; `pin_hash` is argon2's, and NULL while the PIN is the number. `version` counts the changes of a row."""
