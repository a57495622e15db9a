"""Ring groups: a number under which several extensions ring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pbx.plugin import Call, Feature, Refused, reception, ring_groups

if TYPE_CHECKING:
    from pbx.plugin import Switch

feature = Feature("ring_groups")


@feature.start
async def begin(switch: Switch) -> None:
    """Enter the groups of the configuration."""
    reception.follow(switch)


@feature.destination(reception.RING_GROUP, summary="Ring the members of a group")
async def ring(call: Call, group: str) -> None:
    """Ring. Raises Refused: 486 all are busy, 480 nobody answers."""
    for each in call.config.ring_groups:
        if each.number == group:
            return await ring_groups.ring(call, each)
    raise Refused(404, "Not Found")
