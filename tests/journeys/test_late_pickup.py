"""Pick-ups by phones whose INVITE makes no offer: nobody who waits or talks is touched before their ACK agrees."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from features.pickup import feature as pickup
from pbx.negotiate import NotAcceptable
from pbx.phone import Phone, PhoneCall
from pbx.steering import divert
from sipcore.sdp.description import SessionDescription
from tests.journeys.talking import assert_talk, connect, listen
from tests.journeys.test_pickup import named
from tests.simulation.office import Office

REFUSALS = pytest.mark.parametrize("refusal", ["BYE", "ACK"])


@pytest.fixture
def office(make_office: Callable[..., Office]) -> Office:
    office = make_office(features=[pickup])
    office.simulation.run(office.open())
    return office


def refuse_sound(call: PhoneCall, refusal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The phone wants none of what is offered: it says so in its ACK, or hangs up at once."""
    negotiation = call.leg.negotiation
    answer = negotiation.answer

    def without_media() -> SessionDescription:
        description = answer()
        return description._replace(media=tuple(media._replace(port=0) for media in description.media))

    def refuse(offer: SessionDescription) -> None:
        raise NotAcceptable

    if refusal == "ACK":
        monkeypatch.setattr(negotiation, "answer", without_media)
    else:
        monkeypatch.setattr(negotiation, "receive_offer", refuse)


async def rung(office: Office) -> tuple[PhoneCall, PhoneCall, Phone]:
    """Lee's call, which rings at Richardson's, and the phone of Taylor, who picks up."""
    lee, richardson, taylor = [await office.phone(number) for number in ("100", "101", "102")]
    outgoing = lee.dial("101")
    return outgoing, await richardson.incoming(), taylor


def pick(taylor: Phone, ringing: PhoneCall, how: str) -> PhoneCall:
    if how == "code":
        return taylor.dial("*20*", offerless=True)
    headers = [("Replaces", str(named(ringing, early_only=True)))]
    return taylor.dial("101", headers=headers, offerless=True)


@pytest.mark.row("CORE-13", "PICK-05")
@REFUSALS
@pytest.mark.parametrize("how", ["code", "Replaces"])
async def test_a_call_rings_on_where_the_picker_agrees_on_no_sound(
    office: Office, tmp_path: Path, refusal: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outgoing, ringing, taylor = await rung(office)
    picked = pick(taylor, ringing, how)
    refuse_sound(picked, refusal, monkeypatch)
    await picked.over()
    await asyncio.sleep(0.5)
    ringing.answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, ringing)
    outgoing.hang_up()
    await office.settle()


@pytest.mark.row("CORE-13", "PICK-01")
@pytest.mark.parametrize("how", ["code", "Replaces"])
async def test_a_call_is_picked_up_as_soon_as_sound_is_agreed_on(
    office: Office, tmp_path: Path, how: str
) -> None:
    outgoing, ringing, taylor = await rung(office)
    picked = pick(taylor, ringing, how)
    await outgoing.answered()
    assert await ringing.over() == 487
    await assert_talk(tmp_path, outgoing, picked)
    outgoing.hang_up()
    await office.settle()


@pytest.mark.row("PICK-05")
@pytest.mark.parametrize("how", ["code", "Replaces"])
@pytest.mark.parametrize("by", ["answer", "caller"])
async def test_who_agrees_too_late_gets_nothing(office: Office, tmp_path: Path, how: str, by: str) -> None:
    """Our 200 and its ACK are on their way while the call is answered, or given up."""
    outgoing, ringing, taylor = await rung(office)
    picked = pick(taylor, ringing, how)
    while not any(leg.when_agreed for leg in office.switch.legs.of("102")):
        await asyncio.sleep(0.0005)
    if by == "answer":
        ringing.answer()
        await outgoing.answered()
        await picked.over()
        await assert_talk(tmp_path, outgoing, ringing)
    else:
        outgoing.hang_up()
        await picked.over()
    outgoing.hang_up()
    await office.settle()


@pytest.mark.row("PICK-05")
async def test_a_call_that_rings_elsewhere_by_then_stays_there(office: Office, tmp_path: Path) -> None:
    """It may be out of the reach of who asked for what rings at 101."""
    other = await office.phone("103")
    outgoing, _, taylor = await rung(office)
    picked = taylor.dial("*20*101", offerless=True)
    while not any(leg.when_agreed for leg in office.switch.legs.of("102")):
        await asyncio.sleep(0.0005)
    divert(next(call for call in office.switch.calls.values() if call.rings), "103")
    ringing = await other.incoming()
    await picked.over()
    ringing.answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, ringing)
    outgoing.hang_up()
    await office.settle()


@pytest.mark.row("CORE-13")
@REFUSALS
async def test_who_talks_goes_on_where_the_other_phone_agrees_on_no_sound(
    office: Office, tmp_path: Path, refusal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    desk = await office.phone("101")
    desk.refuse_with = 486
    calls = await connect(lee, "101", richardson)
    headers = [("Replaces", str(named(calls[1])))]
    taken = desk.dial("100", headers=headers, offerless=True)
    refuse_sound(taken, refusal, monkeypatch)
    await taken.over()
    assert await listen(tmp_path, *calls) == [{1}, {0}]
    taken = desk.dial("100", headers=headers, offerless=True)
    assert await calls[1].over() == 200
    await assert_talk(tmp_path, calls[0], taken)
    taken.hang_up()
    await office.settle()
