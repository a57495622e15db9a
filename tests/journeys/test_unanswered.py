"""Calls that nobody answers: what the caller is told, when, and that every phone stops ringing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from pbx.happenings import CallAnswered, CallEnded, CallRang
from pbx.phone import CallFailed, Phone
from tests.journeys.talking import connect, couple
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]


async def status_of(caller: Phone, number: str) -> int:
    """Call a number that is not answered: the final response."""
    with pytest.raises(CallFailed) as failed:
        await caller.call(number)
    return failed.value.status


def invites_to(office: Office, phone: Phone) -> int:
    """How many INVITEs have been sent to a phone."""
    rungs = office.simulation.ladder.rungs
    return sum(rung.receiver == phone.flow.local.host and rung.label.startswith("INVITE") for rung in rungs)


# -- status codes ----------------------------------------------------------------------------------


@pytest.mark.row("CORE-18")
@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (302, 480),  # without saying where
        (404, 480),
        (408, 480),
        (480, 480),
        (486, 486),
        (488, 488),
        (500, 480),
        (503, 480),
        (600, 486),
        (603, 603),
        (606, 488),
    ],
)
async def test_what_a_phone_refuses_with_and_what_the_caller_hears(
    office: Office, refusal: int, expected: int
) -> None:
    lee, richardson = await couple(office)
    richardson.refuse_with = refusal
    assert await status_of(lee, "101") == expected
    [ended] = office.told_of(CallEnded)
    assert (ended.status, ended.talk_seconds) == (expected, 0)
    assert office.told_of(CallAnswered) == []
    await office.settle()


@pytest.mark.row("CORE-18")
@pytest.mark.parametrize(
    ("number", "expected"),
    [("555", 404), ("1010", 404), ("10", 404), ("*999", 404), ("102", 480)],
)
async def test_numbers_that_lead_nowhere(office: Office, number: str, expected: int) -> None:
    lee, _ = await couple(office)  # 102 exists, but no phone is registered there
    assert await status_of(lee, number) == expected
    assert office.told_of(CallRang) == []
    await office.settle()


# -- busy ------------------------------------------------------------------------------------------


@pytest.mark.row("CORE-18", "CORE-19", "CORE-21")
@pytest.mark.parametrize("stage", ["ringing", "talking", "calling"])
async def test_one_call_makes_an_extension_busy(office: Office, stage: str) -> None:
    lee, richardson = await couple(office)
    taylor = await office.phone("102")
    if stage == "calling":
        first = richardson.dial("100")
        await lee.incoming()
    else:
        first = lee.dial("101")
        incoming = await richardson.incoming()
        if stage == "talking":
            incoming.answer()
            await first.answered()
    before = invites_to(office, richardson)
    assert await status_of(taylor, "101") == 486
    assert invites_to(office, richardson) == before
    first.hang_up()
    await asyncio.sleep(0.1)
    richardson.auto_answer = True
    (await taylor.call("101")).hang_up()  # and is free as soon as that call is over
    await office.settle()


@pytest.mark.row("CORE-20")
async def test_a_phone_that_decides_itself_is_asked_each_time(make_office: MakeOffice) -> None:
    office = make_office(extensions={"101": {"busy_detection": "phone"}})
    await office.open()
    lee, richardson = await couple(office)
    taylor, miller = await office.phone("102"), await office.phone("103")
    await connect(lee, "101", richardson)
    second = taylor.dial("101")
    (await richardson.incoming()).answer()
    await second.answered()
    richardson.refuse_with = 486
    assert await status_of(miller, "101") == 486
    assert len(richardson.calls) == 2


# -- no answer -------------------------------------------------------------------------------------


@pytest.mark.row("CORE-18")
@pytest.mark.parametrize("seconds", [1, 25, 300])
async def test_a_phone_that_rings_on_is_given_up_after_the_seconds_of_its_extension(
    make_office: MakeOffice, seconds: int
) -> None:
    office = make_office(extensions={"101": {"no_answer_seconds": seconds}})
    await office.open()
    lee, richardson = await couple(office)
    began = office.simulation.loop.time()
    call = lee.dial("101")
    incoming = await richardson.incoming()
    assert await call.over() == 480
    assert office.simulation.loop.time() - began == pytest.approx(seconds, abs=0.1)
    assert await incoming.over() == 487
    assert call.provisionals == [180]
    await office.settle()


async def test_an_answer_at_the_last_moment_is_a_call_or_none(make_office: MakeOffice) -> None:
    """In steps of 0.25 ms around the end of the ringing time: both sides always agree on what it was."""
    office = make_office(extensions={"101": {"no_answer_seconds": 10}})
    await office.open()
    lee, richardson = await couple(office)
    outcomes = set()
    for step in range(-12, 12):
        call = lee.dial("101")
        incoming = await richardson.incoming()
        await asyncio.sleep(10 + step * 0.00025)
        if incoming in richardson.calls:
            incoming.answer()
        await asyncio.sleep(0.1)
        talking = call in lee.calls
        assert (incoming in richardson.calls) == talking
        outcomes.add(talking)
        call.hang_up()
        await asyncio.sleep(0.1)
        assert office.live()["calls"] == 0
    assert outcomes == {True, False}
    await office.settle()


async def test_a_phone_that_is_gone_without_a_word(office: Office) -> None:
    """Its registration still stands, so it is called until the transaction times out (64*T1)."""
    lee, _ = await couple(office)
    office.simulation.network.hosts[-1].unplug()
    began = office.simulation.loop.time()
    assert await status_of(lee, "101") == 480
    assert office.simulation.loop.time() - began == pytest.approx(32, abs=0.1)
    assert office.told_of(CallRang) == []
    await office.settle()


async def test_a_phone_that_is_gone_is_given_up_earlier_where_its_extension_rings_less(
    make_office: MakeOffice,
) -> None:
    office = make_office(extensions={"101": {"no_answer_seconds": 15}})
    await office.open()
    lee, _ = await couple(office)
    office.simulation.network.hosts[-1].unplug()
    began = office.simulation.loop.time()
    assert await status_of(lee, "101") == 480
    assert office.simulation.loop.time() - began == pytest.approx(15, abs=0.1)
    await office.settle()


async def test_a_phone_that_goes_while_it_rings(office: Office) -> None:
    lee, richardson = await couple(office)
    call = lee.dial("101")
    await richardson.incoming()
    office.simulation.network.hosts[-1].unplug()
    assert await call.over() == 480
    await office.settle()  # although nobody answers the CANCEL


# -- the caller gives up -----------------------------------------------------------------------------


async def test_a_caller_who_gives_up_stops_the_ringing(office: Office) -> None:
    lee, richardson = await couple(office)
    call = lee.dial("101")
    incoming = await richardson.incoming()
    await asyncio.sleep(5)
    call.hang_up()
    assert await incoming.over() == 487
    assert office.live()["calls"] == 0
    [ended] = office.told_of(CallEnded)
    assert (ended.status, ended.seconds) == (487, pytest.approx(5, abs=0.1))
    assert office.told_of(CallAnswered) == []
    await office.settle()
    assert not richardson.calls


async def test_a_caller_who_gives_up_at_any_moment_leaves_nothing(office: Office) -> None:
    """In steps of 0.25 ms from the INVITE on: before and after each message of the set-up."""
    lee, richardson = await couple(office)
    richardson.auto_answer = True
    for step in range(40):
        call = lee.dial("101")
        await asyncio.sleep(step * 0.00025)
        call.hang_up()
        await asyncio.sleep(40)
        assert not lee.calls
        assert not richardson.calls
    await office.settle()


async def test_a_cancel_that_crosses_the_answer(office: Office) -> None:
    """In steps of 0.25 ms: whichever comes first, both sides and the switch agree in the end."""
    lee, richardson = await couple(office)
    statuses = set()
    for step in range(-12, 12):
        call = lee.dial("101")
        incoming = await richardson.incoming()
        loop = asyncio.get_running_loop()
        loop.call_later(1 + step * 0.00025, call.hang_up)
        loop.call_later(1, incoming.answer)
        await asyncio.sleep(1.1)
        statuses.add(await incoming.over())
        assert not richardson.calls
        assert office.live()["calls"] == 0
    assert statuses == {200, 487}
    assert len(office.told_of(CallEnded)) == 24
    await office.settle()


async def test_a_caller_who_gives_up_on_a_phone_that_is_gone(office: Office) -> None:
    lee, _ = await couple(office)
    office.simulation.network.hosts[-1].unplug()
    call = lee.dial("101")
    await asyncio.sleep(2)
    call.hang_up()
    await asyncio.sleep(0.1)
    assert office.live()["calls"] == 0
    await office.settle()


async def test_a_caller_who_is_gone_while_the_phone_rings(office: Office) -> None:
    """Over UDP nobody can know: the phone rings on, and the answer is undone when no ACK comes (64*T1)."""
    lee, richardson = await couple(office)
    lee.dial("101")
    incoming = await richardson.incoming()
    office.simulation.network.hosts[1].unplug()
    await asyncio.sleep(10)
    incoming.answer()
    began = office.simulation.loop.time()
    assert await incoming.over() == 200
    assert office.simulation.loop.time() - began == pytest.approx(32, abs=0.1)
    await office.settle()
