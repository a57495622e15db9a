"""The store as the switch holds it: changes that somebody waits for, and facts that nobody may wait for.

    message = await store.write(partial(mailboxes.add, number="100", ...))    # kept when this returns
    store.note(partial(calls.add, record))                                    # kept a moment later
    store.note(OneOf(replace_bindings, (number, rows)))                       # with others of its kind
    greeting = await store.fetch(partial(mailboxes.greeting, number="100"))

A change or query is a plain function over a SQLAlchemy `Connection`. It lives in a file of this folder, one a
noun, next to the tables that it is about, and is run in one transaction: it commits nothing itself.

**To keep something more:** make `pbx/store/<noun>.py` with its `Table`s on `pbx.store.schema.metadata` and its
functions; name the module in `pbx/store/tables.py`; add `pbx/store/migrations/versions/v<number>_<noun>.py`
whose `revision` is the next number ("0003") and whose `down_revision` is the one before. There is one chain: who
comes second takes the next number (`tests/unit/pbx/store/test_migrations.py` holds that, and that the migrated
schema is that of the tables). What belongs to an extension refers to `extensions.number` with
`ondelete="CASCADE"`, so that it goes with it. Moments are of the type `pbx.store.schema.Moment`. The SQL is what
both SQLite and PostgreSQL know.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from pbx.store.database import Database
from pbx.store.errors import Conflict, StoreUnavailable
from pbx.store.migrations.upgrade import upgrade
from values import dataclass

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Fact = TypeVar("Fact")
Change = Callable[[Connection], Result]

MAX_NOTES = 100_000
"""Facts that wait for the database to come back; more are lost."""
BATCH = 500
"""Facts in one transaction."""
BATCH_SECONDS = 0.1
"""How long a fact may wait for others to go with it."""
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 1.0, 30.0
WAIT_SECONDS = 5.0
"""How long a change waits for those before it to be done."""


@dataclass(frozen=True, slots=True)
class OneOf(Generic[Fact]):
    """A change that says one fact of a kind of which many come at a time. Those that are noted one behind another are
    given to `enter` together, in their order, and again one by one where that fails."""

    enter: Callable[[Sequence[Fact], Connection], object]
    fact: Fact

    def __call__(self, connection: Connection) -> None:
        self.enter([self.fact], connection)


class Store:
    """A database and the order in which things are written into it: that in which they are asked for."""

    def __init__(self, database: Database, threads: Callable[[], Executor] | None = None) -> None:
        """`threads` makes an executor with a single thread. Without it everything is done at once, in the
        caller's own: so it is in the simulation, whose clock would run on while a thread works."""
        self._database = database
        self._writer = threads() if threads is not None else None
        self._reader = threads() if threads is not None else None
        self.revision = -1
        """That of the live data which the switch was given; it looks for others. -1: none is known."""
        self._notes: deque[Change[Any]] = deque()
        self.noted = self.settled = 0
        """Facts since the start: how many were given, and how many of them are written or lost."""
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._out = False
        self._lost = 0
        self._closed = False

    @classmethod
    def in_memory(cls, prepare: Change[Any] | None = None) -> Store:
        """A store that forgets everything with the process; `prepare` fills it when it is first used."""
        return cls(Database.memory(prepare))

    @classmethod
    def open(
        cls, location: Path | str, threads: Callable[[], Executor] | None = None, *, upgrades: bool = True
    ) -> Store:
        """A store in an SQLite file or, by its URL, in PostgreSQL; its tables are made those of this version, unless
        another process than the system itself asks (not `upgrades`).

        Raises StoreError, and StoreUnavailable where the database is locked or cannot be reached.
        """
        file = location if isinstance(location, Path) else None
        database = Database.sqlite(file) if file is not None else Database.postgresql(str(location))
        try:
            upgrade(database, file, older=upgrades)
        except BaseException:
            database.close()
            raise
        return cls(database, threads)

    @property
    def durable(self) -> bool:
        """Whether what is kept outlives the process."""
        return self._database.durable

    def __len__(self) -> int:
        """How many facts wait to be written."""
        return len(self._notes)

    @property
    def lost(self) -> int:
        """How many facts were not even taken to be written, since the database last took all."""
        return self._lost

    # -- changes --------------------------------------------------------------------------------------------

    async def write(self, change: Change[Result]) -> Result:
        """Perform a change in one transaction, after all that was asked for before. It is on disk when this returns.

        A caller that is cancelled meanwhile withdraws nothing. Raises StoreUnavailable, at the latest after some
        seconds, and Conflict where a row refers to one that is gone, or is there already; whatever else `change`
        raises takes all that it did back.
        """
        return await self._have_done(partial(self._perform, change))

    async def _have_done(self, work: Callable[[], Result]) -> Result:
        """By the writer, after all that it was asked for before."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._writer is None:
            result = work()
            await asyncio.sleep(0)  # others may run here, as they may while a thread works
            return result
        job = self._writer.submit(work)
        waiting = asyncio.wrap_future(job)
        waiting.add_done_callback(_hear)
        done, _ = await asyncio.wait([waiting], timeout=WAIT_SECONDS)
        if not done and job.cancel():
            raise StoreUnavailable("the database is slow, too many changes wait")
        return await asyncio.shield(waiting)

    def note(self, change: Change[Any], *, at_once: bool = False) -> None:
        """Have a change performed soon, and again until it succeeds; nobody is told when, and nothing waits for it.
        `at_once`: it need not wait for others to go with it, for it is many already.

        Changes of both kinds are performed in the order of the calls. A fact is lost, with a line in the log, where
        far too many wait, where its change fails of itself, or where the process dies within a moment.
        """
        if self._closed or len(self._notes) >= MAX_NOTES:
            self._lost += 1
            if self._lost == 1:
                logger.error("facts are lost: the store is closed, or has not written for too long")
            return
        self._notes.append(change)
        self.noted += 1
        if self._flushing is not None or (self._timer is not None and (self._out or not at_once)):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._flush_after(0.0 if at_once and not self._out else BATCH_SECONDS)

    async def flush(self) -> None:
        """Write what has been noted. Raises StoreUnavailable."""
        if self._notes or self._flushing is not None:
            await self._have_done(self._perform_noted)

    # -- queries ----------------------------------------------------------------------------------------------

    async def fetch(self, query: Change[Result]) -> Result:
        """Read, all at one moment; what was written or noted before is seen, unless the database takes nothing.

        Raises StoreUnavailable.
        """
        if self._notes and not self._out:
            try:
                await self.flush()
            except StoreUnavailable as error:
                logger.warning("%s; what is read may be a little old", error)
        if self._reader is None:
            result = self._database.query(query)
            await asyncio.sleep(0)
            return result
        return await asyncio.wrap_future(self._reader.submit(self._database.query, query))

    def read(self, query: Change[Result]) -> Result:
        """Read in the caller's thread: at the start, before any phone waits. Raises StoreUnavailable."""
        return self._database.query(query)

    def begin(self, change: Change[Result]) -> Result:
        """Change something in the caller's thread: at the start, too. Raises StoreUnavailable."""
        return self._database.transact(change)

    # -- life -------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Write what waits, if that is possible at all, and close the database."""
        if self._closed:
            return
        try:
            await self.flush()
        except StoreUnavailable as error:
            logger.error("%s; %d facts are lost", error, len(self._notes))
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._flushing is not None:
            await asyncio.wait([self._flushing])
        self.abandon()

    def abandon(self) -> None:
        """Close the database, without a loop, for there was none yet; nothing was noted."""
        self._closed = True
        for executor in (self._writer, self._reader):
            if executor is not None:
                executor.shutdown(wait=True)
        self._database.close()

    # -- the writer -------------------------------------------------------------------------------------------

    def _flush_after(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._start_flushing)

    def _start_flushing(self) -> None:
        self._timer = None
        self._flushing = asyncio.get_running_loop().create_task(self._flush(), name="store")

    async def _flush(self) -> None:
        try:
            await self._have_done(self._perform_noted)
            self._flushed()
        except StoreUnavailable as error:
            self._not_flushed(error)
        finally:
            self._flushing = None

    def _flushed(self) -> None:
        if self._out:
            logger.warning("the database is back, all that waited is written; lost: %d", self._lost)
        self._out, self._retry_seconds, self._lost = False, FIRST_RETRY_SECONDS, 0
        if self._notes:
            self._flush_after(BATCH_SECONDS)

    def _not_flushed(self, error: StoreUnavailable) -> None:
        if self._closed:
            return
        if not self._out:
            logger.warning("%s; calls go on, %d facts wait", error, len(self._notes))
        self._out = True
        self._flush_after(self._retry_seconds)
        self._retry_seconds = min(2 * self._retry_seconds, LAST_RETRY_SECONDS)

    def _perform(self, change: Change[Result]) -> Result:
        """In the writer's thread: all notes first, then the change."""
        self._perform_noted()
        return self._database.transact(change)

    def _perform_noted(self) -> None:
        while self._notes:
            batch = [self._notes[index] for index in range(min(BATCH, len(self._notes)))]
            self._perform_notes(batch)

    def _perform_notes(self, batch: list[Change[Any]]) -> None:
        def all_of_it(connection: Connection) -> None:
            for enter, notes in groupby(batch, _entered_by):
                if enter is None:
                    for note in notes:
                        note(connection)
                else:
                    enter([note.fact for note in notes if isinstance(note, OneOf)], connection)

        try:
            self._database.transact(all_of_it)
        except StoreUnavailable:
            raise
        except Exception as error:  # whatever one of them did
            if len(batch) > 1:
                for note in batch:
                    self._perform_notes([note])
                return
            level = logging.INFO if isinstance(error, Conflict) else logging.ERROR  # of what is gone meanwhile
            logger.log(level, "a fact cannot be kept: %s: %s", type(error).__name__, error)
        for _ in batch:
            self._notes.popleft()  # the loop only appends
        self.settled += len(batch)


def _entered_by(note: Change[Any]) -> Callable[[Sequence[Any], Connection], object] | None:
    """What takes it together with others; None if nothing does."""
    return note.enter if isinstance(note, OneOf) else None


def _hear(future: asyncio.Future[Any]) -> None:
    """Nobody may be left to hear why a change failed."""
    if not future.cancelled():
        future.exception()
