"""Calls that nobody takes end in the mailbox of who was called: rules and voicemail together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx import statuses
from pbx.destinations import Voicemail
from pbx.forwarding.book import Settings
from pbx.forwarding.rules import AdvancedForm, ReachMe, Rule, RuleType
from pbx.phone import CallFailed
from pbx.presence import UserStatus
from tests.journeys.voicemails import Voicemails, open_office
from tests.simulation.carrier import GATEWAY, carrier
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]

OUTSIDE = {
    "trunks": [{"name": "lines", "addresses": [GATEWAY], "qualify_seconds": 0}],
    "outbound_rules": [{"prefix": "0", "strip": 1, "lengths": [2, 20], "trunks": ["lines"]}],
    "inbound_rules": [{"did": "+33140000001", "target": "101"}, {"target": "voicemail:102"}],
    "dialing": {"country": "FR"},
}


async def leave(room: Voicemails, number: str = "101") -> None:
    """Lee calls, is asked for a message, and leaves one."""
    lee = await room.office.phone("100")
    call = await lee.call(number)
    await asyncio.sleep(3)
    call.play_tone(1010.0)
    await asyncio.sleep(4)
    call.hang_up()
    await asyncio.sleep(1)


@pytest.mark.row("FWD-05", "FWD-09", "FWD-01")
async def test_by_default_all_that_nobody_takes_goes_to_voicemail(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = await open_office(make_office, tmp_path, extensions={"101": {"no_answer_seconds": 5}})
    richardson = await room.office.phone("101")
    await leave(room)  # not answered
    richardson.refuse_with = 486
    await leave(room)
    await statuses.set_status(room.office.switch, "101", UserStatus.AWAY)
    await leave(room)
    await statuses.set_status(room.office.switch, "101", UserStatus.AVAILABLE)
    await richardson.unregister()
    await leave(room)
    assert room.counts("101").new == 4
    assert {message.caller_number for message in await room.messages("101")} == {"100"}
    assert room.counts("100").new == 0


@pytest.mark.row("FWD-53")
async def test_a_rule_may_name_the_mailbox_of_somebody_else(make_office: MakeOffice, tmp_path: Path) -> None:
    room = await open_office(make_office, tmp_path)
    rule = Rule(type=RuleType.FORWARD_ALL, action=Voicemail("103"))
    room.office.switch.forwarding.set("101", Settings(AdvancedForm(rules=(rule,))))
    await leave(room)
    assert (room.counts("101").new, room.counts("103").new) == (0, 1)


async def test_a_voicemail_that_is_switched_off_is_unavailable_and_the_rules_stay(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = await open_office(make_office, tmp_path)
    await room.set_up("101", enabled=False)
    lee = await room.office.phone("100")
    for _ in range(2):
        with pytest.raises(CallFailed, match="480"):
            await lee.call("101")
    await room.set_up("101", enabled=True)
    await leave(room)
    assert room.counts("101").new == 1


@pytest.mark.row("RM-06")
async def test_who_is_asked_outside_and_presses_2_has_a_message_later(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = await open_office(make_office, tmp_path, **OUTSIDE)
    rule = Rule(type=RuleType.FORWARD_ALL, action=ReachMe("00612345678"))
    room.office.switch.forwarding.set("101", Settings(AdvancedForm(rules=(rule,))))
    lee, gateway = await room.office.phone("100"), await carrier(room.office)
    await asyncio.sleep(0.1)
    call = lee.dial("101")
    mobile = await gateway.incoming()
    mobile.answer()
    await asyncio.sleep(1)
    mobile.send_digits("2")
    await asyncio.sleep(3)
    call.play_tone(1010.0)
    await asyncio.sleep(4)
    call.hang_up()
    await asyncio.sleep(1)
    assert room.counts("101").new == 1
    await room.office.settle()


@pytest.mark.row("ADM-10")
async def test_a_did_leads_to_a_mailbox(make_office: MakeOffice, tmp_path: Path) -> None:
    room = await open_office(make_office, tmp_path, **OUTSIDE)
    gateway = await carrier(room.office)
    call = gateway.call_in("+33140000009", caller="+33698765432")
    await call.answered()
    await asyncio.sleep(3)
    call.play_tone(1010.0)
    await asyncio.sleep(4)
    call.hang_up()
    await asyncio.sleep(1)
    [message] = await room.messages("102")
    assert message.caller_number == "+33698765432"
    await room.office.settle()
