"""Calling somebody outside: by one trunk after another, one server after another, until somebody decides."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pbx.happenings import CallWentOut, ExternalCallRefused
from pbx.leg import Leg, LegState
from pbx.party import ExternalParty, trunk_of
from pbx.refused import Refused
from pbx.routing import Outcome
from pbx.sips import allows
from pbx.trunks.causes import meaning
from pbx.trunks.gate import identity_of
from pbx.trunks.identity import outgoing_identity
from pbx.trunks.ledger import LimitReached
from sipcore.effects import Effect, Rejected
from sipcore.registrar.answering import Answers
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import REASONS, Response
from sipcore.syntax.uri import Uri
from sipcore.transport.failover import retry_after

if TYPE_CHECKING:
    from pbx.call import Call
    from pbx.directory import Extension
    from pbx.forking import Fork
    from pbx.trunks.outbound import CallOut
    from pbx.trunks.trunk import Trunk
    from sipcore.transport.flow import Flow
    from sipcore.transport.resolve import Target

RING_SECONDS = 180.0
"""How long it may ring outside."""
REACTION_SECONDS = 6.0
"""How long a server may take to say anything at all before the next is tried; timer B would take 32."""

Diverted = tuple["Extension", str]
"""Who forwarded the call, and why (RFC 5806)."""


async def place(
    call: Call,
    plan: CallOut,
    diverted: Diverted | None = None,
    *,
    aside: bool = False,
    begin_fork: Callable[[], Fork] | None = None,
) -> Leg:
    """The leg of whoever answered outside; `aside`: the caller hears nothing of the ringing. `begin_fork`: what it
    rings in, in place of the fork of the call. Raises Refused; PortsExhausted."""
    begin_fork = begin_fork or partial(call.begin_fork, aside=aside)
    switch = call.switch
    payer = plan.asker.extension or trunk_of(call.caller)
    try:  # before anything is sent, and in one stretch: two calls at once do not pass for one
        claim = switch.trunks.ledger.claim(payer, switch.environment.wall().date(), unlimited=plan.emergency)
    except LimitReached as limit:
        refuse(call, str(plan.number), str(limit))
        raise Refused(403, str(limit)) from None
    try:
        leg = await _Search(call, plan, diverted, begin_fork).leg()
    except BaseException:
        claim.release()
        raise
    leg.ended.add_done_callback(lambda _: claim.release())
    return leg


def refuse(call: Call, number: str, reason: str) -> None:
    """Tell that a call outside was not allowed: somebody may be trying to phone at our cost."""
    at = call.switch.environment.wall()
    call.switch.happenings.tell(
        ExternalCallRefused(at=at, call=call.id, caller=call.caller.number, number=number, reason=reason)
    )


class _Search:
    """One number outside, and what trying to reach it has come to."""

    def __init__(
        self, call: Call, plan: CallOut, diverted: Diverted | None, begin_fork: Callable[[], Fork]
    ) -> None:
        self._call = call
        self._begin_fork = begin_fork
        self._switch = call.switch
        self._plan = plan
        self._diverted = diverted
        self._failure = Refused(503, "No Line To The Outside")

    async def leg(self) -> Leg:
        """Whoever answers. Raises Refused."""
        for trunk in self._trunks():
            for target in await trunk.targets():
                try:
                    flow = await trunk.reach(target)
                except OSError:
                    continue
                if not (self._plan.emergency or allows(self._call.caller_leg.invitation.uri, flow)):
                    continue
                if trunk.full and not self._plan.emergency:
                    self._failure = Refused(503, "All Lines Are Busy")
                    break
                result = await self._invite(trunk, target, flow)
                if isinstance(result, Leg):
                    return result
                self._fail(meaning(result))
                if result.status not in (408, 503):
                    break  # the server works, what is behind it does not
                trunk.failed(target, f"INVITE: {result.status}", retry_after(result))
        raise self._failure

    def _trunks(self) -> list[Trunk]:
        """Those that work; for an emergency call the others too, after these."""
        named = [self._switch.trunks.find(name) for name in self._plan.trunks]
        trunks = [trunk for trunk in named if trunk is not None]
        working = [trunk for trunk in trunks if trunk.usable]
        if not self._plan.emergency:
            return working
        working.sort(key=lambda trunk: trunk.full)
        return working + [trunk for trunk in trunks if not trunk.usable]

    def _fail(self, status: int) -> None:
        """Note a refusal. Raises Refused where it is one by the called side, which no other trunk would change."""
        shown = 502 if status < 400 or status in (401, 407) else 504 if status == 408 else status
        self._failure = Refused(shown, REASONS.get(shown, "Not Reached"))
        ours_to_mend = status < 400 or status in (401, 407, 408) or 500 <= status < 600
        if not ours_to_mend and (not self._plan.emergency or status in _BY_THE_CALLED):
            raise self._failure

    async def _invite(self, trunk: Trunk, target: Target, flow: Flow) -> Leg | Response:
        """Whoever answers through one server, or its refusal. Raises Refused if nobody answers in time."""
        call, switch = self._call, self._switch
        fork = self._begin_fork()
        caller = call.caller_leg
        party = ExternalParty(str(self._plan.number), trunk=trunk.name)
        leg = Leg(switch, party, fork, switch.media_host(flow), caller, call.id)
        leg.negotiation.opus_parameters = caller.negotiation.remote_opus_parameters
        fork.add(leg)
        owner = _TrunkSession(trunk, leg)
        uri = self._uri(trunk, target)
        host = switch.nat.addresses.signalling(flow).host
        identity = outgoing_identity(
            trunk, call.caller, host, self._diverted, uri, emergency=self._plan.emergency
        )
        call.went_outside(
            CallWentOut(
                at=switch.environment.wall(),
                call=call.id,
                trunk=trunk.name,
                number=party.number,
                caller_id=identity.shown,
                emergency=self._plan.emergency,
            )
        )
        leg.call(
            uri,
            flow,
            from_=identity.from_,
            to=NameAddress(None, uri),
            codecs=caller.negotiation.offered_codecs,
            route_set=trunk.service_route,
            owner=owner,
            headers=identity.headers,
        )
        if leg.session is not None:
            leg.session.identity = identity_of(trunk.name)
        silence = switch.loop.call_later(REACTION_SECONDS, owner.give_up_if_silent)
        try:
            result = await fork.result(RING_SECONDS)
        finally:
            silence.cancel()
        if isinstance(result, Leg):
            return result
        if result is Outcome.NO_ANSWER:
            raise Refused(480, "Temporarily Unavailable")
        return owner.response

    def _uri(self, trunk: Trunk, target: Target) -> Uri:
        address = target.address
        host, port = (trunk.domain, None) if trunk.domain else (address.host, address.port)
        if self._plan.uri:
            sip = self._plan.uri.startswith(("sip:", "sips:"))
            return (
                Uri.parse(self._plan.uri)
                if sip
                else Uri("sip", self._plan.number.digits, host=host, port=port)
            )
        number, settings = self._plan.number, trunk.settings
        digits = number.digits if self._plan.emergency else number.formatted(settings.number_format)
        user = digits if self._plan.emergency else settings.dial_prefix + digits
        return Uri("sip", user, host=host, port=port, parameters=(("user", "phone"),))


_BY_THE_CALLED = (486, 600, 603)


class _TrunkSession:
    """Takes what the session of a trunk leg tells: answers challenges, keeps the refusal, and passes all else on."""

    def __init__(self, trunk: Trunk, leg: Leg) -> None:
        self.response = Response(408)
        """The refusal; 408 where there was none."""
        self._leg = leg
        self._answers = None if trunk.account is None else Answers(trunk.account)

    def on_effect(self, effect: Effect) -> None:
        """Take an effect of the session."""
        leg = self._leg
        if isinstance(effect, Rejected) and leg.state is not LegState.ENDED:
            self.response = effect.response
            if effect.response.status in (401, 407) and self._answers is not None:
                header = self._answers.answer(effect.session.request, effect.response)
                if header is not None:
                    now = leg.station.loop.time()
                    leg.station.driver.perform(effect.session.authorize(*header, now))
                    return
        leg.on_effect(effect)

    def give_up_if_silent(self) -> None:
        """The server has not even said 100."""
        if self._leg.silent:
            self.response = Response(408)
            self._leg.fail(408)
