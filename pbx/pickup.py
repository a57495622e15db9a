"""Calls that ring elsewhere are picked up: by a code, or by an INVITE with Replaces (RFC 3891), as lamp keys send it.

With Replaces, users also take their calls to other phones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from media.service import PortsExhausted
from pbx.forking import ELSEWHERE
from pbx.leg import Leg, LegState
from pbx.negotiate import NotAcceptable
from pbx.refused import Refused
from sipcore.dialog.caller import CallerSession
from sipcore.dialog.transfer import Replaces, replaces_of
from sipcore.errors import PeerError

if TYPE_CHECKING:
    from media.plan import Codec
    from pbx.call import Call
    from pbx.directory import Extension
    from pbx.switch import Switch
    from sipcore.effects import Invited


def ringing(switch: Switch, picker: Extension, number: str = "") -> Call | None:
    """The call that an extension picks up: of those that ring at `number`, or anywhere, the one that has rung longest.
    The number of a queue or a ring group stands for all whom it rings.

    Where `[pickup]` says so, it is one for somebody in a group of the picker's.
    """
    within = _within_reach(switch, picker)
    calls = [
        call
        for call in switch.calls.values()
        if call.rings
        and call.caller != picker
        and any(
            (number in ("", each) or _has_come_by(call, number)) and (within is None or each in within)
            for each in call.rings_at
        )
    ]
    return min(calls, key=lambda call: call.rings_since, default=None)


def _has_come_by(call: Call, number: str) -> bool:
    """Whether a call rings for a queue or a ring group."""
    return number in call.trail and call.switch.system_numbers.find(number) is not None


async def pick_up(call: Call, number: str = "") -> None:
    """Connect the caller with whoever calls the extension `number`, or anybody, in place of the phones that ring.

    Raises Refused: 404 nothing rings there, 403 the caller is none of ours.
    """
    picker = call.caller_leg.extension
    if picker is None:
        raise Refused(403, "For Extensions Only")
    found = ringing(call.switch, picker, number)
    if found is None:
        raise Refused(404, "Nothing Rings There")
    leg, wanted = call.caller_leg, found.caller_leg
    leg.move_beside(wanted)
    leg.answer(_shared(leg, wanted))
    await call.answer()
    if leg.plan is None:
        await _agreed(leg)
        found = ringing(call.switch, picker, number)  # that one may be over, or ring somewhere else by now
    if found is None:
        raise Refused(404, "Nothing Rings There")
    found.claim(call.give_away())


def take_place(switch: Switch, invited: Invited, extension: Extension) -> None:
    """Answer an INVITE of `extension` that names the dialog whose place it takes; or refuse it, and change nothing.

    481 where that is none of ours, and where somebody else was faster; 486 where it has been answered and the INVITE
    is for early dialogs only; 403 for calls of others that have been answered.
    """
    try:
        replaces = replaces_of(invited.request)
        assert replaces is not None, "asked for INVITEs with Replaces only"
        old = leg_of(switch, replaces)
        call = None if old is None else switch.calls.get(old.call_id)
        if old is None or call is None:
            raise PeerError("no such dialog", status=481)
        if old.state is LegState.ANSWERED:
            _take_over(call, old, invited, extension, replaces)
        else:
            _pick_up(call, old, invited, extension)
    except PeerError as error:
        _reject(switch, invited, error.status)
    except PortsExhausted:
        _reject(switch, invited, 503)


def leg_of(switch: Switch, named: Replaces) -> Leg | None:
    """The leg whose dialog is named, by whichever side."""
    session = switch.endpoint.session_of(named.call_id, named.to_tag, named.from_tag)
    owner = None if session is None else session.owner
    return owner if isinstance(owner, Leg) and owner.state is not LegState.ENDED else None


def _pick_up(call: Call, old: Leg, invited: Invited, extension: Extension) -> None:
    """Answer in the place of the phones that ring. Only what we began can be replaced so early (section 3)."""
    if not isinstance(old.session, CallerSession) or not call.rings:
        raise PeerError("nothing rings in that dialog", status=481)
    new = _leg(call, invited, extension)
    if new.state is not LegState.ENDED:
        new.answer(_shared(new, call.caller_leg))
        _once_agreed(new, partial(_claim, call, new))


def _claim(call: Call, new: Leg) -> None:
    if not call.claim(new):
        new.hang_up(ELSEWHERE)


def _take_over(call: Call, old: Leg, invited: Invited, extension: Extension, replaces: Replaces) -> None:
    """Go on with a call of one's own at another phone."""
    other = call.other(old)
    if replaces.early_only:
        raise PeerError("it has been answered", status=486)
    if old.extension is None or old.extension.number != extension.number:
        raise PeerError("a call of somebody else", status=403)
    if other is None:
        raise PeerError("there is nobody in that dialog", status=481)
    new = _leg(call, invited, extension)
    if new.state is not LegState.ENDED:
        new.answer(other.codec)
        _once_agreed(new, partial(_replace, call, old, new))


def _replace(call: Call, old: Leg, new: Leg) -> None:
    if call.other(old) is None:
        new.hang_up()
        return
    call.replace(old, new)
    recordings = call.switch.recordings
    if recordings.of(old) is not None:
        recordings.begin(call, new)
    old.hang_up()


def _once_agreed(leg: Leg, act: Callable[[], None]) -> None:
    """Act when it is certain that the phone which has been answered speaks with us: one whose INVITE made no offer may
    refuse ours in its ACK, and until then whoever waits, or talks, goes on doing so."""
    if leg.plan is not None:
        act()
    else:
        leg.when_agreed = act


async def _agreed(leg: Leg) -> None:
    """Wait for that."""
    agreed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    _once_agreed(leg, lambda: None if agreed.done() else agreed.set_result(None))
    await agreed


def _leg(call: Call, invited: Invited, extension: Extension) -> Leg:
    """One that has ended with 488 already, where its offer has nothing for us. Raises PortsExhausted."""
    switch = call.switch
    host = switch.media_host(invited.session.flow)
    leg = Leg(switch, extension, call, host=host, beside=call.caller_leg)
    try:
        leg.receive_call(invited.session, invited.offer)
    except NotAcceptable:
        leg.reject(488)
    leg.call_id = call.id
    return leg


def _shared(leg: Leg, other: Leg) -> Codec | None:
    """The codec that `other` likes best of those that both have offered."""
    offered = leg.negotiation.offered_codecs
    return next((codec for codec in other.negotiation.offered_codecs if codec in offered), None)


def _within_reach(switch: Switch, picker: Extension) -> set[str] | None:
    """Whose calls an extension may pick up; None: everybody's."""
    if switch.config.pickup.scope == "system":
        return None
    groups = [set(group.extensions) for group in switch.config.groups]
    return {picker.number}.union(*(group for group in groups if picker.number in group))


def _reject(switch: Switch, invited: Invited, status: int) -> None:
    switch.driver.perform(invited.session.reject(status, switch.loop.time()))
