"""All modules that define tables, so that who imports this one knows the whole schema."""

from __future__ import annotations

from pbx.store import calls, extensions, live, voicemails
from pbx.store.schema import metadata

__all__ = ["calls", "extensions", "live", "metadata", "voicemails"]
