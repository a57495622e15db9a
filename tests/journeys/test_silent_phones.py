"""Phones that are registered and gone: they say nothing to an INVITE, and the caller is not kept waiting for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from features.ring_groups import feature as ring_groups
from pbx.forking import SILENT_SECONDS
from pbx.happenings import CallAnswered, CallRang
from pbx.leg import LegState
from pbx.phone import CallFailed, Phone
from sipcore.transport.flow import Transport
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]
ROW = pytest.mark.row("FWD-01")


async def phone_that_goes(office: Office, number: str, transport: Transport = Transport.UDP) -> Phone:
    """It registers, and is not heard of again."""
    phone = await office.phone(number, transport=transport)
    office.simulation.network.hosts[-1].unplug()
    return phone


async def seconds_until_answered(office: Office, lee: Phone, number: str) -> float:
    began = office.simulation.loop.time()
    await lee.call(number)
    return office.simulation.loop.time() - began


async def forwarding_office(make_office: MakeOffice, **forward: str) -> tuple[Office, Phone, Phone]:
    """With a forward of 101, whose phones ring for 20 s; Lee's phone, and Taylor's (102), who answers at once."""
    office = make_office(extensions={"101": {"no_answer_seconds": 20, "forward": forward}})
    await office.open()
    lee, taylor = await office.phone("100"), await office.phone("102")
    taylor.auto_answer = True
    return office, lee, taylor


@ROW
async def test_a_phone_that_is_gone_counts_as_not_registered(make_office: MakeOffice) -> None:
    office, lee, _ = await forwarding_office(make_office, not_registered="102")
    await phone_that_goes(office, "101")
    assert await seconds_until_answered(office, lee, "101") == pytest.approx(SILENT_SECONDS, abs=0.1)
    await asyncio.sleep(64)
    await office.close()


@ROW
async def test_where_nothing_follows_from_that_it_is_waited_for(make_office: MakeOffice) -> None:
    office, lee, _ = await forwarding_office(make_office, no_answer="102")
    await phone_that_goes(office, "101")
    assert await seconds_until_answered(office, lee, "101") == pytest.approx(20, abs=0.1)


@ROW
async def test_where_nothing_follows_at_all_the_transaction_gives_up(make_office: MakeOffice) -> None:
    office, lee, _ = await forwarding_office(make_office)
    await phone_that_goes(office, "103")
    began = office.simulation.loop.time()
    with pytest.raises(CallFailed, match="480"):
        await lee.call("103")
    assert office.simulation.loop.time() - began == pytest.approx(32, abs=0.1)


@ROW
async def test_another_phone_of_the_user_rings_on(make_office: MakeOffice) -> None:
    office, lee, _ = await forwarding_office(make_office, not_registered="102")
    richardson = await office.phone("101")
    await phone_that_goes(office, "101")
    outgoing = lee.dial("101")
    incoming = await richardson.incoming()
    await asyncio.sleep(SILENT_SECONDS + 5)
    incoming.answer()
    await outgoing.answered()
    assert [told.extension for told in office.told_of(CallRang)] == ["101"]


@ROW
async def test_once_that_one_has_refused_nothing_is_waited_for(make_office: MakeOffice) -> None:
    office, lee, _ = await forwarding_office(make_office, busy="102")
    richardson = await office.phone("101")
    await phone_that_goes(office, "101")
    outgoing = lee.dial("101")
    incoming = await richardson.incoming()
    await asyncio.sleep(SILENT_SECONDS + 5)
    incoming.reject(486)
    await asyncio.sleep(0.1)
    await outgoing.answered()
    assert [told.by for told in office.told_of(CallAnswered)] == ["102"]


@pytest.mark.row("ADM-12")
async def test_the_next_member_of_a_group_rings_in_its_place(make_office: MakeOffice) -> None:
    group = {"number": "810", "members": ["101", "102"], "ring_seconds": 20, "strategy": "hunt"}
    office = make_office(features=[ring_groups], ring_groups=[group])
    await office.open()
    lee, taylor = await office.phone("100"), await office.phone("102")
    taylor.auto_answer = True
    await phone_that_goes(office, "101")
    assert await seconds_until_answered(office, lee, "810") == pytest.approx(SILENT_SECONDS, abs=0.1)


@pytest.mark.row("ADM-12")
@pytest.mark.parametrize("strategy", ["ring_all", "hunt"])
@pytest.mark.parametrize(
    ("otherwise", "follows"),
    [("", False), ("end", False), ("extension:102", True)],
)
async def test_a_group_is_waited_for_as_an_extension_is(
    make_office: MakeOffice, strategy: str, otherwise: str, follows: bool
) -> None:
    group = {"number": "810", "members": ["101"], "ring_seconds": 30, "strategy": strategy, "otherwise": otherwise}
    office = make_office(features=[ring_groups], ring_groups=[group])
    await office.open()
    lee, taylor = await office.phone("100"), await office.phone("102")
    taylor.auto_answer = True
    richardson = await phone_that_goes(office, "101")
    cable = office.simulation.network.hosts[-1]
    for number in ("101", "810"):
        call = lee.dial(number)
        await asyncio.sleep(SILENT_SECONDS + 1)
        assert (call.leg.state is LegState.ANSWERED) is (follows and number == "810")
        cable.plug()  # it hears what is sent after 15.5 s
        if follows and number == "810":
            assert await (await richardson.incoming()).over() == 487
        else:
            (await richardson.incoming()).answer()
            await call.answered()
        call.hang_up()
        await asyncio.sleep(0.1)
        cable.unplug()
    assert [told.by for told in office.told_of(CallAnswered)] == ["101", "102" if follows else "101"]
    await asyncio.sleep(64)
    await office.close()


@ROW
@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize("habit", ["rings", "answers", "refuses"])
async def test_a_phone_that_is_given_up_and_comes_to_life_has_no_call(
    make_office: MakeOffice, habit: str, transport: Transport
) -> None:
    office, lee, _ = await forwarding_office(make_office, not_registered="102")
    richardson = await phone_that_goes(office, "101", transport)
    cable = office.simulation.network.hosts[-1]
    richardson.auto_answer = habit == "answers"
    richardson.refuse_with = 486 if habit == "refuses" else None
    call = lee.dial("101")
    await call.answered()
    cable.plug()
    if habit == "rings":
        assert await (await richardson.incoming()).over() == 487
    else:
        await asyncio.sleep(8)
    assert not richardson.calls
    assert call.leg.state is LegState.ANSWERED
    assert [told.by for told in office.told_of(CallAnswered)] == ["102"]
    call.hang_up()
    await office.settle()
