"""Calls with SRTP: who talks with whom, what is refused, and what others get to see."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pbx.media_keys import MediaKeys, Srtp
from pbx.phone import CallFailed, Phone, PhoneCall
from sipcore.transport.flow import Transport
from tests.journeys.talking import assert_talk, connect
from tests.simulation.office import PBX, Office

MakeOffice = Callable[..., Office]


async def wants_srtp(office: Office, number: str, transport: Transport = Transport.UDP) -> Phone:
    """A phone that talks with SRTP only."""
    phone = await office.phone(number, transport=transport)
    phone.srtp = Srtp.REQUIRED
    return phone


async def takes_srtp(office: Office, number: str, transport: Transport = Transport.UDP) -> Phone:
    """A phone that talks with SRTP where it is asked to."""
    return await office.phone(number, transport=transport)


async def knows_no_srtp(office: Office, number: str, transport: Transport = Transport.UDP) -> Phone:
    """A phone of old."""
    phone = await office.phone(number, transport=transport)
    phone.knows_srtp = False
    return phone


MakePhone = Callable[..., Any]


def keys_of(call: PhoneCall) -> tuple[bytes, ...]:
    """Those of a call as the phone has them; none for one in the clear."""
    assert call.leg.plan is not None
    keys = call.leg.plan.srtp
    return () if keys is None else (keys.send, keys.receive)


def secured(*calls: PhoneCall) -> list[bool]:
    """Which of the calls are secured."""
    return [bool(keys_of(call)) for call in calls]


# -- who talks with whom ---------------------------------------------------------------------------


async def test_a_phone_with_srtp_talks_with_one_without(office: Office, tmp_path: Path) -> None:
    lee, richardson = await wants_srtp(office, "100"), await knows_no_srtp(office, "101")
    ladder = office.simulation.ladder
    outgoing, incoming = await connect(lee, "101", richardson)
    ladder.media = True
    await assert_talk(tmp_path, outgoing, incoming)
    assert secured(outgoing, incoming) == [True, False]
    sizes = {(rung.sender, rung.receiver): rung.label for rung in ladder.rungs if "bytes" in rung.label}
    assert sizes == {
        (lee.flow.local.host, PBX): "182 bytes",  # 20 ms of G.711, a header, and a tag of 80 bits
        (PBX, lee.flow.local.host): "182 bytes",
        (richardson.flow.local.host, PBX): "172 bytes",
        (PBX, richardson.flow.local.host): "172 bytes",
    }
    outgoing.hang_up()
    assert await incoming.over() == 200
    await office.settle()


async def test_two_phones_with_srtp_talk_each_under_keys_of_its_own(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    office = make_office(media={"srtp": "required"})
    await office.open()
    lee, richardson = await wants_srtp(office, "100"), await wants_srtp(office, "101")
    outgoing, incoming = await connect(lee, "101", richardson)
    assert len({*keys_of(outgoing), *keys_of(incoming)}) == 4
    await assert_talk(tmp_path, outgoing, incoming)


async def test_the_offer_may_be_left_to_us(make_office: MakeOffice, tmp_path: Path) -> None:
    office = make_office(media={"srtp": "required"})
    await office.open()
    lee, richardson = await takes_srtp(office, "100"), await takes_srtp(office, "101")
    outgoing = lee.dial("101", offerless=True)
    incoming = await richardson.incoming()
    incoming.answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, incoming)
    assert secured(outgoing, incoming) == [True, True]


@pytest.mark.parametrize(
    ("transport", "phone", "is_secured"),
    [
        (Transport.TLS, wants_srtp, True),
        (Transport.TLS, takes_srtp, True),
        (Transport.TLS, knows_no_srtp, False),
        (Transport.TCP, takes_srtp, False),
        (Transport.UDP, takes_srtp, False),
    ],
)
async def test_srtp_is_offered_over_tls_and_need_not_be_taken(
    make_office: MakeOffice,
    tls: dict[str, Any],
    tmp_path: Path,
    transport: Transport,
    phone: MakePhone,
    is_secured: bool,
) -> None:
    office = make_office(sip=tls, media={"srtp": "offered"})
    await office.open()
    lee, richardson = await knows_no_srtp(office, "100"), await phone(office, "101", transport)
    outgoing, incoming = await connect(lee, "101", richardson)
    assert secured(outgoing, incoming) == [False, is_secured]
    await assert_talk(tmp_path, outgoing, incoming)
    incoming.hang_up()
    assert await outgoing.over() == 200
    await office.settle()


async def test_a_phone_that_refuses_srtp_is_called_once_more_only(
    make_office: MakeOffice, tls: dict[str, Any]
) -> None:
    office = make_office(sip=tls, media={"srtp": "offered"})
    await office.open()
    lee, richardson = await office.phone("100"), await office.phone("101", transport=Transport.TLS)
    richardson.refuse_with = 488
    with pytest.raises(CallFailed) as failed:
        await lee.call("101")
    assert failed.value.status == 488
    invites = [
        rung for rung in office.simulation.ladder.rungs if rung.label.startswith("INVITE sip:101@10.0.1")
    ]
    assert len(invites) == 2
    await office.settle()


# -- required --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("calling", "called"), [(knows_no_srtp, takes_srtp), (wants_srtp, knows_no_srtp)])
async def test_where_srtp_is_required_nobody_talks_in_the_clear(
    make_office: MakeOffice, calling: MakePhone, called: MakePhone
) -> None:
    office = make_office(media={"srtp": "required"})
    await office.open()
    lee, _ = await calling(office, "100"), await called(office, "101")
    with pytest.raises(CallFailed) as failed:
        await lee.call("101")
    assert failed.value.status == 488
    await office.settle()


# -- changes within a call -------------------------------------------------------------------------


async def test_hold_and_resume_keep_the_keys(office: Office, tmp_path: Path) -> None:
    lee, richardson = await wants_srtp(office, "100"), await takes_srtp(office, "101")
    outgoing, incoming = await connect(lee, "101", richardson)
    before = keys_of(outgoing)
    await assert_talk(tmp_path, outgoing, incoming)
    await modify(outgoing.hold)
    await modify(outgoing.resume)
    await assert_talk(tmp_path, outgoing, incoming)
    assert keys_of(outgoing) == before


async def test_a_phone_may_renew_its_key(office: Office, tmp_path: Path) -> None:
    lee, richardson = await wants_srtp(office, "100"), await takes_srtp(office, "101")
    outgoing, incoming = await connect(lee, "101", richardson)
    await assert_talk(tmp_path, outgoing, incoming)
    before = keys_of(outgoing)
    outgoing.leg.negotiation.keys = MediaKeys(lee.environment.entropy)
    await modify(outgoing.resume)
    assert set(before).isdisjoint(keys_of(outgoing))
    await assert_talk(tmp_path, outgoing, incoming)


async def modify(change: Callable[[], None]) -> None:
    """Send a re-INVITE, and wait until it is answered."""
    change()
    await asyncio.sleep(0.5)


# -- what others get to see ------------------------------------------------------------------------


async def test_no_key_is_ever_logged(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    lee, richardson = await wants_srtp(office, "100"), await takes_srtp(office, "101")
    outgoing, incoming = await connect(lee, "101", richardson)
    keys = keys_of(outgoing)
    outgoing.hang_up()
    await incoming.over()
    for key in keys:
        assert base64.b64encode(key).decode() not in caplog.text
        assert repr(key) not in caplog.text
