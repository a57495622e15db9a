"""When a feature, the sound or the whole switch lets a call down: the caller is told, and no other call notices."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from media.engine import MediaEngine
from media.messages import Event, StreamFailed, WorkerLost
from media.service import InlineEngine
from pbx.happenings import CallAnswered, CallEnded
from pbx.phone import PhoneCall
from pbx.plugin import Call, Feature, Refused
from tests.journeys.talking import connect, couple
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]
Handler = Callable[[Call], Coroutine[Any, Any, None]]


async def office_with(make_office: MakeOffice, handler: Handler) -> Office:
    """An office in which *5 leads to `handler`."""
    feature = Feature("trial")
    feature.dial("*5", summary="Whatever a feature may do")(handler)
    office = make_office(features=[feature])
    await office.open()
    return office


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as an error; from now on it is forgotten."""
    messages = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    caplog.clear()
    return messages


def how_it_ended(office: Office) -> tuple[int, str]:
    """Status and reason of the only call."""
    [ended] = office.told_of(CallEnded)
    return ended.status, ended.reason


# -- features --------------------------------------------------------------------------------------


async def breaks(call: Call) -> None:
    raise RuntimeError("a mistake of the feature")


async def answers_and_breaks(call: Call) -> None:
    await call.answer()
    raise RuntimeError("a mistake of the feature")


async def refuses(call: Call) -> None:
    raise Refused(403, "Not Today")


async def answers_and_refuses(call: Call) -> None:
    await call.answer()
    raise Refused(403, "Not Today")


async def cancels_itself(call: Call) -> None:
    raise asyncio.CancelledError


async def does_nothing(call: Call) -> None:
    pass


@pytest.mark.parametrize(
    ("handler", "heard", "told", "logged"),
    [
        (breaks, 500, (500, "Server Internal Error"), 1),
        (answers_and_breaks, 200, (200, "OK"), 1),
        (refuses, 403, (403, "Not Today"), 0),
        (answers_and_refuses, 200, (200, "OK"), 0),
        (cancels_itself, 500, (500, "Server Internal Error"), 0),
        (does_nothing, 480, (480, "Temporarily Unavailable"), 0),
    ],
)
async def test_however_a_feature_ends_its_call_ends(
    make_office: MakeOffice,
    caplog: pytest.LogCaptureFixture,
    handler: Handler,
    heard: int,
    told: tuple[int, str],
    logged: int,
) -> None:
    office = await office_with(make_office, handler)
    lee = await office.phone("100")
    assert await lee.dial("*5").over() == heard
    assert how_it_ended(office) == told
    failures = errors(caplog)
    assert len(failures) == logged
    assert all("from 100 to '*5' failed" in failure for failure in failures)
    await office.settle()


async def test_a_feature_that_breaks_hurts_no_other_call(
    make_office: MakeOffice, caplog: pytest.LogCaptureFixture
) -> None:
    office = await office_with(make_office, breaks)
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    taylor = await office.phone("102")
    assert await taylor.dial("*5").over() == 500
    assert len(errors(caplog)) == 1
    await asyncio.sleep(1)
    assert office.live()["calls"] == 1
    outgoing.hang_up()
    assert await incoming.over() == 200
    await office.settle()


# -- calls that come together ------------------------------------------------------------------------


@pytest.mark.row("CORE-21")
async def test_of_two_calls_at_the_same_instant_one_finds_the_extension_busy(office: Office) -> None:
    lee, richardson = await couple(office)
    taylor = await office.phone("102")
    first, second = lee.dial("101"), taylor.dial("101")
    incoming = await richardson.incoming()
    assert await second.over() == 486
    assert richardson.calls == {incoming}
    incoming.answer()
    await first.answered()


# -- sound -----------------------------------------------------------------------------------------


def engine_of(office: Office, stream: int) -> MediaEngine:
    """Who serves a stream."""
    worker = office.switch.media._worker_of(stream)
    assert worker is not None
    assert isinstance(worker.link, InlineEngine)
    return worker.link._engine


def cannot_join(office: Office, stream: int) -> None:
    """The engine of a stream has no place for it in a room."""
    engine = engine_of(office, stream)
    engine._not_joined(engine._streams[stream], OSError("the mixer is full"))


def lose_sound(office: Office, whose: str, how: str) -> None:
    """The media engine tells that the stream of one leg is gone."""
    [call] = office.switch.calls.values()
    [leg] = [call.caller_leg] if whose == "caller" else office.switch.legs.of("101")
    if how == "room":
        cannot_join(office, leg.stream)
        return
    event = StreamFailed(leg.stream, "gone") if how == "stream" else WorkerLost(0, (leg.stream,))
    office.switch.media.on_event(event)


@pytest.mark.parametrize("how", ["stream", "worker", "room"])
@pytest.mark.parametrize("whose", ["caller", "called"])
async def test_a_call_that_loses_its_sound_is_ended(
    office: Office, caplog: pytest.LogCaptureFixture, whose: str, how: str
) -> None:
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    lose_sound(office, whose, how)
    assert await outgoing.over() == 200
    assert await incoming.over() == 200
    assert how_it_ended(office)[0] == 200
    assert len(errors(caplog)) == 1
    await office.settle()


@pytest.mark.parametrize("whose", ["caller", "called"])
async def test_who_cannot_join_a_room_is_told_so_though_the_engine_ends_then(
    office: Office, caplog: pytest.LogCaptureFixture, whose: str
) -> None:
    """It has just told how the stream went."""
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    [call] = office.switch.calls.values()
    engine, tell = engine_of(office, call.caller_leg.stream), office.switch.media._told

    def say_last(event: Event) -> None:
        engine._tell = lambda event: None
        tell(0, event)
        engine.stop()
        tell(0, WorkerLost(0, ()))

    engine._tell = say_last
    lose_sound(office, whose, "room")
    assert await outgoing.over() == 200
    assert await incoming.over() == 200
    await office.settle()
    gone, ended = errors(caplog)
    assert "the sound of a call of" in gone
    assert "media worker 0 has ended" in ended


@pytest.mark.parametrize(("whose", "heard"), [("caller", 500), ("called", 480)])
async def test_a_call_that_loses_its_sound_while_it_rings_tells_the_caller(
    office: Office, caplog: pytest.LogCaptureFixture, whose: str, heard: int
) -> None:
    lee, richardson = await couple(office)
    outgoing = lee.dial("101")
    incoming = await richardson.incoming()
    lose_sound(office, whose, "stream")
    assert await outgoing.over() == heard
    assert await incoming.over() == 487
    assert how_it_ended(office)[0] == heard
    assert len(errors(caplog)) == 1
    await office.settle()


async def test_a_phone_that_answers_without_saying_where_its_sound_goes_gets_no_call(office: Office) -> None:
    lee, richardson = await couple(office)
    outgoing = lee.dial("101")
    incoming = await richardson.incoming()
    answer_without_description(incoming)
    assert await outgoing.over() == 488
    await asyncio.sleep(0.1)
    assert not richardson.calls
    assert office.told_of(CallAnswered) == []
    await office.settle()


class NoDescription:
    """What a phone sends that forgets the body."""

    def to_bytes(self) -> bytes:
        return b""


def answer_without_description(call: PhoneCall) -> None:
    """Send a 200 without an answer, though the INVITE made an offer."""
    session: Any = call.leg.session
    call.phone.driver.perform(session.accept(NoDescription(), call.phone.loop.time()))


# -- the switch stops --------------------------------------------------------------------------------


async def test_a_stop_refuses_the_callers_that_wait_and_hangs_up_the_others(office: Office) -> None:
    lee, richardson = await couple(office)
    taylor, miller = await office.phone("102"), await office.phone("103")
    talking = await connect(taylor, "103", miller)
    waiting = lee.dial("101")
    ringing = await richardson.incoming()
    await office.switch.stop()
    await asyncio.sleep(0.1)
    assert await waiting.over() == 503
    assert await ringing.over() == 487
    assert [await call.over() for call in talking] == [200, 200]
    assert sorted(told.status for told in office.told_of(CallEnded)) == [200, 503]


@pytest.mark.parametrize("hangs_up", [False, True])
async def test_a_feature_may_tidy_up_while_the_switch_stops(make_office: MakeOffice, hangs_up: bool) -> None:
    tidied = []

    async def tidies_up(call: Call) -> None:
        await call.answer()
        try:
            await call.stay()
        finally:
            await asyncio.sleep(1)
            tidied.append(call.dialled)

    office = await office_with(make_office, tidies_up)
    lee = await office.phone("100")
    outgoing = await lee.call("*5")
    if hangs_up:
        outgoing.hang_up()
        await asyncio.sleep(0.5)
    await office.switch.stop()
    assert tidied == ["*5"]
    assert how_it_ended(office) == (200, "OK")
