"""TLS: calls to `sips:` addresses stay on it (RFC 5630), and a renewed certificate disturbs no call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pbx.happenings import CertificateExpires
from pbx.phone import Phone
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Flow, Transport
from tests.journeys.talking import assert_talk, connect
from tests.journeys.test_trunks import LINES, lines, tables
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]


async def secure_office(make_office: MakeOffice, tls: dict[str, Any]) -> Office:
    office = make_office(sip=tls)
    await office.open()
    return office


async def test_a_sips_call_rings_phones_behind_tls_only(make_office: MakeOffice, tls: dict[str, Any]) -> None:
    office = await secure_office(make_office, tls)
    lee = await office.phone("100", transport=Transport.TLS)
    insecure = await office.phone("101")
    over_tcp = await office.phone("101", transport=Transport.TCP)
    secure = await office.phone("101", transport=Transport.TLS)
    outgoing = lee.dial("101", secure=True)
    (await secure.incoming()).answer()
    await outgoing.answered()
    assert insecure.calls == over_tcp.calls == set()
    outgoing.hang_up()
    await asyncio.sleep(0.1)
    outgoing = lee.dial("101")
    for phone in (insecure, over_tcp, secure):
        await phone.incoming()
    outgoing.hang_up()
    await office.settle()


def heard_contacts(phone: Phone) -> list[str]:
    """The schemes of what the switch writes into Contact in the messages of calls, towards a phone."""
    schemes: list[str] = []

    def hear(outgoing: bool, flow: Flow, data: bytes) -> None:
        message = parse_message(data)
        if not outgoing and message.cseq.method != "REGISTER":
            schemes.extend(contact.uri.scheme for contact in message.contacts)

    phone.driver.on_wire = hear
    return schemes


@pytest.mark.parametrize(("secure", "scheme"), [(True, "sips"), (False, "sip")])
async def test_in_the_dialogs_of_sips_calls_we_are_a_sips_contact(
    make_office: MakeOffice, tls: dict[str, Any], tmp_path: Path, secure: bool, scheme: str
) -> None:
    """RFC 3261 sections 8.1.1.8 and 12.1.1: nobody is to be told to reach us in the clear."""
    office = await secure_office(make_office, tls)
    lee, richardson = [await office.phone(number, transport=Transport.TLS) for number in ("100", "101")]
    (binding,) = office.switch.registrar.bindings("101", office.simulation.loop.time())
    heard = heard_contacts(lee), heard_contacts(richardson)
    outgoing = lee.dial("101", secure=secure)
    incoming = await richardson.incoming()
    incoming.answer()
    await outgoing.answered()
    outgoing.hold()
    await asyncio.sleep(0.3)
    outgoing.resume()
    await assert_talk(tmp_path, outgoing, incoming)
    refer = outgoing.transfer("102")  # where nobody is registered
    assert (await refer.response(), await refer.outcome()) == (202, 480)
    assert set(heard[0]) == {scheme}
    assert set(heard[1]) == {binding.contact.scheme}
    incoming.hang_up()
    assert await outgoing.over() == 200
    await office.settle()


async def test_a_sips_call_to_whom_no_tls_leads_is_not_made(
    make_office: MakeOffice, tls: dict[str, Any]
) -> None:
    office = await secure_office(make_office, tls)
    lee, richardson = await office.phone("100", transport=Transport.TLS), await office.phone("101")
    assert await lee.dial("101", secure=True).over() == 480
    assert richardson.calls == set()
    await office.settle()


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
async def test_a_sips_call_in_the_clear_is_refused_but_for_help(
    make_office: MakeOffice, tls: dict[str, Any], transport: Transport
) -> None:
    office = make_office(sip=tls, **tables(LINES))
    await office.open()
    lee = await office.phone("100", transport=transport)
    richardson = await office.phone("101", transport=Transport.TLS)
    gateway = await lines(office)
    refused = lee.dial("101", secure=True)
    assert await refused.over() == 480
    assert refused.leg.refusal is not None
    assert refused.leg.refusal.get("Warning") == '380 myphone "SIPS Not Allowed"'
    assert richardson.calls == set()
    outgoing = lee.dial("112", secure=True)
    (await gateway.incoming()).answer()
    await outgoing.answered()
    outgoing.hang_up()
    await office.settle()


async def test_a_renewed_certificate_disturbs_no_call(
    make_office: MakeOffice, tls: dict[str, Any], tmp_path: Path
) -> None:
    office = await secure_office(make_office, tls)
    lee = await office.phone("100", transport=Transport.TLS)
    richardson = await office.phone("101", transport=Transport.TLS)
    outgoing, incoming = await connect(lee, "101", richardson)
    await assert_talk(tmp_path, outgoing, incoming)
    office.switch.reload_certificates()
    await assert_talk(tmp_path, outgoing, incoming)
    outgoing.hang_up()
    assert await incoming.over() == 200
    assert office.told_of(CertificateExpires) == []
    await office.settle()


async def test_a_sips_call_leaves_by_no_trunk_without_tls(
    make_office: MakeOffice, tls: dict[str, Any]
) -> None:
    """But for one to an emergency number, which is better made than secure."""
    office = make_office(sip=tls, **tables(LINES))
    await office.open()
    gateway, lee = await lines(office), await office.phone("100", transport=Transport.TLS)
    assert await lee.dial("00612345678", secure=True).over() == 503
    assert gateway.calls == set()
    outgoing = lee.dial("112", secure=True)
    (await gateway.incoming()).answer()
    await outgoing.answered()
    outgoing.hang_up()
    await office.settle()
