"""A leg moves to another media worker: its peer is told another port of ours by re-INVITE (RFC 3261 section 14).

Until the peer has agreed, its sound stays where it is; where it refuses, for good. `media.service` has the stream go on
in the other worker with what it was doing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from media.service import PortsExhausted

if TYPE_CHECKING:
    from pbx.leg import Leg

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.05
"""How often it is looked whether a change can be made, while an ACK or another change is waited for."""
MOST_SECONDS = 32.0
"""64*T1: no answer in so long is none."""

Done = Callable[[bool], None]


class Relocation:
    """One leg on its way to one worker."""

    def __init__(self, leg: Leg, worker: int, done: Done) -> None:
        """`done` is told once whether the leg is there; nothing is told of one that ends before. See `start`."""
        self._leg = leg
        self._worker = worker
        self._done = done
        self._loop = leg.station.loop
        self._give_up_at = self._loop.time() + MOST_SECONDS
        self._timer: asyncio.TimerHandle | None = None
        self._next: Relocation | None = None
        self.offered = False
        """Whether the peer has been told the port."""

    def start(self) -> None:
        """Move at once, if the peer has been told no port yet; else ask it to follow, as soon as it may be asked."""
        leg, negotiation = self._leg, self._leg.negotiation
        try:
            if leg.station.media.worker_of(leg.stream) == self._worker:
                self.settle(True)
            elif negotiation.local is None:
                leg.port = negotiation.port = leg.station.media.move(leg.stream, self._worker)
                self.settle(True)
            elif leg.plan is not None and leg.may_change:
                negotiation.port = leg.station.media.move(leg.stream, self._worker)
                self.offered = True
                self._wake(self._give_up_at)
                leg.offer_again()
            else:
                self._look_again()
        except PortsExhausted:
            self.settle(False)

    def _look_again(self) -> None:
        if self._loop.time() < self._give_up_at:
            self._wake(self._loop.time() + LOOK_SECONDS)
        else:
            self.settle(False)

    def _wake(self, at: float) -> None:
        self.stop()
        self._timer = self._loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        if self.offered:  # whether the peer will send to the old port or the new one is not known
            logger.error("call %s: no answer to a change of the media port", self._leg.call_id)
            self._leg.fail(500)
        else:
            self.start()

    def replace_by(self, following: Relocation) -> None:
        """The leg is to go elsewhere: at once, or once the peer has answered."""
        overtaken, self._next = self._next, following
        if not self.offered:
            self.settle(False)
        elif overtaken is not None:
            overtaken._done(False)

    def refused(self) -> None:
        """The peer does not follow: all stays as it was."""
        self._leg.station.media.stay(self._leg.stream)
        self.settle(False)

    def settle(self, there: bool) -> None:
        """It is decided."""
        self.stop()
        following, self._next = self._next, None
        self._leg.relocation = following
        self._done(there)
        if following is not None and self._leg.relocation is following:
            following.start()

    def stop(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def bring(leg: Leg, worker: int) -> bool:
    """Move a leg and wait until it is there; False where its phone does not follow."""
    there: asyncio.Future[bool] = leg.station.loop.create_future()
    leg.move_to(worker, lambda moved: None if there.done() else there.set_result(moved))
    return await there
