"""Makes records of calls out of what is told of them: a pure fold over happenings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field, fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from pbx.happenings import (
    CallAnswered,
    CallBlocked,
    CallConnected,
    CallEnded,
    CallRang,
    CallRouted,
    CallStarted,
    CallTransferred,
    CallWentOut,
    Happening,
    QueueCallWithdrawn,
)
from pbx.history.record import CallRecord, HandOver, Participation, Role
from values import dataclass

MAX_PARTIES = 200
MAX_STEPS = 100
"""A call that is sent round for hours does not grow for ever: reasons and hand-overs beyond are not kept."""
SYSTEM_STOPPED = "System Stopped"
"""The reason for the end of a call that was going on when the process was killed."""

_values = attrgetter(*(field.name for field in fields(Participation)))

Key = tuple[str, str]
"""Number and trunk: whoever calls from outside may say that he has the number of an extension."""


@dataclass(slots=True, eq=False)
class _Party:
    """Somebody in a call that is not over: a `Participation` to be."""

    number: str
    role: Role
    at: datetime
    trunk: str
    rang: bool = False
    answered_at: datetime | None = None
    taken_by: str = ""
    blocked: bool = False
    addressed: bool = False

    @property
    def was_called_in_vain(self) -> bool:
        """Whether it was sought and has not answered."""
        return self.role is Role.CALLEE and self.answered_at is None


@dataclass(slots=True, eq=False)
class _Draft:
    """A call that is not over."""

    started: CallStarted
    parties: dict[Key, _Party] = field(default_factory=dict)
    pending: set[Key] = field(default_factory=set)
    """Who is being sought, until somebody answers."""
    answered: CallAnswered | None = None
    hand_overs: list[HandOver] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


class Chronicle:
    """The calls that are going on. Give `take` what happens, in order."""

    def __init__(self, finished: Callable[[CallRecord], None]) -> None:
        """`finished` gets each record, once, when its call has ended."""
        self._finished = finished
        self._drafts: dict[str, _Draft] = {}
        self.changed: set[str] = set()
        """Calls that are going on, and of which something was told since whoever looks here has emptied it."""
        self._takes: dict[type[Happening], Callable[[_Draft, Any], None]] = {
            CallStarted: _started,
            CallRouted: _routed,
            CallRang: _rang,
            CallWentOut: _went_out,
            CallAnswered: _answered,
            CallBlocked: _blocked,
            CallConnected: _connected,
            CallTransferred: _transferred,
            QueueCallWithdrawn: _withdrawn,
        }

    @property
    def kinds(self) -> Iterable[type[Happening]]:
        """What it wants to be told: to ask for everything would have all be found out that nobody else asks for."""
        return *self._takes, CallEnded

    def take(self, happening: Any) -> None:
        """Whatever happened; what is of no call, or of one whose start was not told, is left alone."""
        kind, call = type(happening), getattr(happening, "call", "")
        if kind is CallStarted:
            self._drafts[call] = _Draft(happening)
        draft = self._drafts.get(call)
        if draft is None:
            return
        if kind is CallEnded:
            del self._drafts[call]
            self.changed.discard(call)
            self._finished(_record(draft, happening))
        elif take := self._takes.get(kind):
            self.changed.add(call)
            take(draft, happening)

    def going_on(self, at: datetime, calls: Iterable[str] | None = None) -> list[CallRecord]:
        """What the records of these calls (of all, if none are given) will be if the system stops `at` this moment."""
        drafts = self._drafts.values() if calls is None else map(self._drafts.__getitem__, calls)
        return [_record(draft, _stopped(draft, at)) for draft in drafts]

    def __len__(self) -> int:
        return len(self._drafts)


def _enter(draft: _Draft, key: Key, role: Role, at: datetime) -> _Party | None:
    """Whoever that is, entered now if it is new; None where too many are in the call."""
    known = draft.parties.get(key)
    if known is None and len(draft.parties) < MAX_PARTIES:
        number, trunk = key
        known = draft.parties[key] = _Party(number, role, at, trunk)
    return known


def _seek(draft: _Draft, key: Key, at: datetime) -> _Party | None:
    """The same for somebody who is called."""
    party = _enter(draft, key, Role.CALLEE, at)
    if party is not None and party.was_called_in_vain:
        draft.pending.add(key)
    return party


def _started(draft: _Draft, started: CallStarted) -> None:
    _enter(draft, (started.caller, started.trunk), Role.CALLER, started.at)


def _routed(draft: _Draft, routed: CallRouted) -> None:
    room = MAX_STEPS - len(draft.reasons)
    draft.reasons += routed.reasons[: max(room, 0)]
    for number in routed.sought:
        if party := _seek(draft, (number, ""), routed.at):
            party.addressed = True


def _rang(draft: _Draft, rang: CallRang) -> None:
    if party := _seek(draft, (rang.extension, rang.trunk), rang.at):
        party.rang = True


def _went_out(draft: _Draft, went: CallWentOut) -> None:
    if party := _seek(draft, (went.number, went.trunk), went.at):
        party.addressed = True


def _blocked(draft: _Draft, blocked: CallBlocked) -> None:
    key = blocked.extension, ""
    party = _enter(draft, key, Role.CALLEE, blocked.at)
    if party is not None:
        party.blocked = True
        draft.pending.discard(key)


def _answered(draft: _Draft, answered: CallAnswered) -> None:
    draft.answered = answered


def _connected(draft: _Draft, connected: CallConnected) -> None:
    """Somebody has the call: who was sought besides has not missed it. Who has it back has taken it from nobody."""
    key = connected.to, connected.trunk
    party = _enter(draft, key, Role.CALLEE, connected.at)
    if party is None or _has_it_back(draft, party):
        return
    if party.role is Role.CALLEE:
        party.answered_at, party.taken_by = connected.at, ""
        draft.pending.discard(key)
    for other in draft.pending:
        draft.parties[other].taken_by = connected.to
    draft.pending.clear()


def _has_it_back(draft: _Draft, party: _Party) -> bool:
    """Whether somebody talks again who has talked already, since a transfer has failed. A caller has not if nobody has:
    the call was sent on to another phone of his own."""
    if party.role is Role.CALLEE:
        return party.answered_at is not None
    return any(each.answered_at is not None for each in draft.parties.values())


def _withdrawn(draft: _Draft, withdrawn: QueueCallWithdrawn) -> None:
    """The agent's phone has rung for nothing: the call is not among those of the agent."""
    key = withdrawn.agent, ""
    party = draft.parties.get(key)
    if party is not None and party.was_called_in_vain and not party.addressed:
        del draft.parties[key]
        draft.pending.discard(key)


def _transferred(draft: _Draft, transferred: CallTransferred) -> None:
    if len(draft.hand_overs) < MAX_STEPS:
        handed = HandOver(transferred.at, transferred.by, transferred.party, transferred.to)
        draft.hand_overs.append(handed)


def _stopped(draft: _Draft, at: datetime) -> CallEnded:
    """The end of a call that the end of the system has cut short."""
    started, answered = draft.started, draft.answered
    return CallEnded(
        at=at,
        call=started.call,
        reason=SYSTEM_STOPPED,
        status=200 if answered else 503,
        seconds=(at - started.at).total_seconds(),
        talk_seconds=(at - answered.at).total_seconds() if answered else 0.0,
        internal=started.internal and not any(trunk for _, trunk in draft.parties),
    )


def _record(draft: _Draft, ended: CallEnded) -> CallRecord:
    started, answered = draft.started, draft.answered
    return CallRecord(
        call=started.call,
        started_at=started.at,
        ended_at=ended.at,
        caller=started.caller,
        caller_name=started.caller_name,
        trunk=started.trunk,
        dialled=started.callee,
        internal=ended.internal,
        status=ended.status,
        reason=ended.reason,
        seconds=ended.seconds,
        talk_seconds=ended.talk_seconds,
        answered_by=answered.by if answered else "",
        feature=answered.feature if answered else "",
        parties=tuple([Participation(*_values(party)) for party in draft.parties.values()]),
        hand_overs=tuple(draft.hand_overs),
        reasons=tuple(draft.reasons),
    )
