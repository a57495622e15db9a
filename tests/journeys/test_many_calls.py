"""Many calls at once, and any history of calls: all sound goes where it should, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from pbx.happenings import CallEnded
from pbx.phone import CallFailed, Phone, PhoneCall
from tests.journeys.talking import connect, listen
from tests.simulation.office import COMPANY, SILENCE_SECONDS, Office

MakeOffice = Callable[..., Office]


async def party(office: Office, numbers: list[str]) -> list[Phone]:
    """Phones of all these, that answer at once."""
    phones = [await office.phone(number) for number in numbers]
    for phone in phones:
        phone.auto_answer = True
    return phones


def lenient() -> dict[str, dict[str, str]]:
    """Extensions that take any number of calls."""
    return {number: {"busy_detection": "phone"} for number in COMPANY}


async def test_many_phones_ring_at_the_same_time(make_office: MakeOffice) -> None:
    office = make_office(extensions=lenient())
    await office.open()
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing = [lee.dial("101") for _ in range(200)]
    incoming = [await richardson.incoming() for _ in outgoing]
    await asyncio.sleep(1)
    for call in incoming:
        call.answer()
    for call in outgoing:
        await call.answered()
    assert office.live()["calls"] == 200
    for call in outgoing:
        call.hang_up()
    await asyncio.sleep(1)
    await office.settle()


@pytest.mark.parametrize("last", [20019, 20021], ids=["none is left", "one is left"])
async def test_when_every_port_is_in_use_callers_are_told_and_ports_come_back(
    make_office: MakeOffice, last: int
) -> None:
    office = make_office(extensions=lenient(), media={"port_range": (20000, last)})  # room for 5 calls
    await office.open()
    lee, richardson = await party(office, ["100", "101"])
    for _ in range(3):
        calls = [await lee.call("101") for _ in range(5)]
        for _ in range(2):
            with pytest.raises(CallFailed) as failed:
                await lee.call("101")
            assert failed.value.status == 503
        for call in calls:
            call.hang_up()
        await asyncio.sleep(1)
        assert not richardson.calls
    await office.settle()


async def test_two_thousand_calls_leave_nothing_behind(make_office: MakeOffice) -> None:
    office = make_office(extensions=lenient())
    await office.open()
    dice = office.simulation.dice("calls")
    phones = await party(office, list(COMPANY))

    async def one_call() -> None:
        caller, called = dice.sample(phones, 2)
        await asyncio.sleep(dice.random() * 20)
        call = caller.dial(called.account.number)
        await asyncio.sleep(dice.choice([0.0, 0.001, 0.005, 1.0, 5.0]))
        hang_up(call, called, dice.random() < 0.5)
        await call.over()

    for _ in range(10):
        await asyncio.gather(*(one_call() for _ in range(200)))
    await asyncio.sleep(1)
    assert not any(phone.calls for phone in phones)
    assert len(office.told_of(CallEnded)) > 1000  # others were given up before they had begun
    await office.settle()


def hang_up(call: PhoneCall, called: Phone, by_called: bool) -> None:
    """Hang a call up, at the one end or, where there is one, by any call of the other."""
    others = list(called.calls)
    if by_called and others and call in call.phone.calls:
        others[0].hang_up()
    call.hang_up()


async def test_sound_of_many_calls_goes_where_it_should(make_office: MakeOffice, tmp_path: Path) -> None:
    office = make_office(extensions=lenient())
    await office.open()
    lee, richardson = await office.phone("100"), await office.phone("101")
    pairs = [await connect(lee, "101", richardson) for _ in range(6)]
    for first, second in pairwise(pairs):
        await listen(tmp_path, *first, *second)
        assert await listen(tmp_path, *first, *second, seconds=0.2) == [{1}, {0}, {3}, {2}]
        for call in (*first, *second):
            call.quiet()
    for first in pairs:
        first[0].hang_up()
    await asyncio.sleep(1)
    await office.settle()


async def test_a_call_that_is_over_waits_for_no_garbage_collector(office: Office) -> None:
    """Objects that hold each other stay until the collector comes round, which is seldom in a large heap."""
    lee, _ = await party(office, ["100", "101"])
    outgoing = await lee.call("101")
    [call] = office.switch.calls.values()
    assert call.leg is not None
    assert call.callee is not None
    kept = [
        weakref.ref(item) for item in (call, call.leg, call.callee, call.leg.session, call.callee.session)
    ]
    del call
    gc.disable()
    try:
        outgoing.hang_up()
        await asyncio.sleep(SILENCE_SECONDS)
        assert [ref() for ref in kept] == [None] * len(kept)
    finally:
        gc.enable()
