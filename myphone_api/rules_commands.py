"""`myphone ext rules`: the rules of one extension, whether the system runs or not.

Each change is worked out from what is kept at that moment: what the user changes on a page meanwhile is not lost.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from myphone_api.errors import CommandError, ExitCode
from myphone_api.live_commands import live_system
from myphone_api.supposed import revise_supposing
from pbx.config import Config
from pbx.config_errors import ConfigError, explain
from pbx.directory import Extension
from pbx.forwarding import kept
from pbx.forwarding.book import Settings, seed
from pbx.forwarding.checks import Rejected, check_edit
from pbx.forwarding.edits import Add, Delete, Edit, EditError, Move, Update
from pbx.forwarding.rules import Hours, Rule
from pbx.forwarding.table import Names, columns, table
from pbx.live_data import merged
from pbx.switch import Switch

_KEYS = ("type", "action", "hours", "calls", "callers", "dids")


def rules_list(options: argparse.Namespace) -> ExitCode:
    """Print the rules in force."""
    with live_system(options) as system:
        config = system.store.read(partial(merged, system.config))
        seeded = seed(_extension(config, options.number), config.forwarding)
        settings = system.store.read(partial(kept.settings_of, options.number, seeded))
    return _print(settings, config, options, options.language)


def rules_add(options: argparse.Namespace) -> ExitCode:
    """Add a rule."""
    return _edit(options, lambda settings: Add(_rule({}, options), options.place))


def rules_update(options: argparse.Namespace) -> ExitCode:
    """Change a rule."""

    def edit(settings: Settings) -> Edit:
        rules = settings.rules(options.number).rules
        known = next((rule for rule in rules if rule.id == options.id), None)
        if known is None:
            raise EditError(f"there is no rule {options.id}")
        return Update(options.id, _rule(known.model_dump(mode="json"), options))

    return _edit(options, edit)


def rules_delete(options: argparse.Namespace) -> ExitCode:
    """Delete a rule."""
    return _edit(options, lambda settings: Delete(options.id))


def rules_up(options: argparse.Namespace) -> ExitCode:
    """Move a rule up."""
    return _edit(options, lambda settings: Move(options.id, -1))


def rules_down(options: argparse.Namespace) -> ExitCode:
    """Move a rule down."""
    return _edit(options, lambda settings: Move(options.id, 1))


def rules_form(options: argparse.Namespace) -> ExitCode:
    """Go over to the other form."""
    if options.form == "advanced":
        return _change(options, lambda settings, switch: kept.after_advanced(settings, options.number))
    return _change(options, lambda settings, switch: kept.after_simple(settings, confirm=options.confirm))


# -- what they have in common ------------------------------------------------------------------------


def _edit(options: argparse.Namespace, edit_of: Callable[[Settings], Edit]) -> ExitCode:
    def change(settings: Settings, switch: Switch) -> Settings:
        edit = edit_of(settings)
        check_edit(edit, _extension(switch.config, options.number), switch)
        return kept.after_edit(settings, edit)

    return _change(options, change)


def _change(options: argparse.Namespace, change: Callable[[Settings, Switch], Settings]) -> ExitCode:
    """Perform a change, and print what is in force then."""
    found: list[tuple[Settings, Config]] = []

    def also(switch: Switch, connection: Connection) -> tuple[str, ...]:
        extension = _extension(switch.config, options.number)
        before, after = kept.change_kept(
            extension.number,
            lambda settings: change(settings, switch),
            seed(extension, switch.config.forwarding),
            datetime.now(UTC),
            connection,
        )
        found.append((after, switch.config))
        return (extension.number,) if after != before else ()

    with live_system(options) as system:
        try:
            revise_supposing(system, lambda tables: None, also)
        except kept.NotConfirmed as error:
            raise CommandError(f"{error} by --confirm", ExitCode.USAGE) from None
        except (EditError, Rejected) as error:
            raise CommandError(str(error), ExitCode.USAGE) from None
    settings, config = found[-1]
    return _print(settings, config, options)


def _rule(before: dict[str, Any], options: argparse.Namespace) -> Rule:
    """A rule of what is given, and of what it was before. Raises ConfigError."""
    given = {key: value for key in _KEYS if (value := getattr(options, key)) is not None}
    if options.week is not None:
        given["week"] = _week(options.week)
    elif given.get("hours", Hours.SPECIFIC.value) != Hours.SPECIFIC.value:
        given["week"] = {}
    values = before | given
    try:
        return Rule.model_validate(values)
    except ValidationError as error:
        raise ConfigError(*explain(error, Rule, values)) from None


def _week(given: list[str]) -> dict[str, list[str]]:
    days = (each.partition("=") for each in given)
    return {day: times.split(",") for day, _, times in days}


def _extension(config: Config, number: str) -> Extension:
    for extension in config.directory():
        if extension.number == number:
            return extension
    raise CommandError(f"there is no extension {number}; see `myphone ext list`", ExitCode.USAGE)


def _print(settings: Settings, config: Config, options: argparse.Namespace, language: str = "en") -> ExitCode:
    form = settings.rules(options.number)
    if options.json:
        rules = [rule.model_dump(mode="json") for rule in form.rules]
        print(json.dumps({"interface": settings.interface.value, "rules": rules}))
        return ExitCode.OK
    names = Names(
        {extension.number: extension.full_name for extension in config.directory()},
        {queue.number: "queue" for queue in config.queues}
        | {group.number: "ring_group" for group in config.ring_groups}
        | {receptionist.number: "receptionist" for receptionist in config.receptionists},
    )
    rows = [("ID", *columns(language)), *((str(row.id), *row.cells) for row in table(form, language, names))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return ExitCode.OK
