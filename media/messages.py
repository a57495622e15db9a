"""The switch and the engine talk in these plain values: commands down, events up.

They travel to worker processes by `media.wire`, and hold nothing else than it knows.
"""

from __future__ import annotations

from enum import Enum

from media.plan import Address, StreamPlan
from media.ticker import Punctuality
from media.tones import Tone
from values import dataclass

# -- commands --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Begin a stream on a reserved port."""

    stream: int
    port: int
    plan: StreamPlan


@dataclass(frozen=True, slots=True)
class FillPorts:
    """So many ports are reserved for streams to come (of phones that ring): bind others."""

    reserved: int


@dataclass(frozen=True, slots=True)
class ReportTicks:
    """Tell how punctual the ticks were since this was asked last: `TicksReported`."""


@dataclass(frozen=True, slots=True)
class ChangeStream:
    """Carry on under another plan: hold, resume, another codec or address."""

    stream: int
    plan: StreamPlan


@dataclass(frozen=True, slots=True)
class Bridge:
    """Give each of two streams the sound of the other."""

    stream: int
    other: int


@dataclass(frozen=True, slots=True)
class Echo:
    """Give a stream its own sound."""

    stream: int


@dataclass(frozen=True, slots=True)
class PlayTone:
    """Play a tone until something else is played, bridged, or quiet is asked for."""

    stream: int
    tone: Tone


@dataclass(frozen=True, slots=True)
class PlayFile:
    """Play a WAV file; `PlayEnded` tells its end."""

    stream: int
    path: str


@dataclass(frozen=True, slots=True)
class PlayFiles:
    """Play WAV files one after another; `PlayEnded` tells the end of the last.

    With `again`, without end, and from where the stream has heard these files last: music goes on after an
    announcement.
    """

    stream: int
    paths: tuple[str, ...]
    again: bool = False
    number: int = 0
    """Comes back in `PlayEnded`, which may cross the next command."""
    once: int = 0
    """How many of the files, the first ones, are not played again."""
    skip: float = 0.0
    """So many seconds of them have been heard in another engine."""


@dataclass(frozen=True, slots=True)
class PausePlaying:
    """Let the file that is being played wait, in silence; or go on."""

    stream: int
    on: bool = True


@dataclass(frozen=True, slots=True)
class SeekPlaying:
    """Go on from another place of the file that is being played, the nearest there is."""

    stream: int
    seconds: float
    """From its begin; with `from_here`, from where it is, and less than 0 is back."""
    from_here: bool = False


@dataclass(frozen=True, slots=True)
class RecordFile:
    """Record what comes in, until the stream is closed or `StopRecording`.

    The file is there when `RecordingEnded` has been told; until then its sound is in a hidden part beside it.
    """

    stream: int
    path: str
    most_seconds: float | None = None
    """The recording ends when it is so long."""
    silence_seconds: float | None = None
    """The recording ends when nothing has been said for so long."""


@dataclass(frozen=True, slots=True)
class RecordCall:
    """Record what comes in and what goes out, mixed, whatever else is recorded; until the stream is closed or
    `StopRecording`."""

    stream: int
    path: str


@dataclass(frozen=True, slots=True)
class StopRecording:
    """Complete the file; `RecordingEnded` tells when it is whole."""

    stream: int
    call: bool = False
    """The file of `RecordCall`, in place of that of `RecordFile`."""


@dataclass(frozen=True, slots=True)
class JoinRoom:
    """Hear all others of a conference room, and be heard by them. Room numbers are the switch's own. Who is in that
    room already is so from now on as this says."""

    stream: int
    room: int
    muted: bool = False
    """Nobody hears it."""
    whispers_to: int = 0
    """The only stream that hears it; 0: all do."""


@dataclass(frozen=True, slots=True)
class LeaveRoom:
    """Leave the conference room."""

    stream: int


@dataclass(frozen=True, slots=True)
class AnnounceFiles:
    """Play WAV files to everybody in the room that the stream is in, after what is being announced there.

    The streams that are named by `others` hear `otherwise` in their place, at the same time: the same in another
    language.
    """

    stream: int
    paths: tuple[str, ...]
    otherwise: tuple[str, ...] = ()
    others: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class SendDigits:
    """Send digits (0-9 * # A-D): as telephone-events, or as tones to a peer that takes none."""

    stream: int
    digits: str


@dataclass(frozen=True, slots=True)
class ListenForDigits:
    """Look for digits in the peer's sound from now on, where it cannot send telephone-events; or no more."""

    stream: int
    on: bool = True


@dataclass(frozen=True, slots=True)
class ReportStream:
    """Tell how a stream goes: `StreamReported`."""

    stream: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """Stop playing, echoing and relaying."""

    stream: int


@dataclass(frozen=True, slots=True)
class CloseStream:
    """End a stream; `StreamClosed` tells its statistics."""

    stream: int


StreamCommand = (
    OpenStream
    | ChangeStream
    | Bridge
    | Echo
    | PlayTone
    | PlayFile
    | PlayFiles
    | PausePlaying
    | SeekPlaying
    | RecordFile
    | RecordCall
    | StopRecording
    | JoinRoom
    | LeaveRoom
    | AnnounceFiles
    | SendDigits
    | ListenForDigits
    | ReportStream
    | Quiet
    | CloseStream
)
Command = FillPorts | ReportTicks | StreamCommand


# -- events ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PortsReady:
    """These RTP ports are bound and wait for a stream."""

    worker: int
    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TicksReported:
    """How punctual the ticks of an engine were."""

    worker: int
    punctuality: Punctuality


@dataclass(frozen=True, slots=True)
class StreamLatched:
    """The peer's packets come from here, and nobody else's count any more."""

    stream: int
    remote: Address


@dataclass(frozen=True, slots=True)
class PlayEnded:
    """A file has been played, or could not be: then `problem` says why."""

    stream: int
    problem: str = ""
    number: int = 0


class RecordingEnd(Enum):
    """Why a recording has ended."""

    STOPPED = "stopped"
    """It was asked to, or another one began."""
    CLOSED = "closed"
    """The stream was closed: somebody hung up."""
    LENGTH = "length"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class RecordingEnded:
    """A recording is complete, and its file in its place."""

    stream: int
    seconds: float
    peak: int
    """Of its loudest sample: 0 to 32768."""
    reason: RecordingEnd = RecordingEnd.STOPPED
    path: str = ""


@dataclass(frozen=True, slots=True)
class RecordingFailed:
    """A recording could not be begun or continued; the call goes on. What was recorded until then is in the file."""

    stream: int
    problem: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class DigitReceived:
    """A key of the peer is pressed: told at once, so that a prompt falls silent. `DigitEnded` follows."""

    stream: int
    digit: str
    duration_ms: int
    """So far."""
    in_band: bool = False
    """Whether it was heard in the peer's sound; else it came as telephone-events."""


@dataclass(frozen=True, slots=True)
class DigitEnded:
    """The key was let go, or its end was lost."""

    stream: int
    digit: str
    duration_ms: int
    in_band: bool = False


@dataclass(frozen=True, slots=True)
class Statistics:
    """How a stream went. Times in ms; loss 0 to 1; None where nothing is known."""

    packets_received: int = 0
    packets_sent: int = 0
    packets_lost: int = 0
    packets_from_strangers: int = 0
    jitter_ms: float = 0.0
    remote_loss: float | None = None
    """Of what we sent, in the peer's last report."""
    remote_packets_lost: int | None = None
    """Of all that we sent, until the peer's last report."""
    remote_jitter_ms: float | None = None
    round_trip_ms: float | None = None
    packets_forged: int = 0
    """Not made with the peer's key, where sound is secured with SRTP; they did not count."""
    packets_replayed: int = 0
    """Of SRTP that came again, or far too late; they did not count either."""
    comfort_noise: int = 0
    """Packets of the peer that say that there is nothing to hear (RFC 3389); they did not count."""
    packets_of_other_types: int = 0
    """Of the peer, in a payload type that was not agreed on; they did not count."""
    stranger: Address | None = None
    """Who sent the last packet that did not count for where it came from."""
    reports_received: int = 0
    remote_packets_sent: int | None = None
    """By the peer, as its last sender report has it."""
    heard_by_remote: bool | None = None
    """Whether the peer's last report tells how it hears us; None without a report that came after we had sent a
    while."""


NOTHING = Statistics()
"""Of a stream on which nobody has sent anything."""


@dataclass(frozen=True, slots=True)
class StreamReported:
    """How a stream goes."""

    stream: int
    statistics: Statistics


@dataclass(frozen=True, slots=True)
class StreamClosed:
    """A stream has ended."""

    stream: int
    statistics: Statistics
    recordings: int = 0
    """So many have ended that are not whole yet: `RecordingEnded` or `RecordingFailed` of each comes later."""


@dataclass(frozen=True, slots=True)
class StreamFailed:
    """A stream could not be begun."""

    stream: int
    problem: str


@dataclass(frozen=True, slots=True)
class StreamBroken:
    """A stream could not go on, and has ended by itself: in one piece with how it went, for it has one end."""

    stream: int
    problem: str
    statistics: Statistics
    recordings: int = 0
    """As in `StreamClosed`."""


@dataclass(frozen=True, slots=True)
class StreamSilent:
    """Nothing has come from the peer for a minute, be it that it holds, or that it is gone."""

    stream: int


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A media process has ended unexpectedly, and these streams with it."""

    worker: int
    streams: tuple[int, ...]


StreamEvent = (
    StreamLatched
    | PlayEnded
    | RecordingEnded
    | RecordingFailed
    | DigitReceived
    | DigitEnded
    | StreamReported
    | StreamClosed
    | StreamFailed
    | StreamBroken
    | StreamSilent
)

Event = PortsReady | TicksReported | WorkerLost | StreamEvent
