"""Calls through gateways, both ways, with sound; what each side is told of the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from features import conference
from pbx.happenings import (
    CallAnswered,
    CallEnded,
    CallRang,
    CallStarted,
    CallWentOut,
    PresenceChanged,
    TrunkDown,
    TrunkUp,
)
from pbx.leg import LegState
from pbx.phone import CallFailed, PhoneCall
from sipcore.syntax.message import Request
from sipcore.transport.flow import Address
from tests.journeys.talking import TONES_HZ, assert_talk, caller_shown, tones_in
from tests.simulation.carrier import GATEWAY, MOBILE, SECOND, Carrier, carrier
from tests.simulation.impairment import WIRELESS
from tests.simulation.network import Datagram, HostNetwork
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter
from tests.simulation.simulation import Simulation

Make = Callable[..., Office]

LINES = {"name": "lines", "addresses": [GATEWAY], "qualify_seconds": 0}
BACKUP = {"name": "backup", "addresses": [SECOND], "qualify_seconds": 0}


def tables(*trunks: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Trunks behind a 0, and the DIDs of two extensions."""
    names = [trunk["name"] for trunk in trunks]
    return {
        "trunks": list(trunks),
        "outbound_rules": [{"prefix": "0", "strip": 1, "lengths": [2, 20], "trunks": names}],
        "inbound_rules": [
            {"did": "+33140000001", "target": "100"},
            {"did": "+3314000070*", "target": "700"},
            {"did": "+33140000002", "target": "101"},
        ],
        "dialing": {"country": "FR"},
    } | others


def invite(call: PhoneCall) -> Request:
    """The INVITE as the called side got it."""
    assert call.leg.session is not None
    return call.leg.session.request


async def lines(office: Office, **settings: Any) -> Carrier:
    gateway = await carrier(office, **settings)
    await asyncio.sleep(0.1)
    return gateway


@pytest.mark.row("CORE-04", "CORE-11", "CORE-16", "ADM-09")
async def test_an_extension_calls_the_outside(make_office: Make, tmp_path: Path) -> None:
    office = make_office(extensions={"100": {"outbound_caller_id": "0140000001"}}, **tables(LINES))
    await office.open()
    gateway, lee = await lines(office), await office.phone("100")
    outgoing = lee.dial("00612345678")
    incoming = await gateway.incoming()
    request = invite(incoming)
    assert request.uri_text == f"sip:{MOBILE}@{GATEWAY}:5060;user=phone"
    assert caller_shown(incoming) == ("Lee Parker", "+33140000001")
    assert request.get("P-Asserted-Identity") == '"Lee Parker" <sip:+33140000001@10.0.0.1>'
    assert not request.has("Privacy")
    incoming.ring()
    incoming.answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, incoming)
    outgoing.hang_up()
    assert await incoming.over() == 200
    await office.settle()
    [started], [out], [ended] = (office.told_of(kind) for kind in (CallStarted, CallWentOut, CallEnded))
    assert (started.internal, ended.internal) == (False, False)
    assert (out.trunk, out.number, out.caller_id) == ("lines", MOBILE, "+33140000001")
    assert [(rang.extension, rang.trunk) for rang in office.told_of(CallRang)] == [(MOBILE, "lines")]
    assert [(told.by, told.trunk) for told in office.told_of(CallAnswered)] == [(MOBILE, "lines")]


@pytest.mark.row("PRES-10")
async def test_the_calls_of_a_trunk_are_not_those_of_whose_sip_id_is_its_name(make_office: Make) -> None:
    office = make_office(extensions={"101": {"sip_id": "lines"}}, **tables(LINES))
    await office.open()
    gateway, lee = await lines(office), await office.phone("100")
    office.told.clear()
    outgoing = lee.dial("00612345678")
    incoming = await gateway.incoming()
    assert office.switch.calls_of("lines") == 1
    incoming.answer()
    await outgoing.answered()
    await asyncio.sleep(1)
    outgoing.hang_up()
    await office.settle()
    assert {told.extension for told in office.told_of(PresenceChanged)} == {"100"}


@pytest.mark.row("CORE-04", "CORE-11", "ADM-10")
async def test_the_outside_calls_an_extension(make_office: Make, tmp_path: Path) -> None:
    office = make_office(**tables(LINES))
    await office.open()
    gateway, lee = await lines(office, link=WIRELESS), await office.phone("100")
    outgoing = gateway.call_in("0140000001", caller="0612345678", name="Durand")
    incoming = await lee.incoming()
    assert caller_shown(incoming) == ("Durand", MOBILE)
    incoming.answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, incoming, within=1.0)
    incoming.hang_up()
    assert await outgoing.over() == 200
    await office.settle()
    [started], [ended] = office.told_of(CallStarted), office.told_of(CallEnded)
    assert (started.caller, started.caller_name, started.trunk) == (MOBILE, "Durand", "lines")
    assert (started.internal, ended.internal) == (False, False)


async def test_an_internal_call_stays_internal(make_office: Make) -> None:
    office = make_office(**tables(LINES))
    await office.open()
    lee, richardson = await office.phone("100"), await office.phone("101")
    richardson.auto_answer = True
    call = await lee.call("101")
    call.hang_up()
    await office.settle()
    assert [office.told_of(kind)[0].internal for kind in (CallStarted, CallEnded)] == [True, True]


@pytest.mark.row("CORE-19")
async def test_a_busy_extension_is_busy_for_the_telephone_network(make_office: Make) -> None:
    office = make_office(**tables(LINES))
    sent: list[bytes] = []
    await office.open()
    office.switch.driver.on_wire = lambda outgoing, flow, data: sent.append(data) if outgoing else None
    gateway, lee = await lines(office), await office.phone("100")
    lee.refuse_with = 486
    assert await failure(gateway.call_in("0140000001")) == 486
    [refusal] = {data for data in sent if data.startswith(b"SIP/2.0 486") and b"INVITE" in data}
    assert b"\r\nReason: Q.850;cause=17\r\n" in refusal


async def failure(call: PhoneCall) -> int:
    """The final response of a call that is not answered."""
    with pytest.raises(CallFailed) as failed:
        await call.answered()
    return failed.value.status


async def test_a_number_that_no_rule_has_does_not_exist(make_office: Make) -> None:
    office = make_office(**tables(LINES))
    await office.open()
    gateway = await lines(office)
    assert await failure(gateway.call_in("0199999999")) == 404


@pytest.mark.row("ADM-07")
@pytest.mark.parametrize(("minutes", "number"), [(5, "100"), (61, "101")])
async def test_outside_office_hours_calls_go_elsewhere(make_office: Make, minutes: int, number: str) -> None:
    """Time begins on a Monday, at ten in the morning in Paris."""
    rules = [{"did": "+33140000001", "target": "100", "otherwise": "101"}]
    hours = {"time_zone": "Europe/Paris", "monday": ["09:00-11:00"]}
    office = make_office(**tables(LINES, inbound_rules=rules, office_hours=hours))
    await office.open()
    gateway = await lines(office)
    phones = {each: await office.phone(each) for each in ("100", "101")}
    await asyncio.sleep(minutes * 60)
    gateway.call_in("0140000001")
    await phones.pop(number).incoming()
    await asyncio.sleep(1)
    assert [phone.calls for phone in phones.values()] == [set()]


@pytest.mark.row("CONF-20")
async def test_a_caller_from_outside_joins_a_conference(make_office: Make, tmp_path: Path) -> None:
    office = make_office(features=[conference.feature], prompts=Prompter(tmp_path), **tables(LINES))
    await office.open()
    gateway, lee = await lines(office), await office.phone("100")
    inside, outside = await lee.call("700"), gateway.call_in("0140000700")
    await outside.answered()
    for call, digits in ((inside, "55#*"), (outside, "55#")):
        for digit in digits:
            call.send_digits(digit)
            await asyncio.sleep(0.4)
        await asyncio.sleep(0.5)
        call.send_digits("1")
        await asyncio.sleep(2.0)
    await assert_talk(tmp_path, inside, outside)
    inside.hang_up()
    outside.hang_up()
    await office.settle()


async def test_forwards_lead_outside_and_say_so(make_office: Make, tmp_path: Path) -> None:
    forward = {"forward": {"no_answer": "00612345678"}, "no_answer_seconds": 5}
    office = make_office(extensions={"101": forward}, **tables(LINES))
    await office.open()
    gateway, lee = await lines(office), await office.phone("100")
    await office.phone("101")
    outgoing = lee.dial("101")
    incoming = await gateway.incoming()
    request = invite(incoming)
    assert request.get("Diversion") == "<sip:101@10.0.0.1>;reason=no-answer"
    assert request.get("History-Info") == (
        f"<sip:101@10.0.0.1>;index=1, <sip:{MOBILE}@{GATEWAY};cause=408>;index=1.1"
    )
    assert caller_shown(incoming) == ("Lee Parker", "100")
    incoming.answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, incoming)
    incoming.hang_up()
    await outgoing.over()
    await office.settle()
    assert [ended.internal for ended in office.told_of(CallEnded)] == [False]


@pytest.mark.row("CORE-16")
async def test_a_number_is_withheld(make_office: Make) -> None:
    office = make_office(extensions={"100": {"withhold_number": True}}, **tables(LINES))
    await office.open()
    gateway, lee = await lines(office), await office.phone("100")
    outgoing = lee.dial("00612345678")
    request = invite(incoming := await gateway.incoming())
    assert request.get("Privacy") == "id"
    assert str(request.from_.uri) == "sip:anonymous@anonymous.invalid"
    assert request.get("P-Asserted-Identity") == '"Lee Parker" <sip:100@10.0.0.1>'
    incoming.reject(603)
    assert await failure(outgoing) == 603
    await office.settle()
    assert [out.caller_id for out in office.told_of(CallWentOut)] == [""]


@pytest.mark.row("CORE-17")
@pytest.mark.parametrize("style", ["asserted", "remote-party-id", "from"])
async def test_what_is_told_of_the_caller_id_is_what_was_sent(make_office: Make, style: str) -> None:
    """Whatever the carrier says in its answer of whom it has shown."""
    office = make_office(
        extensions={"100": {"outbound_caller_id": "0140000001"}}, **tables(LINES | {"caller_id": style})
    )
    await office.open()
    gateway, lee = await lines(office), await office.phone("100")
    outgoing = lee.dial("00612345678")
    incoming = await gateway.incoming()
    incoming.ring()
    incoming.leg.reject(603, headers=[("P-Asserted-Identity", "<tel:+33199999999>")])
    assert await failure(outgoing) == 603
    await office.settle()
    [out] = office.told_of(CallWentOut)
    sent = invite(incoming)
    where = {"asserted": "P-Asserted-Identity", "remote-party-id": "Remote-Party-ID", "from": "From"}[style]
    assert out.caller_id == "+33140000001"
    assert f"<sip:{out.caller_id}@" in (sent.get(where) or "")
    assert "+33199999999" not in str(office.told)


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ([("P-Asserted-Identity", '"Real" <sip:+33700000001@carrier>')], ("Real", "+33700000001")),
        ([("P-Asserted-Identity", "<tel:+33700000001>"), ("Privacy", "id")], (None, "anonymous")),
        ([("P-Asserted-Identity", "nonsense <<")], ("Fr\u00e9d", MOBILE)),
        ([("Remote-Party-ID", "<sip:0700000001@carrier>;party=calling")], (None, "+33700000001")),
    ],
)
async def test_whom_an_extension_is_shown(
    make_office: Make,
    headers: list[tuple[str, str]],
    shown: tuple[str | None, str],
) -> None:
    office = make_office(**tables(LINES))
    await office.open()
    gateway, lee = await lines(office), await office.phone("100")
    call = gateway.call_in("0140000001", name="Fr\u00e9d\x7f", headers=headers)
    incoming = await lee.incoming()
    assert caller_shown(incoming) == shown
    call.hang_up()
    await incoming.over()
    await office.settle()


@pytest.mark.parametrize(
    ("status", "calls", "told"), [(503, 2, 200), (500, 2, 200), (486, 1, 486), (404, 1, 404), (603, 1, 603)]
)
async def test_another_trunk_is_tried_where_that_may_help(
    make_office: Make, status: int, calls: int, told: int
) -> None:
    office = make_office(**tables(LINES, BACKUP))
    await office.open()
    first, second, lee = await lines(office), await carrier(office, SECOND), await office.phone("100")
    first.refuse_with, second.auto_answer = status, True
    call = lee.dial("00612345678")
    if told == 200:
        await call.answered()
        call.hang_up()
    else:
        assert await failure(call) == told
    await office.settle()
    assert len(office.told_of(CallWentOut)) == calls


async def test_a_trunk_that_is_silent_gives_way_before_the_caller_does(
    make_office: Make, simulation: Simulation
) -> None:
    office = make_office(**tables(LINES, BACKUP))
    await office.open()
    second, lee = await lines(office, address=SECOND), await office.phone("100")
    second.auto_answer = True
    begun = simulation.loop.time()
    call = await lee.call("00612345678")
    assert simulation.loop.time() - begun < 7.0
    call.hang_up()
    await office.settle()


async def test_a_full_trunk_gives_way_and_refuses(make_office: Make) -> None:
    office = make_office(**tables(LINES | {"max_calls": 1}, BACKUP | {"max_calls": 1}))
    await office.open()
    first, second = await lines(office), await carrier(office, SECOND)
    first.auto_answer = second.auto_answer = True
    lee, richardson, taylor = [await office.phone(number) for number in ("100", "101", "102")]
    calls = [await phone.call("00612345678") for phone in (lee, richardson)]
    assert [out.trunk for out in office.told_of(CallWentOut)] == ["lines", "backup"]
    assert await failure(taylor.dial("00612345678")) == 503
    assert await failure(first.call_in("0140000001")) == 503
    emergency = await taylor.call("112")
    for call in (*calls, emergency):
        call.hang_up()
    await office.settle()
    assert [out.emergency for out in office.told_of(CallWentOut)] == [False, False, True]


async def test_a_caller_who_gives_up_outside_is_heard_of(make_office: Make) -> None:
    office = make_office(**tables(LINES))
    await office.open()
    gateway, lee = await lines(office), await office.phone("100")
    call = lee.dial("00612345678")
    incoming = await gateway.incoming()
    incoming.ring()
    await asyncio.sleep(1.0)
    call.hang_up()
    assert await incoming.over() == 487
    await office.settle()


@pytest.mark.row("ADM-08", "MYP-39", "MYP-40")
async def test_a_gateway_that_goes_and_comes_back(
    make_office: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pbx.trunks.trunk")
    office = make_office(**tables(LINES | {"qualify_seconds": 30, "port": 10002}))
    await office.open()
    gateway = await lines(office)
    await asyncio.sleep(1.0)
    [port] = office.switch.trunks.ports()
    assert (port.number, port.text) == (10002, "Up (idle)")
    assert port.round_trip_ms is not None
    assert 0 < port.round_trip_ms < 100
    gateway.environment.network.unplug()  # type: ignore[attr-defined]
    await asyncio.sleep(60.0)
    [port] = office.switch.trunks.ports()
    assert port.text == "Down: the server does not answer"
    await asyncio.sleep(3600.0)
    gateway.environment.network.plug()  # type: ignore[attr-defined]
    await asyncio.sleep(60.0)
    logged = [record.getMessage() for record in caplog.records if record.name == "pbx.trunks.trunk"]
    assert [line.removeprefix("trunk lines") for line in logged] == [
        " is up",
        ": UDP 203.0.113.10:5060: the server does not answer",
        " is down, and gets no calls: the server does not answer",
        " is up",
    ]
    told = [happening for happening in office.told if isinstance(happening, TrunkUp | TrunkDown)]
    assert [type(happening) for happening in told] == [TrunkUp, TrunkDown, TrunkUp]
    assert {happening.port for happening in told} == {10002}


async def test_what_the_network_says_before_the_answer_is_heard(make_office: Make, tmp_path: Path) -> None:
    office = make_office(**tables(LINES))
    await office.open()
    gateway, lee = await lines(office), await office.phone("100")
    call = lee.dial("00612345678")
    incoming = await gateway.incoming()
    incoming.leg.send_early_media()
    incoming.play_tone(TONES_HZ[1])
    await asyncio.sleep(0.5)
    call.record(tmp_path / "early.wav")
    await asyncio.sleep(0.5)
    call.record(tmp_path / "after.wav")
    assert 183 in call.provisionals
    assert tones_in(tmp_path / "early.wav") == {1}
    incoming.reject(404)
    assert await failure(call) == 404
    await office.settle()


async def test_the_last_line_is_given_once(make_office: Make) -> None:
    """Two calls at the same instant, both ways."""
    office = make_office(**tables(LINES | {"max_calls": 1}))
    await office.open()
    gateway = await lines(office)
    gateway.auto_answer = True
    phones = [await office.phone(number) for number in ("101", "102", "103")]
    calls = [phone.dial("00612345678") for phone in phones]
    calls.append(gateway.call_in("0140000001"))
    outcomes = await asyncio.gather(*(call.answered() for call in calls), return_exceptions=True)
    assert [outcome is None for outcome in outcomes].count(True) <= 1
    assert office.switch.trunks.named("lines").calls <= 1
    for call in calls:
        call.hang_up()
    await office.settle()
    assert len(office.told_of(CallWentOut)) == 1


@pytest.mark.parametrize("outgoing", [False, True])
@pytest.mark.parametrize(("host", "status"), [(SECOND, 200), ("203.0.113.66", 401)])
async def test_a_call_is_ended_from_another_address_of_its_trunk(
    make_office: Make, outgoing: bool, host: str, status: int
) -> None:
    """The servers of a carrier stand in for each other, within calls too; strangers do not."""
    office = make_office(**tables(LINES | {"addresses": [GATEWAY, SECOND]}))
    await office.open()
    gateway, lee = await lines(office), await office.phone("100")
    other = await carrier(office, host)
    if outgoing:
        gateway.auto_answer = True
        inside = await lee.call("00612345678")
        outside = next(iter(gateway.calls))
    else:
        outside = gateway.call_in("0140000001")
        inside = await lee.incoming()
        inside.answer()
        await outside.answered()
    await asyncio.sleep(0.3)
    response = await other.request(outside.dialog.request("BYE", []))
    assert response.status == status
    if status == 401:
        outside.hang_up()
    assert await inside.over() == 200
    await office.settle()


def speak_from(carrier: Carrier, host: str, method: str) -> None:
    """Have its requests of one method leave from another address."""
    network = carrier.environment.network
    assert isinstance(network, HostNetwork)
    send = network.send

    def divert(datagram: Datagram) -> None:
        elsewhere = datagram.data.startswith(method.encode())
        send(datagram._replace(source=Address(host, 5060)) if elsewhere else datagram)

    network.send = divert  # type: ignore[method-assign]


@pytest.mark.row("CORE-04")
@pytest.mark.parametrize(("host", "is_cancelled"), [(SECOND, True), ("203.0.113.66", False)])
async def test_a_call_is_cancelled_from_another_address_of_its_trunk(
    make_office: Make, host: str, is_cancelled: bool
) -> None:
    office = make_office(**tables(LINES | {"addresses": [GATEWAY, SECOND]}))
    await office.open()
    gateway, lee = await lines(office), await office.phone("100")
    speak_from(gateway, host, "CANCEL")
    outside = gateway.call_in("0140000001")
    inside = await lee.incoming()
    outside.hang_up()
    await asyncio.sleep(1)
    assert (inside.leg.state is LegState.ENDED) is is_cancelled
    inside.hang_up()
    await office.settle()


@pytest.mark.row("CORE-04")
@pytest.mark.parametrize(("host", "is_heard"), [(SECOND, True), ("203.0.113.66", False)])
async def test_a_call_is_confirmed_from_another_address_of_its_trunk(
    make_office: Make, tmp_path: Path, host: str, is_heard: bool
) -> None:
    office = make_office(**tables(LINES | {"addresses": [GATEWAY, SECOND]}))
    await office.open()
    gateway, lee = await lines(office), await office.phone("100")
    speak_from(gateway, host, "ACK")
    outside = gateway.call_in("0140000001")
    inside = await lee.incoming()
    inside.answer()
    await outside.answered()
    await asyncio.sleep(0.3)
    if is_heard:
        await asyncio.sleep(40)  # 64*T1: else the call would have ended
        await assert_talk(tmp_path, inside, outside)
        outside.hang_up()
    assert await inside.over() == 200
    await office.settle()


@pytest.mark.row("CORE-04", "ADM-08")
@pytest.mark.parametrize("name", ["lines", "more"])
async def test_of_two_accounts_at_one_provider_each_has_its_calls(make_office: Make, name: str) -> None:
    """Also within a call, whose requests name no account."""
    accounts = [
        {
            "name": account,
            "type": "provider",
            "registrar": "sip.provider.example",
            "user": account,
            "password": "x",
        }
        for account in ("lines", "more")
    ]
    office = make_office(**tables(*(account | {"qualify_seconds": 0} for account in accounts)))
    gateway = await carrier(office, name="sip.provider.example")
    office.simulation.network.names["sip.provider.example"].append(SECOND)
    other = await carrier(office, SECOND)
    await office.open()
    lee = await office.phone("100")
    await asyncio.sleep(1)
    outside = gateway.call_in(name, to="0140000001")
    inside = await lee.incoming()
    inside.answer()
    await outside.answered()
    assert [trunk.calls for trunk in office.switch.trunks if trunk.calls] == [1]
    assert office.switch.trunks.named(name).calls == 1
    await asyncio.sleep(0.3)
    assert (await other.request(outside.dialog.request("BYE", []))).status == 200
    assert await inside.over() == 200
