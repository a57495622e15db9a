"""The numbers of queues, ring groups and receptionists, as the configuration of the moment has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pbx.destinations import parse
from pbx.forwarding.explain import Onward
from pbx.happenings import TablesChanged

if TYPE_CHECKING:
    from datetime import datetime

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


def onward(config: Config, at: datetime) -> dict[str, list[Onward]]:
    """Where each of them sends calls on to at a moment."""
    hours, found = config.office_hours, {}
    for queue in config.queues:
        found[queue.number] = [*_onward("if no agent takes the call", queue.overflow)]
    for group in config.ring_groups:
        found[group.number] = [*_onward("if nobody takes the call", group.otherwise)]
    for receptionist in config.receptionists:
        menu = receptionist.menu(open_=hours.open_at(at), holiday=hours.holiday_at(at))
        keys = {key: target for key, target in menu.keys.items() if target not in ("name", "repeat")}
        found[receptionist.number] = [
            *(each for key, target in keys.items() for each in _onward(f"key {key}", target, chosen=True)),
            *_onward("if nothing is pressed", menu.time_out),
            *_onward("if what is pressed means nothing", menu.invalid or menu.time_out),
        ]
    return found


def _onward(occasion: str, target: str, *, chosen: bool = False) -> Iterator[Onward]:
    if target:
        yield Onward(occasion, parse(target), chosen)


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
