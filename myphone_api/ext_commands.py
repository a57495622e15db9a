"""`myphone ext`: extensions, whether the system runs or not. It works on the store, as `myphone import` does."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from media.wav import WavError, WavReader
from myphone_api.errors import CommandError, ExitCode
from myphone_api.live_commands import Live, live_system, tell
from myphone_api.passwords import new_password
from pbx.config_errors import ConfigError, Problem
from pbx.destinations import parse
from pbx.forwarding.administered import RulesChange, change_rules
from pbx.forwarding.checks import objection
from pbx.forwarding.file import exported_rules
from pbx.forwarding.simple import OWN_VOICEMAIL, SimpleForm
from pbx.live_data import merged, told
from pbx.live_file import leave
from pbx.mailbox_files import VOICEMAIL_FOLDER, MailboxFiles
from pbx.store import forwarding, live
from pbx.store.bindings import bindings_at

if TYPE_CHECKING:
    from pbx.switch import Switch

ENVIRONMENT = "MYPHONE_PASSWORD"
MOST_GREETING_BYTES = 10_000_000
"""Ten minutes of sound at 8 kHz."""

# -- list ------------------------------------------------------------------------------------------


def ext_list(options: argparse.Namespace) -> ExitCode:
    """Print the extensions, without any secret."""
    with live_system(options) as system:
        tables, versions = system.store.read(told), system.store.read(live.versions)
        bindings = system.store.read(partial(bindings_at, datetime.now(UTC)))
        rules = {entry.pop("extension"): entry for entry in system.store.read(exported_rules)}
        greeted = {each for each in versions if _mailbox_files(system).greeting(each).is_file()}
    phones = Counter(binding["extension"] for binding in bindings)
    rows = []
    for extension in tables["extensions"]:
        number = extension["number"]
        row = {name: value for name, value in extension.items() if name not in ("ha1", "pin_hash")}
        row |= _memberships(tables, number) | ({"user_rules": rules[number]} if rules.get(number) else {})
        row |= {"voicemail_greeting": True} if number in greeted else {}
        rows.append(row | {"version": versions[number], "phones": phones[number]})
    if options.json:
        print(json.dumps(rows))
        return ExitCode.OK
    for row in rows:
        name = f"{row.get('first_name', '')} {row.get('last_name', '')}".strip()
        print(f"{row['number']:<15}  {row['phones']} phones  {name}".rstrip())
    return ExitCode.OK


def _memberships(tables: dict[str, Any], number: str) -> dict[str, list[str]]:
    """The groups that an extension is in, and those it leads, by the names of the options that set them."""
    found = {
        key: [group["name"] for group in tables.get("groups", ()) if number in group.get(who, ())]
        for key, who in (("groups", "extensions"), ("heads", "heads"))
    }
    return {key: names for key, names in found.items() if names}


# -- add, set, remove ------------------------------------------------------------------------------


def ext_add(options: argparse.Namespace) -> ExitCode:
    """Add an extension; where no password is given, one is made and printed."""
    password, made = _password(options)
    values = _values(options) | {"number": options.number, "password": password}

    def change(tables: dict[str, Any]) -> None:
        extension: dict[str, Any] = {}
        tables["extensions"].append(_merge(extension, values))
        _regroup(tables, options)

    return _revise(options, change, {"password": password} if made else {})


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
        _merge(extension, values)
        _regroup(tables, options)

    return _revise(options, change, {"password": values["password"]} if made else {})


def ext_remove(options: argparse.Namespace) -> ExitCode:
    """Remove an extension, from all that it is a member of too; what else leads to it has to be changed before."""

    def change(tables: dict[str, Any]) -> None:
        tables["extensions"].remove(_named(tables, options.number))
        leave(options.number, tables)

    with live_system(options) as system:
        report = system.revise(change, rehearse=options.dry_run)
    return tell(report, options)


def _revise(options: argparse.Namespace, change: Any, more: dict[str, str]) -> ExitCode:
    """Perform what `add` and `set` are given, and say what has changed."""
    number, rules = options.number, _rules(options)
    greeting = None if options.voicemail_greeting is None else _checked_greeting(options.voicemail_greeting)
    seen = getattr(options, "if_version", None)
    with live_system(options) as system:

        def also(connection: Connection) -> Iterator[str]:
            config = merged(system.config, connection)
            changed = change_rules(number, rules, config, datetime.now(UTC), connection)
            if changed or greeting is not None:
                yield number

        def also_forwards(switch: Switch, connection: Connection) -> Iterator[str]:
            yield from also(connection)
            _check_forward_all(number, switch, connection)

        if greeting and number in system.store.read(live.removed).values():
            remedy = "are still to be deleted: start `myphone serve`, or wait a moment, then set the greeting"
            raise CommandError(f"files of an extension {number} that was removed {remedy}")
        versions = None if seen is None else {number: seen}
        if rules.forward_all:  # with a whole switch: most changes need none
            from myphone_api.supposed import revise_supposing

            report = revise_supposing(system, change, also_forwards, versions=versions)
        else:
            report = system.revise(change, versions=versions, also=also)
        if greeting is not None:
            _put_greeting(system, number, greeting)
    return tell(report, options, **more)


def _check_forward_all(number: str, switch: Switch, connection: Connection) -> None:
    """Raises ConfigError where the simple form forwards calls to a number that leads nowhere, as a page would say."""
    row, extension = forwarding.find(number, connection), switch.directory.find(number)
    assert row is not None, "it was set just now"
    assert extension is not None, "else that had been refused"
    forward = SimpleForm.model_validate(row.form).forward_all
    if forward is None or forward.to == OWN_VOICEMAIL:
        return
    if problem := objection(parse(forward.to), extension, switch):
        raise ConfigError(Problem("user_rules.simple.forward_all.to", problem))


def _named(tables: dict[str, Any], number: str) -> dict[str, Any]:
    for extension in tables["extensions"]:
        if extension["number"] == number:
            found: dict[str, Any] = extension
            return found
    raise CommandError(f"there is no extension {number}; see `myphone ext list`", ExitCode.USAGE)


def _merge(extension: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Enter values; of tables in it those keys alone that are given, and none that is None."""
    for key, value in values.items():
        if isinstance(value, dict):
            extension[key] = _merge(dict(extension.get(key, {})), value)
        elif value is None:
            extension.pop(key, None)
        else:
            extension[key] = value
    return extension


def _regroup(tables: dict[str, Any], options: argparse.Namespace) -> None:
    """Let the extension be in the groups that are given, and lead those, and no others; none that it leaves."""
    number, groups = options.number, tables.get("groups", ())
    names = [group["name"] for group in groups]
    for option, members in (("groups", ("extensions", "heads")), ("heads", ("heads",))):
        wanted = getattr(options, option)
        if wanted is None:
            continue
        for name in wanted:
            if name not in names:
                known = ", ".join(names) or "none"
                raise ConfigError(Problem(option, f"{name!r} is no group; there are: {known}"))
        for group in groups:
            for key in members:
                if group["name"] not in wanted:
                    group[key] = [each for each in group.get(key, ()) if each != number]
            if group["name"] in wanted and number not in group.get(members[0], ()):
                group[members[0]] = [*group.get(members[0], ()), number]


# -- what is given ---------------------------------------------------------------------------------

_KEYS = (
    "first_name", "last_name", "email", "sip_id", "outbound_caller_id", "withhold_number", "no_answer_seconds",
    "busy_detection", "record_calls", "language", "manager", "barge_in",
)  # fmt: skip
"""What `ext add` and `ext set` have an option for of the same name."""

_MAILBOX = ("enabled", "say_caller", "say_time", "mail")
_FORWARDS = ("always", "busy", "no_answer", "not_registered")
_FORM = ("no_answer", "busy")
_FORWARD_ALL = ("to", "offer", "outside_office_hours", "only_external")
_BLACK_LIST = ("numbers", "reject_anonymous")
_OF_PHONES = ("no_answer_seconds", "busy_detection")


def _given(options: argparse.Namespace, prefix: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """The values of the options that are named after these keys of a table."""
    found = {key: getattr(options, prefix + key) for key in keys}
    return {key: value for key, value in found.items() if value is not None}


def _values(options: argparse.Namespace) -> dict[str, Any]:
    """The keys of `[[extensions]]` that were given. Raises CommandError."""
    values = _given(options, "", _KEYS)
    if mailbox := _given(options, "voicemail_", _MAILBOX):
        values["voicemail"] = mailbox
    if forward := _given(options, "forward_", _FORWARDS):
        values["forward"] = {occasion: target or None for occasion, target in forward.items()}
    if options.pin_file is not None:
        values["pin"] = _first_line(options.pin_file)
    return values


def _rules(options: argparse.Namespace) -> RulesChange:
    """What was given of `[[user_rules]]`."""
    return RulesChange(
        simple=_given(options, "simple_", _FORM),
        forward_all=_given(options, "simple_forward_all_", _FORWARD_ALL),
        black_list=_given(options, "black_list_", _BLACK_LIST),
        phone=_given(options, "", _OF_PHONES),
        forwards=bool(_given(options, "forward_", _FORWARDS)),
        replace=options.replace_rules,
    )


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


# -- the greeting ----------------------------------------------------------------------------------


def _checked_greeting(text: str) -> Path | str:
    """A WAV file that can be played; "" for the standard words. Raises CommandError."""
    if not text:
        return ""
    file = Path(text)
    try:
        WavReader(file).close()
        if file.stat().st_size > MOST_GREETING_BYTES:
            raise CommandError(
                f"--voicemail-greeting: {file} is too large, ten minutes are enough", ExitCode.USAGE
            )
    except OSError as error:
        raise CommandError(
            f"--voicemail-greeting: cannot read {file}: {error.strerror}", ExitCode.USAGE
        ) from error
    except WavError as error:
        raise CommandError(f"--voicemail-greeting: {error}", ExitCode.USAGE) from error
    return file


def _put_greeting(system: Live, number: str, said: Path | str) -> None:
    """Let a mailbox say this; whoever hears it just now hears the one before to its end. Raises CommandError."""
    files = _mailbox_files(system)
    greeting, copy = files.greeting(number), files.scratch(f"greeting-{number}")
    try:
        if not said:
            files.remove([greeting])
            return
        files.prepare()
        shutil.copyfile(said, copy)
        files.keep(copy, greeting)
    except OSError as error:
        raise CommandError(f"the greeting is not kept: {error}; all else is") from error


def _mailbox_files(system: Live) -> MailboxFiles:
    return MailboxFiles(system.config.store.data_dir / VOICEMAIL_FOLDER)
