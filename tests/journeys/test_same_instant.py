"""What comes in one turn of the event loop: nobody is left in a call that is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from features.pickup import feature as pickup
from pbx.call import Call
from pbx.conversation import Conversation
from pbx.leg import Leg
from pbx.phone import CallFailed
from tests.journeys.test_failures import errors
from tests.simulation.office import Office


@pytest.mark.row("PICK-01")
async def test_who_picks_up_a_call_that_is_ended_then_is_hung_up(
    make_office: Callable[..., Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ends it, such as the CANCEL of the caller, is the next that is read after what picks it up."""
    office = make_office(features=[pickup])
    await office.open()
    lee, richardson, taylor = [await office.phone(number) for number in ("100", "101", "102")]
    outgoing = lee.dial("101")
    await richardson.incoming()
    claim = Call.claim

    def claimed_at_the_end(call: Call, leg: Leg) -> bool:
        claimed = claim(call, leg)
        call.cancel()
        return claimed

    monkeypatch.setattr(Call, "claim", claimed_at_the_end)
    picked = taylor.dial("*20*101")
    await picked.answered()
    with pytest.raises(CallFailed):
        await outgoing.answered()
    assert await asyncio.wait_for(picked.over(), 5) == 200
    await office.settle()


@pytest.mark.row("CORE-07")
@pytest.mark.parametrize("who", ["answers", "declines", "nobody"])
async def test_a_phone_that_cannot_be_hung_up_holds_nobody(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, who: str
) -> None:
    """What fails there is logged, and the call goes on."""
    lee, richardson = await office.phone("100"), await office.phone("101")
    await office.phone("101")
    outgoing = lee.dial("101")
    ringing = await richardson.incoming()
    await asyncio.sleep(1)
    [call] = office.switch.calls.values()
    hang_up = Leg.hang_up

    def fail_once(leg: Leg, reason: str | None = None) -> None:
        if leg.station is office.switch and leg.alerts:
            monkeypatch.setattr(Leg, "hang_up", hang_up)
            raise RuntimeError("for the test")
        hang_up(leg, reason)

    monkeypatch.setattr(Leg, "hang_up", fail_once)
    if who == "answers":
        ringing.answer()
        await asyncio.wait_for(outgoing.answered(), 5)
        outgoing.hang_up()
    else:
        if who == "declines":
            ringing.reject(603)
        else:
            outgoing.hang_up()
        with pytest.raises(CallFailed):
            await asyncio.wait_for(outgoing.answered(), 5)
    await asyncio.sleep(1)
    assert call.id not in office.switch.calls
    assert errors(caplog)


async def test_two_who_cannot_be_joined_are_hung_up(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")

    def fail(conversation: Conversation) -> None:
        raise RuntimeError("for the test")

    outgoing = lee.dial("101")
    ringing = await richardson.incoming()
    monkeypatch.setattr(Conversation, "_join", fail)
    ringing.answer()
    await asyncio.wait_for(ringing.over(), 5)
    await asyncio.wait_for(outgoing.over(), 5)
    monkeypatch.undo()
    assert errors(caplog)
    await office.settle()
