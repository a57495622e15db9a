"""A call follows its phone, and nobody else: strangers and colleagues who know every identifier of it move nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pbx.phone import Phone, PhoneCall
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import Request
from sipcore.transport.flow import Transport
from tests.journeys.talking import assert_talk, connect, couple
from tests.journeys.test_networks import break_connection, host_of
from tests.simulation.office import Office


def stolen(call: PhoneCall, method: str, *headers: tuple[str, str], skip: int = 10) -> Request:
    """A request within the call of somebody else, right in every identifier."""
    session = call.leg.session
    assert session is not None
    assert session.dialog is not None
    request: Request = session.dialog.request(method, headers, cseq=session.dialog.local_cseq + skip)
    if method in ("INVITE", "UPDATE"):
        request.add("Contact", "<sip:mallory@10.0.6.66>")
    return request


async def tried(thief: Phone, request: Request, again: Request) -> tuple[int, int]:
    """What the thief is told: without credentials, and with his own."""
    response = await thief.request(request)
    credentials = thief.credentials_for(request, response)
    if credentials is None:
        return response.status, 0
    again.add(*credentials)
    return response.status, (await thief.request(again)).status


@pytest.mark.parametrize("whose", ["caller", "called"])
@pytest.mark.parametrize("method", ["BYE", "INVITE", "UPDATE", "INFO"])
async def test_a_colleague_who_knows_all_of_a_call(
    office: Office, tmp_path: Path, method: str, whose: str
) -> None:
    lee, richardson = await couple(office)
    mallory = await office.phone("102")
    outgoing, incoming = await connect(lee, "101", richardson)
    victim = outgoing if whose == "caller" else incoming
    first, second = await tried(mallory, stolen(victim, method), stolen(victim, method, skip=11))
    assert first == 401
    assert second in (403, 481)  # what he writes in From is not his own
    session = victim.leg.session
    assert session is not None
    assert session.dialog is not None
    own = stolen(victim, method, skip=12)
    own.set("From", str(NameAddress.parse(f"<sip:102@10.0.0.1>;tag={session.dialog.local_tag}")))
    response = await mallory.request(own)
    credentials = mallory.credentials_for(own, response)
    assert credentials is not None
    proven = stolen(victim, method, credentials, skip=13)
    proven.set("From", str(own.from_))
    assert (await mallory.request(proven)).status == 481  # he is somebody, but not the one
    await assert_talk(tmp_path, outgoing, incoming)
    incoming.hang_up()
    assert await outgoing.over() == 200
    await office.settle()


async def test_nobody_takes_over_a_call_while_it_has_no_connection(office: Office, tmp_path: Path) -> None:
    """The phone has lost its connection, and is about to come back: others are faster, and get nothing."""
    lee = await office.phone("100", transport=Transport.TCP)
    richardson, mallory = await office.phone("101"), await office.phone("102", transport=Transport.TCP)
    outgoing, incoming = await connect(lee, "101", richardson)
    break_connection(office, lee)
    assert await tried(mallory, stolen(outgoing, "INVITE"), stolen(outgoing, "INVITE", skip=11)) == (401, 403)
    await mallory.unregister()
    await mallory.register()
    lee.reconnects = True
    lee._on_flow_closed(lee.flow)
    await asyncio.sleep(1)
    await assert_talk(tmp_path, outgoing, incoming)
    incoming.hang_up()
    assert await outgoing.over() == 200
    await office.settle()


async def test_a_phone_in_another_network_proves_who_it_is_and_goes_on(
    office: Office, tmp_path: Path
) -> None:
    """From Wi-Fi to a mobile network in a call: another address, a request within the dialog, a challenge."""
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    host = host_of(office, lee)
    network = office.simulation.network
    del network.public.nodes[host.address]
    host.address = "10.0.6.1"
    network.public.nodes[host.address] = host
    change = stolen(outgoing, "INFO", ("Content-Length", "0"))
    response = await lee.request(change)
    assert response.status == 401
    credentials = lee.credentials_for(change, response)
    assert credentials is not None
    await lee.request(stolen(outgoing, "INFO", credentials, skip=11))
    await assert_talk(tmp_path, outgoing, incoming)
    incoming.hang_up()
    assert await outgoing.over() == 200
    await office.settle()
