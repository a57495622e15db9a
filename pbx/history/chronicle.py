"""Makes records of calls out of what is told of them: a pure fold over happenings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field
from datetime import datetime
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
from values import dataclass, maker

MAX_PARTIES = 200
MAX_STEPS = 100
"""A call that is sent round for hours does not grow for ever: reasons and hand-overs beyond are not kept."""
SYSTEM_STOPPED = "System Stopped"
"""The reason for the end of a call that was going on when the process was killed."""

_make_record, _make_participation = maker(CallRecord), maker(Participation)

_CALLER, _CALLEE = Role

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
        return self.role is _CALLEE and self.answered_at is None


@dataclass(slots=True, eq=False)
class _Draft:
    """A call that is not over."""

    started: CallStarted
    parties: dict[Key, _Party]
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
        self.takes: dict[type[Happening], Callable[[Any], None]] = {
            CallStarted: self._begin,
            CallRouted: self._folds(_routed),
            CallRang: self._folds(_rang),
            CallWentOut: self._folds(_went_out),
            CallAnswered: self._folds(_answered),
            CallBlocked: self._folds(_blocked),
            CallConnected: self._folds(_connected),
            CallTransferred: self._folds(_transferred),
            QueueCallWithdrawn: self._folds(_withdrawn),
            CallEnded: self._end,
        }
        """What takes each kind that it wants to be told: to ask for everything would have all be found out that nobody
        else asks for. What is of a call whose start was not told is left alone."""

    def take(self, happening: Happening) -> None:
        """Whatever happened."""
        take = self.takes.get(type(happening))
        if take is not None:
            take(happening)

    def _begin(self, started: CallStarted) -> None:
        caller = _Party(started.caller, _CALLER, started.at, started.trunk)
        self._drafts[started.call] = _Draft(started, {(started.caller, started.trunk): caller})
        self.changed.add(started.call)

    def _folds(self, fold: Callable[[_Draft, Any], None]) -> Callable[[Any], None]:
        drafts, changed = self._drafts, self.changed

        def take(happening: Any) -> None:
            call = happening.call
            draft = drafts.get(call)
            if draft is not None:
                changed.add(call)
                fold(draft, happening)

        return take

    def _end(self, ended: CallEnded) -> None:
        draft = self._drafts.pop(ended.call, None)
        if draft is not None:
            self.changed.discard(ended.call)
            self._finished(_record(draft, ended))

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
    party = _enter(draft, key, _CALLEE, at)
    if party is not None and party.was_called_in_vain:
        draft.pending.add(key)
    return party


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
    party = _enter(draft, key, _CALLEE, blocked.at)
    if party is not None:
        party.blocked = True
        draft.pending.discard(key)


def _answered(draft: _Draft, answered: CallAnswered) -> None:
    draft.answered = answered


def _connected(draft: _Draft, connected: CallConnected) -> None:
    """Somebody has the call: who was sought besides has not missed it. Who has it back has taken it from nobody."""
    key = connected.to, connected.trunk
    party = _enter(draft, key, _CALLEE, connected.at)
    if party is None or _has_it_back(draft, party):
        return
    if party.role is _CALLEE:
        party.answered_at, party.taken_by = connected.at, ""
        draft.pending.discard(key)
    for other in draft.pending:
        draft.parties[other].taken_by = connected.to
    draft.pending.clear()


def _has_it_back(draft: _Draft, party: _Party) -> bool:
    """Whether somebody talks again who has talked already, since a transfer has failed. A caller has not if nobody has:
    the call was sent on to another phone of his own."""
    if party.role is _CALLEE:
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
    parties = [
        _make_participation(
            party.number,
            party.role,
            party.at,
            party.trunk,
            party.rang,
            party.answered_at,
            party.taken_by,
            party.blocked,
            party.addressed,
        )
        for party in draft.parties.values()
    ]
    return _make_record(
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
        parties=tuple(parties),
        hand_overs=tuple(draft.hand_overs),
        reasons=tuple(draft.reasons),
    )
