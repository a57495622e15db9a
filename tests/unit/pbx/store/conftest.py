"""Every test that asks for a `database` runs twice: with SQLite and with PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx.store.database import Database
from pbx.store.migrations.upgrade import upgrade
from tests.databases import opened


@pytest.fixture
def database(location: Path | str) -> Iterator[Database]:
    """A database with all tables."""
    database = opened(location)
    upgrade(database)
    yield database
    database.close()
