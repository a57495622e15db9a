"""The services of RFC 5359 that are forwarding, finding, screening and conference, by section, over links that lose.

Hold, transfer, pick-up, park and automatic redial have journeys of their own. Where the RFC has proxies there is the
switch, which is both ends of two calls (B2BUA).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from features import conference
from pbx.happenings import CallAnswered, CallEnded, CallRang, CallWentOut, ExternalCallRefused
from pbx.phone import CallFailed, Phone, PhoneCall
from tests.journeys.talking import assert_talk, caller_shown, listen
from tests.journeys.test_conference import keys
from tests.journeys.test_trunks import LINES, lines, tables
from tests.simulation.impairment import INTERNET, LAN, Profile
from tests.simulation.office import COMPANY, Office
from tests.simulation.prompter import Prompter

MakeOffice = Callable[..., Office]
LINKS = {"lan": LAN, "internet": INTERNET, "lossy": Profile(delay_seconds=0.01, loss=0.1)}
BYES = 64 * 0.5


@pytest.fixture(params=sorted(LINKS))
def link(request: pytest.FixtureRequest) -> Profile:
    return LINKS[request.param]


async def office_where(make_office: MakeOffice, link: Profile, **forward: str) -> Office:
    """An office in which calls to 101 go on as `forward` says; its phones ring for 10 seconds."""
    office = make_office(link=link, extensions={"101": {"forward": forward, "no_answer_seconds": 10}})
    await office.open()
    return office


async def talk_and_end(folder: Path, outgoing: PhoneCall, called: Phone, *, ends: str = "called") -> None:
    """The called phone answers, both talk, one hangs up."""
    incoming = await called.incoming()
    assert caller_shown(incoming) == (COMPANY["100"], "100")
    incoming.answer()
    await outgoing.answered()
    await asyncio.sleep(1)
    await assert_talk(folder, outgoing, incoming)
    first, second = (incoming, outgoing) if ends == "called" else (outgoing, incoming)
    first.hang_up()
    assert await second.over() == 200


# -- 2.7 to 2.9: call forwarding -----------------------------------------------------------------------


async def test_2_7_forwarding_unconditional(make_office: MakeOffice, link: Profile, tmp_path: Path) -> None:
    """Bob's phone does not ring; Carol's does, and Alice has one call."""
    office = await office_where(make_office, link, always="102")
    lee, richardson, taylor = [await office.phone(number) for number in ("100", "101", "102")]
    outgoing = lee.dial("101")
    await talk_and_end(tmp_path, outgoing, taylor)
    assert richardson.calls == set()
    assert {told.extension for told in office.told_of(CallRang)} <= {"102"}  # a lost 180 tells nothing
    await asyncio.sleep(BYES)
    await office.settle()


@pytest.mark.parametrize("who_says_so", ["switch", "phone"])
async def test_2_8_forwarding_on_busy(
    make_office: MakeOffice, link: Profile, tmp_path: Path, who_says_so: str
) -> None:
    office = await office_where(make_office, link, busy="102")
    lee, richardson, taylor = [await office.phone(number) for number in ("100", "101", "102")]
    if who_says_so == "phone":
        richardson.refuse_with = 486
    else:
        miller = await office.phone("103")
        richardson.auto_answer = True
        await miller.call("101")
    outgoing = lee.dial("101")
    await talk_and_end(tmp_path, outgoing, taylor, ends="caller")
    assert [told.by for told in office.told_of(CallAnswered)][-1] == "102"
    for phone in office.phones:
        for call in list(phone.calls):
            call.hang_up()
    await asyncio.sleep(BYES)
    await office.settle()


async def test_2_9_forwarding_on_no_answer(make_office: MakeOffice, link: Profile, tmp_path: Path) -> None:
    """Bob's phone rings and is cancelled, and tells Alice nothing of that; then Carol's rings."""
    office = await office_where(make_office, link, no_answer="102")
    lee, richardson, taylor = [await office.phone(number) for number in ("100", "101", "102")]
    outgoing = lee.dial("101")
    ringing = await richardson.incoming()
    assert await ringing.over() == 487
    await talk_and_end(tmp_path, outgoing, taylor)
    assert {told.extension for told in office.told_of(CallRang)} <= {"101", "102"}
    [ended] = office.told_of(CallEnded)
    assert ended.status == 200
    await asyncio.sleep(BYES)
    await office.settle()


async def test_2_9_the_caller_gives_up_while_the_second_rings(make_office: MakeOffice, link: Profile) -> None:
    office = await office_where(make_office, link, no_answer="102")
    lee, _, taylor = [await office.phone(number) for number in ("100", "101", "102")]
    outgoing = lee.dial("101")
    ringing = await taylor.incoming()
    outgoing.hang_up()
    assert await ringing.over() == 487
    assert await outgoing.over() == 487
    await asyncio.sleep(BYES)
    await office.settle()


# -- 2.10, 2.11: conference ----------------------------------------------------------------------------


@pytest.mark.parametrize("joins", ["one is added", "one joins"])
async def test_2_10_and_2_11_three_talk(
    make_office: MakeOffice, link: Profile, tmp_path: Path, joins: str
) -> None:
    """Whoever comes third, each hears the two others; and when one leaves, the others talk on."""
    office = make_office(
        link=link,
        features=[conference.feature],
        prompts=Prompter(tmp_path),
        store={"data_dir": str(tmp_path / "data")},
    )
    await office.open()
    order = ("100", "101", "102") if joins == "one is added" else ("102", "100", "101")
    calls: list[PhoneCall] = []
    for number in order:
        call = await (await office.phone(number)).call("700")
        await keys(call, "55#")
        if not calls:
            await keys(call, "*")
        call.play_tone(440)
        await asyncio.sleep(0.5)
        await keys(call, "1")
        await asyncio.sleep(2)
        calls.append(call)
    assert await listen(tmp_path, *calls) == [{1, 2}, {0, 2}, {0, 1}]
    calls[2].hang_up()
    await asyncio.sleep(5)  # a BYE may be lost, and who has left is said by name
    assert await listen(tmp_path, *calls[:2]) == [{1}, {0}]
    for call in calls[:2]:
        call.hang_up()
    await asyncio.sleep(BYES)
    await office.settle()


# -- 2.12: find-me -------------------------------------------------------------------------------------


async def test_2_12_find_me_at_all_phones_at_once(
    make_office: MakeOffice, link: Profile, tmp_path: Path
) -> None:
    """Bob is called at his desk, at home and on the road; where he answers he gets it, the others fall silent."""
    office = await office_where(make_office, link)
    lee = await office.phone("100")
    desk, home, road = [await office.phone("101") for _ in range(3)]
    outgoing = lee.dial("101")
    silent = [await phone.incoming() for phone in (desk, home)]
    await talk_and_end(tmp_path, outgoing, road)
    assert [await call.over() for call in silent] == [487, 487]
    await asyncio.sleep(BYES)
    await office.settle()


async def test_2_12_find_me_at_one_place_after_another(
    make_office: MakeOffice, link: Profile, tmp_path: Path
) -> None:
    """He is not at his desk; his second number is not registered; he is found at the third."""
    extensions: dict[str, Any] = {
        "101": {"forward": {"no_answer": "102"}, "no_answer_seconds": 5},
        "102": {"forward": {"not_registered": "103"}},
    }
    office = make_office(link=link, extensions=extensions)
    await office.open()
    lee, _, miller = [await office.phone(number) for number in ("100", "101", "103")]
    outgoing = lee.dial("101")
    await talk_and_end(tmp_path, outgoing, miller)
    assert {told.extension for told in office.told_of(CallRang)} <= {"101", "103"}
    await asyncio.sleep(BYES)
    await office.settle()


async def test_2_12_he_is_nowhere(make_office: MakeOffice, link: Profile) -> None:
    office = await office_where(make_office, link, no_answer="102")
    lee, _ = [await office.phone(number) for number in ("100", "101")]
    with pytest.raises(CallFailed) as failed:
        await lee.call("101")
    assert failed.value.status == 480
    await asyncio.sleep(BYES)
    await office.settle()


# -- 2.13, 2.14: screening -----------------------------------------------------------------------------


async def test_2_13_a_caller_who_is_nobody_here_is_screened(make_office: MakeOffice, link: Profile) -> None:
    """Only who proves to be somebody calls; what he writes in From is not believed."""
    office = await office_where(make_office, link)
    richardson = await office.phone("101")
    stranger = await office.phone("100", register=False)
    stranger.account = type(stranger.account)("100", "guessed", stranger.account.server)
    with pytest.raises(CallFailed) as failed:
        await stranger.call("101")
    assert failed.value.status == 401
    assert richardson.calls == set()
    assert office.told_of(CallRang) == []
    await asyncio.sleep(BYES)
    await office.settle()


async def test_2_14_a_call_outside_that_the_caller_may_not_make(make_office: MakeOffice) -> None:
    """Outgoing screening: a country that is not allowed gets 403, and what is allowed goes out."""
    office = make_office(**tables(LINES))
    await office.open()
    gateway, lee = await lines(office), await office.phone("100")
    gateway.auto_answer = True
    with pytest.raises(CallFailed) as failed:
        await lee.call("000442079460000")
    assert failed.value.status == 403
    assert len(office.told_of(ExternalCallRefused)) == 1
    assert office.told_of(CallWentOut) == []
    (await lee.call("00612345678")).hang_up()
    assert len(office.told_of(CallWentOut)) == 1
    await office.settle()
