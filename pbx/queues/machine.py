"""Who waits in the queues, and which agents are offered whom: a machine that takes what happens, and when, and says
what is to be done.

One machine has all queues of a system, since an agent of several is offered one call at a time. Agents are known by
the number of their extension, callers by any name that is theirs alone. Times are monotonic seconds.

Offers go to callers by priority, and then in the order of arrival: no agent is offered a caller while another one, who
came before and could be offered the same agent, has no offer. Announcements are effects of the clock alone, so nothing
waits for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import field, replace
from enum import Enum

from pbx.queues.settings import Queue, Strategy
from pbx.queues.strategies import Candidate, chosen
from values import dataclass

WEIGHT = 0.2
"""Of the latest call in the mean time that a call keeps an agent."""

RESTED = float("-inf")
"""In the place of a time until which an agent is left alone."""


class Why(Enum):
    """An offer is taken back."""

    ELSEWHERE = "elsewhere"
    """Somebody else has the caller, or the agent another one: nobody has missed a call."""
    NO_ANSWER = "no answer"
    GONE = "gone"
    """The caller waits no more."""
    LOGGED_OUT = "logged out"


class Left(Enum):
    """A caller is sent on, for nobody has taken the call."""

    FULL = "full"
    NO_AGENT = "no agent"
    """Is logged in."""
    TOO_LONG = "too long"
    CLOSED = "closed"
    """The queue is there no more."""


# -- what is to be done ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offer:
    """Ring the phones of an agent for a caller."""

    caller: str
    agent: str
    accepted: bool = False
    """Whether the agent has chosen the caller, and may be away."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Ring them no more."""

    caller: str
    agent: str
    why: Why


@dataclass(frozen=True, slots=True)
class Connect:
    """The caller has an agent, or somebody else who has picked up the call, and waits no more."""

    caller: str
    agent: str
    queue: str
    waited: float


@dataclass(frozen=True, slots=True)
class SendOn:
    """The caller waits no more, and goes where the queue sends such callers."""

    caller: str
    queue: str
    why: Left
    waited: float


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell a caller his position, 1 for the first, and how many seconds it may take; None: nobody knows."""

    caller: str
    position: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """An agent has logged in to a queue; `on`: or out."""

    agent: str
    queue: str
    on: bool = True


Effect = Offer | Withdraw | Connect | SendOn | Announce | LoggedIn


class Unacceptable(Enum):
    """A waiting call cannot be accepted."""

    NOT_WAITING = "it waits no more"
    NOT_AN_AGENT = "not an agent of that queue who is logged in"
    TAKEN = "somebody else has accepted it"
    TALKING = "in a call of a queue already"


class AcceptError(Exception):
    """`reason` says why a call is not accepted."""

    def __init__(self, reason: Unacceptable) -> None:
        super().__init__(reason.value)
        self.reason = reason


# -- state -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Agent:
    number: str
    free: bool = False
    """Whether the agent could answer, as far as is known outside: registered, available, and on no phone."""
    queues: dict[str, None] = field(default_factory=dict)
    """Logged in to."""
    caller: str | None = None
    """Who is offered, or talked to."""
    talks_in: str = ""
    """The queue of whom the agent talks to; empty: of nobody."""
    talks_since: float = 0.0
    rests_until: float = RESTED
    idle_since: float = 0.0


@dataclass(slots=True)
class _Caller:
    name: str
    queue: str
    turn: tuple[int, int]
    """Callers are served in this order."""
    joined: float
    leaves_at: float
    announced_at: float
    """The next time."""
    offers: dict[str, float] = field(default_factory=dict)
    """Agents whose phones ring, and until when."""
    tried: set[str] = field(default_factory=set)
    """Agents who have not taken the call, since all have been tried."""
    accepted_by: str = ""
    """The agent who has chosen this caller; nobody else is tried meanwhile."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a caller stands."""

    turn: tuple[int, int]
    joined: float


@dataclass(frozen=True, slots=True)
class WaitingCaller:
    """A caller as a list shows it."""

    caller: str
    joined: float
    ringing: tuple[str, ...]
    """The agents whose phones ring."""


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent of a queue as a list shows it."""

    agent: str
    level: int
    logged_in: bool
    ringing: bool
    talking: bool
    rests: bool


class QueueMachine:
    """All queues of a system. Every input returns what is to be done, in that order."""

    def __init__(self, queues: Iterable[Queue] = ()) -> None:
        self._queues = {queue.number: queue for queue in queues}
        self._agents: dict[str, _Agent] = {}
        self._callers: dict[str, _Caller] = {}
        self._arrivals = 0
        self._last: dict[str, int] = {}
        """Queue: the position of the agent who was offered a call last."""
        self._mean: dict[str, float] = {}
        """Queue: how long a call keeps an agent, in seconds."""
        for queue in self._queues.values():
            self._enrol(queue)

    # -- callers -------------------------------------------------------------------------------------

    def join(self, caller: str, queue: str, now: float, place: Place | None = None) -> list[Effect]:
        """A caller comes, or comes back to a `place`. Raises KeyError for a queue that does not exist."""
        settings = self._queues[queue]
        if place is not None:
            return self._stand(caller, settings, now, place)
        waiting = sum(1 for each in self._callers.values() if each.queue == queue)
        if settings.max_callers and waiting >= settings.max_callers:
            return [SendOn(caller, queue, Left.FULL, 0.0)]
        if settings.leave_when_empty and not self._logged_in(queue):
            return [SendOn(caller, queue, Left.NO_AGENT, 0.0)]
        self._arrivals += 1
        return self._stand(caller, settings, now, Place((-settings.priority, self._arrivals), now))

    def place(self, caller: str) -> Place | None:
        """Where a caller stands; None for one who does not wait."""
        found = self._callers.get(caller)
        return None if found is None else Place(found.turn, found.joined)

    def leave(self, caller: str, now: float) -> list[Effect]:
        """A caller has hung up, or gone elsewhere. Nothing happens for one who does not wait."""
        if caller not in self._callers:
            return []
        return [*self._drop(self._callers[caller], Why.GONE), *self._dispatch(now)]

    # -- agents --------------------------------------------------------------------------------------

    def log_in(self, agent: str, now: float, queue: str | None = None) -> list[Effect]:
        """To one queue, or all; nothing happens where the agent is none, or logged in already."""
        effects: list[Effect] = []
        for each in self._queues_of(agent, queue):
            if each not in self._agents[agent].queues:
                self._agents[agent].queues[each] = None
                effects.append(LoggedIn(agent, each))
        if effects:
            self._agents[agent].idle_since = now
        return [*effects, *self._dispatch(now)]

    def log_out(self, agent: str, now: float, queue: str | None = None) -> list[Effect]:
        """Of one queue, or all. A phone that rings stops; a call that has been answered goes on."""
        effects: list[Effect] = []
        for each in self._queues_of(agent, queue):
            if each in self._agents[agent].queues:
                effects += self._sign_off(self._agents[agent], each, now)
        return [*effects, *self._dispatch(now)]

    def set_free(self, agent: str, free: bool, now: float) -> list[Effect]:
        """What is known of an agent outside the queues has changed: see `_Agent.free`."""
        known = self._agents.get(agent)
        if known is None or known.free == free:
            return []
        known.free = free
        if free:
            known.idle_since = now
        return self._dispatch(now)

    def answered(self, caller: str, by: str, now: float) -> list[Effect]:
        """A phone was answered for a caller: of an agent who was offered the call, or of somebody who has picked it up.

        Without a `Connect` for it among the effects, it was too late.
        """
        found = self._callers.get(caller)
        if found is None:
            return []
        if by in found.offers:
            self._take_back(found, by)
        effects = self._drop(found, Why.ELSEWHERE)
        agent = self._agents.get(by)
        if agent is not None:
            effects += self._release(agent, Why.ELSEWHERE, but=caller)
            agent.caller, agent.talks_in, agent.talks_since = caller, found.queue, now
        return [*effects, Connect(caller, by, found.queue, now - found.joined), *self._dispatch(now)]

    def failed(self, caller: str, agent: str, now: float) -> list[Effect]:
        """An agent has not taken a call: declined, was busy, or could not be reached."""
        found = self._callers.get(caller)
        if found is None or agent not in found.offers:
            return []
        self._give_up(found, agent, now)
        return self._dispatch(now)

    def done(self, agent: str, now: float) -> list[Effect]:
        """The agent's call is over. Nothing happens for one who is in none."""
        known = self._agents.get(agent)
        if known is None or not known.talks_in:
            return []
        queue, known.talks_in, known.caller = known.talks_in, "", None
        wrap_up = self._queues[queue].wrap_up_seconds if queue in self._queues else 0.0
        known.rests_until, known.idle_since = now + wrap_up, now
        took = now - known.talks_since + wrap_up
        self._mean[queue] = took + (1 - WEIGHT) * (self._mean.get(queue, took) - took)
        return self._dispatch(now)

    def accept(self, caller: str, agent: str, now: float) -> list[Effect]:
        """An agent chooses a waiting caller: nobody else's phone rings for that one, and the agent's for no other.

        Raises AcceptError.
        """
        found, known = self._callers.get(caller), self._agents.get(agent)
        if found is None:
            raise AcceptError(Unacceptable.NOT_WAITING)
        if known is None or found.queue not in known.queues:
            raise AcceptError(Unacceptable.NOT_AN_AGENT)
        if found.accepted_by not in ("", agent):
            raise AcceptError(Unacceptable.TAKEN)
        if known.talks_in:
            raise AcceptError(Unacceptable.TALKING)
        found.accepted_by = agent
        effects: list[Effect] = []
        for other in [each for each in found.offers if each != agent]:
            self._take_back(found, other)
            effects.append(Withdraw(caller, other, Why.ELSEWHERE))
        effects += self._release(known, Why.ELSEWHERE, but=caller)
        if agent not in found.offers:
            effects.append(replace(self._offer(found, agent, now), accepted=True))
        return [*effects, *self._dispatch(now)]

    # -- time ----------------------------------------------------------------------------------------

    def tick(self, now: float) -> list[Effect]:
        """What is due by now."""
        effects: list[Effect] = []
        for caller in self._in_turn():
            for agent, until in list(caller.offers.items()):
                if until <= now:
                    self._give_up(caller, agent, now)
                    effects.append(Withdraw(caller.name, agent, Why.NO_ANSWER))
        for caller in self._in_turn():
            if caller.leaves_at <= now:
                effects += self._send_on(caller, Left.TOO_LONG, now)
        effects += self._dispatch(now)
        positions: Counter[str] = Counter()
        for caller in self._in_turn():
            positions[caller.queue] += 1
            if caller.announced_at <= now:
                caller.announced_at = _after(now, self._queues[caller.queue].announce_seconds)
                position = positions[caller.queue]
                effects.append(Announce(caller.name, position, self._expected(caller.queue, position)))
        return effects

    def next_deadline(self) -> float | None:
        """When `tick` has something to do; None: not before something else happens."""
        due = [time for caller in self._callers.values() for time in (caller.leaves_at, caller.announced_at)]
        due += [until for caller in self._callers.values() for until in caller.offers.values()]
        if self._callers:
            due += [
                agent.rests_until for agent in self._agents.values() if agent.free and agent.caller is None
            ]
            due = [time for time in due if time != RESTED]
        earliest = min(due, default=float("inf"))
        return None if earliest == float("inf") else earliest

    # -- settings ------------------------------------------------------------------------------------

    def configure(self, queues: Iterable[Queue], now: float) -> list[Effect]:
        """The queues are these from now on. Callers of one that is gone are sent on, agents who are none any more are
        logged out."""
        before, self._queues = self._queues, {queue.number: queue for queue in queues}
        effects: list[Effect] = []
        for caller in self._in_turn():
            if caller.queue not in self._queues:
                effects += self._send_on(caller, Left.CLOSED, now)
        for queue in self._queues.values():
            self._enrol(queue)
        for agent in list(self._agents.values()):
            for number in [each for each in agent.queues if not self._is_member(agent.number, each)]:
                effects += self._sign_off(agent, number, now)
            if not any(queue.position_of(agent.number) is not None for queue in self._queues.values()):
                del self._agents[agent.number]
        for number in before.keys() - self._queues.keys():
            self._last.pop(number, None)
            self._mean.pop(number, None)
        return [*effects, *self._dispatch(now)]

    # -- what lists show -----------------------------------------------------------------------------

    def waiting(self, queue: str) -> tuple[WaitingCaller, ...]:
        """The callers of a queue, the next one first."""
        return tuple(
            WaitingCaller(caller.name, caller.joined, tuple(caller.offers))
            for caller in self._in_turn()
            if caller.queue == queue
        )

    def agents(self, queue: str) -> tuple[AgentView, ...]:
        """The agents of a queue, in the order of its list."""
        views = []
        for each in self._queues[queue].agents:
            agent = self._agents[each.extension]
            views.append(
                AgentView(
                    agent.number,
                    each.level,
                    logged_in=queue in agent.queues,
                    ringing=agent.caller is not None and not agent.talks_in,
                    talking=bool(agent.talks_in),
                    rests=agent.rests_until != RESTED,
                )
            )
        return tuple(views)

    def queues_of(self, agent: str) -> tuple[str, ...]:
        """The queues that an extension is an agent of, logged in or not."""
        return tuple(number for number in self._queues if self._is_member(agent, number))

    def logged_in(self, agent: str) -> tuple[str, ...]:
        """The queues that an agent is logged in to."""
        known = self._agents.get(agent)
        return () if known is None else tuple(known.queues)

    def __len__(self) -> int:
        """How many callers wait."""
        return len(self._callers)

    # -- helpers -------------------------------------------------------------------------------------

    def _dispatch(self, now: float) -> list[Effect]:
        """Offer whom can be offered."""
        idle = set()
        for agent in self._agents.values():
            if agent.rests_until <= now:
                agent.rests_until = RESTED
            if agent.free and agent.caller is None and agent.rests_until == RESTED:
                idle.add(agent.number)
        effects: list[Effect] = []
        for caller in self._in_turn() if idle else ():
            if not idle:
                break
            for candidate in self._candidates(caller, idle):
                idle.discard(candidate.agent)
                effects.append(self._offer(caller, candidate.agent, now))
        return effects

    def _stand(self, caller: str, queue: Queue, now: float, place: Place) -> list[Effect]:
        self._callers[caller] = _Caller(
            caller,
            queue.number,
            place.turn,
            place.joined,
            leaves_at=_after(place.joined, queue.max_wait_seconds),
            announced_at=_after(now, queue.announce_seconds),
        )
        return self._dispatch(now)

    def _candidates(self, caller: _Caller, idle: set[str]) -> tuple[Candidate, ...]:
        """Who is to be offered a caller now, of the agents who have nothing to do."""
        queue = self._queues[caller.queue]
        rings_all = queue.strategy is Strategy.RING_ALL
        if caller.accepted_by or (caller.offers and not rings_all):
            return ()
        able = [
            Candidate(each.extension, position, each.level, self._agents[each.extension].idle_since)
            for position, each in enumerate(queue.agents)
            if each.extension in idle and queue.number in self._agents[each.extension].queues
        ]
        untried = [candidate for candidate in able if candidate.agent not in caller.tried]
        if caller.offers:
            ringing = max(each.level for each in queue.agents if each.extension in caller.offers)
            return tuple(candidate for candidate in untried if candidate.level <= ringing)
        if able and not untried:
            caller.tried.clear()
            untried = able
        in_order = chosen(untried, queue.strategy, self._last.get(queue.number))
        return in_order if rings_all else in_order[:1]

    def _offer(self, caller: _Caller, agent: str, now: float) -> Offer:
        queue = self._queues[caller.queue]
        caller.offers[agent] = now + queue.ring_seconds
        self._agents[agent].caller = caller.name
        self._last[queue.number] = queue.position_of(agent) or 0
        return Offer(caller.name, agent)

    def _give_up(self, caller: _Caller, agent: str, now: float) -> None:
        """An agent has not taken the call, and is left alone for a while."""
        self._take_back(caller, agent)
        caller.tried.add(agent)
        self._agents[agent].rests_until = now + self._queues[caller.queue].pause_seconds

    def _take_back(self, caller: _Caller, agent: str) -> None:
        del caller.offers[agent]
        self._agents[agent].caller = None
        if caller.accepted_by == agent:
            caller.accepted_by = ""

    def _release(self, agent: _Agent, why: Why, *, but: str) -> list[Effect]:
        """Offer an agent no caller any more, except for one."""
        offered = self._callers.get(agent.caller or "")
        if offered is None or offered.name == but or agent.number not in offered.offers:
            return []
        self._take_back(offered, agent.number)
        return [Withdraw(offered.name, agent.number, why)]

    def _drop(self, caller: _Caller, why: Why) -> list[Effect]:
        """A caller waits no more."""
        del self._callers[caller.name]
        agents = list(caller.offers)
        for agent in agents:
            self._take_back(caller, agent)
        return [Withdraw(caller.name, agent, why) for agent in agents]

    def _send_on(self, caller: _Caller, why: Left, now: float) -> list[Effect]:
        waited = now - caller.joined
        return [*self._drop(caller, Why.GONE), SendOn(caller.name, caller.queue, why, waited)]

    def _sign_off(self, agent: _Agent, queue: str, now: float) -> list[Effect]:
        """Log an agent out of one queue."""
        del agent.queues[queue]
        effects: list[Effect] = [LoggedIn(agent.number, queue, on=False)]
        offered = self._callers.get(agent.caller or "")
        if offered is not None and offered.queue == queue:
            effects += self._release(agent, Why.LOGGED_OUT, but="")
        settings = self._queues.get(queue)
        if settings is not None and settings.leave_when_empty and not self._logged_in(queue):
            for caller in self._in_turn():
                if caller.queue == queue:
                    effects += self._send_on(caller, Left.NO_AGENT, now)
        return effects

    def _expected(self, queue: str, position: int) -> float | None:
        """In how many seconds it is the turn of a caller who stands there, as far as the calls before tell."""
        agents, mean = self._logged_in(queue), self._mean.get(queue)
        return None if mean is None or not agents else position * mean / agents

    def _in_turn(self) -> list[_Caller]:
        """Those who wait, the first to be served first."""
        return sorted(self._callers.values(), key=lambda caller: caller.turn)

    def _logged_in(self, queue: str) -> int:
        return sum(1 for agent in self._agents.values() if queue in agent.queues)

    def _queues_of(self, agent: str, queue: str | None) -> list[str]:
        """The queues that an agent means: one, or all."""
        return [each for each in self.queues_of(agent) if queue in (None, each)]

    def _is_member(self, agent: str, queue: str) -> bool:
        settings = self._queues.get(queue)
        return settings is not None and settings.position_of(agent) is not None

    def _enrol(self, queue: Queue) -> None:
        for each in queue.agents:
            self._agents.setdefault(each.extension, _Agent(each.extension))


def _after(now: float, seconds: float) -> float:
    """So much later; for 0: never."""
    return now + seconds if seconds else float("inf")
