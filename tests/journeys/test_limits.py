"""How large a system may be is a setting, and who comes to its limit is told so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from pbx.config import ConfigError
from pbx.history.record import CallList
from pbx.make_call import make_call
from pbx.phone import CallFailed
from pbx.refused import Refused
from pbx.turned_away import AT_ONCE, ONE_MORE_SECONDS
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
    for refused in await office.switch.history.latest("102", CallList.OUTBOUND):
        assert (refused.dialled, refused.status, refused.reason) == ("103", 503, "Too Many Calls")
        assert refused.reasons == ("limits.max_calls is reached",)
    assert len(await office.switch.history.latest("102")) == 2  # one for each attempt
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
    [refused] = await office.switch.history.latest()
    assert (refused.trunk, refused.internal, refused.status) == ("lines", False, 503)
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


async def test_a_flood_of_refused_attempts_has_few_records_and_they_tell_of_the_others(
    make_office: MakeOffice, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does it fill the log. Others have records of their own all the same."""
    office = make_office(limits={"max_calls": 1})
    await office.open()
    lee, richardson, taylor, miller = [await office.phone(number) for number in ("100", "101", "102", "103")]
    outgoing, _ = await connect(lee, "101", richardson)
    for _ in range(3 * AT_ONCE):
        assert await taylor.dial("103").over() == 503
    assert await miller.dial("102").over() == 503
    assert len(await office.switch.history.latest("102")) == AT_ONCE
    assert len(await office.switch.history.latest("103")) == 1
    assert caplog.text.count("102 to 103 is refused") == AT_ONCE
    assert caplog.text.count("calls of 102 are refused again and again") == 1
    await asyncio.sleep(ONE_MORE_SECONDS)
    for _ in range(3):
        assert await taylor.dial("103").over() == 503
    newest, *others = await office.switch.history.latest("102", limit=1000)
    assert len(others) == AT_ONCE
    assert newest.reasons[1:] == (f"{2 * AT_ONCE} more were refused before, without records",)
    outgoing.hang_up()
    await office.settle()


async def test_whatever_else_turns_a_call_away_is_on_record(make_office: MakeOffice) -> None:
    rules = [{"did": "+33140000001", "target": "101"}]
    limited = {**LINES, "max_calls": 1}
    office = make_office(**tables(limited, inbound_rules=rules), media={"port_range": (20000, 20003)})
    await office.open()
    lee, richardson = await office.phone("100"), await office.phone("101")
    gateway = await lines(office)
    assert await gateway.call_in("+33140000009").over() == 404
    first = gateway.call_in("+33140000001")
    await richardson.incoming()
    assert await gateway.call_in("+33140000001").over() == 503
    assert await lee.dial("102").over() == 503
    reasons = [(record.status, record.reasons) for record in await office.switch.history.latest()]
    assert (404, ("no inbound rule fits",)) in reasons
    assert (503, ("max_calls of lines is reached",)) in reasons
    assert (503, ("no media port is free",)) in reasons
    first.hang_up()
    await office.settle()
