"""Intercom calls, rings of their own kind, and codes as phones send them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx.phone import CallFailed, Phone
from pbx.plugin import Call, Feature
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import Request
from sipcore.syntax.uri import Uri
from tests.journeys.talking import assert_talk, connect
from tests.journeys.test_trunks import LINES, lines, tables
from tests.simulation.office import Office
from tests.simulation.simulation import Simulation

MakeOffice = Callable[..., Office]


def intercom() -> Feature:
    """A feature as the one to come: `*9` and an extension."""
    feature = Feature("intercom")

    @feature.dial("*9{extension}", summary="Speak at once on the loudspeaker of an extension")
    async def speak(call: Call, extension: str) -> None:
        await call.ring_intercom(extension)

    return feature


@pytest.fixture
def office(make_office: MakeOffice, simulation: Simulation) -> Office:
    office = make_office(features=[intercom()], sip={"distinctive_ring": True})
    simulation.run(office.open())
    return office


async def phone_made_as(office: Office, number: str, user_agent: str) -> Phone:
    phone = await office.phone(number, register=False)
    phone.user_agent = user_agent
    await phone.register()
    return phone


def invite_of(call: object) -> Request:
    request: Request = call.leg.session.request  # type: ignore[attr-defined]
    return request


@pytest.mark.row("ICOM-05")
async def test_each_phone_gets_the_headers_of_its_maker(office: Office, tmp_path: Path) -> None:
    lee = await office.phone("100")
    makers: dict[str, dict[str, str | None]] = {
        "Yealink SIP-T46S 66.85": {"Alert-Info": "alert-autoanswer", "Call-Info": None, "Answer-Mode": None},
        "snom370/8.7.5": {
            "Alert-Info": "www.notused.com",
            "Call-Info": "answer-after=0",
            "Answer-Mode": None,
        },
        "Cisco/SPA504G-7.6": {"Call-Info": "answer-after=0", "Alert-Info": None, "Answer-Mode": None},
        "Panasonic-KX-HDV130": {"Alert-Info": "Intercom", "Call-Info": None, "Answer-Mode": None},
        "": {"Alert-Info": "alert-autoanswer", "Call-Info": "answer-after=0", "Answer-Mode": "Auto"},
    }
    phones = [await phone_made_as(office, "101", user_agent) for user_agent in makers]
    outgoing = lee.dial("*9101")
    incoming = [await phone.incoming() for phone in phones]
    for call, expected in zip(incoming, makers.values(), strict=True):
        for name, part in expected.items():
            value = invite_of(call).get(name)
            assert (part is None and value is None) or (part is not None and part in (value or ""))
    incoming[2].answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, incoming[2])
    incoming[2].hang_up()
    assert await outgoing.over() == 200
    await office.settle()


@pytest.mark.parametrize(("refuse_with", "status"), [(486, 486), (None, 480), (603, 480)])
async def test_a_phone_that_does_not_answer_by_itself(
    office: Office, refuse_with: int | None, status: int
) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    richardson.refuse_with = refuse_with
    with pytest.raises(CallFailed) as failed:
        await lee.call("*9101")
    assert failed.value.status == status
    await office.settle()


async def test_nobody_to_speak_to(office: Office) -> None:
    lee = await office.phone("100")
    for number, status in (("*9555", 404), ("*9102", 480)):
        with pytest.raises(CallFailed) as failed:
            await lee.call(number)
        assert failed.value.status == status
    await office.settle()


async def test_calls_from_inside_ring_so(office: Office) -> None:
    lee, richardson = await office.phone("100"), await phone_made_as(office, "101", "snomD785/10.1")
    outgoing, incoming = await connect(lee, "101", richardson)
    assert "info=alert-internal" in (invite_of(incoming).get("Alert-Info") or "")
    assert invite_of(incoming).get("Call-Info") is None
    outgoing.hang_up()
    await office.settle()


async def test_calls_from_outside_ring_so(make_office: MakeOffice) -> None:
    office = make_office(sip={"distinctive_ring": True}, **tables(LINES))
    await office.open()
    gateway, richardson = await lines(office), await phone_made_as(office, "101", "Yealink SIP-T46S")
    outgoing = gateway.dial("+33140000002")
    incoming = await richardson.incoming()
    assert "info=alert-external" in (invite_of(incoming).get("Alert-Info") or "")
    outgoing.hang_up()
    await office.settle()


# -- codes as phones send them -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        "sip:*9101@10.0.0.1",
        "sip:%2A9101@10.0.0.1",
        "sip:%2a9101@10.0.0.1;user=phone",
        "sip:%252A9101@10.0.0.1",
        "sip:*9101%23@10.0.0.1",
        "sip:*9101;phone-context=local@10.0.0.1",
        "sip:*9-101@10.0.0.1;user=phone",
        "tel:*9101;phone-context=10.0.0.1",
        "tel:%2A9101;phone-context=10.0.0.1",
    ],
)
async def test_a_code_in_every_form_that_phones_give_it(office: Office, uri: str) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    richardson.auto_answer = True
    lee._address_of = lambda number: NameAddress(  # type: ignore[method-assign]
        None, Uri.parse(uri if number == "code" else f"sip:{number}@10.0.0.1"), ()
    )
    call = await lee.call("code")
    await asyncio.sleep(0.1)
    assert len(richardson.calls) == 1
    call.hang_up()
    await office.settle()


@pytest.mark.parametrize("user", ["101%23", "101;user=phone", "%31%30%31"])
async def test_a_number_in_every_form(office: Office, user: str) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    richardson.auto_answer = True
    lee._address_of = lambda number: NameAddress(  # type: ignore[method-assign]
        None, Uri.parse(f"sip:{user if number == 'it' else number}@10.0.0.1"), ()
    )
    (await lee.call("it")).hang_up()
    await office.settle()
