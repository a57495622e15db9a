"""A plug-in as a third party would install it: *88 and a digit sets how many new messages the caller has."""

from __future__ import annotations

from pbx.plugin import Call, Feature

feature = Feature("message_counts")


@feature.dial("*88{new:digit}", summary="Have so many new messages")
async def have_messages(call: Call, new: str) -> None:
    """Note the count, and hang up."""
    call.switch.mailboxes.set(call.caller.number, new=int(new))
