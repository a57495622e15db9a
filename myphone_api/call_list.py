"""`myphone calls`: the calls that are over, of all or of one extension, whether the system runs or not."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from myphone_api.errors import CommandError, ExitCode
from myphone_api.server import opened, prepare, setup_errors
from pbx.history.chronicle import SYSTEM_STOPPED
from pbx.history.record import CallList, CallRecord
from pbx.store import calls
from pbx.store.errors import StoreUnavailable
from pbx.store.store import Store


def calls_command(options: argparse.Namespace) -> ExitCode:
    """Print calls, the newest first, for people or as JSON."""
    if options.list and not options.extension:
        raise CommandError("say whose list that is: --extension", ExitCode.USAGE)
    kind = CallList(options.list) if options.list else None
    with setup_errors():
        config, features = prepare(options.config)
    with opened(config, features, upgrades=False) as (store, known):
        zone, before = ZoneInfo(known.office_hours.time_zone), options.before
        if before is not None and before.tzinfo is None:
            before = before.replace(tzinfo=zone)
        query = partial(calls.calls, number=options.extension, kind=kind, before=before, limit=options.limit)
        try:
            if options.behind is not None:
                query = partial(query, behind=_place(store, options.behind))
            found = store.read(query)
            ids = [record.call for record in found]
            quality = store.read(partial(calls.qualities, calls=ids)) if options.json else {}
        except StoreUnavailable as error:
            raise CommandError(f"store: {error}") from error
    if options.json:
        rows = [asdict(record) | {"quality": list(map(asdict, quality[record.call]))} for record in found]
        print(json.dumps(_plain(rows), indent=2))
        return ExitCode.OK
    for record in found:
        print(_line(record, record.started_at.astimezone(zone), options.extension))
    return ExitCode.OK


def _place(store: Store, call: str) -> calls.Place:
    last = store.read(partial(calls.call, call=call))
    if last is None:
        raise CommandError(f"--behind: there is no call {call}, or no more", ExitCode.USAGE)
    return last.started_at, last.call


def _line(record: CallRecord, at: datetime, number: str | None) -> str:
    """One call; `number`: in whose list. Numbers and names are what phones say, so they are printed in a safe form."""
    where = next((party.list for party in record.parties if party.number == number and party.list), None)
    caller = f"{record.caller or 'withheld'} {record.caller_name}".strip()
    taker = record.feature or record.answered_by
    cut_short = f", {SYSTEM_STOPPED}" if record.reason == SYSTEM_STOPPED else ""
    ended = f"{taker}, {record.talk_seconds:.0f} s{cut_short}" if taker else record.reason
    words = (
        f"{at:%Y-%m-%d %H:%M:%S}",
        where.value if where else "",
        caller,
        f"> {record.dialled}",
        f"({ended})",
    )
    return " ".join(_printable(word) for word in words if word)


def _printable(foreign: str) -> str:
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in foreign)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value
