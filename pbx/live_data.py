"""Live data: the tables of the configuration that the store owns once it has taken them over.

At the first start they come from the file. From then on they are what the store says, whatever the file says; `merged`
puts both together into one configuration, checked as a whole like any other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr
from sqlalchemy import Connection, insert, select

from pbx.config import Config, Extension, Forward
from pbx.forwarding.gone import Gone, Led, lead_elsewhere
from pbx.reception import numbers as reception_numbers
from pbx.store import live, pins
from pbx.store.extensions import extensions
from pbx.voicemail_settings import Mailbox
from values import dataclass

if TYPE_CHECKING:
    from pbx.store.store import Store

TABLES = (
    "groups", "office_hours", "trunks", "outbound_rules", "inbound_rules", "queues", "ring_groups", "receptionists",
    "dial_codes",
)  # fmt: skip
"""Those that are kept as a whole; a table that is to be live is named here, and nowhere else."""

RECEPTION = ("queues", "ring_groups", "receptionists")
"""Those whose entries have numbers of the system."""

LIVE = ("extensions", *TABLES)

_FORWARDS = ("always", "busy", "no_answer", "not_registered")
_SAME = (
    "first_name", "last_name", "sip_id", "outbound_caller_id", "withhold_number", "no_answer_seconds", "email",
    "language",
)  # fmt: skip
_RIGHTS = ("manager", "barge_in")
_KEYS = (*_SAME, *_RIGHTS, "busy_detection", "record_calls")
_MAILBOX = ("enabled", "say_caller", "say_time", "mail")


# -- from a configuration into the store -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Report:
    """What a revision has changed: numbers of extensions, and names of tables."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    rules: tuple[Led, ...] = ()
    """Those of users that led to what was removed."""

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed or self.tables)


def fill(config: Config, connection: Connection) -> None:
    """Enter what a configuration says into an empty store."""
    rows = [row_of(extension, config.sip.realm) for extension in config.extensions]
    if rows:
        connection.execute(insert(extensions), rows)
    live.begin({name: data for name in TABLES if (data := plain(getattr(config, name)))}, connection)


def seed(config: Config, connection: Connection) -> None:
    """Enter what the file says into an empty store, and remember what that was."""
    fill(config, connection)
    live.remember(live.TAKEN_OVER, fingerprints(config), connection)


def write(config: Config, connection: Connection) -> Report:
    """Make the store say what a configuration says. Only what differs is touched, and the rules of users that lead to
    what is removed."""
    stored = {row["number"]: dict(row) for row in connection.execute(select(extensions)).mappings()}
    wanted = {extension.number: row_of(extension, config.sip.realm) for extension in config.extensions}
    removed = tuple(number for number in stored if number not in wanted)
    added = tuple(number for number in wanted if number not in stored)
    changed = tuple(
        number
        for number, row in wanted.items()
        if number in stored and stored[number] != stored[number] | row
    )
    for number in removed:
        live.remove_extension(number, connection)
    if added:
        connection.execute(insert(extensions), [wanted[number] for number in added])
    for number in changed:
        live.change_extension(number, wanted[number], connection)
    kept = {name: data for name, (data, _) in live.tables(connection).items()}
    said = {name: plain(getattr(config, name)) for name in TABLES}
    tables = tuple(name for name, data in said.items() if (kept.get(name) or None) != (data or None))
    for name in tables:
        live.put_table(name, said[name], connection)
    gone = _gone([stored[number] for number in removed], kept, config)
    rules = lead_elsewhere(gone, connection) if gone != Gone() else ()
    for number in {led.extension for led in rules}.difference(changed):
        live.change_extension(number, {}, connection)
        changed = (*changed, number)
    report = Report(added, changed, removed, tables, rules)
    if report:
        live.changed(connection)
    return report


def _gone(removed: Sequence[Mapping[str, Any]], kept: Mapping[str, Any], config: Config) -> Gone:
    """What there is no more: extensions, by their rows, and numbers of the system that the tables had."""
    there = reception_numbers(config).keys()
    system = {entry["number"] for name in RECEPTION for entry in kept.get(name) or ()} - there
    if not removed and not system:
        return Gone()
    led = {row["number"] for row in removed} | {row["sip_id"].lower() for row in removed} | system
    led -= {name for each in config.extensions for name in (each.number, each.sip_id.lower())} | there
    return Gone(frozenset(row["number"] for row in removed), frozenset(system), frozenset(led))


def revise(
    config: Config,
    change: Callable[[dict[str, Any]], None],
    connection: Connection,
    *,
    versions: Mapping[str, int] | None = None,
    check: Callable[[Config, Callable[[], Config]], object] = lambda config, before: None,
) -> Report:
    """Change live data: `change` gets them as a configuration file has them, and what it leaves is checked as a whole.

    `versions`, by the numbers of extensions and the names of tables, are those that the change was thought of for.
    `check` gets the result, and what makes what has been in force until now. Raises Conflict where a version is
    another by now, ConfigError where the result cannot be, and whatever `change` and `check` raise; then nothing has
    changed.
    """
    live.claim(connection)
    for name, version in (versions or {}).items():
        live.expect(name, version, connection)
    tables = told(connection)
    change(tables)
    revised = config.with_tables(tables)
    check(revised, partial(merged, config, connection))
    return write(revised, connection)


def take_over(config: Config, store: Store) -> tuple[Config, tuple[str, ...]]:
    """The configuration with the live data of the store, which gets those of the file where it is new.

    Also the names of the tables that say something else in the file than when it was taken over. Raises ConfigError
    where store and file do not go together, and StoreUnavailable.
    """

    def change(connection: Connection) -> tuple[Config, tuple[str, ...]]:
        if not live.revision(connection):
            seed(config, connection)
        store.revision = live.revision(connection)
        return merged(config, connection), differing(config, connection)

    return store.begin(change)


def differing(config: Config, connection: Connection) -> tuple[str, ...]:
    """The live tables that were changed in the file after it was taken over. Of one that was not live then, as in an
    older version, the file is in force until the store has it."""
    known: Mapping[str, str] = live.fact(live.TAKEN_OVER, connection) or {}
    stored = live.tables(connection)

    def differs(name: str, print_: str) -> bool:
        if name in known:
            return known[name] != print_
        return name in stored and stored[name][0] != plain(getattr(config, name))

    return tuple(name for name, print_ in fingerprints(config).items() if differs(name, print_))


def fingerprints(config: Config) -> dict[str, str]:
    """What tells whether a live table of the file has changed, without telling what it says."""
    people = [_without_secrets(extension, config.sip.realm) for extension in config.extensions]
    data = {"extensions": people} | {name: plain(getattr(config, name)) for name in TABLES}
    return {name: hashlib.sha256(json.dumps(data[name]).encode()).hexdigest() for name in LIVE}


def _without_secrets(extension: Extension, realm: str) -> dict[str, Any]:
    """What no PIN could be guessed by, and no password sooner than by what is kept of it anyhow."""
    table: dict[str, Any] = plain(extension)
    for secret in ("password", "pin"):
        table.pop(secret, None)
    return table | {"ha1": extension.credentials(realm).sha256}


def plain(value: Any) -> Any:
    """A value of the configuration as a file has it, without what is default anyhow; secrets in clear."""
    match value:
        case str() | bool() | int() | float() | None:
            return value  # first, for there are many
        case BaseModel():
            given = [(name, getattr(value, name), default) for name, default in _defaults(type(value))]
            return {name: plain(item) for name, item, default in given if item is not default and item != default}
        case tuple():
            return [plain(item) for item in value]
        case SecretStr():
            return value.get_secret_value()
        case Enum():
            return value.value
        case Path():
            return str(value)
    return value


@cache
def _defaults(table: type[BaseModel]) -> tuple[tuple[str, Any], ...]:
    """The keys of a table, each with its default."""
    return tuple((name, field.default) for name, field in table.model_fields.items())


def row_of(extension: Extension, realm: str) -> dict[str, Any]:
    """An extension as the store has it."""
    credentials = extension.credentials(realm)
    pin = extension.pin.get_secret_value()
    return {
        "number": extension.number,
        **{name: getattr(extension, name) for name in (*_SAME, *_RIGHTS)},
        "busy_detection": extension.busy_detection.value,
        "record_calls": extension.record_calls.value,
        **{f"forward_{occasion}": getattr(extension.forward, occasion) for occasion in _FORWARDS},
        "voicemail_enabled": extension.voicemail.enabled,
        "voicemail_say_caller": extension.voicemail.say_caller,
        "voicemail_say_time": extension.voicemail.say_time,
        "voicemail_mail": extension.voicemail.mail.value,
        "realm": realm if extension.ha1 is None else extension.ha1.realm,
        "ha1_md5": credentials.md5,
        "ha1_sha256": credentials.sha256,
        "pin_hash": extension.pin_hash or (None if pin == extension.number else pins.hashed(pin)),
    }


# -- from the store into a configuration -----------------------------------------------------------


def merged(config: Config, connection: Connection) -> Config:
    """The configuration with the live data of the store. Raises ConfigError where they do not go together."""
    return config.with_tables(told(connection))


def told(connection: Connection) -> dict[str, Any]:
    """The live data as a configuration file has them; secrets of trunks in clear."""
    result = connection.execute(select(extensions).order_by(extensions.c.number))
    columns = tuple(result.keys())
    rows = [_table_of(dict(zip(columns, row, strict=True))) for row in result.all()]
    kept, taken_over = live.tables(connection), live.fact(live.TAKEN_OVER, connection) or {}
    empty = {name: _empty(name) for name in TABLES if name in taken_over}  # else the file's would be in force
    return {"extensions": rows} | empty | {name: kept[name][0] for name in TABLES if name in kept}


def _empty(name: str) -> Any:
    """A table in which nothing is."""
    return plain(Config.model_fields[name].get_default(call_default_factory=True))


def _table_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as `[[extensions]]` has it, without what is default anyhow."""
    table = {"number": row["number"], **_given(row, "", Extension, _KEYS)}
    if row["sip_id"] == f"ext{row['number']}":
        del table["sip_id"]
    if forward := _given(row, "forward_", Forward, _FORWARDS):
        table["forward"] = forward
    if mailbox := _given(row, "voicemail_", Mailbox, _MAILBOX):
        table["voicemail"] = mailbox
    table["ha1"] = {"realm": row["realm"], "md5": row["ha1_md5"], "sha256": row["ha1_sha256"]}
    if row["pin_hash"] is not None:
        table["pin_hash"] = row["pin_hash"]
    return table


def _given(row: Mapping[str, Any], prefix: str, table: type[BaseModel], keys: tuple[str, ...]) -> dict[str, Any]:
    """Those keys of a table whose columns say something else than the default."""
    defaults = _plain_defaults(table)
    return {key: value for key in keys if (value := row[prefix + key]) != defaults[key]}


@cache
def _plain_defaults(table: type[BaseModel]) -> dict[str, Any]:
    return {name: plain(default) for name, default in _defaults(table)}
