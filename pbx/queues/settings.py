"""`[[queues]]`: what the configuration says of them."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pbx.config_values import Name, Number, ReadableFile, ReadableFolder, Table, Target

DAY = 86400


class Strategy(Enum):
    """Which of the agents who are free is offered a call."""

    HUNT = "hunt"
    """The first in the list, then the next."""
    RING_ALL = "ring_all"
    """All at once."""
    LONGEST_IDLE = "longest_idle"
    """The one whose phone has been quiet longest."""
    ROUND_ROBIN = "round_robin"
    """The one after whoever was offered the last call."""


class Hearing(Enum):
    """What callers hear who wait."""

    MUSIC = "music"
    """And announcements. Their calls are answered for that, which costs them money from then on."""
    RINGING = "ringing"
    """Their calls are answered by the agent."""


class Agent(Table):
    """One of the agents of a queue."""

    extension: Number
    level: Annotated[int, Field(strict=True, ge=1, le=99)] = 1
    """Those of a higher level are offered calls only while none of a lower one is free."""


def _agent(value: Any) -> Any:
    return {"extension": value} if isinstance(value, str) else value


Agents = tuple[Annotated[Agent, BeforeValidator(_agent)], ...]


class Queue(Table):
    """One of `[[queues]]`."""

    number: Number
    name: Name = ""
    caller_prefix: Name = ""
    """What agents' phones show in front of the caller's name."""
    strategy: Strategy = Strategy.HUNT
    agents: Agents = ()
    """Numbers, or tables with `extension` and `level`."""
    priority: Annotated[int, Field(strict=True, ge=0, le=99)] = 0
    """Agents of several queues serve the callers of the one with the highest first."""
    ring_seconds: Annotated[float, Field(ge=1, le=300)] = 15.0
    """How long an agent's phone rings before the next is tried."""
    pause_seconds: Annotated[float, Field(ge=1, le=DAY)] = 5.0
    """How long an agent who has not taken a call is left alone."""
    wrap_up_seconds: Annotated[float, Field(ge=0, le=DAY)] = 0.0
    """How long an agent is left alone after a call."""
    max_wait_seconds: Annotated[float, Field(ge=0, le=DAY)] = 0.0
    """After so long a caller goes to `overflow`; 0: never."""
    max_callers: Annotated[int, Field(strict=True, ge=0, le=10_000)] = 0
    """So many may wait, more go to `overflow` at once; 0: no limit."""
    leave_when_empty: bool = False
    """Whether callers go to `overflow` while no agent is logged in."""
    overflow: Target | Literal[""] = ""
    """Where callers go who do not stay; empty: their calls end."""
    hears: Hearing = Hearing.MUSIC
    greeting: ReadableFile | None = None
    """WAV that a caller hears first; an agent may answer meanwhile."""
    music: ReadableFolder | None = None
    """WAV files for those who wait; none: the music of the system."""
    announce_seconds: Annotated[float, Field(ge=5, le=DAY)] | Literal[0] = 0
    """How often callers are told their position; 0: never."""
    announce_wait: bool = False
    """Whether they are told as well how long it may take, once that is known."""

    @model_validator(mode="after")
    def _spoken_to_those_who_hear(self) -> Queue:
        if self.hears is Hearing.RINGING and (self.greeting or self.music or self.announce_seconds):
            raise ValueError(
                "greeting, music and announce_seconds need an answered call, "
                'set hears = "music" or leave them out'
            )
        numbers = [agent.extension for agent in self.agents]
        if len(set(numbers)) < len(numbers):
            raise ValueError("agents should name each extension once")
        return self

    def position_of(self, agent: str) -> int | None:
        """Where an agent stands in the list; None for one who is not in it."""
        for position, each in enumerate(self.agents):
            if each.extension == agent:
                return position
        return None
