"""Several phones at one extension: all ring, one gets the call, and the others know why they stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.happenings import CallAnswered, CallEnded, CallRang
from pbx.phone import CallFailed, Phone, PhoneCall
from sipcore.syntax.message import Request
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Flow, Transport
from tests.journeys.talking import assert_talk, listen
from tests.simulation.impairment import AWFUL, LAN, WIRELESS, Profile
from tests.simulation.office import Office
from tests.simulation.simulation import Simulation

STORMY = replace(AWFUL, bursts=None)
"""Each fifth packet gets lost, but never all of a transaction: then nobody could know of a BYE."""

ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"'
SENT_ON = 'SIP;cause=302;text="Call sent elsewhere"'


async def phones_at(office: Office, number: str, count: int) -> list[Phone]:
    """Some registered phones of one extension."""
    return [await office.phone(number) for _ in range(count)]


def reasons_of(phone: Phone, method: str) -> list[str | None]:
    """A list that fills with the Reason headers of the requests that come in from now on."""
    reasons: list[str | None] = []

    def look(outgoing: bool, flow: Flow, data: bytes) -> None:
        message = parse_message(data, stream=False)
        if not outgoing and isinstance(message, Request) and message.method == method:
            reasons.append(message.get("Reason"))

    phone.driver.on_wire = look
    return reasons


async def ringing(phones: list[Phone]) -> list[PhoneCall]:
    """The next call of each."""
    return [await phone.incoming() for phone in phones]


@pytest.mark.row("CORE-06", "CORE-07")
@pytest.mark.parametrize("winner", [0, 1, 2])
async def test_all_ring_and_the_first_to_answer_gets_the_call(
    office: Office, tmp_path: Path, winner: int
) -> None:
    lee, phones = await office.phone("100"), await phones_at(office, "101", 3)
    outgoing = lee.dial("101")
    calls = await ringing(phones)
    await asyncio.sleep(3)
    assert len(office.told_of(CallRang)) == 1
    assert outgoing.provisionals == [180]
    cancels = [reasons_of(phone, "CANCEL") for phone in phones]
    calls[winner].answer()
    await outgoing.answered()
    await asyncio.sleep(0.1)
    assert cancels == [[] if index == winner else [ELSEWHERE] for index in range(3)]
    assert [len(phone.calls) for phone in phones] == [int(index == winner) for index in range(3)]
    await assert_talk(tmp_path, outgoing, calls[winner])
    outgoing.hang_up()
    assert await calls[winner].over() == 200
    await office.settle()


@pytest.mark.row("CORE-07")
async def test_a_caller_who_gives_up_gives_no_reason_so_that_each_phone_shows_a_missed_call(
    office: Office,
) -> None:
    lee, phones = await office.phone("100"), await phones_at(office, "101", 2)
    outgoing = lee.dial("101")
    calls = await ringing(phones)
    cancels = [reasons_of(phone, "CANCEL") for phone in phones]
    outgoing.hang_up()
    assert [await call.over() for call in calls] == [487, 487]
    assert cancels == [[None], [None]]
    await office.settle()


@pytest.mark.row("CORE-07")
async def test_answers_at_the_same_instant_make_one_call(office: Office, tmp_path: Path) -> None:
    lee, phones = await office.phone("100"), await phones_at(office, "101", 5)
    for phone in phones:
        phone.auto_answer = True
    outgoing = await lee.call("101")
    await asyncio.sleep(0.3)
    [winner] = [call for phone in phones for call in phone.calls]
    assert await listen(tmp_path, outgoing, winner) == [{1}, {0}]
    assert len(office.told_of(CallAnswered)) == 1
    winner.hang_up()
    assert await outgoing.over() == 200
    await office.settle()


@pytest.mark.row("CORE-07")
@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    delays_ms=st.lists(st.integers(0, 60), min_size=2, max_size=4),
    link=st.sampled_from([LAN, WIRELESS, STORMY]),
    gives_up_ms=st.none() | st.integers(0, 120),
)
def test_however_answers_and_a_cancel_cross_there_is_one_call_or_none(
    seed: int, delays_ms: list[int], link: Profile, gives_up_ms: int | None
) -> None:
    async def story() -> None:
        office = Office(simulation)
        await office.open()
        lee, phones = await office.phone("100"), await phones_at(office, "101", len(delays_ms))
        for host in simulation.network.hosts:
            host.degrade(link)
        loop = asyncio.get_running_loop()
        outgoing = lee.dial("101")
        if gives_up_ms is not None:
            loop.call_later(gives_up_ms / 1000, outgoing.hang_up)
        answers = [
            loop.create_task(answer_after(phone, delay_ms / 1000))
            for phone, delay_ms in zip(phones, delays_ms, strict=True)
        ]
        await asyncio.sleep(120)  # whatever was lost has been repeated, and has timed out
        talking = [call for phone in phones for call in phone.calls]
        assert len(talking) == len(lee.calls) <= 1
        assert office.live()["legs"] == 2 * len(talking)
        for answer in answers:
            answer.cancel()  # of phones that no INVITE has reached
        for call in list(lee.calls):
            call.hang_up()
        await asyncio.sleep(40)
        await office.settle()
        await office.close()

    with Simulation(seed) as simulation:
        simulation.run(story())


async def answer_after(phone: Phone, seconds: float) -> None:
    """Answer the next call after a while, if it still rings then."""
    call = await phone.incoming()
    await asyncio.sleep(seconds)
    if call in phone.calls:
        call.answer()


# -- refusals --------------------------------------------------------------------------------------


async def test_one_who_declines_stops_all(office: Office) -> None:
    lee, phones = await office.phone("100"), await phones_at(office, "101", 3)
    outgoing = lee.dial("101")
    calls = await ringing(phones)
    cancels = [reasons_of(phone, "CANCEL") for phone in phones[1:]]
    calls[0].reject(603)
    assert await outgoing.over() == 603
    assert [await call.over() for call in calls] == [603, 487, 487]
    assert cancels == [['SIP;cause=603;text="Decline"']] * 2
    await office.settle()


async def test_one_that_is_busy_leaves_the_call_to_the_others(office: Office, tmp_path: Path) -> None:
    lee, phones = await office.phone("100"), await phones_at(office, "101", 3)
    phones[0].refuse_with = 486
    outgoing = lee.dial("101")
    calls = await ringing(phones[1:])
    calls[0].reject(480)
    await asyncio.sleep(5)
    calls[1].answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, calls[1])


@pytest.mark.parametrize(
    ("refusals", "expected"),
    [
        ((486, 486, 486), 486),
        ((480, 486, 404), 486),
        ((480, 503, 404), 480),
        ((488, 480, 500), 488),
        ((486, 603, 480), 603),
        ((480, 480, 600), 486),
    ],
)
async def test_all_refuse(office: Office, refusals: tuple[int, ...], expected: int) -> None:
    lee, phones = await office.phone("100"), await phones_at(office, "101", 3)
    for phone, status in zip(phones, refusals, strict=True):
        phone.refuse_with = status
    with pytest.raises(CallFailed) as failed:
        await lee.call("101")
    assert failed.value.status == expected
    await office.settle()


async def test_one_that_is_gone_does_not_hold_the_others_up(office: Office) -> None:
    lee, phones = await office.phone("100"), await phones_at(office, "101", 2)
    office.simulation.network.hosts[-1].unplug()
    outgoing = lee.dial("101")
    call = await phones[0].incoming()
    await asyncio.sleep(10)
    call.answer()
    await outgoing.answered()
    outgoing.hang_up()
    await office.settle()


async def test_one_that_is_gone_while_the_others_refuse_is_waited_for(office: Office) -> None:
    """It might still answer; what the caller hears in the end is what the others said."""
    lee, phones = await office.phone("100"), await phones_at(office, "101", 2)
    office.simulation.network.hosts[-1].unplug()
    phones[0].refuse_with = 486
    began = office.simulation.loop.time()
    outgoing = lee.dial("101")
    assert await outgoing.over() == 486
    assert office.simulation.loop.time() - began == pytest.approx(32, abs=0.1)
    await office.settle()


async def test_nobody_answers_at_any_phone(make_office: Callable[..., Office]) -> None:
    office = make_office(extensions={"101": {"no_answer_seconds": 20}})
    await office.open()
    lee, phones = await office.phone("100"), await phones_at(office, "101", 3)
    outgoing = lee.dial("101")
    calls = await ringing(phones)
    cancels = [reasons_of(phone, "CANCEL") for phone in phones]
    assert await outgoing.over() == 480
    assert [await call.over() for call in calls] == [487] * 3
    assert cancels == [[None]] * 3
    assert len(office.told_of(CallEnded)) == 1
    await office.settle()


# -- different phones ------------------------------------------------------------------------------


@pytest.mark.row("CORE-06")
@pytest.mark.parametrize("winner", [0, 1])
async def test_phones_of_one_extension_over_different_transports(
    office: Office, tmp_path: Path, winner: int
) -> None:
    lee = await office.phone("100")
    phones = [await office.phone("101"), await office.phone("101", transport=Transport.TCP)]
    outgoing = lee.dial("101")
    calls = await ringing(phones)
    calls[winner].answer()
    await outgoing.answered()
    assert await calls[1 - winner].over() == 487
    await assert_talk(tmp_path, outgoing, calls[winner])


async def test_early_media_of_the_only_phone_is_heard(office: Office, tmp_path: Path) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing = lee.dial("101")
    incoming = await richardson.incoming()
    incoming.leg.send_early_media()
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, outgoing, incoming) == [{1}, {0}]
    assert 183 in outgoing.provisionals
    incoming.answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, incoming)


async def test_early_media_of_one_phone_of_several_is_ringing(office: Office, tmp_path: Path) -> None:
    lee, phones = await office.phone("100"), await phones_at(office, "101", 2)
    outgoing = lee.dial("101")
    calls = await ringing(phones)
    calls[0].leg.send_early_media()
    await asyncio.sleep(0.1)
    assert outgoing.provisionals == [180]
    calls[1].answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, calls[1])
