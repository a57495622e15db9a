"""Nobody phones at our cost who may not: countries, groups, limits, trunk to trunk, strangers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from features.parking import feature as parking
from pbx.happenings import CallWentOut, ExternalCallRefused
from pbx.leg import LegState
from pbx.make_call import make_call
from pbx.phone import PhoneCall
from sipcore.syntax.message import Request
from sipcore.syntax.uri import Uri
from tests.journeys.talking import connect
from tests.journeys.test_trunks import LINES, failure, invite, lines, tables
from tests.simulation.carrier import MOBILE, Carrier, carrier
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter

Make = Callable[..., Office]


def refusals(office: Office) -> list[tuple[str, str, str]]:
    """Who was not allowed to call whom, and why."""
    return [(told.caller, told.number, told.reason) for told in office.told_of(ExternalCallRefused)]


@pytest.mark.row("ADM-09")
async def test_a_country_that_is_not_allowed(make_office: Make) -> None:
    office = make_office(**tables(LINES))
    await office.open()
    await lines(office)
    lee = await office.phone("100")
    assert await failure(lee.dial("000442079460000")) == 403
    assert refusals(office) == [("100", "+442079460000", "Calls To This Country Are Not Allowed")]
    assert office.told_of(CallWentOut) == []


@pytest.mark.row("ADM-03")
async def test_a_rule_for_a_group(make_office: Make) -> None:
    rule = {"prefix": "0", "strip": 1, "lengths": [2, 20], "trunks": ["lines"], "groups": ["Management"]}
    groups = [{"name": "Management", "extensions": ["100"]}]
    office = make_office(**tables(LINES, outbound_rules=[rule], groups=groups))
    await office.open()
    gateway, lee, richardson = await lines(office), await office.phone("100"), await office.phone("101")
    gateway.auto_answer = True
    call = await lee.call("00612345678")
    assert await failure(richardson.dial("00612345678")) == 403
    assert refusals(office) == [("101", MOBILE, "Not Allowed For This Extension")]
    call.hang_up()
    await office.settle()


async def test_calls_at_once_are_limited_even_if_they_are_made_at_once(make_office: Make) -> None:
    office = make_office(**tables(LINES, dialing={"country": "FR", "max_calls": 2}))
    await office.open()
    gateway = await lines(office)
    gateway.auto_answer = True
    phones = [await office.phone("100") for _ in range(4)]
    calls = [phone.dial("00612345678") for phone in phones]
    outcomes = await asyncio.gather(*(call.answered() for call in calls), return_exceptions=True)
    assert [outcome is None for outcome in outcomes].count(True) == 2
    assert {reason for _, _, reason in refusals(office)} == {"Too Many External Calls At Once"}
    emergency = await phones[-1].call("112")
    for call in (*calls, emergency):
        call.hang_up()
    await office.settle()
    again = await phones[0].call("00612345678")
    again.hang_up()
    await office.settle()


async def test_calls_of_a_day_are_limited(make_office: Make) -> None:
    office = make_office(**tables(LINES, dialing={"country": "FR", "max_calls_a_day": 2}))
    await office.open()
    gateway, lee, richardson = await lines(office), await office.phone("100"), await office.phone("101")
    gateway.refuse_with = 486
    for status in (486, 486, 403):
        assert await failure(lee.dial("00612345678")) == status
    assert await failure(richardson.dial("00612345678")) == 486
    assert await failure(lee.dial("112")) == 486
    await asyncio.sleep(16 * 3600)
    await lee.register()
    assert await failure(lee.dial("00612345678")) == 486


FORWARDED = {"100": {"forward": {"always": "00612345678"}}}


@pytest.mark.parametrize(("from_trunks", "status"), [(False, 403), (True, 486)])
async def test_a_forward_leads_strangers_outside_only_by_a_rule(
    make_office: Make, from_trunks: bool, status: int
) -> None:
    rule: dict[str, Any] = {"prefix": "0", "strip": 1, "trunks": ["lines"], "from_trunks": from_trunks}
    office = make_office(extensions=FORWARDED, **tables(LINES, outbound_rules=[rule]))
    await office.open()
    gateway = await lines(office)
    gateway.refuse_with = 486
    assert await failure(gateway.call_in("0140000001", caller="+33700000000")) == status
    assert len(office.told_of(CallWentOut)) == (1 if from_trunks else 0)


async def test_a_phone_may_not_send_strangers_outside(make_office: Make) -> None:
    office = make_office(**tables(LINES))
    await office.open()
    gateway, lee, richardson = await lines(office), await office.phone("100"), await office.phone("101")
    stranger = gateway.call_in("0140000001", caller="+33700000000")
    (await lee.incoming()).redirect("00612345678")
    assert await failure(stranger) == 403
    colleague = richardson.dial("100")
    (await lee.incoming()).redirect("00612345678")
    outside = await gateway.incoming()
    assert invite(outside).get("Diversion") == "<sip:100@10.0.0.1>;reason=deflection"
    outside.reject(486)
    assert await failure(colleague) == 486
    await office.settle()


async def test_who_calls_for_help_is_not_hidden(make_office: Make) -> None:
    office = make_office(
        extensions={"100": {"withhold_number": True}}, **tables(LINES | {"dial_prefix": "9"})
    )
    await office.open()
    gateway, lee = await lines(office), await office.phone("100")
    for dialled, called, private in (("112", "112", None), ("00612345678", "9+33612345678", "id")):
        call = lee.dial(dialled)
        request = invite(incoming := await gateway.incoming())
        assert (request.uri.user, request.get("Privacy")) == (called, private)
        assert request.from_.uri.user == ("100" if private is None else "anonymous")
        incoming.reject(486)
        assert await failure(call) == 486
    await office.settle()


@pytest.mark.parametrize(("target", "number"), [("00612345678", MOBILE), ("112", "112"), ("0112", "112")])
async def test_an_inbound_rule_is_no_way_round(make_office: Make, target: str, number: str) -> None:
    office = make_office(**tables(LINES, inbound_rules=[{"target": target}]))
    await office.open()
    gateway = await lines(office)
    assert await failure(gateway.call_in("0140000001")) == 403
    assert refusals(office) == [(MOBILE, number, "Calls From Outside Are Not Led Out Again")]
    assert office.told_of(CallWentOut) == []


@pytest.mark.parametrize("how", ["forwarded", "transferred", "consulted", "made"])
async def test_who_is_inside_reaches_help_however_he_is_led_there(make_office: Make, how: str) -> None:
    """He is no caller from outside, whoever else has been in his call."""
    forward = {"forward": {"always": "0112"}} if how == "forwarded" else {}
    rule = {"prefix": "0", "strip": 1, "lengths": [4, 20], "trunks": ["lines"], "extensions": ["101"]}
    extensions = {"100": {"busy_detection": "phone"}, "101": {"busy_detection": "phone"} | forward}
    office = make_office(extensions=extensions, **tables(LINES, outbound_rules=[rule]))
    await office.open()
    gateway, lee, richardson = await lines(office), await office.phone("100"), await office.phone("101")
    if how == "forwarded":
        call = lee.dial("101")
    elif how == "made":
        make_call(office.switch, "100", "112")
        call = await lee.incoming()
        call.answer()
    else:
        call, theirs = await connect(lee, "101", richardson)
        if how == "transferred":
            transfer = theirs.transfer("112")
        else:
            theirs.hold()
            consulted = richardson.dial("112")
    help_ = await gateway.incoming()
    if how == "consulted":
        help_.ring()
        await asyncio.sleep(0.5)
        transfer = theirs.transfer_to(consulted)
    help_.answer()
    if how in ("transferred", "consulted"):
        assert await transfer.outcome() == 200
    await asyncio.sleep(1)
    assert [out.emergency for out in office.told_of(CallWentOut)] == [True]
    assert refusals(office) == []
    assert (call.leg.state, help_.leg.state) == (LegState.ANSWERED, LegState.ANSWERED)
    help_.hang_up()
    await office.settle()


async def test_a_stranger_who_says_to_be_a_carrier(make_office: Make) -> None:
    """The address decides, and nothing that is said in From."""
    office = make_office(**tables(LINES))
    await office.open()
    await lines(office)
    stranger = await carrier(office, "203.0.113.66")
    call = stranger.call_in("0140000001", headers=[("P-Asserted-Identity", "<sip:100@10.0.0.1>")])
    assert await failure(call) == 401


@pytest.mark.parametrize("method", ["REGISTER", "MESSAGE", "SUBSCRIBE", "REFER", "PUBLISH", "NOTIFY"])
async def test_a_trunk_may_call_and_ask_and_no_more(make_office: Make, method: str) -> None:
    office = make_office(**tables(LINES))
    await office.open()
    gateway = await lines(office)
    for asked, status in ((method, 405), ("OPTIONS", 200)):
        request = Request(
            asked,
            Uri("sip", "100", host="10.0.0.1"),
            [
                ("Max-Forwards", "70"),
                ("From", "<sip:100@10.0.0.1>;tag=x"),
                ("To", "<sip:100@10.0.0.1>"),
                ("Call-ID", asked),
                ("CSeq", f"1 {asked}"),
                ("Contact", "<sip:100@203.0.113.10>"),
            ],
        )
        assert (await gateway.request(request)).status == status
    assert not office.switch.registered("100")


async def strangers(
    make_office: Make, *, from_trunks: bool, **more: Any
) -> tuple[Office, Carrier, list[PhoneCall]]:
    """Lee talks with somebody who called from outside; his call there, and that of the stranger."""
    rule = {"prefix": "0", "strip": 1, "trunks": ["lines"], "from_trunks": from_trunks}
    extensions = {"100": {"busy_detection": "phone"}}
    office = make_office(extensions=extensions, **tables(LINES, outbound_rules=[rule]), **more)
    await office.open()
    gateway, lee = await lines(office), await office.phone("100")
    outside = gateway.call_in("0140000001", caller="+33700000000")
    inside = await lee.incoming()
    inside.answer()
    await outside.answered()
    return office, gateway, [inside, outside]


@pytest.mark.parametrize("target", ["00612345678", "0112"])
@pytest.mark.parametrize(("from_trunks", "status"), [(False, 403), (True, 200)])
async def test_a_blind_transfer_leads_strangers_outside_only_by_a_rule(
    make_office: Make, from_trunks: bool, status: int, target: str
) -> None:
    office, gateway, (inside, outside) = await strangers(make_office, from_trunks=from_trunks)
    gateway.auto_answer = True
    assert await inside.transfer(target).outcome() == status
    assert [out.emergency for out in office.told_of(CallWentOut)] == ([False] if from_trunks else [])
    assert outside.leg.state is LegState.ANSWERED
    outside.hang_up()
    inside.hang_up()
    await office.settle()


@pytest.mark.parametrize(("from_trunks", "status"), [(False, 403), (True, 200)])
@pytest.mark.parametrize("answered", [False, True])
async def test_an_attended_transfer_joins_strangers_only_by_a_rule(
    make_office: Make, from_trunks: bool, status: int, answered: bool
) -> None:
    office, gateway, (inside, outside) = await strangers(make_office, from_trunks=from_trunks)
    inside.hold()
    consulted = inside.phone.dial("00612345678")
    far = await gateway.incoming()
    far.ring()
    if answered:
        far.answer()
        await consulted.answered()
    await asyncio.sleep(0.5)
    refer = inside.transfer_to(consulted) if answered else inside.transfer("00612345678")
    if not answered:
        await asyncio.sleep(0.1)
        far.answer()
    assert await refer.outcome() == status
    assert outside.leg.state is LegState.ANSWERED
    for call in (outside, inside, consulted, far):
        call.hang_up()
    await office.settle()


@pytest.mark.parametrize(("from_trunks", "status"), [(False, 403), (True, 200)])
async def test_a_ringing_call_from_outside_is_joined_to_strangers_only_by_a_rule(
    make_office: Make, from_trunks: bool, status: int
) -> None:
    office, gateway, (inside, outside) = await strangers(make_office, from_trunks=from_trunks)
    second = gateway.call_in("0140000001", caller="+33711111111")
    ringing = await inside.phone.incoming()
    ringing.ring()
    await asyncio.sleep(0.5)
    assert await inside.transfer_to(ringing).outcome() == status
    assert outside.leg.state is LegState.ANSWERED
    assert (second.leg.state is LegState.ANSWERED) is from_trunks
    for call in (outside, second, inside):
        call.hang_up()
    await office.settle()


@pytest.mark.parametrize("from_trunks", [False, True])
async def test_a_parked_stranger_is_taken_by_another_only_by_a_rule(
    make_office: Make, from_trunks: bool, tmp_path: Path
) -> None:
    office, gateway, (inside, outside) = await strangers(
        make_office, from_trunks=from_trunks, features=[parking], prompts=Prompter(tmp_path)
    )
    assert await inside.transfer("*03").outcome() == 200
    second = gateway.call_in("0140000001", caller="+33711111111")
    incoming = await inside.phone.incoming()
    incoming.answer()
    await second.answered()
    assert await incoming.transfer("*13").outcome() == (200 if from_trunks else 404)
    assert len(office.switch.parking) == (0 if from_trunks else 1)
    assert outside.leg.state is second.leg.state is LegState.ANSWERED
    taken = await inside.phone.call("*13") if not from_trunks else outside
    for call in (outside, second, incoming, taken):
        call.hang_up()
    await office.settle()


async def test_nobody_outside_transfers(make_office: Make) -> None:
    """A stranger who sends a REFER would phone at our cost."""
    office, _, (inside, outside) = await strangers(make_office, from_trunks=True)
    assert await outside.transfer("00612345678").response() == 403
    assert office.told_of(CallWentOut) == []
    inside.hang_up()
    await outside.over()
    await office.settle()
