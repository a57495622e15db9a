"""Several ring for one call, and one of them sends it on: that is done for himself, and the others ring as before.

Somebody else is called in his place, an extension or somebody outside. A mailbox, a queue and the like would answer at
once, and so take the call away from the others.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from media.service import PortsExhausted
from pbx.forking import ELSEWHERE, Fork
from pbx.refused import Refused
from pbx.ringing import call_phones
from pbx.routing import DEFLECTION, Outcome, Refuse, Ring, Route
from pbx.transfer import WrongState
from pbx.trunks.outbound import CallOut
from pbx.trunks.outgoing import place, refuse

if TYPE_CHECKING:
    from pbx.call import Call

OUTSIDE_SECONDS = 60.0
"""How long it rings outside, if the others ring so long."""


def route_of(call: Call, number: str, target: str) -> Route:
    """Where a call goes that the extension `number`, for which it rings, sends on to `target`."""
    return call.switch.router.route(target, (number,), caller=call.caller, dids=call.dids)


def divert(call: Call, number: str, target: str) -> None:
    """Call `target` in the place of one of those who ring. Raises Refused, WrongState; nothing has changed then."""
    action = route_of(call, number, target).action
    match action:
        case Ring(extension, seconds):
            to, calling = extension.number, partial(call_phones, call, extension)
        case CallOut():
            to, seconds = str(action.number), OUTSIDE_SECONDS
            calling = partial(_call_outside, call, action, number)
        case Refuse(status, reason, barred):
            if barred:
                refuse(call, barred, reason)
            raise Refused(status, reason)
        case _:
            raise WrongState("others ring too, from whom that would take the call")
    if to in call.rings_at:
        raise WrongState("it rings there already")
    call.move_ringing(number, to, calling, seconds)


def _call_outside(call: Call, plan: CallOut, by: str, fork: Fork) -> None:
    fork.send(call.switch.loop.create_task(_reach(call, plan, by, fork), name=f"branch {call.id}"))


async def _reach(call: Call, plan: CallOut, by: str, fork: Fork) -> None:
    """Put whoever answers outside into the fork."""
    member = call.switch.directory.find(by)
    diverted = None if member is None else (member, DEFLECTION)
    try:
        leg = await place(
            call, plan, diverted, begin_fork=partial(Fork, call.switch.alarms, fork.leg_progressed)
        )
    except (Refused, PortsExhausted):
        fork.fail(Outcome.NOT_REACHED)
        return
    if not fork.take(leg):
        leg.hang_up(ELSEWHERE)
