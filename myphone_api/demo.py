"""`myphone demo`: a company to try things with, and what to type into a phone."""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from media.process import ForkServer
from myphone_api.errors import CommandError, ExitCode
from myphone_api.logs import LogFormat, configure_logging
from myphone_api.passwords import new_password
from myphone_api.server import StartError, check, held, opened, run, setup_errors, tracing
from pbx.config import Config, ConfigError, parse
from pbx.config_errors import Problem
from pbx.switch import Switch
from sipcore.transport.flow import Address

COMPANY = {
    "100": ("Lee", "Parker"),
    "101": ("Richardson", "Bailey"),
    "102": ("Taylor", "Smith"),
    "103": ("Miller", "Cox"),
    "104": ("Bell", "Shaw"),
    "105": ("Thomas", "White"),
    "107": ("Adam", "Simpson"),
}
"""The people of the manual, by extension."""

DEFAULT_PORT = 5060
PASSWORD_FILE = "demo-passwords.json"
"""Typed on the keys of desk phones: no capitals, and nothing that looks like something else. 5 bits each."""

_OPTIONS = {
    "sip.listen": "--listen",
    "sip.udp_port": "--port",
    "sip.tcp_port": "--port",
    "media.port_range": "--media-ports",
    "store.data_dir": "--data-dir",
}
_ANY_ADDRESS_OUTSIDE = "192.0.2.1"
"""Stands for wherever the phones are (RFC 5737); nothing is sent there."""


def demo(options: argparse.Namespace, forks: ForkServer | None) -> ExitCode:
    """Run the demo company until a signal ends it."""
    configure_logging(sys.stderr, LogFormat(options.log_format), options.log_level)
    folder = options.data_dir or default_folder()
    passwords = kept_passwords(folder / PASSWORD_FILE, COMPANY)

    def announce(switch: Switch) -> None:
        server = server_address(switch)
        text = as_json(server, config, passwords) if options.json else instructions(server, config, passwords)
        print(text, flush=True)

    try:
        with setup_errors():
            config = demo_config(options, folder, passwords)
            features = check(config)
        first = partial(_with_passwords, passwords)
        with held(config.store) as hold, opened(config, features, first) as (store, known):
            run(known, features, store, forks, hold, tracing(options, known), announce)
    except StartError as error:
        raise StartError(*_as_options(error.problems), exit_code=error.exit_code) from error
    return ExitCode.OK


def demo_config(options: argparse.Namespace, folder: Path, passwords: Mapping[str, str]) -> Config:
    """The configuration that the options ask for. Raises ConfigError in terms of the options."""
    sip = {"listen": options.listen, "udp_port": options.port, "tcp_port": options.port}
    extensions = [
        {"number": number, "password": passwords[number], "first_name": first, "last_name": last}
        for number, (first, last) in COMPANY.items()
    ]
    media = {"port_range": options.media_ports}
    store = {"data_dir": str(folder)}
    try:
        return parse({"sip": sip, "media": media, "store": store, "extensions": extensions})
    except ConfigError as error:
        problems = tuple(_as_options(error.problems))
    raise ConfigError(*problems)


def _with_passwords(passwords: Mapping[str, str], tables: dict[str, Any]) -> None:
    """The passwords that are printed are those in force, whatever the store was told before."""
    for extension in tables["extensions"]:
        if extension["number"] in passwords:
            extension["password"] = passwords[extension["number"]]
            del extension["ha1"]


def _as_options(problems: Iterable[Problem]) -> Iterator[Problem]:
    """The same problems, said of the options that the values came from."""
    for problem in problems:
        yield Problem(_OPTIONS.get(problem.key.partition("[")[0], problem.key), problem.message)


# -- passwords -------------------------------------------------------------------------------------


def default_folder() -> Path:
    """Where programs of this user keep their data (XDG base directories)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "myphone"


def kept_passwords(file: Path, numbers: Iterable[str]) -> dict[str, str]:
    """The password of each number: those kept in `file`, and new ones, kept there, for all others.

    Raises CommandError.
    """
    try:
        kept = _read_passwords(file)
        missing = [number for number in numbers if number not in kept]
        if missing:
            kept |= {number: new_password() for number in missing}
            _write_private(file, json.dumps(kept, indent=2) + "\n")
    except OSError as error:
        message = (
            f"cannot keep passwords in {file}: {error.strerror}; choose a folder of yours with --data-dir"
        )
        raise CommandError(message) from error
    return kept


def _read_passwords(file: Path) -> dict[str, str]:
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        return {}
    try:
        kept = json.loads(text)
    except ValueError:
        kept = None
    if not isinstance(kept, dict) or not all(isinstance(value, str) and value for value in kept.values()):
        raise CommandError(f"{file} is damaged; delete it, and new passwords will be made")
    return kept


def _write_private(file: Path, text: str) -> None:
    """Write a whole file that only its owner may read, or leave what was there."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)


# -- what to type ----------------------------------------------------------------------------------


def server_address(switch: Switch) -> str:
    """The address that phones can reach: where we listen, or else where this machine faces its network."""
    listen = switch.config.sip.listen
    if not ipaddress.ip_address(listen).is_unspecified:
        return listen
    try:
        return switch.environment.network.local_host_towards(_ANY_ADDRESS_OUTSIDE)
    except OSError:  # a machine without a network: phones on itself only
        return "127.0.0.1"


def instructions(server: str, config: Config, passwords: Mapping[str, str]) -> str:
    """What to type into a phone, for people."""
    people = [
        f"  {entry.number:<12}{passwords[entry.number]:<16}{entry.first_name} {entry.last_name}"
        for entry in config.extensions
    ]
    port = config.sip.udp_port
    return "\n".join(
        [
            "MyPhone PBX is running. Type this into each phone:",
            "",
            f"  Server      {server if port == DEFAULT_PORT else Address(server, port)}",
            f"  Transport   UDP or TCP, port {port}",
            "  User name   the number; the same where a phone also asks for an authentication ID",
            "  Password    see here:",
            "",
            "  Number      Password        Name",
            *people,
            "",
            "Then dial another number, 700 for a conference, or *777 to hear yourself. Ctrl-C stops.",
            f"The passwords stay the same; they are kept in {config.store.data_dir / PASSWORD_FILE}.",
        ]
    )


def as_json(server: str, config: Config, passwords: Mapping[str, str]) -> str:
    """The same for programs, on one line."""
    extensions = [
        {
            "number": extension.number,
            "password": passwords[extension.number],
            "name": f"{extension.first_name} {extension.last_name}",
        }
        for extension in config.extensions
    ]
    return json.dumps({"server": server, "port": config.sip.udp_port, "extensions": extensions})
