"""Intercom calls, rings of their own kind, and codes as phones send them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from features.intercom import feature as intercom
from pbx.phone import CallFailed, Phone
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import Request
from sipcore.syntax.uri import Uri
from tests.journeys.talking import assert_talk, connect
from tests.journeys.test_trunks import LINES, lines, tables
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter
from tests.simulation.simulation import Simulation

MakeOffice = Callable[..., Office]


@pytest.fixture
def office(make_office: MakeOffice, simulation: Simulation) -> Office:
    office = make_office(features=[intercom], sip={"distinctive_ring": True})
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


@pytest.mark.row("ICOM-01", "ICOM-02")
async def test_the_phone_is_asked_to_answer_by_itself_and_both_are_heard(
    office: Office, tmp_path: Path
) -> None:
    lee, richardson = await office.phone("100"), await phone_made_as(office, "101", "snom370/8.7.5")
    outgoing = lee.dial("*9101")
    incoming = await richardson.incoming()
    assert "answer-after=0" in (invite_of(incoming).get("Call-Info") or "")
    incoming.answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, incoming)


@pytest.mark.row("ICOM-04")
async def test_an_intercom_call_is_not_forwarded(make_office: MakeOffice) -> None:
    forward = {"always": "102", "no_answer": "102", "busy": "102"}
    office = make_office(features=[intercom], extensions={"101": {"forward": forward}})
    await office.open()
    lee, richardson, taylor = [await office.phone(number) for number in ("100", "101", "102")]
    outgoing = lee.dial("*9101")
    await richardson.incoming()
    with pytest.raises(CallFailed) as failed:
        await outgoing.answered()
    assert failed.value.status == 480
    assert not taylor.calls


@pytest.mark.row("ICOM-06")
@pytest.mark.parametrize("detection", ["pbx", "phone"])
async def test_an_extension_that_talks_is_busy(make_office: MakeOffice, detection: str) -> None:
    """However it is found busy otherwise: a phone that answers by itself would put the other call on hold."""
    office = make_office(features=[intercom], extensions={"101": {"busy_detection": detection}})
    await office.open()
    lee, richardson, taylor = [await office.phone(number) for number in ("100", "101", "102")]
    await connect(lee, "101", richardson)
    with pytest.raises(CallFailed) as failed:
        await taylor.call("*9101")
    assert failed.value.status == 486
    assert len(richardson.calls) == 1


@pytest.mark.row("DC-06")
async def test_who_reaches_nobody_hears_why(make_office: MakeOffice, tmp_path: Path) -> None:
    prompter = Prompter(tmp_path)
    office = make_office(features=[intercom], prompts=prompter)
    await office.open()
    lee = await office.phone("100")
    for code in ("*9555", "*9102"):
        with pytest.raises(CallFailed):
            await lee.call(code)
    assert prompter.said == ["call.not_found", "call.not_available"]


@pytest.mark.row("ICOM-03")
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
