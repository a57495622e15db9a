"""Recordings on the server: of whole calls, with both parties in them, and of what one party says to a feature."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from media.engine import DISK_SECONDS
from media.messages import RecordingEnd, RecordingEnded
from media.plan import Codec
from pbx.call import Call
from pbx.happenings import CallQuality, CallRecorded, RecordingFault
from pbx.phone import PhoneCall
from pbx.plugin import Feature
from tests.interop.tones import RATE_HZ, level, read_samples
from tests.journeys.talking import HEARD, MUSIC, TONES_HZ, assert_talk, connect, couple, tones_in
from tests.journeys.test_failures import cannot_join, errors
from tests.simulation.impairment import LAN, WIRELESS, Profile
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter
from tests.unit.media.studio import SlowDisk

MakeOffice = Callable[..., Office]

# -- whole calls -----------------------------------------------------------------------------------


def the_call(office: Office) -> Call:
    (call,) = office.switch.calls.values()
    return call


async def pair_of(office: Office) -> tuple[PhoneCall, PhoneCall]:
    """Lee and Richardson, connected."""
    lee, richardson = await couple(office)
    return await connect(lee, "101", richardson)


def seconds_of(path: Path) -> float:
    return len(read_samples(path)) / RATE_HZ


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where recordings are made."""
    path = tmp_path / "recordings"
    path.mkdir()
    return path


def speak(*calls: PhoneCall) -> None:
    """Each party its tone."""
    for call, hertz in zip(calls, TONES_HZ, strict=False):
        call.play_tone(hertz)


@pytest.mark.row("CORE-26")
@pytest.mark.parametrize("link", [LAN, WIRELESS], ids=["lan", "wireless"])
@pytest.mark.parametrize("codecs", [(Codec.PCMU, Codec.PCMU), (Codec.PCMA, Codec.PCMU)])
async def test_a_recorded_call_has_both_parties_and_its_length(
    office: Office, folder: Path, link: Profile, codecs: tuple[Codec, Codec]
) -> None:
    lee, richardson = await office.phone("100", link=link), await office.phone("101", link=link)
    lee.codecs, richardson.codecs = (codecs[0],), (codecs[1],)
    outgoing, incoming = await connect(lee, "101", richardson)
    path = folder / "call.wav"
    the_call(office).record(path)
    await asyncio.sleep(1)
    speak(outgoing, incoming)
    await asyncio.sleep(18)
    outgoing.quiet()
    await asyncio.sleep(1)
    assert not path.exists()
    outgoing.hang_up()
    await incoming.over()
    await office.settle()
    assert list(folder.iterdir()) == [path]
    assert seconds_of(path) == pytest.approx(20, abs=0.2)
    assert tones_in(path) == {0, 1}
    samples = read_samples(path)
    assert level(samples[-RATE_HZ // 2 :], TONES_HZ[0]) < HEARD < level(samples[-RATE_HZ // 2 :], TONES_HZ[1])


@pytest.mark.row("CORE-26")
async def test_a_call_is_recorded_from_its_answer_if_it_was_asked_for_before(
    office: Office, folder: Path
) -> None:
    lee, richardson = await couple(office)
    outgoing = lee.dial("101")
    incoming = await richardson.incoming()
    path = folder / "call.wav"
    the_call(office).record(path)
    await asyncio.sleep(10)
    incoming.answer()
    await outgoing.answered()
    speak(outgoing, incoming)
    await asyncio.sleep(5)
    incoming.hang_up()
    await outgoing.over()
    assert tones_in(path) == {0, 1}
    assert seconds_of(path) == pytest.approx(5, abs=0.1)


@pytest.mark.row("CORE-26")
async def test_a_recording_is_ended_while_the_call_goes_on(
    office: Office, folder: Path, tmp_path: Path
) -> None:
    outgoing, incoming = await pair_of(office)
    path = folder / "call.wav"
    the_call(office).record(path)
    speak(outgoing, incoming)
    await asyncio.sleep(3)
    the_call(office).stop_recording()
    assert seconds_of(path) == pytest.approx(3, abs=0.1)
    assert tones_in(path) == {0, 1}
    await assert_talk(tmp_path, outgoing, incoming)


@pytest.mark.row("CORE-26")
async def test_who_is_held_is_recorded_with_the_music(
    make_office: Callable[..., Office], folder: Path, tmp_path: Path
) -> None:
    office = make_office(prompts=Prompter(tmp_path))
    await office.open()
    outgoing, incoming = await pair_of(office)
    path = folder / "call.wav"
    speak(outgoing, incoming)
    incoming.hold()
    await asyncio.sleep(0.5)
    the_call(office).record(path)
    await asyncio.sleep(2)
    the_call(office).stop_recording()
    assert MUSIC in tones_in(path)
    incoming.resume()
    await asyncio.sleep(0.5)
    the_call(office).record(path)
    await asyncio.sleep(2)
    outgoing.hang_up()
    await incoming.over()
    assert tones_in(path) == {0, 1}


@pytest.mark.row("CORE-26")
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("hangs", [False, True])
async def test_a_call_is_over_before_its_recording_is_on_the_disk(
    make_office: MakeOffice, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: int, hangs: bool
) -> None:
    """What became of that is told once it is known, or once the disk does not answer."""
    disk = SlowDisk()
    monkeypatch.setattr("media.recorder.PatientDisk", lambda: disk)
    office = make_office(
        extensions={"101": {"record_calls": "all"}},
        media={"workers": workers},
        store={"data_dir": tmp_path / "data"},
    )
    await office.open()
    outgoing, incoming = await pair_of(office)
    await asyncio.sleep(2)
    outgoing.hang_up()
    await incoming.over()
    await asyncio.sleep(1)
    assert len(office.told_of(CallQuality)) == 2
    assert (office.live()["streams"], office.live()["legs"]) == (0, 1)
    assert office.told_of(CallRecorded) == []
    if hangs:
        await asyncio.sleep(DISK_SECONDS)
    disk.catch_up()
    await asyncio.sleep(1)
    [told] = office.told_of(RecordingFault if hangs else CallRecorded)
    assert told.extension == "101"
    assert seconds_of(Path(told.path)) == pytest.approx(2, abs=0.2)
    await office.settle()


@pytest.mark.row("CORE-26")
@pytest.mark.parametrize("workers", [0, 1])
async def test_who_cannot_join_a_room_is_told_of_what_was_recorded_until_then(
    make_office: MakeOffice,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    workers: int,
) -> None:
    disk = SlowDisk()
    monkeypatch.setattr("media.recorder.PatientDisk", lambda: disk)
    office = make_office(
        extensions={"101": {"record_calls": "all"}},
        media={"workers": workers},
        store={"data_dir": tmp_path / "data"},
    )
    await office.open()
    outgoing, incoming = await pair_of(office)
    await asyncio.sleep(2)
    [leg] = office.switch.legs.of("101")
    cannot_join(office, leg.stream)
    assert (await outgoing.over(), await incoming.over()) == (200, 200)
    assert office.told_of(CallRecorded) == []
    disk.catch_up()
    await asyncio.sleep(1)
    [recorded] = office.told_of(CallRecorded)
    assert recorded.extension == "101"
    assert seconds_of(Path(recorded.path)) == pytest.approx(2, abs=0.2)
    assert len(office.told_of(CallQuality)) == 2
    assert errors(caplog) == ["the sound of a call of 101 is gone, the call ends"]
    await office.settle()


async def test_a_call_that_cannot_be_recorded_goes_on(office: Office, folder: Path, tmp_path: Path) -> None:
    outgoing, incoming = await pair_of(office)
    the_call(office).record(folder / "nowhere" / "call.wav")
    the_call(office).record(folder)
    await assert_talk(tmp_path, outgoing, incoming)
    outgoing.hang_up()
    await incoming.over()
    assert list(folder.iterdir()) == []


# -- what is said to a feature -----------------------------------------------------------------------


@dataclass
class Machine:
    """An answering machine on *99, and what became of its recordings."""

    path: Path
    seconds: float = 60.0
    silence_seconds: float | None = None
    keys: str = "#"
    heard: bool | None = None
    recorded: list[object] = field(default_factory=list)

    def feature(self) -> Feature:
        feature = Feature("machine")

        @feature.dial("*99", summary="Leave a message")
        async def machine(call: Call) -> None:
            voice = await call.answer()
            try:
                self.heard = await voice.record(
                    self.path, seconds=self.seconds, silence_seconds=self.silence_seconds, keys=self.keys
                )
            finally:
                self.recorded.append(voice.recorded)
            await call.stay()

        return feature


async def leave(office: Office) -> PhoneCall:
    """A call to the machine that says its tone."""
    call = await (await office.phone("100")).call("*99")
    call.play_tone(TONES_HZ[0])
    return call


def assert_recorded(machine: Machine, reason: RecordingEnd, seconds: float) -> None:
    (recorded,) = machine.recorded
    assert isinstance(recorded, RecordingEnded)
    assert (recorded.reason, recorded.path) == (reason, str(machine.path))
    assert recorded.seconds == seconds_of(machine.path) == pytest.approx(seconds, abs=0.15)
    assert tones_in(machine.path) == {0}
    assert list(machine.path.parent.iterdir()) == [machine.path]


@pytest.mark.row("VM-39")
async def test_a_message_ends_with_its_key_and_no_other(
    make_office: Callable[..., Office], folder: Path
) -> None:
    machine = Machine(folder / "message.wav")
    office = make_office(features=[machine.feature()])
    await office.open()
    call = await leave(office)
    await asyncio.sleep(3)
    call.send_digits("1")
    await asyncio.sleep(3)
    assert machine.recorded == []
    call.send_digits("#")
    await asyncio.sleep(1)
    assert machine.heard is True
    assert_recorded(machine, RecordingEnd.STOPPED, 6)


@pytest.mark.row("VM-39")
async def test_a_message_ends_when_it_is_as_long_as_it_may_be(
    make_office: Callable[..., Office], folder: Path
) -> None:
    machine = Machine(folder / "message.wav", seconds=4)
    office = make_office(features=[machine.feature()])
    await office.open()
    await leave(office)
    await asyncio.sleep(5)
    assert machine.heard is True
    assert seconds_of(machine.path) == 4
    assert_recorded(machine, RecordingEnd.LENGTH, 4)


@pytest.mark.row("VM-39")
async def test_a_message_ends_when_nothing_is_said_any_more(
    make_office: Callable[..., Office], folder: Path
) -> None:
    """A pause is none of that."""
    machine = Machine(folder / "message.wav", silence_seconds=3)
    office = make_office(features=[machine.feature()])
    await office.open()
    call = await leave(office)
    await asyncio.sleep(2)
    call.quiet()
    await asyncio.sleep(2)
    call.play_tone(TONES_HZ[0])
    await asyncio.sleep(2)
    call.quiet()
    await asyncio.sleep(4)
    assert machine.heard is True
    assert_recorded(machine, RecordingEnd.SILENCE, 9)


@pytest.mark.row("VM-39")
@pytest.mark.parametrize("workers", [0, 1])
async def test_a_message_ends_when_the_caller_hangs_up(
    make_office: Callable[..., Office],
    folder: Path,
    workers: int,
) -> None:
    """The feature is cancelled, and knows then what it has got."""
    machine = Machine(folder / "message.wav")
    office = make_office(features=[machine.feature()], media={"workers": workers})
    await office.open()
    call = await leave(office)
    await asyncio.sleep(3)
    call.hang_up()
    await asyncio.sleep(0.1)
    assert machine.heard is None
    assert office.live()["calls"] == office.live()["legs"] == 0
    assert_recorded(machine, RecordingEnd.CLOSED, 3)
    await office.settle()
