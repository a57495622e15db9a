"""`myphone export`, `myphone import` and `myphone ext`: live data, whether the system runs or not.

They work on the store; a running system sees at its next look that something has changed, and follows.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import tomli_w
from sqlalchemy import Connection

from myphone_api.errors import CommandError, ExitCode
from myphone_api.passwords import new_password
from myphone_api.ports import unusable_folder
from myphone_api.server import prepare, setup_errors
from pbx.config import Config, ConfigError
from pbx.dial_codes import dial_table
from pbx.forwarding.file import brought_in_rules
from pbx.live_data import Report, fingerprints, revise, take_over, told
from pbx.live_file import brought_in, exported
from pbx.plugin import Feature
from pbx.store import live
from pbx.store.bindings import bindings_at
from pbx.store.errors import Conflict, StoreError
from pbx.store.store import Store

HEADER = """\
# Written by `myphone export`. Passwords and PINs are hashes, and those of trunks are left out; it is not for everybody.

"""
ENVIRONMENT = "MYPHONE_PASSWORD"

Change = Callable[[dict[str, Any]], None]


class _Rehearsed(Exception):
    """What would have been changed; raised so that nothing is."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.report = report


class Live:
    """The store of a configuration, opened for one command."""

    def __init__(self, config: Config, features: tuple[Feature, ...], store: Store) -> None:
        self.config = config
        self.store = store
        self._features = features

    def revise(
        self,
        change: Change,
        *,
        versions: dict[str, int] | None = None,
        rehearse: bool = False,
        also: Callable[[Connection], None] = lambda connection: None,
    ) -> Report:
        """Change live data, or only look whether that could be. Raises ConfigError, Conflict, StoreUnavailable."""

        def whole(connection: Connection) -> Report:
            report = revise(self.config, change, connection, versions=versions, check=self._check)
            also(connection)
            if rehearse:
                raise _Rehearsed(report)
            return report

        try:
            return self.store.begin(whole)
        except _Rehearsed as rehearsed:
            return rehearsed.report

    def _check(self, revised: Config) -> None:
        dial_table(self._features, revised)


@contextlib.contextmanager
def live_system(options: argparse.Namespace) -> Iterator[Live]:
    """Raises CommandError for whatever is in the way."""
    with setup_errors():
        config, features = prepare(options.config)
        if problems := tuple(unusable_folder(config.store)):
            raise CommandError("\n".join(map(str, problems)))
        try:
            store = Store.open(config.store.location, upgrades=False)
            try:
                take_over(config, store)
                yield Live(config, features, store)
            finally:
                store.abandon()
        except Conflict as error:
            raise CommandError(f"{error}; look at it again") from error
        except StoreError as error:
            raise CommandError(f"store: {error}") from error


# -- export, import --------------------------------------------------------------------------------


def export(options: argparse.Namespace) -> ExitCode:
    """Write the live data to a file, or to standard output."""
    with live_system(options) as system:
        data = system.store.read(exported)
    text = json.dumps(data, indent=2) + "\n" if options.json else HEADER + tomli_w.dumps(data)
    if options.output is None:
        sys.stdout.write(text)
        return ExitCode.OK
    try:
        with open(
            os.open(options.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
    except OSError as error:
        raise CommandError(f"cannot write {options.output}: {error.strerror}") from error
    return ExitCode.OK


def import_(options: argparse.Namespace) -> ExitCode:
    """Take the live data of a file over."""
    with setup_errors():
        data = _read(options.file)
        try:
            change = brought_in(data, replace=options.replace)
            rules = brought_in_rules(data)
        except ConfigError as error:
            raise error.in_file(options.file) from None
    with live_system(options) as system:
        known = fingerprints(system.config)
        its_own = options.file.resolve() == options.config.resolve()

        def taken_over(connection: Connection) -> None:
            rules(connection)
            if its_own:
                live.remember(live.TAKEN_OVER, known, connection)

        report = system.revise(change, rehearse=options.dry_run, also=taken_over)
    return _tell(report, options)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror}", ExitCode.USAGE) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CommandError(f"{file}: is not TOML: {error}", ExitCode.USAGE) from error


def _tell(report: Report, options: argparse.Namespace, **more: str) -> ExitCode:
    """Say what was changed."""
    if options.json:
        print(json.dumps(asdict(report) | more))
        return ExitCode.OK
    parts = [f"{what} {', '.join(which)}" for what, which in asdict(report).items() if which]
    print("; ".join(parts) or "nothing to change")
    for name, value in more.items():
        print(f"{name}: {value}")
    return ExitCode.OK


# -- extensions ------------------------------------------------------------------------------------


def ext_list(options: argparse.Namespace) -> ExitCode:
    """Print the extensions, without any secret."""
    with live_system(options) as system:
        tables, versions = system.store.read(told), system.store.read(live.versions)
        bindings = system.store.read(partial(bindings_at, datetime.now(UTC)))
    phones = Counter(binding["extension"] for binding in bindings)
    rows = [_shown(each, versions, phones) for each in tables["extensions"]]
    if options.json:
        print(json.dumps(rows))
        return ExitCode.OK
    for row in rows:
        name = f"{row.get('first_name', '')} {row.get('last_name', '')}".strip()
        print(f"{row['number']:<15}  {row['phones']} phones  {name}".rstrip())
    return ExitCode.OK


def _shown(extension: dict[str, Any], versions: dict[str, int], phones: Counter[str]) -> dict[str, Any]:
    shown = {name: value for name, value in extension.items() if name not in ("ha1", "pin_hash")}
    number = extension["number"]
    return shown | {"version": versions[number], "phones": phones[number]}


def ext_add(options: argparse.Namespace) -> ExitCode:
    """Add an extension; where no password is given, one is made and printed."""
    password, made = _password(options)
    values = _values(options) | {"number": options.number, "password": password}
    with live_system(options) as system:
        report = system.revise(lambda tables: tables["extensions"].append(values))
    return _tell(report, options, **({"password": password} if made else {}))


def ext_set(options: argparse.Namespace) -> ExitCode:
    """Change what is given of an extension."""
    values = _values(options)
    made = False
    if options.new_password or options.password_file is not None:
        values["password"], made = _password(options)

    def change(tables: dict[str, Any]) -> None:
        extension = _named(tables, options.number)
        for new, old in (("password", "ha1"), ("pin", "pin_hash")):
            if new in values:
                extension.pop(old, None)
        extension |= values

    versions = None if options.if_version is None else {options.number: options.if_version}
    with live_system(options) as system:
        report = system.revise(change, versions=versions)
    return _tell(report, options, **({"password": values["password"]} if made else {}))


def ext_remove(options: argparse.Namespace) -> ExitCode:
    """Remove an extension, from its groups too; what else leads to it has to be changed before."""

    def change(tables: dict[str, Any]) -> None:
        tables["extensions"].remove(_named(tables, options.number))
        for group in tables.get("groups", ()):
            for members in ("extensions", "heads"):
                group[members] = [each for each in group.get(members, ()) if each != options.number]

    with live_system(options) as system:
        report = system.revise(change)
    return _tell(report, options)


def _named(tables: dict[str, Any], number: str) -> dict[str, Any]:
    for extension in tables["extensions"]:
        if extension["number"] == number:
            found: dict[str, Any] = extension
            return found
    raise CommandError(f"there is no extension {number}")


_KEYS = (
    "first_name", "last_name", "email", "sip_id", "outbound_caller_id", "withhold_number", "no_answer_seconds",
    "busy_detection", "record_calls", "language", "manager", "barge_in",
)  # fmt: skip
"""What `ext add` and `ext set` have an option for of the same name."""


def _values(options: argparse.Namespace) -> dict[str, Any]:
    """The keys that were given. Raises CommandError."""
    values = {key: getattr(options, key) for key in _KEYS if getattr(options, key) is not None}
    if options.pin_file is not None:
        values["pin"] = _first_line(options.pin_file)
    return values


def _password(options: argparse.Namespace) -> tuple[str, bool]:
    """The password that was given, or a new one; and whether it is one. Raises CommandError."""
    if options.password_file is not None:
        return _first_line(options.password_file), False
    given = "" if options.new_password else os.environ.get(ENVIRONMENT, "")
    return (given, False) if given else (new_password(), True)


def _first_line(file: Path) -> str:
    try:
        return file.read_text("utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"cannot read {file}: {error}", ExitCode.USAGE) from error
