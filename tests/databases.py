"""Both kinds of database for tests: an SQLite file, and a PostgreSQL server of the test run's own."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from pbx.store.database import Database

PATIENCE_SECONDS = 60.0
PR_SET_PDEATHSIG = 1
"""Of `<sys/prctl.h>`."""
ATTEMPTS = 5
"""Between our look for a free port and the server's own somebody else may take it."""

SETTINGS = ("fsync=off", "full_page_writes=off", "listen_addresses=127.0.0.1", "unix_socket_directories=")
"""A killed process takes nothing from the system's cache along: waiting for the disk would show nothing more."""


def programs() -> Path:
    """The folder of PostgreSQL's programs, which Debian keeps out of the path. Skips the test without them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = str(found[-1]) if found else shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return Path(initdb).resolve().parent


class Cluster:
    """A running PostgreSQL server, as user `postgres` where we are root, whom it does not serve."""

    def __init__(self, folder: Path) -> None:
        self._programs, self._folder = programs(), folder
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(folder, self._user)
        self._initialise()
        self._made = 0
        for _ in range(ATTEMPTS):
            self.port = _free_port()
            self._server = self._launch()
            if self._answers():
                return
        raise AssertionError(self._log)

    def _initialise(self) -> None:
        command = f"{self._programs}/initdb --pgdata={self._folder}/data --username=tests --no-sync"
        options = "--auth=trust --encoding=UTF8 --locale=C"
        done = subprocess.run(
            [*command.split(), *options.split()],
            user=self._user,
            cwd=self._folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _launch(self) -> subprocess.Popen[bytes]:
        command = [f"{self._programs}/postgres", "-D", f"{self._folder}/data", "-p", str(self.port)]
        for setting in SETTINGS:
            command += ["-c", setting]
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                command, user=self._user, cwd=self._folder, stdout=log, stderr=log, preexec_fn=_end_with_parent
            )

    @property
    def _log(self) -> str:
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace")

    def _answers(self) -> bool:
        """Wait until it serves; False if it ends instead."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        ready = [f"{self._programs}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        server = self._server
        while server.poll() is None:
            if subprocess.run(ready, check=False).returncode == 0:
                return True
            assert time.monotonic() < deadline, "PostgreSQL does not start"
            time.sleep(0.05)
        return False

    @property
    def pid(self) -> int:
        """The process of the server."""
        return self._server.pid

    def new(self) -> str:
        """The URL of a database that nobody has used."""
        self._made += 1
        administration = Database.postgresql(self.url("postgres"))
        try:
            with administration.engine.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            ) as connection:
                connection.execute(text(f"CREATE DATABASE test{self._made}"))
        finally:
            administration.close()
        return self.url(f"test{self._made}")

    def url(self, name: str) -> str:
        """Where a database is."""
        return f"postgresql://tests@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        """End the server and whatever it does."""
        if self._server.poll() is None:
            self._server.send_signal(signal.SIGINT)  # it ends its sessions, and then itself
            try:
                self._server.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()

    def start_again(self) -> None:
        """Start the server anew, on the port it had before."""
        self._server = self._launch()
        assert self._answers(), self._log


def _end_with_parent() -> None:
    """Have the system stop the server when the test run is killed (Linux; elsewhere it would go on)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def opened(location: Path | str) -> Database:
    """The database at a place, as it is."""
    return Database.sqlite(location) if isinstance(location, Path) else Database.postgresql(location)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A server for a while; nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="myphone-postgresql-"))
    try:
        server = Cluster(folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
