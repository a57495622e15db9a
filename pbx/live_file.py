"""Live data as a file: what `myphone export` writes, and how the store takes in what `myphone import` reads.

No secret leaves in clear: in place of passwords and PINs stand their hashes, and the passwords of trunks, which have
to be known in clear to be of any use, stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from pbx.config import Config
from pbx.config_errors import ConfigError, Problem
from pbx.forwarding.file import TABLE, exported_rules
from pbx.live_data import LIVE, told
from pbx.store.pins import matches

_SAME_ACCOUNT = ("name", "type", "registrar", "user")
"""A trunk that is the same in all of them keeps its password."""


def exported(connection: Connection) -> dict[str, Any]:
    """The live data as a configuration file has them."""
    tables = told(connection)
    for trunk in tables.get("trunks", ()):
        trunk.pop("password", None)
    tables[TABLE] = exported_rules(connection)
    return {name: table for name, table in tables.items() if table}


def brought_in(data: Mapping[str, Any], *, replace: bool = False) -> Callable[[dict[str, Any]], None]:
    """The change that takes the live tables of a file over (see `pbx.live_data.revise`).

    Extensions of the file are added, or changed into what it says, but that a PIN stays where the file names none; to
    `replace` means that all others are removed. Each other table that is in the file takes the place of the store's.
    Raises ConfigError where it is no such file.
    """
    unknown = [Problem(name, "unknown table") for name in data if name not in (*Config.model_fields, TABLE)]
    wrong = [
        Problem(name, "should be a list of tables")
        for name in ("extensions", "trunks")
        if not _listed(data, name)
    ]
    if unknown or wrong:
        raise ConfigError(*unknown, *wrong)
    if not any(name in data for name in (*LIVE, TABLE)):
        raise ConfigError(
            Problem("", f"has none of the tables that can be imported: {', '.join((*LIVE, TABLE))}")
        )

    def change(tables: dict[str, Any]) -> None:
        known = {extension["number"]: extension for extension in tables["extensions"]}
        trunks = tables.get("trunks", ())
        tables |= {name: data[name] for name in LIVE if name in data}
        if "trunks" in data:
            tables["trunks"] = [_with_password(trunk, trunks) for trunk in data["trunks"]]
        told_of = {extension.get("number") for extension in data.get("extensions", ())}
        others = (
            [] if replace and "extensions" in data else [known[each] for each in known if each not in told_of]
        )
        tables["extensions"] = others + [
            _with_pin(extension, known) for extension in data.get("extensions", ())
        ]

    return change


def leave(number: str, tables: dict[str, Any]) -> None:
    """Take an extension out of all that it is one of several in: groups, queues, ring groups, and rules that say who
    may call outside. A rule that is about nobody else would be about everybody without it: it stays as it is."""
    for name, keys in (("groups", ("extensions", "heads")), ("queues", ("agents",)), ("ring_groups", ("members",))):
        for table in tables.get(name, ()):
            for key in keys:
                table[key] = [each for each in table.get(key, ()) if _extension(each) != number]
    for rule in tables.get("outbound_rules", ()):
        others = [each for each in rule.get("extensions", ()) if each != number]
        if others or rule.get("groups"):
            rule["extensions"] = others


def _extension(member: str | Mapping[str, Any]) -> Any:
    """The number of a member, which an agent of a queue may have in a table."""
    return member if isinstance(member, str) else member.get("extension")


def _listed(data: Mapping[str, Any], name: str) -> bool:
    tables = data.get(name, [])
    return isinstance(tables, list) and all(isinstance(table, dict) for table in tables)


def _with_pin(extension: dict[str, Any], known: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """An extension of the file, with the PIN of the store if it has the same, or none."""
    number, pin = extension.get("number"), extension.get("pin")
    kept = known.get(number, {}).get("pin_hash") if isinstance(number, str) else None
    if kept is None or "pin_hash" in extension:
        return extension
    if pin is not None and not matches(kept, str(number), str(pin)):
        return extension
    return {key: value for key, value in extension.items() if key != "pin"} | {"pin_hash": kept}


def _with_password(trunk: dict[str, Any], known: list[dict[str, Any]]) -> dict[str, Any]:
    """A trunk of the file, with the password of the store's if that is of the same account."""
    account = [trunk.get(key) for key in _SAME_ACCOUNT]
    same = next((other for other in known if [other.get(key) for key in _SAME_ACCOUNT] == account), {})
    kept = {"password": same["password"]} if "password" in same and "password" not in trunk else {}
    return trunk | kept
