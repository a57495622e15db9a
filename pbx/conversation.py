"""Two legs that talk. Each hears the other, or music while the other holds the call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from media.messages import Bridge, ListenForDigits, SendDigits
from pbx.waiting import Music

if TYPE_CHECKING:
    from media.service import MediaService
    from pbx.leg import Leg
    from pbx.prompts import PromptFiles

logger = logging.getLogger(__name__)


class Conversation:
    """Joins two legs until one of them ends, or `end` is called. The legs tell when what they want changes."""

    def __init__(self, one: Leg, other: Leg, media: MediaService, prompts: PromptFiles) -> None:
        self.legs = one, other
        self._media = media
        self._held: tuple[Leg, ...] = ()
        """Those who hear music, if there is any."""
        self._music = Music(media, prompts)
        self._moves = False
        """Whether one of the legs is on its way to the media worker of the other."""
        for leg in self.legs:
            if leg.conversation is not None:
                leg.conversation.end()
            leg.conversation = self
            if leg.voice is not None:  # the keys are for the other leg now
                media.send(ListenForDigits(leg.stream, on=False))
        self._join()
        self.update()

    def update(self) -> None:
        """See who is held: music comes and goes for one without a change for the other."""
        one, other = self.legs
        self._meet()
        held = tuple(leg for leg, peer in ((one, other), (other, one)) if peer.holds)
        if held == self._held:
            return
        resumed, self._held = set(self._held) - set(held), held
        self._music.stop()
        if resumed:  # both directions are joined anew: whoever is still held gets the music back
            self._join()
        if held:
            self._music.play(*(leg.stream for leg in held))

    def pass_on(self, digit: str, sender: Leg) -> None:
        """Give the other leg a digit that came as a message, in the form that it understands. Music goes on."""
        if not sender.holds:
            self._media.send(SendDigits(self.peer_of(sender).stream, digit))

    def peer_of(self, leg: Leg) -> Leg:
        """Whom a leg talks to."""
        one, other = self.legs
        return other if leg is one else one

    def end(self) -> None:
        """Let go of the legs; what they hear is for others to say."""
        self._music.stop()
        for leg in self.legs:
            if leg.conversation is self:
                leg.conversation = None

    def _join(self) -> None:
        one, other = self.legs
        self._media.send(Bridge(one.stream, other.stream))

    def _meet(self) -> None:
        """Bring legs together that different media workers carry: they hear each other once one has moved."""
        if self._moves or self._over or self._together:
            return
        self._moves = True
        mover, stays = sorted(self.legs, key=_reluctance)
        mover.move_beside(stays, lambda there: self._moved(there, stays, mover))

    def _moved(self, there: bool, mover: Leg, stays: Leg) -> None:
        """One leg has moved; or it does not, and the other has to."""
        if there or self._over:
            self._moves = False
            self._meet()
        else:
            mover.move_beside(stays, self._moved_at_last)

    def _moved_at_last(self, there: bool) -> None:
        self._moves = False
        if there or self._over or self._together:
            self._meet()
            return
        leg, _ = self.legs
        logger.error("call %s: neither phone takes a change of its media port, the call ends", leg.call_id)
        leg.fail(500)

    @property
    def _together(self) -> bool:
        one, other = self.legs
        return self._media.worker_of(one.stream) == self._media.worker_of(other.stream)

    @property
    def _over(self) -> bool:
        return any(leg.conversation is not self for leg in self.legs)


def _reluctance(leg: Leg) -> tuple[bool, bool, bool]:
    """Who has been told no port yet need not follow. Else phones of ours sooner do than those outside, and those whose
    sound is in the clear than those who count on under a key (RFC 3711 section 3.3.1)."""
    secured = leg.plan is not None and leg.plan.srtp is not None
    return leg.negotiation.local is not None, leg.extension is None, secured
