"""What a feature says and hears: prompts, keys, recordings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from media.messages import (
    AnnounceFiles,
    DigitReceived,
    JoinRoom,
    LeaveRoom,
    PausePlaying,
    PlayEnded,
    PlayFiles,
    Quiet,
    RecordFile,
    RecordingEnd,
    RecordingEnded,
    RecordingFailed,
    SeekPlaying,
    StopRecording,
)
from media.prompts.tokens import BEEP, GOODBYE, Token
from media.service import MediaService
from pbx.voice import FIRST_KEY_SECONDS, HEARD_PEAK, MAX_KEYS, Steering, Voice

STREAM = 7
NAME = Path("name.wav")
Kind = TypeVar("Kind")


class Booth:
    """Media and prompts that note what is asked of them; the test plays the engine."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.silent = False
        self.slowness = 0.0
        self.voice = Voice(STREAM, cast(MediaService, self), self, "en")

    def send(self, command: object) -> None:
        self.sent.append(command)

    async def files(self, prompts: Iterable[Token | Path], language: str = "") -> tuple[str, ...]:
        await asyncio.sleep(self.slowness)
        return () if self.silent else tuple(str(getattr(prompt, "name", prompt)) for prompt in prompts)

    async def music(self, folder: Path | None = None) -> tuple[str, ...]:
        await asyncio.sleep(self.slowness)
        return () if self.silent else ("music.wav",)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.voice.on_media(DigitReceived(STREAM, key, 100))

    def end(self, number: int) -> None:
        self.voice.on_media(PlayEnded(STREAM, number=number))

    def told(self, kind: type[Kind]) -> list[Kind]:
        return [command for command in self.sent if isinstance(command, kind)]


@pytest.fixture
def booth(simulation: object) -> Booth:
    return Booth()


async def settled(task: asyncio.Task[Any]) -> bool:
    """Whether a task ends without any more time."""
    for _ in range(5):
        await asyncio.sleep(0)
    return task.done()


# -- prompts -----------------------------------------------------------------------------------------


async def test_prompts_are_played_to_their_end(booth: Booth) -> None:
    playing = asyncio.create_task(booth.voice.play(BEEP, NAME))
    assert not await settled(playing)
    assert booth.sent == [PlayFiles(STREAM, ("beep", "name.wav"), number=1)]
    booth.end(1)
    assert await playing is True


async def test_a_key_cuts_a_prompt_at_once(booth: Booth) -> None:
    playing = asyncio.create_task(booth.voice.play(BEEP))
    await settled(playing)
    booth.press("5")
    assert await settled(playing)
    assert playing.result() is False
    assert booth.sent[-1] == Quiet(STREAM)


async def test_keys_that_steer_cut_nothing(booth: Booth) -> None:
    playing = asyncio.create_task(booth.voice.play(NAME, steering=Steering("5", "4", "6")))
    await settled(playing)
    for key in "5564":
        booth.press(key)
    assert not await settled(playing)
    assert booth.sent[1:] == [
        PausePlaying(STREAM),
        PausePlaying(STREAM, on=False),
        SeekPlaying(STREAM, 5.0, from_here=True),
        SeekPlaying(STREAM, -5.0, from_here=True),
    ]
    booth.press("1")
    assert await settled(playing)
    assert playing.result() is False


async def test_a_prompt_that_a_key_has_answered_already_is_not_played(booth: Booth) -> None:
    booth.press("5")
    assert await booth.voice.play(BEEP) is False
    assert booth.sent == []


async def test_the_end_of_an_earlier_prompt_is_not_that_of_this_one(booth: Booth) -> None:
    """It crossed the key that cut it."""
    first = asyncio.create_task(booth.voice.play(BEEP))
    await settled(first)
    booth.press("5")
    await first
    booth.voice.forget_keys()
    second = asyncio.create_task(booth.voice.play(GOODBYE))
    await settled(second)
    booth.end(1)
    assert not await settled(second)
    booth.end(2)
    assert await second is True


async def test_a_prompt_that_nobody_can_say_is_over_at_once(booth: Booth) -> None:
    booth.silent = True
    assert await booth.voice.play(BEEP) is True
    await booth.voice.music()
    await booth.voice.announce(BEEP)
    assert booth.sent == []


async def test_quiet_ends_the_waiting_too(booth: Booth) -> None:
    playing = asyncio.create_task(booth.voice.play(BEEP))
    await settled(playing)
    booth.voice.quiet()
    assert await settled(playing)


async def test_music_begins_again_and_again(booth: Booth) -> None:
    await booth.voice.music()
    assert booth.sent == [PlayFiles(STREAM, ("music.wav",), again=True, number=1)]


async def test_music_follows_what_says_why(booth: Booth) -> None:
    await booth.voice.music(NAME, GOODBYE)
    assert booth.sent == [
        PlayFiles(STREAM, ("name.wav", "goodbye", "music.wav"), again=True, number=1, once=2)
    ]


async def test_quiet_holds_while_files_are_still_looked_for(booth: Booth) -> None:
    """Finding a file takes a while where it has to be spoken first."""
    booth.slowness = 1.0
    playing, music = asyncio.create_task(booth.voice.play(BEEP)), None
    await settled(playing)
    booth.voice.quiet()
    assert await playing is True
    music = asyncio.create_task(booth.voice.music())
    await settled(music)
    booth.voice.quiet()
    await music
    assert booth.told(PlayFiles) == []


async def test_music_takes_the_place_of_a_prompt(booth: Booth) -> None:
    playing = asyncio.create_task(booth.voice.play(BEEP))
    await settled(playing)
    await booth.voice.music()
    assert await settled(playing)


# -- keys --------------------------------------------------------------------------------------------


async def test_a_key_is_waited_for_after_the_prompt(booth: Booth) -> None:
    asking = asyncio.create_task(booth.voice.key(BEEP))
    await settled(asking)
    booth.end(1)
    await asyncio.sleep(FIRST_KEY_SECONDS - 0.1)
    booth.press("*")
    assert await asking == "*"


async def test_no_key_is_an_answer_too(booth: Booth) -> None:
    began = asyncio.get_running_loop().time()
    assert await booth.voice.key(seconds=4) == ""
    assert asyncio.get_running_loop().time() - began == pytest.approx(4)


@pytest.mark.parametrize(
    ("pressed", "most", "digits", "left"),
    [("123#", 20, "123", ""), ("#", 20, "", ""), ("12345", 3, "123", "45"), ("1*2#9", 20, "1*2", "9")],
)
async def test_digits_are_collected_until_the_end_key_or_the_most(
    booth: Booth, pressed: str, most: int, digits: str, left: str
) -> None:
    booth.press(*pressed)
    assert await booth.voice.collect(most=most) == digits
    for key in left:
        assert await booth.voice.key() == key


async def test_a_pause_ends_what_is_typed(booth: Booth) -> None:
    booth.press("1", "2")
    began = asyncio.get_running_loop().time()
    assert await booth.voice.collect() == "12"
    assert asyncio.get_running_loop().time() - began == pytest.approx(4.0), "as docs/handset.md says"


async def test_keys_that_were_forgotten_answer_nothing(booth: Booth) -> None:
    booth.press("1")
    booth.voice.forget_keys()
    assert await booth.voice.key(seconds=1) == ""


async def test_a_stuck_key_fills_no_memory(booth: Booth) -> None:
    booth.press(*"1" * 1000)
    assert len(await booth.voice.collect(most=2000)) == MAX_KEYS


# -- recordings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("peak", "heard"), [(HEARD_PEAK, True), (HEARD_PEAK - 1, False)])
async def test_a_recording_ends_at_a_key_and_says_whether_anything_was_heard(
    booth: Booth, peak: int, heard: bool
) -> None:
    recording = asyncio.create_task(booth.voice.record(NAME))
    assert not await settled(recording)
    assert booth.told(RecordFile)[0].path == "name.wav"
    booth.press("1")
    await settled(recording)
    assert len(booth.told(StopRecording)) == 1
    booth.voice.on_media(RecordingEnded(STREAM, 1.0, peak, path="name.wav"))
    assert await recording is heard
    assert await booth.voice.key(seconds=1) == ""  # the key that ended it says nothing else


async def test_a_recording_ends_after_its_seconds(booth: Booth) -> None:
    recording = asyncio.create_task(booth.voice.record(NAME, seconds=5))
    await asyncio.sleep(4.9)
    assert booth.told(StopRecording) == []
    await asyncio.sleep(0.2)
    assert len(booth.told(StopRecording)) == 1
    booth.voice.on_media(RecordingEnded(STREAM, 5.0, 9000, path="name.wav"))
    assert await recording is True


async def test_a_recording_that_failed_was_not_heard(booth: Booth) -> None:
    recording = asyncio.create_task(booth.voice.record(NAME))
    await settled(recording)
    booth.voice.on_media(RecordingFailed(STREAM, "No space left on device", "name.wav"))
    booth.press("1")
    assert await recording is False


async def test_only_the_keys_that_were_named_end_a_recording(booth: Booth) -> None:
    recording = asyncio.create_task(booth.voice.record(NAME, keys="*#", silence_seconds=4))
    await settled(recording)
    assert booth.told(RecordFile) == [RecordFile(STREAM, "name.wav", 10.0, 4)]
    booth.press("1", "2")
    await settled(recording)
    assert booth.told(StopRecording) == []
    booth.press("#")
    await settled(recording)
    assert booth.told(StopRecording) == [StopRecording(STREAM)]
    booth.voice.on_media(RecordingEnded(STREAM, 1.0, 9000, path="name.wav"))
    assert await recording is True
    assert await booth.voice.key(seconds=1) == ""


async def test_a_recording_that_the_engine_ends_needs_no_key(booth: Booth) -> None:
    recording = asyncio.create_task(booth.voice.record(NAME, silence_seconds=4))
    await settled(recording)
    ended = RecordingEnded(STREAM, 6.0, 9000, RecordingEnd.SILENCE, "name.wav")
    booth.voice.on_media(ended)
    assert await recording is True
    assert booth.told(StopRecording) == []
    assert booth.voice.recorded == ended


async def test_the_end_of_another_recording_is_not_that_of_this_one(booth: Booth) -> None:
    """The whole call may be recorded too, and end at any time."""
    recording = asyncio.create_task(booth.voice.record(NAME))
    await settled(recording)
    booth.voice.on_media(RecordingEnded(STREAM, 60.0, 9000, path="call.wav"))
    assert not await settled(recording)
    booth.voice.on_media(RecordingEnded(STREAM, 1.0, 0, path="name.wav"))
    assert await recording is False


async def test_a_recording_that_is_cancelled_waits_for_its_file(booth: Booth) -> None:
    """The caller hung up: the feature may do something with the message."""
    recording = asyncio.create_task(booth.voice.record(NAME))
    await settled(recording)
    recording.cancel()
    assert not await settled(recording)
    ended = RecordingEnded(STREAM, 6.0, 9000, RecordingEnd.CLOSED, "name.wav")
    booth.voice.on_media(ended)
    with pytest.raises(asyncio.CancelledError):
        await recording
    assert booth.voice.recorded == ended


async def test_an_engine_that_never_tells_the_end_of_a_recording_stops_no_call(booth: Booth) -> None:
    booth.press("1")
    assert await booth.voice.record(NAME) is False


# -- rooms -------------------------------------------------------------------------------------------


async def test_rooms_are_joined_left_and_told(booth: Booth) -> None:
    booth.voice.join(3)
    await booth.voice.announce(NAME, GOODBYE)
    booth.voice.leave()
    assert booth.sent == [
        JoinRoom(STREAM, 3),
        AnnounceFiles(STREAM, ("name.wav", "goodbye")),
        LeaveRoom(STREAM),
    ]
