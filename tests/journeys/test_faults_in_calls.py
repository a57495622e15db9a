"""What goes wrong in one step of a call is logged, and nobody is left in a call that is over."""

from __future__ import annotations

import asyncio

import pytest

from media.service import MediaService
from pbx.call import Call
from pbx.leg import Leg, LegState
from pbx.negotiate import Negotiation
from pbx.phone import CallFailed
from pbx.steering import divert
from tests.journeys.test_failures import errors
from tests.simulation.office import Office


def fail_to_hang_up(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next phone that rings for the office and is to be hung up is not."""
    hang_up = Leg.hang_up

    def fail_once(leg: Leg, reason: str | None = None) -> None:
        if leg.station is office.switch and leg.alerts:
            monkeypatch.setattr(Leg, "hang_up", hang_up)
            raise RuntimeError("for the test")
        hang_up(leg, reason)

    monkeypatch.setattr(Leg, "hang_up", fail_once)


@pytest.mark.parametrize(("of", "what"), [(Negotiation, "receive_offer"), (Call, "begin")])
async def test_a_call_that_cannot_be_begun_is_in_no_book(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, of: type, what: str
) -> None:
    lee = await office.phone("100")

    def fail(*arguments: object) -> None:
        raise RuntimeError("for the test")

    outgoing = lee.dial("101")
    monkeypatch.setattr(of, what, fail)
    with pytest.raises(CallFailed) as caught:
        await outgoing.answered()
    monkeypatch.undo()
    assert caught.value.status == 500
    assert errors(caplog)
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
    fail_to_hang_up(office, monkeypatch)
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


@pytest.mark.row("AST-17")
@pytest.mark.parametrize("says", ["refuses", "answers"])
async def test_a_phone_that_cannot_be_hung_up_has_no_say_once_the_call_has_gone_on(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, says: str
) -> None:
    """Others talk in it by then."""
    lee, richardson, taylor = [await office.phone(number) for number in ("100", "101", "102")]
    outgoing = lee.dial("101")
    ringing = await richardson.incoming()
    await asyncio.sleep(1)
    [call] = office.switch.calls.values()
    fail_to_hang_up(office, monkeypatch)
    divert(call, "102")
    diverted = await taylor.incoming()
    diverted.answer()
    await outgoing.answered()
    if says == "refuses":
        ringing.reject(486)
    else:
        ringing.answer()
    await asyncio.wait_for(ringing.over(), 5)
    await asyncio.sleep(1)
    assert errors(caplog)
    assert call.callee is not None
    assert (call.callee.number, call.callee.state) == ("102", LegState.ANSWERED)
    diverted.hang_up()
    await asyncio.wait_for(outgoing.over(), 5)
    await office.settle()


async def test_two_who_cannot_be_joined_are_hung_up(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")

    def fail(*arguments: object) -> None:
        raise RuntimeError("for the test")

    outgoing = lee.dial("101")
    ringing = await richardson.incoming()
    monkeypatch.setattr(MediaService, "are_together", fail)
    ringing.answer()
    await asyncio.wait_for(ringing.over(), 5)
    await asyncio.wait_for(outgoing.over(), 5)
    monkeypatch.undo()
    assert errors(caplog)
    await office.settle()
