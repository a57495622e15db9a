"""What others than phones do with calls, such as the pages of a user: reject, divert, transfer, park.

Each raises WrongState where the state of the call does not allow it, and Refused (403, 404; 486 for a full orbit) for a
target that makes no sense; nothing has moved then.
"""

from __future__ import annotations

from functools import partial

from pbx.call import Call
from pbx.leg import Leg
from pbx.parking import check_room, keep
from pbx.transfer import WrongState, begin, check_target, transfer

__all__ = ["WrongState", "divert", "park", "reject", "transfer_by"]


def reject(call: Call) -> None:
    """Refuse a ringing call, as if the user had pressed that key: what comes next is what comes after a 603."""
    if not call.refuse_ringing():
        raise WrongState("only a call that rings can be rejected")


def divert(call: Call, target: str) -> None:
    """Send a ringing call on to `target`, a dialled string."""
    if not call.rings:
        raise WrongState("only a call that rings can be diverted")
    check_target(call, target, call.rings_at, call.caller_leg)
    extension = call.switch.directory.find(target)
    if extension is not None and extension.number in call.rings_at:
        raise WrongState("it rings there already")
    call.dialled, call.trail = target, call.rings_at
    call.turn(call.serve)


def transfer_by(call: Call, number: str, target: str) -> None:
    """Let the extension `number` transfer whom it talks to, to `target`."""
    transfer(call, _leg_of(call, number), target)


def park(call: Call, number: str, orbit: str) -> None:
    """Let the extension `number` park whom it talks to."""
    by = _leg_of(call, number)
    if call.other(by) is None:
        raise WrongState("only a call that is connected can be parked")
    check_room(call, orbit)
    stays = call.let_go(by)
    begin(call, by, None, stays)
    call.turn(partial(call.serve, partial(keep, call, orbit)))


def _leg_of(call: Call, number: str) -> Leg:
    """The leg of an extension in a call. Raises WrongState."""
    for leg in (call.leg, call.callee):
        if leg is not None and leg.extension is not None and leg.extension.number == number:
            return leg
    raise WrongState(f"{number} is not in that call")
