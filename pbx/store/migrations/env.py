"""What Alembic runs: the revisions that are missing, in the connection that the upgrade hands in."""

from __future__ import annotations

from alembic import context

from pbx.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
context.run_migrations()
