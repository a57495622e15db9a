"""A file of the calls that are going on: what is known of them when the process was killed.

Each line is the record of a call as it would be if the system had stopped at that moment; a later line of a call takes
the place of those before, and each says up to when its calls were going on. Calls that have ended are not struck
out: their records are in the store, which is asked. Nothing waits for the disk: what the process has written outlives
it, and only the end of the machine may cost the last seconds.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from pbx.history.record import CallRecord, HandOver, Participation, Role

logger = logging.getLogger(__name__)

FILE = "calls.journal"
"""Within the data folder."""
LONGEST = 1_000_000
"""Bytes; then it is written anew, with the calls that are going on alone."""


class Journal:
    """Such a file. All here waits for the disk; nothing raises: without it, calls go on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self._failing = False

    @property
    def full(self) -> bool:
        """Whether it is time to `rewrite` it."""
        return self._size > LONGEST

    def append(self, at: datetime, records: Iterable[CallRecord]) -> None:
        """Note calls of which there is more to tell, and that they and all others were going on `at` this time."""
        self._write(os.O_APPEND, self._path, at, records)

    def rewrite(self, at: datetime, records: Iterable[CallRecord]) -> None:
        """Forget all calls but these."""
        new = self._path.with_suffix(".new")
        if self._write(os.O_TRUNC, new, at, records):
            os.replace(new, self._path)

    def clear(self) -> None:
        """Forget all calls: none is going on."""
        self._size = 0
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            self._fails(error)

    def recover(self) -> tuple[CallRecord, ...]:
        """The calls that were going on at the last moment that is known, as if they had ended then."""
        try:
            lines = self._path.read_text("ascii", "replace").splitlines()
        except FileNotFoundError:
            return ()
        except OSError as error:
            self._fails(error)
            return ()
        found: dict[str, CallRecord] = {}
        last: datetime | None = None
        for line in lines:
            try:
                last, records = _read(json.loads(line))
            except (ValueError, TypeError, KeyError):  # the last one, of which only a part was written
                continue
            found |= {record.call: record for record in records}
        return tuple(_going_on_until(last, record) for record in found.values()) if last is not None else ()

    def _write(self, how: int, path: Path, at: datetime, records: Iterable[CallRecord]) -> bool:
        line = json.dumps([at, *records], default=_plain, separators=(",", ":")) + "\n"
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600)
            try:
                os.write(file, line.encode("ascii"))
                self._size = os.lseek(file, 0, os.SEEK_END)
            finally:
                os.close(file)
        except OSError as error:
            self._fails(error)
            return False
        self._failing = False
        return True

    def _fails(self, error: OSError) -> None:
        if not self._failing:
            logger.error("%s: calls that a crash cuts short will have no records: %s", self._path, error.strerror)
        self._failing = True


def _going_on_until(last: datetime, record: CallRecord) -> CallRecord:
    more = max(0.0, (last - record.ended_at).total_seconds())
    talked = more if record.answered_by or record.feature else 0.0
    return replace(
        record,
        ended_at=max(last, record.ended_at),
        seconds=record.seconds + more,
        talk_seconds=record.talk_seconds + talked,
    )


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return value.value if isinstance(value, Enum) else value.isoformat()


def _read(line: list[Any]) -> tuple[datetime, list[CallRecord]]:
    at, *rows = line
    return datetime.fromisoformat(at), [_record(row) for row in rows]


def _record(row: dict[str, Any]) -> CallRecord:
    parties = (
        Participation(**_with_moments(party, "at", "answered_at") | {"role": Role(party["role"])})
        for party in row["parties"]
    )
    handed = (HandOver(**_with_moments(each, "at")) for each in row["hand_overs"])
    more = {"parties": tuple(parties), "hand_overs": tuple(handed), "reasons": tuple(row["reasons"])}
    return CallRecord(**_with_moments(row, "started_at", "ended_at") | more)


def _with_moments(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return row | {name: None if row[name] is None else datetime.fromisoformat(row[name]) for name in names}
