"""One of several who ring diverts the call to his mobile: it rings there in his place, and the others ring on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from features.ring_groups import feature as ring_groups
from pbx.happenings import CallConnected, CallWentOut, ExternalCallRefused
from pbx.phone import CallFailed, Phone, PhoneCall
from pbx.refused import Refused
from pbx.steering import Verb, perform
from tests.journeys.talking import assert_talk
from tests.journeys.test_trunks import LINES, lines, tables
from tests.journeys.waiting_room import MakeOffice
from tests.simulation.carrier import MOBILE, Carrier
from tests.simulation.office import Office

ROW = pytest.mark.row("AST-17", "ADM-12")


class Story:
    """Lee (100) calls the group of 101 and 102, and 101 diverts the call to a mobile."""

    def __init__(self, office: Office, gateway: Carrier, lee: Phone, members: list[Phone]) -> None:
        self.office, self.gateway, self.lee, self.members = office, gateway, lee, members

    async def begin(self) -> None:
        """It rings at the mobile and at 102."""
        self.outgoing = self.lee.dial("810")
        self.first, self.second = [await member.incoming() for member in self.members]
        (call,) = self.office.switch.calls.values()
        perform(call, "101", Verb.DIVERT, "00612345678")
        assert await self.first.over() == 487
        self.mobile = await self.gateway.incoming()
        assert set(call.rings_at) == {"102", MOBILE}

    async def talk(self, folder: Path, callee: PhoneCall) -> None:
        """Lee talks to him, and hangs up; nothing is left then, of what is counted either."""
        await self.outgoing.answered()
        await assert_talk(folder, self.outgoing, callee)
        self.outgoing.hang_up()
        await self.office.settle()
        assert len(self.office.switch.trunks.ledger) == 0


@pytest.fixture
def story(make_office: MakeOffice) -> Story:
    group = {"number": "810", "members": ["101", "102"], "ring_seconds": 20}
    office = make_office(features=[ring_groups], ring_groups=[group], **tables(LINES))

    async def opened() -> Story:
        await office.open()
        gateway, lee = await lines(office), await office.phone("100")
        return Story(office, gateway, lee, [await office.phone(number) for number in ("101", "102")])

    return office.simulation.run(opened())


@ROW
async def test_the_mobile_answers(story: Story, tmp_path: Path) -> None:
    await story.begin()
    story.mobile.answer()
    assert await story.second.over() == 487
    [out] = story.office.told_of(CallWentOut)
    assert (out.number, out.trunk) == (MOBILE, "lines")
    assert [(told.to, told.trunk) for told in story.office.told_of(CallConnected)] == [(MOBILE, "lines")]
    await story.talk(tmp_path, story.mobile)


@ROW
async def test_another_answers_before_the_mobile(story: Story, tmp_path: Path) -> None:
    await story.begin()
    story.second.answer()
    assert await story.mobile.over() == 487
    await story.talk(tmp_path, story.second)


@ROW
async def test_the_others_ring_on_where_the_mobile_does_not_take_the_call(
    story: Story, tmp_path: Path
) -> None:
    await story.begin()
    story.mobile.reject(486)
    await asyncio.sleep(1)
    assert story.office.switch.calls_of("102") == 1
    story.second.answer()
    await story.talk(tmp_path, story.second)


@ROW
async def test_both_answer_at_once_and_one_is_hung_up(story: Story, tmp_path: Path) -> None:
    await story.begin()
    story.second.answer()
    story.mobile.answer()
    await story.outgoing.answered()
    await asyncio.sleep(1)
    left = [call for call in (story.mobile, story.second) if call.phone.calls]
    assert len(left) == 1
    await story.talk(tmp_path, left[0])


@ROW
async def test_nobody_answers(story: Story) -> None:
    await story.begin()
    with pytest.raises(CallFailed, match="480"):
        await story.outgoing.answered()
    assert await story.mobile.over() == 487
    await story.office.settle()


@ROW
async def test_the_caller_hangs_up(story: Story) -> None:
    await story.begin()
    story.outgoing.hang_up()
    assert [await call.over() for call in (story.mobile, story.second)] == [487, 487]
    await story.office.settle()


@ROW
async def test_what_may_not_be_called_is_not(story: Story) -> None:
    story.outgoing = story.lee.dial("810")
    [await member.incoming() for member in story.members]
    (call,) = story.office.switch.calls.values()
    with pytest.raises(Refused):
        perform(call, "101", Verb.DIVERT, "0004420123456")
    assert call.rings_at == ("101", "102")
    assert len(story.office.told_of(ExternalCallRefused)) == 1
    story.outgoing.hang_up()
    await story.office.settle()


@ROW
async def test_who_diverts_pays_and_has_to_be_allowed_to(make_office: MakeOffice) -> None:
    group = {"number": "810", "members": ["101", "102"]}
    outside = tables(LINES) | {
        "outbound_rules": [{"prefix": "0", "strip": 1, "extensions": ["101"], "trunks": ["lines"]}]
    }
    office = make_office(features=[ring_groups], ring_groups=[group], **outside)
    await office.open()
    story = Story(
        office, await lines(office), await office.phone("100"), [await office.phone(each) for each in ("101", "102")]
    )
    story.outgoing = story.lee.dial("810")
    [await member.incoming() for member in story.members]
    (call,) = office.switch.calls.values()
    with pytest.raises(Refused):
        perform(call, "102", Verb.DIVERT, "00612345678")
    perform(call, "101", Verb.DIVERT, "00612345678")
    await story.gateway.incoming()
    assert set(call.rings_at) == {"102", MOBILE}
    story.outgoing.hang_up()
    await office.settle()
