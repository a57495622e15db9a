"""Phones that vanish in the middle of a call: nobody is left talking to nobody (RFC 4028, RFC 3261 12.2.1.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pbx.happenings import CallEnded
from pbx.phone import Phone
from tests.journeys.talking import connect, couple
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]


async def open_office(make_office: MakeOffice, **sip: Any) -> Office:
    office = make_office(sip=sip)
    await office.open()
    return office


async def vanish(office: Office, phone: Phone) -> None:
    """Pull the plug."""
    office.phones.remove(phone)
    phone.calls.clear()
    await phone.stop()


def refreshes(office: Office, phone: Phone) -> int:
    host, rungs = phone.flow.local.host, office.simulation.ladder.rungs
    return sum(rung.label.startswith("UPDATE") and host in (rung.sender, rung.receiver) for rung in rungs)


async def test_a_long_call_is_refreshed_on_both_legs(make_office: MakeOffice) -> None:
    office = await open_office(make_office, session_expires=200)
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    await asyncio.sleep(950)
    assert (refreshes(office, lee), refreshes(office, richardson)) == (9, 9)
    assert office.told_of(CallEnded) == []
    outgoing.hang_up()
    assert await incoming.over() == 200
    await office.settle()


@pytest.mark.parametrize("who", ["caller", "called"])
async def test_a_call_whose_phone_has_vanished_is_ended_by_its_timer(
    make_office: MakeOffice, who: str
) -> None:
    office = await open_office(make_office, session_expires=90)
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    gone, left = (lee, incoming) if who == "caller" else (richardson, outgoing)
    began = office.simulation.loop.time()
    await vanish(office, gone)
    assert await left.over() == 200
    assert office.simulation.loop.time() - began < 45 + 32 + 1  # half of it, and 64*T1 for the refresh
    await asyncio.sleep(64)
    await office.settle()


async def test_without_timers_silence_is_noticed(make_office: MakeOffice) -> None:
    """An OPTIONS within the call that nobody answers ends it."""
    office = await open_office(make_office, session_expires=0)
    lee, richardson = await couple(office)
    _, incoming = await connect(lee, "101", richardson)
    await vanish(office, lee)
    assert await incoming.over() == 200
    await asyncio.sleep(64)
    await office.settle()
