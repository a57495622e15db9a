"""What somebody was told is kept is kept, whenever the process is killed, and nothing is kept in part."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random

import pytest

from pbx.history.journal import Journal
from pbx.store.database import Database
from pbx.store.errors import StoreUnavailable
from pbx.store.migrations.upgrade import revision, upgrade
from pbx.store.store import Store
from tests.databases import cluster, opened
from tests.unit.pbx.store.test_store import add, numbers
from tests.unit.pbx.store.writing import NOTED, kept

ROOT = Path(__file__).parents[4]
KILLS = {"sqlite": 40, "postgresql": 20}
MOST_WRITES = 12
"""A writer is killed after so many at the most; after none, it may still be making its tables."""
PATIENCE_SECONDS = 60.0


class Killer:
    """Has writers forked, reads what they say, and kills them."""

    def __init__(self, location: Path | str, journal: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.pbx.store.writing", str(location), str(journal)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def round(self, writes: int, seconds: float) -> list[int]:
        """Let a writer be told so many times, and a moment more, that a change is kept; what it was told."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        writer, told = None, list[int]()
        while writer is None or len(told) < writes:
            line = self._process.stdout.readline().split()
            assert line, "the writer has ended of itself"
            if line[0] == "pid":
                writer = int(line[1])
            else:
                told.append(int(line[0]))
        time.sleep(seconds)
        os.kill(writer, signal.SIGKILL)
        while (line := self._process.stdout.readline().split()) != ["killed"]:
            told.append(int(line[0]))
        return told

    def stop(self) -> None:
        """End it; a writer is not left either."""
        self._process.kill()
        self._process.communicate()


def test_whenever_it_is_killed_what_was_told_is_kept(location: Path | str, seed: int, tmp_path: Path) -> None:
    """In the store, and in the journal of calls that were going on."""
    random, told, before = Random(seed), set[int](), list[int]()
    journal = Journal(tmp_path / "calls.journal")
    kills = KILLS["sqlite" if isinstance(location, Path) else "postgresql"]
    killer = Killer(location, tmp_path / "calls.journal")
    try:
        for _ in range(kills):
            told |= set(killer.round(random.randrange(MOST_WRITES), random.random() * 0.01))
            now = _kept(location)
            assert told <= set(now)
            assert set(before) <= set(now)
            cut_short = journal.recover()
            assert told <= {int(record.call) for record in cut_short}
            assert all(record.dialled == record.call for record in cut_short)
            for base in (0, NOTED):  # in the order in which they were asked for, so without a gap
                of_this_kind = [number for number in now if base < number < base + NOTED]
                assert of_this_kind == list(range(base + 1, base + 1 + len(of_this_kind)))
            before = now
    finally:
        killer.stop()
    assert len(told) > kills
    if isinstance(location, Path):
        file = sqlite3.connect(location)
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        file.close()


def _kept(location: Path | str) -> list[int]:
    database = opened(location)
    try:
        if isinstance(location, str):
            _wait_for_the_dead(database)
        return database.query(kept) if database.query(revision) else []
    finally:
        database.close()


def _wait_for_the_dead(database: Database) -> None:
    """What a killed process asked PostgreSQL for may still be under way: wait until its session is over."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    while database.query(lambda connection: connection.exec_driver_sql(others).scalar_one()):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_server_that_goes_away_and_comes_back_costs_nothing() -> None:
    """PostgreSQL is stopped under a running store: changes are refused, facts wait, and all goes on afterwards."""
    with cluster() as server:
        database = Database.postgresql(server.new())
        upgrade(database)

        async def story() -> None:
            store = Store(database, partial(ThreadPoolExecutor, max_workers=1))
            try:
                await store.write(partial(add, "100"))
                server.stop()
                store.note(partial(add, "101"))
                with pytest.raises(StoreUnavailable):
                    await store.write(partial(add, "102"))
                store.note(partial(add, "103"))
                server.start_again()
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while len(store):
                        await asyncio.sleep(0.02)
                assert await store.fetch(numbers) == ["100", "101", "103"]
            finally:
                await store.close()

        asyncio.run(story())


def test_a_full_disk_is_told_and_nothing_is_half_written(tmp_path: Path) -> None:
    database = Database.sqlite(tmp_path / "myphone.db")
    try:
        upgrade(database)
        pages = database.query(
            lambda connection: connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        )
        limit = f"PRAGMA max_page_count = {pages + 2}"  # of this connection, which is the pool's only one
        database.query(lambda connection: connection.exec_driver_sql(limit).scalar_one())
        stored = _add_until_full(database)
        assert len(database.query(numbers)) == stored > 0
        more = f"PRAGMA max_page_count = {pages + 100}"
        database.query(lambda connection: connection.exec_driver_sql(more).scalar_one())
        database.transact(partial(add, "99999"))
    finally:
        database.close()


def _add_until_full(database: Database) -> int:
    """Add extensions until one is refused; how many were taken."""
    for taken, number in enumerate(range(100, 10_000)):
        try:
            database.transact(partial(add, str(number)))
        except StoreUnavailable:
            return taken
    raise AssertionError("the disk is never full")
