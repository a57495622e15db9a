"""Attended transfer: whoever is consulted gets the call, though he may not have answered yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from features import conference
from features.echo import feature as echo
from pbx.happenings import CallEnded, CallStarted, CallTransferred
from pbx.phone import Phone, PhoneCall
from sipcore.dialog.transfer import Replaces, refer_to
from sipcore.syntax.message import Request, Response
from sipcore.syntax.parser import parse_message
from sipcore.syntax.uri import Uri
from tests.journeys.talking import assert_talk, connect, listen
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter

ROW = pytest.mark.row("CORE-13")


@dataclass
class Consultation:
    """Lee (100) and Richardson (101) talk; `by` is the position of who goes on to consult Taylor (102)."""

    office: Office
    folder: Path
    phones: list[Phone]
    calls: tuple[PhoneCall, PhoneCall]

    async def hear(self, *calls: PhoneCall) -> list[set[int]]:
        """What each hears, once what was asked for has been done."""
        await asyncio.sleep(0.3)
        return await listen(self.folder, *calls)

    async def consult(self, by: int, number: str = "102", *, hold: bool = True) -> PhoneCall:
        """Hold the call and ring somebody else."""
        if hold:
            self.calls[by].hold()
            await asyncio.sleep(0.3)
        consulting = self.phones[by].dial(number)
        await asyncio.sleep(0.1)
        return consulting


@pytest.fixture
def story(make_office: Callable[..., Office], tmp_path: Path) -> Consultation:
    store = {"data_dir": str(tmp_path / "data")}
    features = [echo, conference.feature]
    extensions = {
        "100": {"busy_detection": "phone"},
        "101": {"busy_detection": "phone"},
        "102": {"no_answer_seconds": 8},
    }
    office = make_office(prompts=Prompter(tmp_path), features=features, store=store, extensions=extensions)

    async def talk() -> Consultation:
        await office.open()
        phones = [await office.phone(number) for number in ("100", "101", "102")]
        calls = await connect(phones[0], "101", phones[1])
        await assert_talk(tmp_path, *calls)
        return Consultation(office, tmp_path, phones, calls)

    return office.simulation.run(talk())


async def assert_over(story: Consultation) -> None:
    """Nothing is left, and of every call that began the end was told."""
    await story.office.settle()
    started, ended = story.office.told_of(CallStarted), story.office.told_of(CallEnded)
    assert sorted(told.call for told in started) == sorted(told.call for told in ended)


@ROW
@pytest.mark.row("CORE-15")
@pytest.mark.parametrize("by", [0, 1])
@pytest.mark.parametrize("hold", [False, True])
async def test_who_was_consulted_gets_the_call(story: Consultation, by: int, hold: bool) -> None:
    transferor, stays = story.calls[by], story.calls[1 - by]
    consulting = await story.consult(by, hold=hold)
    target = await story.phones[2].incoming()
    target.answer()
    assert await story.hear(consulting, target) == [{1}, {0}]
    refer = transferor.transfer_to(consulting)
    assert (await refer.response(), await refer.outcome()) == (202, 200)
    assert await consulting.over() == 200
    transferor.hang_up()
    assert await story.hear(stays, target) == [{1}, {0}]
    (told,) = story.office.told_of(CallTransferred)
    assert (told.by, told.party, told.to) == (f"10{by}", f"10{1 - by}", "102")
    target.hang_up()
    assert await stays.over() == 200
    await assert_over(story)


@ROW
async def test_who_consults_may_have_been_called_by_whom_he_consults(story: Consultation) -> None:
    """Taylor calls Lee while she holds; she joins them, by a REFER in either of her calls."""
    story.calls[0].hold()
    story.phones[0].auto_answer = True
    outgoing = story.phones[2].dial("100")
    await outgoing.answered()
    incoming = next(call for call in story.phones[0].calls if call is not story.calls[0])
    assert await incoming.transfer_to(story.calls[0]).outcome() == 200
    assert await story.hear(outgoing, story.calls[1]) == [{1}, {0}]
    story.calls[1].hang_up()
    assert await outgoing.over() == 200
    await assert_over(story)


@ROW
@pytest.mark.parametrize("by", [0, 1])
async def test_who_is_consulted_may_still_be_ringing(story: Consultation, by: int) -> None:
    """Semi-attended: who was waiting hears the ringing, and then the target."""
    transferor, stays = story.calls[by], story.calls[1 - by]
    consulting = await story.consult(by)
    target = await story.phones[2].incoming()
    refer = transferor.transfer_to(consulting)
    assert await refer.response() == 202
    assert await consulting.over() == 487
    await asyncio.sleep(2)
    assert refer.statuses == [100]
    target.answer()
    assert await refer.outcome() == 200
    assert await story.hear(stays, target) == [{1}, {0}]
    transferor.hang_up()
    target.hang_up()
    assert await stays.over() == 200
    await assert_over(story)


@ROW
@pytest.mark.parametrize("cancels_first", [False, True])
async def test_phones_that_transfer_blindly_to_whom_they_were_ringing(
    story: Consultation, cancels_first: bool
) -> None:
    """They cancel the second call at the same moment; its target is not busy by that."""
    transferor, stays = story.calls
    consulting = await story.consult(0)
    first = await story.phones[2].incoming()
    if cancels_first:
        consulting.hang_up()
    refer = transferor.transfer("102")
    if not cancels_first:
        consulting.hang_up()
    target = await story.phones[2].incoming() if cancels_first else first
    await asyncio.sleep(1)
    target.answer()
    assert await refer.outcome() == 200
    assert await story.hear(stays, target) == [{1}, {0}]
    target.hang_up()
    assert await stays.over() == 200
    await assert_over(story)


@ROW
@pytest.mark.parametrize("hung_up", [False, True])
async def test_a_target_that_does_not_answer_after_all(story: Consultation, hung_up: bool) -> None:
    """The transferor has the call back, or is called again."""
    transferor, stays = story.calls
    consulting = await story.consult(0)
    target = await story.phones[2].incoming()
    refer = transferor.transfer_to(consulting)
    await refer.response()
    if hung_up:
        transferor.hang_up()
    target.reject(486)
    if hung_up:
        transferor = await story.phones[0].incoming()
        transferor.answer()
        await asyncio.sleep(0.5)
    else:
        assert await refer.outcome() == 486
        transferor.resume()
    assert await story.hear(transferor, stays) == [{1}, {0}]
    stays.hang_up()
    assert await transferor.over() == 200
    await assert_over(story)


@ROW
async def test_a_call_that_rings_at_the_transferor_is_answered_by_whom_it_sends_there(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    office = make_office(extensions={"100": {"busy_detection": "phone"}})
    await office.open()
    lee, richardson, taylor = [await office.phone(number) for number in ("100", "101", "102")]
    transferor, stays = await connect(lee, "101", richardson)
    outgoing = taylor.dial("100")
    ringing = await lee.incoming()
    assert await transferor.transfer_to(ringing).outcome() == 200
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, outgoing, stays) == [{1}, {0}]
    outgoing.hang_up()
    assert await stays.over() == 200
    await office.settle()


async def test_a_call_that_only_rings_at_the_transferor_is_nothing_to_transfer(
    make_office: Callable[..., Office],
) -> None:
    """Whoever calls through a forward is not cut off by a REFER within the call that rings."""
    extensions = {"100": {"busy_detection": "phone"}, "104": {"forward": {"always": "100"}}}
    office = make_office(extensions=extensions)
    await office.open()
    lee, richardson, taylor = [await office.phone(number) for number in ("100", "101", "102")]
    talking, _ = await connect(lee, "101", richardson)
    outgoing = taylor.dial("104")
    ringing = await lee.incoming()
    ringing.ring()
    await asyncio.sleep(0.3)
    assert await ringing.transfer_to(talking).outcome() == 491
    ringing.answer()
    await outgoing.answered()
    for call in (talking, outgoing):
        call.hang_up()
    await office.settle()


@ROW
async def test_who_consulted_a_conference_brings_the_other_there(story: Consultation) -> None:
    """The one that waited dials in anew: the conference asks it who it is."""
    consulting = await story.consult(0, "*777")
    await consulting.answered()
    assert await story.calls[0].transfer_to(consulting).outcome() == 200
    assert await consulting.over() == 200
    assert await story.hear(story.calls[1]) == [{0}]
    story.calls[1].hang_up()
    await assert_over(story)


@ROW
async def test_a_refer_within_the_call_to_the_feature_does_the_same(story: Consultation) -> None:
    consulting = await story.consult(0, "*777")
    await consulting.answered()
    assert await consulting.transfer_to(story.calls[0]).outcome() == 200
    assert await story.hear(story.calls[1]) == [{0}]
    assert await story.calls[0].over() == 200
    story.calls[1].hang_up()
    await assert_over(story)


@ROW
async def test_a_party_of_a_conference_is_brought_there_by_another(story: Consultation) -> None:
    consulting = await story.consult(0, "700")
    await consulting.answered()
    assert await story.calls[0].transfer_to(consulting).outcome() == 200
    assert await consulting.over() == 200
    await asyncio.sleep(1)
    story.calls[1].hang_up()
    await assert_over(story)


@ROW
async def test_a_party_who_hangs_up_as_it_is_joined_leaves_nobody_behind(story: Consultation) -> None:
    consulting = await story.consult(0)
    target = await story.phones[2].incoming()
    target.answer()
    await consulting.answered()
    refer = story.calls[0].transfer_to(consulting)
    await asyncio.sleep(0.0001)  # the REFER comes first
    story.calls[1].hang_up()
    assert await target.over() == 200
    assert await refer.outcome() >= 200
    assert await story.calls[0].over() == 200
    await assert_over(story)


# -- what is refused -----------------------------------------------------------------------------------


@ROW
async def test_a_dialog_that_is_not_there_or_not_ones_own_moves_nothing(story: Consultation) -> None:
    miller = await story.office.phone("107")
    bell = await story.office.phone("105")
    foreign, _ = await connect(miller, "105", bell)
    target = Uri.parse("sip:105@10.0.0.1")
    transferor = story.calls[0]
    for named in (Replaces("a", "b", "c"), foreign.replaces, story.calls[1].replaces):
        assert await transferor.refer(refer_to(target, named)).response() == 403
    assert await transferor.transfer_to(transferor).response() == 491
    assert await story.hear(*story.calls) == [{1}, {0}]


@ROW
async def test_two_features_are_not_joined(story: Consultation) -> None:
    one, other = story.phones[2].dial("*777"), story.phones[2].dial("*777")
    await one.answered()
    await other.answered()
    assert await one.transfer_to(other).response() == 491
    assert await story.hear(one, other) == [{0}, {1}]


@ROW
async def test_the_refer_is_answered_before_the_call_to_whom_was_consulted_ends(story: Consultation) -> None:
    consulting = await story.consult(0)
    (await story.phones[2].incoming()).answer()
    await story.hear()
    heard: list[bytes] = []
    story.phones[0].driver.on_wire = lambda outgoing, flow, data: None if outgoing else heard.append(data)
    refer = story.calls[0].transfer_to(consulting)
    assert await refer.outcome() == 200
    assert await consulting.over() == 200
    messages = [parse_message(data) for data in heard]
    accepted = messages[0]
    assert isinstance(accepted, Response)
    assert accepted.status == 202
    assert [accepted.has(name) for name in ("Server", "User-Agent")] == [True, False]
    requests = [message.method for message in messages if isinstance(message, Request)]
    assert requests[0] == "BYE"
    assert set(requests) == {"BYE", "NOTIFY"}


@ROW
@pytest.mark.parametrize("by", [0, 1])
@pytest.mark.parametrize("incoming", [False, True])
async def test_who_hangs_up_just_before_the_refer_is_not_rung_again(
    story: Consultation, by: int, incoming: bool
) -> None:
    """The BYE crosses the REFER, and is served first: whoever is left talks to the transferor."""
    consulting, target = await consulted(story, by, incoming)
    gone, stays = story.calls[1 - by], target
    gone.hang_up()
    refer = story.calls[by].transfer_to(consulting)
    assert await refer.response() >= 400
    assert await story.hear(consulting, stays) == [{1}, {0}]
    await asyncio.sleep(1)
    assert sum(len(phone.calls) for phone in story.phones) == 2
    consulting.hang_up()
    await stays.over()
    await assert_over(story)


@ROW
@pytest.mark.parametrize("by", [0, 1])
@pytest.mark.parametrize("incoming", [False, True])
async def test_who_was_consulted_and_hangs_up_just_before_the_refer_is_not_rung_again(
    story: Consultation, by: int, incoming: bool
) -> None:
    consulting, target = await consulted(story, by, incoming)
    target.hang_up()
    refer = story.calls[by].transfer_to(consulting)
    assert await refer.response() >= 400
    story.calls[by].resume()
    assert await story.hear(*story.calls) == [{1}, {0}]
    await asyncio.sleep(1)
    assert sum(len(phone.calls) for phone in story.phones) == 2
    story.calls[by].hang_up()
    await story.calls[1 - by].over()
    await assert_over(story)


async def consulted(story: Consultation, by: int, incoming: bool) -> tuple[PhoneCall, PhoneCall]:
    """The transferor talks to Taylor, too, whom it has called, or by whom it was called: its own call, and hers."""
    if not incoming:
        consulting = await story.consult(by)
        target = await story.phones[2].incoming()
        target.answer()
    else:
        story.calls[by].hold()
        await asyncio.sleep(0.3)
        target = story.phones[2].dial(f"10{by}")
        consulting = await story.phones[by].incoming()
        consulting.answer()
    await asyncio.sleep(0.5)
    return consulting, target
