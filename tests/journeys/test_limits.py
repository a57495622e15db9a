"""How large a system may be is a setting, and who comes to its limit is told so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pbx.config import ConfigError
from pbx.make_call import make_call
from pbx.phone import CallFailed
from pbx.refused import Refused
from tests.journeys.talking import connect
from tests.journeys.test_live_changes import added, listed
from tests.journeys.test_trunks import LINES, lines, tables
from tests.simulation.office import Office, configuration

MakeOffice = Callable[..., Office]


@pytest.mark.row("ADM-16")
async def test_beyond_the_limit_a_call_is_refused_until_another_ends(make_office: MakeOffice) -> None:
    office = make_office(limits={"max_calls": 1}, **tables(LINES))
    await office.open()
    lee, richardson, taylor, miller = [await office.phone(number) for number in ("100", "101", "102", "103")]
    gateway = await lines(office)
    outgoing, _ = await connect(lee, "101", richardson)
    with pytest.raises(CallFailed) as failed:
        await taylor.call("103")
    assert failed.value.status == 503
    with pytest.raises(Refused, match="Too Many Calls"):
        make_call(office.switch, "102", "103")
    assert not miller.calls
    call, _ = await connect(taylor, "112", gateway)  # a call for help
    call.hang_up()
    outgoing.hang_up()
    await office.settle()
    call, _ = await connect(taylor, "103", miller)
    call.hang_up()
    await office.settle()


@pytest.mark.row("ADM-16")
async def test_who_calls_from_outside_beyond_the_limit_is_refused(make_office: MakeOffice) -> None:
    rules = [{"did": "+33140000001", "target": "102"}]
    office = make_office(limits={"max_calls": 1}, **tables(LINES, inbound_rules=rules))
    await office.open()
    lee, richardson = await office.phone("100"), await office.phone("101")
    gateway = await lines(office)
    await office.phone("102")
    outgoing, _ = await connect(lee, "101", richardson)
    assert await gateway.call_in("+33140000001").over() == 503
    outgoing.hang_up()
    await office.settle()


async def test_without_a_limit_there_is_none(office: Office) -> None:
    phones = [await office.phone(number) for number in ("100", "101", "102", "103")]
    calls = [(await connect(phones[at], f"10{at + 1}", phones[at + 1]))[0] for at in (0, 2)]
    assert len(office.switch.calls) == len(calls)


@pytest.mark.row("ADM-16")
async def test_beyond_the_limit_no_extension_is_added(make_office: MakeOffice) -> None:
    with pytest.raises(ConfigError, match=r"extensions.* are 7, and limits\.max_extensions allows 6"):
        configuration({}, limits={"max_extensions": 6})
    office = make_office(limits={"max_extensions": 7})
    await office.open()
    with pytest.raises(ConfigError, match=r"are 8, and limits\.max_extensions allows 7"):
        await office.switch.live_changes.revise(added())
    assert "106" not in listed(office)
