"""Calls that go on to another extension: always, when busy, not answered or not registered; and in a circle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx.happenings import CallAnswered, CallEnded, CallRang, CallStarted
from pbx.phone import CallFailed, Phone, PhoneCall
from tests.journeys.talking import assert_talk, caller_shown, connect
from tests.simulation.office import COMPANY, Office

MakeOffice = Callable[..., Office]
Numbers = list[str]


async def forwarding_office(make_office: MakeOffice, **forwards: dict[str, str]) -> Office:
    """An office with forwards: `_101={"always": "102"}`. Phones of 101 ring for 20 seconds."""
    extensions: dict[str, dict[str, object]] = {"101": {"no_answer_seconds": 20}}
    for number, forward in forwards.items():
        extensions.setdefault(number[1:], {})["forward"] = forward
    office = make_office(extensions=extensions)
    await office.open()
    return office


async def phones(office: Office, *numbers: str) -> list[Phone]:
    """A registered phone for each."""
    return [await office.phone(number) for number in numbers]


def rang(office: Office) -> Numbers:
    """The extensions that rang, in order."""
    return [told.extension for told in office.told_of(CallRang)]


def reasons(office: Office) -> tuple[str, ...]:
    """Why the only call goes where it goes."""
    (call,) = office.switch.calls.values()
    return call.reasons


async def assert_answered_by(
    office: Office, folder: Path, outgoing: PhoneCall, phone: Phone, number: str
) -> None:
    """The phone of `number` rings, answers, and talks with the caller; nothing is left afterwards."""
    incoming = await phone.incoming()
    assert caller_shown(incoming) == (COMPANY["100"], "100")
    incoming.answer()
    await outgoing.answered()
    await assert_talk(folder, outgoing, incoming)
    assert [told.by for told in office.told_of(CallAnswered)][-1:] == [number]
    outgoing.hang_up()
    assert await incoming.over() == 200


# -- one forward -----------------------------------------------------------------------------------


@pytest.mark.row("CORE-11")
async def test_always(make_office: MakeOffice, tmp_path: Path) -> None:
    office = await forwarding_office(make_office, _101={"always": "102"})
    lee, _, taylor = await phones(office, "100", "101", "102")
    outgoing = lee.dial("101")
    await asyncio.sleep(1)
    assert rang(office) == ["102"]
    assert outgoing.provisionals == [181, 180]
    assert reasons(office) == ("101: rule 1 (forward all -> number:102)", "ring 102")
    [started] = office.told_of(CallStarted)
    assert (started.callee, started.internal) == ("101", True)
    await assert_answered_by(office, tmp_path, outgoing, taylor, "102")
    await office.settle()


async def test_always_applies_to_a_phone_that_is_not_there_too(make_office: MakeOffice) -> None:
    office = await forwarding_office(make_office, _101={"always": "102", "not_registered": "103"})
    lee, taylor, _ = await phones(office, "100", "102", "103")
    taylor.auto_answer = True
    await lee.call("101")
    assert [told.by for told in office.told_of(CallAnswered)] == ["102"]


async def test_when_the_switch_finds_it_busy(make_office: MakeOffice, tmp_path: Path) -> None:
    office = await forwarding_office(make_office, _101={"busy": "102"})
    lee, richardson, taylor, miller = await phones(office, "100", "101", "102", "103")
    await connect(miller, "101", richardson)
    office.told.clear()
    outgoing = lee.dial("101")
    await asyncio.sleep(1)
    assert rang(office) == ["102"]
    await assert_answered_by(office, tmp_path, outgoing, taylor, "102")
    assert len(richardson.calls) == 1


@pytest.mark.row("CORE-20")
@pytest.mark.parametrize("detection", ["pbx", "phone"])
async def test_when_the_phone_says_that_it_is_busy(
    make_office: MakeOffice, tmp_path: Path, detection: str
) -> None:
    office = make_office(extensions={"101": {"busy_detection": detection, "forward": {"busy": "102"}}})
    await office.open()
    lee, richardson, taylor = await phones(office, "100", "101", "102")
    richardson.refuse_with = 486
    outgoing = lee.dial("101")
    await asyncio.sleep(1)
    assert reasons(office) == ("ring 101", "101: busy", "101: rule 1 (busy -> number:102)", "ring 102")
    await assert_answered_by(office, tmp_path, outgoing, taylor, "102")


async def test_when_nobody_answers(make_office: MakeOffice, tmp_path: Path) -> None:
    office = await forwarding_office(make_office, _101={"no_answer": "102"})
    lee, richardson, taylor = await phones(office, "100", "101", "102")
    outgoing = lee.dial("101")
    first = await richardson.incoming()
    began = office.simulation.loop.time()
    assert await first.over() == 487
    assert office.simulation.loop.time() - began == pytest.approx(20, abs=0.1)
    await asyncio.sleep(1)
    assert rang(office) == ["101", "102"]
    assert outgoing.provisionals == [180, 181, 180]
    assert reasons(office) == (
        "ring 101",
        "101: no answer",
        "101: rule 1 (no answer -> number:102)",
        "ring 102",
    )
    await assert_answered_by(office, tmp_path, outgoing, taylor, "102")
    assert not richardson.calls
    await office.settle()


@pytest.mark.row("CORE-08")
async def test_when_it_is_not_registered(make_office: MakeOffice, tmp_path: Path) -> None:
    office = await forwarding_office(make_office, _101={"not_registered": "102"})
    lee, taylor = await phones(office, "100", "102")
    outgoing = lee.dial("101")
    await asyncio.sleep(0.1)
    assert rang(office) == ["102"]
    await assert_answered_by(office, tmp_path, outgoing, taylor, "102")


@pytest.mark.row("CORE-08", "CORE-09")
async def test_as_soon_as_the_registration_has_expired(make_office: MakeOffice) -> None:
    office = await forwarding_office(make_office, _101={"not_registered": "102"})
    lee, taylor = await phones(office, "100", "102")
    richardson = await office.phone("101", register=False)
    await richardson.register(60)
    await richardson.stop()
    taylor.auto_answer = True
    await asyncio.sleep(60)
    await lee.call("101")
    assert [told.by for told in office.told_of(CallAnswered)] == ["102"]


@pytest.mark.row("CORE-18")
async def test_who_declines_is_not_passed_on(make_office: MakeOffice) -> None:
    everything = {"busy": "102", "no_answer": "102", "not_registered": "102"}
    office = await forwarding_office(make_office, _101=everything)
    lee, richardson, _ = await phones(office, "100", "101", "102")
    richardson.refuse_with = 603
    with pytest.raises(CallFailed) as failed:
        await lee.call("101")
    assert failed.value.status == 603
    assert rang(office) == []


# -- several ---------------------------------------------------------------------------------------


async def test_a_chain_of_different_forwards(make_office: MakeOffice, tmp_path: Path) -> None:
    office = await forwarding_office(
        make_office,
        _101={"no_answer": "102"},
        _102={"not_registered": "103"},
        _103={"busy": "104"},
        _104={"always": "105"},
    )
    lee, _, miller, thomas = await phones(office, "100", "101", "103", "105")
    miller.refuse_with = 486
    outgoing = lee.dial("101")
    await asyncio.sleep(21)
    assert rang(office) == ["101", "105"]
    assert reasons(office) == (
        "ring 101",
        "101: no answer",
        "101: rule 1 (no answer -> number:102)",
        "102 is not registered",
        "102: not reached",
        "102: rule 1 (not registered -> number:103)",
        "ring 103",
        "103: busy",
        "103: rule 1 (busy -> number:104)",
        "104: rule 1 (forward all -> number:105)",
        "ring 105",
    )
    await assert_answered_by(office, tmp_path, outgoing, thomas, "105")
    await office.settle()


@pytest.mark.row("CORE-18")
@pytest.mark.parametrize(
    ("there", "refusal", "expected"), [(False, None, 480), (True, 486, 486), (True, 603, 603)]
)
async def test_where_the_last_one_fails_its_own_result_is_told(
    make_office: MakeOffice, there: bool, refusal: int | None, expected: int
) -> None:
    office = await forwarding_office(make_office, _101={"always": "102"})
    lee = await office.phone("100")
    taylor = await office.phone("102", register=there)
    taylor.refuse_with = refusal
    with pytest.raises(CallFailed) as failed:
        await lee.call("101")
    assert failed.value.status == expected


async def test_the_caller_gives_up_at_the_second_phone(make_office: MakeOffice) -> None:
    office = await forwarding_office(make_office, _101={"no_answer": "102"})
    lee, richardson, taylor = await phones(office, "100", "101", "102")
    outgoing = lee.dial("101")
    await richardson.incoming()
    incoming = await taylor.incoming()
    outgoing.hang_up()
    assert await incoming.over() == 487
    await office.settle()


async def test_an_answer_at_the_moment_of_the_forward_is_one_call(make_office: MakeOffice) -> None:
    """In steps of 0.25 ms around the end of the ringing time: the caller talks to exactly one of the two."""
    office = await forwarding_office(make_office, _101={"no_answer": "102"})
    lee, richardson, taylor = await phones(office, "100", "101", "102")
    taylor.auto_answer = True
    answered = set()
    for step in range(-12, 12):
        outgoing = lee.dial("101")
        incoming = await richardson.incoming()
        await asyncio.sleep(20 + step * 0.00025)
        if incoming in richardson.calls:
            incoming.answer()
        await asyncio.sleep(1)
        talking = [*richardson.calls, *taylor.calls]
        assert len(talking) == 1
        answered.add(talking[0].phone.account.number)
        outgoing.hang_up()
        await asyncio.sleep(1)
    assert answered == {"101", "102"}
    await office.settle()


async def test_early_media_of_the_first_is_not_in_the_way_of_the_second(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    office = await forwarding_office(make_office, _101={"no_answer": "102"})
    lee, richardson, taylor = await phones(office, "100", "101", "102")
    outgoing = lee.dial("101")
    (await richardson.incoming()).leg.send_early_media()
    await assert_answered_by(office, tmp_path, outgoing, taylor, "102")
    await office.settle()


# -- circles ---------------------------------------------------------------------------------------


@pytest.mark.row("CORE-27")
@pytest.mark.parametrize("occasion", ["always", "not_registered"])
async def test_a_circle_ends_at_once(make_office: MakeOffice, occasion: str) -> None:
    office = await forwarding_office(make_office, _101={occasion: "102"}, _102={occasion: "101"})
    lee = await office.phone("100")
    began = office.simulation.loop.time()
    with pytest.raises(CallFailed) as failed:
        await lee.call("101")
    assert failed.value.status == 480
    assert office.simulation.loop.time() - began < 0.1
    await office.settle()


@pytest.mark.row("CORE-27")
async def test_a_circle_of_phones_that_are_not_answered_rings_each_once(make_office: MakeOffice) -> None:
    office = await forwarding_office(
        make_office, _101={"no_answer": "102"}, _102={"no_answer": "103"}, _103={"no_answer": "101"}
    )
    lee, *others = await phones(office, "100", "101", "102", "103")
    began = office.simulation.loop.time()
    call = lee.dial("101")
    assert await call.over() == 480
    assert office.simulation.loop.time() - began == pytest.approx(20 + 60 + 60, abs=0.1)
    assert rang(office) == ["101", "102", "103"]
    assert not any(phone.calls for phone in others)
    assert len(office.told_of(CallEnded)) == 1
    await office.settle()


@pytest.mark.row("CORE-27")
async def test_a_circle_through_the_caller_finds_the_caller_busy(make_office: MakeOffice) -> None:
    office = await forwarding_office(make_office, _101={"always": "100"}, _100={"busy": "101"})
    (lee,) = await phones(office, "100")
    with pytest.raises(CallFailed) as failed:
        await lee.call("101")
    assert failed.value.status == 480
    await office.settle()
