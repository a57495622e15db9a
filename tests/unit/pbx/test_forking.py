"""Forking decides races synchronously."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

import pytest

from media.alarms import Alarms
from pbx.forking import SILENT_SECONDS, Fork
from pbx.leg import Leg
from pbx.routing import Outcome, Redirected
from sipcore.syntax.message import Response
from tests.simulation.loop import JumpingLoop

Result = TypeVar("Result")


class FakeLeg:
    """Only what a fork touches: it can be hung up."""

    def __init__(self, refusal: Response | None = None, *, silent: bool = False) -> None:
        self.refusal = refusal
        self.silent = silent
        self.reasons: list[str | None] = []

    def hang_up(self, reason: str | None = None) -> None:
        self.reasons.append(reason)

    @property
    def hung_up(self) -> int:
        return len(self.reasons)


def fork_of(*legs: FakeLeg) -> Fork:
    fork = Fork(Alarms(asyncio.get_running_loop()), lambda leg, response: None)
    for leg in legs:
        fork.add(cast(Leg, leg))
    return fork


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(coroutine)


@pytest.mark.row("CORE-07")
def test_the_first_to_answer_wins_and_the_others_are_cancelled() -> None:
    async def scenario() -> None:
        first, second, third = FakeLeg(), FakeLeg(), FakeLeg()
        fork = fork_of(first, second, third)
        fork.leg_accepted(cast(Leg, second))
        fork.leg_accepted(cast(Leg, third))  # its 200 crossed our CANCEL
        assert await fork.result(60) is cast(Leg, second)
        assert (first.hung_up, second.hung_up) == (1, 0)
        assert third.hung_up >= 1
        assert {*first.reasons, *third.reasons} == {'SIP;cause=200;text="Call completed elsewhere"'}

    run(scenario())


def test_nobody_answers_in_time() -> None:
    async def scenario() -> None:
        leg = FakeLeg()
        fork = fork_of(leg)
        began = asyncio.get_running_loop().time()
        assert await fork.result(25) is Outcome.NO_ANSWER
        assert asyncio.get_running_loop().time() - began == pytest.approx(25)
        assert leg.reasons == [None], "nobody took the call: it was missed"
        fork.leg_accepted(cast(Leg, leg))  # too late
        assert leg.hung_up == 2

    run(scenario())


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ([486, 480], Outcome.BUSY),
        ([480, 486], Outcome.BUSY),
        ([408, 503], Outcome.NOT_REACHED),
        ([480, 488], Outcome.NOT_ACCEPTABLE),
        ([486, 488], Outcome.BUSY),
    ],
)
def test_the_weightiest_refusal_decides(statuses: list[int], outcome: Outcome) -> None:
    async def scenario() -> None:
        legs = [FakeLeg() for _ in statuses]
        fork = fork_of(*legs)
        for leg, status in zip(legs, statuses, strict=True):
            fork.leg_ended(cast(Leg, leg), status)
        assert await fork.result(60) is outcome

    run(scenario())


@pytest.mark.parametrize(("status", "outcome"), [(603, Outcome.DECLINED), (600, Outcome.BUSY)])
def test_a_global_refusal_stops_every_phone(status: int, outcome: Outcome) -> None:
    async def scenario() -> None:
        refuser, other = FakeLeg(), FakeLeg()
        fork = fork_of(refuser, other)
        fork.leg_ended(cast(Leg, refuser), status)
        assert await fork.result(60) is outcome
        [reason] = other.reasons
        assert reason is not None
        assert reason.startswith(f"SIP;cause={status};")

    run(scenario())


def test_a_cancelled_wait_cancels_the_phones() -> None:
    async def scenario() -> None:
        leg = FakeLeg()
        fork = fork_of(leg)
        waiting = asyncio.ensure_future(fork.result(60))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert leg.hung_up == 1
        fork.leg_accepted(cast(Leg, leg))
        assert leg.hung_up == 2

    run(scenario())


def test_no_phone_at_all() -> None:
    async def scenario() -> None:
        assert await fork_of().result(60) is Outcome.NOT_REACHED

    run(scenario())


def test_a_phone_that_sends_the_call_on_decides_for_all() -> None:
    async def scenario() -> None:
        sends_on = FakeLeg(Response(302, headers=[("Contact", "<sip:102@10.0.0.1>")]))
        other = FakeLeg()
        fork = fork_of(sends_on, other)
        fork.leg_ended(cast(Leg, sends_on), 302)
        assert await fork.result(60) == Redirected(("102",), 302)
        assert other.reasons == ['SIP;cause=302;text="Call sent elsewhere"']

    run(scenario())


@pytest.mark.row("CORE-07")
def test_who_is_told_the_result_need_not_wait_for_it() -> None:
    async def scenario() -> None:
        results: list[object] = []
        fork = Fork(Alarms(asyncio.get_running_loop()), lambda leg, response: None, results.append)
        leg = FakeLeg()
        fork.add(cast(Leg, leg))
        fork.limit(10)
        await asyncio.sleep(9)
        assert results == []
        await asyncio.sleep(2)
        assert results == [Outcome.NO_ANSWER]
        assert leg.hung_up == 1

    run(scenario())


def test_where_nothing_rings_it_is_decided_at_once() -> None:
    async def scenario() -> None:
        results: list[object] = []
        Fork(Alarms(asyncio.get_running_loop()), lambda leg, response: None, results.append).limit(10)
        assert results == [Outcome.NOT_REACHED]

    run(scenario())


def test_after_a_stop_no_limit_is_told() -> None:
    async def scenario() -> None:
        results: list[object] = []
        fork = Fork(Alarms(asyncio.get_running_loop()), lambda leg, response: None, results.append)
        fork.add(cast(Leg, FakeLeg()))
        fork.limit(10)
        fork.stop()
        await asyncio.sleep(11)
        assert results == []

    run(scenario())


def test_a_phone_that_refuses_before_the_last_is_called_may_decide() -> None:
    async def scenario() -> None:
        results: list[object] = []
        fork = Fork(Alarms(asyncio.get_running_loop()), lambda leg, response: None, results.append)
        first, last = FakeLeg(), FakeLeg()
        fork.add(cast(Leg, first))
        fork.leg_ended(cast(Leg, first), 486)
        fork.add(cast(Leg, last))
        fork.limit(10)
        assert results == [Outcome.BUSY]
        assert last.hung_up == 1

    run(scenario())


def test_a_phone_that_cannot_be_hung_up_keeps_no_other_ringing(caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn(FakeLeg):
        def hang_up(self, reason: str | None = None) -> None:
            raise RuntimeError("for the test")

    async def scenario() -> None:
        answers, first, last = FakeLeg(), FakeLeg(), FakeLeg()
        results: list[Any] = []
        fork = Fork(Alarms(asyncio.get_running_loop()), lambda leg, response: None, results.append)
        for leg in (first, Stubborn(), answers, Stubborn(), last):
            fork.add(cast(Leg, leg))
        fork.leg_accepted(cast(Leg, answers))
        assert (first.hung_up, last.hung_up, answers.hung_up) == (1, 1, 0)
        assert results == [answers]

    run(scenario())
    assert [record.exc_text and "for the test" in record.exc_text for record in caplog.records] == [
        True,
        True,
    ]


@pytest.mark.row("CORE-08")
@pytest.mark.parametrize(
    ("silent", "follows", "seconds", "outcome"),
    [
        ([True], {Outcome.NOT_REACHED}, SILENT_SECONDS, Outcome.NOT_REACHED),
        ([True, True], {Outcome.NOT_REACHED}, SILENT_SECONDS, Outcome.NOT_REACHED),
        ([True], {Outcome.NO_ANSWER}, 25, Outcome.NO_ANSWER),
        ([True, False], {Outcome.NOT_REACHED}, 25, Outcome.NO_ANSWER),
        ([False], {Outcome.NOT_REACHED}, 25, Outcome.NO_ANSWER),
    ],
)
def test_phones_that_say_nothing_are_given_up_where_something_follows_and_none_rings(
    silent: list[bool], follows: set[Outcome], seconds: float, outcome: Outcome
) -> None:
    async def scenario() -> None:
        legs = [FakeLeg(silent=says_nothing) for says_nothing in silent]
        began = asyncio.get_running_loop().time()
        assert await fork_of(*legs).result(25, follows.__contains__) is outcome
        assert asyncio.get_running_loop().time() - began == pytest.approx(seconds)
        assert [leg.hung_up for leg in legs] == [1 for _ in legs]

    run(scenario())


def test_once_nobody_else_rings_phones_that_say_nothing_are_not_waited_for() -> None:
    async def scenario() -> None:
        ringing, silent = FakeLeg(), FakeLeg(silent=True)
        fork = fork_of(ringing, silent)
        waiting = asyncio.ensure_future(fork.result(60, lambda outcome: outcome is Outcome.BUSY))
        await asyncio.sleep(20)
        fork.leg_ended(cast(Leg, ringing), 486)
        assert await waiting is Outcome.BUSY
        assert silent.hung_up == 1

    run(scenario())


def test_a_time_shorter_than_that_of_silence_is_kept() -> None:
    async def scenario() -> None:
        began = asyncio.get_running_loop().time()
        assert await fork_of(FakeLeg(silent=True)).result(5) is Outcome.NO_ANSWER
        assert asyncio.get_running_loop().time() - began == pytest.approx(5)

    run(scenario())
