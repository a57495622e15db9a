"""`myphone queue`: queues and who is logged in to them, whether the system runs or not.

It works on the store, as `myphone ext` does. Who waits at the moment is in the running system alone.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from typing import Any

from sqlalchemy import Connection

from myphone_api.errors import CommandError, ExitCode
from myphone_api.live_commands import Live, live_system
from pbx.config import Config
from pbx.live_data import merged, plain
from pbx.queues.settings import Queue
from pbx.store import live, statuses


def queue_list(options: argparse.Namespace) -> ExitCode:
    """Print the queues, and who is logged in to each."""
    with live_system(options) as system:
        config, logged_in = _known(system)
    rows = [_row(queue, logged_in) for queue in config.queues]
    if options.json:
        print(json.dumps(rows))
        return ExitCode.OK
    for row in rows:
        agents = ", ".join(agent["extension"] for agent in row["agents"] if agent["logged_in"])
        print(f"{row['number']:<15}  {row['strategy']:<12}  {row['name']}: {agents or 'nobody is logged in'}")
    return ExitCode.OK


def queue_show(options: argparse.Namespace) -> ExitCode:
    """Print one queue: its settings, and all its agents."""
    with live_system(options) as system:
        config, logged_in = _known(system)
    [queue] = _named(config, options.queue)
    row = _row(queue, logged_in)
    if options.json:
        print(json.dumps(plain(queue) | row))
        return ExitCode.OK
    for key, value in (plain(queue) | row).items():
        if key != "agents":
            print(f"{key}: {value}")
    for agent in row["agents"]:
        state = "logged in" if agent["logged_in"] else "logged out"
        print(f"  {agent['extension']:<15}  level {agent['level']}  {state}")
    return ExitCode.OK


def queue_login(options: argparse.Namespace) -> ExitCode:
    """Log an agent in to a queue, or to all."""
    return _log(options, on=True)


def queue_logout(options: argparse.Namespace) -> ExitCode:
    """Log an agent out of a queue, or of all."""
    return _log(options, on=False)


def _log(options: argparse.Namespace, *, on: bool) -> ExitCode:
    agent = options.extension
    with live_system(options) as system:
        config, _ = _known(system)
        if all(extension.number != agent for extension in config.extensions):
            raise CommandError(f"there is no extension {agent}; see `myphone ext list`", ExitCode.USAGE)
        queues = [
            queue.number for queue in _named(config, options.queue) if queue.position_of(agent) is not None
        ]
        if not queues:
            where = f"queue {options.queue}" if options.queue else "any queue"
            raise CommandError(f"{agent} is not an agent of {where}; see `myphone queue show`", ExitCode.USAGE)
        system.store.begin(partial(_change, queues, agent, on))
    if options.json:
        print(json.dumps({"extension": agent, "queues": queues, "logged_in": on}))
    else:
        print(f"{agent} is logged {'in to' if on else 'out of'} {', '.join(queues)}")
    return ExitCode.OK


def _change(queues: list[str], agent: str, on: bool, connection: Connection) -> None:
    for queue in queues:
        (statuses.log_in if on else statuses.log_out)(queue, agent, connection)
    live.changed(connection)


def _known(system: Live) -> tuple[Config, set[tuple[str, str]]]:
    """The configuration that is in force, and (queue, extension) of all who are logged in."""
    read = system.store.read
    return read(partial(merged, system.config)), set(read(statuses.every_login))


def _named(config: Config, number: str | None) -> list[Queue]:
    """One queue, or all. Raises CommandError."""
    found = [queue for queue in config.queues if number in (None, queue.number)]
    if number is not None and not found:
        known = ", ".join(queue.number for queue in config.queues) or "none"
        raise CommandError(f"there is no queue {number}; there are: {known}", ExitCode.USAGE)
    return found


def _row(queue: Queue, logged_in: set[tuple[str, str]]) -> dict[str, Any]:
    agents = [
        {
            "extension": agent.extension,
            "level": agent.level,
            "logged_in": (queue.number, agent.extension) in logged_in,
        }
        for agent in queue.agents
    ]
    return {
        "number": queue.number,
        "name": queue.name,
        "strategy": queue.strategy.value,
        "agents": agents,
    }
