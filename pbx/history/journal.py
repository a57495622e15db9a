"""A file of the calls that are going on: what is known of them when the process was killed.

Each line has records of calls as they would be if the system had stopped at that moment; a later record of a call takes
the place of those before. Each line says up to when calls were going on, too, and has those that have ended since the
line before, as they ended: the store, which is asked first, has them a moment later.
Nothing waits for the disk: what the process has written outlives it, and only the end of the machine may cost the
last seconds.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import datetime
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import Any
from zlib import crc32

from pbx.history.record import CallRecord, HandOver, Participation
from pbx.history.rows import TRUTH, moment_text, read_hand_overs, read_parties
from pbx.quoted import Quoted
from pbx.store.calls import Entry, entry

logger = logging.getLogger(__name__)

FILE = "calls.journal"
"""Within the data folder."""
LONGEST = 1_000_000
"""Bytes; then it is written anew, with the calls that are going on alone. Where these are so many that they take
half of that, it may grow to twice what they take."""
KEPT = 5
"""So many that could not be read are kept, the latest."""

_UNREAD = re.compile(r"\.unread(?:-([0-9]+))?")


class Journal:
    """Such a file. All here waits for the disk; nothing raises: without it, calls go on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = self._least = 0
        self._failing = False

    @property
    def full(self) -> bool:
        """Whether it is time to `rewrite` it: also where something could not be written, which is not in it then, and
        of which a part may stand there without an end."""
        return self._failing or self._size > max(LONGEST, 2 * self._least)

    def append(self, at: datetime, records: Iterable[CallRecord], over: Iterable[Entry] = ()) -> None:
        """Note calls of which there is more to tell, and that they and all others were going on `at` this time, but for
        those that are `over`, and how these ended."""
        self._write(os.O_APPEND, self._path, at, records, over)

    def rewrite(self, at: datetime, records: Iterable[CallRecord], over: Iterable[Entry] = ()) -> None:
        """Forget all calls but these."""
        new = self._path.with_suffix(".new")
        if not self._write(os.O_TRUNC, new, at, records, over):
            return
        try:
            os.replace(new, self._path)
        except OSError as error:
            self._fails(error)
        else:
            self._least, self._failing = self._size, False

    def conclude(
        self, at: datetime, records: Iterable[CallRecord], ended: Iterable[Entry], over: Iterable[Entry]
    ) -> None:
        """Note the last calls that have `ended`; where something could not be written, all that are going on or `over`:
        behind a part of a line nothing can be read."""
        if not self._failing:
            self.append(at, (), ended)
        if self._failing:
            self.rewrite(at, records, over)

    def clear(self) -> None:
        """Forget all calls: none is going on."""
        self._size = self._least = 0
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            self._fails(error)
        else:
            self._failing = False

    def recover(self) -> tuple[CallRecord, ...]:
        """The calls that were going on at the last moment that is known, as if they had ended then; others that are
        over as they ended. A file of which nothing can be read is put aside."""
        try:
            lines = self._path.read_text("ascii", "replace").splitlines()
        except FileNotFoundError:
            return ()
        except OSError as error:
            remedy = "to have them, make it readable, and put it back while the system is stopped"
            self._put_aside(f"cannot be read ({error.strerror})", remedy)
            return ()
        found: dict[str, CallRecord] = {}
        over: dict[str, CallRecord] = {}
        last: datetime | None = None
        foreign = False
        for line in lines:
            try:
                last, records, final = _read(json.loads(line))
            except _OtherVersionError:
                foreign = True
                continue
            except (ValueError, TypeError, KeyError, RecursionError):  # written in part
                continue
            found |= {record.call: record for record in records}
            over |= {record.call: record for record in final}
        if last is None:
            if foreign:
                remedy = "to have them, put it back and start that version once, with its own database"
                self._put_aside("is of another version", remedy)
            elif lines:
                self._put_aside("is damaged", "see whether the disk is sound, and delete it when nobody wants it")
            return ()
        cut_short = {call: _going_on_until(last, record) for call, record in found.items()}
        return tuple((cut_short | over).values())

    def _put_aside(self, what: str, remedy: str) -> None:
        """Keep what cannot be read here, beside what was kept of others before; of many the latest alone."""
        try:
            before = self._unread()
            number = max(before, default=-1) + 1
            aside = self._path.with_suffix(f".unread-{number}" if number else ".unread")
            os.replace(self._path, aside)
        except OSError as error:
            self._fails(error)
            return
        logger.warning(
            "%s %s: the calls that were going on when the system was killed have no records. It is kept as %s; %s",
            self._path,
            what,
            aside.name,
            remedy,
        )
        for old in sorted(before)[: 1 - KEPT]:
            _delete(before[old])

    def _unread(self) -> dict[int, Path]:
        """Those that were put aside before, by their numbers, the latest with the highest. Raises OSError."""
        found = {path: _UNREAD.fullmatch(path.suffix) for path in self._path.parent.iterdir()}
        return {
            int(match[1] or 0): path for path, match in found.items() if match and path.stem == self._path.stem
        }

    def _write(
        self, how: int, path: Path, at: datetime, records: Iterable[CallRecord], over: Iterable[Entry]
    ) -> bool:
        line = _line(at, records, over)
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600)
            try:
                if os.write(file, line.encode("ascii")) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                self._size = os.lseek(file, 0, os.SEEK_END)
            finally:
                os.close(file)
        except OSError as error:
            self._fails(error)
            return False
        return True

    def _fails(self, error: OSError) -> None:
        if not self._failing:
            logger.error("%s: calls that a crash cuts short will have no records: %s", self._path, error.strerror)
        self._failing = True


def _delete(unread: Path) -> None:
    try:
        unread.unlink()
    except OSError as error:
        logger.warning("%s cannot be deleted: %s", unread, error.strerror)
    else:
        logger.info("%s is deleted: of journals that could not be read the latest %d are kept", unread, KEPT)


def _going_on_until(end: datetime, record: CallRecord) -> CallRecord:
    more = max(0.0, (end - record.ended_at).total_seconds())
    talked = more if record.answered_by or record.feature else 0.0
    return replace(
        record,
        ended_at=max(end, record.ended_at),
        seconds=record.seconds + more,
        talk_seconds=record.talk_seconds + talked,
    )


# -- lines: a list for each record, of its values in the order of its fields -----------------------------------

_NAMES = tuple(tuple(field.name for field in fields(kind)) for kind in (CallRecord, Participation, HandOver))
_SHAPE = crc32(repr((*_NAMES, "over at once")).encode())
"""At the head of each line: values by their order alone mean something else in a version with other fields."""
_quoted = Quoted()


class _OtherVersionError(ValueError):
    """A line that another version of the system has written."""


def _line(at: datetime, records: Iterable[CallRecord], over: Iterable[Entry]) -> str:
    rows = "".join([f",{_row(entry(record))}" for record in records])
    return f"[{_SHAPE},{moment_text(at)},[{','.join(map(_row, over))}]{rows}]\n"


def _row(entered: Entry) -> str:
    """Of what is prepared for the store: to print a call that is over takes a third of what it would take anew."""
    quoted = _quoted
    call, began, ended, caller, name, trunk, dialled, internal, status, reason, *more = entered.row
    seconds, talk_seconds, answered_by, feature, hand_overs, reasons, parties = more
    return (
        f'[{encode_basestring_ascii(call)},"{began}+00:00","{ended}+00:00",{quoted[caller]},{quoted[name]}'
        f",{quoted[trunk]},{quoted[dialled]},{TRUTH[internal]},{status},{quoted[reason]},{seconds},{talk_seconds}"
        f",{quoted[answered_by]},{quoted[feature]},{parties},{hand_overs},{reasons}]"
    )


def _read(line: list[Any]) -> tuple[datetime, list[CallRecord], list[CallRecord]]:
    """When it was written, the calls that were going on, and those that are over."""
    shape, at, over, *rows = line
    if shape != _SHAPE:
        raise _OtherVersionError
    return datetime.fromisoformat(at), [_record(*row) for row in rows], [_record(*row) for row in over]


def _record(call: str, started_at: str, ended_at: str, *values: Any) -> CallRecord:
    *others, parties, hand_overs, reasons = values
    others += [read_parties(parties), read_hand_overs(hand_overs), tuple(reasons)]
    return CallRecord(call, datetime.fromisoformat(started_at), datetime.fromisoformat(ended_at), *others)
