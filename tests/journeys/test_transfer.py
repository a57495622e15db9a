"""Blind transfer: one of two who talk sends the other on, and whatever comes of it, nobody is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from features.echo import feature as echo
from pbx.happenings import CallEnded, CallTransferred
from pbx.phone import Phone, PhoneCall
from sipcore.effects import Effect
from sipcore.syntax.message import Response
from sipcore.transaction.table import ClientTransaction
from tests.journeys.talking import MUSIC, assert_talk, connect, listen
from tests.simulation.impairment import LAN
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter


@dataclass
class Trio:
    """Lee (100) and Richardson (101) talk, and Taylor (102) is there; `by` is who transfers."""

    office: Office
    folder: Path
    phones: list[Phone]
    calls: tuple[PhoneCall, PhoneCall]

    async def hear(self, *calls: PhoneCall) -> list[set[int]]:
        """What each hears."""
        await asyncio.sleep(0.3)
        return await listen(self.folder, *calls)


@pytest.fixture
def trio(make_office: Callable[..., Office], tmp_path: Path) -> Trio:
    office = make_office(prompts=Prompter(tmp_path), features=[echo], extensions=EXTENSIONS)

    async def talk() -> Trio:
        await office.open()
        phones = [await office.phone(number) for number in ("100", "101", "102")]
        calls = await connect(phones[0], "101", phones[1])
        await assert_talk(tmp_path, *calls)
        return Trio(office, tmp_path, phones, calls)

    return office.simulation.run(talk())


EXTENSIONS = {
    "102": {"no_answer_seconds": 8},
    "103": {"forward": {"always": "102"}},
    "104": {"forward": {"always": "100"}},
    "105": {"forward": {"always": "101"}},
}
ROW = pytest.mark.row("CORE-12")


@ROW
@pytest.mark.parametrize("by", [0, 1])
@pytest.mark.parametrize("hold", [False, True])
async def test_who_is_transferred_hears_music_ringing_and_then_the_target(
    trio: Trio, by: int, hold: bool
) -> None:
    transferor, stays = trio.calls[by], trio.calls[1 - by]
    if hold:
        transferor.hold()
        await asyncio.sleep(0.3)
    refer = transferor.transfer("102")
    assert await refer.response() == 202
    target = await trio.phones[2].incoming()
    assert shown(target) == stays.phone.account.number
    session = target.leg.session
    assert session is not None
    assert f"<sip:10{by}@" in (session.request.get("Referred-By") or "")
    target.answer()
    assert await refer.outcome() == 200
    assert refer.statuses == [100, 180, 200]
    transferor.hang_up()
    assert await trio.hear(stays, target) == [{1}, {0}]
    (told,) = trio.office.told_of(CallTransferred)
    assert (told.by, told.party, told.to) == (f"10{by}", f"10{1 - by}", "102")
    stays.hang_up()
    assert await target.over() == 200
    await trio.office.settle()
    assert len(trio.office.told_of(CallEnded)) == 1


@ROW
@pytest.mark.row("CORE-15")
async def test_music_until_the_target_rings(trio: Trio) -> None:
    """Its phone is slow to say so."""
    trio.office.simulation.network.hosts[3].degrade(replace(LAN, delay_seconds=5.0))
    trio.calls[1].transfer("102")
    assert await trio.hear(trio.calls[0]) == [{MUSIC}]


@ROW
@pytest.mark.parametrize("by", [0, 1])
async def test_a_transferor_who_hangs_up_at_once_has_transferred_all_the_same(trio: Trio, by: int) -> None:
    transferor, stays = trio.calls[by], trio.calls[1 - by]
    await transferor.transfer("102").response()
    transferor.hang_up()
    target = await trio.phones[2].incoming()
    await asyncio.sleep(3)
    target.answer()
    assert await trio.hear(stays, target) == [{1}, {0}]


@ROW
async def test_a_transferor_who_waits_is_hung_up_once_the_target_is_reached(trio: Trio) -> None:
    transferor, stays = trio.calls
    trio.phones[2].auto_answer = True
    assert await transferor.transfer("102").outcome() == 200
    assert await transferor.over() == 200
    await asyncio.sleep(10)
    target = the_call_of(trio.phones[2])
    assert await trio.hear(stays, target) == [{1}, {0}]


@ROW
@pytest.mark.parametrize("by", [0, 1])
@pytest.mark.parametrize(
    ("failure", "status"), [("busy", 486), ("declines", 603), ("silent", 480), ("gone", 480)]
)
async def test_a_transfer_that_fails_gives_the_call_back(
    trio: Trio, by: int, failure: str, status: int
) -> None:
    transferor = trio.calls[by]
    transferor.hold()
    await asyncio.sleep(0.3)
    await fail(trio.phones[2], failure)
    refer = transferor.transfer("102")
    assert await refer.outcome() == status
    assert await trio.hear(trio.calls[1 - by]) == [{MUSIC}]
    transferor.resume()
    assert await trio.hear(*trio.calls) == [{1}, {0}]
    assert trio.office.told_of(CallTransferred) == []
    transferor.hang_up()
    assert await trio.calls[1 - by].over() == 200
    await trio.office.settle()


@ROW
@pytest.mark.parametrize("by", [0, 1])
async def test_a_transferor_who_has_hung_up_is_called_again_when_the_transfer_fails(
    trio: Trio, by: int
) -> None:
    transferor, stays = trio.calls[by], trio.calls[1 - by]
    await transferor.transfer("102").response()
    transferor.hang_up()
    again = await trio.phones[by].incoming()
    assert shown(again) == stays.phone.account.number
    again.answer()
    assert await trio.hear(stays, again) == [{1}, {0}]
    again.hang_up()
    assert await stays.over() == 200
    await trio.office.settle()


@ROW
async def test_nobody_waits_for_ever_when_nobody_is_left(trio: Trio) -> None:
    """Neither the target nor the transferor answers: the call ends."""
    transferor, stays = trio.calls
    trio.phones[0].refuse_with = 486
    await fail(trio.phones[2], "busy")
    await transferor.transfer("102").response()
    transferor.hang_up()
    assert await stays.over() == 200
    await trio.office.settle()


@ROW
async def test_ring_back_can_be_switched_off(make_office: Callable[..., Office], tmp_path: Path) -> None:
    office = make_office(transfer={"ring_back": False})
    await office.open()
    lee, richardson, taylor = [await office.phone(number) for number in ("100", "101", "102")]
    transferor, stays = await connect(lee, "101", richardson)
    taylor.refuse_with = 486
    await transferor.transfer("102").response()
    transferor.hang_up()
    assert await stays.over() == 200
    assert not lee.calls


@ROW
@pytest.mark.parametrize("target", ["555", "100", "101", "ext101"])
async def test_transfers_to_nobody_and_to_oneself_are_refused_before_anything_moves(
    trio: Trio, target: str
) -> None:
    refer = trio.calls[1].transfer(target)
    assert await refer.response() == 403
    assert await trio.hear(*trio.calls) == [{1}, {0}]
    assert refer.statuses == []


@ROW
@pytest.mark.row("CORE-27")
@pytest.mark.parametrize("target", ["104", "105"])
async def test_a_transfer_does_not_come_back_by_diversions(trio: Trio, target: str) -> None:
    """One of the two is who the target diverts its calls to."""
    assert await trio.calls[1].transfer(target).outcome() in (480, 486)
    assert await trio.hear(*trio.calls) == [{1}, {0}]


@ROW
async def test_diversions_of_the_target_are_followed(trio: Trio) -> None:
    refer = trio.calls[0].transfer("103")
    target = await trio.phones[2].incoming()
    target.answer()
    assert await refer.outcome() == 200
    assert await trio.hear(trio.calls[1], target) == [{1}, {0}]


@ROW
@pytest.mark.parametrize("by", [0, 1])
@pytest.mark.parametrize("target", ["*777", "<sip:%2A777@10.0.0.1;user=phone>"])
async def test_a_dial_code_is_a_target_like_any_other(trio: Trio, by: int, target: str) -> None:
    """Whoever is sent to the echo test hears himself."""
    transferor, stays = trio.calls[by], trio.calls[1 - by]
    refer = transferor.refer(target) if "<" in target else transferor.transfer(target)
    assert await refer.outcome() == 200
    transferor.hang_up()
    assert await trio.hear(stays) == [{0}]
    stays.hang_up()
    await trio.office.settle()


@ROW
async def test_a_call_is_transferred_again_and_again(trio: Trio) -> None:
    """Lee to Taylor, who sends Richardson on to Miller."""
    miller = await trio.office.phone("107")
    trio.calls[0].transfer("102")
    first = await trio.phones[2].incoming()
    first.answer()
    await trio.calls[0].over()
    first.transfer("107")
    last = await miller.incoming()
    last.answer()
    await first.over()
    assert await trio.hear(trio.calls[1], last) == [{1}, {0}]
    assert [told.to for told in trio.office.told_of(CallTransferred)] == ["102", "107"]
    last.hang_up()
    assert await trio.calls[1].over() == 200
    await trio.office.settle()


@ROW
@pytest.mark.parametrize("first", [0, 1])
async def test_of_two_transfers_at_once_the_second_is_refused(trio: Trio, first: int) -> None:
    miller = await trio.office.phone("107")
    one = trio.calls[first].transfer("102")
    await asyncio.sleep(0.0001)
    two = trio.calls[1 - first].transfer("107")
    target = await trio.phones[2].incoming()
    target.answer()
    assert (await one.outcome(), await two.outcome()) == (200, 491)
    assert await trio.hear(trio.calls[1 - first], target) == [{1}, {0}]
    assert not miller.calls


@ROW
async def test_who_is_transferred_may_hang_up_meanwhile(trio: Trio) -> None:
    """The target's phones fall silent, and the transferor is told."""
    refer = trio.calls[0].transfer("102")
    target = await trio.phones[2].incoming()
    trio.calls[1].hang_up()
    assert await target.over() == 487
    assert await refer.outcome() >= 400
    assert await trio.calls[0].over() == 200
    await trio.office.settle()


@ROW
async def test_a_transferor_who_wants_no_news_gets_none(trio: Trio) -> None:
    """Refer-Sub: false (RFC 4488)."""
    refer = trio.calls[0].transfer("102", [("Refer-Sub", "false"), ("Supported", "norefersub")])
    assert await refer.response() == 202
    target = await trio.phones[2].incoming()
    target.answer()
    assert await trio.calls[0].over() == 200
    assert refer.statuses == []
    assert await trio.hear(trio.calls[1], target) == [{1}, {0}]


async def fail(phone: Phone, how: str) -> None:
    """Let a phone not be reached."""
    if how == "gone":
        await phone.unregister()
    elif how != "silent":
        phone.refuse_with = {"busy": 486, "declines": 603}[how]


def the_call_of(phone: Phone) -> PhoneCall:
    (call,) = phone.calls
    return call


def shown(call: PhoneCall) -> str | None:
    """The number of the caller, as the INVITE shows it."""
    session = call.leg.session
    assert session is not None
    return session.request.from_.uri.user


@dataclass
class Subscribe:
    """A SUBSCRIBE within the call that a REFER was sent in, and what it is answered."""

    call: PhoneCall
    event: str
    expires: str
    status: int = 0

    def __post_init__(self) -> None:
        phone, session = self.call.phone, self.call.leg.session
        assert session is not None
        contact = phone.endpoint.local_headers(session.flow, phone.account.number)
        headers = [("Event", self.event), ("Expires", self.expires), *contact]
        request = self.call.dialog.request("SUBSCRIBE", headers)
        phone.driver.perform(phone.endpoint.send(request, session.flow, self, phone.loop.time())[1])

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> list[Effect]:
        self.status = response.status
        return []


def states(phone: Phone) -> list[str | None]:
    """What the NOTIFYs say of their subscriptions."""
    return [notify.get("Subscription-State") for notify in phone.notified]


@ROW
async def test_a_transferor_asks_to_be_told_for_longer_and_then_no_more(trio: Trio) -> None:
    refer = trio.calls[0].transfer("102")
    target = await trio.phones[2].incoming()
    await asyncio.sleep(1)
    longer = Subscribe(trio.calls[0], f"refer;id={refer.event_id}", "60")
    await asyncio.sleep(0.1)
    no_more = Subscribe(trio.calls[0], "refer", "0")
    await asyncio.sleep(0.1)
    assert (longer.status, no_more.status) == (200, 200)
    assert states(trio.phones[0])[-2:] == ["active;expires=60", "terminated;reason=timeout"]
    told = len(refer.statuses)
    target.answer()
    await asyncio.sleep(0.5)
    assert len(refer.statuses) == told
    trio.calls[0].hang_up()
    assert await trio.hear(trio.calls[1], target) == [{1}, {0}]
    target.hang_up()
    assert await trio.calls[1].over() == 200
    await trio.office.settle()


@ROW
@pytest.mark.parametrize(
    ("event", "expires", "status"),
    [("refer;id=77", "60", 403), ("dialog", "60", 489), ("refer;id=\"", "60", 400), ("", "60", 489)],
)
async def test_what_is_no_subscription_to_the_transfer_changes_nothing(
    trio: Trio, event: str, expires: str, status: int
) -> None:
    refer = trio.calls[0].transfer("102")
    target = await trio.phones[2].incoming()
    asked = Subscribe(trio.calls[0], event, expires)
    await asyncio.sleep(0.1)
    assert asked.status == status
    target.answer()
    assert await refer.outcome() == 200
    again = Subscribe(trio.calls[1], "refer", "60")
    await asyncio.sleep(0.1)
    assert again.status == 403


@ROW
async def test_a_call_goes_round_and_comes_to_an_end(trio: Trio) -> None:
    """Lee and Taylor send Richardson to each other, again and again: nothing piles up by that."""
    calls, positions = [trio.calls[0]], [2, 0]
    for turn in range(10):
        phone = trio.phones[positions[turn % 2]]
        refer = calls[-1].transfer(phone.account.number)
        incoming = await phone.incoming()
        incoming.answer()
        assert await refer.outcome() == 200
        assert await calls[-1].over() == 200
        calls.append(incoming)
    assert await trio.hear(trio.calls[1], calls[-1]) == [{1}, {0}]
    assert len(trio.office.switch.calls) == 1
    assert len(trio.office.switch.legs) == 2
    calls[-1].hang_up()
    assert await trio.calls[1].over() == 200
    await trio.office.settle()
