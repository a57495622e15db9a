"""INVITE with Replaces (RFC 3891): lamp keys pick up what rings elsewhere, and users take calls to other phones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.service import PortsExhausted
from pbx.leg import Leg, LegState
from pbx.negotiate import NotAcceptable
from sipcore.dialog.caller import CallerSession
from sipcore.dialog.transfer import Replaces, replaces_of
from sipcore.errors import PeerError

if TYPE_CHECKING:
    from pbx.call import Call
    from pbx.directory import Extension
    from pbx.switch import Switch
    from sipcore.effects import Invited


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
    wanted = call.caller_leg.negotiation.offered_codecs
    if new.state is not LegState.ENDED:
        new.answer(next((codec for codec in wanted if codec in new.negotiation.offered_codecs), None))
        call.claim(new)


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
        call.replace(old, new)
        old.hang_up()


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


def _reject(switch: Switch, invited: Invited, status: int) -> None:
    switch.driver.perform(invited.session.reject(status, switch.loop.time()))
