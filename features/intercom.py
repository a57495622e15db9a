"""Intercom: *9101 calls extension 101, whose phone answers by itself, aloud, if its user allows that."""

from __future__ import annotations

from pbx.plugin import Call, Feature, Refused, intercoms, prompts, refuse_aloud

feature = Feature("intercom")

_REASONS = {
    404: prompts.CALL_NOT_FOUND,
    480: prompts.CALL_NOT_AVAILABLE,
    486: prompts.CALL_BUSY,
}


@feature.dial("*9{extension}", summary="Speak to an extension without waiting for it to be picked up")
async def intercom(call: Call, extension: str) -> None:
    """Talk until one of both hangs up; nothing is forwarded.

    Raises Refused: 404 there is no such extension, 486 it is busy, 480 none of its phones has answered.
    """
    try:
        await intercoms.speak_at_once(call, extension)
    except Refused as refusal:
        await refuse_aloud(call, refusal.status, refusal.reason, _REASONS.get(refusal.status, prompts.CALL_FAILED))
