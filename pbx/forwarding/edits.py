"""What a user does to the rules: add one, change it, delete it, move it up or down; and the page with its buttons.

A rule keeps its `id` whatever becomes of the others, and none is given twice: of two who edit at once, each changes
what he means, or is told that it is gone.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from pydantic import ValidationError

from pbx.destinations import Voicemail
from pbx.forwarding.rules import MAX_RULES, AdvancedForm, Rule, RuleType
from values import dataclass


class EditError(ValueError):
    """What cannot be done to the rules as they are; nothing has changed."""


@dataclass(frozen=True, slots=True)
class Add:
    """One rule more, whatever its `id`: it gets a new one."""

    rule: Rule
    place: int | None = None
    """Where it comes to stand, 1 for the first; None: behind all others."""


@dataclass(frozen=True, slots=True)
class Update:
    """Another rule in the place of one."""

    id: int
    rule: Rule


@dataclass(frozen=True, slots=True)
class Delete:
    """One rule less."""

    id: int


@dataclass(frozen=True, slots=True)
class Move:
    """One rule moved up (`by` < 0) or down by so many places; at the end of the list it stays."""

    id: int
    by: int


Edit = Add | Update | Delete | Move


def edited(form: AdvancedForm, edit: Edit) -> AdvancedForm:
    """The form after that. Raises EditError."""
    rules, last = list(form.rules), max((form.last_id, *(rule.id for rule in form.rules)))
    match edit:
        case Add(rule, place):
            last += 1
            at = len(rules) if place is None else max(0, place - 1)
            rules.insert(at, rule.model_copy(update={"id": last}))
        case Update(id_, rule):
            rules[_index(form, id_)] = rule.model_copy(update={"id": id_})
        case Delete(id_):
            del rules[_index(form, id_)]
        case Move(id_, by):
            at = _index(form, id_)
            rules.insert(max(0, at + by), rules.pop(at))
    if len(rules) > MAX_RULES:
        raise EditError(f"there are {MAX_RULES} rules already, delete one")
    try:
        return AdvancedForm.model_validate({**dict(form), "rules": tuple(rules), "last_id": last})
    except ValidationError as error:
        raise EditError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def _index(form: AdvancedForm, id_: int) -> int:
    for index, rule in enumerate(form.rules):
        if rule.id == id_:
            return index
    raise EditError(f"there is no rule {id_}")


# -- the page --------------------------------------------------------------------------------------


class Button(Enum):
    """What can be pressed there."""

    ADD = "add"
    UPDATE = "update"
    DELETE = "delete"
    UP = "up"
    DOWN = "down"
    CLEAR = "clear"

    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Page:
    """The table of the rules, and the entry form above it."""

    form: AdvancedForm
    entry: Rule
    """What the entry form says."""
    chosen: int | None = None
    """The rule that is marked in the table."""


def page(form: AdvancedForm, own: str) -> Page:
    """As extension `own` opens it."""
    return Page(form, blank(own))


def blank(own: str) -> Rule:
    """What an empty entry form says."""
    return Rule(type=RuleType.NO_ANSWER, action=Voicemail(own))


def choose(page: Page, id_: int) -> Page:
    """A rule is marked, and comes into the entry form. Raises EditError."""
    return replace(page, entry=page.form.rules[_index(page.form, id_)], chosen=id_)


def press(page: Page, button: Button, own: str) -> Page:
    """What becomes of it. Raises EditError where no rule is marked that the button is about."""
    if button is Button.CLEAR:
        return Page(page.form, blank(own))
    if button is Button.ADD:
        return replace(page, form=edited(page.form, Add(page.entry)), chosen=None)
    if page.chosen is None:
        raise EditError("mark a rule first")
    form = edited(page.form, _edit(page, button, page.chosen))
    return replace(page, form=form, chosen=None if button is Button.DELETE else page.chosen)


def _edit(page: Page, button: Button, chosen: int) -> Edit:
    match button:
        case Button.UPDATE:
            return Update(chosen, page.entry)
        case Button.DELETE:
            return Delete(chosen)
        case _:
            return Move(chosen, -1 if button is Button.UP else 1)
