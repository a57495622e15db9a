"""Calls that are over, kept in the store: written in batches that no call waits for, and read again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from pbx.happenings import CallQuality, Happenings
from pbx.history.chronicle import Chronicle
from pbx.history.record import CallList, CallRecord
from pbx.store import calls
from pbx.store.store import Store

BATCH_SECONDS = 0.2
"""How long a record may wait for others to be written with it."""
BATCH = 200
DAY_SECONDS = 86400.0


class History:
    """Listens to what happens, and keeps a record of each call for so many days."""

    def __init__(
        self, happenings: Happenings, store: Store, wall: Callable[[], datetime], keep_days: int
    ) -> None:
        """`keep_days`: 0 keeps them for ever."""
        self._store, self._wall, self._keep_days = store, wall, keep_days
        self._chronicle = Chronicle(self._add)
        for kind in self._chronicle.kinds:
            happenings.subscribe(kind, self._chronicle.take)
        happenings.subscribe(CallQuality, self._add_quality)
        self._records: list[CallRecord] = []
        self._qualities: list[CallQuality] = []
        self._timer: asyncio.TimerHandle | None = None
        self._daily: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Forget what is too old, now and every day."""
        if self._keep_days and self._store.durable:
            self._store.note(partial(calls.forget, self._wall() - timedelta(days=self._keep_days)))
            self._daily = asyncio.get_running_loop().call_later(DAY_SECONDS, self.start)

    def stop(self) -> None:
        """Hand over to the store what it has not got yet. The store is closed after this."""
        self._flush()
        if self._daily is not None:
            self._daily.cancel()

    async def latest(
        self,
        number: str | None = None,
        kind: CallList | None = None,
        *,
        before: datetime | None = None,
        limit: int = 50,
    ) -> list[CallRecord]:
        """The latest calls that are over, as `pbx.store.calls.calls` has it. Raises StoreUnavailable."""
        self._flush()
        query = partial(calls.calls, number=number, kind=kind, before=before, limit=limit)
        return await self._store.fetch(query)

    def _add(self, record: CallRecord) -> None:
        self._records.append(record)
        self._written_soon()

    def _add_quality(self, quality: CallQuality) -> None:
        self._qualities.append(quality)
        self._written_soon()

    def _written_soon(self) -> None:
        if len(self._records) + len(self._qualities) >= BATCH:
            self._flush()
        elif self._timer is None and self._store.durable:
            self._timer = asyncio.get_running_loop().call_later(BATCH_SECONDS, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._records or self._qualities:
            self._store.note(partial(calls.add, tuple(self._records), tuple(self._qualities)))
            self._records.clear()
            self._qualities.clear()
