"""Barging in: who is heard by whom, who may, and that nothing of it is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pbx.call import Call
from pbx.happenings import CallEnded, CallTransferred
from pbx.phone import PhoneCall
from pbx.refused import Refused
from pbx.steering import WrongState, transfer_by
from pbx.supervision import Mode, barge_in
from tests.journeys.talking import MUSIC, connect, listen
from tests.simulation.impairment import LAN
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter

EXTENSIONS = {"103": {"manager": True, "barge_in": True}, "104": {"manager": True}, "105": {"barge_in": True}}
SLOW = replace(LAN, delay_seconds=0.3)


@pytest.fixture(params=[0, 2], ids=["inline", "workers"])
def office(make_office: Callable[..., Office], tmp_path: Path, request: pytest.FixtureRequest) -> Office:
    office = make_office(prompts=Prompter(tmp_path), extensions=EXTENSIONS, media={"workers": request.param})
    office.simulation.run(office.open())
    return office


def the_call(office: Office) -> Call:
    (call,) = office.switch.calls.values()
    return call


async def supervised(office: Office, mode: Mode) -> tuple[PhoneCall, PhoneCall, PhoneCall]:
    """Taylor (102) has called Lee (100), whom Miller (103) supervises: their calls, in this order."""
    taylor, lee, miller = [await office.phone(number) for number in ("102", "100", "103")]
    customer, agent = await connect(taylor, "100", lee)
    barge_in(office.switch, "103", the_call(office), "100", mode)
    supervisor = await miller.incoming()
    supervisor.answer()
    await asyncio.sleep(0.5)
    return customer, agent, supervisor


@pytest.mark.row("AST-22")
@pytest.mark.parametrize(
    ("mode", "customer_hears", "agent_hears"),
    [(Mode.LISTEN, {1}, {0}), (Mode.WHISPER, {1}, {0, 2}), (Mode.BARGE, {1, 2}, {0, 2})],
)
async def test_who_hears_the_supervisor(
    office: Office, tmp_path: Path, mode: Mode, customer_hears: set[int], agent_hears: set[int]
) -> None:
    calls = await supervised(office, mode)
    assert await listen(tmp_path, *calls) == [customer_hears, agent_hears, {0, 1}]
    customer, agent, supervisor = calls
    supervisor.hang_up()
    await asyncio.sleep(0.2)
    assert await listen(tmp_path, customer, agent) == [{1}, {0}]
    customer.hang_up()
    await office.settle()
    assert len(office.told_of(CallEnded)) == 2


@pytest.mark.row("AST-22")
@pytest.mark.parametrize("who", ["customer", "agent"])
async def test_the_supervisors_call_ends_with_theirs(office: Office, who: str) -> None:
    customer, agent, supervisor = await supervised(office, Mode.BARGE)
    (customer if who == "customer" else agent).hang_up()
    assert await supervisor.over() == 200
    await office.settle()
    assert not office.switch.calls


@pytest.mark.row("AST-22")
async def test_a_held_customer_hears_music_and_the_others_go_on(office: Office, tmp_path: Path) -> None:
    customer, agent, supervisor = await supervised(office, Mode.BARGE)
    agent.hold()
    await asyncio.sleep(0.5)
    assert (await listen(tmp_path, customer, agent, supervisor))[0] == {MUSIC}
    agent.resume()
    await asyncio.sleep(0.5)
    assert await listen(tmp_path, customer, agent, supervisor) == [{1, 2}, {0, 2}, {0, 1}]


@pytest.mark.row("AST-22")
async def test_a_supervisor_who_is_there_is_heard_by_others_from_now_on(
    office: Office, tmp_path: Path
) -> None:
    calls = await supervised(office, Mode.LISTEN)
    call = next(each for each in office.switch.calls.values() if each.dialled == "100" and each.callee)
    for mode, customer, agent in (
        (Mode.WHISPER, {1}, {0, 2}),
        (Mode.BARGE, {1, 2}, {0, 2}),
        (Mode.LISTEN, {1}, {0}),
    ):
        barge_in(office.switch, "103", call, "100", mode)
        await asyncio.sleep(0.3)
        assert await listen(tmp_path, *calls) == [customer, agent, {0, 1}]
    assert len(office.switch.calls) == 2


@pytest.mark.parametrize("whom", ["102", "104"])
async def test_who_picks_up_while_the_two_are_brought_together_hears_both(
    make_office: Callable[..., Office], tmp_path: Path, whom: str
) -> None:
    """After a transfer, two whom different media workers carry have one of them change: over slow lines here."""
    office = make_office(prompts=Prompter(tmp_path), extensions=EXTENSIONS, media={"workers": 2})
    await office.open()
    lee, miller = await office.phone("100"), await office.phone("103")
    taylor, bell = [await office.phone(number, link=SLOW) for number in ("102", "104")]
    first, customer = await connect(lee, "102", taylor)
    second, agent = await connect(lee, "104", bell)
    await asyncio.sleep(0.5)
    miller.auto_answer = True
    refer = first.transfer_to(second)
    assert await refer.outcome() == 200
    assert [told.to for told in office.told_of(CallTransferred)] == ["104"]
    call = next(each for each in office.switch.calls.values() if _talks(each, "102", "104"))
    media = office.switch.media
    assert len({media.worker_of(leg.stream) for leg in (call.leg, call.callee) if leg is not None}) == 2
    barge_in(office.switch, "103", call, whom)
    await asyncio.sleep(0.1)
    [supervisor] = miller.calls
    assert len({media.worker_of(leg.stream) for leg in (call.leg, call.callee) if leg is not None}) == 2
    await asyncio.sleep(3)
    assert await listen(tmp_path, customer, agent, supervisor, seconds=2) == [{1, 2}, {0, 2}, {0, 1}]
    supervisor.hang_up()
    await asyncio.sleep(2)
    assert await listen(tmp_path, customer, agent, seconds=2) == [{1}, {0}]


def _talks(call: Call, *numbers: str) -> bool:
    legs = (call.leg, call.callee)
    return {leg.extension.number for leg in legs if leg is not None and leg.extension is not None} == set(
        numbers
    )


async def test_two_supervisors(office: Office, tmp_path: Path) -> None:
    customer, agent, supervisor = await supervised(office, Mode.LISTEN)
    office.switch.board._rights["104"] = office.switch.board.rights_of("103")
    bell = await office.phone("104")
    call = office.switch.calls[
        min(office.switch.calls, key=lambda each: office.switch.calls[each].dialled != "100")
    ]
    barge_in(office.switch, "104", call, "100", Mode.BARGE)
    other = await bell.incoming()
    other.answer()
    await asyncio.sleep(0.5)
    heard = await listen(tmp_path, customer, agent, supervisor, other)
    assert heard == [{1, 3}, {0, 3}, {0, 1, 3}, {0, 1}]
    supervisor.hang_up()
    await asyncio.sleep(0.2)
    assert await listen(tmp_path, customer, agent, other) == [{1, 2}, {0, 2}, {0, 1}]


@pytest.mark.row("AST-22", "ADM-06")
@pytest.mark.parametrize("number", ["104", "105", "102", "555"])
async def test_who_has_not_the_right_is_refused(office: Office, number: str) -> None:
    """A manager without it; one with it who does not see the call; one of the two; nobody."""
    taylor, lee, other = [await office.phone(each) for each in ("102", "100", "104")]
    await connect(taylor, "100", lee)
    with pytest.raises(Refused) as refused:
        barge_in(office.switch, number, the_call(office), "100")
    assert refused.value.status == (404 if number == "555" else 403)
    assert not other.calls


async def test_a_call_that_only_rings_is_not_joined_nor_one_that_ends_meanwhile(office: Office) -> None:
    taylor, lee, miller = [await office.phone(number) for number in ("102", "100", "103")]
    outgoing = taylor.dial("100")
    incoming = await lee.incoming()
    with pytest.raises(WrongState):
        barge_in(office.switch, "103", the_call(office), "102")
    with pytest.raises(WrongState):
        barge_in(office.switch, "103", the_call(office), "101")
    incoming.answer()
    await outgoing.answered()
    barge_in(office.switch, "103", the_call(office), "100")
    supervisor = await miller.incoming()
    outgoing.hang_up()
    await incoming.over()
    supervisor.answer()
    assert await supervisor.over() == 200
    await office.settle()
    assert not office.switch.calls


@pytest.mark.row("AST-22")
async def test_who_talks_to_another_meanwhile_is_not_joined_there(office: Office, tmp_path: Path) -> None:
    """The supervisor's phone rings yet when the agent's customer is transferred: that call was not asked for."""
    taylor, lee, miller, bell = [await office.phone(number) for number in ("102", "100", "103", "104")]
    customer, agent = await connect(taylor, "100", lee)
    call = the_call(office)
    barge_in(office.switch, "103", call, "100")
    supervisor = await miller.incoming()
    transfer_by(call, "102", "104")
    other = await bell.incoming()
    other.answer()
    await customer.over()
    await asyncio.sleep(0.5)
    supervisor.answer()
    assert await supervisor.over() == 200
    assert await listen(tmp_path, agent, other) == [{1}, {0}]
    agent.hang_up()
    await office.settle()
    assert not office.switch.calls
