"""Status by phone: *60 and *61, and what follows from being away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from features import status
from pbx import statuses
from pbx.forwarding import kept
from pbx.forwarding.simple import SimpleForm
from pbx.phone import CallFailed
from pbx.plugin import StoreUnavailable
from pbx.presence import DisplayState, UserStatus
from tests.journeys.talking import connect
from tests.simulation.carrier import GATEWAY, carrier
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter

MakeOffice = Callable[..., Office]


async def open_office(make_office: MakeOffice, folder: Path, **tables: object) -> tuple[Office, Prompter]:
    """An office with the codes, in which 101 sends calls on to 102 when busy, and to 103 when not registered."""
    prompter = Prompter(folder)
    forward = {"busy": "102", "not_registered": "103"}
    office = make_office(
        features=[status.feature],
        prompts=prompter,
        extensions={"101": {"forward": forward}},
        **tables,
    )
    await office.open()
    return office, prompter


@pytest.mark.row("STAT-01", "DC-11", "DC-01", "STAT-03")
async def test_codes_set_the_status_of_who_dials_and_say_so(make_office: MakeOffice, tmp_path: Path) -> None:
    office, prompter = await open_office(make_office, tmp_path)
    lee, richardson = await office.phone("100"), await office.phone("101")
    watch = lee.watch("101", "presence")
    call = await richardson.call("*61")
    assert await call.over() == 200
    assert prompter.said == ["status.away"]
    assert office.switch.presence.of("101").display is DisplayState.AWAY
    assert office.switch.presence.of("100").display is DisplayState.AVAILABLE
    await asyncio.sleep(1)
    assert b"away" in watch.body
    call = await richardson.call("*60")
    assert await call.over() == 200
    assert prompter.said[-1] == "status.available"
    assert office.switch.presence.of("101").display is DisplayState.AVAILABLE
    await asyncio.sleep(1)
    assert b"away" not in watch.body


@pytest.mark.row("STAT-01", "DC-11")
async def test_nobody_is_made_to_dial_a_status(make_office: MakeOffice, tmp_path: Path) -> None:
    office, _ = await open_office(make_office, tmp_path)
    lee, richardson = await office.phone("100"), await office.phone("101")
    _, incoming = await connect(lee, "101", richardson)
    refer = incoming.transfer("*61")
    assert await refer.outcome() == 403
    incoming.hang_up()
    await office.settle()
    call = lee.dial("101")
    (await richardson.incoming()).redirect("*61")
    with pytest.raises(CallFailed) as failed:
        await call.answered()
    assert failed.value.status == 403
    assert office.switch.presence.of("100").status is UserStatus.AVAILABLE


@pytest.mark.row("STAT-02", "FWD-09")
@pytest.mark.parametrize("registered", [True, False])
async def test_calls_to_who_is_away_go_where_those_to_a_busy_phone_go(
    make_office: MakeOffice, tmp_path: Path, registered: bool
) -> None:
    office, _ = await open_office(make_office, tmp_path)
    lee, taylor = await office.phone("100"), await office.phone("102")
    richardson = await office.phone("101", register=registered)
    await statuses.set_status(office.switch, "101", UserStatus.AWAY)
    await connect(lee, "101", taylor)
    assert not richardson.calls
    await statuses.set_status(office.switch, "102", UserStatus.AWAY)
    with pytest.raises(CallFailed, match="486"):
        await (await office.phone("103")).call("102")


@pytest.mark.row("STAT-10")
async def test_rules_say_what_comes_of_being_away_and_no_status_changes_them(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    office, _ = await open_office(make_office, tmp_path)
    lee, taylor, miller = [await office.phone(number) for number in ("100", "102", "103")]
    await office.phone("101")
    richardson = office.switch.directory.find("101")
    assert richardson is not None
    before = office.switch.forwarding.settings(richardson)
    await statuses.set_status(office.switch, "101", UserStatus.AWAY)
    outgoing, _ = await connect(lee, "101", taylor)
    outgoing.hang_up()
    await outgoing.over()
    form = SimpleForm(busy="extension:103")
    await kept.set_form(office.switch, richardson, form)
    outgoing, _ = await connect(lee, "101", miller)
    outgoing.hang_up()
    for status_ in (UserStatus.AVAILABLE, UserStatus.AWAY, UserStatus.AVAILABLE):
        await statuses.set_status(office.switch, "101", status_)
        after = office.switch.forwarding.settings(richardson)
        assert (after.form, after.black_list) == (form, before.black_list)


@pytest.mark.row("STAT-09")
async def test_who_is_away_may_call(make_office: MakeOffice, tmp_path: Path) -> None:
    office, _ = await open_office(make_office, tmp_path)
    lee, richardson = await office.phone("100"), await office.phone("101")
    await statuses.set_status(office.switch, "101", UserStatus.AWAY)
    await connect(richardson, "100", lee)


@pytest.mark.row("STAT-04")
async def test_a_status_outlives_a_restart(make_office: MakeOffice, tmp_path: Path) -> None:
    office, _ = await open_office(make_office, tmp_path, database=tmp_path / "myphone.db")
    richardson = await office.phone("101")
    call = await richardson.call("*61")
    assert await call.over() == 200
    await office.restart()
    assert office.switch.presence.of("101").status is UserStatus.AWAY
    await statuses.set_status(office.switch, "101", UserStatus.AVAILABLE, "at lunch soon")
    await office.restart()
    state = office.switch.presence.of("101")
    assert (state.status, state.note) == (UserStatus.AVAILABLE, "at lunch soon")


@pytest.mark.row("STAT-08")
async def test_everybody_is_available_at_first(make_office: MakeOffice, tmp_path: Path) -> None:
    office, _ = await open_office(make_office, tmp_path)
    assert {office.switch.presence.of(entry.number).status for entry in office.switch.directory} == {
        UserStatus.AVAILABLE
    }


@pytest.mark.row("DC-06")
async def test_a_status_that_cannot_be_kept_is_not_confirmed(
    make_office: MakeOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, prompter = await open_office(make_office, tmp_path)

    async def out_of_order(change: object) -> None:
        raise StoreUnavailable("the disk is full")

    richardson = await office.phone("101")
    monkeypatch.setattr(office.switch.store, "write", out_of_order)
    with pytest.raises(CallFailed, match="503"):
        await richardson.call("*61")
    assert prompter.said == ["status.not_changed"]
    assert office.switch.presence.of("101").status is UserStatus.AVAILABLE


async def test_nobody_from_outside_has_a_status(make_office: MakeOffice, tmp_path: Path) -> None:
    trunk = {"name": "lines", "addresses": [GATEWAY], "qualify_seconds": 0}
    office, prompter = await open_office(
        make_office, tmp_path, trunks=[trunk], inbound_rules=[{"target": "*61"}]
    )
    gateway = await carrier(office)
    call = gateway.call_in("+33140000001", caller="101")
    assert await call.over() == 403
    assert prompter.said == []
    assert office.switch.presence.of("101").status is UserStatus.AVAILABLE


@pytest.mark.parametrize("note", ["x" * 201, "a\nb"])
async def test_a_note_is_a_short_line(office: Office, note: str) -> None:
    with pytest.raises(ValueError, match="200 characters at most"):
        await statuses.set_status(office.switch, "101", UserStatus.AWAY, note)


@pytest.mark.row("DC-14")
async def test_codes_are_on_unless_the_configuration_switches_them_off(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    office, prompter = await open_office(make_office, tmp_path, dial_codes={"status": {"away": False}})
    richardson = await office.phone("101")
    with pytest.raises(CallFailed, match="404"):
        await richardson.call("*61")
    call = await richardson.call("*60")
    assert await call.over() == 200
    assert prompter.said == ["status.available"]
