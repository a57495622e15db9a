"""Calls that a page makes for a user: the own phone rings first, then whoever is called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx.happenings import CallConnected, CallEnded, CallStarted
from pbx.history.record import CallList
from pbx.make_call import make_call
from pbx.refused import Refused
from pbx.steering import Verb, allowed, perform
from tests.journeys.talking import caller_shown, listen
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter


@pytest.fixture
def office(make_office: Callable[..., Office], tmp_path: Path) -> Office:
    office = make_office(prompts=Prompter(tmp_path), extensions={"102": {"forward": {"always": "103"}}})
    office.simulation.run(office.open())
    return office


@pytest.mark.row("AST-01", "AST-33", "AST-34")
async def test_the_users_phone_rings_first_and_then_the_other(office: Office, tmp_path: Path) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    make_call(office.switch, "100", "101")
    own = await lee.incoming()
    assert caller_shown(own) == ("Richardson Bailey", "101")
    await asyncio.sleep(5)
    assert not richardson.calls
    own.answer()
    other = await richardson.incoming()
    assert caller_shown(other) == ("Lee Parker", "100")
    other.answer()
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, own, other) == [{1}, {0}]
    other.hang_up()
    assert await own.over() == 200
    [started], [ended] = office.told_of(CallStarted), office.told_of(CallEnded)
    assert (started.caller, started.callee, started.internal, ended.status) == ("100", "101", True, 200)
    [outbound] = await office.switch.history.latest("100")
    assert outbound.parties[0].list is CallList.OUTBOUND
    assert [each.call for each in await office.switch.history.latest("101", CallList.RECEIVED)] == [
        started.call
    ]


@pytest.mark.row("AST-34")
async def test_the_call_goes_where_the_users_own_dialling_would_lead(office: Office) -> None:
    lee, miller = await office.phone("100"), await office.phone("103")
    make_call(office.switch, "100", "102")
    (await lee.incoming()).answer()
    (await miller.incoming()).answer()
    await asyncio.sleep(0.1)
    assert [told.to for told in office.told_of(CallConnected)] == ["103"]


async def test_all_phones_of_the_user_ring_and_the_first_picked_up_is_the_one(office: Office) -> None:
    desk, soft, richardson = [await office.phone(number) for number in ("100", "100", "101")]
    make_call(office.switch, "100", "101")
    at_desk, at_soft = await desk.incoming(), await soft.incoming()
    at_soft.answer()
    assert await at_desk.over() == 487
    (await richardson.incoming()).answer()


@pytest.mark.parametrize("refusal", [486, 603, 480, None])
async def test_nobody_else_rings_if_the_user_does_not_pick_up(office: Office, refusal: int | None) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    make_call(office.switch, "100", "101")
    own = await lee.incoming()
    if refusal is not None:
        own.reject(refusal)
    await own.over()
    await office.settle()
    assert not richardson.calls
    [ended] = office.told_of(CallEnded)
    assert ended.status == (refusal or 480)


async def test_a_user_who_hangs_up_stops_the_ringing(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    make_call(office.switch, "100", "101")
    own = await lee.incoming()
    own.answer()
    other = await richardson.incoming()
    own.hang_up()
    assert await other.over() == 487


@pytest.mark.row("AST-23")
async def test_a_user_who_thinks_better_of_it_hangs_up_on_the_page(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    call = make_call(office.switch, "100", "101")
    own = await lee.incoming()
    assert allowed(call, "100") == {Verb.HANG_UP}
    assert not allowed(call, "101")
    perform(call, "100", Verb.HANG_UP)
    assert await own.over() == 487
    await office.settle()
    assert not richardson.calls
    [ended] = office.told_of(CallEnded)
    assert ended.status == 487


async def test_a_call_that_is_not_answered_ends_at_the_users_phone(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    make_call(office.switch, "100", "101")
    own = await lee.incoming()
    own.answer()
    (await richardson.incoming()).reject(486)
    assert await own.over() == 200


@pytest.mark.parametrize(
    ("number", "target", "status"), [("555", "101", 404), ("100", "556", 404), ("107", "101", 480)]
)
async def test_what_can_not_be_called_is_refused_and_rings_nowhere(
    office: Office, number: str, target: str, status: int
) -> None:
    lee = await office.phone("100")
    with pytest.raises(Refused) as refused:
        make_call(office.switch, number, target)
    assert refused.value.status == status
    assert not lee.calls
    assert not office.switch.calls
