"""Barging in: a third joins two who talk, and is heard by both, by one of them, or by neither.

The supervisor's own phone rings first, as for any call that a page makes. When the supervisor hangs up, the two talk on
as before; when their conversation ends, or one of them is transferred, the supervisor's call is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from pbx.call import Call
from pbx.conversation import Conversation, Guest
from pbx.make_call import extension_of, first_ring
from pbx.refused import Refused
from pbx.relocation import bring
from pbx.transfer import WrongState

if TYPE_CHECKING:
    from pbx.leg import Leg
    from pbx.switch import Switch

FEATURE = "barge_in"


class Mode(Enum):
    """Who hears the supervisor."""

    LISTEN = "listen"
    """Nobody."""
    WHISPER = "whisper"
    """The supervised extension."""
    BARGE = "barge"
    """Both."""


def barge_in(switch: Switch, number: str, call: Call, supervised: str, mode: Mode = Mode.BARGE) -> Call:
    """Let the extension `number` join the conversation in `call` of the extension `supervised`; who is in it already is
    heard as `mode` says from now on.

    Returns the supervisor's own call. Raises Refused: 403 it has not the right to, or is in that call itself, 404 there
    is no such extension, 480 it has no phone; WrongState where the two do not talk.
    """
    supervisor = extension_of(switch, number)
    rights = switch.board.rights_of(number)
    if not rights.barges_in or supervised not in rights.sees:
        raise Refused(403, "Barging In Not Allowed")
    leg = _supervised(call, supervised)
    conversation = _conversation(leg)
    if any(each.extension is not None and each.extension.number == number for each in conversation.legs):
        raise Refused(403, "Own Call")
    assert leg.party is not None, "found by its extension"
    present = conversation.guest_of(number)
    if present is not None:
        conversation.admit(_guest(present.leg, present.ended, leg, mode))
        return switch.calls[present.leg.call_id]
    own = Call(switch, switch.new_call_id(), supervisor, supervised)
    own.served_by = FEATURE
    then = partial(_attend, own, leg, conversation, mode)
    return first_ring(own, supervisor, leg.party, then, beside=leg)


async def _attend(call: Call, supervised: Leg, conversation: Conversation, mode: Mode) -> None:
    """Be in on that conversation of the leg, until it is over: not on the one that follows after a transfer, which
    nobody was asked about."""
    worker = call.switch.media.worker_of(supervised.stream)
    if (
        worker is None
        or not await bring(call.caller_leg, worker)
        or supervised.conversation is not conversation
    ):
        raise Refused(480, "Call Is Over")
    voice = await call.answer()
    voice.quiet()
    over = asyncio.get_running_loop().create_future()
    leg = call.caller_leg

    def ended() -> None:
        if not over.done():
            over.set_result(None)

    conversation.admit(_guest(leg, ended, supervised, mode))
    try:
        await over
    finally:
        conversation.dismiss(leg)


def _guest(leg: Leg, ended: Callable[[], None], supervised: Leg, mode: Mode) -> Guest:
    whispers_to = supervised if mode is Mode.WHISPER else None
    return Guest(leg, ended, muted=mode is Mode.LISTEN, whispers_to=whispers_to)


def _supervised(call: Call, number: str) -> Leg:
    for leg in (call.leg, call.callee):
        if leg is not None and leg.extension is not None and leg.extension.number == number:
            return leg
    raise WrongState(f"{number} is not in that call")


def _conversation(leg: Leg) -> Conversation:
    if leg.conversation is None:
        raise WrongState("only a call that is connected can be joined")
    return leg.conversation
