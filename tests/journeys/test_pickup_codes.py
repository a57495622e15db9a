"""*20*: calls that ring elsewhere are taken from any phone, and who gets nothing hears why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from features.parking import feature as parking
from features.pickup import feature as pickup
from pbx.call import Call
from pbx.happenings import CallEnded
from pbx.history.record import CallList
from pbx.leg import Leg
from pbx.phone import CallFailed, Phone, PhoneCall
from tests.interop.tones import level, read_samples
from tests.journeys.talking import connect, listen
from tests.journeys.test_trunks import LINES, lines, tables
from tests.simulation.office import Office
from tests.simulation.prompter import PROMPT_HZ, Prompter

MakeOffice = Callable[..., Office]
GROUPS = [
    {"name": "Management", "extensions": ["100", "102"]},
    {"name": "Secretary", "extensions": ["101", "104"]},
]


@pytest.fixture
def prompter(tmp_path: Path) -> Prompter:
    return Prompter(tmp_path)


@pytest.fixture
def office(make_office: MakeOffice, prompter: Prompter) -> Office:
    office = make_office(prompts=prompter, features=[pickup, parking])
    office.simulation.run(office.open())
    return office


async def phones_of(office: Office) -> list[Phone]:
    return [await office.phone(number) for number in ("100", "101", "102", "103")]


async def status_of(call: PhoneCall) -> int:
    with pytest.raises(CallFailed) as caught:
        await call.answered()
    return caught.value.status


@pytest.mark.row("PICK-01", "PICK-07", "DC-01")
@pytest.mark.parametrize("workers", [0, 2])
async def test_a_call_that_rings_at_an_extension_is_taken(
    make_office: MakeOffice, prompter: Prompter, tmp_path: Path, workers: int
) -> None:
    office = make_office(prompts=prompter, features=[pickup], media={"workers": workers})
    await office.open()
    lee, richardson, taylor, _ = await phones_of(office)
    outgoing = taylor.dial("100")
    ringing = await lee.incoming()
    picked = richardson.dial("*20*100")
    await picked.answered()
    await outgoing.answered()
    assert await ringing.over() == 487
    await asyncio.sleep(0.5)
    assert await listen(tmp_path, outgoing, picked) == [{1}, {0}]
    outgoing.hang_up()
    assert await picked.over() == 200
    await office.settle()
    latest = office.switch.history.latest
    assert [call.caller for call in await latest("101", CallList.RECEIVED)] == ["102"]
    assert await latest("100", CallList.MISSED) == []
    assert len(office.told_of(CallEnded)) == 2


@pytest.mark.row("PICK-02")
async def test_the_call_that_has_rung_longest_is_taken_where_none_is_named(
    office: Office, tmp_path: Path
) -> None:
    lee, richardson, taylor, miller = await phones_of(office)
    bell, white = await office.phone("104"), await office.phone("105")
    first, second = taylor.dial("100"), None
    await lee.incoming()
    await asyncio.sleep(1)
    second = miller.dial("101")
    await richardson.incoming()
    picked = bell.dial("*20*")
    await picked.answered()
    await first.answered()
    also = white.dial("*20*")
    await also.answered()
    await second.answered()
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, first, picked) == [{1}, {0}]
    assert await listen(tmp_path, second, also) == [{1}, {0}]


@pytest.mark.row("PICK-03", "PICK-04", "DC-06")
@pytest.mark.parametrize("code", ["*20*", "*20*101", "*20*555"])
async def test_who_finds_nothing_hears_so(
    office: Office, prompter: Prompter, tmp_path: Path, code: str
) -> None:
    """A connected call is none to take."""
    lee, richardson, taylor, _ = await phones_of(office)
    talking = await connect(lee, "101", richardson)
    picker = taylor.dial(code)
    picker.record(tmp_path / "heard.wav")
    assert await status_of(picker) == 404
    await asyncio.sleep(0.1)
    assert level(read_samples(tmp_path / "heard.wav"), PROMPT_HZ) > 1000
    assert prompter.said == ["pickup.nothing_rings"]
    assert await listen(tmp_path, *talking) == [{1}, {0}]


async def test_nobody_takes_his_own_call(office: Office) -> None:
    lee, richardson, *_ = await phones_of(office)
    soft = await office.phone("100")
    outgoing = lee.dial("101")
    ringing = await richardson.incoming()
    assert await status_of(soft.dial("*20*")) == 404
    ringing.answer()
    await outgoing.answered()


async def test_a_call_at_one_phone_is_taken_at_another_of_the_same_user(office: Office) -> None:
    lee, richardson, *_ = await phones_of(office)
    soft = await office.phone("101")
    soft.auto_answer = False
    outgoing = lee.dial("101")
    ringing, also = await richardson.incoming(), await soft.incoming()
    picked = soft.dial("*20*101")
    await picked.answered()
    await outgoing.answered()
    assert [await ringing.over(), await also.over()] == [487, 487]


@pytest.mark.row("PICK-02")
async def test_where_groups_are_the_scope_others_are_out_of_reach(
    make_office: MakeOffice, prompter: Prompter
) -> None:
    office = make_office(prompts=prompter, features=[pickup], pickup={"scope": "group"}, groups=GROUPS)
    await office.open()
    lee, richardson, taylor, miller = await phones_of(office)
    outgoing = miller.dial("100")
    await lee.incoming()
    assert await status_of(richardson.dial("*20*100")) == 404
    assert await status_of(richardson.dial("*20*")) == 404
    picked = taylor.dial("*20*")
    await picked.answered()
    await outgoing.answered()


async def test_nobody_outside_takes_a_call(make_office: MakeOffice, prompter: Prompter) -> None:
    setting = tables(LINES, inbound_rules=[{"did": "+33140000009", "target": "*20*"}])
    office = make_office(prompts=prompter, features=[pickup], **setting)
    await office.open()
    gateway = await lines(office)
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing = lee.dial("101")
    ringing = await richardson.incoming()
    assert await status_of(gateway.dial("+33140000009")) == 403
    ringing.answer()
    await outgoing.answered()


@pytest.mark.row("DC-06", "PARK-05")
async def test_who_takes_from_an_empty_orbit_hears_so(office: Office, prompter: Prompter) -> None:
    lee = await office.phone("100")
    assert await status_of(lee.dial("*13")) == 404
    assert prompter.said == ["parking.nobody"]


@pytest.mark.row("PICK-01")
async def test_who_picks_up_a_call_that_is_ended_then_is_hung_up(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ends it, such as the CANCEL of the caller, is the next that is read after what picks it up."""
    lee, richardson, taylor, _ = await phones_of(office)
    outgoing = lee.dial("101")
    await richardson.incoming()
    claim = Call.claim

    def claimed_at_the_end(call: Call, leg: Leg) -> bool:
        claimed = claim(call, leg)
        call.cancel()
        return claimed

    monkeypatch.setattr(Call, "claim", claimed_at_the_end)
    picked = taylor.dial("*20*101")
    await picked.answered()
    with pytest.raises(CallFailed):
        await outgoing.answered()
    assert await asyncio.wait_for(picked.over(), 5) == 200
    await office.settle()
