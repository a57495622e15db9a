"""`[[ring_groups]]` and `[[receptionists]]`: what the configuration says of them."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pbx.config_values import Name, Number, ReadableFile, Table, Target


class RingStrategy(Enum):
    """How the phones of a ring group ring."""

    RING_ALL = "ring_all"
    """All at once."""
    HUNT = "hunt"
    """One extension after another."""


class RingGroup(Table):
    """One of `[[ring_groups]]`: extensions that are called under one number."""

    number: Number
    name: Name = ""
    caller_prefix: Name = ""
    """What members' phones show in front of the caller's name."""
    strategy: RingStrategy = RingStrategy.RING_ALL
    members: tuple[Number, ...] = ()
    ring_seconds: Annotated[float, Field(ge=1, le=300)] = 20.0
    """How long all ring, or each of them."""
    otherwise: Target | Literal[""] = ""
    """Where calls go that nobody has taken; empty: they end."""

    @model_validator(mode="after")
    def _once(self) -> RingGroup:
        if len(set(self.members)) < len(self.members):
            raise ValueError("members should name each extension once")
        return self


Key = Annotated[str, Field(pattern=r"^[0-9*#]$")]
KeyTarget = Literal["name", "repeat"] | Target
"""What a key does: dial by name, say the menu again, or lead to a destination."""


class Menu(Table):
    """What a receptionist says and offers."""

    greeting: ReadableFile | None = None
    """WAV that tells what the keys are for; without it callers are asked for the number of an extension."""
    keys: dict[Key, KeyTarget] = Field(default_factory=dict)
    time_out: Target | Literal[""] = ""
    """Where callers go who press nothing; empty: the call ends."""
    invalid: Target | Literal[""] = ""
    """Where callers go who press what means nothing; empty: to `time_out`."""


class Receptionist(Menu):
    """One of `[[receptionists]]`: an automatic one, who answers and asks for a key."""

    number: Number
    name: Name = ""
    dial_extensions: bool = True
    """Whether callers may dial extensions, the voicemail number and numbers of the system."""
    key_seconds: Annotated[float, Field(ge=1, le=60)] = 5.0
    """How long a key is waited for, after what is said."""
    rounds: Annotated[int, Field(strict=True, ge=1, le=10)] = 3
    """How often it is said."""
    closed: Menu | None = None
    """Another menu for outside office hours."""
    holiday: Menu | None = None
    """Another menu for holidays; the one for outside office hours unless set."""

    def menu(self, *, open_: bool, holiday: bool) -> Menu:
        """The one that is in force."""
        if holiday and self.holiday is not None:
            return self.holiday
        return self if open_ or self.closed is None else self.closed
