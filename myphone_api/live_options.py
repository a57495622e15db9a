"""What `myphone export`, `myphone import`, `myphone ext` and `myphone queue` accept."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from myphone_api.errors import ExitCode
from myphone_api.ext_options import add_values
from myphone_api.rules_options import add_rules

if TYPE_CHECKING:
    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
    Make: TypeAlias = Callable[[Commands, str, str], argparse.ArgumentParser]
    Run: TypeAlias = Callable[[argparse.Namespace], ExitCode]


def add_live(commands: Commands, make: Make) -> None:
    """Add these commands; `make` makes a parser of a name and a summary."""
    export = make(commands, "export", "write extensions, groups, trunks, rules, dial codes and the like to a file")
    export.add_argument("--output", type=Path, metavar="FILE", help="for your eyes only (default: print it)")
    _finish(export, "export")
    import_ = make(commands, "import", "take extensions, groups, trunks, rules, dial codes and the like from a file")
    import_.add_argument("file", type=Path, metavar="FILE", help="an exported file, or a configuration file")
    import_.add_argument(
        "--replace", action="store_true", help="remove the extensions that the file does not have"
    )
    import_.add_argument("--dry-run", action="store_true", help="only say what would change")
    _finish(import_, "import_")
    _add_ext(commands, make)
    _add_queue(commands, make)


def _add_ext(commands: Commands, make: Make) -> None:
    ext = make(commands, "ext", "list, add, change and remove extensions")
    actions = ext.add_subparsers(title="actions", metavar="ACTION", required=True)
    _finish(make(actions, "list", "list the extensions"), "ext_list", "ext_commands")
    add = make(actions, "add", "add an extension; its password is printed, unless one is given")
    _add_number(add)
    add_values(add)
    add.set_defaults(new_password=False)
    _finish(add, "ext_add", "ext_commands")
    set_ = make(actions, "set", "change an extension")
    _add_number(set_)
    add_values(set_)
    set_.add_argument("--new-password", action="store_true", help="make one and print it")
    set_.add_argument(
        "--if-version", type=int, metavar="N", help="only if nobody has changed it since `ext list` said so"
    )
    _finish(set_, "ext_set", "ext_commands")
    remove = make(actions, "remove", "remove an extension: its calls end, and its voicemail goes with it")
    _add_number(remove)
    remove.add_argument("--dry-run", action="store_true", help="only say what would change")
    _finish(remove, "ext_remove", "ext_commands")
    add_rules(actions, make, _finish)


def _add_queue(commands: Commands, make: Make) -> None:
    queue = make(commands, "queue", "list queues, and log agents in and out")
    actions = queue.add_subparsers(title="actions", metavar="ACTION", required=True)
    _finish(make(actions, "list", "list the queues, and who is logged in"), "queue_list", "queue_commands")
    show = make(actions, "show", "show one queue, with all its agents")
    show.add_argument("queue", metavar="QUEUE", help="the number of the queue")
    _finish(show, "queue_show", "queue_commands")
    for name, summary in (
        ("login", "log an agent in to all its queues, or to one"),
        ("logout", "log an agent out of all its queues, or of one"),
    ):
        action = make(actions, name, summary)
        action.add_argument("extension", metavar="EXTENSION", help="the agent")
        action.add_argument(
            "queue", metavar="QUEUE", nargs="?", help="the number of the queue (default: all)"
        )
        _finish(action, f"queue_{name}", "queue_commands")


def _finish(command: argparse.ArgumentParser, name: str, module: str = "live_commands") -> None:
    command.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="configuration file (TOML)"
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_later(name, module))


def _later(name: str, module: str) -> Run:
    """The command, imported when it runs."""

    def run(options: argparse.Namespace) -> ExitCode:
        command: Run = getattr(import_module(f"myphone_api.{module}"), name)
        return command(options)

    return run


def _add_number(command: argparse.ArgumentParser) -> None:
    command.add_argument("number", metavar="NUMBER", help="the number of the extension")
