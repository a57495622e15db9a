"""The command `myphone`: what it accepts.

Commands are imported when they run, so that help and version need not wait for the whole stack.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import ipaddress
import os
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from myphone_api.errors import CommandError, ExitCode
from myphone_api.live_options import add_live

if TYPE_CHECKING:
    from media.process import ForkServer

    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (`sys.argv` unless given) and return the exit code (see `ExitCode`).

    argparse raises SystemExit by itself: 0 after help and version, 2 for options that cannot be.
    """
    options = make_parser().parse_args(arguments)
    options.own_process = arguments is None
    try:
        exit_code: ExitCode = options.run(options)
    except CommandError as error:
        for line in str(error).splitlines():
            print(f"myphone: {line}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.FAILED
    except BrokenPipeError:
        # Who read our output has gone. Point stdout elsewhere, or the interpreter complains at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    return exit_code


# -- commands --------------------------------------------------------------------------------------


def _demo(options: argparse.Namespace) -> ExitCode:
    with _forks(options) as forks, _collecting_later():
        from myphone_api.demo import demo

        return demo(options, forks)


def _serve(options: argparse.Namespace) -> ExitCode:
    with _forks(options) as forks, _collecting_later():
        from myphone_api.server import serve

        return serve(options, forks)


def _forks(options: argparse.Namespace) -> contextlib.AbstractContextManager[ForkServer | None]:
    """What forks media workers. It has loaded no more than this when it is forked itself."""
    from media.worker import fork_server

    return fork_server(prepared=options.own_process) or contextlib.nullcontext()


@contextlib.contextmanager
def _collecting_later() -> Iterator[None]:
    """Let the collector wait until the system runs: hardly anything that a start makes ever goes."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _config_check(options: argparse.Namespace) -> ExitCode:
    from myphone_api.config_check import config_check

    return config_check(options)


def _calls(options: argparse.Namespace) -> ExitCode:
    from myphone_api.call_list import calls_command

    return calls_command(options)


def _explain(options: argparse.Namespace) -> ExitCode:
    from myphone_api.explain import explain_command

    return explain_command(options)


def _phone(options: argparse.Namespace) -> ExitCode:
    from myphone_api.softphone import softphone

    return softphone(options)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"myphone {version()}")
        parser.exit()


def version() -> str:
    """The installed version; says so where the sources run without an installation."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("myphone-pbx")
    except PackageNotFoundError:
        return "(not installed: run `pip install -e .` in the source folder)"


# -- options ---------------------------------------------------------------------------------------


def make_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="myphone", description="MyPhone PBX, an office telephone system.", allow_abbrev=False
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_serve(commands)
    _add_config(commands)
    _add_explain(commands)
    _add_calls(commands)
    _add_phone(commands)
    add_live(commands, _command)
    return parser


def _add_demo(commands: Commands) -> None:
    command = _command(
        commands, "demo", "run a demo company: no configuration, and it says what to type into a phone"
    )
    command.add_argument(
        "--listen", default="0.0.0.0", metavar="IP", help="address to listen at (default: all)"
    )
    command.add_argument("--port", type=int, default=5060, help="SIP port, UDP and TCP (default: 5060)")
    command.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="folder for the passwords (default: in your home folder)"
    )
    command.add_argument(
        "--media-ports",
        type=port_range,
        default=(20000, 29999),
        metavar="FIRST-LAST",
        help="UDP ports for sound (default: 20000-29999)",
    )
    command.add_argument("--json", action="store_true", help="print what to type into a phone as JSON")
    _add_running(command)
    command.set_defaults(run=_demo)


def _add_serve(commands: Commands) -> None:
    command = _command(commands, "serve", "run the system that a configuration file describes")
    _add_config_file(command)
    _add_running(command)
    command.set_defaults(run=_serve)


def _add_config(commands: Commands) -> None:
    command = _command(commands, "config", "work on a configuration file")
    actions = command.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = _command(actions, "check", "check a configuration file without starting anything")
    _add_config_file(check)
    check.add_argument("--json", action="store_true", help="print the result as JSON")
    check.set_defaults(run=_config_check)


def _add_calls(commands: Commands) -> None:
    command = _command(commands, "calls", "list the calls that are over, the newest first")
    _add_config_file(command)
    command.add_argument("--extension", metavar="EXT", type=number, help="only those of an extension")
    command.add_argument(
        "--list", choices=["missed", "received", "outbound"], help="one list of that extension"
    )
    command.add_argument("--before", metavar="TIME", type=moment, help="those before, by the office's clock")
    command.add_argument(
        "--behind", metavar="CALL", help='those behind this one, the last of the page before: its "call" in JSON'
    )
    command.add_argument(
        "--limit", type=count, default=50, metavar="N", help="how many at most (default: 50)"
    )
    command.add_argument(
        "--json", action="store_true", help="print JSON: also who was in each, why it went there, how it sounded"
    )
    command.set_defaults(run=_calls)


def _add_explain(commands: Commands) -> None:
    command = _command(commands, "explain", "say why a call would go where it would go, without placing it")
    _add_config_file(command)
    command.add_argument(
        "--from",
        dest="caller",
        required=True,
        metavar="NUMBER",
        help="who calls: an extension, or a number outside",
    )
    command.add_argument("--to", metavar="NUMBER", type=number, help="what is dialled")
    command.add_argument("--did", metavar="NUMBER", type=number, help="the number outside that is called")
    command.add_argument(
        "--trunk", metavar="NAME", help="the trunk that brings the call (default: the first)"
    )
    command.add_argument(
        "--at",
        metavar="TIME",
        type=moment,
        help="such as 2026-11-30T10:00, by the office's clock (default: now)",
    )
    for state in ("away", "available", "busy", "unregistered"):
        command.add_argument(
            f"--{state}",
            metavar="EXT",
            action="append",
            default=[],
            help=f"suppose that an extension is {state}",
        )
    command.add_argument("--json", action="store_true", help="print the explanation as JSON")
    command.set_defaults(run=_explain)


def _add_phone(commands: Commands) -> None:
    command = _command(commands, "phone", "be a phone: register, then call, or wait for a call")
    command.add_argument("extension", metavar="EXT", type=number, help="the extension to register as")
    command.add_argument("--server", required=True, metavar="HOST[:PORT]", help="the system to register at")
    command.add_argument("--transport", choices=["udp", "tcp", "tls"], default="udp", help="default: udp")
    command.add_argument(
        "--ca", type=Path, metavar="FILE", help="whom to trust for TLS (default: the system's list)"
    )
    command.add_argument(
        "--listen",
        metavar="IP",
        type=ip_address,
        help="own address (default: the one that leads to the server)",
    )
    secret = command.add_mutually_exclusive_group()
    secret.add_argument(
        "--password", help="visible to other users of this machine; see also the two other ways"
    )
    secret.add_argument(
        "--password-file", type=Path, metavar="FILE", help="its first line; or set MYPHONE_PASSWORD"
    )
    action = command.add_mutually_exclusive_group()
    action.add_argument("--call", metavar="NUMBER", type=number, help="call a number")
    action.add_argument("--answer", action="store_true", help="wait for a call and answer it")
    command.add_argument("--play", type=Path, metavar="WAV", help="play a file into the call, then hang up")
    command.add_argument("--record", type=Path, metavar="WAV", help="record what the other side says")
    command.add_argument("--dtmf", metavar="DIGITS", type=keys, help="send digits after the answer")
    command.add_argument("--seconds", metavar="N", type=seconds, help="hang up so long after the answer")
    command.add_argument("--json", action="store_true", help="print what happened as JSON, an object a line")
    _add_logging(command, level="warning")
    command.set_defaults(run=_phone)


def _add_config_file(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="configuration file (TOML)"
    )


def _add_running(command: argparse.ArgumentParser) -> None:
    command.add_argument("--trace", metavar="EXT", help="write the SIP messages of an extension to a file")
    command.add_argument(
        "--trace-file",
        type=Path,
        metavar="FILE",
        help="*.pcap for Wireshark, or *.txt (default: trace-EXT.txt)",
    )
    _add_logging(command, level="info")


def _add_logging(command: argparse.ArgumentParser, *, level: str) -> None:
    levels = ["debug", "info", "warning", "error"]
    command.add_argument("--log-level", choices=levels, default=level, help=f"default: {level}")
    command.add_argument(
        "--log-format", choices=["console", "json"], default="console", help="default: console"
    )


def _command(commands: Commands, name: str, summary: str) -> argparse.ArgumentParser:
    return commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", allow_abbrev=False
    )


# -- values: all raise ArgumentTypeError -----------------------------------------------------------


def port_range(text: str) -> tuple[int, int]:
    """`20000-20999` as two numbers."""
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no range of ports, give one such as 20000-20999")
    return int(first), int(last)


def number(text: str) -> str:
    """What can be dialled, or registered: anything without spaces and control characters."""
    if not text or not text.isprintable() or " " in text:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be dialled, give a number such as 101")
    return text


def ip_address(text: str) -> str:
    """An IP address as sockets write it."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no IP address, give one such as 192.168.1.5") from None


def moment(text: str) -> datetime:
    """A time of day; without an offset it is by the clock of the office."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time, give one such as 2026-11-30T10:00") from None


def count(text: str) -> int:
    """At least one."""
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text):
        raise argparse.ArgumentTypeError(f"{text!r} should be 1 to 999999")
    return int(text)


def keys(text: str) -> str:
    """Keys of a telephone."""
    if not re.fullmatch(r"[0-9*#A-Da-d]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} are no keys, give some of 0-9 * # A-D")
    return text.upper()


def seconds(text: str) -> float:
    """A duration above 0, and not for ever."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?|\.[0-9]+", text) or not float(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds, give one such as 2.5")
    return float(text)


if __name__ == "__main__":
    sys.exit(main())
