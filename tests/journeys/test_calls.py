"""Calls between extensions, from the INVITE to silence."""

from __future__ import annotations

import asyncio

import pytest

from pbx.phone import CallFailed
from tests.simulation.office import Office


@pytest.mark.row("CORE-01", "CORE-02", "CORE-03")
async def test_two_extensions_talk(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    richardson.auto_answer = True
    call = await lee.call("101")
    await asyncio.sleep(60)
    assert office.live()["calls"] == 1
    call.hang_up()
    assert await call.over() == 200
    await office.settle()


@pytest.mark.row("CORE-18")
async def test_status_codes_are_those_of_the_manual(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    for number, refusal, expected in [
        ("101", 486, 486),
        ("101", 603, 603),
        ("102", None, 480),
        ("555", None, 404),
    ]:
        richardson.refuse_with = refusal
        with pytest.raises(CallFailed) as failed:
            await lee.call(number)
        assert failed.value.status == expected
    await office.settle()
