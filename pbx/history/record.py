"""What is kept of one call when it is over, in plain values."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from values import dataclass


class Role(Enum):
    """What somebody was in a call."""

    CALLER = "caller"
    CALLEE = "callee"


class CallList(Enum):
    """The three lists of an extension, of which a call stands in one."""

    OUTBOUND = "outbound"
    RECEIVED = "received"
    MISSED = "missed"


_CALLER = Role.CALLER
_OUTBOUND, _RECEIVED, _MISSED = CallList
"""To ask an Enum for a member takes as long as all else that says where a call is found."""


@dataclass(slots=True)
class Participation:
    """One number in a call: an extension, or somebody outside. The chronicle writes it while the call goes on, and
    nobody else has it then; once it is in a record it is not changed any more."""

    number: str
    role: Role
    at: datetime
    """When the call began for it."""
    trunk: str = ""
    """Through which somebody outside was reached; empty for an extension."""
    rang: bool = False
    """Whether its phones rang."""
    answered_at: datetime | None = None
    taken_by: str = ""
    """Who has answered in its place: another extension that picked up, or to whom the call was forwarded."""
    blocked: bool = False
    """Whether it has the caller on its black list."""
    addressed: bool = False
    """Whether the call was for it, rather than that its phones rang for something else, such as a group."""

    @property
    def list(self) -> CallList | None:
        """Where the extension finds the call. None if nowhere: its phones rang for a group and somebody else took it,
        or it has blocked the caller.

        A call is missed if nobody answered in the end; that a machine took a message does not count.
        """
        if self.trunk or self.blocked:
            return None
        if self.role is _CALLER:
            return _OUTBOUND
        if self.answered_at is not None:
            return _RECEIVED
        if not self.taken_by:
            return _MISSED
        return _RECEIVED if self.addressed else None


@dataclass(frozen=True, slots=True)
class HandOver:
    """A party of a call was transferred."""

    at: datetime
    by: str
    party: str
    to: str


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One attempt, from the INVITE to the end."""

    call: str
    started_at: datetime
    ended_at: datetime
    caller: str
    """The number; empty where it is withheld."""
    caller_name: str
    trunk: str
    """Through which the caller came; empty for an extension."""
    dialled: str
    internal: bool
    status: int
    """The final response that the caller got; 200 if the call was answered."""
    reason: str
    seconds: float
    talk_seconds: float
    answered_by: str
    """The first that answered, a number; the dialled one where that was a feature. Empty: nobody."""
    feature: str
    """The feature that has answered; empty if none did so first."""
    parties: tuple[Participation, ...]
    """Everybody in it, in the order in which they came in; nobody twice."""
    hand_overs: tuple[HandOver, ...]
    reasons: tuple[str, ...]
    """Why it went where it went, step by step."""
