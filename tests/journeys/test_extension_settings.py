"""All that an extension has: set while the system runs, in force at once, and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pbx.happenings import CallWentOut
from pbx.phone import Phone, RegistrationFailed
from pbx.presence import UserStatus
from pbx.rights import Role
from pbx.statuses import OwnStatus, set_user_status, user_status
from pbx.store.voicemails import MailboxSettings
from tests.journeys.talking import connect
from tests.journeys.test_live_changes import added, changed, listed
from tests.journeys.test_trunks import LINES, lines, tables
from tests.journeys.waiting_room import waiting_room
from tests.simulation.carrier import Carrier
from tests.simulation.office import Office, password

MakeOffice = Callable[..., Office]

JONES: dict[str, Any] = {
    "number": "106",
    "first_name": "Jones",
    "last_name": "Gray",
    "email": "jones@example.org",
    "sip_id": "jones",
    "password": "another phone's",
    "pin": "4711",
    "outbound_caller_id": "+33140000001",
    "manager": True,
    "voicemail": {"say_caller": True, "say_time": True, "mail": "attachment"},
}
RENAMED: dict[str, Any] = {
    "first_name": "Indiana",
    "last_name": "Brown",
    "email": "indiana@example.org",
    "sip_id": "indiana",
    "password": password("106"),
    "outbound_caller_id": "+33140000002",
    "manager": False,
    "voicemail": {"say_time": True},
}


@dataclass(frozen=True)
class Wanted:
    """What is to be in force for 106."""

    name: str
    sip_id: str
    pin: str
    caller_id: str
    mailbox: MailboxSettings
    role: Role
    groups: tuple[str, ...]
    status: OwnStatus


async def assert_in_force(office: Office, wanted: Wanted) -> None:
    switch = office.switch
    assert listed(office)["106"] == wanted.name
    assert [row.number for row in switch.board.search(wanted.name.upper())] == ["106"]
    assert await switch.voicemail.sign_in.admits("106", wanted.pin)
    assert not await switch.voicemail.sign_in.admits("106", "106")
    mailbox = switch.mailboxes.find("106")
    assert mailbox is not None
    assert await mailbox.settings() == wanted.mailbox
    assert switch.board.rights_of("106").role is wanted.role
    sections = switch.board.sections()
    assert tuple(one.group for one in sections if "106" in {row.number for row in one.rows}) == wanted.groups
    assert user_status(switch, "106") == wanted.status


async def assert_calls(lee: Phone, jones: Phone, gateway: Carrier, office: Office, wanted: Wanted) -> None:
    """It is called by its SIP ID, shows its name inside, and its number outside."""
    call, incoming = await connect(lee, wanted.sip_id, jones)
    call.hang_up()
    await incoming.over()
    call, incoming = await connect(jones, "100", lee)
    assert incoming.leg.session is not None
    assert incoming.leg.session.request.from_.display_name == wanted.name
    call.hang_up()
    await incoming.over()
    call, incoming = await connect(jones, "00612345678", gateway)
    call.hang_up()
    await incoming.over()
    assert office.told_of(CallWentOut)[-1].caller_id == wanted.caller_id


def grouped(*groups: str) -> Callable[[dict[str, Any]], None]:
    def change(live: dict[str, Any]) -> None:
        live["groups"] = [{"name": group, "extensions": ["106"]} for group in groups]

    return change


@pytest.mark.row("ADM-01", "ADM-15")
async def test_all_that_an_extension_has_is_set_in_force_and_kept(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = waiting_room(
        make_office,
        tmp_path,
        {"number": "805", "agents": ["100"]},
        tables=tables(LINES),
        database=tmp_path / "myphone.db",
    )
    await room.open(phones=("100",))
    office, lee = room.office, room.phones["100"]
    gateway = await lines(office)
    revise = office.switch.live_changes.revise

    await revise(added(JONES))
    await revise(grouped("Sales", "Support"))
    await revise(lambda live: live["queues"][1].update(agents=["100", "106"]))
    first = Wanted(
        "Jones Gray",
        "jones",
        "4711",
        "+33140000001",
        MailboxSettings("jones@example.org", say_caller=True, say_time=True, mail="attachment"),
        Role.MANAGER,
        ("Sales", "Support"),
        OwnStatus("106", UserStatus.AVAILABLE, "", logged_in=False),
    )
    await assert_in_force(office, first)
    with pytest.raises(RegistrationFailed):
        await office.phone("106")
    jones = office.phones[-1]

    await revise(changed("106", **RENAMED))
    await office.switch.voicemail.sign_in.change_pin("106", "0815")
    await revise(grouped("Sales"))
    await set_user_status(office.switch, "106", UserStatus.AWAY, logged_in=True)
    wanted = Wanted(
        "Indiana Brown",
        "indiana",
        "0815",
        "+33140000002",
        MailboxSettings("indiana@example.org", say_time=True),
        Role.USER,
        ("Sales",),
        OwnStatus("106", UserStatus.AWAY, "", logged_in=True),
    )
    await assert_in_force(office, wanted)
    await office.restart()
    await assert_in_force(office, wanted)
    await set_user_status(office.switch, "106", UserStatus.AVAILABLE, logged_in=False)
    for phone in (lee, jones):
        await phone.register()
    await asyncio.sleep(1)
    await assert_calls(lee, jones, gateway, office, wanted)
    await room.go_home()
