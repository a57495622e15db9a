"""What a user's page does with a call: reject, divert, transfer, park; and what it may not do in which state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx import steering
from pbx.call import Call
from pbx.happenings import CallEnded, CallParked
from pbx.phone import CallFailed
from pbx.refused import Refused
from pbx.steering import WrongState
from tests.journeys.talking import MUSIC, connect, listen
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter


@pytest.fixture
def office(make_office: Callable[..., Office], tmp_path: Path) -> Office:
    extensions = {"103": {"forward": {"always": "101"}}, "104": {"forward": {"busy": "102"}}}
    office = make_office(prompts=Prompter(tmp_path), extensions=extensions)
    office.simulation.run(office.open())
    return office


def the_call(office: Office) -> Call:
    (call,) = office.switch.calls.values()
    return call


@pytest.mark.row("AST-16")
async def test_a_ringing_call_is_rejected(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing = lee.dial("101")
    ringing = await richardson.incoming()
    steering.reject(the_call(office))
    assert await ringing.over() == 487
    with pytest.raises(CallFailed) as caught:
        await outgoing.answered()
    assert caught.value.status == 603


@pytest.mark.row("AST-17")
async def test_a_ringing_call_is_diverted(office: Office, tmp_path: Path) -> None:
    lee, richardson, taylor = [await office.phone(number) for number in ("100", "101", "102")]
    outgoing = lee.dial("101")
    ringing = await richardson.incoming()
    steering.divert(the_call(office), "102")
    assert await ringing.over() == 487
    diverted = await taylor.incoming()
    diverted.answer()
    await outgoing.answered()
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, outgoing, diverted) == [{1}, {0}]
    outgoing.hang_up()
    await office.settle()
    assert len(office.told_of(CallEnded)) == 1


@pytest.mark.row("AST-17")
@pytest.mark.parametrize(
    ("target", "error"), [("555", Refused), ("101", WrongState), ("100", Refused), ("ext101", WrongState)]
)
async def test_a_call_is_not_diverted_to_nobody_or_to_where_it_is(
    office: Office, target: str, error: type[Exception]
) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing = lee.dial("101")
    ringing = await richardson.incoming()
    with pytest.raises(error):
        steering.divert(the_call(office), target)
    ringing.answer()
    await outgoing.answered()


@pytest.mark.row("AST-17", "CORE-27")
async def test_a_diverted_call_does_not_come_back(office: Office) -> None:
    """Miller diverts all calls to who diverts to him."""
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing = lee.dial("101")
    await richardson.incoming()
    steering.divert(the_call(office), "103")
    with pytest.raises(CallFailed) as caught:
        await outgoing.answered()
    assert caught.value.status == 480


@pytest.mark.row("AST-18")
@pytest.mark.parametrize("by", ["100", "101"])
async def test_a_connected_call_is_transferred(office: Office, tmp_path: Path, by: str) -> None:
    lee, richardson, taylor = [await office.phone(number) for number in ("100", "101", "102")]
    calls = await connect(lee, "101", richardson)
    steering.transfer_by(the_call(office), by, "102")
    target = await taylor.incoming()
    target.answer()
    transferor, stays = calls if by == "100" else reversed(calls)
    assert await transferor.over() == 200
    assert await listen(tmp_path, stays, target) == [{1}, {0}]


@pytest.mark.row("AST-16", "AST-17", "AST-18", "AST-19")
async def test_what_goes_with_which_state(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing = lee.dial("101")
    ringing = await richardson.incoming()
    call = the_call(office)
    for number in ("100", "101", "107"):
        with pytest.raises(WrongState):
            steering.transfer_by(call, number, "102")
        with pytest.raises(WrongState):
            steering.park(call, number, "1")
    ringing.answer()
    await outgoing.answered()
    with pytest.raises(WrongState):
        steering.reject(call)
    with pytest.raises(WrongState):
        steering.divert(call, "102")
    outgoing.hang_up()
    await ringing.over()
    with pytest.raises(WrongState):
        steering.transfer_by(call, "100", "102")


@pytest.mark.row("AST-19")
@pytest.mark.parametrize("by", ["100", "101"])
async def test_a_connected_call_is_parked(office: Office, tmp_path: Path, by: str) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    calls = await connect(lee, "101", richardson)
    steering.park(the_call(office), by, "7")
    parker, stays = calls if by == "100" else reversed(calls)
    assert await parker.over() == 200
    assert await listen(tmp_path, stays) == [{MUSIC}]
    (parked,) = office.told_of(CallParked)
    assert (parked.orbit, parked.by) == ("7", by)
    stays.hang_up()
    await office.settle()
