"""The media engine: carries out the commands of `media.messages` and tells its events.

It runs in the switch's process or in a worker's, and knows no difference.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from media.alarms import Alarms
from media.disk import Disk
from media.messages import (
    AnnounceFiles,
    Bridge,
    ChangeStream,
    CloseStream,
    Command,
    DigitEnded,
    DigitReceived,
    Echo,
    Event,
    FillPorts,
    JoinRoom,
    LeaveRoom,
    ListenForDigits,
    OpenStream,
    PausePlaying,
    PlayEnded,
    PlayFile,
    PlayFiles,
    PlayTone,
    PortsReady,
    Quiet,
    RecordCall,
    RecordFile,
    RecordingEnded,
    RecordingFailed,
    ReportStream,
    ReportTicks,
    SeekPlaying,
    SendDigits,
    StopRecording,
    StreamBroken,
    StreamClosed,
    StreamCommand,
    StreamFailed,
    StreamLatched,
    StreamReported,
    StreamSilent,
    TicksReported,
)
from media.net import MediaNetwork
from media.player import Place, Player
from media.ports import Ports
from media.recorder import Recorder
from media.stream import Stream
from media.ticker import Ticker
from media.tones import ToneSource
from values import maker

if TYPE_CHECKING:
    from media.in_band import Ears
    from media.room import Rooms

logger = logging.getLogger(__name__)

REST_SECONDS = 0.04
"""Alarms of streams, for reports and the like, are no more exact than that where there are many."""
DISK_SECONDS = 30.0
"""After so long a recording whose stream has ended, and that the disk has not written yet, has failed."""


# -- the engine ------------------------------------------------------------------------------------


class MediaEngine:
    """Carries commands out. Whatever goes wrong with one stream is told as an event and hurts no other."""

    def __init__(
        self,
        network: MediaNetwork,
        ports: Ports,
        random: Random,
        tell: Callable[[Event], None],
        *,
        worker: int = 0,
        disk: Disk | None = None,
        library: Disk | None = None,
        load_ahead: Callable[[], None] | None = None,
    ) -> None:
        """`disk`: where recordings are written; `library`: where files are read. Without them, ticks wait for that.
        `load_ahead` is called when the first stream is opened: what calls may want can be loaded from then on."""
        self._network = network
        self._ports = ports
        self._random = random
        self._tell = tell
        self._worker = worker
        self._disk = disk
        self._library = library
        self._load_ahead = load_ahead
        self._loop = asyncio.get_running_loop()
        self._ticker = Ticker(self._loop)
        self._alarms = Alarms(self._loop, rest=REST_SECONDS)
        self._streams: dict[int, Stream] = {}
        self._players: dict[int, Player] = {}
        """Of files, by the stream that hears them."""
        self._opening: dict[int, Player] = {}
        """Those that are heard as soon as their first file is open."""
        self._music: dict[int, tuple[tuple[str, ...], Place]] = {}
        """What each stream has heard last that is played again and again, and how far: it goes on from there."""
        self._rooms: Rooms | None = None
        """Made when the first is joined: an engine without conferences does not carry numpy."""
        self._waiting: list[StreamCommand] = []
        """For them."""
        self._ears: Ears | None = None
        """Made when the first digit is to be heard in sound, for the same reason."""

    def start(self) -> None:
        """Bind the first ports. Raises OSError if there are none."""
        ports = self._ports.fill()
        if not ports:
            raise OSError(errno.EADDRINUSE, f"no media port can be bound: {self._ports}")
        self._announce(ports)

    def stop(self) -> None:
        """Close every stream and port."""
        for stream in list(self._streams):
            self.handle(CloseStream(stream))
        self._ports.close()
        self._ticker.stop()

    def handle(self, command: Command) -> None:
        """Carry out a command; one for a stream that has ended is too late, and ignored."""
        if isinstance(command, OpenStream):
            self._open(command)
        elif isinstance(command, CloseStream):
            if (stream := self._streams.get(command.stream)) is not None:
                self._close(stream)
        elif isinstance(command, Bridge):
            if (stream := self._streams.get(command.stream)) is not None:
                self._bridge(stream, command.other)
        elif isinstance(command, FillPorts):
            self._tell(PortsReady(self._worker, self._ports.fill(command.reserved)))
        elif isinstance(command, ReportTicks):
            self._tell(TicksReported(self._worker, self._ticker.punctuality()))
        elif (stream := self._streams.get(command.stream)) is not None and not self._must_wait(command):
            self._carry_out(stream, command)

    def _carry_out(self, stream: Stream, command: StreamCommand) -> None:
        if isinstance(command, _HEARD_INSTEAD):
            self._give_up_opening(stream.id)
        match command:
            case ChangeStream(_, plan):
                stream.change(plan)
                if self._rooms is not None:
                    self._rooms.plan_changed(stream)
                self._listen(stream)
            case Echo():
                stream.bridge(stream)
            case PlayTone(_, tone):
                stream.play(ToneSource(tone).frame)
            case PlayFile(_, path):
                self._play(stream, Player((path,), disk=self._library))
            case PlayFiles():
                self._play_files(stream, command)
            case PausePlaying(_, on):
                if (player := self._player(stream.id)) is not None:
                    player.paused = on
            case SeekPlaying(_, seconds, from_here):
                if (player := self._player(stream.id)) is not None:
                    player.seek(seconds + player.position if from_here else seconds)
            case AnnounceFiles():
                self._announce_files(stream, command)
            case JoinRoom():
                self._join(stream, command)
            case LeaveRoom():
                self._leave_room(stream)
            case StopRecording(_, both):
                if stream.recordings is not None:
                    stream.recordings.stop(both=both)
            case RecordFile(_, path, most, silence):
                self._record(stream, path, most_seconds=most, silence_seconds=silence)
            case RecordCall(_, path):
                self._record(stream, path, both=True)
            case SendDigits(_, digits):
                self._send_digits(stream, digits)
            case ListenForDigits(_, on):
                stream.listened_to = on
                self._listen(stream)
            case ReportStream():
                self._tell(StreamReported(stream.id, stream.statistics()))
            case Quiet():
                stream.quiet()

    # -- streams ----------------------------------------------------------------------------------------

    def _open(self, command: OpenStream) -> None:
        stream, streams, ports = command.stream, self._streams, self._ports
        pair = None if stream in streams else ports.take(command.port)
        if pair is None:
            self._tell(StreamFailed(stream, f"port {command.port} is not ready"))
            return
        streams[stream] = Stream(
            stream, pair, command.plan, self._random, self._ticker, self._alarms, self._tell_of
        )
        if ports.few:
            self._announce(ports.fill())
        if (load := self._load_ahead) is not None:
            self._load_ahead = None
            load()

    def _tell_of(self, kind: str, stream: int, *facts: Any) -> None:
        self._tell(_EVENTS[kind](stream, *facts))

    def _close(self, stream: Stream, problem: str = "") -> None:
        """A stream ends, as it was asked to if there is no `problem`. However it ends is told once."""
        number = stream.id
        del self._streams[number]
        if self._opening:
            self._give_up_opening(number)
        if self._rooms is not None:
            self._rooms.leave(stream)
        if self._ears is not None:
            self._ears.ignore(stream)
        statistics, recordings, unfinished = stream.close(), stream.recordings, 0
        if self._music:
            self._music.pop(number, None)
        if recordings is not None and (unfinished := recordings.unfinished):
            recordings.finished = self._loop.call_later(DISK_SECONDS, recordings.give_up).cancel
        self._ports.release(stream.ports)
        if problem:  # told last: who hears it may open another at once, at this port
            self._tell(StreamBroken(number, problem, statistics, unfinished))
        else:
            tell = self._tell
            tell(_closed(number, statistics, unfinished))

    def _bridge(self, stream: Stream, other: int) -> None:
        if self._opening:
            self._give_up_opening(stream.id)
        partner = self._streams.get(other)
        if partner is not None:
            if self._opening:
                self._give_up_opening(other)
            stream.bridge(partner)
            partner.bridge(stream)

    def _join(self, stream: Stream, command: JoinRoom) -> None:
        if self._rooms is None:
            self._rooms = self._new_rooms()
        self._rooms.join(stream, command.room, muted=command.muted, whispers_to=command.whispers_to)

    def _new_rooms(self) -> Rooms:
        from media.room import Rooms

        return Rooms(self._ticker, self._loop, self._network.open_batch, self._not_joined)

    def _not_joined(self, stream: Stream, error: Exception) -> None:
        self._close(stream, f"cannot join a room: {error}")

    def _must_wait(self, command: StreamCommand) -> bool:
        """Whether a command about rooms has to wait until there can be some: what they need is loaded beside the loop,
        for all other streams have their ticks meanwhile."""
        if self._rooms is not None or self._library is None:
            return False
        if not isinstance(command, JoinRoom | LeaveRoom | AnnounceFiles):
            return False
        if not self._waiting:
            self._library.run(_load_rooms, self._rooms_loaded)
        self._waiting.append(command)
        return True

    def _rooms_loaded(self, error: Exception | None) -> None:
        self._rooms = self._new_rooms()
        waiting, self._waiting = self._waiting, []
        for command in waiting:
            self.handle(command)

    def _leave_room(self, stream: Stream) -> None:
        if self._rooms is not None:
            self._rooms.leave(stream)

    def _listen(self, stream: Stream) -> None:
        """Whoever can send telephone-events sends them; only the sound of others has to be listened to."""
        plan = stream.plan
        if stream.listened_to and plan.dtmf_receive_payload_type is None:
            from media.in_band import Ears

            if self._ears is None:
                self._ears = Ears(self._ticker, self._loop, self._tell_of)
            self._ears.listen(stream)
        elif self._ears is not None:
            self._ears.ignore(stream)

    def _send_digits(self, stream: Stream, digits: str) -> None:
        try:
            stream.send_digits(digits)
        except ValueError:
            logger.warning("these are no digits to send: %r", digits)

    def _announce(self, ports: tuple[int, ...]) -> None:
        if ports:
            self._tell(PortsReady(self._worker, ports))

    # -- files ------------------------------------------------------------------------------------------

    def _play_files(self, stream: Stream, command: PlayFiles) -> None:
        if stream.id in self._players:
            self._note_music(stream.id, self._players[stream.id])
        again = command.paths[command.once :] if command.again else ()
        heard, place = self._music.get(stream.id, ((), None))
        known = heard == again
        player = Player(
            command.paths,
            again=command.again,
            once=command.once,
            place=place if known else None,
            skip=0.0 if known and place is not None else command.skip,
            disk=self._library,
        )
        self._play(stream, player, command.number)

    def _note_music(self, stream: int, player: Player) -> None:
        if player.place is not None:
            self._music[stream] = player.again, player.place

    def _play(self, stream: Stream, player: Player, number: int = 0) -> None:
        self._opening[stream.id] = player
        player.open(lambda playable: self._opened(stream, player, number, playable))

    def _opened(self, stream: Stream, player: Player, number: int, playable: bool) -> None:
        del self._opening[stream.id]
        if not playable:  # what is heard goes on
            self._tell(PlayEnded(stream.id, player.problem, number))
            return
        stream.play(
            player.frame,
            ended=lambda: self._tell(PlayEnded(stream.id, player.problem, number)),
            close=lambda: self._end_playing(stream.id),
        )
        self._players[stream.id] = player

    def _player(self, stream: int) -> Player | None:
        return self._opening.get(stream) or self._players.get(stream)

    def _end_playing(self, stream: int) -> None:
        player = self._players.pop(stream)
        self._note_music(stream, player)
        player.close()

    def _give_up_opening(self, stream: int) -> None:
        """Something else is to be heard."""
        player = self._opening.pop(stream, None)
        if player is not None:
            player.close()

    def _announce_files(self, stream: Stream, command: AnnounceFiles) -> None:
        from media.room import Announcement

        first, then = (
            Player(paths, disk=self._library).frame for paths in (command.paths, command.otherwise)
        )
        said = Announcement(first, then if command.others else None, command.others)
        if self._rooms is None or not self._rooms.announce(stream, said):
            logger.warning(
                "nothing is announced: stream %d is in no room, or too much is waiting there", stream.id
            )

    def _record(
        self,
        stream: Stream,
        path: str,
        *,
        both: bool = False,
        most_seconds: float | None = None,
        silence_seconds: float | None = None,
    ) -> None:
        try:
            recorder = Recorder(
                Path(path),
                both=both,
                most_seconds=most_seconds,
                silence_seconds=silence_seconds,
                disk=self._disk,
            )
        except (OSError, ValueError) as error:
            logger.warning("%s cannot be recorded: %s", path, error)
            self._tell(RecordingFailed(stream.id, str(error), path))
        else:
            stream.record(recorder)


def _load_rooms() -> None:
    from media.mixer import Mixer

    Mixer(1)  # makes the tables


_closed = maker(StreamClosed)
_HEARD_INSTEAD = (Echo, PlayTone, PlayFile, PlayFiles, Quiet)
"""Commands, like `Bridge`, after which a stream does not hear what it was to hear before."""

_EVENTS: dict[str, Callable[..., Event]] = {
    "latched": StreamLatched,
    "silent": StreamSilent,
    "digit": DigitReceived,
    "digit ended": DigitEnded,
    "recorded": RecordingEnded,
    "recording failed": RecordingFailed,
}
