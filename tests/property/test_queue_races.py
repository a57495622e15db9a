"""Races in queues: nobody is lost, nobody has two winners, and nothing is left, whatever crosses on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from features.queues import feature as queues
from pbx.happenings import CallConnected, CallEnded, CallLeftQueue, CallQueued, CallStarted, QueueLeft
from pbx.leg import LegState
from pbx.phone import Phone, PhoneCall
from pbx.presence import UserStatus
from pbx.queues.desk import Queues
from pbx.refused import Refused
from pbx.transfer import WrongState
from tests.property.test_call_histories import calls_of, dialled, no_errors, ringing
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter
from tests.simulation.simulation import Simulation

CALLERS, AGENTS = ("100", "104", "105"), ("101", "102", "103")
LONGEST_GAP_SECONDS = 0.004
"""Deeds that are further apart than a message takes to go there and back are none at once."""

Act = Callable[[], object]


def table(number: str, **settings: Any) -> dict[str, Any]:
    """A queue of all agents."""
    return {"number": number, "agents": list(AGENTS), "ring_seconds": 3, "pause_seconds": 1} | settings


class Room:
    """Three who call, three agents, and an office that is opened once."""

    def __init__(self, simulation: Simulation, dice: Random, folder: Path, *tables: dict[str, Any]) -> None:
        self.dice = dice
        settings: dict[str, Any] = {"queues": tables}
        self.office = Office(simulation, features=[queues], prompts=Prompter(folder), **settings)
        self.phones: dict[str, Phone] = {}
        self.tasks: set[asyncio.Task[Any]] = set()

    @property
    def desk(self) -> Queues:
        """The queues of the switch."""
        return self.office.switch.queues

    async def open(self) -> None:
        await self.office.open()
        for number in (*CALLERS, *AGENTS):
            self.phones[number] = await self.office.phone(number)

    async def staff(self, *agents: str) -> None:
        """Exactly these are logged in."""
        for agent in AGENTS:
            await (self.desk.log_in if agent in agents else self.desk.log_out)(agent)

    async def at_once(self, *acts: Act) -> None:
        """All of them within a moment, in any order; then what they began comes to its end."""
        moments = sorted((self.dice.random() * LONGEST_GAP_SECONDS, index) for index in range(len(acts)))
        passed = 0.0
        for moment, index in moments:
            await asyncio.sleep(moment - passed)
            passed = moment
            acts[index]()
        await asyncio.sleep(0.2)

    def begin(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Without waiting for it."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def accept(self, place: int, agent: str) -> bool:
        """Whether it was allowed."""
        waiting = [row.call for each in self.desk.board() for row in each.waiting]
        if place >= len(waiting):
            return False
        with suppress(WrongState, Refused):
            self.desk.accept(waiting[place], agent)
            return True
        return False

    async def rings(self, *agents: str) -> list[PhoneCall]:
        """The calls that ring at some agents, as soon as they do."""
        async with asyncio.timeout(10):
            while not all(ringing(self.phones[agent]) for agent in agents):
                await asyncio.sleep(0.001)
        return [ringing(self.phones[agent])[0] for agent in agents]

    def talking(self, number: str) -> int:
        """In how many answered calls a phone is."""
        return sum(call.leg.state is LegState.ANSWERED for call in self.phones[number].calls)

    def assert_quiet(self) -> None:
        """What holds once nothing is on its way: nobody talks to two, and who waits and who talks are all who call."""
        self.assert_no_agent_has_two()
        talkers = [agent for agent in AGENTS if self.talking(agent)]
        waiting = [row.caller for each in self.desk.board() for row in each.waiting]
        on_the_phone = [caller for caller in CALLERS for call in self.phones[caller].calls if dialled(call)]
        assert sorted(on_the_phone) == sorted([*waiting, *self.connected()])
        assert len(self.connected()) == len(talkers)

    def assert_no_agent_has_two(self) -> None:
        """Calls: neither that ring, nor that were answered."""
        for agent in AGENTS:
            assert len(ringing(self.phones[agent])) + self.talking(agent) <= 1

    def connected(self) -> list[str]:
        """The callers who talk to somebody."""
        calls = self.office.switch.calls.values()
        return [
            call.caller.number for call in calls if call.leg is not None and call.other(call.leg) is not None
        ]

    async def go_home(self) -> None:
        """Everybody hangs up, and nothing is left."""
        for _ in range(2):
            for phone in self.phones.values():
                for call in list(phone.calls):
                    call.hang_up()
            await asyncio.sleep(0.2)
        await self.office.settle()
        assert not self.tasks
        assert len(self.desk) == 0
        assert not any(phone.calls for phone in self.phones.values())
        told = self.office.told_of
        assert sorted(one.call for one in told(CallStarted)) == sorted(one.call for one in told(CallEnded))
        self.assert_everybody_left_once()
        self.office.told.clear()

    def assert_everybody_left_once(self) -> None:
        """Whoever has come to wait has left, once, and talks to the agent of whom that was told."""
        waits: set[str] = set()
        expected: dict[str, str] = {}
        for told in self.office.told:
            if isinstance(told, CallQueued):
                assert told.call not in waits
                waits.add(told.call)
            elif isinstance(told, CallLeftQueue):
                waits.remove(told.call)
                if told.reason is QueueLeft.ANSWERED:
                    expected[told.call] = told.agent
            elif isinstance(told, CallConnected):
                assert expected.pop(told.call) == told.to
            elif isinstance(told, CallEnded):
                expected.pop(told.call, None)  # the caller has hung up in that moment
        assert not waits
        assert not expected


async def answer_against_hang_up(room: Room) -> None:
    """Either way it is over for both."""
    await room.staff("101")
    call = room.phones["100"].dial("804")
    [incoming] = await room.rings("101")
    await room.at_once(incoming.answer, call.hang_up)
    assert not room.connected()


async def two_answers_at_once(room: Room) -> None:
    """One of the two has the caller."""
    await room.staff("101", "102", "103")
    room.phones["100"].dial("805")
    incoming = await room.rings("101", "102", "103")
    await room.at_once(*(each.answer for each in incoming))
    assert [room.talking(number) for number in ("100", *AGENTS)] in ([1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1])
    [left] = room.office.told_of(CallLeftQueue)
    assert room.talking(left.agent) == 1


async def answer_against_log_out(room: Room) -> None:
    """The agent talks, or the next one rings."""
    await room.staff("101", "102")
    room.phones["100"].dial("804")
    [incoming] = await room.rings("101")
    await room.at_once(incoming.answer, lambda: room.begin(room.desk.log_out("101")))
    assert room.connected() or ringing(room.phones["102"])
    assert room.desk.logged_in("101") == ()


async def answer_against_accept(room: Room) -> None:
    """Who answers has the caller, or it rings at who has accepted: never both."""
    await room.staff("101", "102")
    room.phones["100"].dial("804")
    [incoming] = await room.rings("101")
    accepted: list[bool] = []
    await room.at_once(incoming.answer, lambda: accepted.append(room.accept(0, "102")))
    assert bool(room.connected()) != bool(ringing(room.phones["102"]))
    assert room.talking("101") == (0 if accepted == [True] else 1)


async def two_accept_at_once(room: Room) -> None:
    """One of them may."""
    await room.staff("101", "102", "103")
    room.phones["100"].dial("804")
    await room.rings("101")
    accepted: list[bool] = []
    await room.at_once(*(lambda agent=agent: accepted.append(room.accept(0, agent)) for agent in AGENTS))
    assert accepted.count(True) == 1
    assert sum(bool(ringing(room.phones[agent])) for agent in AGENTS) == 1


async def answer_against_the_end_of_patience(room: Room) -> None:
    """Whoever has waited for the longest time that is allowed talks, or is sent away."""
    await room.staff("101")
    call = room.phones["100"].dial("806")
    await room.rings("101")
    incoming = ringing(room.phones["101"])[0]
    await asyncio.sleep(1.996 + room.dice.random() * LONGEST_GAP_SECONDS)
    incoming.answer()
    await asyncio.sleep(1.0)
    assert room.talking("101") == room.talking("100") == len(room.connected())
    assert call.leg.ended.done() != bool(room.connected())


async def hang_up_of_one_against_answer_for_the_next(room: Room) -> None:
    """An agent rings for who was there before, and then for who is left."""
    await room.staff("101")
    first, second = room.phones["100"].dial("804"), room.phones["104"].dial("804")
    [incoming] = await room.rings("101")
    await asyncio.sleep(0.05)
    await room.at_once(first.hang_up, incoming.answer, lambda: room.accept(1, "101"))
    assert room.connected() == [] or room.connected() == ["104"]
    assert second.leg.state is not LegState.ENDED


RACES = (
    answer_against_hang_up,
    two_answers_at_once,
    answer_against_log_out,
    answer_against_accept,
    two_accept_at_once,
    answer_against_the_end_of_patience,
    hang_up_of_one_against_answer_for_the_next,
)


@pytest.mark.row("QUE-14", "QUE-21")
@pytest.mark.parametrize("race", RACES)
def test_one_winner_and_nothing_left(
    race: Callable[[Room], Awaitable[None]], seed: int, tmp_path: Path
) -> None:
    tables = (
        table("804"),
        table("805", strategy="ring_all"),
        table("806", max_wait_seconds=2, hears="ringing", ring_seconds=10),
    )

    async def story() -> None:
        room = Room(simulation, Random(seed), tmp_path, *tables)
        await room.open()
        for _ in range(60):
            await race(room)
            room.assert_quiet()
            await room.go_home()
        await room.office.close()

    with no_errors(), Simulation(seed) as simulation:
        simulation.run(story(), longest_seconds=float("inf"))


# -- days at random ---------------------------------------------------------------------------------

DEEDS = (
    *["dial"] * 6,
    *["answer"] * 6,
    *["accept", "log in", "available"] * 2,
    *["hang up", "refuse", "log out", "away", "code"],
)


def act(room: Room) -> None:
    """Somebody does something; where it makes no sense, nothing happens."""
    dice = room.dice
    caller, agent = dice.choice(CALLERS), dice.choice(AGENTS)
    phone = room.phones[agent]
    match dice.choice(DEEDS):
        case "dial" if len(room.phones[caller].calls) < 1:
            room.phones[caller].dial(dice.choice(("804", "805", "806")))
        case "answer" if calls := ringing(phone):
            dice.choice(calls).answer()
        case "refuse" if calls := ringing(phone):
            dice.choice(calls).reject(dice.choice((480, 486, 603)))
        case "hang up" if calls := calls_of(room.phones[dice.choice((caller, agent))]):
            dice.choice(calls).hang_up()
        case "accept":
            room.accept(dice.randrange(3), agent)
        case "log in":
            room.begin(room.desk.log_in(agent, dice.choice((None, "804"))))
        case "log out":
            room.begin(room.desk.log_out(agent, dice.choice((None, "804"))))
        case "away" | "available" as status:
            room.office.switch.presence.say(agent, UserStatus(status))
        case "code" if not phone.calls:
            phone.dial(dice.choice(("*62", "*63")))


@pytest.mark.row("QUE-20", "QUE-21")
@pytest.mark.parametrize("number", range(5))
def test_days_at_random_leave_nothing(number: int, seed: int, tmp_path: Path) -> None:
    dice = Random(seed + number)
    strategies = ("hunt", "ring_all", "longest_idle", "round_robin")
    tables = [
        table(
            each,
            strategy=dice.choice(strategies),
            wrap_up_seconds=dice.choice([0, 1]),
            max_wait_seconds=dice.choice([0, 15]),
            announce_seconds=0 if each == "806" else 5,
            hears="ringing" if each == "806" else "music",
            overflow=dice.choice(["", "804", "805"]),
            priority=dice.choice([0, 1]),
        )
        for each in ("804", "805", "806")
    ]

    async def story() -> None:
        room = Room(simulation, dice, tmp_path, *tables)
        await room.open()
        for _ in range(8):
            await room.staff(*AGENTS)
            for _ in range(40):
                act(room)
                await asyncio.sleep(dice.choice((0.0, 0.0005, 0.001, 0.002, 0.1, 1.0, 4.0)))
            await asyncio.sleep(0.5)
            room.assert_no_agent_has_two()
            await room.go_home()
        await room.office.close()

    with no_errors(), Simulation(seed) as simulation:
        simulation.run(story(), longest_seconds=float("inf"))
