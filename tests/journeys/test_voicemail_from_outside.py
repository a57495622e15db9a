"""Voicemail for callers from outside: through a receptionist, forwarded, and with names that are no names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from features import receptionists
from tests.journeys.test_trunks import LINES, lines, tables
from tests.journeys.voicemails import SIGN_IN, open_office
from tests.simulation.office import Office

DID = "0140000001"


def outside(target: str, **others: Any) -> dict[str, Any]:
    """A trunk, and one number that leads to a target."""
    return tables(LINES, inbound_rules=[{"did": "+33140000001", "target": target}], **others)


@pytest.mark.row("VM-01")
async def test_a_caller_who_is_not_answered_leaves_a_message(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    """By default what nobody takes goes to voicemail: an extension without phones, one that is busy, one that rings."""
    office = await open_office(
        make_office, tmp_path, extensions={"100": {"no_answer_seconds": 5}}, **outside("100")
    )
    gateway = await lines(office.office)
    for phones, number in ((0, "0612345678"), (1, "0612345679")):
        if phones:
            await office.phone("100")
        call = gateway.call_in(DID, caller=number, name="Durand")
        await call.answered()
        await asyncio.sleep(2)
        call.play_tone(700)
        await asyncio.sleep(2)
        call.hang_up()
        await asyncio.sleep(1)
    messages = await office.messages()
    assert [message.caller_number for message in messages] == ["+33612345678", "+33612345679"]


@pytest.mark.parametrize(
    "name",
    ["\x01\x1b[31mred", "'; DROP TABLE voicemails; --", "<script>alert(1)</script>", "é" * 500, "{0} %s"],
)
async def test_whatever_a_caller_is_called_the_message_is_kept(
    make_office: Callable[..., Office], tmp_path: Path, name: str
) -> None:
    office = await open_office(make_office, tmp_path, **outside("voicemail:100"))
    gateway = await lines(office.office)
    call = gateway.call_in(DID, caller="..%2F..%2Fetc", name=name)
    await call.answered()
    await asyncio.sleep(2)
    call.play_tone(700)
    await asyncio.sleep(2)
    call.hang_up()
    await asyncio.sleep(1)
    [message] = await office.messages()
    assert len(message.caller_name) <= 200
    path = office.mailbox().path_of(message)
    assert path.is_file()
    assert path.parent == tmp_path / "data" / "voicemail" / "100"
    owner = await office.sign_in()
    await office.keys(owner, "*")
    assert await office.hears(owner, 700, seconds=1.0)
    await office.keys(owner, "4")  # nobody can be called back there
    await asyncio.sleep(1)
    assert "voicemail.no_number" in office.said()


async def test_voicemail_is_opened_from_outside(make_office: Callable[..., Office], tmp_path: Path) -> None:
    office = await open_office(make_office, tmp_path, **outside("999"))
    await office.set_pin("100", "4711")
    gateway = await lines(office.office)
    call = gateway.call_in(DID)
    await call.answered()
    await office.keys(call, "100#")
    await office.keys(call, "4711#")
    assert office.said()[:2] == SIGN_IN
    await office.keys(call, "93")  # and nobody outside is called at the cost of the office
    await office.keys(call, "00612345678#")
    await asyncio.sleep(1)
    assert "call.refused" in office.said()


@pytest.mark.row("VM-04")
async def test_999_is_keyed_in_the_menu_of_a_receptionist(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    office = await open_office(
        make_office,
        tmp_path,
        features=[receptionists.feature],
        receptionists=[{"number": "800", "keys": {"1": "101"}}],
        **outside("800"),
    )
    await office.set_pin("100", "4711")
    await office.leave("101")
    gateway = await lines(office.office)
    call = gateway.call_in(DID)
    await call.answered()
    await asyncio.sleep(0.5)
    await office.keys(call, "999#")
    await asyncio.sleep(0.5)
    office.said()
    await office.keys(call, "100#")
    await office.keys(call, "4711#")
    await office.keys(call, "*")
    assert await office.hears(call, 700, seconds=1.0)
