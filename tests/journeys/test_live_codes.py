"""The table of dial codes is changed while people phone; a change that cannot be leaves it as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from features.echo import feature as echo
from features.parking import feature as parking
from pbx.config import ConfigError
from pbx.happenings import TablesChanged
from pbx.live_data import Report, revise
from pbx.live_file import brought_in, exported
from pbx.phone import CallFailed, Phone
from pbx.store.store import Store
from tests.journeys.test_live_changes import JONES, added
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]
MOVED = {"echo": "*43"}


@pytest.fixture
def office(make_office: MakeOffice, tmp_path: Path) -> Office:
    office = make_office(features=[echo, parking], database=tmp_path / "myphone.db")
    office.simulation.run(office.open())
    return office


def codes(**settings: Any) -> Callable[[dict[str, Any]], None]:
    """The change to this table, as `myphone import` makes it."""
    return brought_in({"dial_codes": settings})


async def answers(phone: Phone, code: str) -> bool:
    """Whether there is something behind a code."""
    try:
        call = await phone.call(code)
    except CallFailed as failure:
        return failure.status != 404
    call.hang_up()
    await asyncio.sleep(0.5)
    return True


@pytest.mark.row("ADM-21")
async def test_the_next_call_goes_by_the_new_codes(office: Office) -> None:
    """And so it does after a restart. Calls that a code has begun go on."""
    lee = await office.phone("100")
    talking = await lee.call("*777")
    report = await office.switch.live_changes.revise(codes(**MOVED))
    assert report == Report(tables=("dial_codes",))
    assert [told.tables for told in office.told_of(TablesChanged)] == [("dial_codes",)]
    assert talking.leg.state.name == "ANSWERED"
    talking.hang_up()
    richardson = await office.phone("101")
    assert [await answers(richardson, code) for code in ("*777", "*43")] == [False, True]
    await office.switch.stop()
    await office.open()
    await richardson.register()
    assert [await answers(richardson, code) for code in ("*777", "*43")] == [False, True]
    await office.switch.live_changes.revise(codes(echo=False))
    assert [await answers(richardson, code) for code in ("*777", "*43")] == [False, False]
    await office.switch.live_changes.revise(codes())
    assert [await answers(richardson, code) for code in ("*777", "*43")] == [True, False]


@pytest.mark.row("ADM-21")
@pytest.mark.parametrize(
    ("settings", "key", "reason"),
    [
        ({"echo": "*00"}, "dial_codes.echo", "park"),
        ({"echo": "100"}, "dial_codes.echo", "100"),
        ({"echo": "700"}, "dial_codes.echo", "conference"),
        ({"echo": "*4 3"}, "dial_codes.echo", "*4 3"),
        ({"echo": {"nothing": "*43"}}, "dial_codes.echo.nothing", "no such code"),
        ({"nothing": "*43"}, "dial_codes.nothing", "no such feature"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_reason(
    office: Office, settings: dict[str, Any], key: str, reason: str
) -> None:
    before = await office.switch.store.fetch(exported)
    with pytest.raises(ConfigError) as refused:
        await office.switch.live_changes.revise(codes(**settings))
    [problem] = refused.value.problems
    assert problem.key.startswith(key)
    assert reason in str(problem)
    assert await office.switch.store.fetch(exported) == before
    assert await answers(await office.phone("100"), "*777")


@pytest.mark.row("ADM-21")
async def test_an_extension_cannot_have_the_number_of_a_new_code(office: Office) -> None:
    await office.switch.live_changes.revise(codes(echo="106"))
    assert await answers(await office.phone("100"), "106")
    with pytest.raises(ConfigError, match="106"):
        await office.switch.live_changes.revise(added(JONES))
    assert office.switch.directory.find("106") is None


@pytest.mark.row("ADM-21")
async def test_codes_that_another_process_brings_in_are_in_force_soon(office: Office) -> None:
    """And what is exported brings them in elsewhere."""
    assert office.database is not None
    other = Store.open(office.database)
    other.begin(partial(revise, office.config, codes(**MOVED)))
    data = other.read(exported)
    other.abandon()
    assert data["dial_codes"] == MOVED
    await asyncio.sleep(1.5)
    lee = await office.phone("100")
    assert [await answers(lee, code) for code in ("*777", "*43")] == [False, True]
    await office.switch.live_changes.revise(codes())
    assert [await answers(lee, code) for code in ("*777", "*43")] == [True, False]
    await office.switch.live_changes.revise(brought_in(data))
    assert [await answers(lee, code) for code in ("*777", "*43")] == [False, True]
