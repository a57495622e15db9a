"""Random days of a company of fifty: people call, park, pick up, queue, confer, forward, and hang up at awful moments.

After each deed the books of the system agree with each other and with what it has told; at the end of a day nothing is
left. Days differ by their seed, and a day can be played again by it.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from features.conference import feature as conference
from features.intercom import feature as intercom
from features.parking import feature as parking
from features.pickup import feature as pickup
from features.queues import feature as queues
from features.receptionists import feature as receptionists
from features.ring_groups import feature as ring_groups
from features.status import feature as status
from features.voicemail import feature as voicemail
from pbx.happenings import (
    CallEnded,
    CallLeftQueue,
    CallParked,
    CallQueued,
    CallRetrieved,
    CallStarted,
    Happening,
)
from pbx.leg import LegState
from pbx.make_call import make_call
from pbx.phone import PhoneCall
from pbx.presence import LineState
from pbx.refused import Refused
from pbx.steering import Verb, WrongState, allowed, perform
from tests.property.test_call_histories import calls_of, dialled, no_errors
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter
from tests.simulation.simulation import Simulation

DAYS = int(os.environ.get("MYPHONE_OFFICE_DAYS", "200"))
PARTS = 20
"""Days are played in so many tests, so that several cores share them."""
DEEDS = 40
"""Of a day."""

PEOPLE = tuple(str(number) for number in range(200, 250))
AGENTS = PEOPLE[:8]
SYSTEM = ("804", "805", "810", "820", "999", "700")
CODES = ("*20*", "*60", "*61", "*62", "*63", *(f"*1{orbit}" for orbit in range(3)))
ORBITS = tuple(f"*0{orbit}" for orbit in range(3))
FEATURES = (
    conference, intercom, parking, pickup, queues, receptionists, ring_groups, status, voicemail
)  # fmt: skip
PAUSES = (0.0, 0.0, 0.001, 0.002, 0.5, 1.0, 2.0)


def extensions(dice: Random) -> dict[str, dict[str, Any]]:
    """Fifty people; some of them forward their calls, in circles too."""
    people: dict[str, dict[str, Any]] = {}
    for number in PEOPLE:
        others = [each for each in PEOPLE if each != number]
        targets = (*others, *(f"voicemail:{number}", "system:804", "busy") * 10)
        occasions = [each for each in ("busy", "no_answer", "not_registered") if dice.random() < 0.3]
        people[number] = {
            "no_answer_seconds": dice.choice([3, 10]),
            "busy_detection": dice.choice(["pbx", "phone"]),
            "forward": {occasion: dice.choice(targets) for occasion in occasions},
            "record_calls": dice.choice(["none", "none", "all"]),
        }
    people[PEOPLE[-1]] |= {"manager": True, "barge_in": True}
    return people


TABLES: dict[str, Any] = {
    "queues": [
        {"number": "804", "agents": AGENTS, "ring_seconds": 3, "pause_seconds": 1, "max_wait_seconds": 30,
         "overflow": "system:810"},
        {"number": "805", "agents": AGENTS[:4], "strategy": "ring_all", "ring_seconds": 3, "pause_seconds": 1,
         "max_callers": 2},
    ],
    "ring_groups": [{"number": "810", "members": PEOPLE[10:14], "ring_seconds": 5}],
    "receptionists": [{"number": "820", "keys": {"1": "system:804", "2": "extension:210"}}],
    "parking": {"time_out_seconds": 20, "max_calls": 2},
}  # fmt: skip


class Day:
    """One day of one company."""

    def __init__(
        self, simulation: Simulation, dice: Random, folder: Path, database: Path | str | None = None
    ) -> None:
        self._dice = dice
        self.office = Office(
            simulation,
            extensions=extensions(dice),
            features=FEATURES,
            prompts=Prompter(folder),
            database=database,
            store={"data_dir": folder},
            **TABLES,
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self.busiest = 0
        """The most calls that there were at once."""

    async def play(self) -> None:
        """From the morning to the evening."""
        await self.office.open()
        present = self._dice.sample(PEOPLE, 10)
        for number in present:
            phone = await self.office.phone(number)
            phone.auto_answer = self._dice.random() < 0.3
        for agent in self._dice.sample(AGENTS, 4):
            await self.office.switch.queues.log_in(agent)
        for _ in range(DEEDS):
            self.do_something()
            await asyncio.sleep(self._dice.choice(PAUSES))
            for _ in range(10):  # whatever happens at this moment has happened then
                await asyncio.sleep(0)
            self.check()
        await self.go_home()

    # -- deeds ----------------------------------------------------------------------------------------

    def do_something(self) -> None:
        """Whatever comes to somebody's mind."""
        self._dice.choice(
            [*[self.dial] * 5, *[self.answer] * 2, *[self.press] * 2, *[self.use_page] * 2,
             self.refuse, self.hang_up, self.hold, self.transfer, self.have_call_made]
        )()  # fmt: skip

    def number(self) -> str:
        """What somebody may dial."""
        kind = self._dice.random()
        if kind < 0.5:
            return self._dice.choice(self.office.phones).account.number
        if kind < 0.7:
            return self._dice.choice(SYSTEM)
        if kind < 0.85:
            return self._dice.choice(CODES)
        return self._dice.choice(
            (f"*9{self._dice.choice(PEOPLE)}", f"*4{self._dice.choice(PEOPLE)}", "555", *PEOPLE)
        )

    def dial(self) -> None:
        self._dice.choice(self.office.phones).dial(self.number())

    def answer(self) -> None:
        for call in self._some(lambda call: call.leg.state is LegState.RINGING and not dialled(call)):
            call.answer()

    def refuse(self) -> None:
        for call in self._some(lambda call: call.leg.state is LegState.RINGING and not dialled(call)):
            call.reject(self._dice.choice((486, 603, 480)))

    def hang_up(self) -> None:
        for call in self._some(lambda call: True):
            call.hang_up()

    def hold(self) -> None:
        for call in self._some(lambda call: call.leg.session is not None and call.leg.session.can_change):
            self._dice.choice([call.hold, call.resume])()

    def transfer(self) -> None:
        """To somebody, or into an orbit; blind, or to whom else one talks to."""
        talking = [call for call in self._calls() if call.leg.state is LegState.ANSWERED]
        for call in self._dice.sample(talking, min(len(talking), 1)):
            others = [
                each
                for each in calls_of(call.phone)
                if each is not call and each.leg.state is LegState.ANSWERED
            ]
            if others and self._dice.random() < 0.5:
                call.transfer_to(others[0])
            else:
                call.transfer(self._dice.choice((self.number(), *ORBITS)))

    def press(self) -> None:
        for call in self._some(lambda call: call.leg.state is LegState.ANSWERED):
            call.send_digits(
                "".join(self._dice.choice("0123456789*#") for _ in range(self._dice.randint(1, 4)))
            )

    def use_page(self) -> None:
        """Somebody does what the own page offers for a call; or what it does not."""
        calls = list(self.office.switch.calls.values())
        if not calls:
            return
        call, user = self._dice.choice(calls), self._dice.choice(self.office.phones).account.number
        offered = sorted(allowed(call, user), key=lambda verb: verb.value)
        verb = self._dice.choice(offered or list(Verb))
        target = str(self._dice.randrange(3)) if verb is Verb.PARK else self.number()
        if verb in (Verb.LISTEN, Verb.WHISPER, Verb.BARGE):
            target = ""
        with suppress(Refused, WrongState):
            perform(call, user, verb, target)

    def have_call_made(self) -> None:
        with suppress(Refused):
            make_call(self.office.switch, self._dice.choice(self.office.phones).account.number, self.number())

    def _calls(self) -> list[PhoneCall]:
        return [call for phone in self.office.phones for call in calls_of(phone)]

    def _some(self, fits: Callable[[PhoneCall], bool]) -> list[PhoneCall]:
        """One that fits, or none."""
        fitting = [call for call in self._calls() if fits(call)]
        return self._dice.sample(fitting, min(len(fitting), 1))

    # -- books ----------------------------------------------------------------------------------------

    def check(self) -> None:
        """What the system has told, and what it knows, agree."""
        office, switch = self.office, self.office.switch
        self.busiest = max(self.busiest, len(switch.calls))
        count = Counter(type(told) for told in office.told)
        assert count[CallStarted] - count[CallEnded] == len(switch.calls)
        assert parked(office.told) == len(switch.parking)
        assert count[CallQueued] - count[CallLeftQueue] == len(switch.queues)
        for row in switch.queues.board():
            for waiting in row.waiting:
                assert switch.calls[waiting.call].caller.number == waiting.caller
        for number in PEOPLE:
            lines = list(switch.legs.of(number))
            idle = switch.presence.of(number).line in (LineState.IDLE, LineState.NOT_REGISTERED)
            assert not (idle and any(leg.state is LegState.ANSWERED for leg in lines)), number
            assert idle or lines, number

    async def go_home(self) -> None:
        """All hang up, at once; then nothing is left, and every call has its record."""
        for phone in self.office.phones:
            phone.auto_answer, phone.refuse_with = False, 480
        for _ in range(3):
            for call in self._calls():
                call.hang_up()
            await asyncio.sleep(0.5)
        for left in list(self.office.switch.calls.values()):
            left.cancel()
        await self.office.settle()
        self.check()
        switch = self.office.switch
        assert (len(switch.calls), len(switch.parking), len(switch.queues)) == (0, 0, 0)
        assert len(switch.recordings) == 0
        idle = {LineState.IDLE, LineState.NOT_REGISTERED}
        assert {switch.presence.of(number).line for number in PEOPLE} <= idle
        records = await switch.history.latest(limit=10_000)
        started = [told.call for told in self.office.told_of(CallStarted)]
        assert sorted(record.call for record in records) == sorted(started)
        await self.office.close()


def parked(told: list[Happening]) -> int:
    """How many wait in an orbit: those who were parked, but for those who were taken, and whose call is over."""
    waiting: set[str] = set()
    for each in told:
        if isinstance(each, CallParked):
            assert each.call not in waiting
            waiting.add(each.call)
        elif isinstance(each, CallRetrieved):
            waiting.remove(each.call)
        elif isinstance(each, CallEnded):
            waiting.discard(each.call)
    return len(waiting)


def play(seed: int, folder: Path, database: Path | str | None = None) -> int:
    """One day; how many calls there were at its busiest moment."""
    folder.mkdir()
    with no_errors(), Simulation(seed) as simulation:
        day = Day(simulation, Random(seed), folder, database)
        simulation.run(day.play())
        return day.busiest


@pytest.mark.row("PARK-13")
@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_left_of_any_day(part: int, tmp_path: Path) -> None:
    busiest = [play(seed, tmp_path / str(seed)) for seed in range(part, DAYS, PARTS)]
    assert max(busiest) >= 4  # days on which nothing crosses would show nothing


@pytest.mark.parametrize("seed", range(DAYS, DAYS + 3))
def test_nothing_is_left_where_the_days_are_kept(seed: int, location: Path | str, tmp_path: Path) -> None:
    """In a file, and by a server."""
    play(seed, tmp_path / str(seed), location)
