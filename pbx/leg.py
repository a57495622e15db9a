"""A leg: one party of a call, which is one INVITE session and one media stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from media.messages import ChangeStream, CloseStream, DigitEnded, DigitReceived, Event, OpenStream
from media.plan import Codec, StreamPlan
from pbx.directory import Extension
from pbx.media_keys import Srtp
from pbx.negotiate import Negotiation, NotAcceptable
from pbx.presses import Form, Presses
from pbx.relocation import Done, Relocation
from pbx.trunks.causes import refusal_headers
from sipcore.dialog.callee import CalleeSession
from sipcore.dialog.caller import CallerSession, Progress
from sipcore.dialog.session import Headers
from sipcore.effects import (
    Accepted,
    Acknowledged,
    Answered,
    Cancelled,
    Effect,
    EndCause,
    Ended,
    Moved,
    Offered,
    OfferRefused,
    Progressed,
    Rejected,
)
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import Request, Response
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Flow
from values import maker

if TYPE_CHECKING:
    from pbx.conversation import Conversation
    from pbx.info_digits import InfoDigit
    from pbx.party import Party
    from pbx.station import Station
    from pbx.tunnel import Tunnel
    from pbx.voice import Voice
    from sipcore.sdp.description import SessionDescription


class LegState(Enum):
    """How far a leg has come; it only moves downwards."""

    NEW = "new"
    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"


NEW, RINGING, ANSWERED, ENDED = LegState


class Watcher(Protocol):
    """Whoever steers a leg is told what the other end does. All calls are synchronous: a claim made in one holds."""

    def leg_progressed(self, leg: Leg, response: Response) -> None:
        """The phone rings, or sends early media."""

    def leg_accepted(self, leg: Leg) -> None:
        """The phone answered; its media is negotiated."""

    def leg_ended(self, leg: Leg, status: int) -> None:
        """The leg is over. `status` is the final response of a leg never answered, 200 after a BYE."""


class Nobody:
    """Watches a leg that is over."""

    def leg_progressed(self, leg: Leg, response: Response) -> None:
        """Nothing follows."""

    def leg_accepted(self, leg: Leg) -> None:
        """Nothing follows."""

    def leg_ended(self, leg: Leg, status: int) -> None:
        """Nothing follows."""


_NOBODY, _OFFERED = Nobody(), Srtp.OFFERED
_HUNG_UP = (EndCause.BYE, EndCause.LOCAL)
_open_stream, _close_stream = maker(OpenStream), maker(CloseStream)
_MEDIA_REFUSED = (415, 488, 606)
"""Of an INVITE, for what its offer says (RFC 3261 section 21)."""


class Leg:
    """One party. Verbs act at once and never wait; what the far end does comes to the `watcher`."""

    party: Party | None
    """Who it is; None where that is of no interest, as on a phone."""
    extension: Extension | None
    """The extension that this party is; None for one outside."""
    number: str
    """Of the party; empty where it is withheld."""
    trunk: str
    """Through which it is reached; empty for an extension."""
    line: str
    """Whose calls this one counts among: the number of an extension, or the name of a trunk (`pbx.party.line_of`)."""
    call_id: str
    """The call it is a part of, where such are counted."""
    state: LegState
    """How far it has come: others only read it."""
    session: CallerSession | CalleeSession | None
    _invitation: CalleeSession
    """The session of a far end that calls: there is none before `receive_call`."""
    stream: int
    port: int
    plan: StreamPlan | None
    conversation: Conversation | None
    """With another leg, which sets it here when it begins and ends."""
    voice: Voice | None
    """Where a feature talks to the far end."""
    tunnel: Tunnel | None
    """To another media worker, where the phone does not follow."""
    relocation: Relocation | None
    """To another media worker, while it goes on."""
    when_agreed: Callable[[], None] | None
    """Called once a far end that called without an offer has taken ours."""
    refusal: Response | None
    """What a phone that was called has refused with."""
    audio_fault_told: bool
    """Whether it has been told that sound does not arrive."""
    _invite_in_the_clear: Callable[[Leg], None] | None
    """For a phone that refuses our offer of SRTP."""
    _presses: Presses | None
    """Of keys; None before the first."""
    _forwarded: bool
    """Whether the caller has been told so, and not yet that it rings there."""
    _ended: asyncio.Future[int] | None
    _status: int
    """What it has ended with."""

    __slots__ = ("station", "watcher", "negotiation", "_driver", "_now", "__weakref__", *__annotations__)

    def __init__(
        self,
        station: Station,
        party: Party | None,
        watcher: Watcher,
        host: str,
        beside: Leg | None = None,
        call_id: str = "",
    ) -> None:
        """Reserve a media port (raises `PortsExhausted`), in the worker that serves `beside` if that is given. `host`:
        the address that the phone is told to send its sound to."""
        self.station = station
        self.party = party
        if isinstance(party, Extension):
            self.extension, self.trunk = party, ""
            self.number = self.line = party.number
        else:
            self.extension = None
            self.number = "" if party is None else party.number
            self.trunk = self.line = "" if party is None else party.trunk
        self.call_id = call_id
        self.watcher = watcher
        self.state = NEW
        self.session = self.plan = self.conversation = self.voice = self.tunnel = self.relocation = None
        self.when_agreed = self.refusal = self._invite_in_the_clear = self._presses = self._ended = None
        self.audio_fault_told = self._forwarded = False
        self.stream, self.port = station.media.reserve(None if beside is None else beside.stream)
        environment = station.environment
        self.negotiation = Negotiation(host, self.port, environment.rng, station.codecs, environment.entropy)
        self.negotiation.srtp = station.srtp
        self._now = environment.now
        self._driver = station.driver
        station.legs.add(self)

    # -- the far end is a caller ------------------------------------------------------------------

    def receive_call(self, session: CalleeSession, offer: SessionDescription | None) -> None:
        """Take over an incoming INVITE session. Raises NotAcceptable if its offer has nothing for us."""
        self.session = self._invitation = session
        session.owner = self
        if self.line in self.station.legs.followed:
            self.tell_change()
        if offer is not None:
            self.negotiation.receive_offer(offer)

    def ring(self) -> None:
        """Send 180, once; once more after it was forwarded."""
        if self.state is NEW or (self._forwarded and self.state is RINGING):
            self._forwarded = False
            self.state = RINGING
            if self.line in self.station.legs.followed:
                self.tell_change()
            self._driver.perform(self._invitation.progress(180, self._now()))

    def forward(self) -> None:
        """Send 181: somebody else than was asked for is called now (RFC 3261 section 21.1.3)."""
        if self.state in (NEW, RINGING):
            self._forwarded = True
            self._driver.perform(self._invitation.progress(181, self._now()))

    def send_early_media(self, preferred: Codec | None = None) -> None:
        """Send 183 with our answer, so that the caller hears what we play before the call is answered."""
        over = self.state in (ANSWERED, ENDED)
        if not over and self.plan is None and self.negotiation.has_remote_offer:
            description = self.negotiation.answer(preferred)
            self._driver.perform(self._invitation.progress(183, self._now(), description))
            self._use_plan()

    def answer(self, preferred: Codec | None = None) -> None:
        """Send 200 with the answer, or with our offer where the caller made none."""
        if self.state in (ANSWERED, ENDED):
            return
        self.state = ANSWERED
        if self.line in self.station.legs.followed:
            self.tell_change()
        negotiation = self.negotiation
        if negotiation.has_remote_offer:
            description = negotiation.local or negotiation.answer(preferred)
            self._driver.perform(self._invitation.accept(description, self._now()))
            self._use_plan()
        else:
            self._driver.perform(
                self._invitation.accept(negotiation.offer([preferred] if preferred else ()), self._now())
            )

    def reject(self, status: int, reason: str | None = None, headers: Headers = ()) -> None:
        """Refuse the call with a final response >= 300; hang up where it has been answered."""
        if self.state is ANSWERED:
            self.hang_up()
        elif self.state is not ENDED:
            headers = [*headers, *refusal_headers(self.party, status)]
            self._driver.perform(self._invitation.reject(status, self._now(), reason, headers))
            self._end(status)

    # -- the far end is called --------------------------------------------------------------------

    def call(
        self,
        target: Uri,
        flow: Flow,
        *,
        from_: NameAddress,
        to: NameAddress,
        codecs: Sequence[Codec] = (),
        route_set: Sequence[NameAddress] = (),
        owner: object = None,
        offerless: bool = False,
        headers: Sequence[tuple[str, str]] = (),
        in_the_clear: bool = False,
    ) -> None:
        """Send an INVITE that offers `codecs` first and then all others we know, or one without an offer.

        `owner` takes the session's effects in place of this leg, and passes on those that it leaves alone.
        `in_the_clear`: no SRTP is offered that is not required.
        """
        station = self.station
        if station.srtp is _OFFERED and flow.transport.secure and not (offerless or in_the_clear):
            self.negotiation.offers_srtp = True
            self._invite_in_the_clear = partial(
                Leg.call,
                target=target,
                flow=flow,
                from_=from_,
                to=to,
                codecs=codecs,
                route_set=route_set,
                owner=owner,
                headers=headers,
                in_the_clear=True,
            )
        extension = self.extension
        session, effects = station.endpoint.invite(
            target,
            flow,
            from_=from_,
            to=to,
            offer=None if offerless else self.negotiation.offer(codecs),
            now=self._now(),
            headers=headers,
            route_set=route_set,
            owner=owner or self,
        )
        self.session = session
        session.identity = "" if extension is None else extension.number
        self._driver.perform(effects)

    # -- both ---------------------------------------------------------------------------------------

    def hang_up(self, reason: str | None = None) -> None:
        """End the leg with whatever its state asks for: CANCEL, a final response, or BYE.

        `reason` is the value of their Reason header (RFC 3326).
        """
        if self.state is not ENDED:
            session = self.session
            headers = [("Reason", reason)] if reason else ()
            effects = () if session is None else session.hang_up(self._now(), headers)
            self._end(200 if self.state is ANSWERED else 487)
            self._driver.perform(effects)

    def fail(self, status: int) -> None:
        """Give up a leg that cannot go on; a caller who still waits gets `status`, and so does the watcher."""
        if self.state is ENDED:
            return
        watcher = self.watcher
        if isinstance(self.session, CalleeSession):
            self.reject(status)
        else:
            self.hang_up()
        watcher.leg_ended(self, status)

    def check(self) -> None:
        """Ask the phone whether it is still there: no answer, or a 481, ends the leg (RFC 3261 section 12.2.1.2)."""
        if self.state is ANSWERED:
            self._driver.perform(self._session.send_request("OPTIONS", self._now()))

    def move_to(self, worker: int, done: Done) -> None:
        """Have the sound carried by that media worker; `done` is told whether it is, unless the leg ends before.
        The last to ask is the one who is served."""
        following = Relocation(self, worker, done)
        if self.state is ENDED:
            return
        if self.relocation is not None:
            self.relocation.replace_by(following)
        else:
            self.relocation = following
            following.start()

    def move_beside(self, other: Leg, done: Done = lambda there: None) -> None:
        """Have the sound carried by the media worker of `other`."""
        worker = self.station.media.worker_of(other.stream)
        if worker is not None:
            self.move_to(worker, done)

    @property
    def may_change(self) -> bool:
        """Whether a re-INVITE can be sent now."""
        return self.state is ANSWERED and self._session.can_change

    def offer_again(self) -> None:
        """Tell the peer by re-INVITE where we receive now."""
        self._driver.perform(self._session.modify(self.negotiation.offer_again(self.codec), self._now()))

    def on_media(self, event: Event) -> None:
        """Take what the media engine tells of this leg's stream."""
        if isinstance(event, DigitReceived):
            form = Form.SOUND if event.in_band else Form.EVENT
            if not self._keys().begins(form, event.digit, self._now(), event.duration_ms / 1000):
                return
        elif isinstance(event, DigitEnded):
            self._keys().ends(Form.SOUND if event.in_band else Form.EVENT, event.digit, self._now())
        if self.voice is not None:
            self.voice.on_media(event)

    def on_info(self, digit: InfoDigit) -> None:
        """Take a digit that came as a message. Those in sound and its packets the other leg hears without us."""
        seconds = digit.milliseconds / 1000
        if self.state is ENDED or not self._keys().begins(Form.MESSAGE, digit.digit, self._now(), seconds):
            return
        if self.voice is not None:
            self.voice.on_media(DigitReceived(self.stream, digit.digit, digit.milliseconds))
        if self.conversation is not None:
            self.conversation.pass_on(digit.digit, self)

    @property
    def ended(self) -> asyncio.Future[int]:
        """Done at the end, with the status that the watcher is told."""
        if self._ended is None:
            self._ended = self.station.loop.create_future()
            if self.state is ENDED:
                self._ended.set_result(self._status)
        return self._ended

    def tell_change(self) -> None:
        """Tell who watches its user: of those whom nobody follows it need not be called."""
        self.station.legs.changed(self.line)

    @property
    def alerts(self) -> bool:
        """Whether its phone rings."""
        return self.state is RINGING and isinstance(self.session, CallerSession)

    @property
    def silent(self) -> bool:
        """Whether its phone is called, and has not reacted at all: not even by 100."""
        return isinstance(self.session, CallerSession) and self.session.progress_state is Progress.CALLING

    @property
    def engaged(self) -> bool:
        """Whether its user is on the phone: talks, or has called somebody."""
        calls = isinstance(self.session, CalleeSession) and self.state is not ENDED
        return calls or self.state is ANSWERED

    @property
    def invitation(self) -> Request:
        """The INVITE that began it."""
        assert self.session is not None, "the leg has no session yet"
        return self.session.request

    @property
    def codec(self) -> Codec | None:
        """The codec in use, once media is negotiated."""
        return self.plan.codec if self.plan else None

    @property
    def holds(self) -> bool:
        """Whether the far end has put us on hold: it wants to hear nothing (RFC 3264 section 8.4)."""
        plan = self.plan
        return self.state is ANSWERED and plan is not None and plan.holds

    def on_effect(self, effect: Effect) -> None:
        """Take what the session tells (the vocabulary of `sipcore.effects`)."""
        take = TAKERS.get(type(effect))
        if take is not None and self.state is not ENDED:
            take(self, effect)

    # -- what the session tells ------------------------------------------------------------------------

    def _on_progressed(self, effect: Progressed) -> None:
        _, response, description = effect
        if description is not None:
            if self.negotiation.local is not None:
                self._take_answer(description)
            elif not self._answer_late_offer(description):
                self.fail(488)
                return
        if self.state is NEW:
            self.state = RINGING
            if self.line in self.station.legs.followed:
                self.tell_change()
        self.watcher.leg_progressed(self, response)

    def _on_accepted(self, effect: Accepted) -> None:
        description = effect.description
        if description is None:
            agreed = self.plan is not None
        elif self.negotiation.local is not None:
            agreed = self._take_answer(description)
        else:
            agreed = self._answer_late_offer(description)
        if not agreed:
            self.fail(488)
            return
        self.state = ANSWERED
        if self.line in self.station.legs.followed:
            self.tell_change()
        self.watcher.leg_accepted(self)

    def _on_rejected(self, effect: Rejected) -> None:
        if effect.response.status in _MEDIA_REFUSED and (again := self._invite_in_the_clear) is not None:
            self._invite_in_the_clear = None
            self.negotiation.offers_srtp = False
            again(self)
            return
        self.refusal = effect.response
        self._end(effect.response.status).leg_ended(self, effect.response.status)

    def _on_cancelled(self, effect: Cancelled) -> None:
        self._end(effect.status).leg_ended(self, effect.status)

    def _on_ended(self, effect: Ended) -> None:
        status = 200 if effect.cause in _HUNG_UP else 408
        self._end(status).leg_ended(self, status)

    def _on_acknowledged(self, effect: Acknowledged) -> None:
        if effect.answer is not None and not self._take_answer(effect.answer):
            self.fail(488)
        elif self.plan is not None and (agreed := self.when_agreed) is not None:
            self.when_agreed = None
            agreed()

    def _on_offered(self, effect: Offered) -> None:
        """A re-INVITE or UPDATE: hold, resume, a new address or codec."""
        negotiation = self.negotiation
        if effect.offer is None:
            self._session.drop_retry()
            self._driver.perform(self._session.answer(negotiation.offer(), self._now()))
            return
        try:
            negotiation.receive_offer(effect.offer)
            description = negotiation.answer(self.codec)
        except NotAcceptable:
            self._driver.perform(self._session.refuse(488, self._now()))
            return
        self._driver.perform(self._session.answer(description, self._now()))
        if self.port != negotiation.port:
            self._session.drop_retry()  # the port that it was to tell is in our answer
        self._use_plan()

    def _on_offer_refused(self, effect: OfferRefused) -> None:
        """Our re-INVITE or UPDATE was not accepted."""
        self.negotiation.withdraw()
        self.negotiation.port = self.port
        if self.plan is not None:  # it may have moved meanwhile
            self._use_plan()
        if self.relocation is not None and self.relocation.offered:
            self.relocation.refused()

    def _on_answered(self, effect: Answered) -> None:
        """Our re-INVITE or UPDATE was accepted."""
        if effect.answer is not None and not self._take_answer(effect.answer):
            self.fail(488)

    def _on_moved(self, effect: Moved) -> None:
        """The phone is reached elsewhere now, and its sound may come from elsewhere too."""
        self.negotiation.moves += 1
        if self.plan is not None and self.port == self.negotiation.port:
            self._use_plan()

    # -- helpers ---------------------------------------------------------------------------------------

    def _answer_late_offer(self, offer: SessionDescription) -> bool:
        """Our INVITE made no offer, the 2xx did, or a reliable response before it: ACK or PRACK carry our answer."""
        try:
            self.negotiation.receive_offer(offer)
        except NotAcceptable:
            return False
        assert isinstance(self.session, CallerSession)
        self._driver.perform(self.session.acknowledge(self.negotiation.answer(), self._now()))
        self._use_plan()
        return True

    def _take_answer(self, description: SessionDescription) -> bool:
        try:
            self.negotiation.receive_answer(description)
        except NotAcceptable:
            return False
        self._use_plan()
        return True

    def _use_plan(self) -> None:
        """Hand the negotiated plan to the media engine, if it is news."""
        session, negotiation, before = self.session, self.negotiation, self.plan
        assert session is not None, "the leg has no session yet"
        plan, port = negotiation.plan(session.flow.host), negotiation.port
        moves = port != self.port
        if before is None or moves:
            self.plan, self.port = plan, port
            self.station.media.send(_open_stream(self.stream, port, plan))
        elif plan == before:
            return
        else:
            self.plan = plan
            self.station.media.send(ChangeStream(self.stream, plan))
        if moves and self.relocation is not None:
            self.relocation.settle(True)
        if self.conversation is not None:
            self.conversation.update()

    def _end(self, status: int) -> Watcher:
        """The leg is over; who has to be told. Ties are cut, so that nothing waits for the garbage collector."""
        watcher, session = self.watcher, self.session
        self.watcher = _NOBODY
        self.when_agreed = None
        self.state, self._status = ENDED, status  # `discard` tells it
        if session is not None:
            session.owner = None
        if self.relocation is not None:
            self.relocation.stop()
            self.relocation = None
        if self.conversation is not None:
            self.conversation.end()
        if self.tunnel is not None:
            self.tunnel.close()
        station = self.station
        station.legs.discard(self)
        station.media.send(_close_stream(self.stream))
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(status)
        return watcher

    def _keys(self) -> Presses:
        if self._presses is None:
            self._presses = Presses()
        return self._presses

    @property
    def _session(self) -> CallerSession | CalleeSession:
        assert self.session is not None, "the leg has no session yet"
        return self.session


TAKERS: dict[type, Callable[[Leg, Any], None]] = {
    Progressed: Leg._on_progressed,
    Accepted: Leg._on_accepted,
    Rejected: Leg._on_rejected,
    Cancelled: Leg._on_cancelled,
    Ended: Leg._on_ended,
    Acknowledged: Leg._on_acknowledged,
    Offered: Leg._on_offered,
    OfferRefused: Leg._on_offer_refused,
    Answered: Leg._on_answered,
    Moved: Leg._on_moved,
}
"""What takes each effect of the session: a leg that has ended takes none."""
