"""Digital receptionists: keys, extensions, names, and what comes of silence."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from features.conference import feature as conference
from features.receptionists import feature as receptionists
from features.ring_groups import feature as ring_groups
from pbx.happenings import CallEnded
from pbx.phone import CallFailed, Phone, PhoneCall
from tests.interop.tones import write_tone
from tests.journeys.talking import assert_talk, connect
from tests.journeys.test_trunks import LINES, lines, tables
from tests.journeys.waiting_room import MakeOffice
from tests.simulation.office import EPOCH, Office
from tests.simulation.prompter import Prompter

ROW = pytest.mark.row("ADM-13")


class Lobby:
    """Receptionist 800: key 1 leads to Taylor (102), 2 to a ring group of Miller (103), 3 to names, 0 to the menu."""

    def __init__(
        self, make_office: MakeOffice, folder: Path, more: Mapping[str, Any], **settings: Any
    ) -> None:
        self.folder = folder
        self.prompter = Prompter(folder)
        self.greeting = folder / "welcome.wav"
        write_tone(self.greeting, 2300.0, 2.0)
        keys = {"1": "102", "2": "system:810", "3": "name", "0": "repeat", "9": "104"}
        own = {"number": "800", "greeting": str(self.greeting), "keys": keys} | settings
        self.office: Office = make_office(
            features=[conference, receptionists, ring_groups],
            prompts=self.prompter,
            receptionists=[own],
            ring_groups=[{"number": "810", "members": ["103"]}],
            extensions={number: {"no_answer_seconds": 5} for number in ("101", "102")},
            **more,
        )

    async def call(self) -> PhoneCall:
        """Lee calls, and the greeting has begun."""
        await self.office.open()
        call = await (await self.office.phone("100")).call("800")
        await asyncio.sleep(0.5)
        return call

    async def choose(self, call: PhoneCall, keys: str, number: str) -> PhoneCall:
        """Press keys; somebody's phone rings for it, and is answered."""
        phone = await self.office.phone(number)
        call.send_digits(keys)
        incoming = await phone.incoming()
        incoming.answer()
        await asyncio.sleep(0.3)
        await assert_talk(self.folder, call, incoming)
        return incoming

    def said(self) -> list[str]:
        """The names of what was said, without digits."""
        return [each if isinstance(each, str) else each.name for each in self.prompter.said]


def lobby(
    make_office: MakeOffice, folder: Path, more: Mapping[str, Any] | None = None, **settings: Any
) -> Lobby:
    return Lobby(make_office, folder, more or {}, **settings)


@ROW
@pytest.mark.parametrize(
    ("keys", "number"),
    [("1#", "102"), ("1", "102"), ("2", "103"), ("101", "101"), ("810", "103"), ("01", "102")],
)
async def test_keys_and_numbers_lead_to_people(
    make_office: MakeOffice, tmp_path: Path, keys: str, number: str
) -> None:
    """1 may be the begin of 101, so that it means the key after a pause alone."""
    room = lobby(make_office, tmp_path)
    call = await room.call()
    incoming = await room.choose(call, keys, number)
    incoming.hang_up()
    assert await call.over() == 200
    await room.office.settle()


@ROW
async def test_the_voicemail_number_is_dialled_but_no_code_and_nobody_outside(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    """In this office nothing serves voicemail, so 700 has its number."""
    more = tables(LINES) | {"numbers": {"voicemail": "700", "conference": "999"}}
    room = lobby(make_office, tmp_path, more, keys={})
    call = await room.call()
    await lines(room.office)
    for keys in ("00612345678#", "*777#", "999#"):
        call.send_digits(keys)
        await asyncio.sleep(4)
    assert room.said().count("entry.wrong") == 3
    assert await call.over() == 200
    await room.office.settle()


@ROW
async def test_silence_and_wrong_keys_have_destinations_of_their_own(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = lobby(make_office, tmp_path, time_out="103", invalid="105", rounds=2)
    call = await room.call()
    miller, thomas = await room.office.phone("103"), await room.office.phone("105")
    incoming = await miller.incoming()
    assert room.said().count("welcome.wav") == 2
    incoming.answer()
    await assert_talk(tmp_path, call, incoming, within=0.6)
    call.hang_up()
    other = await room.office.phones[0].call("800")
    other.send_digits("5")
    await asyncio.sleep(2)
    other.send_digits("5")
    incoming = await thomas.incoming()
    incoming.answer()
    await assert_talk(tmp_path, other, incoming, within=0.6)
    other.hang_up()
    await room.office.settle()


@ROW
async def test_who_presses_nothing_is_told_good_bye(make_office: MakeOffice, tmp_path: Path) -> None:
    room = lobby(make_office, tmp_path, rounds=1)
    call = await room.call()
    assert await call.over() == 200
    assert room.said() == ["welcome.wav", "goodbye"]
    await room.office.settle()


@ROW
async def test_who_is_not_reached_leaves_the_caller_at_the_menu(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = lobby(make_office, tmp_path)
    call = await room.call()
    taylor, miller = await room.office.phone("102"), await room.office.phone("103")
    call.send_digits("1#")
    assert await (await taylor.incoming()).over() == 487
    await asyncio.sleep(0.5)
    assert room.said()[-2:] == ["call.not_available", "welcome.wav"]
    taylor.refuse_with = 486
    call.send_digits("1#")
    await asyncio.sleep(1)
    assert "call.busy" in room.said()
    call.send_digits("2")
    incoming = await miller.incoming()
    incoming.answer()
    await asyncio.sleep(0.5)
    await assert_talk(tmp_path, call, incoming)
    call.hang_up()
    await room.office.settle()


@pytest.mark.row("ADM-14")
async def test_people_are_dialled_by_name(make_office: MakeOffice, tmp_path: Path) -> None:
    """Smith and Shaw, whose names begin on the same keys as Simpson: 74... 7 6 4 8 4."""
    room = lobby(make_office, tmp_path, {"store": {"data_dir": str(tmp_path / "data")}})
    call = await room.call()
    said = tmp_path / "taylor.wav"
    write_tone(said, 900.0, 0.3)
    mailbox = room.office.switch.mailboxes.find("102")
    assert mailbox is not None
    await mailbox.keep_name(said)
    recorded = await mailbox.name()
    assert recorded is not None
    call.send_digits("3")
    await asyncio.sleep(1)
    call.send_digits("764#")  # Smith alone
    taylor = await room.office.phone("102")
    incoming = await taylor.incoming()
    assert room.prompter.said[-4:] == [
        "receptionist.enter_name",
        "receptionist.connecting",
        recorded,
        "music",
    ]
    incoming.reject(486)
    await asyncio.sleep(1)
    call.send_digits("3")
    await asyncio.sleep(1)
    call.send_digits("7#")  # Bell Shaw, Adam Simpson, Taylor Smith; and Richardson Bailey, Lee Parker
    await asyncio.sleep(0.5)
    offered = [each for each in room.said() if each in ("receptionist.for", "receptionist.press")]
    assert offered == ["receptionist.for", "receptionist.press"] * 5
    incoming = await room.choose(call, "3", "104")
    assert room.said().count(recorded.name) == 2
    call.hang_up()
    await room.office.settle()


async def test_nobody_of_that_name(make_office: MakeOffice, tmp_path: Path) -> None:
    room = lobby(make_office, tmp_path, rounds=1, keys={"3": "name"})
    call = await room.call()
    call.send_digits("39999#")
    assert await call.over() == 200
    assert room.said()[-2:] == ["receptionist.no_such_name", "goodbye"]
    await room.office.settle()


HOURS = {"monday": ["09:00-17:00"], "tuesday": ["09:00-17:00"], "holidays": ["2009-09-22"]}


@pytest.mark.row("ADM-13", "ADM-07")
@pytest.mark.parametrize(("hours_later", "number"), [(0, "101"), (2, "102"), (25, "103")])
async def test_the_hour_decides_what_the_menu_is(
    make_office: MakeOffice, tmp_path: Path, hours_later: int, number: str
) -> None:
    """It is Monday, 8:00 (closed), 10:00 (open), and Tuesday, 9:00, a holiday."""
    assert EPOCH.hour == 8
    room = lobby(
        make_office,
        tmp_path,
        {"office_hours": HOURS},
        closed={"keys": {"1": "101"}},
        holiday={"keys": {"1": "103"}},
        dial_extensions=False,
    )
    await room.office.open()
    world = room.office.switch.environment
    now = world.wall
    object.__setattr__(world, "wall", lambda: now() + timedelta(hours=hours_later))
    lee: Phone = await room.office.phone("100")
    call = await lee.call("800")
    await asyncio.sleep(0.5)
    assert room.said() == [("receptionist.enter_number" if number != "102" else "welcome.wav")]
    incoming = await room.choose(call, "1", number)
    incoming.hang_up()
    await room.office.settle()


async def test_a_call_from_outside_is_served_and_may_be_transferred_there(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    did = [{"did": "+33140000009", "target": "800"}]
    room = lobby(make_office, tmp_path, tables(LINES, inbound_rules=did))
    await room.office.open()
    gateway = await lines(room.office)
    outside = gateway.call_in("+33140000009")
    await outside.answered()
    await asyncio.sleep(0.5)
    incoming = await room.choose(outside, "101#", "101")
    assert await incoming.transfer("800").outcome() == 200
    await asyncio.sleep(0.5)
    await room.choose(outside, "2", "103")
    outside.hang_up()
    await room.office.settle()


async def test_receptionists_that_wait_for_nobody_do_not_go_round(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = lobby(make_office, tmp_path, time_out="system:800", rounds=1, key_seconds=1)
    call = await room.call()
    assert await call.over() == 200
    assert len(room.office.told_of(CallEnded)) == 1
    assert room.said().count("welcome.wav") == 1
    with pytest.raises(CallFailed, match="404"):
        await room.office.phones[0].call("801")
    await connect(room.office.phones[0], "101", await room.office.phone("101"))
