"""Checks of `[[queues]]` with the rest of a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pbx.config_errors import Problem

if TYPE_CHECKING:
    from pbx.config import Config


def in_queues(config: Config) -> Iterator[Problem]:
    """What does not go together."""
    extensions = {extension.number for extension in config.extensions}
    for index, queue in enumerate(config.queues):
        for agent in queue.agents:
            if agent.extension not in extensions:
                remedy = f"{agent.extension} is no extension, add it or leave it out"
                yield Problem(f"queues[{index}].agents", f"(queue {queue.number}) {remedy}")
    yield from _in_numbers(config)


def _in_numbers(config: Config) -> Iterator[Problem]:
    """Numbers of the system that something else has."""
    taken = {extension.number: f"extension {extension.number}" for extension in config.extensions}
    taken |= {number: f"the {purpose} number" for number, purpose in config.numbers.reserved().items()}
    tables = {"queues": config.queues}
    for name, entries in tables.items():
        for index, entry in enumerate(entries):
            owner = taken.setdefault(entry.number, f"{name}[{index}]")
            if owner != f"{name}[{index}]":
                yield Problem(f"{name}[{index}].number", f"{entry.number} is {owner} already, choose another")
