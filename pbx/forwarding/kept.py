"""What users set is kept: read at the start, and on disk before anybody is told that it holds.

Each change is worked out from what the store has in the same transaction, so of two at once none is lost. All of them
raise StoreUnavailable where it cannot be kept, and then nothing has changed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from pydantic import ValidationError
from sqlalchemy import Connection

from pbx.forwarding.book import Interface, Settings
from pbx.forwarding.callers import MAX_LISTED, BlackList
from pbx.forwarding.checks import Rejected, check_edit, check_form
from pbx.forwarding.edits import Edit, EditError, edited
from pbx.forwarding.profile import Profile
from pbx.forwarding.rules import AdvancedForm
from pbx.forwarding.simple import SimpleForm
from pbx.happenings import ForwardingChanged
from pbx.store import forwarding as rows
from pbx.store import live
from pbx.store.forwarding import Row

if TYPE_CHECKING:
    from pbx.directory import Extension
    from pbx.switch import Switch

logger = logging.getLogger(__name__)


class NotConfirmed(Exception):
    """The advanced rules would be lost; the change has to be asked for once more, with confirmation."""

    def __init__(self, rules: int) -> None:
        super().__init__(f"{rules} rules would be deleted; confirm that")
        self.rules = rules
        """How many."""


def load(switch: Switch) -> None:
    """Take over what the store has, at the start."""
    take(switch, switch.store.read(rows.all_rows))


def take(switch: Switch, kept: Mapping[str, Row]) -> None:
    """Let what the store has be in force, by extension."""
    for number, row in kept.items():
        extension = switch.directory.find(number)
        if extension is None:
            continue
        try:
            switch.forwarding.set(number, _settings(row, switch.forwarding.settings(extension)))
        except ValidationError as error:  # of another version, or changed by hand
            logger.error("what %s has set for its calls cannot be read and is left out: %s", number, error)


async def set_form(switch: Switch, extension: Extension, form: SimpleForm | AdvancedForm) -> Settings:
    """Put a form in the place of the one that is in force, of the same kind or the other. Raises Rejected."""
    check_form(form, extension, switch)
    return await _change(switch, extension, lambda settings: replace(settings, form=form))


async def edit_rules(switch: Switch, extension: Extension, edit: Edit) -> Settings:
    """Change one rule of the advanced form. Others may be changing theirs: what they have done stays.

    Raises Rejected for an action that cannot be, EditError where the rule is gone or the simple form is in force.
    """
    check_edit(edit, extension, switch)
    return await _change(switch, extension, partial(after_edit, edit=edit))


def after_edit(settings: Settings, edit: Edit) -> Settings:
    """The settings with a rule changed. Raises EditError."""
    if not isinstance(settings.form, AdvancedForm):
        raise EditError("the simple form is in force, go over to the advanced one first")
    return replace(settings, form=edited(settings.form, edit))


async def to_advanced(switch: Switch, extension: Extension) -> Settings:
    """Go over to the advanced form; it begins with the rules in force."""
    return await _change(switch, extension, partial(after_advanced, number=extension.number))


def after_advanced(settings: Settings, number: str) -> Settings:
    """The settings of an extension with the advanced form in force."""
    return replace(settings, form=settings.rules(number))


async def to_simple(switch: Switch, extension: Extension, *, confirm: bool = False) -> Settings:
    """Go back to the simple form, at its defaults. The advanced rules are deleted, which wants to be confirmed: raises
    NotConfirmed. They stay among `replaced` for the administrator."""
    return await _change(switch, extension, partial(after_simple, confirm=confirm))


def after_simple(settings: Settings, *, confirm: bool) -> Settings:
    """The settings with the simple form in force. Raises NotConfirmed."""
    if isinstance(settings.form, SimpleForm):
        return settings
    if settings.form.rules and not confirm:
        raise NotConfirmed(len(settings.form.rules))
    return replace(settings, form=SimpleForm())


async def reject_caller(switch: Switch, extension: Extension, number: str) -> Settings:
    """Add a caller to the black list, as the phone has shown the number. Raises Rejected where it is full, or that is
    no number; one that is there already stays there once."""

    def change(settings: Settings) -> Settings:
        known = settings.black_list
        if number in known.numbers:
            return settings
        if len(known.numbers) >= MAX_LISTED:
            raise Rejected("numbers", f"the list has {MAX_LISTED} numbers already, remove one")
        return replace(settings, black_list=_black_list((*known.numbers, number), known.reject_anonymous))

    return await _change(switch, extension, change)


async def accept_caller(switch: Switch, extension: Extension, number: str) -> Settings:
    """Take a number off the black list, written as it is there. Raises Rejected where it is not."""

    def change(settings: Settings) -> Settings:
        known = settings.black_list
        if number not in known.numbers:
            raise Rejected("numbers", "is not on the list")
        left = tuple(other for other in known.numbers if other != number)
        return replace(settings, black_list=_black_list(left, known.reject_anonymous))

    return await _change(switch, extension, change)


async def reject_anonymous(switch: Switch, extension: Extension, *, on: bool) -> Settings:
    """Reject callers who withhold their number, or do so no more."""

    def change(settings: Settings) -> Settings:
        return replace(settings, black_list=_black_list(settings.black_list.numbers, on))

    return await _change(switch, extension, change)


def _black_list(numbers: tuple[str, ...], anonymous: bool) -> BlackList:
    try:
        return BlackList(numbers=numbers, reject_anonymous=anonymous)
    except ValidationError:
        raise Rejected("numbers", "should be a number as a phone shows it") from None


async def _change(switch: Switch, extension: Extension, change: Callable[[Settings], Settings]) -> Settings:
    number, book, at = extension.number, switch.forwarding, switch.environment.wall()
    seeded = book.seeded(extension)

    def within(connection: Connection) -> tuple[Settings, Settings, Profile]:
        live.claim(connection)
        before, after = change_kept(number, change, seeded, at, connection)
        return before, after, book.prepared(extension, after)

    before, after, profile = await switch.store.write(within)
    book.use(extension, after, profile)
    if after != before:
        switch.happenings.tell(ForwardingChanged(at=at, extension=number))
    return after


def change_kept(
    number: str,
    change: Callable[[Settings], Settings],
    seeded: Settings,
    at: datetime,
    connection: Connection,
) -> tuple[Settings, Settings]:
    """Work a change of an extension's settings out from what is kept, and keep it: before and after. Raises what
    `change` raises. `seeded`: what holds where nothing is kept."""
    before = settings_of(number, seeded, connection)
    after = change(before)
    if after != before:
        rows.put(number, _row(after), connection)
        if isinstance(before.form, AdvancedForm) and isinstance(after.form, SimpleForm):
            rows.keep_replaced(number, before.form.model_dump(mode="json"), at, connection)
    return before, after


def settings_of(number: str, seeded: Settings, connection: Connection) -> Settings:
    """What is kept of an extension, else what is seeded."""
    row = rows.find(number, connection)
    return seeded if row is None else _settings(row, seeded)


async def replaced(switch: Switch, extension: Extension) -> list[AdvancedForm]:
    """The advanced forms that were given up for the simple one, the latest first."""
    found = await switch.store.fetch(partial(rows.replaced, extension.number))
    return [AdvancedForm.model_validate(form) for _, form in found]


def _settings(row: Row, seeded: Settings) -> Settings:
    form = seeded.form
    if row.interface == Interface.SIMPLE.value:
        form = SimpleForm.model_validate(row.form)
    elif row.interface == Interface.ADVANCED.value:
        form = AdvancedForm.model_validate(row.form)
    return Settings(form, BlackList(numbers=row.rejected, reject_anonymous=row.reject_anonymous))


def _row(settings: Settings) -> Row:
    black_list = settings.black_list
    form = settings.form.model_dump(mode="json")
    return Row(settings.interface.value, form, black_list.numbers, black_list.reject_anonymous)
