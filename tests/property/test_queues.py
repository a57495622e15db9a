"""Queues on random days: the machine says what a clerk would, and whatever happens its promises hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.queues.machine import (
    AcceptError,
    Announce,
    Connect,
    Effect,
    LoggedIn,
    Offer,
    QueueMachine,
    SendOn,
    Withdraw,
)
from pbx.queues.settings import Agent, Queue, Strategy
from tests.property.queue_model import Clerk, Told

AGENTS = ("101", "102", "103", "104")
OUTSIDER = "105"
QUEUES = ("801", "802")


def queue(dice: Random, number: str) -> Queue:
    """A queue with any settings."""
    members = dice.sample(AGENTS, dice.choice([1, 2, 3, 3, 4, 4]))
    return Queue(
        number=number,
        strategy=dice.choice(list(Strategy)),
        agents=tuple(Agent(extension=each, level=dice.choice([1, 1, 2])) for each in members),
        priority=dice.choice([0, 1]),
        ring_seconds=dice.choice([10.0, 15.0]),
        pause_seconds=dice.choice([1.0, 5.0, 30.0]),
        wrap_up_seconds=dice.choice([0.0, 0.0, 8.0]),
        max_wait_seconds=dice.choice([0.0, 25.0, 60.0]),
        max_callers=dice.choice([0, 0, 3]),
        leave_when_empty=dice.choice([False, False, True]),
        announce_seconds=dice.choice([0, 7, 20]),
    )


@dataclass(frozen=True)
class Deed:
    """Something happens, and then seconds go by, or all goes on until the next deadline."""

    what: str
    one: int
    other: int
    seconds: float | None


DEEDS = (
    *["join"] * 7,
    *["answer", "accept", "done"] * 3,
    *["log in", "log in one", "free", "free", "log out", "log out one"],
    *["busy", "fail", "fail", "leave", "pick up", "stranger"],
)
SECONDS = (0.0, 0.0, 0.0, 1.0, 4.5, 10.0, None, None)


def deed(dice: Random) -> Deed:
    """Any deed."""
    return Deed(dice.choice(DEEDS), dice.randrange(8), dice.randrange(8), dice.choice(SECONDS))


def plain(effects: list[Effect]) -> Told:
    """Effects in the words of the clerk."""
    told: Told = []
    for effect in effects:
        match effect:
            case Offer(caller, agent, _):
                told.append(("offer", caller, agent))
            case Withdraw(caller, agent, why):
                told.append(("withdraw", caller, agent, why.value))
            case Connect(caller, agent, _, waited):
                told.append(("connect", caller, agent, waited))
            case SendOn(caller, _, left, _):
                told.append(("send on", caller, left.value))
            case Announce(caller, position, seconds):
                told.append(("announce", caller, position, None if seconds is None else round(seconds, 6)))
            case LoggedIn(agent, queue, on):
                told.append(("logged in" if on else "logged out", agent, queue))
    return told


@dataclass
class Day:
    """A machine and a clerk, who are told the same."""

    settings: tuple[Queue, ...]
    now: float = 0.0
    started: int = 0
    fates: dict[str, str] = field(default_factory=dict)
    """What has become of each caller."""
    ringing: dict[str, str] = field(default_factory=dict)
    """Agent: for whom, as the effects have told."""
    talking: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.machine, self.clerk = QueueMachine(self.settings), Clerk(self.settings)
        self.rules = {queue.number: queue for queue in self.settings}
        for agent in AGENTS:
            self.tell("set_free", agent, True)
            self.tell("log_in", agent, queue=None)

    def tell(self, verb: str, *arguments: Any, **named: Any) -> None:
        """The same to both; what they say has to be the same, in whatever order within one moment."""
        try:
            effects = getattr(self.machine, verb)(*arguments, now=self.now, **named)
            said = plain(effects)
        except AcceptError as error:
            effects, said = [], [("refused", error.reason.value)]
        expected = getattr(self.clerk, verb)(*arguments, now=self.now, **named)
        assert sorted(said, key=repr) == sorted(expected, key=repr), verb
        for effect in effects:
            self.note(effect)
        self.check(effects)

    def note(self, effect: Effect) -> None:
        """Keep books of effects alone."""
        match effect:
            case Offer(caller, agent, _):
                assert self.fates[caller] == "waits"
                assert agent not in self.ringing, "two calls at once"
                assert agent not in self.talking
                self.ringing[agent] = caller
            case Withdraw(caller, agent, _):
                assert self.ringing.pop(agent) == caller
            case Connect(caller, agent, _, _):
                assert self.fates[caller] == "waits", "two winners"
                self.fates[caller] = "connected"
                if self.ringing.get(agent) == caller:
                    del self.ringing[agent]
                self.talking[agent] = caller
            case SendOn(caller, _, _, _):
                assert self.fates[caller] == "waits"
                self.fates[caller] = "sent on"

    def check(self, effects: list[Effect]) -> None:
        """What holds after each input."""
        line = [caller for place in self.clerk.in_turn() for caller in [place["name"]]]
        assert sorted(line) == sorted(caller for caller, fate in self.fates.items() if fate == "waits")
        assert [each.caller for queue in QUEUES for each in self.machine.waiting(queue)] == [
            place["name"] for queue in QUEUES for place in self.clerk.in_turn() if place["queue"] == queue
        ]
        for effect in effects:
            if isinstance(effect, Offer) and effect.caller in line and effect.caller not in self.clerk.chosen:
                for earlier in line[: line.index(effect.caller)]:
                    queue = self.clerk.entry(earlier)["queue"]
                    has_offer = earlier in self.ringing.values()
                    assert has_offer or (effect.agent, queue) not in self.clerk.signed, "out of turn"
        for caller in line:  # nobody waits while an agent has nothing to do
            queue = self.clerk.entry(caller)["queue"]
            assert caller in self.ringing.values() or not any(
                self.clerk.could_take(agent, queue, self.now) for agent in AGENTS
            )
        due = self.machine.next_deadline()
        assert due is None or due > self.now

    def do(self, deed: Deed) -> None:
        """One deed; where it makes no sense, nothing happens."""
        agent, queue = AGENTS[deed.one % 4], QUEUES[deed.other % 2]
        line = [place["name"] for place in self.clerk.in_turn()]
        caller = line[deed.other % len(line)] if line else "nobody"
        rung = sorted(self.ringing.items())
        match deed.what:
            case "join":
                self.started += 1
                self.fates[f"caller {self.started}"] = "waits"
                self.tell("join", f"caller {self.started}", queue)
            case "leave" if line:
                self.fates[caller] = "left"
                self.tell("leave", caller)
            case "answer" if rung:
                agent, caller = rung[deed.one % len(rung)]
                self.tell("answered", caller, agent)
            case "fail" if rung:
                agent, caller = rung[deed.one % len(rung)]
                del self.ringing[agent]
                self.tell("failed", caller, agent)
            case "pick up" if line:
                self.tell("answered", caller, agent)
            case "stranger":
                self.tell("answered", caller, OUTSIDER)
                self.talking.pop(OUTSIDER, None)
            case "done" if self.talking:
                agent = sorted(self.talking)[deed.one % len(self.talking)]
                del self.talking[agent]
                self.tell("done", agent)
            case "accept":
                self.tell("accept", caller, agent)
            case "log in" | "log in one":
                self.tell("log_in", agent, queue=None if deed.what == "log in" else queue)
            case "log out" | "log out one":
                self.tell("log_out", agent, queue=None if deed.what == "log out" else queue)
            case "free" | "busy":
                self.tell("set_free", agent, deed.what == "free")

    def go_on(self, seconds: float | None) -> None:
        """Let time pass, with all that is due on the way."""
        due = self.machine.next_deadline()
        end = (self.now if due is None else due) if seconds is None else self.now + seconds
        while due is not None and due <= end:
            self.now = max(self.now, due)
            self.tell("tick")
            due = self.machine.next_deadline()
        self.now = max(self.now, end)
        self.tell("tick")

    def close(self) -> None:
        """Everybody hangs up: nothing is left."""
        for agent in sorted(self.talking):
            del self.talking[agent]
            self.tell("done", agent)
        for place in self.clerk.in_turn():
            self.fates[place["name"]] = "left"
            self.tell("leave", place["name"])
        assert len(self.machine) == 0
        assert self.ringing == {}
        views = [view for queue in QUEUES for view in self.machine.agents(queue)]
        assert not any(view.ringing or view.talking for view in views)
        assert self.machine.next_deadline() is None
        assert "waits" not in self.fates.values()


@pytest.mark.row("QUE-03", "QUE-14", "QUE-17", "QUE-20", "QUE-21")
@settings(max_examples=120)
@given(seed=st.integers(0, 2**32), length=st.integers(0, 80))
def test_the_machine_does_what_a_clerk_would(seed: int, length: int) -> None:
    dice = Random(seed)
    day = Day(tuple(queue(dice, number) for number in QUEUES))
    for _ in range(length):
        one = deed(dice)
        day.do(one)
        day.go_on(one.seconds)
    day.close()
