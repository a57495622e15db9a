"""Whether what a user wants can be: whether those exist whom a form names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pbx.destinations import Address, ExtensionNumber, Number, SystemNumber, Voicemail
from pbx.forwarding.edits import Add, Edit, Update
from pbx.forwarding.rules import Action, AdvancedForm, ReachMe
from pbx.forwarding.simple import SimpleForm, advanced
from pbx.routing import Refuse

if TYPE_CHECKING:
    from pbx.directory import Extension
    from pbx.switch import Switch

LEAST_SECONDS = 5
"""A phone that rings for less cannot be answered."""


class Rejected(ValueError):
    """A setting that cannot be; nothing has changed."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        """Where it is, such as `rules[3].action`."""
        self.reason = reason


def check_form(form: SimpleForm | AdvancedForm, own: Extension, switch: Switch) -> None:
    """Raises Rejected for what cannot be in the form of extension `own`."""
    if form.no_answer_seconds < LEAST_SECONDS:
        raise Rejected("no_answer_seconds", f"should be {LEAST_SECONDS} or more")
    simple = isinstance(form, SimpleForm)
    rules = advanced(form, own.number).rules if isinstance(form, SimpleForm) else form.rules
    for index, rule in enumerate(rules):
        problem = objection(rule.action, own, switch)
        if problem:
            raise Rejected(rule.type.value if simple else f"rules[{index}].action", problem)


def check_edit(edit: Edit, own: Extension, switch: Switch) -> None:
    """Raises Rejected for a rule that extension `own` cannot have."""
    if isinstance(edit, Add | Update) and (problem := objection(edit.rule.action, own, switch)):
        raise Rejected("action", problem)


def objection(action: Action, own: Extension, switch: Switch) -> str:
    """Why calls to extension `own` cannot go there; empty if they can."""
    match action:
        case ExtensionNumber(number):
            return _extension(number, own, switch)
        case Voicemail(mailbox):
            return "" if switch.directory.find(mailbox) else f"leads to {mailbox}, which is no extension"
        case SystemNumber(number):
            known = switch.system_numbers.find(number)
            return "" if known else f"leads to {number}, which is no queue, ring group or receptionist"
        case Number(dialled) | ReachMe(dialled):
            return _dialled(dialled, own, switch)
        case Address():
            refused = isinstance(switch.router.lead_to(action, (own.number,), caller=own).action, Refuse)
            return f"needs a gateway for {action.scheme}:, and there is none" if refused else ""
    return ""


def _extension(number: str, own: Extension, switch: Switch) -> str:
    target = switch.directory.find(number)
    if target is None:
        return f"leads to {number}, which is no extension"
    return "is the extension itself" if target.number == own.number else ""


def _dialled(dialled: str, own: Extension, switch: Switch) -> str:
    """A number has to lead somewhere. Codes are left to people: they would act in the name of whoever calls."""
    if switch.directory.find(dialled) is not None:
        return _extension(dialled, own, switch)
    if switch.system_numbers.find(dialled) is not None:
        return ""
    if switch.dial_table.match(dialled) is not None and not dialled.isdigit():
        return f"is the dial code {dialled}"
    action = switch.router.route(dialled, (own.number,), caller=own).action
    return f"leads nowhere: {action.reason}" if isinstance(action, Refuse) else ""
