"""Extensions that ring together, each for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from media.alarms import Alarms
from media.service import PortsExhausted
from pbx.directory import Extension
from pbx.forking import Fork, Result, nothing_follows
from pbx.group_fork import GroupFork
from pbx.leg import Leg
from pbx.routing import Outcome
from sipcore.syntax.message import Response
from tests.simulation.loop import JumpingLoop

ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"'
SENT_ON = 'SIP;cause=302;text="Call sent elsewhere"'


class Phone(Leg):
    """Only what forks touch."""

    def __init__(self, number: str) -> None:
        self.party = Extension(number)
        self.plan = None
        self.session = None
        self.refusal = None
        self.reasons: list[str | None] = []

    def hang_up(self, reason: str | None = None) -> None:
        self.reasons.append(reason)


class Group:
    """A group fork, and what it has told."""

    def __init__(self) -> None:
        self.rang: list[str] = []
        self.results: list[tuple[str, Any]] = []
        alarms = Alarms(asyncio.get_running_loop())
        self.fork = GroupFork(
            alarms, lambda leg: self.rang.append(number_of(leg)), self._on_result, nothing_follows
        )

    def _on_result(self, number: str, result: Result) -> None:
        self.results.append((number, result))

    def ring(self, number: str, phones: int = 1) -> list[Phone]:
        added = [Phone(number) for _ in range(phones)]

        def call_phones(fork: Fork) -> None:
            for phone in added:
                phone.watcher = fork
                fork.add(phone)

        self.fork.ring(number, call_phones)
        return added


def number_of(leg: Leg) -> str:
    return leg.party.number if leg.party is not None else ""


def accept(phone: Phone) -> None:
    cast(Fork, phone.watcher).leg_accepted(phone)


def end(phone: Phone, status: int) -> None:
    cast(Fork, phone.watcher).leg_ended(phone, status)


def play(story: Callable[[Group], None]) -> None:
    async def scenario() -> None:
        story(Group())

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(scenario())


def test_a_refusal_is_that_of_one_extension() -> None:
    def story(group: Group) -> None:
        [lee], [taylor] = group.ring("100"), group.ring("102")
        end(lee, 603)
        assert group.results == [("100", Outcome.DECLINED)]
        assert group.fork.numbers == ("102",)
        assert taylor.reasons == []
        end(taylor, 486)
        assert group.results[1:] == [("102", Outcome.BUSY)]
        assert group.fork.decided

    play(story)


def test_the_first_answer_ends_the_ringing_of_all_others() -> None:
    def story(group: Group) -> None:
        [lee], desks = group.ring("100"), group.ring("102", phones=2)
        winner = Phone("103")
        assert group.fork.take(winner)
        assert group.results == [("103", winner)]
        assert {*lee.reasons, *desks[0].reasons, *desks[1].reasons} == {ELSEWHERE}
        assert group.fork.decided
        assert not group.fork.take(Phone("104"))
        accept(lee)  # its 200 crossed our CANCEL
        assert len(group.results) == 1
        assert lee.reasons == [ELSEWHERE, ELSEWHERE]

    play(story)


def test_what_is_withdrawn_tells_nothing_more() -> None:
    def story(group: Group) -> None:
        [lee], [taylor] = group.ring("100"), group.ring("102")
        group.fork.withdraw("100", ELSEWHERE)
        assert lee.reasons == [ELSEWHERE]
        accept(lee)
        end(lee, 487)
        assert group.results == []
        assert group.fork.numbers == ("102",)
        assert group.fork.decline()
        assert group.results == [("102", Outcome.DECLINED)]
        assert taylor.reasons == [None]
        assert not group.fork.decline()

    play(story)


def test_an_extension_without_phones_is_not_reached() -> None:
    def no_ports(fork: Fork) -> None:
        raise PortsExhausted

    def story(group: Group) -> None:
        group.ring("100", phones=0)
        group.fork.ring("102", no_ports)
        assert group.results == [("100", Outcome.NOT_REACHED), ("102", Outcome.NOT_REACHED)]
        assert group.fork.decided

    play(story)


def test_each_extension_rings_once_however_many_phones_it_has() -> None:
    def story(group: Group) -> None:
        for phone in group.ring("100", phones=2):
            cast(Fork, phone.watcher).leg_progressed(phone, Response(183))
            cast(Fork, phone.watcher).leg_progressed(phone, Response(180))
        assert group.rang == ["100"]

    play(story)


def test_another_rings_in_the_place_of_one_and_for_a_time_of_its_own() -> None:
    async def scenario() -> None:
        group = Group()
        [lee], [taylor] = group.ring("100"), group.ring("102")
        instead = Phone("103")

        def call_instead(fork: Fork) -> None:
            instead.watcher = fork
            fork.add(instead)

        group.fork.move("100", "103", call_instead, 5.0)
        assert (lee.reasons, taylor.reasons) == ([SENT_ON], [])
        assert group.results == [("100", Outcome.DECLINED)]
        assert "103" in group.fork.numbers
        await asyncio.sleep(4.9)
        assert instead.reasons == []
        await asyncio.sleep(0.2)
        assert instead.reasons == [None]
        assert group.results[1:] == [("103", Outcome.NO_ANSWER)]
        assert group.fork.numbers == ("102",)

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(scenario())
