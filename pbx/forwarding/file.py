"""What users have set for their calls, as `myphone export` writes it: the table `user_rules`, an entry for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError, model_validator
from sqlalchemy import Connection

from pbx.config_errors import ConfigError, Problem, explain
from pbx.config_values import Number, Table
from pbx.forwarding.callers import BlackList
from pbx.forwarding.checks import objection
from pbx.forwarding.rules import Action, AdvancedForm
from pbx.forwarding.simple import SimpleForm, targets
from pbx.store import forwarding, live
from pbx.store.forwarding import Row

if TYPE_CHECKING:
    from pbx.switch import Switch

TABLE = "user_rules"


class UserRules(Table):
    """One of `[[user_rules]]`: a form of either kind, or none, and a black list."""

    extension: Number
    simple: SimpleForm | None = None
    advanced: AdvancedForm | None = None
    black_list: BlackList = Field(default_factory=BlackList)

    @model_validator(mode="after")
    def _has_one_form(self) -> UserRules:
        if self.simple is not None and self.advanced is not None:
            raise ValueError("has two forms, leave out one")
        return self


class UserRulesFile(Table):
    """The part of a file that has them."""

    user_rules: tuple[UserRules, ...] = ()


def exported_rules(connection: Connection) -> list[dict[str, Any]]:
    """Those of every user who has set something, by extension."""
    entries = []
    for number, row in sorted(forwarding.all_rows(connection).items()):
        entry: dict[str, Any] = {"extension": number}
        if row.interface is not None:
            entry[row.interface] = _without_none(row.form)
        black_list = BlackList(numbers=row.rejected, reject_anonymous=row.reject_anonymous)
        if black_list != BlackList():
            entry["black_list"] = black_list.model_dump(mode="json")
        entries.append(entry)
    return entries


def brought_in_rules(data: Mapping[str, Any]) -> Callable[[Connection], tuple[str, ...]]:
    """The change that takes those of a file over; who is not in it keeps what he has set. It returns the numbers of the
    extensions that have other rules then. Raises ConfigError."""
    entries = _read(data)

    def change(connection: Connection) -> tuple[str, ...]:
        known, before = live.versions(connection), forwarding.all_rows(connection)
        wanted = {entry.extension: _row(entry) for entry in entries if entry.extension in known}
        others = tuple(number for number, row in wanted.items() if before.get(number) != row)
        for number in others:
            forwarding.put(number, wanted[number], connection)
        if others:
            live.changed(connection)
        return others

    return change


def dead_ends(data: Mapping[str, Any], kept: Mapping[str, Row], switch: Switch) -> Iterator[Problem]:
    """What leads nowhere in those of a file: to whom there is not, or from whom. What is `kept` already, word for
    word, is no fault of the file. Raises ConfigError for what cannot be read."""
    for index, entry in enumerate(_read(data)):
        place, own = f"{TABLE}[{index}]", switch.directory.find(entry.extension)
        if own is None:
            yield Problem(f"{place}.extension", f"{entry.extension} is no extension, add it or leave this out")
        elif kept.get(entry.extension) != _row(entry):
            for key, action in _actions(entry):
                if problem := objection(action, own, switch):
                    yield Problem(f"{place}.{key}", f"(extension {own.number}) {problem}")


def _read(data: Mapping[str, Any]) -> tuple[UserRules, ...]:
    part = {TABLE: data.get(TABLE, [])}
    try:
        return UserRulesFile.model_validate(part).user_rules
    except ValidationError as error:
        raise ConfigError(*explain(error, UserRulesFile, part)) from None


def _actions(entry: UserRules) -> Iterator[tuple[str, Action]]:
    """Where the form of an entry leads, each with its key."""
    if entry.simple is not None:
        yield from ((f"simple.{key}", action) for key, action in targets(entry.simple, entry.extension))
    if entry.advanced is not None:
        for index, rule in enumerate(entry.advanced.rules):
            yield f"advanced.rules[{index}].action", rule.action


def _row(entry: UserRules) -> Row:
    interface = "simple" if entry.simple else "advanced" if entry.advanced else None
    form = entry.simple or entry.advanced
    black_list = entry.black_list
    dumped = None if form is None else form.model_dump(mode="json")
    return Row(interface, dumped, black_list.numbers, black_list.reject_anonymous)


def _without_none(value: Any) -> Any:
    """TOML has no word for nothing; what is not there is the default, which it is wherever nothing is possible."""
    if isinstance(value, dict):
        return {name: _without_none(item) for name, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value
