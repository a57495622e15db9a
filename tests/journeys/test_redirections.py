"""Phones that send calls elsewhere (RFC 3261 section 21.3; RFC 3665 section 3.6 has a proxy do so)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pbx.happenings import CallAnswered
from pbx.phone import Phone
from tests.journeys.talking import assert_talk, couple
from tests.simulation.impairment import WIRELESS
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]


async def send_on(caller: Phone, called: Phone, *numbers: str, status: int = 302) -> int | None:
    """Call 101, which sends the call on; the final response, if one comes by itself."""
    outgoing = caller.dial("101")
    (await called.incoming()).redirect(*numbers, status=status)
    return await outgoing.over()


async def test_a_call_goes_where_the_phone_sends_it(make_office: MakeOffice, tmp_path: Path) -> None:
    office = make_office(link=WIRELESS)
    await office.open()
    lee, richardson = await couple(office)
    taylor = await office.phone("102")
    outgoing = lee.dial("101")
    (await richardson.incoming()).redirect("102")
    incoming = await taylor.incoming()
    incoming.answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, incoming, within=1.0)
    [answered] = office.told_of(CallAnswered)
    assert answered.by == "102"
    outgoing.hang_up()
    await office.settle()


async def test_all_phones_of_the_extension_stop_ringing(office: Office) -> None:
    lee, desk = await couple(office)
    mobile, taylor = await office.phone("101"), await office.phone("102")
    outgoing = lee.dial("101")
    rings = await mobile.incoming()
    (await desk.incoming()).redirect("102")
    (await taylor.incoming()).answer()
    await outgoing.answered()
    assert await rings.over() == 487
    outgoing.hang_up()
    await office.settle()


@pytest.mark.parametrize(
    ("numbers", "status", "heard"),
    [(["555"], 302, 480), (["101"], 302, 480), (["102"], 305, 480), (["102"], 380, 480), (["103"], 302, 480)],
    ids=["nobody", "itself", "a proxy", "another service", "who is not there"],
)
async def test_a_call_that_is_sent_nowhere_ends(
    office: Office, numbers: list[str], status: int, heard: int
) -> None:
    lee, richardson = await couple(office)
    await office.phone("102")
    assert await send_on(lee, richardson, *numbers, status=status) == heard
    await office.settle()


async def test_phones_that_send_calls_to_each_other_are_stopped(office: Office) -> None:
    lee, richardson = await couple(office)
    taylor = await office.phone("102")
    outgoing = lee.dial("101")
    (await richardson.incoming()).redirect("102")
    (await taylor.incoming()).redirect("101")
    assert await outgoing.over() == 480
    await office.settle()


async def test_it_can_be_switched_off(make_office: MakeOffice) -> None:
    office = make_office(sip={"follow_redirects": False})
    await office.open()
    lee, richardson = await couple(office)
    await office.phone("102")
    assert await send_on(lee, richardson, "102") == 480
    await office.settle()
