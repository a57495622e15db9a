"""Carries out what the machine of the queues says: rings agents for callers, and lets both talk.

Everything that is decided is decided and done in one stretch. Callers hear music and announcements in coroutines of
their own, which nobody waits for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

from media.prompts.tokens import Language
from pbx import destinations
from pbx.announcing import refuse_aloud
from pbx.forking import ELSEWHERE, Result
from pbx.group_fork import GroupFork
from pbx.happenings import (
    CallLeftQueue,
    CallQueued,
    PresenceChanged,
    QueueCallWithdrawn,
    QueueLeft,
    QueueLogin,
    TablesChanged,
)
from pbx.leg import Leg
from pbx.presence import LineState, UserStatus
from pbx.queues.board import QueueRow, rows
from pbx.queues.machine import (
    AcceptError,
    Announce,
    Connect,
    Effect,
    Left,
    LoggedIn,
    Offer,
    Place,
    QueueMachine,
    SendOn,
    Unacceptable,
    Why,
    Withdraw,
)
from pbx.queues.settings import Hearing, Queue
from pbx.queues.words import QUEUE_NOBODY_FREE, words
from pbx.refused import Refused
from pbx.ringing import call_phones
from pbx.store import statuses
from pbx.transfer import WrongState
from values import dataclass

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pbx.call import Call
    from pbx.switch import Switch

_REASONS = dict.fromkeys((Why.ELSEWHERE, Why.LOGGED_OUT), ELSEWHERE)
"""What phones are told that ring no more, where nobody has missed a call."""

Told = CallQueued | CallLeftQueue | QueueCallWithdrawn | QueueLogin


@dataclass(eq=False, slots=True)
class _Waiting:
    """A call that waits."""

    call: Call
    queue: Queue
    fork: GroupFork
    told: asyncio.Queue[Announce | SendOn] = field(default_factory=asyncio.Queue)
    answered: Leg | None = None
    """The phone that has won."""
    place: Place | None = None
    """Where it stood before that."""


class Queues:
    """The queues of one switch."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._settings = {queue.number: queue for queue in switch.config.queues}
        self._machine = QueueMachine(self._settings.values())
        self._waiting: dict[str, _Waiting] = {}
        """By the IDs of calls."""
        self._to_do: deque[Effect] = deque()
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._logging_in = asyncio.Lock()
        """What is kept and what is in force change together."""

    # -- life ----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Log those in who were when the system stopped; to be called by the feature that serves the queues."""
        self._watch()
        self._switch.happenings.subscribe(TablesChanged, lambda _: self.configure(self._switch.config.queues))
        for number, agent in await self._switch.store.fetch(statuses.every_login):
            self._do(self._machine.log_in(agent, self._now, number), quietly=True)

    def configure(self, queues: Iterable[Queue]) -> None:
        """Have these queues from now on."""
        self._settings = {queue.number: queue for queue in queues}
        effects = self._machine.configure(self._settings.values(), self._now)
        for effect in effects:
            if isinstance(effect, LoggedIn):
                self._switch.store.note(partial(statuses.log_out, effect.queue, effect.agent))
        self._do(effects)
        self._watch()

    async def follow(self) -> None:
        """Log in and out whom another process has, in the store. Raises StoreUnavailable."""
        async with self._logging_in:
            kept = {(agent, queue) for queue, agent in await self._switch.store.fetch(statuses.every_login)}
            here = {(agent, queue) for agent in self._agents() for queue in self._machine.logged_in(agent)}
            for agent, queue in sorted(kept - here):
                self._do(self._machine.log_in(agent, self._now, queue))
            for agent, queue in sorted(here - kept):
                self._do(self._machine.log_out(agent, self._now, queue))

    def _watch(self) -> None:
        """See what agents do, now and whenever that changes."""
        if self._settings and self._unsubscribe is None:
            self._unsubscribe = self._switch.happenings.subscribe(PresenceChanged, self._on_presence)
        for queue in self._settings.values():
            self._look_at_all(queue)

    def stop(self) -> None:
        """Do nothing any more."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __len__(self) -> int:
        """How many callers wait."""
        return len(self._machine)

    # -- callers -------------------------------------------------------------------------------------

    async def wait(self, call: Call, queue: str, place: Place | None = None) -> None:
        """Let the party that a call serves wait for an agent, as a step of the call. Raises Refused."""
        settings = self._settings.get(queue)
        if settings is None:
            raise Refused(404, "Not Found")
        sent_on = await self._stay(call, settings, place)
        if settings.overflow:
            await call.lead_to(destinations.parse(settings.overflow))
            return
        full = sent_on.why is Left.FULL
        refusal = (486, "Busy Here") if full else (480, "Temporarily Unavailable")
        await refuse_aloud(call, *refusal, QUEUE_NOBODY_FREE)

    async def _stay(self, call: Call, queue: Queue, place: Place | None) -> SendOn:
        """Wait; return when nobody is to be waited for any more."""
        fork = GroupFork(
            call.switch.alarms,
            call.rang,
            lambda number, result: self._on_result(waiting, number, result),
            lambda outcome: True,  # another agent, or the same one later
        )
        waiting = self._waiting[call.id] = _Waiting(call, queue, fork)
        call.use_fork(fork)
        number, name = call.caller.number, call.caller.full_name
        self._tell(CallQueued, call=call.id, queue=queue.number, caller=number, caller_name=name)
        self._look_at_all(queue)
        try:
            self._do(self._machine.join(call.id, queue.number, self._now, place))
            return await self._entertain(waiting)
        finally:
            del self._waiting[call.id]
            self._give_up(waiting, QueueLeft.ABANDONED if call.ending else QueueLeft.DIVERTED)

    async def _entertain(self, waiting: _Waiting) -> SendOn:
        """Music and announcements, or ringing, until the caller is to go on."""
        call, queue, told = waiting.call, waiting.queue, waiting.told
        if queue.hears is Hearing.RINGING:
            call.ring()
        elif told.empty():  # else it is full: whoever cannot wait is not answered for that
            greeting = (queue.greeting,) if queue.greeting else ()
            await (await call.answer()).music(*greeting, folder=queue.music)
        while isinstance(next_told := await told.get(), Announce):
            voice = await call.answer()  # another party may have come in the place of the one before
            said = words(next_told, Language(voice.language), with_wait=queue.announce_wait)
            await voice.music(*said, folder=queue.music)
        return next_told

    # -- agents --------------------------------------------------------------------------------------

    async def log_in(self, agent: str, queue: str | None = None) -> tuple[str, ...]:
        """Log an extension in to one of its queues, or all of them; those that it is logged in to of them then.

        It is kept when this returns. Raises StoreUnavailable.
        """
        queues = self._of(agent, queue)
        async with self._logging_in:
            await self._switch.store.write(partial(_keep, queues, agent, True))
            for each in queues:
                self._do(self._machine.log_in(agent, self._now, each))
        return queues

    async def log_out(self, agent: str, queue: str | None = None) -> tuple[str, ...]:
        """The other way round. The agent's phone stops ringing for them; a call that it has goes on."""
        queues = self._of(agent, queue)
        async with self._logging_in:
            await self._switch.store.write(partial(_keep, queues, agent, False))
            for each in queues:
                self._do(self._machine.log_out(agent, self._now, each))
        return queues

    def board(self, member: str | None = None) -> tuple[QueueRow, ...]:
        """All queues as lists show them, or those that `member` is an agent of."""
        return rows(self, self._switch, member)

    @property
    def machine(self) -> QueueMachine:
        """For those who only look."""
        return self._machine

    @property
    def settings(self) -> Mapping[str, Queue]:
        """The queues by their numbers."""
        return self._settings

    def call(self, waiting: str) -> Call | None:
        """The call of a caller who waits; None for one who has hung up."""
        found = self._waiting.get(waiting)
        return None if found is None or found.call.ending else found.call

    def logged_in(self, agent: str) -> tuple[str, ...]:
        """The queues that an extension is logged in to."""
        return self._machine.logged_in(agent)

    def queues_of(self, agent: str) -> tuple[str, ...]:
        """Those that it is an agent of."""
        return self._machine.queues_of(agent)

    def accept(self, call: str, agent: str) -> None:
        """Let an agent have a waiting call, by its ID: the agent's phones ring for it, and nobody else's.

        Raises Refused (403) for who is no agent of that queue, or not logged in; WrongState where somebody was faster
        or the agent is on the phone.
        """
        legs = self._switch.legs_of(agent)
        if any(leg.engaged or leg.call_id not in self._waiting for leg in legs):
            raise WrongState("on the phone already")
        if not self._switch.registered(agent):
            raise WrongState("there is no phone that could ring")
        try:
            effects = self._machine.accept(call, agent, self._now)
        except AcceptError as error:
            if error.reason is Unacceptable.NOT_AN_AGENT:
                raise Refused(403, "Not An Agent Of That Queue Who Is Logged In") from None
            raise WrongState(str(error)) from None
        self._do(effects)

    def _of(self, agent: str, queue: str | None) -> tuple[str, ...]:
        return tuple(each for each in self._machine.queues_of(agent) if queue in (None, each))

    def _on_presence(self, changed: PresenceChanged) -> None:
        self._look_at(changed.extension)

    def _agents(self) -> set[str]:
        return {agent.extension for queue in self._settings.values() for agent in queue.agents}

    def _look_at_all(self, queue: Queue) -> None:
        for agent in queue.agents:
            self._look_at(agent.extension)

    def _look_at(self, agent: str) -> None:
        """See whether an agent could take a call: away counts as busy, and so does any call."""
        state = self._switch.presence.of(agent)
        free = state.status is UserStatus.AVAILABLE and state.line is LineState.IDLE
        self._do(self._machine.set_free(agent, free, self._now))

    # -- what is to be done ----------------------------------------------------------------------------

    def _do(self, effects: Iterable[Effect], *, quietly: bool = False) -> None:
        """Do it, with all that comes of it, one after another. `quietly`: it was told and kept long ago."""
        self._to_do.extend(effect for effect in effects if not (quietly and isinstance(effect, LoggedIn)))
        if self._busy:
            return
        self._busy = True
        try:
            while self._to_do:
                self._perform(self._to_do.popleft())
        finally:
            self._busy = False
            self._arm()

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Offer():
                self._ring(effect)
            case Withdraw(caller, agent, why):
                self._withdraw(caller, agent, _REASONS.get(why))
            case Connect():
                self._connect(effect)
            case Announce(caller) | SendOn(caller):
                if isinstance(effect, SendOn):
                    self._left(caller, effect.queue, QueueLeft(effect.why.value), effect.waited)
                self._waiting[caller].told.put_nowait(effect)
            case LoggedIn(agent, queue, on):
                self._tell(QueueLogin, queue=queue, extension=agent, logged_in=on)

    def _withdraw(self, caller: str, agent: str, reason: str | None) -> None:
        waiting = self._waiting.get(caller)
        if waiting is None:
            return
        waiting.fork.withdraw(agent, reason)
        if reason is not None and self._machine.place(caller) is not None:
            self._tell(QueueCallWithdrawn, call=caller, queue=waiting.queue.number, agent=agent)

    def _ring(self, offer: Offer) -> None:
        """Ring an agent, who may not be what the machine knows: what has just changed is told a moment later."""
        switch, waiting = self._switch, self._waiting[offer.caller]
        extension = switch.directory.find(offer.agent)
        if waiting.call.ending:  # it is over, though its step is not
            self._give_up(waiting, QueueLeft.ABANDONED)
            return
        away = switch.presence.of(offer.agent).status is UserStatus.AWAY and not offer.accepted
        if extension is None or away or switch.calls_of(offer.agent):
            self._do(self._machine.failed(offer.caller, offer.agent, self._now))
            return
        prefix = waiting.queue.caller_prefix
        waiting.fork.ring(offer.agent, partial(call_phones, waiting.call, extension, prefix=prefix))

    def _on_result(self, waiting: _Waiting, number: str, result: Result) -> None:
        """An agent, or somebody who picks up, has answered; or an agent has not."""
        call = waiting.call
        if not isinstance(result, Leg):
            self._do(self._machine.failed(call.id, number, self._now))
            return
        place = self._machine.place(call.id)
        if call.ending or place is None:
            result.hang_up(ELSEWHERE)
            return
        waiting.answered, waiting.place = result, place
        self._do(self._machine.answered(call.id, number, self._now))

    def _connect(self, connect: Connect) -> None:
        waiting = self._waiting[connect.caller]
        leg, call, agent = waiting.answered, waiting.call, connect.agent
        assert leg is not None, "somebody has answered"
        self._left(call.id, connect.queue, QueueLeft.ANSWERED, connect.waited, agent)
        leg.ended.add_done_callback(lambda _: self._do(self._machine.done(agent, self._now)))
        call.join(leg, partial(self.wait, call, connect.queue, waiting.place))

    def _give_up(self, waiting: _Waiting, reason: QueueLeft) -> None:
        """Strike out a caller who waits no more, unless that is done."""
        call, place = waiting.call.id, self._machine.place(waiting.call.id)
        if place is not None:
            self._left(call, waiting.queue.number, reason, self._now - place.joined)
            self._do(self._machine.leave(call, self._now))

    def _left(self, call: str, queue: str, reason: QueueLeft, waited: float, agent: str = "") -> None:
        self._tell(CallLeftQueue, call=call, queue=queue, reason=reason, waited_seconds=waited, agent=agent)

    def _tell(self, kind: type[Told], **facts: object) -> None:
        self._switch.happenings.tell(kind(at=self._switch.environment.wall(), **facts))  # type: ignore[arg-type]

    # -- time ----------------------------------------------------------------------------------------

    @property
    def _now(self) -> float:
        return self._switch.loop.time()

    def _arm(self) -> None:
        due = self._machine.next_deadline()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if due is None else self._switch.loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._do(self._machine.tick(self._now))


def _keep(queues: Iterable[str], agent: str, logged_in: bool, connection: Connection) -> None:
    """Enter in the store what an agent has done."""
    for queue in queues:
        (statuses.log_in if logged_in else statuses.log_out)(queue, agent, connection)
