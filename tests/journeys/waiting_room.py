"""An office with queues: agents log in, callers wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from features.queues import feature as queues
from pbx.happenings import CallLeftQueue, CallRang
from pbx.phone import Phone, PhoneCall
from tests.journeys.talking import listen
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter

MakeOffice = Callable[..., Office]
AGENTS = ("101", "102", "103")


class WaitingRoom:
    """Lee (100) and Bell (104) call, Richardson, Taylor and Miller (101 to 103) serve queue 804."""

    def __init__(self, office: Office, prompter: Prompter, folder: Path) -> None:
        self.office, self.prompter, self.folder = office, prompter, folder
        self.phones: dict[str, Phone] = {}

    @property
    def queues(self) -> Any:
        """What the switch has."""
        return self.office.switch.queues

    async def open(self, *logged_in: str, phones: tuple[str, ...] = ("100", *AGENTS)) -> None:
        """With these phones, and these agents at work."""
        await self.office.open()
        for number in phones:
            self.phones[number] = await self.office.phone(number)
        for number in logged_in:
            await self.queues.log_in(number)

    def waiting(self, queue: str = "804") -> list[str]:
        """The numbers of those who wait."""
        return [row.caller for each in self.queues.board() if each.number == queue for row in each.waiting]

    def left(self) -> list[tuple[str, str]]:
        """Why callers have left, and whom they have got."""
        return [(told.reason.value, told.agent) for told in self.office.told_of(CallLeftQueue)]

    def rang(self) -> list[str]:
        """Whose phones have rung, in order."""
        return [told.extension for told in self.office.told_of(CallRang)]

    async def hear(self, *calls: PhoneCall) -> list[set[int]]:
        """What each hears."""
        await asyncio.sleep(0.3)
        return await listen(self.folder, *calls)

    async def go_home(self) -> None:
        """Everybody hangs up, and nothing is left."""
        for phone in self.office.phones:
            for call in list(phone.calls):
                call.hang_up()
        await self.office.settle()
        assert len(self.queues) == 0


def waiting_room(
    make_office: MakeOffice,
    folder: Path,
    *more: Mapping[str, Any],
    tables: Mapping[str, Any] | None = None,
    database: Path | None = None,
    **settings: Any,
) -> WaitingRoom:
    """Not open yet; `settings` of queue 804, `more` queues, and other `tables` of the configuration."""
    own = {"number": "804", "name": "Hunt Queues", "agents": AGENTS, "ring_seconds": 10} | settings
    prompter = Prompter(folder)
    office = make_office(
        features=[queues], prompts=prompter, database=database, queues=[own, *more], **(tables or {})
    )
    return WaitingRoom(office, prompter, folder)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait in virtual time until something holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
