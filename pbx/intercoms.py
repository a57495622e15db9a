"""Intercom: a phone answers by itself, aloud, and its user need not move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pbx.leg import Leg
from pbx.refused import Refused
from pbx.routing import Outcome

if TYPE_CHECKING:
    from pbx.call import Call

ANSWER_SECONDS = 15.0
"""A phone that answers by itself does so at once."""


async def speak_at_once(call: Call, number: str, seconds: float = ANSWER_SECONDS) -> None:
    """Have a phone of the extension `number` answer by itself, and talk until one of both hangs up.

    Raises Refused: 404 there is no such extension, 486 it is busy, 480 no phone has answered by then.
    """
    switch = call.switch
    extension = switch.directory.find(number)
    if extension is None:
        raise Refused(404, "Not Found")
    if switch.calls_of(extension.number):  # a phone that answers by itself would put somebody on hold
        raise Refused(486, "Busy Here")
    result = await call.ring_extension(extension, seconds, intercom=True)
    if isinstance(result, Leg):
        await call.talk(result)
    elif result is Outcome.BUSY:
        raise Refused(486, "Busy Here")
    else:
        raise Refused(480, "Temporarily Unavailable")
