"""Two media workers carry the sound: who comes to talk to somebody whom the other carries moves there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from features import conference
from features.parking import feature as parking
from media.messages import CloseStream
from media.service import PortsExhausted
from pbx.call import Call
from pbx.happenings import CallQuality, CallRecorded
from pbx.media_keys import Srtp
from pbx.phone import Phone, PhoneCall
from pbx.recording_files import FOLDER, RecordingFiles
from pbx.steering import Verb, perform
from sipcore.dialog.transfer import Replaces
from sipcore.effects import Effect, Offered
from tests.interop.tones import read_samples
from tests.journeys.talking import MUSIC, TONES_HZ, assert_talk, connect, listen, tones_in
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter

TALK: list[set[int]] = [{1}, {0}]


@pytest.fixture
def office(make_office: Callable[..., Office], tmp_path: Path) -> Office:
    """With two workers, parking and conferences."""
    store = {"data_dir": str(tmp_path / "data")}
    features = [parking, conference.feature]
    office = make_office(prompts=Prompter(tmp_path), features=features, store=store, media={"workers": 2})
    office.simulation.run(office.open())
    return office


def workers(office: Office, *numbers: str) -> list[int | None]:
    """Which worker carries the only leg of each extension."""
    switch = office.switch
    return [switch.media.worker_of(leg.stream) for number in numbers for leg in switch.legs.of(number)]


async def phones_of(office: Office, *numbers: str) -> list[Phone]:
    return [await office.phone(number) for number in numbers]


async def two_calls(office: Office) -> tuple[list[PhoneCall], list[PhoneCall]]:
    """Lee talks to Richardson in one worker, Taylor to Miller in the other."""
    lee, richardson, taylor, miller = await phones_of(office, "100", "101", "102", "103")
    first, second = await connect(lee, "101", richardson), await connect(taylor, "103", miller)
    assert workers(office, "100", "101", "102", "103") == [0, 0, 1, 1]
    return list(first), list(second)


async def consult(office: Office) -> tuple[PhoneCall, PhoneCall, PhoneCall, PhoneCall]:
    """Lee has called Richardson, and then Taylor."""
    lee, richardson, taylor = await phones_of(office, "100", "101", "102")
    held, stays = await connect(lee, "101", richardson)
    held.hold()
    await asyncio.sleep(0.3)
    consulting, target = await connect(lee, "102", taylor)
    await asyncio.sleep(0.3)
    return held, stays, consulting, target


def refuse_changes(call: PhoneCall, status: int = 488) -> None:
    """From now on, the phone of a call refuses every offer."""
    leg, phone = call.leg, call.phone
    takes = call.on_effect if call.leg.session and call.leg.session.owner is call else leg.on_effect

    class Refusing:
        def on_effect(self, effect: Effect) -> None:
            if isinstance(effect, Offered):
                phone.driver.perform(effect.session.refuse(status, phone.loop.time()))
            else:
                takes(effect)

    assert leg.session is not None
    leg.session.owner = Refusing()


class Silent:
    """In the place of a call's leg: whatever is offered stays without an answer."""

    def __init__(self, call: PhoneCall) -> None:
        self._takes = call.leg.on_effect

    def on_effect(self, effect: Effect) -> None:
        if not isinstance(effect, Offered):
            self._takes(effect)


async def hang_up(office: Office, by: PhoneCall, *others: PhoneCall) -> None:
    by.hang_up()
    for call in others:
        assert await call.over() == 200
    await office.settle()


@pytest.mark.row("CORE-13")
async def test_an_attended_transfer_joins_legs_of_two_workers(office: Office, tmp_path: Path) -> None:
    held, stays, consulting, target = await consult(office)
    assert workers(office, "101", "102") == [0, 1]
    assert await held.transfer_to(consulting).outcome() == 200
    await asyncio.sleep(0.5)
    assert len(set(workers(office, "101", "102"))) == 1
    await assert_talk(tmp_path, stays, target)
    await hang_up(office, stays, target)
    qualities = {told.extension: told for told in office.told_of(CallQuality)}
    assert qualities["101"].packets > 0 < qualities["102"].packets


@pytest.mark.parametrize("refuses", ["stays", "target"])
async def test_where_one_phone_does_not_move_the_other_does(
    office: Office, tmp_path: Path, refuses: str
) -> None:
    held, stays, consulting, target = await consult(office)
    refuse_changes(stays if refuses == "stays" else target)
    held.transfer_to(consulting)
    await asyncio.sleep(0.5)
    assert workers(office, "101", "102") == ([0, 0] if refuses == "stays" else [1, 1])
    await assert_talk(tmp_path, stays, target)
    await hang_up(office, target, stays)


@pytest.mark.row("CORE-13", "CORE-14")
async def test_two_of_whom_none_moves_talk_by_a_tunnel(office: Office, tmp_path: Path) -> None:
    held, stays, consulting, target = await consult(office)
    refuse_changes(stays)
    refuse_changes(target)
    assert await held.transfer_to(consulting).outcome() == 200
    await asyncio.sleep(0.5)
    assert workers(office, "101", "102") == [0, 1]
    await assert_talk(tmp_path, stays, target)
    stays.hold()
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, stays, target) == [set(), {MUSIC}]
    stays.resume()
    await asyncio.sleep(0.3)
    await assert_talk(tmp_path, stays, target)
    target.hold()
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, stays, target) == [{MUSIC}, set()]
    target.resume()
    await asyncio.sleep(0.3)
    await assert_talk(tmp_path, stays, target)
    await hang_up(office, stays, target)


@pytest.mark.row("CORE-13")
@pytest.mark.parametrize("by", [0, 1])
async def test_who_talks_by_a_tunnel_can_be_transferred_and_parked(
    office: Office, tmp_path: Path, by: int
) -> None:
    held, stays, consulting, target = await consult(office)
    refuse_changes(stays)
    refuse_changes(target)
    held.transfer_to(consulting)
    await asyncio.sleep(0.5)
    parker, parked = (stays, target) if by == 0 else (target, stays)
    assert await parker.transfer("*00").outcome() == 200
    await asyncio.sleep(0.5)
    assert await listen(tmp_path, parked) == [{MUSIC}]
    [miller] = await phones_of(office, "103")
    taken = await miller.call("*10")
    await assert_talk(tmp_path, parked, taken)
    await hang_up(office, taken, parked)


async def test_a_call_of_which_no_phone_moves_ends_where_there_is_no_port_for_a_tunnel(
    office: Office, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, stays, consulting, target = await consult(office)
    refuse_changes(stays)
    refuse_changes(target)

    def none_left(beside: int | None = None) -> NoReturn:
        raise PortsExhausted

    monkeypatch.setattr(office.switch.media, "reserve", none_left)
    held.transfer_to(consulting)
    assert (await stays.over(), await target.over()) == (200, 200)
    assert "neither phone takes a change of its media port" in caplog.text
    await office.settle()
    caplog.clear()


async def test_a_phone_that_never_answers_the_change_ends_the_call(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    held, stays, consulting, target = await consult(office)
    for call in (stays, target):
        assert call.leg.session is not None
        call.leg.session.owner = Silent(call)
    held.transfer_to(consulting)
    assert (await stays.over(), await target.over()) == (200, 200)
    assert "no answer to a change of the media port" in caplog.text
    await office.settle()
    caplog.clear()


async def test_without_a_port_in_one_worker_they_meet_in_the_other(office: Office, tmp_path: Path) -> None:
    held, stays, consulting, target = await consult(office)
    media = office.switch.media
    taken = []
    with contextlib.suppress(PortsExhausted):
        while True:
            taken.append(media.reserve(beside=next(iter(office.switch.legs.of("101"))).stream).stream)
    held.transfer_to(consulting)
    await asyncio.sleep(0.5)
    assert workers(office, "101", "102") == [1, 1]
    await assert_talk(tmp_path, stays, target)
    for stream in taken:
        media.send(CloseStream(stream))
    await hang_up(office, target, stays)


async def test_a_phone_that_changes_something_just_then_is_asked_again(
    office: Office, tmp_path: Path
) -> None:
    held, stays, consulting, target = await consult(office)
    stays_leg = next(iter(office.switch.legs.of("101")))
    target_leg = next(iter(office.switch.legs.of("102")))
    stays.hold()
    target.hold()
    held.transfer_to(consulting)
    await asyncio.sleep(0.1)
    stays.resume()
    await asyncio.sleep(5)
    target.resume()
    await asyncio.sleep(5)
    assert (stays_leg.relocation, target_leg.relocation) == (None, None)
    assert len(set(workers(office, "101", "102"))) == 1
    await assert_talk(tmp_path, stays, target)


async def test_an_offer_of_a_phone_that_was_busy_with_it_moves_it(office: Office, tmp_path: Path) -> None:
    """It has refused ours with 491, and learns the port by our answer: ours is not sent again."""
    held, stays, consulting, target = await consult(office)
    refuse_changes(stays, 491)
    held.transfer_to(consulting)
    await asyncio.sleep(0.01)
    (leg,) = office.switch.legs.of("101")
    assert leg.relocation is not None
    assert workers(office, "101", "102") == [0, 1]
    stays.hold()
    await asyncio.sleep(0.02)
    assert leg.relocation is None
    assert workers(office, "101", "102") == [1, 1]
    await asyncio.sleep(5)
    assert leg.holds
    stays.resume()
    await asyncio.sleep(0.3)
    await assert_talk(tmp_path, stays, target)
    await hang_up(office, target, stays)


async def test_who_holds_and_moves_holds_on(office: Office, tmp_path: Path) -> None:
    lee, richardson = await phones_of(office, "100", "101")
    outgoing, incoming = await connect(lee, "101", richardson)
    outgoing.hold()
    await asyncio.sleep(0.3)
    legs = [next(iter(office.switch.legs.of(number))) for number in ("100", "101")]
    moved: list[bool] = []
    legs[0].move_to(1, moved.append)
    await asyncio.sleep(1)
    assert moved == [True]
    assert workers(office, "100", "101") == [0, 0]  # it has come back to whom it talks to
    assert legs[0].holds
    assert await listen(tmp_path, outgoing, incoming) == [set(), {MUSIC}]
    outgoing.resume()
    await asyncio.sleep(0.3)
    await assert_talk(tmp_path, outgoing, incoming)
    await hang_up(office, outgoing, incoming)


@pytest.mark.row("PARK-02")
async def test_a_parked_call_is_taken_from_the_other_worker(office: Office, tmp_path: Path) -> None:
    (lee, parked), _ = await two_calls(office)
    assert await lee.transfer("*03").outcome() == 200
    taker = await (await office.phone("104")).call("*13")
    await asyncio.sleep(0.3)
    assert len(set(workers(office, "101", "104"))) == 1
    await assert_talk(tmp_path, parked, taker)
    parked.hang_up()
    assert await taker.over() == 200


async def test_who_picks_up_is_where_the_caller_is(office: Office, tmp_path: Path) -> None:
    await two_calls(office)
    bell, thomas, adam = await phones_of(office, "104", "105", "107")
    outgoing = bell.dial("105")
    ringing = await thomas.incoming()
    dialog = ringing.dialog
    replaces = Replaces(dialog.call_id, dialog.local_tag, dialog.remote_tag, True)
    picked = adam.dial("105", headers=[("Replaces", str(replaces))])
    await picked.answered()
    await asyncio.sleep(0.3)
    assert len(set(workers(office, "104", "107"))) == 1
    await assert_talk(tmp_path, outgoing, picked)


async def test_a_secured_leg_moves_with_its_keys(office: Office, tmp_path: Path) -> None:
    lee, richardson = await phones_of(office, "100", "101")
    lee.srtp = Srtp.REQUIRED
    outgoing, incoming = await connect(lee, "101", richardson)
    legs = [next(iter(office.switch.legs.of(number))) for number in ("100", "101")]
    for leg in legs:
        leg.move_to(1, lambda there: None)
    await asyncio.sleep(1)
    assert workers(office, "100", "101") == [1, 1]
    assert legs[0].plan is not None
    assert legs[0].plan.srtp is not None
    await assert_talk(tmp_path, outgoing, incoming)
    await hang_up(office, outgoing, incoming)


async def test_a_refused_move_leaves_the_call_as_it_was(office: Office, tmp_path: Path) -> None:
    lee, richardson = await phones_of(office, "100", "101")
    outgoing, incoming = await connect(lee, "101", richardson)
    (leg,) = office.switch.legs.of("101")
    before = leg.port, leg.plan, leg.negotiation.local
    refuse_changes(incoming)
    moved: list[bool] = []
    leg.move_to(1, moved.append)
    await asyncio.sleep(1)
    assert moved == [False]
    assert (leg.port, leg.plan, leg.negotiation.local) == before
    assert leg.negotiation.port == leg.port
    assert office.switch.media.live()["moving"] == 2  # what the two do is known, and nobody is on the way
    await assert_talk(tmp_path, outgoing, incoming)
    outgoing.hold()
    await asyncio.sleep(0.3)
    outgoing.resume()
    await asyncio.sleep(0.3)
    await assert_talk(tmp_path, outgoing, incoming)
    await hang_up(office, outgoing, incoming)


async def test_of_several_who_move_a_leg_the_last_is_served(office: Office) -> None:
    lee = await (await office.phone("100")).call("700")
    (leg,) = office.switch.legs.of("100")
    await asyncio.sleep(0.3)
    told: list[bool] = []
    for worker in (1, 0, 1):
        leg.move_to(worker, told.append)
    await asyncio.sleep(0.5)
    assert told == [False, True, True]
    assert workers(office, "100") == [1]
    await hang_up(office, lee)


@pytest.mark.row("CORE-26")
async def test_a_recording_goes_on_in_a_second_file(office: Office, tmp_path: Path) -> None:
    talker = await (await office.phone("100")).call("700")
    call: Call = next(iter(office.switch.calls.values()))
    folder = tmp_path / "recordings"
    folder.mkdir()
    call.record(folder / "call.wav")
    talker.play_tone(TONES_HZ[0])
    await asyncio.sleep(3)
    call.caller_leg.move_to(1, lambda there: None)
    await asyncio.sleep(3)
    await hang_up(office, talker)
    parts = sorted(folder.iterdir())
    assert [part.name for part in parts] == ["call-2.wav", "call.wav"]
    assert [tones_in(part) & {0} for part in parts] == [{0}, {0}]
    assert [len(read_samples(part)) / 8000 for part in parts] == pytest.approx([3, 3], abs=0.3)


@pytest.mark.row("CONF-05")
async def test_two_conferences_are_in_two_workers(office: Office, tmp_path: Path) -> None:
    calls = []
    for number, room in (("100", "1"), ("101", "2"), ("102", "2"), ("103", "1")):
        call = await (await office.phone(number)).call("700")
        calls.append(call)
        call.send_digits(f"{room}#")
        await asyncio.sleep(1)
        if len(calls) < 3:
            call.send_digits("*")
        await asyncio.sleep(1)
        call.send_digits("1")
        await asyncio.sleep(2)
    carried = workers(office, "100", "103"), workers(office, "101", "102")
    assert sorted(carried) == [[0, 0], [1, 1]]
    for call, hertz in zip(calls, TONES_HZ, strict=True):
        call.play_tone(hertz)
    await asyncio.sleep(1)
    assert await listen(tmp_path, *calls) == [{3}, {2}, {1}, {0}]
    for call in calls:
        call.hang_up()
    await office.settle()


@pytest.mark.row("CONF-19")
@pytest.mark.parametrize("events", [True, False])
async def test_a_phone_that_does_not_move_joins_a_conference_elsewhere_by_a_tunnel(
    office: Office, tmp_path: Path, events: bool
) -> None:
    """It hears what it is told there, its keys are heard, and both hear each other."""
    first = await (await office.phone("100")).call("700")
    first.send_digits("1#")
    await asyncio.sleep(1)
    first.send_digits("*")
    await asyncio.sleep(15)  # a name of silence
    phone = await office.phone("101")
    phone.telephone_events = events
    second = await phone.call("700")
    assert workers(office, "100", "101") == [0, 1]
    refuse_changes(second)
    second.send_digits("1#")
    await asyncio.sleep(2)
    second.send_digits("#")  # no name: else it would be waited for, for 10 s
    await asyncio.sleep(4)
    assert workers(office, "100", "101") == [0, 1]
    first.play_tone(TONES_HZ[0])
    second.play_tone(TONES_HZ[1])
    await asyncio.sleep(1)
    assert await listen(tmp_path, first, second) == [{1}, {0}]
    second.hang_up()
    await asyncio.sleep(6)  # it is told who has left
    assert await listen(tmp_path, first) == [{MUSIC}]
    first.hang_up()
    await office.settle()
    assert len(office.told_of(CallQuality)) == 2


@pytest.mark.row("AST-21", "CORE-13")
async def test_a_recording_that_moves_with_its_leg_can_be_ended(office: Office) -> None:
    held, stays, consulting, target = await consult(office)
    switch, numbers = office.switch, ("101", "102")
    for number in numbers:
        [leg] = switch.legs.of(number)
        perform(switch.calls[leg.call_id], number, Verb.RECORD)
    before = workers(office, *numbers)
    assert await held.transfer_to(consulting).outcome() == 200
    await asyncio.sleep(0.5)
    assert workers(office, *numbers) != before
    for number in numbers:
        [leg] = switch.legs.of(number)
        perform(switch.calls[leg.call_id], number, Verb.STOP_RECORDING)
    assert len(switch.recordings) == 0
    await asyncio.sleep(0.5)
    assert len(office.told_of(CallRecorded)) == 3, "one of them in two parts"
    files = RecordingFiles(office.config.store.data_dir / FOLDER)
    assert len(files.listed(numbers)) == 3
    await hang_up(office, stays, target)
    assert len(office.told_of(CallRecorded)) == 3
