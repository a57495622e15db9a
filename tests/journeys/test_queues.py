"""Queues: callers hear music until an agent is free, and are told where they stand."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pbx.happenings import CallAnswered, CallConnected, CallEnded, CallQueued
from pbx.phone import CallFailed
from pbx.phone_transfer import pick_up
from pbx.presence import UserStatus
from tests.interop.tones import write_tone
from tests.journeys.talking import MUSIC, TONES_HZ, assert_talk, caller_shown, connect
from tests.journeys.test_forking import ELSEWHERE, reasons_of
from tests.journeys.test_pickup import named
from tests.journeys.test_trunks import LINES, lines, tables
from tests.journeys.waiting_room import MakeOffice, until, waiting_room


@pytest.mark.row("QUE-01", "QUE-08", "QUE-09", "QUE-10", "QUE-11", "QUE-16", "ADM-11", "CORE-15")
async def test_a_caller_hears_music_until_an_agent_is_free(make_office: MakeOffice, tmp_path: Path) -> None:
    room = waiting_room(make_office, tmp_path)
    await room.open()
    call = room.phones["100"].dial("804")
    await call.answered()
    assert await room.hear(call) == [{MUSIC}]
    await asyncio.sleep(4.2)
    [row] = room.queues.board()
    assert (row.number, row.name, row.strategy) == ("804", "Hunt Queues", "hunt")
    assert row.title == "804 (804) Hunt Queues"
    [waiting] = row.waiting
    assert (waiting.caller, waiting.caller_name, waiting.waited) == ("100", "Lee Parker", "00:00:05")
    assert row.logged_in == ()
    await room.queues.log_in("101")
    incoming = await room.phones["101"].incoming()
    assert caller_shown(incoming) == ("Lee Parker", "100")
    await until(lambda: room.queues.board()[0].agents[0].state.display.value == "ringing")
    [agent] = room.queues.board()[0].logged_in
    assert (agent.number, agent.name) == ("101", "Richardson Bailey")
    incoming.answer()
    assert await room.hear(call, incoming) == [{1}, {0}]
    assert room.waiting() == []
    assert room.left() == [("answered", "101")]
    assert [told.feature for told in room.office.told_of(CallAnswered)] == ["queues"]
    assert [told.to for told in room.office.told_of(CallConnected)] == ["101"]
    incoming.hang_up()
    assert await call.over() == 200
    await room.go_home()


@pytest.mark.row("QUE-17", "QUE-18")
async def test_a_hunt_goes_on_to_the_next_agent_and_leaves_out_who_is_away(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = waiting_room(make_office, tmp_path)
    await room.open("101", "102", "103")
    room.office.switch.presence.say("102", UserStatus.AWAY)
    call = room.phones["100"].dial("804")
    first = await room.phones["101"].incoming()
    assert await first.over() == 487
    second = await room.phones["103"].incoming()
    await until(lambda: room.rang() == ["101", "103"])
    second.reject(603)
    again = await room.phones["101"].incoming()  # has been left alone for a while
    room.office.switch.presence.say("102", UserStatus.AVAILABLE)
    again.reject(486)
    third = await room.phones["102"].incoming()
    third.answer()
    assert await room.hear(call, third) == [{1}, {0}]
    assert room.queues.logged_in("102") == ("804",)
    await room.go_home()


@pytest.mark.row("QUE-17")
async def test_all_ring_and_one_gets_the_call(make_office: MakeOffice, tmp_path: Path) -> None:
    room = waiting_room(make_office, tmp_path, strategy="ring_all")
    await room.open("101", "102", "103")
    reasons = reasons_of(room.phones["101"], "CANCEL")
    call = room.phones["100"].dial("804")
    incoming = [await room.phones[number].incoming() for number in ("101", "102", "103")]
    incoming[2].reject(603)
    await asyncio.sleep(1)
    assert room.office.switch.calls_of("101") == 1  # what one declines, the others may still take
    incoming[1].answer()
    assert await incoming[0].over() == 487
    assert reasons == [ELSEWHERE]
    assert await room.hear(call, incoming[1]) == [{1}, {0}]
    await room.go_home()


@pytest.mark.row("QUE-20")
async def test_first_come_first_served_and_one_call_at_a_time(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    other = {"number": "805", "agents": ["101"], "priority": 1}
    room = waiting_room(make_office, tmp_path, other, wrap_up_seconds=3)
    await room.open("101", phones=("100", "101", "104", "105"))
    calls = [await connect(room.phones["100"], "804", room.phones["101"])]
    later = room.phones["104"].dial("804")
    await asyncio.sleep(1)
    urgent = room.phones["105"].dial("805")
    await asyncio.sleep(1)
    assert (room.waiting("804"), room.waiting("805")) == (["104"], ["105"])
    assert room.office.switch.calls_of("101") == 1
    ended = room.office.switch.loop.time()
    calls[0][1].hang_up()
    for caller, outgoing, wrap_up in (("105", urgent, 3), ("104", later, 0)):
        incoming = await room.phones["101"].incoming()
        assert caller_shown(incoming)[1] == caller
        assert room.office.switch.loop.time() - ended == pytest.approx(wrap_up, abs=0.1)
        incoming.answer()
        assert await room.hear(outgoing, incoming) == [{1}, {0}]
        ended = room.office.switch.loop.time()
        incoming.hang_up()
    await room.go_home()


async def test_positions_are_told_and_nobody_waits_for_that(make_office: MakeOffice, tmp_path: Path) -> None:
    room = waiting_room(make_office, tmp_path, announce_seconds=10, announce_wait=True)
    await room.open()
    first, second = room.phones["100"].dial("804"), room.phones["103"].dial("804")
    await asyncio.sleep(10.1)
    said = [each for each in room.prompter.said if each != "music"]
    assert said == ["queue.first", "queue.position", "number.2"]
    before = room.office.switch.loop.time()
    await room.queues.log_in("101")  # in the middle of what is said
    incoming = await room.phones["101"].incoming()
    assert room.office.switch.loop.time() - before < 0.05
    incoming.answer()
    assert await room.hear(first, incoming) == [{1}, {0}]
    await asyncio.sleep(20)
    incoming.hang_up()
    await first.over()
    (await room.phones["101"].incoming()).reject(486)
    await asyncio.sleep(10)
    said = [each for each in room.prompter.said if each != "music"]
    assert said[-4:] == ["queue.first", "queue.wait", "number.1", "time.minute"]
    assert room.waiting() == ["103"]
    second.hang_up()
    await room.go_home()


async def test_a_queue_has_music_of_its_own_which_goes_on_after_an_announcement(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    folder = tmp_path / "waltz"
    folder.mkdir()
    write_tone(folder / "1.wav", TONES_HZ[2], 6.0)
    write_tone(folder / "2.wav", TONES_HZ[3], 60.0)
    room = waiting_room(make_office, tmp_path, music=str(folder), announce_seconds=10)
    await room.open(phones=("100", "101"))
    call = room.phones["100"].dial("804")
    await call.answered()
    assert await room.hear(call) == [{2}]
    await asyncio.sleep(6)
    assert await room.hear(call) == [{3}]
    await asyncio.sleep(3)  # announced meanwhile
    assert "queue.first" in room.prompter.said
    assert await room.hear(call) == [{3}]
    await room.queues.log_in("101")
    incoming = await room.phones["101"].incoming()
    assert await room.hear(call) == [{3}]  # nobody rings in the ear of who waits
    incoming.answer()
    assert await room.hear(call, incoming) == [{1}, {0}]
    await room.go_home()


async def test_agents_see_for_which_queue_a_call_is(make_office: MakeOffice, tmp_path: Path) -> None:
    room = waiting_room(make_office, tmp_path, caller_prefix="Support:")
    await room.open("101")
    room.phones["100"].dial("804")
    assert caller_shown(await room.phones["101"].incoming()) == ("Support: Lee Parker", "100")
    await room.go_home()


async def test_a_greeting_is_heard_first_but_an_agent_may_answer_meanwhile(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    greeting = tmp_path / "greeting.wav"
    write_tone(greeting, 2300.0, 5.0)
    room = waiting_room(make_office, tmp_path, greeting=str(greeting))
    await room.open("101")
    call, incoming = await connect(room.phones["100"], "804", room.phones["101"])
    assert await room.hear(call, incoming) == [{1}, {0}]
    assert room.prompter.said[0] == greeting
    await room.go_home()


async def test_callers_who_only_hear_ringing_are_answered_by_the_agent(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = waiting_room(make_office, tmp_path, hears="ringing", max_wait_seconds=30)
    await room.open()
    call = room.phones["100"].dial("804")
    await asyncio.sleep(5)
    assert call.provisionals[-1:] == [180]
    assert room.office.told_of(CallAnswered) == []
    await room.queues.log_in("101")
    incoming = await room.phones["101"].incoming()
    incoming.answer()
    await call.answered()
    assert [told.by for told in room.office.told_of(CallAnswered)] == ["101"]
    await assert_talk(tmp_path, call, incoming)
    with pytest.raises(CallFailed, match="480"):  # the agent is on the phone
        await room.phones["102"].call("804")
    await room.go_home()


async def test_who_has_waited_too_long_goes_to_another_number(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = waiting_room(make_office, tmp_path, max_wait_seconds=12, overflow="102")
    await room.open("101")
    call = room.phones["100"].dial("804")
    agent = await room.phones["101"].incoming()
    taylor = await room.phones["102"].incoming()
    assert agent.leg.ended.done()
    taylor.answer()
    assert await room.hear(call, taylor) == [{1}, {0}]
    assert room.left() == [("too long", "")]
    await room.go_home()


async def test_a_full_queue_is_busy_and_costs_nothing(make_office: MakeOffice, tmp_path: Path) -> None:
    room = waiting_room(make_office, tmp_path, max_callers=1)
    await room.open()
    room.phones["100"].dial("804")
    await asyncio.sleep(1)
    with pytest.raises(CallFailed, match="486"):
        await room.phones["102"].call("804")
    assert room.left() == [("full", "")]
    assert len(room.office.told_of(CallAnswered)) == 1
    await room.go_home()


async def test_queues_that_send_callers_to_each_other_end_the_call(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    other = {"number": "805", "leave_when_empty": True, "overflow": "804"}
    room = waiting_room(make_office, tmp_path, other, leave_when_empty=True, overflow="system:805")
    await room.open()
    with pytest.raises(CallFailed, match="480"):
        await room.phones["100"].call("804")
    assert room.left() == [("no agent", ""), ("no agent", "")]
    await room.go_home()


async def test_without_agents_callers_are_told_so(make_office: MakeOffice, tmp_path: Path) -> None:
    room = waiting_room(make_office, tmp_path, leave_when_empty=True)
    await room.open("101")
    call = room.phones["100"].dial("804")
    incoming = await room.phones["101"].incoming()
    await room.queues.log_out("101")
    assert await incoming.over() == 487
    assert await call.over() == 200
    assert room.prompter.said[-1] == "queue.nobody_free"
    assert room.left() == [("no agent", "")]
    await room.go_home()


@pytest.mark.row("QUE-21")
async def test_who_hangs_up_is_gone_at_once(make_office: MakeOffice, tmp_path: Path) -> None:
    room = waiting_room(make_office, tmp_path)
    await room.open("101")
    call, other = room.phones["100"].dial("804"), room.phones["103"].dial("804")
    incoming = await room.phones["101"].incoming()
    call.hang_up()
    assert await incoming.over() == 487
    assert room.waiting() == ["103"]
    other.hang_up()
    await until(lambda: room.waiting() == [])
    await asyncio.sleep(30)
    assert room.left() == [("abandoned", ""), ("abandoned", "")]
    assert not room.phones["102"].calls
    await room.go_home()


@pytest.mark.row("ADM-10")
async def test_a_call_from_outside_waits_and_a_transferred_one(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    did = [{"did": "+33140000009", "target": "804"}]
    room = waiting_room(make_office, tmp_path, tables=tables(LINES, inbound_rules=did))
    await room.open()
    gateway = await lines(room.office)
    outside = gateway.call_in("+33140000009")
    await outside.answered()
    assert await room.hear(outside) == [{MUSIC}]
    lee, richardson = room.phones["100"], room.phones["101"]
    calls = await connect(lee, "101", richardson)
    assert await calls[1].transfer("804").outcome() == 200
    assert await room.hear(calls[0]) == [{MUSIC}]
    assert room.waiting() == ["+33612345678", "100"]
    await until(lambda: not richardson.calls)
    await room.queues.log_in("101")
    for caller in (outside, calls[0]):
        incoming = await richardson.incoming()
        incoming.answer()
        assert await room.hear(caller, incoming) == [{1}, {0}]
        incoming.hang_up()
    await room.go_home()


@pytest.mark.parametrize("target", ["804", "system:804"])
async def test_an_extension_forwards_to_a_queue(make_office: MakeOffice, tmp_path: Path, target: str) -> None:
    forward = {"105": {"forward": {"always": target}}}
    room = waiting_room(
        make_office, tmp_path, tables={"extensions": forward}, max_wait_seconds=5, overflow="105"
    )
    await room.open("101")
    call, incoming = await connect(room.phones["100"], "105", room.phones["101"])
    assert await room.hear(call, incoming) == [{1}, {0}]
    lost = room.phones["103"].dial("105")
    assert await lost.over() == 200  # back where it came from, it does not go round
    assert room.left() == [("answered", "101"), ("too long", "")]
    await room.go_home()


async def test_a_colleague_picks_up_what_rings_at_an_agent(make_office: MakeOffice, tmp_path: Path) -> None:
    room = waiting_room(make_office, tmp_path)
    await room.open("101", phones=("100", "101", "104"))
    call = room.phones["100"].dial("804")
    incoming = await room.phones["101"].incoming()
    await asyncio.sleep(1)
    picked = pick_up(room.phones["104"], "101", named(incoming))
    await picked.answered()
    assert await incoming.over() == 487
    assert await room.hear(call, picked) == [{1}, {0}]
    assert room.left() == [("answered", "104")]
    await room.go_home()


async def test_queues_come_and_go_while_the_system_runs(make_office: MakeOffice, tmp_path: Path) -> None:
    room = waiting_room(make_office, tmp_path)
    await room.open("101", "102")
    await connect(room.phones["103"], "101", room.phones["101"])
    call = room.phones["100"].dial("804")
    incoming = await room.phones["102"].incoming()

    def change(live: dict[str, Any]) -> None:
        live["queues"] = [{"number": "805", "agents": ["102"]}]

    await room.office.switch.live_changes.revise(change)
    assert await incoming.over() == 487
    assert await call.over() == 200
    assert room.left() == [("closed", "")]
    with pytest.raises(CallFailed, match="404"):
        await room.phones["100"].call("804")
    await room.queues.log_in("102")
    await connect(room.phones["100"], "805", room.phones["102"])
    started, ended = room.office.told_of(CallQueued), room.office.told_of(CallEnded)
    assert len(started) == 2
    assert len(ended) == 2
    await room.go_home()
