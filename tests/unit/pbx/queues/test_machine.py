"""The machine of queues, case by case; `tests/property/test_queues.py` has the random days."""

from __future__ import annotations

from typing import Any

import pytest

from pbx.queues.machine import (
    AcceptError,
    AgentView,
    Announce,
    Connect,
    Effect,
    Left,
    LoggedIn,
    Offer,
    QueueMachine,
    SendOn,
    Unacceptable,
    WaitingCaller,
    Why,
    Withdraw,
)
from pbx.queues.settings import Agent, Queue, Strategy

EVERYBODY = (Agent(extension="101"), Agent(extension="102"), Agent(extension="103"))


def machine(*queues: Queue, logged_in: tuple[str, ...] = ("101", "102", "103")) -> QueueMachine:
    """With agents who are free, and logged in."""
    made = QueueMachine(queues)
    for agent in ("101", "102", "103"):
        made.set_free(agent, True, 0.0)
    for agent in logged_in:
        made.log_in(agent, 0.0)
    return made


def queue(**settings: Any) -> Queue:
    return Queue.model_validate({"number": "804", "agents": EVERYBODY, "ring_seconds": 10.0} | settings)


def offers(effects: list[Effect]) -> list[tuple[str, str]]:
    return [(effect.caller, effect.agent) for effect in effects if isinstance(effect, Offer)]


@pytest.mark.row("QUE-17")
def test_a_hunt_tries_one_after_another_and_begins_anew() -> None:
    hunt = machine(queue())
    assert hunt.join("a", "804", 1.0) == [Offer("a", "101")]
    assert hunt.next_deadline() == 11.0
    assert hunt.tick(11.0) == [Withdraw("a", "101", Why.NO_ANSWER), Offer("a", "102")]
    assert hunt.failed("a", "102", 12.0) == [Offer("a", "103")]
    assert hunt.failed("a", "103", 13.0) == []
    assert hunt.next_deadline() == 16.0  # the first has been left alone for long enough
    assert hunt.tick(16.0) == [Offer("a", "101")]


@pytest.mark.row("QUE-17")
def test_all_ring_and_who_comes_later_rings_too() -> None:
    together = machine(queue(strategy=Strategy.RING_ALL), logged_in=("101", "102"))
    assert offers(together.join("a", "804", 0.0)) == [("a", "101"), ("a", "102")]
    assert together.log_in("103", 1.0) == [LoggedIn("103", "804"), Offer("a", "103")]
    assert together.answered("a", "102", 2.0) == [
        Withdraw("a", "101", Why.ELSEWHERE),
        Withdraw("a", "103", Why.ELSEWHERE),
        Connect("a", "102", "804", 2.0),
    ]


def test_a_higher_level_rings_while_no_lower_one_can() -> None:
    levels = (Agent(extension="101", level=2), Agent(extension="102"), Agent(extension="103"))
    backed = machine(queue(strategy=Strategy.RING_ALL, agents=levels))
    assert offers(backed.join("a", "804", 0.0)) == [("a", "102"), ("a", "103")]
    assert backed.failed("a", "102", 1.0) == []
    assert backed.failed("a", "103", 1.0) == [Offer("a", "101")]


def test_the_longest_idle_and_the_round_robin() -> None:
    idle = machine(queue(strategy=Strategy.LONGEST_IDLE))
    idle.set_free("101", False, 1.0)
    idle.set_free("101", True, 2.0)
    assert [offers(idle.join(caller, "804", 3.0)) for caller in "abc"] == [
        [("a", "102")],
        [("b", "103")],
        [("c", "101")],
    ]
    robin = machine(queue(strategy=Strategy.ROUND_ROBIN))
    for caller, agent in (("a", "101"), ("b", "102"), ("c", "103"), ("d", "101")):
        assert offers(robin.join(caller, "804", 0.0)) == [(caller, agent)]
        robin.answered(caller, agent, 0.0)
        robin.done(agent, 0.0)


def test_an_agent_of_two_queues_is_offered_one_call_and_that_of_the_higher_priority_first() -> None:
    both = machine(
        queue(agents=EVERYBODY[:1]),
        queue(number="805", agents=EVERYBODY[:1], priority=1),
        logged_in=("101",),
    )
    both.set_free("101", False, 0.0)
    assert both.join("first", "804", 1.0) == both.join("urgent", "805", 2.0) == []
    assert both.set_free("101", True, 3.0) == [Offer("urgent", "101")]
    assert both.leave("urgent", 4.0) == [Withdraw("urgent", "101", Why.GONE), Offer("first", "101")]


def test_after_a_call_an_agent_is_left_alone() -> None:
    wraps = machine(queue(wrap_up_seconds=20.0), logged_in=("101",))
    wraps.join("a", "804", 0.0)
    wraps.answered("a", "101", 1.0)
    assert wraps.done("101", 31.0) == []
    assert wraps.join("b", "804", 32.0) == []
    assert [view.rests for view in wraps.agents("804")] == [True, False, False]
    assert wraps.next_deadline() == 51.0
    assert wraps.tick(51.0) == [Offer("b", "101")]


def test_who_may_not_or_would_not_stay_is_sent_on() -> None:
    full = machine(queue(max_callers=1), logged_in=())
    assert full.join("a", "804", 0.0) == []
    assert full.join("b", "804", 1.0) == [SendOn("b", "804", Left.FULL, 0.0)]
    patient = machine(queue(max_wait_seconds=30.0), logged_in=("101",))
    assert patient.join("a", "804", 0.0) == [Offer("a", "101")]
    patient.failed("a", "101", 29.0)
    assert patient.next_deadline() == 30.0
    assert patient.tick(30.0) == [SendOn("a", "804", Left.TOO_LONG, 30.0)]
    empty = machine(queue(leave_when_empty=True), logged_in=("101",))
    assert empty.join("a", "804", 0.0) == [Offer("a", "101")]
    assert empty.log_out("101", 1.0) == [
        LoggedIn("101", "804", on=False),
        Withdraw("a", "101", Why.LOGGED_OUT),
        SendOn("a", "804", Left.NO_AGENT, 1.0),
    ]
    assert empty.join("b", "804", 2.0) == [SendOn("b", "804", Left.NO_AGENT, 0.0)]


def test_positions_are_told_again_and_again_and_the_wait_once_it_is_known() -> None:
    told = machine(queue(announce_seconds=20, wrap_up_seconds=10.0), logged_in=("101",))
    told.join("a", "804", 0.0)
    told.answered("a", "101", 0.0)
    told.join("b", "804", 0.0)
    told.join("c", "804", 5.0)
    assert told.tick(20.0) == [Announce("b", 1, None)]
    assert told.tick(25.0) == [Announce("c", 2, None)]
    told.done("101", 30.0)  # 30 seconds, and 10 to wrap up
    assert told.tick(40.0) == [Offer("b", "101"), Announce("b", 1, 40.0)]
    assert told.tick(45.0) == [Announce("c", 2, 80.0)]


@pytest.mark.row("QUE-12", "QUE-14")
def test_an_accepted_call_rings_at_one_agent_alone() -> None:
    chosen = machine(queue(strategy=Strategy.RING_ALL))
    chosen.join("a", "804", 0.0)
    chosen.join("b", "804", 0.0)
    assert chosen.accept("b", "102", 1.0) == [Withdraw("a", "102", Why.ELSEWHERE), Offer("b", "102", accepted=True)]
    assert refusal(chosen, "b", "103") is Unacceptable.TAKEN
    assert chosen.accept("a", "101", 2.0) == [Withdraw("a", "103", Why.ELSEWHERE)]  # it rings there already
    assert chosen.waiting("804") == (
        WaitingCaller("a", 0.0, ("101",)),
        WaitingCaller("b", 0.0, ("102",)),
    )
    chosen.answered("b", "102", 3.0)
    assert refusal(chosen, "b", "103") is Unacceptable.NOT_WAITING
    assert refusal(chosen, "a", "102") is Unacceptable.TAKEN
    assert chosen.failed("a", "101", 4.0) == [Offer("a", "103")]  # it waits where it did
    assert refusal(chosen, "a", "102") is Unacceptable.TALKING


@pytest.mark.row("QUE-07", "QUE-13")
def test_only_agents_who_are_logged_in_accept() -> None:
    few = machine(queue(agents=EVERYBODY[:2]), logged_in=("101", "103"))
    few.join("a", "804", 0.0)
    for agent in ("102", "103", "107"):
        assert refusal(few, "a", agent) is Unacceptable.NOT_AN_AGENT


def refusal(machine: QueueMachine, caller: str, agent: str) -> Unacceptable:
    with pytest.raises(AcceptError) as caught:
        machine.accept(caller, agent, 5.0)
    return caught.value.reason


@pytest.mark.row("QUE-01", "QUE-03")
def test_who_is_logged_out_gets_nothing() -> None:
    alone = machine(queue(), logged_in=())
    assert alone.join("a", "804", 0.0) == []
    assert alone.next_deadline() is None
    assert alone.log_in("101", 1.0, "804") == [LoggedIn("101", "804"), Offer("a", "101")]
    assert alone.log_in("101", 1.0) == []
    assert alone.log_in("107", 1.0) == alone.log_out("107", 1.0) == []
    assert alone.agents("804")[0] == AgentView("101", 1, True, ringing=True, talking=False, rests=False)


def test_somebody_else_picks_up() -> None:
    picked = machine(queue(), logged_in=("101",))
    picked.join("a", "804", 0.0)
    assert picked.answered("a", "107", 1.0) == [
        Withdraw("a", "101", Why.ELSEWHERE),
        Connect("a", "107", "804", 1.0),
    ]
    assert picked.answered("a", "101", 1.0) == []  # too late
    assert len(picked) == 0


def test_who_comes_back_stands_where_he_stood() -> None:
    back = machine(queue(max_wait_seconds=60.0), logged_in=("101",))
    back.join("a", "804", 0.0)
    back.join("b", "804", 1.0)
    place = back.place("a")
    back.answered("a", "101", 2.0)
    assert back.place("a") is None
    back.set_free("101", False, 2.0)
    back.done("101", 3.0)
    assert back.join("a", "804", 3.0, place) == []
    assert [caller.caller for caller in back.waiting("804")] == ["a", "b"]
    assert back.next_deadline() == 60.0
    assert offers(back.set_free("101", True, 4.0)) == [("a", "101")]


def test_queues_change_while_callers_wait() -> None:
    changing = machine(queue(), queue(number="805"))
    changing.join("a", "804", 0.0)
    changing.join("b", "805", 0.0)
    assert changing.configure([queue(number="805", agents=EVERYBODY[:1])], 1.0) == [
        Withdraw("a", "101", Why.GONE),
        SendOn("a", "804", Left.CLOSED, 1.0),
        LoggedIn("101", "804", on=False),
        LoggedIn("102", "804", on=False),
        LoggedIn("102", "805", on=False),
        Withdraw("b", "102", Why.LOGGED_OUT),
        LoggedIn("103", "804", on=False),
        LoggedIn("103", "805", on=False),
        Offer("b", "101"),
    ]
    assert changing.queues_of("101") == ("805",)
    assert changing.queues_of("102") == changing.logged_in("102") == ()
