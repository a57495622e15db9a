"""Every test that asks for a `location` or `database` runs twice: with SQLite and with PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx.store.database import Database
from pbx.store.migrations.upgrade import upgrade
from tests.databases import Cluster, cluster, opened


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A server for all tests of the process."""
    with cluster() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where an empty database is: the path of a file, or a URL."""
    if request.param == "sqlite":
        return tmp_path / "myphone.db"
    running: Cluster = request.getfixturevalue("postgresql")
    return running.new()


@pytest.fixture
def database(location: Path | str) -> Iterator[Database]:
    """A database with all tables."""
    database = opened(location)
    upgrade(database)
    yield database
    database.close()
