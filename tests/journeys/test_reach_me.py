"""Reach me: a number outside is called, and whoever answers there is asked whether to take the call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pbx.forwarding.book import Settings
from pbx.forwarding.rules import AdvancedForm, ReachMe, Rule, RuleType
from pbx.happenings import CallEnded
from pbx.phone import Phone, PhoneCall
from pbx.plugin import Call, Feature
from tests.interop.tones import write_tone
from tests.journeys.talking import MUSIC, assert_talk, listen
from tests.simulation.carrier import GATEWAY, MOBILE, Carrier, carrier
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter
from tests.simulation.simulation import Simulation

MakeOffice = Callable[..., Office]

LINES = {"name": "lines", "addresses": [GATEWAY], "qualify_seconds": 0}
OUTSIDE = {
    "trunks": [LINES],
    "outbound_rules": [
        {"prefix": "0", "strip": 1, "lengths": [2, 20], "trunks": ["lines"], "from_trunks": True}
    ],
    "inbound_rules": [{"did": "+33140000001", "target": "101"}],
    "dialing": {"country": "FR"},
}
CALL_FROM, MENU = "reach_me.call_from", "reach_me.menu"


class Answering:
    """A feature in the place of voicemail: it answers and waits."""

    def __init__(self) -> None:
        self.reached: list[tuple[str, float]] = []
        """The mailboxes, and when."""
        self.feature = Feature("answering")
        self.feature.destination("voicemail", summary="Leave a message")(self.leave_message)

    async def leave_message(self, call: Call, mailbox: str) -> None:
        """Wait until the caller hangs up."""
        await call.answer()
        self.reached.append((mailbox, asyncio.get_running_loop().time()))
        await call.stay()


class Story:
    """An office whose 101 sends all calls to a mobile, and asks there; everybody is at a phone."""

    def __init__(self, office: Office, prompter: Prompter, answering: Answering) -> None:
        self.office = office
        self.prompter = prompter
        self.answering = answering
        self.lee: Phone
        self.gateway: Carrier

    @property
    def now(self) -> float:
        return self.office.simulation.loop.time()

    async def begin(self) -> tuple[PhoneCall, PhoneCall]:
        """Lee calls 101, the mobile rings: both calls."""
        outgoing = self.lee.dial("101")
        incoming = await self.gateway.incoming()
        incoming.ring()
        await outgoing.answered()
        return outgoing, incoming

    async def assert_in_voicemail(self, outgoing: PhoneCall, since: float, after: float) -> None:
        """Lee is asked for a message so much later; nothing is left when that call is over."""
        assert [mailbox for mailbox, _ in self.answering.reached] == ["101"]
        assert self.answering.reached[0][1] - since == pytest.approx(after, abs=0.2)
        outgoing.hang_up()
        await self.office.settle()


@pytest.fixture
def story(make_office: MakeOffice, tmp_path: Path, simulation: Simulation) -> Story:
    return simulation.run(told(make_office, tmp_path))


async def told(make_office: MakeOffice, folder: Path, rule: Rule | None = None, **tables: Any) -> Story:
    prompter, answering = Prompter(folder), Answering()
    store = {"data_dir": str(folder / "data")}
    office = make_office(prompts=prompter, features=[answering.feature], store=store, **OUTSIDE | tables)
    await office.open()
    rule = rule or Rule(type=RuleType.FORWARD_ALL, action=ReachMe("00612345678"))
    office.switch.forwarding.set("101", Settings(AdvancedForm(rules=(rule,))))
    story = Story(office, prompter, answering)
    story.lee, story.gateway = await office.phone("100"), await carrier(office)
    await asyncio.sleep(0.1)
    return story


@pytest.mark.row("RM-01", "RM-02", "RM-03", "RM-12")
async def test_the_caller_is_told_whom_we_try_to_locate_and_hears_music(story: Story, tmp_path: Path) -> None:
    outgoing, incoming = await story.begin()
    session = incoming.leg.session
    assert session is not None
    assert session.request.uri.user == MOBILE
    assert story.prompter.said[:5] == ["reach_me.locating", "number.1", "number.0", "number.1", "music"]
    await asyncio.sleep(1)
    assert await listen(tmp_path, outgoing) == [{MUSIC}]
    outgoing.hang_up()
    assert await incoming.over() == 487
    await story.office.settle()


@pytest.mark.row("RM-01")
async def test_a_name_that_its_owner_has_spoken_is_played(story: Story, tmp_path: Path) -> None:
    said = tmp_path / "richardson.wav"
    write_tone(said, 900.0, 0.3)
    mailbox = story.office.switch.mailboxes.find("101")
    assert mailbox is not None
    await mailbox.keep_name(said)
    name = await mailbox.name()
    outgoing, _ = await story.begin()
    assert story.prompter.said[:3] == ["reach_me.locating", name, "music"]
    outgoing.hang_up()
    await story.office.settle()


@pytest.mark.row("RM-04", "RM-05", "FWD-56")
async def test_key_1_joins_both(story: Story, tmp_path: Path) -> None:
    outgoing, incoming = await story.begin()
    incoming.answer()
    await asyncio.sleep(1)
    assert story.prompter.said[-5:] == [CALL_FROM, "number.1", "number.0", "number.0", MENU]
    incoming.send_digits("1")
    await asyncio.sleep(1)
    await assert_talk(tmp_path, outgoing, incoming)
    assert story.answering.reached == []
    incoming.hang_up()
    assert await outgoing.over() == 200
    await story.office.settle()
    (ended,) = story.office.told_of(CallEnded)
    assert (ended.status, ended.internal) == (200, False)


@pytest.mark.row("RM-06")
async def test_key_2_sends_the_caller_to_voicemail(story: Story) -> None:
    outgoing, incoming = await story.begin()
    incoming.answer()
    await asyncio.sleep(1)
    pressed = story.now
    incoming.send_digits("2")
    assert await incoming.over() == 200
    await asyncio.sleep(1)
    await story.assert_in_voicemail(outgoing, pressed, 0.1)


@pytest.mark.row("RM-07")
async def test_to_hang_up_sends_the_caller_to_voicemail(story: Story) -> None:
    outgoing, incoming = await story.begin()
    incoming.answer()
    await asyncio.sleep(1)
    gone = story.now
    incoming.hang_up()
    await asyncio.sleep(1)
    await story.assert_in_voicemail(outgoing, gone, 0)


@pytest.mark.row("RM-08")
async def test_who_does_not_pick_up_for_30_seconds_sends_the_caller_to_voicemail(story: Story) -> None:
    called = story.now
    outgoing, incoming = await story.begin()
    assert await incoming.over() == 487
    await asyncio.sleep(1)
    await story.assert_in_voicemail(outgoing, called, 30)


@pytest.mark.row("RM-09", "RM-10")
async def test_a_machine_that_answers_does_not_get_the_call(story: Story) -> None:
    outgoing, incoming = await story.begin()
    await asyncio.sleep(20)
    answered = story.now
    incoming.answer()
    assert await incoming.over() == 200
    assert story.now - answered == pytest.approx(30, abs=0.1)
    assert story.prompter.said.count(MENU) > 2
    await asyncio.sleep(1)
    await story.assert_in_voicemail(outgoing, answered, 30)


async def test_other_keys_have_the_announcement_repeated(story: Story) -> None:
    outgoing, incoming = await story.begin()
    incoming.answer()
    await asyncio.sleep(1)
    incoming.send_digits("5")
    await asyncio.sleep(1)
    assert story.prompter.said.count(MENU) == 2
    incoming.send_digits("2")
    assert await incoming.over() == 200
    outgoing.hang_up()
    await story.office.settle()


@pytest.mark.row("RM-11")
@pytest.mark.parametrize("picked_up", [False, True])
async def test_a_caller_who_hangs_up_ends_the_call_outside_at_once(story: Story, picked_up: bool) -> None:
    outgoing, incoming = await story.begin()
    if picked_up:
        incoming.answer()
        await asyncio.sleep(1)
    gone = story.now
    outgoing.hang_up()
    assert await incoming.over() == (200 if picked_up else 487)
    assert story.now - gone < 0.1
    assert story.answering.reached == []
    await story.office.settle()


@pytest.mark.row("RM-13")
@pytest.mark.parametrize("status", [486, 404, 500, 603])
async def test_a_call_outside_that_fails_sends_the_caller_to_voicemail(story: Story, status: int) -> None:
    story.gateway.refuse_with = status
    called = story.now
    outgoing = await story.lee.call("101")
    await asyncio.sleep(1)
    await story.assert_in_voicemail(outgoing, called, 0)


async def test_without_a_line_outside_the_caller_is_in_voicemail_too(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    story = await told(make_office, tmp_path, dialing={"country": "FR", "max_calls": 1})
    other = story.lee.dial("00612345678")  # by the same account: that of 100
    busy = await story.gateway.incoming()
    busy.answer()
    await other.answered()
    called = story.now
    caller = await (await story.office.phone("102")).call("101")
    await (await story.gateway.incoming()).over()
    await asyncio.sleep(1)
    assert [mailbox for mailbox, _ in story.answering.reached] == ["101"]
    assert story.now - called > 30
    caller.hang_up()
    other.hang_up()
    await story.office.settle()


async def test_a_number_that_may_not_be_called_is_voicemail_without_any_waiting(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    rule = Rule(type=RuleType.FORWARD_ALL, action=ReachMe("0004420123456"))  # not an allowed country
    story = await told(make_office, tmp_path, rule)
    called = story.now
    outgoing = await story.lee.call("101")
    await asyncio.sleep(1)
    assert story.prompter.said == []
    await story.assert_in_voicemail(outgoing, called, 0)


@pytest.mark.row("FWD-14", "FWD-60")
async def test_after_no_answer_and_for_a_caller_from_outside(make_office: MakeOffice, tmp_path: Path) -> None:
    rule = Rule(type=RuleType.NO_ANSWER, action=ReachMe("00612345678"), dids=("01 40 00 00 01",))
    story = await told(make_office, tmp_path, rule)
    story.office.switch.forwarding.set("101", Settings(AdvancedForm(rules=(rule,), no_answer_seconds=10)))
    richardson = await story.office.phone("101")
    outgoing = story.gateway.call_in("+33140000001", caller="+33698765432")
    at_the_desk = await richardson.incoming()
    assert await at_the_desk.over() == 487
    mobile = await story.gateway.incoming()
    mobile.answer()
    await asyncio.sleep(1)
    assert story.prompter.said[-1] == MENU
    mobile.send_digits("1")
    await asyncio.sleep(1)
    await assert_talk(tmp_path, outgoing, mobile)
    outgoing.hang_up()
    assert await mobile.over() == 200
    await story.office.settle()


async def test_a_caller_without_a_number_is_announced_as_unknown(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    story = await told(make_office, tmp_path)
    outgoing = story.gateway.call_in("+33140000001", caller="anonymous")
    mobile = await story.gateway.incoming()
    mobile.answer()
    await asyncio.sleep(1)
    assert story.prompter.said[-3:] == [CALL_FROM, "reach_me.somebody", MENU]
    outgoing.hang_up()
    assert await mobile.over() == 200
    await story.office.settle()


async def test_a_blind_transfer_to_who_is_reached_outside(story: Story, tmp_path: Path) -> None:
    miller = await story.office.phone("103")
    outgoing = story.lee.dial("103")
    incoming = await miller.incoming()
    incoming.answer()
    await outgoing.answered()
    incoming.transfer("101")
    mobile = await story.gateway.incoming()
    mobile.answer()
    await asyncio.sleep(1)
    mobile.send_digits("1")
    await asyncio.sleep(1)
    await assert_talk(tmp_path, outgoing, mobile)
    outgoing.hang_up()
    await story.office.settle()
