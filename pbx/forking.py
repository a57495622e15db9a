"""Forking: every phone of an extension rings, the first to answer gets the call (RFC 3261 section 16.7)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import inf

from media.alarms import Alarm, Alarms
from pbx.leg import Leg
from pbx.redirection import redirection
from pbx.routing import Outcome, Redirected
from sipcore.syntax.message import Response

logger = logging.getLogger(__name__)

_OUTCOMES = {
    486: Outcome.BUSY,
    600: Outcome.BUSY,
    603: Outcome.DECLINED,
    415: Outcome.NOT_ACCEPTABLE,
    488: Outcome.NOT_ACCEPTABLE,
    606: Outcome.NOT_ACCEPTABLE,
}
"""What a final response of a phone says about its user; all others mean that the phone was not reached."""

_SPEAKS_FOR_ALL = {600: 'SIP;cause=600;text="Busy Everywhere"', 603: 'SIP;cause=603;text="Decline"'}
"""Responses after which the user's other phones need not ring on (RFC 3261 section 21.6), and what these are told."""

_NOT_REACHED = Outcome.NOT_REACHED
_WEIGHT = (_NOT_REACHED, Outcome.NOT_ACCEPTABLE, Outcome.BUSY, Outcome.DECLINED)
"""Of several refusals the caller learns the one that stands last here."""


Result = Leg | Outcome | Redirected
"""The phone that answered, or why none did."""

SILENT_SECONDS = 8.0
"""So long it is waited for phones that say nothing at all, not even 100 as others do at once. Over UDP each has been
sent its INVITE five times by then (after 0, 0.5, 1.5, 3.5 and 7.5 s, RFC 3261 section 17.1.1.2): packets are not lost
so often, the phone is gone, and the caller may leave a message. The transaction itself would take 32 s to give up."""

Follows = Callable[[Outcome], bool]
"""Whether something else than the end follows an outcome."""


def nothing_follows(outcome: Outcome) -> bool:
    """It rings as long as it may."""
    return False


SENT_ON = 'SIP;cause=302;text="Call sent elsewhere"'
"""What the user's other phones are told when one of them sends the call on."""
ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"'
"""What keeps the other phones from showing a missed call (RFC 3326)."""


class Fork:
    """Rings legs together and decides the race synchronously, at the first 2xx that is processed."""

    __slots__ = (
        "_alarm",
        "_alarms",
        "_errand",
        "_follows",
        "_left",
        "_on_result",
        "_refusal",
        "_result",
        "_ringing",
        "_waiter",
        "leg_progressed",
    )

    def __init__(
        self,
        alarms: Alarms,
        on_progress: Callable[[Leg, Response], None],
        on_result: Callable[[Result], None] | None = None,
    ) -> None:
        """`on_progress` is told every provisional response of every leg, `on_result` the result, where nobody awaits
        it, in the stretch that decides it."""
        self.leg_progressed = on_progress
        """Told when a phone rings (`pbx.leg.Watcher`)."""
        self._alarms = alarms
        self._on_result = on_result
        self._ringing: dict[Leg, None] = {}
        self._errand: asyncio.Task[None] | None = None
        """Calls somebody in another way."""
        self._refusal = _NOT_REACHED
        self._result: Result | None = None
        """None until it is decided."""
        self._waiter: asyncio.Future[None] | None = None
        """Of who awaits it."""
        self._alarm: Alarm | None = None
        """When it has rung long enough, or at first for phones that say nothing."""
        self._left: tuple[float, Follows]
        """How long it may ring once phones have had time to react, and what counts then."""
        self._follows: Follows | None = None
        """None until then."""

    def add(self, leg: Leg) -> None:
        """One more phone that rings; to be called before the leg can tell anything."""
        self._ringing[leg] = None

    def send(self, errand: asyncio.Task[None]) -> None:
        """Somebody is called in another way, who is put in by `take`, or given up by `fail`; at a stop, the errand is
        cancelled."""
        self._errand = errand

    def fail(self, outcome: Outcome) -> None:
        """What was sent for comes to this."""
        self._errand = None
        self._decide(outcome)

    def limit(self, seconds: float = inf, follows: Follows = nothing_follows) -> None:
        """It rings for so long at most; where nothing rings, it is decided now. Where something `follows`, phones that
        say nothing are not waited for so long."""
        if self._result is not None:  # by one of the first, before the last was called
            self.stop()
        elif not self._ringing and self._errand is None:
            self._decide(self._refusal)
        elif seconds <= SILENT_SECONDS:
            self._alarm = self._alarms.set(seconds, self._end)
        else:
            self._left = seconds - SILENT_SECONDS, follows
            self._alarm = self._alarms.rows[SILENT_SECONDS].set(self._lose_patience)

    async def result(self, seconds: float, follows: Follows = nothing_follows) -> Result:
        """The phone that answered, or why none did within `seconds`; `follows`: see `limit`."""
        self.limit(seconds, follows)
        try:
            if self._result is None:
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            assert self._result is not None, "that is what was waited for"
            return self._result
        except asyncio.CancelledError:
            if self._result is None:
                self._result = Outcome.NO_ANSWER  # whoever comes now comes too late
            self._turn_away(self._result)
            raise
        finally:
            self.stop()

    @property
    def numbers(self) -> tuple[str, ...]:
        """Where it rings."""
        return tuple(dict.fromkeys(leg.party.number for leg in self._ringing if leg.party is not None))

    @property
    def rings(self) -> bool:
        """Whether anybody is being called."""
        return bool(self._ringing) or self._errand is not None

    @property
    def decided(self) -> bool:
        """Whether a phone has answered, or none will."""
        return self._result is not None

    def take(self, leg: Leg) -> bool:
        """Let a leg answer that is none of those that ring (a pick-up); False if it is decided already."""
        if self._result is not None:
            return False
        leg.watcher, self._errand = self, None
        self._decide(leg, ELSEWHERE)
        return True

    def decline(self, number: str = "") -> bool:
        """The user wants it to ring no more; False if it is decided already. All phones ring for one extension: who
        declines at `number` does so for all."""
        if self._result is not None:
            return False
        self._decide(Outcome.DECLINED)
        return True

    def only(self, leg: Leg) -> bool:
        """Whether `leg` is the only phone that rings."""
        return self._ringing == {leg: None}

    def stop(self, reason: str | None = None) -> None:
        """CANCEL every phone that still rings; `reason` (RFC 3326) tells them why."""
        if self._alarm is not None:
            self._alarms.cancel(self._alarm)
            self._alarm = None
        ringing, self._ringing = self._ringing, {}
        for leg in ringing:
            try:
                leg.hang_up(reason)
            except Exception:  # of one phone: the others are not left ringing for it
                logger.exception("a phone that rang was not hung up")
        errand, self._errand = self._errand, None
        if errand is not None:
            errand.cancel()

    def _decide(self, result: Result, reason: str | None = None) -> None:
        decides = self._result is None
        if decides:
            self._result = result
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(None)
        self.stop(reason)
        if decides and self._on_result is not None:
            self._on_result(result)

    def _end(self) -> None:
        """It has rung long enough."""
        self._decide(Outcome.NO_ANSWER)

    def _lose_patience(self) -> None:
        """From now on phones that have said nothing are not waited for where something follows; those that ring may go
        on for what is left."""
        seconds, self._follows = self._left
        if self._ringing and self._is_dead:
            self._decide(self._refusal)
        else:
            self._alarm = self._alarms.set(seconds, self._end) if seconds < inf else None

    @property
    def _is_dead(self) -> bool:
        """Whether nothing is to be hoped for: no phone is left, or only such as have said nothing in time."""
        if not self._ringing:
            return True
        follows = self._follows
        return follows is not None and all(leg.silent for leg in self._ringing) and follows(self._refusal)

    def _turn_away(self, result: Result) -> None:
        """Whoever waited was cancelled between the answer and its turn: hang up, nobody else knows of the leg."""
        if not isinstance(result, Outcome | Redirected):
            result.hang_up()

    # -- Watcher --------------------------------------------------------------------------------------

    def leg_accepted(self, leg: Leg) -> None:
        """The first to come here wins; any other is hung up."""
        ringing = self._ringing
        ringing.pop(leg, None)
        if self._result is not None:
            leg.hang_up(ELSEWHERE)
        elif ringing or self._errand is not None or self._on_result is None:
            self._decide(leg, ELSEWHERE)
        else:  # as nearly always: it was the only one
            self._result = leg
            if self._alarm is not None:
                self._alarms.cancel(self._alarm)
                self._alarm = None
            self._on_result(leg)

    def leg_ended(self, leg: Leg, status: int) -> None:
        """A phone refused, or is gone."""
        self._ringing.pop(leg, None)
        redirected = None if leg.refusal is None else redirection(leg.refusal)
        if redirected is not None:  # the user has decided for all phones, as with a 603
            self._decide(redirected, SENT_ON)
            return
        outcome = _OUTCOMES.get(status, Outcome.NOT_REACHED)
        self._refusal = max(self._refusal, outcome, key=_WEIGHT.index)
        if status in _SPEAKS_FOR_ALL or self._is_dead:
            self._decide(self._refusal, _SPEAKS_FOR_ALL.get(status))
