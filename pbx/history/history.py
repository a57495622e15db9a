"""Calls that are over, kept in the store: written in batches that no call waits for, and read again.

Of those that are going on a journal tells, so that they are among the others after a crash.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from datetime import datetime, timedelta
from functools import partial

from pbx.happenings import CallQuality, CallStarted, Happenings
from pbx.history.chronicle import Chronicle
from pbx.history.journal import Journal
from pbx.history.record import CallList, CallRecord
from pbx.store import calls
from pbx.store.store import Store
from values import dataclass

logger = logging.getLogger(__name__)

BATCH_SECONDS = 0.5
"""How long a record may wait for others to be written with it. It waits for half of that at least: its legs tell how
they sounded a moment after the end, and to enter that later costs several times as much as all else of the call."""
BATCH = 200
"""So many do not wait for others."""
DAY_SECONDS = 86400.0
JOURNAL_SECONDS = 0.1
"""How soon the journal tells of a call that begins, and how one has ended: the store has that later."""
STILL_SECONDS = 0.5
"""How often it tells what has become of calls, and that they are still going on."""

MOST_UNSETTLED = 2000
"""So many calls that have ended are in the journal, where the store takes nothing for long; those before are lost, if
it takes nothing until the process is killed."""


@dataclass(slots=True)
class _Ended:
    """Calls that have ended, and were given to the store together."""

    entries: list[calls.Entry]
    noted: int
    """The store has them once it has settled so many facts."""


class History:
    """Listens to what happens, and keeps a record of each call for so many days."""

    def __init__(
        self,
        happenings: Happenings,
        store: Store,
        wall: Callable[[], datetime],
        keep_days: int,
        journal: Journal | None = None,
        threads: Callable[[], Executor] | None = None,
    ) -> None:
        """`keep_days`: 0 keeps them for ever. `threads` makes an executor with a single thread, for the journal;
        without it that is written at once."""
        self._store, self._wall, self._keep_days = store, wall, keep_days
        self._chronicle = Chronicle(self._add)
        for kind, take in self._chronicle.takes.items():
            happenings.subscribe(kind, take)
        happenings.subscribe(CallQuality, self._add_quality)
        self._fresh: list[Callable[[], CallRecord]] = []
        """What makes the records of calls that have just ended."""
        self._heard: list[CallQuality] = []
        """What was told since these were made."""
        self._young: dict[str, calls.Entry] = {}
        """Calls that have ended, of which the store has not been told; by their IDs."""
        self._old: dict[str, calls.Entry] = {}
        """Those among them that are given to it next."""
        self._late: list[CallQuality] = []
        """Of calls that the store knows already."""
        self._timer: asyncio.TimerHandle | None = None
        self._daily: asyncio.TimerHandle | None = None
        self._journal = journal
        self._read: Journal | None = None
        """The same, once a start has read it."""
        self._journalist = threads() if threads is not None and journal is not None else None
        self._journalling: asyncio.TimerHandle | None = None
        self._journalling_soon = False
        """Whether that is to be within `JOURNAL_SECONDS`."""
        self._ended: list[calls.Entry] = []
        """Calls of which the journal does not know yet that they are over."""
        self._unsettled: deque[_Ended] = deque()
        """While the store may not have them."""
        if journal is not None:
            happenings.subscribe(CallStarted, self._tell_journal_soon)

    def start(self) -> None:
        """Enter the calls that were going on when the system was killed, if it was. Then forget what is too old, now
        and every day. Raises StoreUnavailable."""
        if self._journal is not None:
            cut_short = self._journal.recover()
            entered = self._store.begin(partial(calls.add_missing, cut_short)) if cut_short else 0
            if entered:
                logger.warning("calls that the end of the system has cut short, or kept out of the store: %d", entered)
            self._journal.clear()
            self._read = self._journal
        self._forget()

    def _forget(self) -> None:
        if self._keep_days and self._store.durable:
            self._store.note(partial(calls.forget, self._wall() - timedelta(days=self._keep_days)))
            self._daily = asyncio.get_running_loop().call_later(DAY_SECONDS, self._forget)

    def stop(self) -> None:
        """Hand over to the store what it has not got yet. The store is closed after this, and then `store_closed`."""
        self._flush()
        if self._journal is not None and self._unsettled:  # it has them at least, if the store takes nothing now
            at = self._wall()
            last = partial(self._journal.conclude, at, self._chronicle.going_on(at), self._ended, self._not_in_store())
            self._have_done(last)
        self._journal = None
        for timer in (self._daily, self._journalling):
            if timer is not None:
                timer.cancel()
        if self._journalist is not None:
            self._journalist.shutdown(wait=True)

    def store_closed(self) -> None:
        """Leave no journal where the store has all that it would tell of: a version that writes others, started next,
        would have to say that it cannot read it."""
        ended = self._fresh or self._young or self._old
        left = len(self._chronicle) or ended or len(self._store) or self._store.lost
        if self._read is not None and not left:
            self._read.clear()

    async def latest(
        self,
        number: str | None = None,
        kind: CallList | None = None,
        *,
        before: datetime | None = None,
        behind: calls.Place | None = None,
        limit: int = 50,
    ) -> list[CallRecord]:
        """The latest calls that are over, as `pbx.store.calls.calls` has it. Raises StoreUnavailable."""
        self._flush()
        query = partial(calls.calls, number=number, kind=kind, before=before, behind=behind, limit=limit)
        return await self._store.fetch(query)

    def _add(self, make: Callable[[], CallRecord]) -> None:
        self._fresh.append(make)
        if not self._journalling_soon:
            self._tell_journal_soon()
        if self._timer is None or len(self._fresh) + len(self._young) >= BATCH:
            self._given_soon()

    def _add_quality(self, quality: CallQuality) -> None:
        self._heard.append(quality)
        if self._timer is None:
            self._given_soon()

    def _prepare(self) -> None:
        """Make entries of what was only noted: of many calls at once, for that takes the half of what it takes in the
        midst of each call's end."""
        fresh, self._fresh = self._fresh, []
        heard, self._heard = self._heard, []
        young, old = self._young, self._old
        for make in fresh:
            try:
                entry = calls.entry(make())
            except Exception:  # hurts no other call
                logger.exception("a call that has ended has no record")
                continue
            young[entry.row[0]] = entry
            if self._journal is not None:
                self._ended.append(entry)
        for quality in heard:
            known = young.get(quality.call) or old.get(quality.call)
            if known is None:
                self._late.append(quality)
                continue
            try:
                known.legs.append(calls.leg_text(quality))
            except Exception:  # nor does this
                logger.exception("how a leg of a call sounded is not kept")

    def _given_soon(self) -> None:
        if len(self._fresh) + len(self._young) + len(self._heard) + len(self._late) >= BATCH:
            self._give_old()
        elif self._timer is None and self._store.durable:
            self._timer = asyncio.get_running_loop().call_later(BATCH_SECONDS / 2, self._give_old)

    def _give_old(self) -> None:
        self._prepare()
        old, self._old, self._young = self._old, self._young, {}
        self._give(old)
        if self._old:
            self._given_soon()

    def _flush(self) -> None:
        """Give the store all that it has not been told."""
        self._prepare()
        ended, self._old, self._young = self._old | self._young, {}, {}
        self._give(ended)

    def _give(self, ended: Mapping[str, calls.Entry]) -> None:
        late, self._late = self._late, []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not (ended or late):
            return
        entries = [*ended.values()]
        self._store.note(partial(calls.enter, entries, late), at_once=True)
        if entries and self._journal is not None:
            self._unsettled.append(_Ended(entries, self._store.noted))

    # -- calls that are going on ------------------------------------------------------------------------------

    def _tell_journal_soon(self, happening: object = None) -> None:
        if self._journal is not None and not self._journalling_soon:
            self._journalling_soon = True
            self._journal_after(JOURNAL_SECONDS)

    def _journal_after(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if self._journalling is not None:
            if self._journalling.when() <= due:
                return
            self._journalling.cancel()
        self._journalling = loop.call_at(due, self._write_journal)

    def _write_journal(self) -> None:
        self._journalling, self._journalling_soon = None, False
        at, chronicle, journal = self._wall(), self._chronicle, self._journal
        assert journal is not None, "without one nothing is to be written"
        self._prepare()
        unsettled, ended, self._ended = self._unsettled, self._ended, []
        while unsettled and unsettled[0].noted <= self._store.settled:
            unsettled.popleft()
        while sum(len(each.entries) for each in unsettled) > MOST_UNSETTLED:
            unsettled.popleft()
        if not (len(chronicle) or self._young or self._old or len(self._store)):
            self._have_done(journal.clear)
            return
        if journal.full:
            self._have_done(partial(journal.rewrite, at, chronicle.going_on(at), self._not_in_store()))
        else:
            self._have_done(partial(journal.append, at, chronicle.changed(at), ended))
        self._journal_after(STILL_SECONDS)

    def _not_in_store(self) -> list[calls.Entry]:
        """Calls that have ended, as far as it may not have them."""
        given = [entry for each in self._unsettled for entry in each.entries]
        return [*given, *self._old.values(), *self._young.values()]

    def _have_done(self, work: Callable[[], None]) -> None:
        if self._journalist is None:
            work()
        else:
            self._journalist.submit(work)
