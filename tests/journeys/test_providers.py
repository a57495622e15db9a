"""Providers: registering, staying so, calls over the account, servers that fail, and the DNS."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pbx.happenings import CallStarted, TrunkDown, TrunkUp
from sipcore.syntax.message import Request, Response, response_to
from sipcore.transport.flow import Transport
from sipcore.transport.resolve import Naptr, Srv
from tests.journeys.talking import assert_talk, caller_shown
from tests.journeys.test_trunks import failure, invite, tables
from tests.simulation.carrier import GATEWAY, MOBILE, PASSWORD, SECOND, USER, Carrier, carrier, villain
from tests.simulation.office import Office

Make = Callable[..., Office]

VOIP = {
    "name": "voip",
    "type": "provider",
    "registrar": "sip.provider.example",
    "user": USER,
    "password": PASSWORD,
    "qualify_seconds": 0,
}


async def provider(make_office: Make, **settings: Any) -> tuple[Office, Carrier]:
    """An office that is registered at a provider of one server."""
    office = make_office(**tables(VOIP | settings))
    voip = await carrier(office, name="sip.provider.example", accounts=True)
    await office.open()
    await asyncio.sleep(1.0)
    return office, voip


def texts(office: Office) -> list[str]:
    """The states of the ports."""
    return [port.text for port in office.switch.trunks.ports()]


@pytest.mark.row("ADM-08", "MYP-40")
async def test_an_account_is_registered_refreshed_and_given_back(make_office: Make) -> None:
    office, voip = await provider(make_office)
    assert texts(office) == ["Registered (idle)"]
    assert voip.registered_at is not None
    assert voip.registered_at.user == USER
    await asyncio.sleep(3600)
    assert 7 <= voip.registers <= 9
    await office.switch.stop()
    assert voip.registered_at is None
    assert [type(told) for told in office.told if isinstance(told, TrunkUp | TrunkDown)] == [TrunkUp]


async def test_a_call_goes_out_over_the_account(make_office: Make, tmp_path: Path) -> None:
    office, voip = await provider(make_office, number_format="digits")
    lee = await office.phone("100")
    outgoing = lee.dial("00612345678")
    incoming = await voip.incoming()
    request = invite(incoming)
    assert request.uri_text == "sip:33612345678@sip.provider.example;user=phone"
    assert caller_shown(incoming) == ("Lee Parker", USER)
    assert request.from_.uri.host == "sip.provider.example"
    incoming.answer()
    await outgoing.answered()
    assert texts(office) == ["Registered (1 call)"]
    await assert_talk(tmp_path, outgoing, incoming)
    outgoing.hang_up()
    await incoming.over()
    await office.settle()


async def test_the_number_is_in_to_where_the_account_is_called(make_office: Make, tmp_path: Path) -> None:
    office, voip = await provider(make_office)
    lee = await office.phone("100")
    outgoing = voip.call_in(USER, to="+33140000001")
    incoming = await lee.incoming()
    assert caller_shown(incoming) == (None, MOBILE)
    incoming.answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, incoming)
    outgoing.hang_up()
    await incoming.over()
    await office.settle()
    assert [started.trunk for started in office.told_of(CallStarted)] == ["voip"]


async def test_a_refused_account_says_why_and_takes_no_calls(make_office: Make) -> None:
    office, voip = await provider(make_office, password="wrong")
    lee = await office.phone("100")
    assert texts(office) == ["Not registered: user name or password is wrong"]
    assert await failure(lee.dial("00612345678")) == 503
    [down] = office.told_of(TrunkDown)
    assert (down.trunk, down.port, down.reason) == ("voip", 10000, "user name or password is wrong")
    assert voip.registers == 0


async def test_a_registration_that_failed_is_tried_again(make_office: Make) -> None:
    office = make_office(**tables(VOIP))
    voip = await carrier(office, name="sip.provider.example", accounts=True)
    voip.refuse_registrations = 500
    await office.open()
    await asyncio.sleep(20)
    assert texts(office) == ["Not registered: the server refuses: 500 Server Internal Error"]
    voip.refuse_registrations = None
    await asyncio.sleep(120)
    assert texts(office) == ["Registered (idle)"]


async def test_a_provider_that_sends_us_to_another_server(make_office: Make) -> None:
    def redirect(request: Request) -> list[Response]:
        return [response_to(request, 302, to_tag="r", headers=[("Contact", "<sip:two.provider.example>")])]

    office = make_office(**tables(VOIP))
    first = villain(office, redirect)
    office.simulation.network.names["sip.provider.example"] = [first.host.address]
    second = await carrier(office, SECOND, name="two.provider.example", accounts=True)
    await office.open()
    await asyncio.sleep(1.0)
    assert (texts(office), second.registers) == (["Registered (idle)"], 1)
    lee = await office.phone("100")
    call = second.call_in(USER, to="+33140000001")
    incoming = await lee.incoming()
    call.hang_up()
    await incoming.over()
    first.close()


async def test_servers_of_the_dns_stand_in_for_each_other(make_office: Make) -> None:
    """SRV by priority: the first is away, so the second is registered at and called."""
    office = make_office(**tables(VOIP | {"registrar": "provider.example", "transport": "auto"}))
    network = office.simulation.network
    network.naptrs["provider.example"] = [Naptr(1, 1, "SIP+D2U", "_sip._udp.provider.example")]
    network.srvs["_sip._udp.provider.example"] = [
        Srv(10, 0, 5060, "one.provider.example"),
        Srv(20, 0, 5060, "two.provider.example"),
    ]
    one = await carrier(office, GATEWAY, name="one.provider.example", accounts=True)
    two = await carrier(office, SECOND, name="two.provider.example", accounts=True)
    one.environment.network.unplug()  # type: ignore[attr-defined]
    await office.open()
    await asyncio.sleep(15.0)
    assert (one.registers, two.registers) == (0, 1)
    lee = await office.phone("100")
    two.auto_answer = True
    call = await lee.call("00612345678")
    call.hang_up()
    # Calls are taken from each server that the DNS names.
    one.environment.network.plug()  # type: ignore[attr-defined]
    for server in (one, two):
        back = server.call_in("0140000001")
        incoming = await lee.incoming()
        back.hang_up()
        await incoming.over()
    await office.settle()


async def test_a_server_that_is_overloaded_is_left_alone(make_office: Make) -> None:
    office, voip = await provider(make_office)
    voip.refuse_with = 503
    lee = await office.phone("100")
    assert await failure(lee.dial("00612345678")) == 503
    assert texts(office) == ["Registered (idle)"]


async def test_an_account_over_tcp(make_office: Make, tmp_path: Path) -> None:
    office = make_office(**tables(VOIP | {"transport": "tcp"}))
    voip = await carrier(office, name="sip.provider.example", accounts=True, listen_tcp=True)
    await office.open()
    await asyncio.sleep(1.0)
    assert texts(office) == ["Registered (idle)"]
    assert voip.registered_at is not None
    assert voip.registered_at.parameter("transport") == "tcp"
    lee = await office.phone("100")
    outgoing = lee.dial("00612345678")
    incoming = await voip.incoming()
    assert incoming.leg.session is not None
    assert incoming.leg.session.flow.transport is Transport.TCP
    incoming.answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, incoming)
    outgoing.hang_up()
    await incoming.over()
    await office.settle()


async def test_a_connection_that_breaks_is_registered_over_anew(make_office: Make) -> None:
    """Without one the provider could not call, and the next refresh is far."""
    office = make_office(**tables(VOIP | {"transport": "tcp"}))
    voip = await carrier(office, name="sip.provider.example", accounts=True, listen_tcp=True)
    await office.open()
    await asyncio.sleep(1.0)
    first = voip.registers
    for stream in list(office.host.streams):
        stream.break_off()
    await asyncio.sleep(10.0)
    assert voip.registers == first + 1
    assert texts(office) == ["Registered (idle)"]


async def test_a_provider_that_answers_no_options_is_up_all_the_same(make_office: Make) -> None:
    office = make_office(**tables(VOIP | {"qualify_seconds": 5}))

    def script(request: Request) -> list[Response]:
        return [response_to(request, 200, to_tag="r")] if request.method == "REGISTER" else []

    silent = villain(office, script)
    office.simulation.network.names["sip.provider.example"] = [silent.host.address]
    await office.open()
    await asyncio.sleep(60.0)
    assert texts(office) == ["Registered (idle)"]
    silent.close()


async def test_a_fault_of_ours_does_not_end_a_trunk(
    make_office: Make, caplog: pytest.LogCaptureFixture
) -> None:
    office = make_office(**tables(VOIP))
    voip = await carrier(office, name="sip.provider.example", accounts=True)
    await office.open()
    trunk = office.switch.trunks.named("voip")
    good, trunk.contact = trunk.contact, None  # type: ignore[method-assign,assignment]
    await asyncio.sleep(1.0)
    assert "has a fault" in caplog.text
    caplog.clear()
    trunk.contact = good  # type: ignore[method-assign]
    await asyncio.sleep(15.0)
    assert voip.registered_at is not None
