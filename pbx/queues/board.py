"""The queues as lists show them: who waits, for how long, and what the agents do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pbx.presence import ExtensionState
from values import dataclass

if TYPE_CHECKING:
    from pbx.queues.desk import Queues
    from pbx.queues.settings import Queue
    from pbx.switch import Switch


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """One caller who waits."""

    call: str
    caller: str
    caller_name: str
    seconds: float
    """Waited so far."""
    ringing: tuple[str, ...]
    """The agents whose phones ring for it."""

    @property
    def waited(self) -> str:
        """The same in hours, minutes and seconds: 00:00:05."""
        minutes, seconds = divmod(int(self.seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours:02}:{minutes:02}:{seconds:02}"


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent."""

    number: str
    name: str
    level: int
    logged_in: bool
    resting: bool
    """Left alone for a while: after a call, or after one that was not taken."""
    state: ExtensionState


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue: its callers, the next one first, and then its agents."""

    number: str
    name: str
    strategy: str
    waiting: tuple[WaitingRow, ...]
    agents: tuple[AgentRow, ...]

    @property
    def title(self) -> str:
        """What a list calls it: 804 (804) Hunt Queues."""
        return f"{self.number} ({self.number}) {self.name}".rstrip()

    @property
    def logged_in(self) -> tuple[AgentRow, ...]:
        """The agents who are at work."""
        return tuple(agent for agent in self.agents if agent.logged_in)


def rows(queues: Queues, switch: Switch, member: str | None = None) -> tuple[QueueRow, ...]:
    """All queues, or those that `member` is an agent of."""
    found = queues.settings.values()
    return tuple(
        _row(queue, queues, switch)
        for queue in found
        if member is None or queue.position_of(member) is not None
    )


def _row(queue: Queue, queues: Queues, switch: Switch) -> QueueRow:
    now, directory = switch.loop.time(), switch.directory
    waiting = []
    for caller in queues.machine.waiting(queue.number):
        call = queues.call(caller.caller)
        if call is not None:
            party = call.caller
            since = now - caller.joined
            waiting.append(WaitingRow(call.id, party.number, party.full_name, since, caller.ringing))
    agents = []
    for agent in queues.machine.agents(queue.number):
        extension = directory.find(agent.agent)
        name = "" if extension is None else extension.full_name
        state = switch.presence.of(agent.agent)
        agents.append(AgentRow(agent.agent, name, agent.level, agent.logged_in, agent.rests, state))
    return QueueRow(queue.number, queue.name, queue.strategy.value, tuple(waiting), tuple(agents))
