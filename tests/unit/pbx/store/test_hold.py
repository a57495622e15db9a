"""One system at a time has a data folder, or a database."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from pbx.store.database import Database
from pbx.store.errors import StoreError, StoreUnavailable
from pbx.store.hold import DatabaseHold, FolderHold, InUse
from pbx.store.store import Store
from tests.databases import Cluster, cluster

ROOT = Path(__file__).parents[4]
HOLDER = """
import sys
from pathlib import Path
from pbx.store.hold import DatabaseHold, FolderHold
place = sys.argv[1]
hold = DatabaseHold(place) if "://" in place else FolderHold(Path(place))
print("held", flush=True)
sys.stdin.read()
"""


def take(place: Path | str) -> FolderHold | DatabaseHold:
    """Take a folder, or a database by its URL."""
    return FolderHold(place) if isinstance(place, Path) else DatabaseHold(place)


@pytest.fixture
def place(location: Path | str) -> Path | str:
    """A folder, and then a database."""
    return location.parent if isinstance(location, Path) else location


def test_a_second_one_is_refused_until_the_first_lets_go(place: Path | str) -> None:
    first = take(place)
    try:
        with pytest.raises(InUse, match=r"another system runs on .*, stop that or set another"):
            take(place)
    finally:
        first.release()
    take(place).release()


def test_nothing_of_it_is_left_of_a_process_that_is_killed(place: Path | str) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(place)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InUse):
            take(place)
    finally:
        holder.kill()
        holder.communicate()
    _once_free(place).release()


def _once_free(place: Path | str) -> FolderHold | DatabaseHold:
    """PostgreSQL may notice only after a while that a process is gone."""
    while True:
        try:
            return take(place)
        except InUse:
            assert not isinstance(place, Path), "a lock of the operating system goes with its process"


def test_who_only_reads_or_changes_needs_none(location: Path | str) -> None:
    place = location.parent if isinstance(location, Path) else location
    hold = take(place)
    try:
        store = Store.open(location)
        assert store.read(lambda connection: connection.scalar(text("SELECT 1"))) == 1
        store.abandon()
    finally:
        hold.release()


def test_a_folder_that_is_not_there_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        FolderHold(tmp_path / "nowhere")


# -- PostgreSQL ------------------------------------------------------------------------------------


def end_connections(url: str) -> None:
    """Close all connections to a database but our own, as a restart of the server does."""
    database = Database.postgresql(url)
    try:
        with database.engine.connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
    finally:
        database.close()


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, in order, at warning and above."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_hold_that_is_lost_is_taken_anew_and_told(
    postgresql: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgresql.new()
    hold = DatabaseHold(url)
    try:
        hold.check()
        assert messages(caplog) == []
        end_connections(url)
        hold.check()
        lost, anew = messages(caplog)
        assert "has lost our hold" in lost
        assert "is taken anew" in anew
        with pytest.raises(InUse):
            DatabaseHold(url)
    finally:
        hold.release()


def test_who_comes_too_late_says_so_until_the_other_is_gone(
    postgresql: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgresql.new()
    hold = DatabaseHold(url)
    try:
        end_connections(url)
        other = DatabaseHold(url)
        hold.check()
        hold.check()
        assert [message.partition(":")[0].partition(",")[0] for message in messages(caplog)[1:]] == [
            f"another system runs on the database {url.rpartition('/')[2]} at 127.0.0.1"
        ] * 2
        other.release()
        while "is taken anew" not in messages(caplog)[-1]:
            hold.check()
    finally:
        hold.release()


def test_a_server_that_is_down_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    with cluster() as server:
        hold = DatabaseHold(server.new())
        try:
            server.stop()
            hold.check()
            hold.check()
            assert [message.partition(":")[0].rpartition(" has ")[2] for message in messages(caplog)] == [
                "lost our hold on it"
            ]
            server.start_again()
            hold.check()
            assert "is taken anew" in messages(caplog)[-1]
        finally:
            hold.release()


def test_a_server_that_is_down_at_the_start_is_told(postgresql: Cluster) -> None:
    with pytest.raises(StoreUnavailable):
        DatabaseHold("postgresql://tests@127.0.0.1:1/none")
    with pytest.raises(StoreError):
        DatabaseHold("mysql://127.0.0.1/none")
