"""`myphone export` and `myphone import`: live data, whether the system runs or not.

They work on the store; a running system sees at its next look that something has changed, and follows.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w
from sqlalchemy import Connection

from myphone_api.errors import CommandError, ExitCode
from myphone_api.ports import unusable_folder
from myphone_api.server import check_first, prepare, setup_errors
from pbx.config import Config, ConfigError
from pbx.dead_ends import check_leads
from pbx.forwarding.file import TABLE, brought_in_rules, dead_ends
from pbx.live_data import Report, fingerprints, revise, take_over
from pbx.live_file import brought_in, exported
from pbx.plugin import Feature
from pbx.store import forwarding, live
from pbx.store.errors import Conflict, StoreError
from pbx.store.store import Store

if TYPE_CHECKING:
    from pbx.switch import Switch

HEADER = """\
# Written by `myphone export`. Passwords and PINs are hashes, and those of trunks are left out; it is not for everybody.

"""

Change = Callable[[dict[str, Any]], None]


class _Rehearsed(Exception):
    """What would have been changed; raised so that nothing is."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.report = report


class OutOfDate(Exception):
    """Somebody else has changed live data since they were looked at; nothing was changed."""


class Live:
    """The store of a configuration, opened for one command."""

    def __init__(self, config: Config, features: tuple[Feature, ...], store: Store) -> None:
        self.config = config
        self.store = store
        self.features = features

    def revise(
        self,
        change: Change,
        *,
        versions: dict[str, int] | None = None,
        revision: int | None = None,
        rehearse: bool = False,
        also: Callable[[Connection], Iterable[str]] = lambda connection: (),
    ) -> Report:
        """Change live data, or only look whether that could be. `also` changes what else belongs to extensions, and
        returns their numbers: that is one more change of each. Raises ConfigError, Conflict, StoreUnavailable, and
        OutOfDate where a `revision` of the live data is given and there is another by now."""

        def whole(connection: Connection) -> Report:
            live.claim(connection)
            if revision is not None and live.revision(connection) != revision:
                raise OutOfDate
            report = revise(self.config, change, connection, versions=versions, check=self._check)
            more = set(also(connection)).difference(report.added, report.changed)
            for number in more:
                live.change_extension(number, {}, connection)
            report = replace(report, changed=tuple(sorted((*report.changed, *more))))
            if rehearse:
                raise _Rehearsed(report)
            return report

        try:
            return self.store.begin(whole)
        except _Rehearsed as rehearsed:
            return rehearsed.report

    def _check(self, revised: Config, before: Callable[[], Config]) -> None:
        check_leads(self.features, revised, before)


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
                check_first(config, features, store)
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

        def taken_over(connection: Connection) -> tuple[str, ...]:
            if its_own:
                live.remember(live.TAKEN_OVER, known, connection)
            return rules(connection)

        def taken_over_if_led(switch: Switch, connection: Connection) -> tuple[str, ...]:
            if problems := tuple(dead_ends(data, forwarding.all_rows(connection), switch)):
                raise ConfigError(*problems, file=options.file)
            return taken_over(connection)

        if data.get(TABLE):  # with a whole switch: no other table needs one
            from myphone_api.supposed import revise_supposing

            report = revise_supposing(system, change, taken_over_if_led, rehearse=options.dry_run)
        else:
            report = system.revise(change, rehearse=options.dry_run, also=taken_over)
    return tell(report, options)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror}", ExitCode.USAGE) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CommandError(f"{file}: is not TOML: {error}", ExitCode.USAGE) from error


def tell(report: Report, options: argparse.Namespace, **more: str) -> ExitCode:
    """Say what was changed."""
    if options.json:
        print(json.dumps(asdict(report) | more))
        return ExitCode.OK
    parts = [f"{what} {', '.join(which)}" for what, which in asdict(replace(report, rules=())).items() if which]
    print("; ".join(parts) or "nothing to change")
    for led in report.rules:
        print(f"a rule of {led.extension} leads to its voicemail now, {led.rule}: it led to {led.before}")
    for name, value in more.items():
        print(f"{name}: {value}")
    return ExitCode.OK
