"""What an administrator sets for the calls of a user: the simple form, and the black list.

The user may be doing so as well, on a page or by a code: the change begins with what is kept at that moment, and the
later one of two counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from pbx.config import Config
from pbx.config_errors import ConfigError, Problem
from pbx.directory import BusyDetection, Extension
from pbx.forwarding.book import Interface, seed
from pbx.forwarding.callers import MAX_LISTED, BlackList
from pbx.forwarding.file import TABLE
from pbx.forwarding.simple import SimpleForm
from pbx.store import forwarding, live
from pbx.store.forwarding import Row

_INSIDE = "or the number of another extension"
_REMEDIES = {
    "no_answer": f'should be "voicemail", "end" {_INSIDE}',
    "busy": f'should be "voicemail", "busy" {_INSIDE}',
    "forward_all.to": 'should be "voicemail", the number of another extension, or what is dialled for a number outside',
}


@dataclass(frozen=True, slots=True)
class RulesChange:
    """What is given of `[[user_rules]]`; all else stays. Targets are as they are dialled, or as the form has them."""

    simple: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the simple form, but for `forward_all`."""
    forward_all: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the simple form's `forward_all`; an empty `to`: no calls are forwarded."""
    black_list: Mapping[str, Any] = field(default_factory=dict)
    phone: Mapping[str, Any] = field(default_factory=dict)
    """`no_answer_seconds` and `busy_detection` of the extension, which either form has as well."""
    forwards: bool = False
    """Whether the extension was given other `forward`s, which are in force while its user has set no form."""
    replace: bool = False
    """Whether rules that the form, or the forwards, would take the place of are given up. They stay among the replaced
    ones."""

    @property
    def fills_form(self) -> bool:
        """Whether the simple form is to be in force."""
        return bool(self.simple or self.forward_all)


def change_rules(
    number: str, change: RulesChange, config: Config, at: datetime, connection: Connection
) -> bool:
    """Perform a change for an extension; whether there was something to change.

    Raises ConfigError where that cannot be, or would end rules that nobody has given up.
    """
    extension = next(each for each in config.directory() if each.number == number)
    before = forwarding.find(number, connection) or Row()
    after = _with_phone(_with_black_list(_with_form(before, extension, config, change), change), change)
    if after == before:
        return False
    forwarding.put(number, after, connection)
    live.changed(connection)
    advanced = Interface.ADVANCED.value
    if before.form is not None and before.interface == advanced and after.interface != advanced:
        forwarding.keep_replaced(number, before.form, at, connection)
    return True


def _with_form(row: Row, extension: Extension, config: Config, change: RulesChange) -> Row:
    if change.fills_form and change.forwards:
        raise ConfigError(Problem("forward", "goes with no simple form, leave out one of them"))
    if change.fills_form:
        begin = _begin(row, extension, config, change)
        form = _form(begin, extension.number, {each.number for each in config.extensions}, change)
        return Row(Interface.SIMPLE.value, form.model_dump(mode="json"), row.rejected, row.reject_anonymous)
    if not change.forwards or row.interface is None:
        return row
    if not change.replace:
        remedy = "its user's own rules come first; change those by --simple-..., or give them up by --replace-rules"
        raise ConfigError(Problem("forward", f"(extension {extension.number}) {remedy}"))
    return Row(None, None, row.rejected, row.reject_anonymous)


def _begin(row: Row, extension: Extension, config: Config, change: RulesChange) -> dict[str, Any]:
    """What the simple form says before the change."""
    if row.interface == Interface.SIMPLE.value:
        return dict(row.form or {})
    seeded = seed(extension, config.forwarding)
    if row.interface is None and seeded.interface is Interface.SIMPLE:
        return seeded.form.model_dump(mode="json")
    rules = seeded.rules(extension.number).rules if row.form is None else row.form.get("rules", ())
    if rules and not change.replace:
        remedy = f"would take the place of {len(rules)} rules; give them up by --replace-rules"
        raise ConfigError(Problem(f"{TABLE}.simple", f"(extension {extension.number}) {remedy}"))
    phone_decides = extension.busy_detection is BusyDetection.PHONE
    return {"no_answer_seconds": extension.no_answer_seconds, "more_than_one_call": phone_decides}


def _form(begin: dict[str, Any], own: str, known: set[str], change: RulesChange) -> SimpleForm:
    values = begin | {key: _inside(value, known) for key, value in change.simple.items()}
    if change.forward_all:
        forward = (begin.get("forward_all") or {}) | dict(change.forward_all)
        forward["to"] = to = _anywhere(forward.get("to", ""), known)
        if not to and len(change.forward_all) > ("to" in change.forward_all):
            raise ConfigError(Problem(f"{TABLE}.simple.forward_all.to", "is missing, say where all calls go"))
        values["forward_all"] = forward if to else None
    try:
        form = SimpleForm.model_validate(values)
    except ValidationError as error:
        raise ConfigError(*_explained(error)) from None
    problems = []
    targets = {"no_answer": form.no_answer, "busy": form.busy}
    for key, target in (
        targets | ({"forward_all.to": form.forward_all.to} if form.forward_all else {})
    ).items():
        kind, _, number = target.partition(":")
        if kind == "extension" and (number not in known or number == own):
            wrong = (
                "is the extension itself" if number == own else f"leads to {number}, which is no extension"
            )
            problems.append(Problem(f"{TABLE}.simple.{key}", f"{wrong}; it {_REMEDIES[key]}"))
    if problems:
        raise ConfigError(*problems)
    return form


def _explained(error: ValidationError) -> list[Problem]:
    """One problem a key: a value that may be one of several kinds is wrong in several ways at once."""
    found: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_input=False, include_context=False):
        key = ".".join(str(step) for step in detail["loc"][:2])
        key = next((known for known in _REMEDIES if key.startswith(known)), key)
        message = detail["msg"].removeprefix("Value error, ").replace("Input should", "should")
        found.setdefault(key, _REMEDIES.get(key, message))
    return [Problem(f"{TABLE}.simple.{key}", message) for key, message in found.items()]


def _inside(value: Any, known: set[str]) -> Any:
    return f"extension:{value}" if isinstance(value, str) and (value in known or value.isdecimal()) else value


def _anywhere(to: str, known: set[str]) -> str:
    if to in known:
        return f"extension:{to}"
    return to if not to or ":" in to or to == "voicemail" else f"number:{to}"


def _with_black_list(row: Row, change: RulesChange) -> Row:
    if not change.black_list:
        return row
    values = {"numbers": row.rejected, "reject_anonymous": row.reject_anonymous} | dict(change.black_list)
    try:
        listed = BlackList.model_validate(values)
    except ValidationError:
        remedy = f"should be numbers as phones show them, each once, {MAX_LISTED} at most"
        raise ConfigError(Problem(f"{TABLE}.black_list.numbers", remedy)) from None
    return Row(row.interface, row.form, listed.numbers, listed.reject_anonymous)


def _with_phone(row: Row, change: RulesChange) -> Row:
    """How long the phones ring, and what makes them busy, is said in the form as well."""
    if row.form is None or not change.phone:
        return row
    form = dict(row.form)
    if "no_answer_seconds" in change.phone:
        form["no_answer_seconds"] = change.phone["no_answer_seconds"]
    if "busy_detection" in change.phone:
        detection = change.phone["busy_detection"]
        if row.interface == Interface.SIMPLE.value:
            form["more_than_one_call"] = detection == BusyDetection.PHONE.value
        else:
            form["busy_detection"] = detection
    return Row(row.interface, form, row.rejected, row.reject_anonymous)
