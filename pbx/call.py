"""A call: the life of one caller's attempt, from the INVITE to the end of the last leg."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from media.messages import Quiet
from media.service import PortsExhausted
from media.tones import Country
from pbx.conversation import Conversation
from pbx.course import Course, Step
from pbx.feature_verbs import FeatureVerbs
from pbx.forking import Follows, Fork, nothing_follows
from pbx.group_fork import GroupFork
from pbx.happenings import (
    CallBlocked,
    CallQuality,
    CallWentOut,
    call_answered,
    call_connected,
    call_ended,
    call_rang,
    call_routed,
    call_started,
)
from pbx.leg import ANSWERED, ENDED, Leg
from pbx.negotiate import NotAcceptable
from pbx.party import ExternalParty, Party
from pbx.reach_me import offer
from pbx.refused import Refused
from pbx.ringing import call_phones
from pbx.routing import Offer, Outcome, Redirected, Refuse, Ring, Route, Serve
from pbx.trunks.outbound import CallOut
from pbx.trunks.outgoing import place, refuse
from pbx.verdict import verdict
from pbx.voice import Voice
from pbx.waiting import Waiting
from sipcore.syntax.message import REASONS, Response

if TYPE_CHECKING:
    from pbx.destinations import Destination
    from pbx.directory import Extension
    from pbx.switch import Switch
    from pbx.transfer import Transfer
    from sipcore.effects import Invited

logger = logging.getLogger(__name__)


class Call(FeatureVerbs):
    """One caller's attempt, and one course; when the caller hangs up, that is cancelled wherever it waits.

    Either end may be replaced: whoever is left takes the place of the caller, and is served anew.
    """

    callee: Leg | None
    """The leg that answered."""
    dids: tuple[str, ...]
    """The number outside that was called, in all forms that it is known in; none for a call from inside."""
    trail: tuple[str, ...]
    """Numbers that it must not come back to; the last extension of them sent it on, and pays for a call outside."""
    reasons: tuple[str, ...]
    """Why the call went where it went."""
    rings_since: float
    """When phones were last called for it."""
    served_by: str
    """Which serves the call, or was the last to do so."""
    transfer: Transfer | None
    """The last one, until the transferor has hung up."""
    qualities: tuple[CallQuality, ...]
    """Of legs whose streams have closed, to be told after the end."""
    _course: Course | None
    """None before the start and after the end."""
    _over: asyncio.Future[None] | None
    """Done when the party that answered hangs up."""
    _fork: Fork | GroupFork | None
    _way: Route
    """By which it came to the extension whose phones ring, or did last."""
    _ringing: Party | None
    """Who was last told to ring."""
    _waiting: Waiting | None
    """What is heard by a party that waits for another, though it has been answered."""
    _went_outside: bool
    """Whether somebody outside has been called for it."""
    _answered_at: float | None
    _cancelled_with: int
    """What the first who cancelled the call told; 0 while nobody has."""

    __slots__ = ("dialled", "_happenings", "_now", "_started_at", "_wall", "__weakref__", *__annotations__)

    def __init__(self, switch: Switch, call_id: str, caller: Party, dialled: str, dids: tuple[str, ...] = ()) -> None:
        self.switch = switch
        self.id = call_id
        self.caller = caller
        self.dialled = dialled
        self.dids = dids
        self.trail = self.reasons = self.qualities = ()
        self.served_by = ""
        self.leg = self.callee = self.transfer = None
        self._course = self._over = self._fork = self._ringing = self._waiting = self._answered_at = None
        self._went_outside = False
        self._cancelled_with = 0
        self._wall = switch.environment.wall
        self._now = switch.environment.now
        self._happenings = switch.happenings
        self._started_at = self.rings_since = self._now()

    # -- life ---------------------------------------------------------------------------------------------

    def start(self, invited: Invited, destination: Destination | None = None) -> None:
        """Take the INVITE and begin to serve it: to a destination, or wherever what was dialled leads."""
        session, _, _, offered = invited
        try:
            host = self.switch.nat.addresses.media(session.flow)
            leg = self.leg = Leg(self.switch, self.caller, self, host, None, self.id)
            leg.receive_call(session, offered)
            self.begin(None if destination is None else partial(self.lead_to, destination))
        except PortsExhausted:
            self._turn_away(invited, 503, "no media port is free")
        except NotAcceptable:
            self._turn_away(invited, 488, "no codec that both sides know")
        except Exception:
            self._turn_away(invited, 500, "it could not be begun")
            raise

    def begin(self, first: Step | None = None) -> None:
        """Tell the start, and do `first`, such as to find the party that is to be served; without it, bring the caller
        to `dialled`."""
        at, caller, router = self._wall(), self.caller, self.switch.router
        goes_out = bool(router.outbound.trunks) and router.leads_outside(self.dialled, caller)
        started = call_started(
            at=at,
            call=self.id,
            caller=caller.number,
            caller_name=caller.full_name,
            trunk=caller.trunk if isinstance(caller, ExternalParty) else "",
            callee=self.dialled,
            internal=not (goes_out or isinstance(caller, ExternalParty)),
        )
        self._happenings.tell(started)
        step = None if first is None else partial(self.serve, first)
        self._course = Course(step, self.id, self._finish)
        if first is None:
            self._set_out(self._course, at)

    def cancel(self, status: int = 487) -> None:
        """End the call from outside: every leg is hung up, and a caller who still waits gets `status`.

        To cancel once more does nothing: whoever serves the call may be tidying up.
        """
        if self._course is not None and not self._cancelled_with:
            self._cancelled_with = status
            self._course.cancel()

    def _turn_away(self, invited: Invited, status: int, why: str) -> None:
        if self.leg is not None:
            self.leg.reject(status)
        else:
            self.switch.driver.perform(invited.session.reject(status, self._now()))
        self.switch.calls.pop(self.id, None)
        self.switch.turned_away.tell(self.caller, self.dialled, status, why=why, call=self.id)

    def _finish(self, error: BaseException | None) -> None:
        """Hang up whatever is left and tell the end. Runs once, however the course ended, begun or not."""
        answered_at = self._answered_at
        status, reason = 200, None
        if error is not None or answered_at is None:
            answered = answered_at is not None
            status, reason = verdict(self, error, answered=answered, cancelled_with=self._cancelled_with)
        if self._fork is not None:
            self._do_surely(self._stop_ringing)
        if self.transfer is not None:
            self._do_surely(self.transfer.end, status)
        for leg in (self.callee, self.leg):
            if leg is not None and leg.state is ANSWERED:
                self._do_surely(leg.hang_up)
            elif leg is not None and leg.state is not ENDED:
                self._do_surely(leg.reject, status if status >= 300 else 480, reason)
        now = self._now()
        ended = call_ended(
            at=self._wall(),
            call=self.id,
            reason=reason or REASONS.get(status, ""),
            status=status,
            internal=not (self._went_outside or isinstance(self.caller, ExternalParty)),
            seconds=now - self._started_at,
            talk_seconds=0.0 if answered_at is None else now - answered_at,
        )
        self._happenings.tell(ended)
        self.switch.calls.pop(self.id, None)
        for quality in self.qualities:
            self._happenings.tell(quality)
        self._course = self.transfer = None  # they hold the call, as it holds them

    def _do_surely(self, end: Callable[..., None], *how: object) -> None:
        """Part of the end; what goes wrong in it keeps nobody else in the call, and the call not in the books."""
        try:
            end(*how)
        except Exception:
            logger.exception("call %s has not ended as it should", self.id)

    # -- routing -------------------------------------------------------------------------------------------

    async def serve(self, step: Step | None = None) -> None:
        """Bring the served party to `dialled`, or do `step`; where a transfer leads nowhere, back to the transferor."""
        self._ringing = None
        try:
            await (step or self._route)()
        except (Refused, PortsExhausted) as error:
            if self.transfer is None or self.transfer.reached:
                raise
            transferor = self.transfer.failed(error.status if isinstance(error, Refused) else 503)
            await self._return_to(transferor)

    def _set_out(self, course: Course, at: datetime) -> None:
        """Bring the caller to `dialled`. Phones of an extension ring at once, in one stretch with the decision: a line
        found free stays so. That takes a coroutine only if none of them answers; all else does. `at`: it is now."""
        try:
            route = self.switch.router.route(self.dialled, self.trail, caller=self.caller, dids=self.dids, at=at)
            action = route.action
            if isinstance(action, Ring):
                self._explain(route, at)
                self._way = route
                fork = self._fork = Fork(self.switch.alarms, self._on_progress, self._rung)
                call_phones(self, action.extension, fork)
                fork.limit(action.seconds, self._goes_on_after)
            else:
                course.turn(partial(self.serve, partial(self._follow, route)))
        except Exception as error:
            course.end(error)

    def _rung(self, result: Leg | Outcome | Redirected) -> None:
        """Phones have rung, and a coroutine has not been needed so far."""
        course = self._course
        if course is None or not course.rests:  # the caller was faster
            if isinstance(result, Leg):
                result.hang_up()
        elif not isinstance(result, Leg):
            course.turn(partial(self.serve, partial(self._go_on, self._way, result)))
        elif result.call_id != self.id:  # a pick-up, which first has to be done
            self.callee = result  # a call that ends before hangs it up
            course.turn(partial(self.serve, partial(self.talk, result)))
        else:
            self._fork = None
            try:
                self._connect(result)
            except Exception as error:
                course.end(error)
            if result.state is ENDED:
                course.end()

    def _route(self) -> Awaitable[None]:
        route = self.switch.router.route(self.dialled, self.trail, caller=self.caller, dids=self.dids)
        return self._follow(route)

    def _go_on(self, route: Route, result: Outcome | Redirected) -> Awaitable[None]:
        return self._follow(self.switch.router.reroute(route, result))

    def _goes_on_after(self, outcome: Outcome) -> bool:
        """Whether something else than the end follows where the phones that ring come to this."""
        return not isinstance(self.switch.router.reroute(self._way, outcome).action, Refuse)

    def _explain(self, route: Route, at: datetime) -> None:
        """Tell where the call goes, the caller too."""
        self.reasons = route.reasons
        self._happenings.tell(call_routed(at=at, call=self.id, sought=route.trail, reasons=route.reasons))
        if route.diversion and not isinstance(route.action, Refuse):
            self.caller_leg.forward()

    async def _follow(self, route: Route) -> None:
        # In one stretch with the decision: a line found free stays so.
        while True:
            self._explain(route, self._wall())
            match route.action:
                case Refuse(status, reason, barred, blocked_by):
                    if barred:
                        refuse(self, barred, reason)
                    if blocked_by:
                        self._happenings.tell(CallBlocked(at=self._wall(), call=self.id, extension=blocked_by))
                    raise Refused(status, reason)
                case Offer() as offered:
                    return await offer(self, offered, self._diverted(route))
                case CallOut() as plan:
                    return await self.talk(await place(self, plan, self._diverted(route)))
                case Serve(handler, arguments):
                    self.trail = route.trail
                    self.served_by = handler.feature
                    return await handler(self, **arguments)
                case Ring(extension, seconds):
                    self._way = route
                    result = await self.ring_extension(extension, seconds, self._goes_on_after)
                    if isinstance(result, Leg):
                        return await self.talk(result)
                    route = self.switch.router.reroute(route, result)

    def ring_extension(
        self,
        extension: Extension,
        seconds: float,
        follows: Follows = nothing_follows,
        *,
        intercom: bool = False,
    ) -> Awaitable[Leg | Outcome | Redirected]:
        """Ring every phone registered at `extension`; the one that answers, or why none did. Raises PortsExhausted."""
        fork = self.begin_fork()
        call_phones(self, extension, fork, intercom=intercom)
        return fork.result(seconds, follows)

    def begin_fork(
        self, on_result: Callable[[Leg | Outcome | Redirected], None] | None = None, *, aside: bool = False
    ) -> Fork:
        """Who is called now; their ringing comes to the caller, unless that is `aside`."""
        on_progress = self._note_ringing if aside else self._on_progress
        fork = self._fork = Fork(self.switch.alarms, on_progress, on_result)
        self.rings_since = self._now()
        return fork

    def use_fork(self, fork: GroupFork) -> None:
        """Several extensions are called at once, each for itself; the caller hears ringing by `ring`."""
        self._stop_ringing()
        self._fork = fork
        self.rings_since = self._now()

    def went_outside(self, happening: CallWentOut) -> None:
        """Somebody outside is called."""
        self._went_outside = True
        self.caller_leg.tell_change()
        self._happenings.tell(happening)

    def _diverted(self, route: Route) -> tuple[Extension, str] | None:
        """Who forwarded the call to where it goes now, and why."""
        extension = self.switch.directory.find(route.trail[-1]) if route.diversion else None
        return None if extension is None else (extension, route.diversion)

    def _stop_ringing(self) -> None:
        fork, self._fork = self._fork, None
        if fork is not None:
            fork.stop()

    def _on_progress(self, leg: Leg, response: Response) -> None:
        """Pass ringing on to the caller; early media too, while only one phone could be sending it."""
        assert isinstance(self._fork, Fork)
        caller, has_media = self.leg, leg.plan is not None
        assert caller is not None, "the call has not started"
        if response.status != 180 and not has_media:
            return
        if self._ringing is not leg.party:
            self._ringing = leg.party
            self.rang(leg)
        if has_media and self._fork.only(leg) and caller.negotiation.has_remote_offer:
            caller.negotiation.opus_parameters = leg.negotiation.remote_opus_parameters
            caller.send_early_media(leg.codec)
            self._stop_waiting()
            self._bridge(caller, leg)
        elif self._waiting is None:
            caller.ring()
        else:
            self._waiting.ring()
        if self.transfer is not None:
            self.transfer.progress(response.status)

    def _note_ringing(self, leg: Leg, response: Response) -> None:
        if self._ringing is not leg.party:
            self._ringing = leg.party
            self.rang(leg)

    def rang(self, leg: Leg) -> None:
        """Tell whose phone rings."""
        self._happenings.tell(call_rang(at=self._wall(), call=self.id, extension=leg.number, trunk=leg.trunk))

    def ring(self) -> None:
        """Let the party that is served hear ringing."""
        if self._waiting is not None:
            self._waiting.ring()
        else:
            self.caller_leg.ring()

    # -- verbs of features ---------------------------------------------------------------------------------

    @property
    def internal(self) -> bool:
        """Whether everybody in it, and whoever was called for it, belongs to this system."""
        return not (self._went_outside or isinstance(self.caller, ExternalParty))

    async def lead_to(self, destination: Destination, *, chosen: bool = False) -> None:
        """Send whom it serves on to a destination, with music and ringing where that one was answered; return when the
        call that comes of it ends. Raises Refused.

        Numbers that sent the call here are not visited again, unless a person has `chosen` this, by a key say.
        """
        leg, trail = self.caller_leg, () if chosen else self.trail
        if leg.state is ANSWERED and self._waiting is None:
            self.serve_instead(leg)
        await self._follow(self.switch.router.lead_to(destination, trail, caller=self.caller, dids=self.dids))

    async def answer(self) -> Voice:
        """Answer the caller. Returns at once: media flows as soon as both sides know of each other."""
        leg = self.caller_leg
        self._mark_answered(self._wall(), self.dialled, feature=self.served_by)
        self._stop_waiting()
        leg.answer()
        return self.voice_of(leg)

    async def talk(self, callee: Leg, otherwise: Step | None = None) -> None:
        """Join the two parties; return when the one that answered hangs up. `otherwise`: see `join`."""
        over = self._over = self.switch.loop.create_future()
        self._connect(callee)
        if callee.state is not ENDED:
            await over
        if callee.plan is None and otherwise is not None:
            self.callee = None
            await otherwise()

    def _connect(self, callee: Leg) -> None:
        self.callee = callee
        at, number, trunk = self._wall(), callee.number, callee.trunk
        self._mark_answered(at, number, trunk)
        self._happenings.tell(call_connected(at=at, call=self.id, to=number, trunk=trunk))
        self.switch.audio_watch.watch(self.id)
        if self._waiting is not None:
            self._stop_waiting()
        caller = self.leg
        assert caller is not None, "nobody would be answered"
        caller.negotiation.opus_parameters = callee.negotiation.remote_opus_parameters
        caller.answer(None if callee.plan is None else callee.plan.codec)
        if callee.state is not ENDED:
            callee.watcher = self
            self._bridge(caller, callee)

    def _mark_answered(self, at: datetime, by: str, trunk: str = "", feature: str = "") -> None:
        if self._answered_at is None:
            self._answered_at = self._now()
            self._happenings.tell(call_answered(at=at, call=self.id, by=by, trunk=trunk, feature=feature))
            if feature:  # else somebody is connected, too
                self.switch.audio_watch.watch(self.id)
        if self.transfer is not None:
            self.transfer.reach(by)

    def _bridge(self, caller: Leg, leg: Leg) -> None:
        switch, joined = self.switch, leg.conversation
        if joined is not None and joined is caller.conversation:
            joined.update()  # since its early media; before the answer nobody holds
        else:
            Conversation(caller, leg, switch.media, switch.prompts, switch.between_workers)

    # -- ends that are replaced ----------------------------------------------------------------------------

    def other(self, leg: Leg) -> Leg | None:
        """Whom the party of `leg` is talking to; None for one that talks to nobody, or has just been left."""
        if leg not in (self.leg, self.callee) or self.ending:
            return None
        other = self.callee if leg is self.leg else self.leg
        return other if other is not None and other.state is ANSWERED else None

    @property
    def ending(self) -> bool:
        """Whether it is over, though somebody may still be tidying up."""
        return self._course is None or self._course.over or self._cancelled_with != 0

    @property
    def rings(self) -> bool:
        """Whether phones ring for the party that it serves, and none of them has answered."""
        fork = self._fork if self.leg is not None else None
        return fork is not None and not fork.decided and not self.ending

    @property
    def rings_at(self) -> tuple[str, ...]:
        """The numbers of whom it rings."""
        return self._fork.numbers if self._fork is not None and self.rings else ()

    @property
    def transfer_pending(self) -> bool:
        """Whether somebody is being sought for the served party on behalf of another."""
        return self.transfer is not None and not self.transfer.reached

    def claim(self, leg: Leg) -> bool:
        """Let `leg` answer in the place of the phones that ring; False if that is decided already."""
        if self._fork is None or self.ending or not self._fork.take(leg):
            return False
        leg.call_id = self.id
        return True

    def join(self, leg: Leg, otherwise: Step) -> None:
        """Let the party that is served talk to `leg` from now on, which has been answered; `otherwise` is what follows
        where that leg ends before it was agreed how they talk: its ACK may still refuse our offer."""
        leg.call_id = self.id
        leg.watcher = self
        self.callee = leg
        self.turn(partial(self.talk, leg, otherwise))

    def refuse_ringing(self, number: str = "") -> bool:
        """Stop the ringing, as if the user had declined; False where nothing rings. `number`: at that extension alone,
        if others ring for themselves."""
        return self._fork is not None and not self.ending and self._fork.decline(number)

    def move_ringing(self, number: str, to: str, calling: Callable[[Fork], None], seconds: float) -> None:
        """Call somebody else for so long in the place of one of several who ring; the others ring on."""
        assert isinstance(self._fork, GroupFork), "several ring"
        self._fork.move(number, to, calling, seconds)

    def turn(self, step: Step) -> None:
        """Do `step` from now on, with the party that is served; whoever rings is told that this is over."""
        assert self._course is not None, "the call is over"
        self._stop_ringing()
        self._course.turn(step)

    def let_go(self, leg: Leg) -> Leg:
        """Take one of two who talk out of the call; the other is the one that is served, and waits. Say for what."""
        stays = self.other(leg)
        assert stays is not None, "nobody would be left"
        if leg.conversation is not None:
            leg.conversation.end()
        self.switch.media.send(Quiet(leg.stream))
        self.serve_instead(stays)
        self.callee = None
        return stays

    def give_away(self) -> Leg:
        """Leave the served party to another call; this one ends."""
        leg, self.leg = self.caller_leg, None
        self._stop_waiting()
        if leg.conversation is not None:
            leg.conversation.end()
        self.cancel(200)
        return leg

    def replace(self, old: Leg, new: Leg) -> None:
        """Put `new`, which has been answered, in the place of `old`, be it talking or waiting for who is called."""
        heard = old.conversation.peer_of(old) if old.conversation else None
        new.call_id = self.id
        if old is self.leg:
            self.serve_instead(new)
        else:
            self.callee = new
            new.watcher = self
        if heard is not None:
            self._stop_waiting()
            self._bridge(new, heard)
            self.switch.audio_watch.watch(self.id)
        elif self._waiting is not None and self._ringing is not None:
            self._waiting.ring()

    def serve_instead(self, leg: Leg) -> None:
        """Serve the party of `leg`, which has been answered; it waits, and hears so."""
        self.leg = leg
        leg.watcher = self
        assert leg.party is not None, "legs of a switch are somebody's"
        self.caller = leg.party
        self._stop_waiting()
        country = Country.FRANCE if self.config.prompts.language == "fr" else Country.GENERIC
        self._waiting = Waiting(leg.stream, self.switch.media, self.switch.prompts, country)

    def _stop_waiting(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.end()

    async def _return_to(self, transferor: Leg | Party) -> None:
        """Nobody is lost when a transfer fails: the transferor has the call back, or is called again."""
        self._stop_ringing()
        if isinstance(transferor, Leg):
            await self.talk(transferor)
            return
        if not self.config.transfer.ring_back:
            raise Refused(480, "Transfer Failed")
        await self.seek(transferor)

    async def seek(self, party: Party) -> None:
        """Ring somebody for the party that is served, who waits for it. Raises Refused."""
        if self._waiting is None:
            self.serve_instead(self.caller_leg)
        self.dialled, self.trail = party.number, ()
        await self._route()

    # -- Watcher of the legs of both parties -------------------------------------------------------------------

    def leg_progressed(self, leg: Leg, response: Response) -> None:
        """Of a leg that is being called, the fork is told."""

    def leg_accepted(self, leg: Leg) -> None:
        """Of a leg that is being called, the fork is told."""

    def leg_ended(self, leg: Leg, status: int) -> None:
        """Without the party that is served there is no call, and none without the one that answered."""
        course = self._course
        if course is not None and course.rests:
            if leg is self.leg:
                self._cancelled_with = status
                course.end(asyncio.CancelledError() if self._answered_at is None else None)
            elif leg is self.callee:
                course.end()
        elif leg is self.leg:
            self.cancel(status)
        elif leg is self.callee and self._over is not None and not self._over.done():
            self._over.set_result(None)
