"""The numbers of queues, ring groups and receptionists, as the configuration of the moment has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pbx.happenings import TablesChanged

if TYPE_CHECKING:
    from pbx.config import Config
    from pbx.queues.settings import Queue
    from pbx.reception_settings import Receptionist, RingGroup
    from pbx.switch import Switch

QUEUE, RING_GROUP, RECEPTIONIST = "queue", "ring_group", "receptionist"
"""Kinds of numbers of the system (`pbx.system_numbers`)."""


def numbers(config: Config) -> dict[str, tuple[str, str]]:
    """Kind and name of each number."""
    tables: dict[str, tuple[Queue | RingGroup | Receptionist, ...]] = {
        QUEUE: config.queues,
        RING_GROUP: config.ring_groups,
        RECEPTIONIST: config.receptionists,
    }
    return {each.number: (kind, each.name) for kind, table in tables.items() for each in table}


def enter_numbers(switch: Switch) -> None:
    """Enter those that some feature serves, and strike out what is gone. Raises NumberTaken."""
    book, wanted = switch.system_numbers, numbers(switch.config)
    for entry in book:
        if (
            entry.kind in (QUEUE, RING_GROUP, RECEPTIONIST)
            and wanted.get(entry.number, ("",))[0] != entry.kind
        ):
            book.remove(entry.number)
    for number, (kind, name) in wanted.items():
        if kind in book.services:
            book.add(number, kind, name)


def follow(switch: Switch) -> None:
    """Enter them now, and whenever the configuration changes. Raises NumberTaken."""
    enter_numbers(switch)
    switch.happenings.subscribe(TablesChanged, lambda _: enter_numbers(switch))
