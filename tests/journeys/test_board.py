"""The list of extensions by group, and of ports for the management."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pbx.happenings import PresenceChanged
from pbx.presence import DisplayState
from tests.journeys.test_lamps import dark
from tests.journeys.test_trunks import LINES, lines, tables
from tests.simulation.office import Office, password

MakeOffice = Callable[..., Office]

GROUPS = [
    {"name": "MANAGEMENT", "extensions": ["101"], "heads": ["100"], "sees_ports": True},
    {"name": "Secretary", "extensions": ["102", "101"]},
    {"name": "Testing Department", "extensions": ["104"]},
]


async def board(make_office: MakeOffice, **more: Any) -> Office:
    office = make_office(groups=GROUPS, **more)
    await office.open()
    return office


def numbers(office: Office, *, registered_only: bool = False) -> dict[str, list[str]]:
    """Group -> the numbers shown in it."""
    sections = office.switch.board.sections(registered_only=registered_only)
    return {section.group: [row.number for row in section.rows] for section in sections}


@pytest.mark.row("MYP-34", "MYP-35", "ADM-03")
async def test_extensions_are_listed_by_group_and_may_be_in_several(make_office: MakeOffice) -> None:
    office = await board(make_office)
    assert numbers(office) == {
        "MANAGEMENT": ["100", "101"],
        "Secretary": ["101", "102"],
        "Testing Department": ["104"],
        "": ["103", "105", "107"],
    }


@pytest.mark.row("MYP-37", "MYP-39", "PRES-15", "PRES-16")
async def test_a_row_says_what_lamps_say_and_the_unregistered_can_be_left_out(make_office: MakeOffice) -> None:
    office = await board(make_office)
    await office.phone("101")
    assert numbers(office, registered_only=True) == {
        "MANAGEMENT": ["101"],
        "Secretary": ["101"],
        "Testing Department": [],
        "": [],
    }
    lee, richardson = office.switch.board.sections()[0].rows
    assert (lee.state.text, lee.name, lee.state.display) == (
        "Not registered",
        "Lee Parker",
        DisplayState.NOT_REGISTERED,
    )
    assert (richardson.state.text, richardson.state.display) == ("Registered (idle)", DisplayState.AVAILABLE)


@pytest.mark.row("MYP-38", "MYP-34")
async def test_one_list_and_columns_by_group_say_the_same(make_office: MakeOffice) -> None:
    """In the midst of a call, too: what a view shows is a matter of its layout alone."""
    office = await board(make_office)
    lee, richardson = await office.phone("100"), await office.phone("101")
    lee.dial("101")
    await richardson.incoming()
    await asyncio.sleep(0.1)
    for registered_only in (False, True):
        rows = office.switch.board.rows(registered_only=registered_only)
        sections = office.switch.board.sections(registered_only=registered_only)
        assert {row for section in sections for row in section.rows} == set(rows)
        assert [row.number for row in rows] == sorted({row.number for row in rows})
    assert {row.number: row.state.display for row in rows} == {
        "100": DisplayState.INTERNAL_CALL,
        "101": DisplayState.RINGING,
    }


@pytest.mark.row("PRES-11", "PRES-17")
async def test_who_comes_is_in_its_place_in_its_groups_with_a_lamp_and_who_goes_is_gone(
    make_office: MakeOffice,
) -> None:
    office = await board(make_office)
    lee, revise = await office.phone("100"), office.switch.live_changes.revise
    early = lee.lamp("106")
    assert (await early.ended).status == 404  # there is nobody to watch yet

    def come(tables: dict[str, Any]) -> None:
        tables["extensions"].append(
            {"number": "106", "password": password("106"), "first_name": "Jones", "last_name": "Gray"}
        )
        tables["groups"][1]["extensions"].append("106")
        tables["groups"][2]["extensions"].insert(0, "106")

    def go(tables: dict[str, Any]) -> None:
        tables["extensions"] = [each for each in tables["extensions"] if each["number"] != "106"]
        for group in tables["groups"]:
            group["extensions"] = [number for number in group["extensions"] if number != "106"]

    before = numbers(office)
    await revise(come)
    assert numbers(office) == before | {
        "Secretary": ["101", "102", "106"],
        "Testing Department": ["104", "106"],
    }
    assert "106" not in {row.number for row in office.switch.board.rows(registered_only=True)}
    lamp = lee.lamp("106")
    await dark(lamp)
    jones = await office.phone("106")
    jones.dial("100")
    call = await lee.incoming()
    await asyncio.sleep(0.1)
    assert lamp.light
    assert numbers(office, registered_only=True)["Testing Department"] == ["106"]
    [row] = [row for row in office.switch.board.rows() if row.number == "106"]
    assert (row.name, row.state.display) == ("Jones Gray", DisplayState.INTERNAL_CALL)
    shown = [told.state for told in office.told_of(PresenceChanged) if told.extension == "106"]
    assert shown[-1] == DisplayState.INTERNAL_CALL.value
    await revise(go)
    assert await call.over() >= 200
    assert (await lamp.ended).reason == "noresource"
    assert numbers(office) == before
    assert office.switch.presence.of("106").display is DisplayState.NOT_REGISTERED
    await office.settle()


@pytest.mark.row("MYP-36", "MYP-40", "ADM-04")
async def test_ports_are_for_the_management_alone(make_office: MakeOffice) -> None:
    office = await board(make_office, **tables(LINES))
    assert [(port.number, port.name) for port in office.switch.board.ports("100")] == [(10000, "lines")]
    assert office.switch.board.ports("102") == ()
    assert office.switch.board.ports("555") == ()


@pytest.mark.row("PRES-05", "CORE-11")
async def test_a_call_to_the_outside_is_shown_as_external(make_office: MakeOffice) -> None:
    office = await board(make_office, **tables(LINES))
    gateway, lee = await lines(office), await office.phone("100")
    lamp = (await office.phone("102")).lamp("100")
    call = lee.dial("00612345678")
    incoming = await gateway.incoming()
    await asyncio.sleep(0.05)
    state = office.switch.presence.of("100")
    assert (state.display, state.display.colour) == (DisplayState.EXTERNAL_CALL, "orange")
    incoming.answer()
    await call.answered()
    await asyncio.sleep(0.05)
    assert [dialog.remote.user for dialog in lamp.dialogs] == ["+33612345678"]
    call.hang_up()
    await asyncio.sleep(0.05)
    assert office.switch.presence.of("100").display is DisplayState.AVAILABLE


@pytest.mark.row("PRES-05", "PRES-06", "PRES-09")
async def test_a_call_from_outside_rings_and_is_then_external(make_office: MakeOffice) -> None:
    office = await board(make_office, **tables(LINES))
    gateway, lee = await lines(office), await office.phone("100")
    call = gateway.dial("+33140000001")
    incoming = await lee.incoming()
    await asyncio.sleep(0.05)
    assert office.switch.presence.of("100").display is DisplayState.RINGING
    incoming.answer()
    await call.answered()
    assert office.switch.presence.of("100").display is DisplayState.EXTERNAL_CALL


@pytest.mark.row("ADM-05")
async def test_calls_are_shown_to_who_takes_part_leads_or_manages(make_office: MakeOffice) -> None:
    """102 is called from outside, by somebody who says to be 105; she is in a group that 104 leads."""
    groups = [{"name": "Secretary", "extensions": ["102"], "heads": ["104"]}]
    rules = [{"target": "102"}]
    office = make_office(groups=groups, extensions={"103": {"manager": True}}, **tables(LINES, inbound_rules=rules))
    await office.open()
    gateway, bell = await lines(office), await office.phone("102")
    call = gateway.call_in("0140000001", caller="105")
    incoming = await bell.incoming()
    await asyncio.sleep(0.05)
    for _ in range(2):
        shown = {viewer: office.switch.board.calls(viewer) for viewer in ("100", "102", "103", "104", "105", "555")}
        assert [viewer for viewer, rows in shown.items() if rows] == ["102", "103", "104"]
        assert {(row.caller, row.reached) for rows in shown.values() for row in rows} == {("105", ("102",))}
        incoming.answer()
        await call.answered()
    call.hang_up()
    await asyncio.sleep(0.05)
    assert office.switch.board.calls("103") == ()
