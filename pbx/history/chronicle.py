"""Makes records of calls out of what is told of them: a pure fold over happenings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from functools import partial
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
    call_ended,
)
from pbx.history.record import CallRecord, HandOver, Participation, Role
from values import dataclass, maker

MAX_PARTIES = 200
MAX_STEPS = 100
"""A call that is sent round for hours does not grow for ever: reasons and hand-overs beyond are not kept."""
SYSTEM_STOPPED = "System Stopped"
"""The reason for the end of a call that was going on when the process was killed."""

_make_record = maker(CallRecord)
_values = attrgetter(*[field.name for field in fields(Participation)])

_CALLER, _CALLEE = Role

Key = tuple[str, str]
"""Number and trunk: whoever calls from outside may say that he has the number of an extension."""


@dataclass(slots=True, eq=False)
class _Draft:
    """A call that is not over."""

    started: CallStarted
    parties: dict[Key, Participation]
    pending: tuple[Key, ...] = ()
    """Who is being sought, until somebody answers."""
    answered: CallAnswered | None = None
    hand_overs: tuple[HandOver, ...] = ()
    reasons: tuple[str, ...] = ()
    changed: bool = True
    """Whether something was told of it since `Chronicle.changed`."""


class Chronicle:
    """The calls that are going on. Give `take` what happens, in order."""

    def __init__(self, finished: Callable[[Callable[[], CallRecord]], None]) -> None:
        """`finished` gets, once for each call that has ended, what makes its record, then or later."""
        self._finished = finished
        self._drafts: dict[str, _Draft] = {}
        self.takes: dict[type[Happening], Callable[[Any], None]] = {
            CallStarted: self._begin,
            CallRouted: self._routed,
            CallRang: self._rang,
            CallWentOut: self._went_out,
            CallAnswered: self._answered,
            CallBlocked: self._blocked,
            CallConnected: self._connected,
            CallTransferred: self._transferred,
            QueueCallWithdrawn: self._withdrawn,
            CallEnded: self._end,
        }
        """What takes each kind that it wants to be told: to ask for everything would have all be found out that nobody
        else asks for. What is of a call whose start was not told is left alone."""

    def take(self, happening: Happening) -> None:
        """Whatever happened."""
        take = self.takes.get(type(happening))
        if take is not None:
            take(happening)

    def going_on(self, at: datetime) -> list[CallRecord]:
        """What the records of the calls will be if the system stops `at` this moment."""
        return [_so_far(draft, at) for draft in self._drafts.values()]

    def changed(self, at: datetime) -> list[CallRecord]:
        """The same of those alone of which something was told since this was asked before."""
        changed = [draft for draft in self._drafts.values() if draft.changed]
        for draft in changed:
            draft.changed = False
        return [_so_far(draft, at) for draft in changed]

    def __len__(self) -> int:
        return len(self._drafts)

    # -- what happens to a call, each in one function: eight of them are told of every call -------------------

    def _begin(self, started: CallStarted) -> None:
        caller = Participation(started.caller, _CALLER, started.at, started.trunk)
        self._drafts[started.call] = _Draft(started, {(started.caller, started.trunk): caller})

    def _routed(self, routed: CallRouted) -> None:
        if draft := self._drafts.get(routed.call):
            draft.changed = True
            draft.reasons = (draft.reasons + routed.reasons)[:MAX_STEPS]
            for number in routed.sought:
                if party := _seek(draft, (number, ""), routed.at):
                    party.addressed = True

    def _rang(self, rang: CallRang) -> None:
        if draft := self._drafts.get(rang.call):
            draft.changed = True
            if party := _seek(draft, (rang.extension, rang.trunk), rang.at):
                party.rang = True

    def _went_out(self, went: CallWentOut) -> None:
        if draft := self._drafts.get(went.call):
            draft.changed = True
            if party := _seek(draft, (went.number, went.trunk), went.at):
                party.addressed = True

    def _blocked(self, blocked: CallBlocked) -> None:
        if draft := self._drafts.get(blocked.call):
            draft.changed = True
            key = blocked.extension, ""
            if party := draft.parties.get(key) or _enter(draft, key, blocked.at):
                party.blocked = True
                _seek_no_more(draft, key)

    def _answered(self, answered: CallAnswered) -> None:
        if draft := self._drafts.get(answered.call):
            draft.changed = True
            draft.answered = answered

    def _connected(self, connected: CallConnected) -> None:
        """Somebody has the call: who was sought besides has not missed it. Who has it back has taken it from nobody: he
        talked before a transfer, which has failed. A caller did if anybody answered; else the call was sent on to
        another phone of his own."""
        draft = self._drafts.get(connected.call)
        if draft is None:
            return
        draft.changed = True
        key = connected.to, connected.trunk
        party = draft.parties.get(key) or _enter(draft, key, connected.at)
        if party is None:
            return
        if party.role is _CALLEE:
            if party.answered_at is not None:
                return
            party.answered_at, party.taken_by = connected.at, ""
        elif any(each.answered_at is not None for each in draft.parties.values()):
            return
        for other in draft.pending:
            if other != key:
                draft.parties[other].taken_by = connected.to
        draft.pending = ()

    def _withdrawn(self, withdrawn: QueueCallWithdrawn) -> None:
        """The agent's phone has rung for nothing: the call is not among those of the agent."""
        if draft := self._drafts.get(withdrawn.call):
            draft.changed = True
            key = withdrawn.agent, ""
            party = draft.parties.get(key)
            if party is not None and party.answered_at is None and party.role is _CALLEE and not party.addressed:
                del draft.parties[key]
                _seek_no_more(draft, key)

    def _transferred(self, transferred: CallTransferred) -> None:
        if draft := self._drafts.get(transferred.call):
            draft.changed = True
            handed = HandOver(transferred.at, transferred.by, transferred.party, transferred.to)
            draft.hand_overs = (*draft.hand_overs, handed)[:MAX_STEPS]

    def _end(self, ended: CallEnded) -> None:
        draft = self._drafts.pop(ended.call, None)
        if draft is not None:
            self._finished(partial(_whole, draft, ended))


def _enter(draft: _Draft, key: Key, at: datetime) -> Participation | None:
    """Somebody who is called, and is not in the call yet; None where too many are."""
    if len(draft.parties) >= MAX_PARTIES:
        return None
    number, trunk = key
    party = draft.parties[key] = Participation(number, _CALLEE, at, trunk)
    return party


def _seek(draft: _Draft, key: Key, at: datetime) -> Participation | None:
    """Whoever is called, entered now if it is new; None where too many are in the call."""
    party = draft.parties.get(key) or _enter(draft, key, at)
    if party is not None and party.answered_at is None and party.role is _CALLEE and key not in draft.pending:
        draft.pending += (key,)
    return party


def _seek_no_more(draft: _Draft, key: Key) -> None:
    draft.pending = tuple([other for other in draft.pending if other != key])


def _stopped(draft: _Draft, at: datetime) -> CallEnded:
    """The end of a call that the end of the system has cut short."""
    started, answered = draft.started, draft.answered
    return call_ended(
        at=at,
        call=started.call,
        reason=SYSTEM_STOPPED,
        status=200 if answered else 503,
        seconds=(at - started.at).total_seconds(),
        talk_seconds=(at - answered.at).total_seconds() if answered else 0.0,
        internal=started.internal and not any(trunk for _, trunk in draft.parties),
    )


def _whole(draft: _Draft, ended: CallEnded) -> CallRecord:
    return _record(draft, ended, tuple(draft.parties.values()))


def _so_far(draft: _Draft, at: datetime) -> CallRecord:
    """What its record would be if the system stopped now. What else is told of its parties does not change it."""
    parties = tuple([Participation(*_values(party)) for party in draft.parties.values()])
    return _record(draft, _stopped(draft, at), parties)


def _record(draft: _Draft, ended: CallEnded, parties: tuple[Participation, ...]) -> CallRecord:
    started, answered = draft.started, draft.answered
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
        parties=parties,
        hand_overs=draft.hand_overs,
        reasons=draft.reasons,
    )
