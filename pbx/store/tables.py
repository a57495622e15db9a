"""All modules that define tables, so that who imports this one knows the whole schema."""

from __future__ import annotations

from pbx.store import (
    bindings,
    calls,
    extensions,
    external_calls,
    forwarding,
    live,
    page_messages,
    statuses,
    voicemails,
)
from pbx.store.schema import metadata

__all__ = [
    "bindings",
    "calls",
    "extensions",
    "external_calls",
    "forwarding",
    "live",
    "metadata",
    "page_messages",
    "statuses",
    "voicemails",
]
