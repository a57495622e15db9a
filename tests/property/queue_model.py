"""Queues as a clerk would keep them who has all day: plain lists, everything looked up anew, nothing remembered twice.

Written from the description of `pbx.queues.machine`, to be compared with it. Effects are tuples of words and names.
"""

from __future__ import annotations

from typing import Any

from pbx.queues.settings import Queue, Strategy

Told = list[tuple[Any, ...]]
FOREVER = float("inf")


class Clerk:
    """The same inputs as the machine has, by name."""

    def __init__(self, queues: tuple[Queue, ...]) -> None:
        self.queues = {queue.number: queue for queue in queues}
        self.people = sorted({agent.extension for queue in queues for agent in queue.agents})
        self.signed: set[tuple[str, str]] = set()
        self.can_answer: set[str] = set()
        self.quiet_since = dict.fromkeys(self.people, 0.0)
        self.alone_until: dict[str, float] = {}
        self.talking: dict[str, tuple[str, float]] = {}
        self.line: list[dict[str, Any]] = []
        """Who waits."""
        self.ringing: list[tuple[str, str, float]] = []
        """Caller, agent, until when."""
        self.turned_down: list[tuple[str, str]] = []
        self.chosen: dict[str, str] = {}
        self.latest: dict[str, int] = {}
        self.means: dict[str, float] = {}
        self.count = 0

    # -- inputs --------------------------------------------------------------------------------------

    def join(self, caller: str, queue: str, now: float) -> Told:
        rules = self.queues[queue]
        if (
            rules.max_callers
            and len([each for each in self.line if each["queue"] == queue]) >= rules.max_callers
        ):
            return [("send on", caller, "full")]
        if rules.leave_when_empty and not self.staff(queue):
            return [("send on", caller, "no agent")]
        self.count += 1
        self.line.append({"name": caller, "queue": queue, "since": now, "number": self.count})
        self.line[-1]["next word"] = now + rules.announce_seconds if rules.announce_seconds else FOREVER
        return self.offer(now)

    def leave(self, caller: str, now: float) -> Told:
        if not self.entry(caller):
            return []
        return self.strike(caller, "gone") + self.offer(now)

    def log_in(self, agent: str, now: float, queue: str | None) -> Told:
        new = [each for each in self.named(agent, queue) if (agent, each) not in self.signed]
        self.signed |= {(agent, each) for each in new}
        if new:
            self.quiet_since[agent] = now
        return [("logged in", agent, each) for each in new] + self.offer(now)

    def log_out(self, agent: str, now: float, queue: str | None) -> Told:
        told: Told = []
        for each in [one for one in self.named(agent, queue) if (agent, one) in self.signed]:
            self.signed.discard((agent, each))
            told.append(("logged out", agent, each))
            for caller, other, _ in list(self.ringing):
                if other == agent and self.entry(caller)["queue"] == each:
                    self.hush(caller, agent)
                    told.append(("withdraw", caller, agent, "logged out"))
            if self.queues[each].leave_when_empty and not self.staff(each):
                for place in self.in_turn():
                    if place["queue"] == each:
                        told += [*self.strike(place["name"], "gone"), ("send on", place["name"], "no agent")]
        return told + self.offer(now)

    def set_free(self, agent: str, free: bool, now: float) -> Told:
        if agent not in self.people or (agent in self.can_answer) == free:
            return []
        if free:
            self.can_answer.add(agent)
            self.quiet_since[agent] = now
        else:
            self.can_answer.discard(agent)
        return self.offer(now)

    def answered(self, caller: str, by: str, now: float) -> Told:
        place = self.entry(caller)
        if not place:
            return []
        self.hush(caller, by)
        told = self.strike(caller, "elsewhere")
        if by in self.people:
            for other, agent, _ in list(self.ringing):
                if agent == by:
                    self.hush(other, by)
                    told.append(("withdraw", other, by, "elsewhere"))
            self.talking[by] = place["queue"], now
        return [*told, ("connect", caller, by, now - place["since"]), *self.offer(now)]

    def failed(self, caller: str, agent: str, now: float) -> Told:
        if not self.rings(caller, agent):
            return []
        self.refuse(caller, agent, now)
        return self.offer(now)

    def done(self, agent: str, now: float) -> Told:
        if agent not in self.talking:
            return []
        queue, since = self.talking.pop(agent)
        rest = self.queues[queue].wrap_up_seconds
        self.alone_until[agent] = now + rest
        self.quiet_since[agent] = now
        took = now - since + rest
        before = self.means.get(queue)
        self.means[queue] = took if before is None else took + 0.8 * (before - took)
        return self.offer(now)

    def accept(self, caller: str, agent: str, now: float) -> Told:
        place = self.entry(caller)
        if not place:
            return [("refused", "it waits no more")]
        if (agent, place["queue"]) not in self.signed:
            return [("refused", "not an agent of that queue who is logged in")]
        if self.chosen.get(caller, agent) != agent:
            return [("refused", "somebody else has accepted it")]
        if agent in self.talking:
            return [("refused", "in a call of a queue already")]
        told: Told = []
        for other, rung, _ in list(self.ringing):
            if (other == caller) != (rung == agent):
                self.hush(other, rung)
                told.append(("withdraw", other, rung, "elsewhere"))
        self.chosen[caller] = agent
        if not self.rings(caller, agent):
            told.append(self.ring(place, agent, now))
        return told + self.offer(now)

    def tick(self, now: float) -> Told:
        told: Told = []
        for caller, agent, until in list(self.ringing):
            if until <= now:
                self.refuse(caller, agent, now)
                told.append(("withdraw", caller, agent, "no answer"))
        for place in self.in_turn():
            longest = self.queues[place["queue"]].max_wait_seconds
            if longest and place["since"] + longest <= now:
                told += [*self.strike(place["name"], "gone"), ("send on", place["name"], "too long")]
        told += self.offer(now)
        for place in self.in_turn():
            if place["next word"] <= now:
                queue = place["queue"]
                place["next word"] = now + self.queues[queue].announce_seconds
                same = [each["name"] for each in self.in_turn() if each["queue"] == queue]
                position = 1 + same.index(place["name"])
                staff, mean = len(self.staff(queue)), self.means.get(queue)
                wait = None if not staff or mean is None else round(position * mean / staff, 6)
                told.append(("announce", place["name"], position, wait))
        return told

    # -- offers --------------------------------------------------------------------------------------

    def offer(self, now: float) -> Told:
        """One after another: the first caller who can be offered somebody, until nobody can."""
        told: Told = []
        while True:
            for place in self.in_turn():
                agent = self.pick(place, now)
                if agent:
                    told.append(self.ring(place, agent, now))
                    break
            else:
                return told

    def pick(self, place: dict[str, Any], now: float) -> str:
        """The next agent to ring for a caller; empty for nobody."""
        caller, rules = place["name"], self.queues[place["queue"]]
        rung = [agent for other, agent, _ in self.ringing if other == caller]
        if caller in self.chosen or (rung and rules.strategy is not Strategy.RING_ALL):
            return ""
        able = [agent for agent in rules.agents if self.could_take(agent.extension, place["queue"], now)]
        fresh = [agent for agent in able if (caller, agent.extension) not in self.turned_down]
        if rung:
            highest = max(agent.level for agent in rules.agents if agent.extension in rung)
            fresh = [agent for agent in fresh if agent.level <= highest]
        elif able and not fresh:
            self.turned_down = [each for each in self.turned_down if each[0] != caller]
            fresh = able
        if not fresh:
            return ""
        best = min(agent.level for agent in fresh)
        names = [agent.extension for agent in fresh if agent.level == best]
        all_names = [agent.extension for agent in rules.agents]
        if rules.strategy is Strategy.LONGEST_IDLE:
            names.sort(key=lambda name: self.quiet_since[name])
        elif rules.strategy is Strategy.ROUND_ROBIN:
            start = self.latest.get(place["queue"], -1) + 1
            names.sort(key=lambda name: (all_names.index(name) - start) % len(all_names))
        return names[0]

    def could_take(self, agent: str, queue: str, now: float) -> bool:
        return (
            (agent, queue) in self.signed
            and agent in self.can_answer
            and agent not in self.talking
            and self.alone_until.get(agent, 0.0) <= now
            and not any(rung == agent for _, rung, _ in self.ringing)
        )

    def ring(self, place: dict[str, Any], agent: str, now: float) -> tuple[Any, ...]:
        rules = self.queues[place["queue"]]
        self.ringing.append((place["name"], agent, now + rules.ring_seconds))
        self.latest[place["queue"]] = [each.extension for each in rules.agents].index(agent)
        return ("offer", place["name"], agent)

    # -- books ---------------------------------------------------------------------------------------

    def in_turn(self) -> list[dict[str, Any]]:
        return sorted(self.line, key=lambda place: (-self.queues[place["queue"]].priority, place["number"]))

    def entry(self, caller: str) -> dict[str, Any]:
        return next((place for place in self.line if place["name"] == caller), {})

    def staff(self, queue: str) -> list[str]:
        return [agent for agent, each in self.signed if each == queue]

    def named(self, agent: str, queue: str | None) -> list[str]:
        mine = [
            each.number for each in self.queues.values() if agent in [one.extension for one in each.agents]
        ]
        return [each for each in mine if queue in (None, each)]

    def rings(self, caller: str, agent: str) -> bool:
        return any((caller, agent) == each[:2] for each in self.ringing)

    def hush(self, caller: str, agent: str) -> None:
        self.ringing = [each for each in self.ringing if each[:2] != (caller, agent)]
        if self.chosen.get(caller) == agent:
            del self.chosen[caller]

    def refuse(self, caller: str, agent: str, now: float) -> None:
        self.hush(caller, agent)
        self.turned_down.append((caller, agent))
        self.alone_until[agent] = now + self.queues[self.entry(caller)["queue"]].pause_seconds

    def strike(self, caller: str, why: str) -> Told:
        """Out of the line, with all that rings for it."""
        told: Told = [("withdraw", other, agent, why) for other, agent, _ in self.ringing if other == caller]
        for _, _, agent, _ in told:
            self.hush(caller, agent)
        self.line = [place for place in self.line if place["name"] != caller]
        self.turned_down = [each for each in self.turned_down if each[0] != caller]
        self.chosen.pop(caller, None)
        return told
