"""Refusals that are spoken: the caller hears why, and then the call ends as any refused one does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pbx.leg import LegState
from pbx.refused import Refused
from pbx.voice import voice_for

if TYPE_CHECKING:
    from media.prompts.tokens import Token
    from pbx.call import Call


async def refuse_aloud(call: Call, status: int, reason: str, *prompts: Token | Path) -> NoReturn:
    """Say why, as early media (RFC 3960) where the caller has not been answered, and refuse the call: nobody pays for
    an announcement. A caller without an offer hears nothing before an answer, and is refused at once.

    Raises Refused.
    """
    leg = call.caller_leg
    if leg.state is LegState.ANSWERED:
        await call.voice_of(leg).play(*prompts)  # not `answer`: a transfer to here has failed
        raise Refused(status, reason)
    leg.send_early_media()
    if leg.plan is not None:
        await voice_for(leg, call.switch).play(*prompts)
    raise Refused(status, reason)
