"""Parking: a call transferred to *00 ... *09 waits there with music; *10 ... *19 takes it back, from any phone."""

from __future__ import annotations

from pbx.plugin import Call, Feature, Refused, parking, prompts, refuse_aloud

feature = Feature("parking")

NOBODY_PARKED = prompts.Token(
    "parking.nobody", "Aucun appel n'est parqué à cette position.", "No call is parked there."
)


@feature.dial("*0{orbit:digit}", summary="Transfer a call here to park it, or take it back")
async def park(call: Call, orbit: str) -> None:
    """Keep whoever was transferred here. Raises Refused: 486 the orbit is full."""
    await parking.keep(call, orbit)


@feature.dial(
    "*1{orbit:digit}{extension?}", summary="Take the call that was parked first, or first by an extension"
)
async def retrieve(call: Call, orbit: str, extension: str = "") -> None:
    """Connect the caller. Raises Refused: 404 nobody is parked there."""
    try:
        await parking.retrieve(call, orbit, extension)
    except Refused as refusal:
        await refuse_aloud(call, refusal.status, refusal.reason, NOBODY_PARKED)
