"""The tables of calls that are over: each attempt with who was in it and how it sounded, and who finds it where."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from math import isfinite
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    Select,
    String,
    Table,
    Text,
    delete,
    select,
    update,
)

from pbx.happenings import CallQuality
from pbx.history.record import CallList, CallRecord
from pbx.history.rows import hand_overs_text, parties_text, read_hand_overs, read_parties
from pbx.moments import utc_text
from pbx.quoted import Quoted
from pbx.store.insertion import Insertion, storable
from pbx.store.schema import Moment, metadata
from values import dataclass, maker

MOST_IDS = 900

Place = tuple[datetime, str]
"""Of a call in every list: its `started_at` and, for several may have begun at one moment, its ID."""

call_records = Table(
    "call_records",
    metadata,
    Column("call", String(32), primary_key=True),
    Column("started_at", Moment, nullable=False, index=True),
    Column("ended_at", Moment, nullable=False),
    Column("caller", Text, nullable=False),
    Column("caller_name", Text, nullable=False),
    Column("trunk", Text, nullable=False),
    Column("dialled", Text, nullable=False),
    Column("internal", Boolean, nullable=False),
    Column("status", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("talk_seconds", Float, nullable=False),
    Column("answered_by", Text, nullable=False),
    Column("feature", Text, nullable=False),
    Column("hand_overs", JSON, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("parties", JSON, nullable=False),
    Column("legs", JSON, nullable=False),
)
"""`hand_overs` and `parties` are lists of the values of a `HandOver` and a `Participation`, `legs` those of a
`CallQuality` but for its call: they are read with their call and never looked for."""

call_lists = Table(
    "call_lists",
    metadata,
    Column("number", Text, primary_key=True),
    Column("list", String(8), primary_key=True),
    Column("started_at", Moment, primary_key=True),
    Column("call", String(32), primary_key=True),
    sqlite_with_rowid=False,
)
"""Who finds which call in which list, as lists are read; worked out once, when the call has ended. Rows without a call
are harmless, so nothing refers to it: to look whether it is there costs more than all else of a row."""

_enter_records = Insertion(call_records, [column.name for column in call_records.c], moments_as_texts=True)
_enter_lists = Insertion(
    call_lists, [column.name for column in call_lists.c], replaces=True, moments_as_texts=True
)
_quoted = Quoted(storable)
_HEARD = tuple(field.name for field in fields(CallQuality) if field.name not in ("at", "call"))
_numbers = attrgetter(*_HEARD[1:])


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A call that is over, as it will be entered."""

    row: tuple[Any, ...]
    """All columns but the last, moments as `utc_text` has them, and what is JSON as its text."""
    places: Sequence[tuple[object, ...]]
    """In whose lists it stands."""
    legs: list[str]
    """How they sounded; `legs.append(leg_text(quality))` while nobody enters it."""


_make_entry = maker(Entry)


def add(records: Sequence[CallRecord], qualities: Iterable[CallQuality], connection: Connection) -> None:
    """Enter calls, and how calls sounded that are entered now or before."""
    entries = {record.call: entry(record) for record in records}
    late = []
    for quality in qualities:
        known = entries.get(quality.call)
        if known is not None:
            known.legs.append(leg_text(quality))
        else:
            late.append(quality)
    enter([*entries.values()], late, connection)


def enter(entries: Sequence[Entry], late: Sequence[CallQuality], connection: Connection) -> None:
    """Enter calls, and how calls sounded that were entered before."""
    if entries:
        _enter_records(connection, [(*each.row, f"[{','.join(each.legs)}]") for each in entries])
    if places := [place for each in entries for place in each.places]:
        _enter_lists(connection, places)
    legs: dict[str, list[str]] = {}
    for quality in late:
        legs.setdefault(quality.call, []).append(leg_text(quality))
    for some in _some([*legs]):
        _add_legs({call: legs[call] for call in some}, connection)


def _add_legs(late: Mapping[str, list[str]], connection: Connection) -> None:
    """Of calls that are there already; others are gone meanwhile."""
    columns = call_records.c
    found = connection.execute(select(columns.call, columns.legs).where(columns.call.in_([*late]))).all()
    for call, legs in found:
        rows = [*legs, *map(json.loads, late[call])]
        connection.execute(update(call_records).where(columns.call == call).values(legs=rows))


def add_missing(records: Sequence[CallRecord], connection: Connection) -> int:
    """Enter those of these calls that are not there yet; how many."""
    known = set[str]()
    for some in _some([record.call for record in records]):
        known.update(connection.scalars(select(call_records.c.call).where(call_records.c.call.in_(some))))
    missing = [record for record in records if record.call not in known]
    add(missing, (), connection)
    return len(missing)


def calls(
    connection: Connection,
    *,
    number: str | None = None,
    kind: CallList | None = None,
    before: datetime | None = None,
    behind: Place | None = None,
    limit: int = 50,
) -> list[CallRecord]:
    """The latest calls, newest first: all, or those of the extension `number`, or those in one list (`kind`) of it.

    `before`: those that began before then. `behind`: the next page, those behind the last call of the one before.
    """
    if number is None:
        places = connection.execute(_latest(call_records, before, behind, limit)).all()
    else:
        found = _latest(call_lists, before, behind, limit).where(call_lists.c.number == storable(number))
        kinds = CallList if kind is None else [kind]
        places = [
            place for each in kinds for place in connection.execute(found.where(call_lists.c.list == each.value))
        ]
        places.sort(key=lambda place: place.call)
        places.sort(key=lambda place: place.started_at, reverse=True)
    ids = [place.call for place in places[:limit]]
    return [record for some in _some(ids) for record in _read(connection, some)]


def _latest(
    table: Table, before: datetime | None, behind: Place | None, limit: int
) -> Select[tuple[datetime, str]]:
    started_at, call = table.c.started_at, table.c.call
    found = select(started_at, call).order_by(started_at.desc(), call).limit(limit)
    if before is not None:
        found = found.where(started_at < before)
    if behind is not None:
        at, last = behind
        found = found.where(started_at <= at, (started_at < at) | (call > last))
    return found


def call(connection: Connection, *, call: str) -> CallRecord | None:
    """One call, by its ID."""
    return next(iter(_read(connection, [call])), None)


def qualities_of(connection: Connection, *, call: str) -> list[CallQuality]:
    """How the legs of a call sounded, in the order in which they ended."""
    return qualities(connection, calls=[call])[call]


def qualities(connection: Connection, *, calls: Sequence[str]) -> dict[str, list[CallQuality]]:
    """The same of several calls, by their IDs."""
    legs: dict[str, list[CallQuality]] = {call: [] for call in calls}
    for some in _some(calls):
        found = select(call_records.c.call, call_records.c.legs).where(call_records.c.call.in_(some))
        for call, rows in connection.execute(found):
            legs[call] += [_leg(call, *row) for row in rows]
    return legs


def forget(before: datetime, connection: Connection) -> int:
    """Delete all calls that began before then; how many."""
    connection.execute(delete(call_lists).where(call_lists.c.started_at < before))
    return connection.execute(delete(call_records).where(call_records.c.started_at < before)).rowcount


def _some(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    """As many at a time as any database takes in one statement."""
    return (ids[start : start + MOST_IDS] for start in range(0, len(ids), MOST_IDS))


def _read(connection: Connection, ids: Sequence[str]) -> list[CallRecord]:
    """The calls that there are of these, in this order."""
    found = connection.execute(select(call_records).where(call_records.c.call.in_(ids)))
    records = {row["call"]: _record(**row) for row in found.mappings()}
    return [records[each] for each in ids if each in records]


def _record(*, legs: Any, hand_overs: Any, reasons: Any, parties: Any, **values: Any) -> CallRecord:
    return CallRecord(
        parties=read_parties(parties), hand_overs=read_hand_overs(hand_overs), reasons=tuple(reasons), **values
    )


def entry(record: CallRecord) -> Entry:
    """Of a call whose legs have told nothing yet."""
    quoted, call, began = _quoted, record.call, record.started_at
    at = utc_text(began)
    row = (
        call,
        at,
        utc_text(record.ended_at),
        record.caller,
        record.caller_name,
        record.trunk,
        record.dialled,
        record.internal,
        record.status,
        record.reason,
        record.seconds,
        record.talk_seconds,
        record.answered_by,
        record.feature,
        hand_overs_text(record.hand_overs, quoted) if record.hand_overs else "[]",
        quoted.list(record.reasons),
        parties_text(record.parties, quoted, began, at),
    )
    places = [(party.number, found_in._value_, at, call) for party in record.parties if (found_in := party.list)]
    return _make_entry(row, places, [])


def leg_text(leg: CallQuality) -> str:
    """For an `Entry`. JSON has finite numbers alone: any other is as good as none."""
    numbers = repr(_numbers(leg))  # as JSON has them, but for what is no number
    if "n" in numbers.replace("None", ""):
        numbers = repr([number if number is None or isfinite(number) else None for number in _numbers(leg)])
    numbers = numbers[1:-1].replace("None", "null")
    return f'["{utc_text(leg.at)}+00:00",{_quoted[leg.extension]},{numbers}]'


def _leg(call: str, at: str, *values: Any) -> CallQuality:
    return CallQuality(call=call, at=datetime.fromisoformat(at), **dict(zip(_HEARD, values, strict=True)))
