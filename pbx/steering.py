"""What others than phones do with calls, such as the page of a user: reject, divert, transfer, park, record, barge in.

`allowed` says what a user may do with a call now, and `perform` does it: whoever shows the one and offers the other
cannot promise too much. The functions below them each do one thing, for whoever has asked already.

Each raises WrongState where the state of the call does not allow it, and Refused (403, 404; 486 for a full orbit) for a
target that makes no sense; nothing has moved then.
"""

from __future__ import annotations

from enum import Enum
from functools import partial

from pbx import branches
from pbx.call import Call
from pbx.destinations import Voicemail
from pbx.directory import Extension
from pbx.leg import Leg, LegState
from pbx.parking import check_room, keep
from pbx.refused import Refused
from pbx.routing import Refuse
from pbx.supervision import Mode, barge_in
from pbx.transfer import WrongState, begin, check_target, transfer

__all__ = [
    "Verb",
    "WrongState",
    "allowed",
    "divert",
    "park",
    "perform",
    "reject",
    "to_voicemail",
    "transfer_by",
]


class Verb(Enum):
    """What a user can do with a call."""

    REJECT = "reject"
    DIVERT = "divert"
    """To a dialled string."""
    TO_VOICEMAIL = "to_voicemail"
    """To the mailbox of the user."""
    TRANSFER = "transfer"
    """To a dialled string."""
    PARK = "park"
    """In an orbit."""
    RECORD = "record"
    STOP_RECORDING = "stop_recording"
    HANG_UP = "hang_up"
    LISTEN = "listen"
    """To the conversation of an extension: as a third, whom nobody hears."""
    WHISPER = "whisper"
    BARGE = "barge"


_MODES = {Verb.LISTEN: Mode.LISTEN, Verb.WHISPER: Mode.WHISPER, Verb.BARGE: Mode.BARGE}


def allowed(call: Call, number: str) -> frozenset[Verb]:
    """What the extension `number` may do with a call as it is now."""
    if call.ending:
        return frozenset()
    if number in call.rings_at:
        mine = {Verb.REJECT, Verb.DIVERT}
        return frozenset(mine if _others_ring(call, number) else {*mine, Verb.TO_VOICEMAIL})
    leg = _find_leg(call, number)
    if _begins_with(call, number):
        return frozenset({Verb.HANG_UP})
    if leg is None:
        return frozenset(_MODES) if _supervisable(call, number) else frozenset()
    verbs = {Verb.HANG_UP}
    if call.other(leg) is not None:
        verbs |= {Verb.TRANSFER, Verb.PARK, Verb.TO_VOICEMAIL}
        recorded = call.switch.recordings.of(leg) is not None
        verbs.add(Verb.STOP_RECORDING if recorded else Verb.RECORD)
    return frozenset(verbs)


def perform(call: Call, number: str, verb: Verb, target: str = "") -> None:
    """Do what the extension `number` asks for. `target`: where the call goes, by a dialled string or the digit of an
    orbit; or whom it supervises, which has to be said of calls between two that it may.

    Raises Refused, WrongState.
    """
    if verb not in allowed(call, number):
        mine = number in call.rings_at or _find_leg(call, number) or _begins_with(call, number)
        if not mine and (verb not in _MODES or not call.switch.board.rights_of(number).barges_in):
            raise Refused(403, "Not Your Call")
        raise WrongState(f"{verb.value} does not go with a call in this state")
    if verb in _MODES:
        supervised = target or next(iter(_supervisable(call, number)))
        barge_in(call.switch, number, call, supervised, _MODES[verb])
        return
    match verb:
        case Verb.REJECT:
            reject(call, number)
        case Verb.DIVERT:
            divert(call, target, number)
        case Verb.TO_VOICEMAIL:
            to_voicemail(call, number)
        case Verb.TRANSFER:
            transfer_by(call, number, target)
        case Verb.PARK:
            park(call, number, target)
        case Verb.RECORD:
            call.switch.recordings.begin(call, _leg_of(call, number))
        case Verb.STOP_RECORDING:
            call.switch.recordings.end(_leg_of(call, number))
        case Verb.HANG_UP:
            hang_up(call, number)


def reject(call: Call, number: str = "") -> None:
    """Refuse a ringing call for the extension `number`, as if its user had pressed that key: what comes next is what
    comes after a 603. The others of a group whose phones ring may still answer; without a number, all refuse it."""
    if not call.refuse_ringing(number):
        raise WrongState("only a call that rings can be rejected")


def divert(call: Call, target: str, number: str = "") -> None:
    """Send a ringing call on to `target`, a dialled string.

    Where others than the extension `number` ring too, it is their call as well: the target is called in its place.
    """
    if not call.rings:
        raise WrongState("only a call that rings can be diverted")
    for_oneself = bool(number) and _others_ring(call, number)
    trail = (number,) if for_oneself else call.rings_at  # who diverts pays for a call outside
    check_target(call, target, trail, call.caller_leg)
    extension = call.switch.directory.find(target)
    if extension is not None and extension.number in call.rings_at:
        raise WrongState("it rings there already")
    if for_oneself:
        branches.divert(call, number, target)
        return
    call.dialled, call.trail = target, trail
    call.turn(call.serve)


def _others_ring(call: Call, number: str) -> bool:
    return any(each != number for each in call.rings_at)


def transfer_by(call: Call, number: str, target: str) -> None:
    """Let the extension `number` transfer whom it talks to, to `target`."""
    transfer(call, _leg_of(call, number), target)


def to_voicemail(call: Call, number: str) -> None:
    """Let whoever calls the extension `number`, or talks to it, leave a message in its mailbox."""
    mailbox = Voicemail(number)
    action = call.switch.router.lead_to(mailbox, (), caller=call.caller).action
    if isinstance(action, Refuse):
        raise Refused(action.status, action.reason)
    if number in call.rings_at:
        if _others_ring(call, number):
            raise WrongState("others ring too, who may still take the call")
        call.trail = call.rings_at
    else:
        by = _leg_of(call, number)
        if call.other(by) is None:
            raise WrongState("only a call that rings or is connected can go to a mailbox")
        begin(call, by, None, call.let_go(by))
    call.turn(partial(call.serve, partial(call.lead_to, mailbox, chosen=True)))


def park(call: Call, number: str, orbit: str) -> None:
    """Let the extension `number` park whom it talks to."""
    by = _leg_of(call, number)
    if call.other(by) is None:
        raise WrongState("only a call that is connected can be parked")
    if len(orbit) != 1 or orbit not in "0123456789":
        raise Refused(404, "No Such Orbit")
    check_room(call, orbit)
    stays = call.let_go(by)
    begin(call, by, None, stays)
    call.turn(partial(call.serve, partial(keep, call, orbit)))


def hang_up(call: Call, number: str) -> None:
    """End the part that the extension `number` has in a call, as if its phone had."""
    if _begins_with(call, number):
        call.cancel()
        return
    leg = _leg_of(call, number)
    watcher, status = leg.watcher, 200 if leg.state is LegState.ANSWERED else 487
    leg.reject(status)  # which hangs up where it was answered
    watcher.leg_ended(leg, status)


def _begins_with(call: Call, number: str) -> bool:
    """Whether a call that a page has made for an extension rings at its own phones yet."""
    return call.leg is None and isinstance(call.caller, Extension) and call.caller.number == number


def _supervisable(call: Call, number: str) -> tuple[str, ...]:
    """The extensions in a conversation that `number` may join, who is not one of them."""
    rights = call.switch.board.rights_of(number)
    leg = call.callee
    if not rights.barges_in or leg is None or leg.conversation is None or call.other(leg) is None:
        return ()
    legs = [each for each in (call.leg, call.callee) if each is not None and each.extension is not None]
    numbers = [each.extension.number for each in legs if each.extension is not None]
    return tuple(each for each in numbers if each in rights.sees and number not in numbers)


def _find_leg(call: Call, number: str) -> Leg | None:
    for leg in (call.leg, call.callee):
        if leg is not None and leg.extension is not None and leg.extension.number == number:
            return leg
    return None


def _leg_of(call: Call, number: str) -> Leg:
    """The leg of an extension in a call. Raises WrongState."""
    leg = _find_leg(call, number)
    if leg is None:
        raise WrongState(f"{number} is not in that call")
    return leg
