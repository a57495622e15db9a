"""A process to be killed: it writes into a store and a journal, and says what it was told is kept.

Run as a module with the location of the database and the file of the journal it waits for lines on standard input.
For each it forks a writer, prints its process id, and waits for its end; whoever started it kills the writer. Forking
spares each writer the second that it takes to import everything.
"""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, insert, select

from pbx.history.journal import Journal
from pbx.history.record import CallRecord, Participation, Role
from pbx.store.database import Database
from pbx.store.extensions import extensions
from pbx.store.statuses import log_in, queue_logins, set_status, statuses
from pbx.store.store import Store

ROW = {"realm": "myphone", "ha1_md5": "0" * 32, "ha1_sha256": "0" * 64}
NOTED = 500_000
"""What is noted has numbers from here, what is written those below."""


def step(number: int, connection: Connection) -> None:
    """One change: a row in each of three tables."""
    text = str(number)
    connection.execute(insert(extensions).values(number=text, **ROW))
    set_status(text, "away", f"note {number}", connection)
    log_in("804", text, connection)


def kept(connection: Connection) -> list[int]:
    """The numbers that are there, in order. Fails where a change is there in part."""
    found = [
        set(connection.scalars(select(column)))
        for column in (extensions.c.number, statuses.c.extension, queue_logins.c.extension)
    ]
    assert found[0] == found[1] == found[2]
    return sorted(map(int, found[0]))


def open_call(number: int) -> CallRecord:
    """What the journal is given of a call that goes on."""
    at = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=number)
    parties = (Participation("100", Role.CALLER, at), Participation("101", Role.CALLEE, at, addressed=True))
    words = ("100", "Lee Parker", "", str(number), True, 503, "System Stopped", 1.0, 0.0, "", "")
    return CallRecord(str(number), at, at + timedelta(seconds=1), *words, parties, (), ())


def first_free(numbers: list[int], base: int) -> int:
    """The next number of a kind, given all that are there."""
    return max((number for number in numbers if base <= number < base + NOTED), default=base) + 1


async def _write(location: Path | str, file: str, told: int) -> None:
    store = Store.open(location, partial(ThreadPoolExecutor, max_workers=1))
    numbers, journal = store.read(kept), Journal(Path(file))
    written, noted = first_free(numbers, 0), first_free(numbers, NOTED)
    while True:
        store.note(partial(step, noted))
        call = open_call(written)
        if journal.full:
            journal.rewrite(call.ended_at, [call])
        journal.append(call.ended_at, [call])
        await store.write(partial(step, written))
        os.write(told, f"{written}\n".encode())
        written, noted = written + 1, noted + 1


def main() -> None:
    """Fork a writer for each line."""
    text = sys.argv[1]
    location: Path | str = text if text.startswith("postgresql:") else Path(text)
    told = sys.stdout.fileno()
    if isinstance(location, str):
        Database.postgresql(location).close()  # its driver is imported once for all
    for _ in sys.stdin:
        writer = os.fork()
        if not writer:
            asyncio.run(_write(location, sys.argv[2], told))
        os.write(told, f"pid {writer}\n".encode())
        os.waitpid(writer, 0)
        os.write(told, b"killed\n")


if __name__ == "__main__":
    main()
