"""How many external calls everybody has made on a day, for the limit on them."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Column, Connection, Date, Integer, String, Table, delete, insert, select, update

from pbx.store.schema import metadata

external_calls = Table(
    "external_calls",
    metadata,
    Column("payer", String(64), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("calls", Integer, nullable=False),
)
"""`payer` is an extension, or the trunk of a caller from outside."""


def count_external_call(payer: str, day: date, calls: int, connection: Connection) -> None:
    """It was the `calls`-th of the day; earlier days are of no interest any more."""
    if calls == 1:
        earlier = (external_calls.c.payer == payer) & (external_calls.c.day < day)
        connection.execute(delete(external_calls).where(earlier))
    which = (external_calls.c.payer == payer) & (external_calls.c.day == day)
    if connection.execute(update(external_calls).where(which).values(calls=calls)).rowcount == 0:
        connection.execute(insert(external_calls).values(payer=payer, day=day, calls=calls))


def external_calls_of(day: date, connection: Connection) -> dict[str, int]:
    """The calls of a day, by who pays them."""
    rows = connection.execute(select(external_calls).where(external_calls.c.day == day))
    return {row.payer: row.calls for row in rows}
