"""Agents of queues: they log in and out with codes, and accept waiting calls that they choose."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pbx import steering
from pbx.happenings import QueueLogin
from pbx.history.record import CallList
from pbx.phone import CallFailed
from pbx.presence import UserStatus
from pbx.refused import Refused
from pbx.statuses import OwnStatus, set_user_status, user_status
from pbx.store.errors import StoreUnavailable
from pbx.transfer import WrongState
from tests.journeys.talking import connect
from tests.journeys.test_forking import ELSEWHERE, reasons_of
from tests.journeys.test_trunks import LINES, lines, tables
from tests.journeys.waiting_room import MakeOffice, WaitingRoom, until, waiting_room

SECOND = {"number": "805", "agents": ["101", "104"]}


async def dial(room: WaitingRoom, number: str, code: str) -> str:
    """What somebody hears who dials a code; the call of who is no agent is not answered for that."""
    call = room.phones[number].dial(code)
    status = await call.over()
    said = str(room.prompter.said[-1])
    assert status == (403 if said == "queue.no_agent" else 200)
    return said


async def missed(room: WaitingRoom, *agents: str) -> list[int]:
    """How many missed calls each has in the list."""
    latest = room.office.switch.history.latest
    return [len(await latest(agent, CallList.MISSED)) for agent in agents]


@pytest.mark.row("DC-12", "DC-13", "QUE-02", "QUE-04", "QUE-05", "QUE-07", "QUE-15")
async def test_codes_log_in_and_out_of_all_queues(make_office: MakeOffice, tmp_path: Path) -> None:
    room = waiting_room(make_office, tmp_path, SECOND)
    await room.open()
    logged_in = room.queues.logged_in
    assert await dial(room, "101", "*62") == "queue.logged_in"
    assert logged_in("101") == ("804", "805")
    assert await dial(room, "101", "*62") == "queue.logged_in"
    assert await dial(room, "101", "*63804") == "queue.logged_out"
    assert logged_in("101") == ("805",)
    assert [row.number for row in room.queues.board("102")] == ["804"]
    assert await dial(room, "102", "*62805") == "queue.no_agent"
    assert await dial(room, "102", "*62804") == "queue.logged_in"
    assert await dial(room, "101", "*63") == "queue.logged_out"
    assert logged_in("101") == ()
    assert await dial(room, "100", "*62") == "queue.no_agent"
    assert await dial(room, "100", "*63") == "queue.no_agent"
    told = [(one.extension, one.queue, one.logged_in) for one in room.office.told_of(QueueLogin)]
    assert told == [
        ("101", "804", True),
        ("101", "805", True),
        ("101", "804", False),
        ("102", "804", True),
        ("101", "805", False),
    ]
    await room.go_home()


@pytest.mark.row("DC-12", "QUE-05")
async def test_nobody_is_logged_out_by_a_transfer(make_office: MakeOffice, tmp_path: Path) -> None:
    room = waiting_room(make_office, tmp_path)
    await room.open()
    await dial(room, "101", "*62")
    call, incoming = await connect(room.phones["101"], "102", room.phones["102"])
    assert await incoming.transfer("*63").outcome() == 403
    assert room.queues.logged_in("101") == ("804",)
    call.hang_up()
    await room.go_home()


@pytest.mark.row("QUE-06", "STAT-06", "STAT-07", "STAT-08")
async def test_a_user_reads_and_sets_status_and_queue_status_together(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    """In one call for all queues, as a page has it; nobody is logged in at first."""
    room = waiting_room(make_office, tmp_path, SECOND, database=tmp_path / "myphone.db")
    await room.open()
    switch = room.office.switch
    assert user_status(switch, "101") == OwnStatus("101", UserStatus.AVAILABLE, "", logged_in=False)
    await set_user_status(switch, "101", UserStatus.AWAY, logged_in=True)
    assert user_status(switch, "101") == OwnStatus("101", UserStatus.AWAY, "", logged_in=True)
    assert room.queues.logged_in("101") == ("804", "805")
    await set_user_status(switch, "101", UserStatus.AVAILABLE, "back at noon")  # the other stays
    assert user_status(switch, "101") == OwnStatus(
        "101", UserStatus.AVAILABLE, "back at noon", logged_in=True
    )
    await room.office.restart()
    switch = room.office.switch
    assert user_status(switch, "101") == OwnStatus(
        "101", UserStatus.AVAILABLE, "back at noon", logged_in=True
    )
    await set_user_status(switch, "101", UserStatus.AVAILABLE, logged_in=False)
    assert room.queues.logged_in("101") == ()
    await room.go_home()


async def test_who_serves_one_queue_of_two_is_logged_in(make_office: MakeOffice, tmp_path: Path) -> None:
    room = waiting_room(make_office, tmp_path, SECOND)
    await room.open()
    await room.queues.log_in("101", "805")
    assert user_status(room.office.switch, "101").logged_in
    await set_user_status(room.office.switch, "101", UserStatus.AWAY, logged_in=False)
    assert room.queues.logged_in("101") == ()


async def test_nobody_outside_logs_in(make_office: MakeOffice, tmp_path: Path) -> None:
    did = [{"did": "+33140000009", "target": "*62"}]
    room = waiting_room(make_office, tmp_path, tables=tables(LINES, inbound_rules=did))
    await room.open()
    call = (await lines(room.office)).call_in("+33140000009", caller="101")
    with pytest.raises(CallFailed, match="403"):
        await call.answered()
    assert room.office.told_of(QueueLogin) == []


@pytest.mark.row("QUE-19")
async def test_who_is_logged_in_stays_so_over_a_restart(make_office: MakeOffice, tmp_path: Path) -> None:
    room = waiting_room(make_office, tmp_path, SECOND, database=tmp_path / "myphone.db")
    await room.open()
    await dial(room, "101", "*62")
    await dial(room, "101", "*63805")
    await dial(room, "102", "*62")
    await dial(room, "102", "*63")
    told = len(room.office.told_of(QueueLogin))
    await room.office.restart()
    assert room.queues.logged_in("101") == ("804",)
    assert room.queues.logged_in("102") == ()
    assert len(room.office.told_of(QueueLogin)) == told
    for phone in room.phones.values():
        await phone.register()
    await connect(room.phones["100"], "804", room.phones["101"])
    await room.go_home()


@pytest.mark.row("QUE-03")
async def test_who_logs_out_while_it_rings_has_missed_nothing(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = waiting_room(make_office, tmp_path)
    await room.open("101", phones=("100", "101", "102"))
    reasons = reasons_of(room.phones["101"], "CANCEL")
    room.phones["100"].dial("804")
    incoming = await room.phones["101"].incoming()
    await until(lambda: room.rang() == ["101"])
    await room.queues.log_out("101")
    assert await incoming.over() == 487
    assert reasons == [ELSEWHERE]
    await asyncio.sleep(60)
    assert room.rang() == ["101"]
    assert room.waiting() == ["100"]
    await room.go_home()
    assert await missed(room, "101") == [0]


@pytest.mark.row("QUE-12")
async def test_an_agent_accepts_a_waiting_call_that_rings_elsewhere(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    """The accept wins, the phone that rings is cancelled and shows no missed call (A44)."""
    room = waiting_room(make_office, tmp_path)
    await room.open("101", "102", phones=("100", "101", "102", "103", "104"))
    reasons = reasons_of(room.phones["101"], "CANCEL")
    call = room.phones["100"].dial("804")
    ringing = await room.phones["101"].incoming()
    [waiting] = room.queues.board("102")[0].waiting
    assert waiting.ringing == ("101",)
    room.queues.accept(waiting.call, "102")
    assert await ringing.over() == 487
    assert reasons == [ELSEWHERE]
    accepted = await room.phones["102"].incoming()
    accepted.answer()
    assert await room.hear(call, accepted) == [{1}, {0}]
    await room.go_home()
    assert await missed(room, "101", "102") == [0, 0]


@pytest.mark.row("QUE-12")
async def test_who_was_cancelled_for_an_accept_has_missed_nothing_even_if_nobody_answers(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = waiting_room(make_office, tmp_path)
    await room.open("101", "102")
    call = room.phones["100"].dial("804")
    ringing = await room.phones["101"].incoming()
    await until(lambda: room.rang() == ["101"])
    room.queues.accept(room.queues.board()[0].waiting[0].call, "102")
    assert await ringing.over() == 487
    await until(lambda: room.rang() == ["101", "102"])
    call.hang_up()
    await room.go_home()
    assert await missed(room, "101", "102") == [0, 1]


@pytest.mark.row("QUE-12", "QUE-13", "QUE-14")
async def test_of_two_who_accept_one_gets_the_call_and_the_other_a_reason(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = waiting_room(make_office, tmp_path)
    await room.open("101", "102", phones=("100", "101", "102", "103", "104"))
    first, second = room.phones["100"].dial("804"), room.phones["104"].dial("804")
    ringing = [await room.phones[number].incoming() for number in ("101", "102")]
    calls = [row.call for row in room.queues.board()[0].waiting]
    room.queues.accept(calls[1], "101")  # it has rung for the other one
    assert await ringing[0].over() == 487
    assert await ringing[1].over() == 487
    with pytest.raises(WrongState, match="somebody else has accepted it"):
        room.queues.accept(calls[1], "102")
    for number in ("103", "104"):  # not logged in, and no agent
        if number == "103":
            with pytest.raises(Refused, match="403"):
                room.queues.accept(calls[1], number)
        else:
            with pytest.raises(WrongState, match="on the phone already"):
                room.queues.accept(calls[1], number)
    accepted = await room.phones["101"].incoming()
    assert (await room.phones["102"].incoming()).leg.state.value == "ringing"
    accepted.answer()
    assert await room.hear(second, accepted) == [{1}, {0}]
    with pytest.raises(WrongState, match="waits no more"):
        room.queues.accept(calls[1], "102")
    with pytest.raises(WrongState, match="on the phone already"):
        room.queues.accept(calls[0], "101")
    first.hang_up()
    await room.go_home()


async def test_an_accepted_call_that_is_not_answered_waits_where_it_did(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = waiting_room(make_office, tmp_path, ring_seconds=5)
    await room.open("101", phones=("100", "101", "104"))
    room.office.switch.presence.say("101", room.office.switch.presence.of("101").status)
    room.phones["100"].dial("804")
    (await room.phones["101"].incoming()).reject(486)
    await asyncio.sleep(0.5)
    room.phones["104"].dial("804")
    await until(lambda: room.waiting() == ["100", "104"])
    room.queues.accept(
        room.queues.board()[0].waiting[1].call, "101"
    )  # at once, though he is left alone for a while
    assert await (await room.phones["101"].incoming()).over() == 487
    assert room.waiting() == ["100", "104"]
    await room.phones["101"].unregister()
    with pytest.raises(WrongState, match="no phone"):
        room.queues.accept(room.queues.board()[0].waiting[1].call, "101")
    await room.go_home()


async def test_who_cannot_be_logged_in_now_is_told_so(
    make_office: MakeOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = waiting_room(make_office, tmp_path)
    await room.open()

    async def write(change: object) -> None:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(room.office.switch.store, "write", write)
        call = room.phones["101"].dial("*62")
        assert await call.over() == 503
    assert room.prompter.said[-1] == "queue.not_changed"
    assert room.queues.logged_in("101") == ()
    await room.go_home()


async def test_who_is_called_by_a_colleague_accepts_nothing(make_office: MakeOffice, tmp_path: Path) -> None:
    room = waiting_room(make_office, tmp_path)
    await room.open("101", phones=("100", "101", "104"))
    room.phones["104"].dial("101")
    await room.phones["101"].incoming()
    room.phones["100"].dial("804")
    await until(lambda: room.waiting() == ["100"])
    with pytest.raises(WrongState, match="on the phone already"):
        room.queues.accept(room.queues.board()[0].waiting[0].call, "101")
    assert room.rang() == ["101"]
    await room.go_home()


async def test_an_agent_who_hands_a_caller_on_is_free_for_the_next(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = waiting_room(make_office, tmp_path)
    await room.open("101", phones=("100", "101", "104", "105"))
    call, incoming = await connect(room.phones["100"], "804", room.phones["101"])
    next_call = room.phones["104"].dial("804")
    await until(lambda: room.waiting() == ["104"])
    refer = incoming.transfer("105")
    thomas = await room.phones["105"].incoming()
    thomas.answer()
    assert await refer.outcome() == 200
    again = await room.phones["101"].incoming()
    again.answer()
    assert await room.hear(call, thomas) == [{1}, {0}]
    assert await room.hear(next_call, again) == [{1}, {0}]
    assert room.left() == [("answered", "101"), ("answered", "101")]
    await room.go_home()


async def test_a_call_may_be_diverted_to_a_queue_of_ones_own(make_office: MakeOffice, tmp_path: Path) -> None:
    room = waiting_room(make_office, tmp_path)
    await room.open("101", "102")
    call = room.phones["100"].dial("101")
    ringing = await room.phones["101"].incoming()
    [ours] = room.office.switch.calls.values()
    await until(lambda: ours.rings)
    steering.divert(ours, "804")
    assert await ringing.over() == 487
    incoming = await room.phones["101"].incoming()
    incoming.answer()
    assert await room.hear(call, incoming) == [{1}, {0}]
    await room.go_home()


async def test_a_waiting_call_that_rings_at_an_agent_may_be_diverted(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = waiting_room(make_office, tmp_path)
    await room.open("101")
    call = room.phones["100"].dial("804")
    ringing = await room.phones["101"].incoming()
    await until(lambda: room.rang() == ["101"])
    [ours] = room.office.switch.calls.values()
    steering.divert(ours, "102")
    assert await ringing.over() == 487
    assert room.left() == [("diverted", "")]
    incoming = await room.phones["102"].incoming()
    incoming.answer()
    assert await room.hear(call, incoming) == [{1}, {0}]
    await room.go_home()


@pytest.mark.row("AST-17", "QUE-17")
async def test_one_of_several_agents_diverts_for_himself_and_the_caller_keeps_the_place(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = waiting_room(make_office, tmp_path, strategy="ring_all", ring_seconds=30)
    await room.open("101", "102", phones=("100", "101", "102", "104"))
    outgoing = room.phones["100"].dial("804")
    incoming = [await room.phones[number].incoming() for number in ("101", "102")]
    (call,) = room.office.switch.calls.values()
    steering.perform(call, "101", steering.Verb.DIVERT, "104")
    diverted = await room.phones["104"].incoming()
    assert await incoming[0].over() == 487
    assert room.waiting() == ["100"]
    assert set(call.rings_at) == {"102", "104"}
    diverted.answer()
    assert await incoming[1].over() == 487
    assert await room.hear(outgoing, diverted) == [{1}, {0}]
    assert room.left() == [("answered", "104")]
    await room.go_home()
