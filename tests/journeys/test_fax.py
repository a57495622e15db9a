"""Fax passes as sound in G.711: T.38 is declined, so that machines stay with that; a rule leads calls to a feature."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from features.echo import feature as echo
from pbx.phone import PhoneCall
from sipcore.sdp.description import MediaDescription
from tests.journeys.talking import assert_talk, listen
from tests.journeys.test_hold import modify
from tests.journeys.test_trunks import LINES, lines, tables
from tests.simulation.office import Office

T38 = MediaDescription("image", 20000, "udptl", ("t38",), attributes=(("T38FaxVersion", "0"),))


def answered(call: PhoneCall) -> list[tuple[str, bool]]:
    """The media of the last answer, and whether each was taken."""
    remote = call.leg.negotiation.remote
    assert remote is not None
    return [(media.kind, media.port != 0) for media in remote.media]


async def fax_call(make_office: Callable[..., Office], folder: Path) -> tuple[Office, PhoneCall, PhoneCall]:
    """A fax machine outside calls one inside, and they hear each other."""
    office = make_office(features=[echo], **tables(LINES))
    await office.open()
    gateway, lee = await lines(office), await office.phone("100")
    outside = gateway.call_in("0140000001")
    inside = await lee.incoming()
    inside.answer()
    await outside.answered()
    await assert_talk(folder, outside, inside, within=1.0)
    return office, outside, inside


@pytest.mark.row("CORE-22")
@pytest.mark.parametrize("by", [0, 1])
async def test_t38_beside_sound_is_declined_in_its_place(
    make_office: Callable[..., Office], tmp_path: Path, by: int
) -> None:
    office, *calls = await fax_call(make_office, tmp_path)
    offer = calls[by].leg.negotiation.offer()
    modify(calls[by], offer._replace(media=(*offer.media, T38)))
    await asyncio.sleep(0.3)
    assert answered(calls[by]) == [("audio", True), ("image", False)]
    assert await listen(tmp_path, *calls) == [{1}, {0}]
    calls[by].hang_up()
    assert await calls[1 - by].over() == 200
    await office.settle()


@pytest.mark.row("CORE-22")
@pytest.mark.parametrize("by", [0, 1])
async def test_t38_alone_is_refused_and_the_sound_goes_on(
    make_office: Callable[..., Office], tmp_path: Path, by: int
) -> None:
    office, *calls = await fax_call(make_office, tmp_path)
    sent: list[bytes] = []
    office.switch.driver.on_wire = lambda outgoing, flow, data: sent.append(data) if outgoing else None
    offer = calls[by].leg.negotiation.offer()
    (audio,) = offer.media
    modify(calls[by], offer._replace(media=(audio._replace(port=0), T38)))
    await asyncio.sleep(0.3)
    assert any(data.startswith(b"SIP/2.0 488 ") for data in sent)
    assert await listen(tmp_path, *calls) == [{1}, {0}]
    calls[by].hang_up()
    assert await calls[1 - by].over() == 200
    await office.settle()


@pytest.mark.row("CORE-22", "ADM-10")
async def test_a_number_for_faxes_leads_to_a_code(make_office: Callable[..., Office], tmp_path: Path) -> None:
    """Whatever feature takes faxes has a code; here it is the echo test, which gives back what it hears."""
    rules = [{"did": "+33140000009", "target": "*777"}]
    office = make_office(features=[echo], **tables(LINES, inbound_rules=rules))
    await office.open()
    gateway = await lines(office)
    call = gateway.call_in("0140000009")
    await call.answered()
    await asyncio.sleep(1)
    assert await listen(tmp_path, call) == [{0}]
    call.hang_up()
    await office.settle()
