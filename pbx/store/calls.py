"""The tables of calls that are over: each attempt, who was in it, and how it sounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    delete,
    select,
)

from pbx.happenings import CallQuality
from pbx.history.record import CallList, CallRecord, HandOver, Participation, Role
from pbx.store.insertion import Insertion, storable
from pbx.store.schema import Moment, metadata

MOST_IDS = 1000

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
)

call_parties = Table(
    "call_parties",
    metadata,
    Column("call", ForeignKey("call_records.call", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("number", Text, nullable=False),
    Column("role", String(8), nullable=False),
    Column("at", Moment, nullable=False),
    Column("trunk", Text, nullable=False),
    Column("rang", Boolean, nullable=False),
    Column("answered_at", Moment),
    Column("taken_by", Text, nullable=False),
    Column("blocked", Boolean, nullable=False),
    Column("addressed", Boolean, nullable=False),
    Column("list", String(8)),
    Column("started_at", Moment, nullable=False),
    Index("ix_call_parties_number", "number", "started_at"),
    Index("ix_call_parties_list", "number", "list", "started_at"),
)
"""`list` is worked out once, when the call has ended; NULL for whoever finds the call in none. `started_at` is that of
the call: so the index has the lists as they are read."""

call_quality = Table(
    "call_quality",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("call", ForeignKey("call_records.call", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", Moment, nullable=False),
    Column("extension", Text, nullable=False),
    Column("packets", Integer, nullable=False),
    Column("loss", Float),
    Column("jitter_ms", Float),
    Column("mos", Float),
    Column("sent", Integer, nullable=False),
    Column("remote_loss", Float),
    Column("remote_jitter_ms", Float),
    Column("remote_mos", Float),
    Column("round_trip_ms", Float),
)

_LISTED = ("hand_overs", "reasons")
_RECORD = tuple(column.name for column in call_records.c if column.name not in _LISTED)
_PARTY = tuple(field.name for field in fields(Participation) if field.name != "role")
_QUALITY = tuple(field.name for field in fields(CallQuality))
_values_of_record, _values_of_party = attrgetter(*_RECORD), attrgetter(*_PARTY)
_values_of_quality = attrgetter(*_QUALITY)

_WORDS = {None: None} | {word: word.value for word in [*Role, *CallList]}
"""By dictionary, for the values of an Enum are slow to get."""

_enter_records = Insertion(call_records, [*_RECORD, *_LISTED])
_enter_parties = Insertion(call_parties, [*_PARTY, "role", "list", "call", "position", "started_at"])
_enter_qualities = Insertion(call_quality, _QUALITY)


def add(records: Sequence[CallRecord], qualities: Sequence[CallQuality], connection: Connection) -> None:
    """Enter calls, and how calls sounded that are entered now or before."""
    if records:
        _enter_records(connection, map(_record_row, records))
        _enter_parties(connection, (row for record in records for row in _party_rows(record)))
    if qualities:
        _enter_qualities(connection, map(_values_of_quality, qualities))


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
    table = call_records if number is None else call_parties
    found = select(table.c.call).order_by(table.c.started_at.desc(), table.c.call).limit(limit)
    if number is not None:
        found = found.where(call_parties.c.number == storable(number), call_parties.c.list.is_not(None))
    if kind is not None:
        found = found.where(call_parties.c.list == kind.value)
    if before is not None:
        found = found.where(table.c.started_at < before)
    if behind is not None:
        at, last = behind
        earlier = (table.c.started_at < at) | (table.c.call > last)
        found = found.where(table.c.started_at <= at, earlier)
    ids = connection.scalars(found).all()
    return [record for some in _some(ids) for record in _read(connection, some)]


def call(connection: Connection, *, call: str) -> CallRecord | None:
    """One call, by its ID."""
    return next(iter(_read(connection, [call])), None)


def qualities_of(connection: Connection, *, call: str) -> list[CallQuality]:
    """How the legs of a call sounded, in the order in which they ended."""
    return qualities(connection, calls=[call])[call]


def qualities(connection: Connection, *, calls: Sequence[str]) -> dict[str, list[CallQuality]]:
    """The same of several calls, by their IDs."""
    columns = [column for column in call_quality.c if column.name != "id"]
    legs: dict[str, list[CallQuality]] = {call: [] for call in calls}
    for some in _some(calls):
        found = select(*columns).where(call_quality.c.call.in_(some)).order_by(call_quality.c.id)
        for row in connection.execute(found).mappings():
            legs[row["call"]].append(CallQuality(**row))
    return legs


def forget(before: datetime, connection: Connection) -> int:
    """Delete all calls that began before then; how many."""
    return connection.execute(delete(call_records).where(call_records.c.started_at < before)).rowcount


def _some(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    """As many at a time as any database takes in one statement."""
    return (ids[start : start + MOST_IDS] for start in range(0, len(ids), MOST_IDS))


def _read(connection: Connection, ids: Sequence[str]) -> list[CallRecord]:
    """The calls that there are of these, in this order."""
    query = select(call_parties).where(call_parties.c.call.in_(ids)).order_by(call_parties.c.position)
    parties: dict[str, list[Participation]] = {each: [] for each in ids}
    for row in connection.execute(query).mappings():
        values = {name: row[name] for name in _PARTY}
        parties[row["call"]].append(Participation(role=Role(row["role"]), **values))
    found = connection.execute(select(call_records).where(call_records.c.call.in_(ids)))
    records = {row["call"]: _record(dict(row), parties[row["call"]]) for row in found.mappings()}
    return [records[each] for each in ids if each in records]


def _record(row: dict[str, Any], parties: Iterable[Participation]) -> CallRecord:
    handed = [HandOver(datetime.fromisoformat(at), *numbers) for at, *numbers in row["hand_overs"]]
    row |= {"parties": tuple(parties), "hand_overs": tuple(handed), "reasons": tuple(row["reasons"])}
    return CallRecord(**row)


def _record_row(record: CallRecord) -> Sequence[object]:
    handed = tuple(
        [
            (each.at.isoformat(), storable(each.by), storable(each.party), storable(each.to))
            for each in record.hand_overs
        ]
    )
    return *_values_of_record(record), handed, tuple([storable(reason) for reason in record.reasons])


def _party_rows(record: CallRecord) -> Iterable[Sequence[object]]:
    for position, party in enumerate(record.parties):
        role, found_in = _WORDS[party.role], _WORDS[party.list]
        yield *_values_of_party(party), role, found_in, record.call, position, record.started_at
