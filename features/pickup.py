"""Pick-up: *20* takes the call that has rung longest, *20*101 that of extension 101, from any phone."""

from __future__ import annotations

from pbx.plugin import Call, Feature, Refused, pickup, prompts, refuse_aloud

feature = Feature("pickup")

NOTHING_RINGS = prompts.Token(
    "pickup.nothing_rings", "Il n'y a pas d'appel à intercepter.", "There is no call to pick up."
)


@feature.dial("*20*{extension?}", summary="Take a call that rings, anywhere or at one extension")
async def pick_up(call: Call, extension: str = "") -> None:
    """Connect the caller with whoever calls there.

    Raises Refused: 404 nothing rings there, 403 for callers from outside.
    """
    try:
        await pickup.pick_up(call, extension)
    except Refused as refusal:
        await refuse_aloud(call, refusal.status, refusal.reason, NOTHING_RINGS)
