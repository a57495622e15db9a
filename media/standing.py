"""What streams are doing, so that one that moves to another engine goes on with it there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from media.messages import (
    Bridge,
    CloseStream,
    Echo,
    Event,
    JoinRoom,
    LeaveRoom,
    ListenForDigits,
    PlayEnded,
    PlayFile,
    PlayFiles,
    PlayTone,
    Quiet,
    RecordCall,
    Statistics,
    StopRecording,
    StreamCommand,
)
from values import dataclass


@dataclass(slots=True)
class _Doing:
    partner: int | None = None
    """The other stream of the last bridge."""
    sound: Echo | PlayFile | PlayFiles | PlayTone | Quiet | None = None
    """What is heard in place of the partner."""
    since: float = 0.0
    """When that began; music that goes on after a pause, as if it had begun so much later."""
    music: tuple[tuple[str, ...], float] = ((), 0.0)
    """What was heard last that is played again and again, and for how many seconds."""
    room: JoinRoom | None = None
    listening: ListenForDigits | None = None
    recording: RecordCall | None = None
    parts: int = 1
    """Files of that recording."""


class Standing:
    """The commands that have lasting effects, of every stream."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now`: the clock, in seconds."""
        self._now = now
        self._doing: dict[int, _Doing] = {}

    def __len__(self) -> int:
        return len(self._doing)

    def note(self, command: StreamCommand) -> None:
        """A stream is to do something."""
        if isinstance(command, CloseStream):
            self.forget(command.stream)
            return
        doing = self._doing.setdefault(command.stream, _Doing())
        match command:
            case Bridge(stream, other):
                partner = self._doing.setdefault(other, _Doing())
                self._stop(doing)
                self._stop(partner)
                doing.partner, partner.partner = other, stream
                doing.sound = partner.sound = None
            case Echo() | PlayFile() | PlayFiles() | PlayTone() | Quiet():
                self._stop(doing)
                heard, seconds = doing.music
                goes_on = isinstance(command, PlayFiles) and _music(command) == heard
                doing.sound, doing.since = command, self._now() - (seconds if goes_on else 0.0)
            case JoinRoom():
                doing.room = command
            case LeaveRoom():
                doing.room = None
            case ListenForDigits():
                doing.listening = command
            case RecordCall():
                doing.recording, doing.parts = command, 1
            case StopRecording(_, call) if call:
                doing.recording = None

    def _stop(self, doing: _Doing) -> None:
        """What is heard ends; of music it is kept how far it was."""
        if isinstance(doing.sound, PlayFiles) and (music := _music(doing.sound)):
            doing.music = music, self._now() - doing.since

    def told(self, event: Event) -> None:
        """What has been played to its end is not played again."""
        if isinstance(event, PlayEnded) and (doing := self._doing.get(event.stream)) is not None:
            sound = doing.sound
            number = sound.number if isinstance(sound, PlayFiles) else 0
            if isinstance(sound, PlayFile | PlayFiles) and number == event.number:
                doing.sound = None if doing.partner is None else Quiet(event.stream)

    def forget(self, stream: int) -> None:
        """A stream is no more."""
        self._doing.pop(stream, None)

    def again(self, stream: int) -> list[StreamCommand]:
        """What brings a stream that was opened anew to what it was doing.

        A file begins anew, but music goes on where it was; the recording of a call goes on in another file beside the
        first, `call-2.wav`.
        """
        doing = self._doing.get(stream)
        if doing is None:
            return []
        commands: list[StreamCommand | None] = [doing.room, doing.listening]
        partner = None if doing.partner is None else self._doing.get(doing.partner)
        if doing.partner is not None and partner is not None and partner.partner == stream:
            commands += [Bridge(stream, doing.partner), self._further(partner)]
        commands.append(self._further(doing))
        if doing.recording is not None:
            doing.parts += 1
            commands.append(_part(doing.recording, doing.parts))
        return [command for command in commands if command is not None]


    def _further(self, doing: _Doing) -> StreamCommand | None:
        """What is heard, from where it is now if it is music."""
        sound = doing.sound
        if isinstance(sound, PlayFiles) and sound.again:
            return replace(sound, skip=self._now() - doing.since)
        return sound


def _music(command: PlayFiles) -> tuple[str, ...]:
    """What is played again and again, where nothing else precedes it; empty if that is not so."""
    return command.paths if command.again and not command.once else ()


def _part(recording: RecordCall, part: int) -> RecordCall:
    path = Path(recording.path)
    return replace(recording, path=str(path.with_stem(f"{path.stem}-{part}")))


def together(first: Statistics, then: Statistics) -> Statistics:
    """How a stream went in two engines, one after the other: packets are added up, all else is of the later part."""
    return replace(
        then,
        packets_received=first.packets_received + then.packets_received,
        packets_sent=first.packets_sent + then.packets_sent,
        packets_lost=first.packets_lost + then.packets_lost,
        packets_from_strangers=first.packets_from_strangers + then.packets_from_strangers,
        packets_forged=first.packets_forged + then.packets_forged,
        packets_replayed=first.packets_replayed + then.packets_replayed,
        comfort_noise=first.comfort_noise + then.comfort_noise,
        packets_of_other_types=first.packets_of_other_types + then.packets_of_other_types,
        remote_packets_lost=_sum(first.remote_packets_lost, then.remote_packets_lost),
    )


def _sum(first: int | None, then: int | None) -> int | None:
    return then if first is None else first + (then or 0)
