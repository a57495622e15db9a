"""Calls that a page or a program makes for a user: the user's phones ring first, then whoever is called (RFC 3725)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pbx.call import Call
from pbx.leg import Leg, LegState
from pbx.limits import LIMIT_REACHED, TOO_MANY_CALLS, is_full
from pbx.party import ExternalParty, Party
from pbx.refused import Refused
from pbx.ringing import call_own_phones
from pbx.routing import Outcome, Refuse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pbx.directory import Extension
    from pbx.switch import Switch

PICK_UP_SECONDS = 30.0
"""Whoever has a call made is near a phone."""

_REFUSALS = {Outcome.BUSY: (486, "Busy Here"), Outcome.DECLINED: (603, "Decline")}


def make_call(switch: Switch, number: str, target: str, *, intercom: bool = False) -> Call:
    """Call the phones of extension `number`, and once one is picked up, `target`, a dialled string. `intercom`: phones
    that can do so answer by themselves.

    Raises Refused: 404 there is no such extension, or nobody has that number, 403 it may not be called, 480 the
    extension has no phone, 503 there are too many calls. Nothing rings then.
    """
    extension = extension_of(switch, number)
    route = switch.router.route(target, caller=extension)
    if isinstance(route.action, Refuse) and route.action.status in (403, 404):
        raise Refused(route.action.status, route.action.reason)
    shown: Party = switch.directory.find(target) or ExternalParty(target)
    call = Call(switch, switch.new_call_id(), extension, target)
    return first_ring(call, extension, shown, call.serve, intercom=intercom)


def first_ring(
    call: Call,
    extension: Extension,
    shown: Party,
    then: Callable[[], Awaitable[None]],
    *,
    beside: Leg | None = None,
    intercom: bool = False,
) -> Call:
    """Begin `call` at the phones of an extension; the one that is picked up is served by `then`.

    The phones show `shown`; sound is carried by the media worker of `beside`. Raises Refused: 480 there is no phone,
    503 there is no room for one more call.
    """
    if not call.switch.registered(extension.number):
        raise Refused(480, "No Phone Registered")
    if is_full(call.switch, call.dialled, extension):
        call.switch.turned_away.tell(extension, call.dialled, *TOO_MANY_CALLS, why=LIMIT_REACHED)
        raise Refused(*TOO_MANY_CALLS)

    async def ring() -> None:
        fork = call.begin_fork(aside=True)
        call_own_phones(call, extension, fork, shown, beside=beside, intercom=intercom)
        result = await fork.result(PICK_UP_SECONDS)
        if not isinstance(result, Leg) or result.state is LegState.ENDED:
            outcome = result if isinstance(result, Outcome) else Outcome.NOT_REACHED
            raise Refused(*_REFUSALS.get(outcome, (480, "Temporarily Unavailable")))
        call.serve_instead(result)
        await then()

    call.switch.calls[call.id] = call
    call.begin(ring)
    return call


def extension_of(switch: Switch, number: str) -> Extension:
    """The extension with that number. Raises Refused (404)."""
    extension = switch.directory.find(number)
    if extension is None:
        raise Refused(404, "No Such Extension")
    return extension
