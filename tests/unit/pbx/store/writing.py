"""A process to be killed: it writes into a store, and says what it was told is kept.

Run as a module with the location of the database it waits for lines on standard input. For each it forks a writer,
prints its process id, and waits for its end; whoever started it kills the writer. Forking spares each writer the
second that it takes to import everything.
"""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, insert, select

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


def first_free(numbers: list[int], base: int) -> int:
    """The next number of a kind, given all that are there."""
    return max((number for number in numbers if base <= number < base + NOTED), default=base) + 1


async def _write(location: Path | str, told: int) -> None:
    store = Store.open(location, partial(ThreadPoolExecutor, max_workers=1))
    numbers = store.read(kept)
    written, noted = first_free(numbers, 0), first_free(numbers, NOTED)
    while True:
        store.note(partial(step, noted))
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
            asyncio.run(_write(location, told))
        os.write(told, f"pid {writer}\n".encode())
        os.waitpid(writer, 0)
        os.write(told, b"killed\n")


if __name__ == "__main__":
    main()
