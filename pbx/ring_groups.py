"""Ring groups: several extensions are called under one number, all at once or one after another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from pbx import destinations
from pbx.branches import route_of
from pbx.directory import BusyDetection, Extension
from pbx.forking import ELSEWHERE, Fork, Result
from pbx.group_fork import GroupFork
from pbx.leg import Leg
from pbx.reception_settings import RingGroup, RingStrategy
from pbx.refused import Refused
from pbx.ringing import call_phones
from pbx.routing import Outcome, Redirected, Refuse, Ring

if TYPE_CHECKING:
    from pbx.call import Call


async def ring(call: Call, group: RingGroup) -> None:
    """Ring the members for the party that a call serves, as a step of the call. Raises Refused where nobody answers.

    Nobody's forwards are followed, and what one member declines the others may still take. A phone that sends the call
    on to another extension (302) has that one ring in its place.
    """
    outcomes = await _Round(call, group).outcomes()
    if group.otherwise:
        await call.lead_to(destinations.parse(group.otherwise))
        return
    busy = bool(outcomes) and outcomes <= {Outcome.BUSY}
    raise Refused(*((486, "Busy Here") if busy else (480, "Temporarily Unavailable")))


class _Round:
    """One call of a group."""

    def __init__(self, call: Call, group: RingGroup) -> None:
        self._call = call
        self._group = group
        self._fork = GroupFork(call.switch.alarms, self._on_rang, self._on_result, self._follows)
        self._last = False
        """Whether nobody else is rung after those who ring."""
        self._outcomes: set[Outcome] = set()
        self._sent_on: set[str] = set()
        """Whose phones have sent the call on, and where: it does not come back there."""
        self._failed = asyncio.Event()
        """Set whenever a member has not taken the call."""

    async def outcomes(self) -> set[Outcome]:
        """Ring; return why nobody has answered. Whoever answers gets the call, and this is given up."""
        self._call.use_fork(self._fork)
        members = list(self._free())
        together = (
            [members] if self._group.strategy is RingStrategy.RING_ALL else [[each] for each in members]
        )
        try:
            for several in together:
                self._last = several is together[-1]
                await self._ring(several)
        finally:
            self._fork.stop()
        return self._outcomes

    async def _ring(self, members: list[Extension]) -> None:
        for member in members:
            self._fork.ring(member.number, self._phones_of(member))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._group.ring_seconds):
                while self._fork.numbers:
                    self._failed.clear()
                    await self._failed.wait()
        if self._fork.numbers:
            self._outcomes.add(Outcome.NO_ANSWER)
            self._fork.stop()

    def _phones_of(self, member: Extension) -> Callable[[Fork], None]:
        return partial(call_phones, self._call, member, prefix=self._group.caller_prefix)

    def _free(self) -> Iterator[Extension]:
        """The members whose phones can ring now; of the others, why not."""
        switch = self._call.switch
        for number in self._group.members:
            extension = switch.directory.find(number)
            if extension is None or extension == self._call.caller_leg.extension:
                continue
            by_pbx = extension.busy_detection is BusyDetection.PBX
            if not switch.registered(number):
                self._outcomes.add(Outcome.NOT_REACHED)
            elif switch.presence.away(number) or (by_pbx and switch.calls_of(number)):
                self._outcomes.add(Outcome.BUSY)
            else:
                yield extension

    def _follows(self, outcome: Outcome) -> bool:
        """Whether the call goes on once nobody is left who rings."""
        call, otherwise = self._call, self._group.otherwise
        if not self._last or not otherwise:
            return not self._last
        route = call.switch.router.lead_to(
            destinations.parse(otherwise), call.trail, caller=call.caller, dids=call.dids
        )
        return not isinstance(route.action, Refuse)

    def _on_rang(self, leg: Leg) -> None:
        self._call.rang(leg)
        self._call.ring()

    def _on_result(self, number: str, result: Result) -> None:
        if isinstance(result, Redirected):
            self._outcomes.add(Outcome.NOT_REACHED)
            self._send_on(number, result)
            self._failed.set()
        elif not isinstance(result, Leg):
            self._outcomes.add(result)
            self._failed.set()
        elif self._call.ending:
            result.hang_up(ELSEWHERE)
        else:
            self._call.join(result, partial(ring, self._call, self._group))

    def _send_on(self, number: str, redirected: Redirected) -> None:
        """Ring the first extension that can ring among those that the phone of a member names."""
        call = self._call
        if call.ending or not call.switch.router.follow_redirects:
            return
        self._sent_on.add(number)
        for target in redirected.targets:
            action = route_of(call, number, target).action
            if not isinstance(action, Ring) or action.extension == call.caller_leg.extension:
                continue
            to = action.extension
            if to.number not in self._sent_on and to.number not in self._fork.numbers:
                self._sent_on.add(to.number)
                self._fork.ring(to.number, self._phones_of(to), action.seconds)
                return
