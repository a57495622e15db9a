"""What `myphone ext rules` accepts: the rules of one extension, in the order in which they are tried."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
    Make: TypeAlias = Callable[[Commands, str, str], argparse.ArgumentParser]
    Finish: TypeAlias = Callable[[argparse.ArgumentParser, str, str], None]

_TYPES = ("no_answer", "busy", "not_registered", "forward_all", "caller_id")
_MODULE = "rules_commands"


def add_rules(extensions: Commands, make: Make, finish: Finish) -> None:
    """Add the command; `make` and `finish`: see `myphone_api.live_options`."""
    rules = make(extensions, "rules", "list and edit the rules of an extension")
    actions = rules.add_subparsers(title="actions", metavar="ACTION", required=True)
    list_ = make(actions, "list", "print the rules in force, of the simple form too")
    _add_number(list_)
    list_.add_argument("--language", choices=["en", "fr"], default="en", help="of the words")
    finish(list_, "rules_list", _MODULE)
    add = make(actions, "add", "add a rule, behind all others unless --place says where")
    _add_number(add)
    add.add_argument("--place", type=int, metavar="N", help="1: before all others")
    _add_rule(add, required=True)
    finish(add, "rules_add", _MODULE)
    update = make(actions, "update", "change what is given of a rule; it keeps its place")
    _add_id(update)
    _add_rule(update, required=False)
    finish(update, "rules_update", _MODULE)
    for name, summary in (
        ("delete", "delete a rule"),
        ("up", "move a rule up: it is tried sooner"),
        ("down", "move a rule down: it is tried later"),
    ):
        action = make(actions, name, summary)
        _add_id(action)
        finish(action, f"rules_{name}", _MODULE)
    form = make(actions, "form", "say which form is in force")
    _add_number(form)
    form.add_argument(
        "form", choices=["simple", "advanced"], help="advanced begins with the rules in force, simple at its defaults"
    )
    form.add_argument("--confirm", action="store_true", help="the advanced rules may be lost")
    finish(form, "rules_form", _MODULE)


def _add_number(command: argparse.ArgumentParser) -> None:
    command.add_argument("number", metavar="NUMBER", help="the number of the extension")


def _add_id(command: argparse.ArgumentParser) -> None:
    _add_number(command)
    command.add_argument("id", type=int, metavar="ID", help="the rule, by the ID that `list` prints")


def _add_rule(command: argparse.ArgumentParser, *, required: bool) -> None:
    command.add_argument("--type", choices=_TYPES, required=required, help="when it is tried")
    command.add_argument(
        "--action",
        required=required,
        metavar="TARGET",
        help="voicemail:100, extension:101, number:00612345678, reach-me:00612345678, system:804, busy, end, ...",
    )
    command.add_argument("--hours", choices=["all", "office", "outside", "specific"])
    command.add_argument(
        "--week", nargs="+", metavar="DAY=TIMES", help="for specific hours: monday=08:30-12:00,13:30-18:00"
    )
    command.add_argument("--calls", choices=["all", "internal", "external"])
    command.add_argument("--callers", nargs="*", metavar="CALLER", help="as phones show them; none: all")
    command.add_argument("--dids", nargs="*", metavar="DID", help="the numbers outside that were called; none: any")
