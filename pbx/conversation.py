"""Two legs that talk. Each hears the other, or music while the other holds the call. Others may be let in on it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from media.messages import Bridge, JoinRoom, LeaveRoom, ListenForDigits, Quiet, SendDigits
from media.plan import Direction
from media.service import PortsExhausted
from pbx.leg import ENDED
from pbx.tunnel import Tunnel, line
from pbx.waiting import Music
from values import dataclass, maker

if TYPE_CHECKING:
    from media.service import MediaService
    from pbx.leg import Leg
    from pbx.prompts import PromptFiles

logger = logging.getLogger(__name__)

_BOTH_WAYS = Direction.SENDRECV
_bridge = maker(Bridge)


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody who is let in on a conversation, and hears both."""

    leg: Leg
    ended: Callable[[], None]
    """Called when the conversation is over."""
    muted: bool = False
    """Neither of them hears the guest."""
    whispers_to: Leg | None = None
    """The one of them who alone does."""


class Conversation:
    """Joins two legs until one of them ends, or `end` is called. The legs tell when what they want changes."""

    __slots__ = (
        "_between_workers",
        "_guests",
        "_held",
        "_media",
        "_moves",
        "_music",
        "_prompts",
        "_room",
        "_tunnel",
        "legs",
    )

    def __init__(
        self, one: Leg, other: Leg, media: MediaService, prompts: PromptFiles, between_workers: str
    ) -> None:
        """`between_workers`: the address by which media workers reach each other."""
        self.legs = one, other
        self._media = media
        self._between_workers = between_workers
        self._prompts = prompts
        self._held: tuple[Leg, ...] = ()
        """Those who hear music, if there is any."""
        self._music: Music | None = None
        self._moves = False
        """Whether one of the legs is on its way to the media worker of the other."""
        self._tunnel: Tunnel | None = None
        """Where neither takes that."""
        self._guests: Sequence[Guest] = ()
        self._room = 0
        """Where all are while there are guests."""
        followed = one.station.legs.followed
        talk = True
        for leg in self.legs:
            if leg.conversation is not None:
                leg.conversation.end()
            leg.conversation = self
            if leg.line in followed:
                leg.tell_change()
            if leg.voice is not None:  # the keys are for the other leg now
                media.send(ListenForDigits(leg.stream, on=False))
            plan = leg.plan
            if plan is None or plan.remote is None or plan.direction is not _BOTH_WAYS:
                talk = False
        stream = one.stream if one.tunnel is None else line(one)
        peer = other.stream if other.tunnel is None else line(other)
        media.send(_bridge(stream, peer))
        if not talk or not media.are_together(stream, peer):
            self.update()

    def update(self) -> None:
        """See who is held: music comes and goes for one without a change for the other."""
        one, other = self.legs
        if not self._together:
            self._meet()
        held = ((one,) if other.holds else ()) + ((other,) if one.holds else ())
        if held == self._held:
            return
        resumed, self._held = set(self._held) - set(held), held
        self._stop_music()
        if resumed:  # both directions are joined anew: whoever is still held gets the music back
            self._join()
        self._play_music()

    def _play_music(self) -> None:
        if self._held:
            self._music = self._music or Music(self._media, self._prompts)
            self._music.play(*(line(leg) for leg in self._held))

    def _stop_music(self) -> None:
        if self._music is not None:
            self._music.stop()

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
        if self._music is not None:
            self._music.stop()
        guests, self._guests = self._guests, ()
        if guests:
            self._leave_room(*self.legs, *(guest.leg for guest in guests))
        followed = self.legs[0].station.legs.followed
        for leg in self.legs:
            if leg.conversation is self:
                leg.conversation = None
                if leg.line in followed and leg.state is not ENDED:
                    leg.tell_change()
            if leg.tunnel is not None and leg.tunnel is self._tunnel:
                leg.tunnel.close()
        for guest in guests:
            guest.ended()

    def admit(self, guest: Guest) -> None:
        """Let somebody in on it; or change what he may do."""
        self._guests = [*(each for each in self._guests if each.leg is not guest.leg), guest]
        self._gather()

    def guest_of(self, number: str) -> Guest | None:
        """The extension with that number, if it has been let in."""
        legs = {each.leg.extension.number: each for each in self._guests if each.leg.extension is not None}
        return legs.get(number)

    def _gather(self) -> None:
        """Put all into a room of the media worker in which the two are. While one of them is on its way to the other,
        they talk as they did, and the guests wait."""
        if not self._guests or self._over or not self._together:
            return
        one, _ = self.legs
        worker = self._media.worker_of(line(one))
        if not self._room or self._media.worker_of_room(self._room) != worker:
            self._room = self._media.room_beside(line(one))
        for guest in self._guests:
            if worker is not None and self._media.worker_of(guest.leg.stream) != worker:
                guest.leg.move_to(worker, lambda there: None)
        self._join()
        self._play_music()

    def dismiss(self, leg: Leg) -> None:
        """A guest has left; to call it for one who has does nothing."""
        left = [guest for guest in self._guests if guest.leg is not leg]
        if len(left) == len(self._guests):
            return
        self._guests = left
        self._leave_room(leg)
        if not left:
            self._leave_room(*self.legs)
            self._room = 0
            self._join()
            self._play_music()

    def _join(self) -> None:
        one, other = self.legs
        if not self._guests or not self._room:
            self._media.send(Bridge(line(one), line(other)))
            return
        for leg in self.legs:
            self._media.send(Quiet(line(leg)))
            self._media.send(JoinRoom(line(leg), self._room))
        for guest in self._guests:
            whispers_to = 0 if guest.whispers_to is None else line(guest.whispers_to)
            self._media.send(JoinRoom(guest.leg.stream, self._room, guest.muted, whispers_to))

    def _leave_room(self, *legs: Leg) -> None:
        for leg in legs:
            self._media.send(LeaveRoom(line(leg)))

    def _meet(self) -> None:
        """Bring legs together that different media workers carry: they hear each other once one has moved."""
        if self._together or self._moves or self._over:
            return
        self._moves = True
        mover, stays = sorted(self.legs, key=_reluctance)
        mover.move_beside(stays, lambda there: self._moved(there, stays, mover))

    def _moved(self, there: bool, mover: Leg, stays: Leg) -> None:
        """One leg has moved; or it does not, and the other has to."""
        if there or self._over:
            self._moves = False
            self._meet()
            self._gather()
        else:
            mover.move_beside(stays, self._moved_at_last)

    def _moved_at_last(self, there: bool) -> None:
        self._moves = False
        if there or self._over or self._together:
            self._meet()
            self._gather()
            return
        if not self._dig(*self.legs):
            leg, _ = self.legs
            logger.error(
                "call %s: neither phone takes a change of its media port, the call ends", leg.call_id
            )
            leg.fail(500)

    def _dig(self, leg: Leg, stays: Leg) -> bool:
        """Neither follows the other: bring the sound of one there by a tunnel. False where that cannot be."""
        worker = self._media.worker_of(stays.stream)
        if worker is None or leg.plan is None:
            return False
        try:
            self._tunnel = Tunnel(leg, worker, self._between_workers)
        except PortsExhausted:
            return False
        if leg.voice is not None:  # the keys are for the other leg
            self._media.send(ListenForDigits(self._tunnel.far, on=False))
        self._join()
        self._play_music()
        self._gather()
        return True

    @property
    def _together(self) -> bool:
        one, other = self.legs
        return self._media.are_together(line(one), line(other))

    @property
    def _over(self) -> bool:
        one, other = self.legs
        return one.conversation is not self or other.conversation is not self


def _reluctance(leg: Leg) -> tuple[bool, bool, bool]:
    """Who has been told no port yet need not follow. Else phones of ours sooner do than those outside, and those whose
    sound is in the clear than those who count on under a key (RFC 3711 section 3.3.1)."""
    secured = leg.plan is not None and leg.plan.srtp is not None
    return leg.negotiation.local is not None, leg.extension is None, secured
