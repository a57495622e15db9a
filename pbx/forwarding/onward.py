"""Where queues, ring groups and receptionists send calls on to, for whoever wants to know without placing one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pbx.destinations import parse
from pbx.forwarding.explain import Onward

if TYPE_CHECKING:
    from datetime import datetime

    from pbx.config import Config


def onward(config: Config, at: datetime) -> dict[str, list[Onward]]:
    """Where each of them does at a moment, by their numbers."""
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
            *_onward("if nothing is pressed" if menu.invalid else "if nothing is chosen", menu.time_out),
            *_onward("if what is pressed means nothing", menu.invalid),
        ]
    return found


def _onward(occasion: str, target: str, *, chosen: bool = False) -> Iterator[Onward]:
    if target:
        yield Onward(occasion, parse(target), chosen)
