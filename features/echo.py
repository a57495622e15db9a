"""Echo test: *777 sends the caller's own voice back, to hear whether sound comes through, and how late."""

from __future__ import annotations

from pbx.plugin import Call, Feature

feature = Feature("echo")


@feature.dial("*777", summary="Hear yourself: the echo test")
async def echo(call: Call) -> None:
    """Answer, and send back what is heard until the caller hangs up."""
    await call.answer()
    await call.echo()
