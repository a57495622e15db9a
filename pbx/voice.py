"""What a feature says to the phone of a call, and what it hears from there: prompts, keys, recordings, rooms."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from media.messages import (
    AnnounceFiles,
    DigitReceived,
    Event,
    JoinRoom,
    LeaveRoom,
    PausePlaying,
    PlayEnded,
    PlayFiles,
    Quiet,
    RecordFile,
    RecordingEnded,
    RecordingFailed,
    SeekPlaying,
    StopRecording,
)
from values import dataclass

if TYPE_CHECKING:
    from media.prompts.tokens import Token
    from media.service import MediaService
    from pbx.leg import Leg
    from pbx.prompts import PromptFiles
    from pbx.switch import Switch

MAX_KEYS = 64
"""Typed ahead; more are not remembered."""
FIRST_KEY_SECONDS = 10.0
"""How long the first key is waited for, after the prompt."""
NEXT_KEY_SECONDS = 4.0
"""A pause of so long ends what is typed."""
HEARD_PEAK = 1000
"""A recording with no louder sample (of 32767) holds silence."""
ENGINE_SECONDS = 0.06
"""So much later than the engine a recording is ended from here, if it is too long."""
RECORDING_SECONDS = 2.0
"""How long the end of a recording may take to be told."""


@dataclass(frozen=True, slots=True)
class Steering:
    """Keys that steer what is being played, as in a mailbox."""

    pause: str
    """And go on."""
    back: str
    forward: str
    seconds: float = 5.0
    """So far back or forward."""

    @property
    def keys(self) -> str:
        """All of them."""
        return self.pause + self.back + self.forward


class Voice:
    """One phone's ears, mouth and keypad. Keys that are pressed early count: the prompt they answer is not played."""

    def __init__(self, stream: int, media: MediaService, prompts: PromptFiles, language: str) -> None:
        """`language`: what prompts are said in, "en" or "fr"."""
        self.language = language
        self._stream = stream
        self._media = media
        self._prompts = prompts
        self._keys: deque[str] = deque(maxlen=MAX_KEYS)
        self._changed = asyncio.Event()
        """Set at every event of the stream."""
        self._numbers = count(1)
        self._playing = 0
        """The number of what is being played, 0 for nothing."""
        self.recorded: RecordingEnded | RecordingFailed | None = None
        """How the last recording ended; None while it goes on, and before the first."""
        self._recording = ""
        """Its file."""

    def speak_through(self, stream: int) -> None:
        """Reach the phone by another stream from now on, that sounds and hears as its own does."""
        self._stream = stream

    # -- prompts and keys ----------------------------------------------------------------------------

    async def play(self, *prompts: Token | Path, steering: Steering | None = None) -> bool:
        """Play prompts one after another; False if a key cut them short, or made them needless. With `steering`, its
        keys cut nothing."""
        if self._keys:
            return False
        number = self._playing = next(self._numbers)
        files = await self._prompts.files(prompts, self.language)
        if not files and self._playing == number:
            self._playing = 0
        if self._playing == number and not self._keys:
            self._media.send(PlayFiles(self._stream, files, number=number))
        paused = False
        while self._playing == number and not self._keys:
            await self._event()
            while steering is not None and self._keys and self._keys[0] in steering.keys:
                paused = self._steer(steering, self._keys.popleft(), paused)
        if self._playing == number:
            self.quiet()
        return not self._keys

    def _steer(self, steering: Steering, key: str, paused: bool) -> bool:
        """Do what a key stands for; whether the file waits now."""
        if key == steering.pause:
            if paused:
                self.resume()
            else:
                self.pause()
            return not paused
        self.seek(steering.seconds if key == steering.forward else -steering.seconds, from_here=True)
        return paused

    def pause(self) -> None:
        """Let what is being played wait."""
        self._media.send(PausePlaying(self._stream))

    def resume(self) -> None:
        """Go on with it."""
        self._media.send(PausePlaying(self._stream, on=False))

    def seek(self, seconds: float, *, from_here: bool = False) -> None:
        """Go on from another place of the file that is being played: so far from its begin, or from here (back, if
        it is less than 0)."""
        self._media.send(SeekPlaying(self._stream, seconds, from_here))

    async def key(self, *prompts: Token | Path, seconds: float = FIRST_KEY_SECONDS) -> str:
        """Play prompts and take one key; "" if none comes within so many seconds."""
        await self.play(*prompts)
        await self._wait_for_key(seconds)
        return self._keys.popleft() if self._keys else ""

    def forget_keys(self) -> None:
        """Keys pressed so far answer nothing that comes."""
        self._keys.clear()

    async def collect(
        self, *prompts: Token | Path, most: int = 20, end: str = "#", pause: float = NEXT_KEY_SECONDS
    ) -> str:
        """Play prompts and take digits, until the `end` key (which is not among them), a pause, or `most` of them."""
        return await self.entry(*prompts, most=most, end=end, pause=pause) or ""

    async def entry(
        self, *prompts: Token | Path, most: int = 20, end: str = "#", pause: float = NEXT_KEY_SECONDS
    ) -> str | None:
        """The same, but None where no key is pressed at all: "" is the `end` key alone."""
        digits = ""
        key = await self.key(*prompts)
        if not key:
            return None
        while key and key != end:
            digits += key
            if len(digits) == most:
                break
            key = await self.key(seconds=pause)
        return digits

    async def music(self, *prompts: Token | Path, folder: Path | None = None) -> None:
        """Play prompts, and then the music of those who wait until something else is played or `quiet` is called. It
        goes on from where it was heard last. `folder`: WAV files in place of those of the system."""
        number = self._playing = next(self._numbers)
        self._changed.set()
        before, files = await self._prompts.files(prompts, self.language), await self._prompts.music(folder)
        if self._playing == number and (before or files):
            again = bool(files)
            self._media.send(PlayFiles(self._stream, before + files, again, number, once=len(before)))

    def quiet(self) -> None:
        """Stop what is being played."""
        self._playing = 0
        self._media.send(Quiet(self._stream))
        self._changed.set()

    # -- recordings ----------------------------------------------------------------------------------

    async def record(
        self, path: Path, *, seconds: float = 10.0, silence_seconds: float | None = None, keys: str = ""
    ) -> bool:
        """Record until one of `keys` is pressed (any key, if none is named), for so long, or until nothing has been
        said for `silence_seconds`; whether something was heard.

        The file is whole then. So it is where the caller hangs up, which cancels this: see `recorded`.
        """
        self.recorded, self._recording = None, str(path)
        self._media.send(RecordFile(self._stream, str(path), seconds, silence_seconds))
        try:
            await self._recording_end(seconds + ENGINE_SECONDS, keys)
        finally:
            self._keys.clear()
            if self.recorded is None:
                self._media.send(StopRecording(self._stream))
            await self._recording_end(RECORDING_SECONDS)
        recorded = self.recorded
        return isinstance(recorded, RecordingEnded) and recorded.peak >= HEARD_PEAK

    async def _recording_end(self, seconds: float, keys: str | None = None) -> None:
        """Wait, for so long at most, until the recording has ended or a key is to end it (None: no key is)."""
        try:
            async with asyncio.timeout(seconds):
                while self.recorded is None:
                    if keys is not None and any(not keys or key in keys for key in self._keys):
                        return
                    await self._event()
        except TimeoutError:
            return

    # -- conference rooms ------------------------------------------------------------------------------

    def join(self, room: int) -> None:
        """Hear all others of a room, and be heard by them; what is played meanwhile is heard in their place."""
        self._media.send(JoinRoom(self._stream, room))

    def leave(self) -> None:
        """Leave the room."""
        self._media.send(LeaveRoom(self._stream))

    async def announce(self, *prompts: Token | Path, to: Iterable[Voice] = ()) -> None:
        """Play prompts to everybody in the room, without waiting for the end. Those `to` whom another language is
        spoken hear them in that, if they are there."""
        files, others = await self._prompts.files(prompts, self.language), [*to]
        other = next((each.language for each in others if each.language != self.language), self.language)
        otherwise: tuple[str, ...] = ()
        if other != self.language:
            otherwise = await self._prompts.files(prompts, other)
        if files or otherwise:
            theirs = frozenset(each._stream for each in others if each.language == other != self.language)
            self._media.send(AnnounceFiles(self._stream, files, otherwise, theirs))

    # -- events ----------------------------------------------------------------------------------------

    def on_media(self, event: Event) -> None:
        """Take what the engine tells of the stream."""
        if isinstance(event, DigitReceived):
            self._keys.append(event.digit)
        elif isinstance(event, PlayEnded):
            if event.number == self._playing:
                self._playing = 0
        elif isinstance(event, RecordingEnded | RecordingFailed):
            if event.path != self._recording:  # that of the whole call, or one that was given up
                return
            self.recorded = event
        else:
            return
        self._changed.set()

    async def _event(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _wait_for_key(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not self._keys:
                    await self._event()
        except TimeoutError:
            return


def voice_for(leg: Leg, switch: Switch) -> Voice:
    """What talks with the phone of a leg: in the language of its party, else in that of the system."""
    if leg.voice is None:
        own = leg.party.language if leg.party is not None else ""
        leg.voice = Voice(leg.stream, switch.media, switch.prompts, own or switch.config.prompts.language)
    return leg.voice
