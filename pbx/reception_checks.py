"""Checks of queues, ring groups and receptionists with the rest of a configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pbx.config_errors import Problem
from pbx.trunks.checks import is_emergency

if TYPE_CHECKING:
    from pbx.config import Config


def in_reception(config: Config) -> Iterator[Problem]:
    """What does not go together."""
    extensions = {extension.number for extension in config.extensions}
    for index, queue in enumerate(config.queues):
        named = [agent.extension for agent in queue.agents]
        yield from _unknown(f"queues[{index}].agents", named, extensions)
    for index, group in enumerate(config.ring_groups):
        yield from _unknown(f"ring_groups[{index}].members", group.members, extensions)
    for index, receptionist in enumerate(config.receptionists):
        for key in ("closed", "holiday"):
            if getattr(receptionist, key) is not None and not config.office_hours.kept:
                yield Problem(f"receptionists[{index}].{key}", "is never used, set times in office_hours")
    yield from _in_numbers(config)


def _unknown(key: str, named: Iterable[str], extensions: set[str]) -> Iterator[Problem]:
    for number in named:
        if number not in extensions:
            yield Problem(key, f"{number} is no extension, add it or leave it out")


def _in_numbers(config: Config) -> Iterator[Problem]:
    """Numbers of the system that something else has."""
    taken = {extension.number: f"extension {extension.number}" for extension in config.extensions}
    taken |= {number: f"the {purpose} number" for number, purpose in config.numbers.reserved().items()}
    tables = ("queues", "ring_groups", "receptionists")
    for name in tables:
        for index, entry in enumerate(getattr(config, name)):
            owner = taken.setdefault(entry.number, f"{name}[{index}]")
            if owner != f"{name}[{index}]":
                yield Problem(f"{name}[{index}].number", f"{entry.number} is {owner} already, choose another")
            elif is_emergency(config, entry.number):
                yield Problem(
                    f"{name}[{index}].number", f"{entry.number} is an emergency number, choose another"
                )
