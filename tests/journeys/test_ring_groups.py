"""Ring groups: one number, and several extensions that ring."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from features.pickup import feature as pickup
from features.ring_groups import feature as ring_groups
from pbx.happenings import CallRang
from pbx.phone import CallFailed, Phone
from pbx.presence import UserStatus
from pbx.refused import Refused
from pbx.steering import Verb, WrongState, allowed, perform
from tests.journeys.talking import assert_talk, caller_shown, connect
from tests.journeys.test_forking import ELSEWHERE, SENT_ON, reasons_of
from tests.journeys.waiting_room import MakeOffice
from tests.simulation.office import Office

ROW = pytest.mark.row("ADM-12")


async def open_office(make_office: MakeOffice, **settings: object) -> tuple[Office, list[Phone]]:
    """Group 810 of 101, 102 and 103; their phones, and Lee's (100) before them."""
    group = {"number": "810", "members": ["101", "102", "103"], "ring_seconds": 10} | settings
    office = make_office(
        features=[ring_groups, pickup], ring_groups=[group], extensions={"103": {"busy_detection": "phone"}}
    )
    await office.open()
    return office, [await office.phone(number) for number in ("100", "101", "102", "103")]


@ROW
async def test_all_ring_and_the_first_to_answer_has_the_call(make_office: MakeOffice, tmp_path: Path) -> None:
    office, (lee, *members) = await open_office(make_office)
    reasons = reasons_of(members[0], "CANCEL")
    call = lee.dial("810")
    incoming = [await member.incoming() for member in members]
    incoming[2].reject(603)
    await asyncio.sleep(1)
    assert call.provisionals[-1] == 180
    assert sorted(told.extension for told in office.told_of(CallRang)) == ["101", "102", "103"]
    incoming[1].answer()
    await call.answered()
    assert await incoming[0].over() == 487
    assert reasons == [ELSEWHERE]
    await assert_talk(tmp_path, call, incoming[1])
    incoming[1].hang_up()
    assert await call.over() == 200
    await office.settle()


@ROW
async def test_one_rings_after_another(make_office: MakeOffice, tmp_path: Path) -> None:
    office, (lee, *members) = await open_office(make_office, strategy="hunt")
    office.switch.presence.say("102", UserStatus.AWAY)
    call = lee.dial("810")
    assert await (await members[0].incoming()).over() == 487
    last = await members[2].incoming()
    last.answer()
    await call.answered()
    await assert_talk(tmp_path, call, last)
    assert not members[1].calls
    call.hang_up()
    await office.settle()


@ROW
async def test_nobody_answers(make_office: MakeOffice) -> None:
    office, (lee, *members) = await open_office(make_office)
    with pytest.raises(CallFailed, match="480"):
        await lee.call("810")
    assert not any(member.calls for member in members)
    for member in members[:2]:
        await member.unregister()
    members[2].refuse_with = 486
    with pytest.raises(CallFailed, match="480"):
        await lee.call("810")
    await office.settle()


async def test_all_are_busy(make_office: MakeOffice) -> None:
    office, (lee, *members) = await open_office(make_office)
    await connect(members[0], "102", members[1])
    members[2].refuse_with = 486
    with pytest.raises(CallFailed, match="486"):
        await lee.call("810")
    for member in members:
        for call in list(member.calls):
            call.hang_up()
    await office.settle()


@ROW
async def test_what_nobody_takes_goes_to_another_number(make_office: MakeOffice, tmp_path: Path) -> None:
    office, (lee, *_) = await open_office(make_office, otherwise="104")
    bell = await office.phone("104")
    call = lee.dial("810")
    incoming = await bell.incoming()
    incoming.answer()
    await call.answered()
    await assert_talk(tmp_path, call, incoming)
    call.hang_up()
    await office.settle()


async def test_a_member_who_calls_is_not_rung_and_who_hangs_up_rings_nobody(make_office: MakeOffice) -> None:
    office, (_, *members) = await open_office(make_office)
    call = members[2].dial("810")
    incoming = [await member.incoming() for member in members[:2]]
    call.hang_up()
    assert [await one.over() for one in incoming] == [487, 487]
    await office.settle()


@pytest.mark.row("AST-16", "ADM-12")
async def test_who_rejects_the_call_on_a_page_does_so_for_nobody_else(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    office, (lee, *members) = await open_office(make_office)
    outgoing = lee.dial("810")
    incoming = [await member.incoming() for member in members]
    (call,) = office.switch.calls.values()
    perform(call, "102", Verb.REJECT)
    assert await incoming[1].over() == 487
    assert call.rings_at == ("101", "103")
    with pytest.raises(Refused):
        perform(call, "102", Verb.REJECT)
    incoming[0].answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, incoming[0])
    outgoing.hang_up()
    await office.settle()


@pytest.mark.row("AST-17", "AST-20", "AST-23", "ADM-12")
async def test_who_diverts_while_others_ring_does_so_for_himself_alone(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    office, (lee, *members) = await open_office(make_office)
    bell = await office.phone("104")
    reasons = reasons_of(members[1], "CANCEL")
    outgoing = lee.dial("810")
    incoming = [await member.incoming() for member in members]
    (call,) = office.switch.calls.values()
    assert allowed(call, "102") == {Verb.REJECT, Verb.DIVERT}
    for target, refusal in (("100", Refused), ("555", Refused), ("103", WrongState), ("810", WrongState)):
        with pytest.raises(refusal):
            perform(call, "102", Verb.DIVERT, target)
    with pytest.raises(WrongState):
        perform(call, "102", Verb.TO_VOICEMAIL)
    assert call.rings_at == ("101", "102", "103")
    perform(call, "102", Verb.DIVERT, "104")
    assert await incoming[1].over() == 487
    assert reasons == [SENT_ON]
    diverted = await bell.incoming()
    assert call.rings_at == ("101", "103", "104")
    with pytest.raises(Refused):
        perform(call, "102", Verb.REJECT)
    diverted.answer()
    await outgoing.answered()
    assert [await one.over() for one in (incoming[0], incoming[2])] == [487, 487]
    await assert_talk(tmp_path, outgoing, diverted)
    outgoing.hang_up()
    await office.settle()


@pytest.mark.row("AST-17", "AST-20", "AST-23")
async def test_the_last_who_rings_decides_where_the_call_goes(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    office, (lee, *members) = await open_office(make_office)
    bell = await office.phone("104")
    outgoing = lee.dial("810")
    incoming = [await member.incoming() for member in members]
    for declined in incoming[:2]:
        declined.reject(603)
    await asyncio.sleep(0.1)
    (call,) = office.switch.calls.values()
    assert allowed(call, "103") == {Verb.REJECT, Verb.DIVERT, Verb.TO_VOICEMAIL}
    perform(call, "103", Verb.DIVERT, "104")
    diverted = await bell.incoming()
    assert await incoming[2].over() == 487
    diverted.answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, diverted)
    outgoing.hang_up()
    await office.settle()


@ROW
async def test_a_phone_that_sends_the_call_on_does_so_for_itself_alone(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    office, (lee, *members) = await open_office(make_office)
    bell, white = await office.phone("104"), await office.phone("105")
    outgoing = lee.dial("810")
    incoming = [await member.incoming() for member in (members[0], members[2])]
    (await members[1].incoming()).redirect("104")
    (await bell.incoming()).redirect("102", "105")  # not back to where it comes from
    diverted = await white.incoming()
    (call,) = office.switch.calls.values()
    assert call.rings_at == ("101", "103", "105")
    incoming[1].answer()
    await outgoing.answered()
    assert [await one.over() for one in (incoming[0], diverted)] == [487, 487]
    await assert_talk(tmp_path, outgoing, incoming[1])
    outgoing.hang_up()
    await office.settle()


@pytest.mark.parametrize("targets", [("102",), ("100",), ("810",), ("555",), ("102", "555")])
@ROW
async def test_a_phone_that_sends_the_call_nowhere_has_not_taken_it(
    make_office: MakeOffice, tmp_path: Path, targets: tuple[str, ...]
) -> None:
    office, (lee, *members) = await open_office(make_office)
    outgoing = lee.dial("810")
    incoming = [await member.incoming() for member in members[1:]]
    (await members[0].incoming()).redirect(*targets)
    (call,) = office.switch.calls.values()
    await asyncio.sleep(1)
    assert call.rings_at == ("102", "103")
    incoming[1].answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, incoming[1])
    outgoing.hang_up()
    await office.settle()


@ROW
async def test_who_is_rung_instead_is_so_no_longer_than_the_others(make_office: MakeOffice) -> None:
    office, (lee, *members) = await open_office(make_office)
    bell = await office.phone("104")
    outgoing = lee.dial("810")
    await asyncio.sleep(5)
    (await members[0].incoming()).redirect("104")
    diverted = await bell.incoming()
    assert await diverted.over() == 487
    with pytest.raises(CallFailed, match="480"):
        await outgoing.answered()
    await office.settle()


@pytest.mark.row("PICK-01", "ADM-12")
@pytest.mark.parametrize("strategy", ["ring_all", "hunt"])
async def test_a_call_that_rings_for_a_group_is_picked_up_by_the_number_of_the_group(
    make_office: MakeOffice, tmp_path: Path, strategy: str
) -> None:
    office, (lee, *members) = await open_office(make_office, strategy=strategy)
    bell, white = await office.phone("104"), await office.phone("105")
    other = bell.dial("103")  # rings longer
    ringing = await members[2].incoming()
    outgoing = lee.dial("810")
    incoming = await members[0].incoming()
    picked = white.dial("*20*810")
    await picked.answered()
    await outgoing.answered()
    assert await incoming.over() == 487
    await assert_talk(tmp_path, outgoing, picked)
    with pytest.raises(CallFailed, match="404"):
        await members[1].call("*20*810")
    ringing.answer()
    await other.answered()
    for call in (outgoing, other):
        call.hang_up()
    await office.settle()


@pytest.mark.row("ADM-12")
async def test_phones_show_for_which_group_a_call_is(make_office: MakeOffice) -> None:
    office, (lee, *members) = await open_office(make_office, caller_prefix='Sales "A":')
    outgoing = lee.dial("810")
    assert caller_shown(await members[0].incoming()) == ('Sales "A": Lee Parker', "100")
    outgoing.hang_up()
    outgoing = lee.dial("101")
    assert caller_shown(await members[0].incoming()) == ("Lee Parker", "100")
    outgoing.hang_up()
    await office.settle()
