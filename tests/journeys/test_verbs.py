"""What a user may do with a call in which state: what is offered is what works, and nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import product
from pathlib import Path

import pytest

from features.parking import feature as parking
from features.voicemail import feature as voicemail
from pbx.call import Call
from pbx.happenings import CallEnded, CallRecorded, CallTransferred, RecordingFault
from pbx.phone import CallFailed, PhoneCall
from pbx.refused import Refused
from pbx.steering import Verb, WrongState, allowed, perform
from tests.interop.tones import level, read_samples
from tests.journeys.talking import connect
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter

MakeOffice = Callable[..., Office]
EXTENSIONS = {"103": {"manager": True, "barge_in": True}}
RINGING = {Verb.REJECT, Verb.DIVERT, Verb.TO_VOICEMAIL}
TALKING = {Verb.HANG_UP, Verb.TRANSFER, Verb.PARK, Verb.TO_VOICEMAIL, Verb.RECORD}
JOINING = {Verb.LISTEN, Verb.WHISPER, Verb.BARGE}
TARGETS = {Verb.DIVERT: "105", Verb.TRANSFER: "105", Verb.PARK: "3"}


@pytest.fixture
def office(make_office: MakeOffice, tmp_path: Path) -> Office:
    office = make_office(
        prompts=Prompter(tmp_path),
        features=[parking, voicemail],
        extensions=EXTENSIONS,
        store={"data_dir": tmp_path / "data"},
    )
    office.simulation.run(office.open())
    return office


def the_call(office: Office) -> Call:
    (call,) = office.switch.calls.values()
    return call


async def ring(office: Office) -> Call:
    office.phones[0].dial("101")
    await office.phones[1].incoming()
    return the_call(office)


async def talk(office: Office) -> Call:
    await connect(office.phones[0], "101", office.phones[1])
    await asyncio.sleep(0.1)
    return the_call(office)


async def recorded(office: Office) -> Call:
    call = await talk(office)
    perform(call, "100", Verb.RECORD)
    return call


async def parked(office: Office) -> Call:
    call = await talk(office)
    perform(call, "101", Verb.PARK, "1")
    await asyncio.sleep(5)
    return call


STATES: dict[str, tuple[Callable[[Office], Awaitable[Call]], dict[str, set[Verb]]]] = {
    "rings": (ring, {"100": {Verb.HANG_UP}, "101": RINGING}),
    "talks": (talk, {"100": TALKING, "101": TALKING, "103": JOINING}),
    "is recorded": (
        recorded,
        {"100": TALKING - {Verb.RECORD} | {Verb.STOP_RECORDING}, "101": TALKING, "103": JOINING},
    ),
    "is parked": (parked, {"100": {Verb.HANG_UP}}),
}


@pytest.mark.row("AST-23")
@pytest.mark.parametrize("state", STATES)
async def test_what_is_offered_is_what_works(office: Office, state: str) -> None:
    begin, expected = STATES[state]
    for number in ("100", "101", "102", "103", "105"):
        await office.phone(number)
    for number, verb in product(("100", "101", "102", "103"), Verb):
        call = await begin(office)
        offered = allowed(call, number)
        assert offered == expected.get(number, set())
        try:
            perform(call, number, verb, TARGETS.get(verb, ""))
        except (Refused, WrongState):
            assert verb not in offered
        else:
            assert verb in offered
        await asyncio.sleep(0.1)
        for phone in office.phones:
            for each in list(phone.calls):
                each.hang_up()
        await office.settle()
        assert not office.switch.calls
        assert allowed(call, number) == set()


@pytest.mark.row("AST-29")
async def test_nobody_transfers_a_call_to_himself(office: Office) -> None:
    for number in ("100", "101"):
        await office.phone(number)
    call = await talk(office)
    for number, target in product(("100", "101"), ("100", "101")):
        with pytest.raises(Refused):
            perform(call, number, Verb.TRANSFER, target)
    assert call.callee is not None


async def left(caller: PhoneCall, folder: Path, office: Office) -> None:
    """Leave a message where the caller is, and hang up."""
    await caller.answered()
    await asyncio.sleep(3)
    caller.play_tone(620)
    await asyncio.sleep(5)
    caller.hang_up()
    await office.settle()


@pytest.mark.row("AST-20")
@pytest.mark.parametrize("connected", [False, True], ids=["ringing", "connected"])
async def test_the_caller_leaves_a_message_for_the_user(
    office: Office, tmp_path: Path, connected: bool
) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing = lee.dial("101")
    incoming = await richardson.incoming()
    if connected:
        incoming.answer()
        await outgoing.answered()
    perform(the_call(office), "101", Verb.TO_VOICEMAIL)
    await incoming.over()
    await left(outgoing, tmp_path, office)
    assert office.switch.mailboxes.get("101").new == 1
    assert len(office.told_of(CallTransferred)) == connected


@pytest.mark.row("AST-21", "CORE-26")
async def test_a_conversation_is_recorded_with_both_directions(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing, incoming = await connect(lee, "101", richardson)
    outgoing.play_tone(440)
    incoming.play_tone(620)
    await asyncio.sleep(1)
    perform(the_call(office), "101", Verb.RECORD)
    await asyncio.sleep(3)
    perform(the_call(office), "101", Verb.STOP_RECORDING)
    await asyncio.sleep(1)
    [told] = office.told_of(CallRecorded)
    assert (told.extension, told.seconds) == ("101", pytest.approx(3, abs=0.1))
    assert Path(told.path).parent == office.config.store.data_dir / "recordings" / "101"
    samples = read_samples(Path(told.path))
    assert min(level(samples, 440), level(samples, 620)) > 1000
    assert len(office.switch.recordings) == 0
    perform(the_call(office), "101", Verb.RECORD)
    await asyncio.sleep(1)
    outgoing.hang_up()
    await office.settle()
    assert len(office.told_of(CallRecorded)) == 2
    assert len(office.switch.recordings) == 0


@pytest.mark.row("AST-21")
@pytest.mark.parametrize(("policy", "recorded"), [("none", 0), ("external", 0), ("all", 1)])
async def test_calls_are_recorded_by_policy(
    make_office: MakeOffice, tmp_path: Path, policy: str, recorded: int
) -> None:
    office = make_office(extensions={"101": {"record_calls": policy}}, store={"data_dir": tmp_path / "data"})
    await office.open()
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing, incoming = await connect(lee, "101", richardson)
    for call in (outgoing, incoming):
        call.play_tone(440)
    await asyncio.sleep(2)
    incoming.hang_up()
    await office.settle()
    assert [told.extension for told in office.told_of(CallRecorded)] == ["101"] * recorded


@pytest.mark.row("AST-21")
async def test_a_call_goes_on_where_it_cannot_be_recorded(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing, _ = await connect(lee, "101", richardson)
    folder = office.config.store.data_dir / "recordings"
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("in the way")
    perform(the_call(office), "101", Verb.RECORD)
    [fault] = office.told_of(RecordingFault)
    assert fault.extension == "101"
    assert Verb.RECORD in allowed(the_call(office), "101")
    outgoing.hang_up()
    await office.settle()
    assert len(office.told_of(CallEnded)) == 1


async def test_a_hung_up_call_is_over_for_both(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing, incoming = await connect(lee, "101", richardson)
    perform(the_call(office), "100", Verb.HANG_UP)
    assert [await outgoing.over(), await incoming.over()] == [200, 200]
    again = lee.dial("101")
    await richardson.incoming()
    perform(the_call(office), "100", Verb.HANG_UP)
    with pytest.raises(CallFailed) as failed:
        await again.answered()
    assert failed.value.status == 487


@pytest.mark.row("AST-21")
async def test_two_recordings_of_one_second_are_two_files(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing, _ = await connect(lee, "101", richardson)
    await asyncio.sleep(1)
    call = the_call(office)
    for _ in range(3):
        perform(call, "101", Verb.RECORD)
        await asyncio.sleep(0.2)
        perform(call, "101", Verb.STOP_RECORDING)
    outgoing.hang_up()
    await office.settle()
    paths = [Path(told.path) for told in office.told_of(CallRecorded)]
    assert len({*paths}) == 3
    assert len(await office.switch.recordings.listed("101")) == 3
    assert all(path.is_file() for path in paths)
