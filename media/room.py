"""Conference rooms of one engine: sound of all parties in, the sum of the others out, one batch a tick."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from media.batch import ROUNDS, Batch, OpenSockets, open_batch
from media.codecs.codec import Samples
from media.conceal import G711Concealer, is_quiet_g711
from media.jitter import CONCEAL, NOTHING, JitterBuffer
from media.mixer import LINEAR, Format, Mixer, MixerFullError
from media.opus_ticks import opus_ticks
from media.plan import G711, Codec
from media.transcode import Listener, Speaker
from media.whisper import Whispers
from values import dataclass

if TYPE_CHECKING:
    import asyncio

    from media.stream import FrameSource, Stream
    from media.ticker import Ticker

logger = logging.getLogger(__name__)

JOINS_A_TICK: Final = 8
"""Who joins is served by itself at first, which takes three times as long as together with the others. So where
hundreds join at once they come in one after the other, and those who talk already do not suffer: 32 take 80 ms."""
MAX_ANNOUNCEMENTS = 64
"""Of a room, waiting for their turn; more are not played."""
SILENT_TICKS = 50
"""A party that has sent nothing for so long hears the same as all others of its codec that have not."""


READ_SECONDS: Final = 0.005
"""How often those who need nothing special are read where the kernel does not tell when packets came: as exact as that
are the times at which they did."""
READS: Final = 4
"""Of a tick, that at its begin among them."""


class Party(ABC):
    """A stream in a room. What comes in waits in a playout buffer until the tick that mixes it."""

    __slots__ = (
        "_output", "batch", "buffer", "codec", "muted", "put", "room", "row", "stream", "whispered_to", "whispers_to"
    )  # fmt: skip

    def __init__(
        self, stream: Stream, room: Room, mixer: Mixer, format: Format, buffer: JitterBuffer
    ) -> None:
        """`format`: in which the mixer has this party's sound."""
        self.stream = stream
        self.room = room
        self.codec: Codec = stream.plan.codec
        self.row = mixer.add_party(room.number, format)
        self.buffer = buffer
        self.batch: Batch | None = None
        """Who serves it together with others; None: it is served by itself."""
        self.put = buffer.put_payload
        self._output = mixer.output(self.row)
        self.muted = False
        self.whispers_to = 0
        """The stream that alone hears it; 0: all do."""
        self.whispered_to = False
        """In this tick: it hears what others do not."""

    @abstractmethod
    def take(self, present: bytearray, now: float) -> None:
        """Give the mixer the frame that is due."""

    @abstractmethod
    def send(self) -> None:
        """Send the phone what the others say."""


class G711Party(Party):
    """One whose sound the mixer takes as it is."""

    __slots__ = ("_concealer", "_last", "_payload")

    def __init__(self, stream: Stream, room: Room, mixer: Mixer) -> None:
        codec = stream.plan.codec
        buffer = JitterBuffer(codec.clock_rate, is_quiet=is_quiet_g711(codec))
        super().__init__(stream, room, mixer, codec, buffer)
        self._concealer = G711Concealer(codec)
        self._last: bytes | None = None
        """The last frame that was there, until the concealer knows of it."""
        self._payload = mixer.payload(self.row)

    def take(self, present: bytearray, now: float) -> None:
        frame = self.buffer.take(now)
        if isinstance(frame, bytes):
            self._payload[:] = self._last = frame
            present[self.row] = 1
        elif frame is CONCEAL:
            if self._last is not None:
                self._concealer.heard(self._last)
                self._last = None
            self._payload[:] = self._concealer.conceal()
            present[self.row] = 1

    def send(self) -> None:
        self.stream.send_payload(self._output)

    def heard(self, frame: bytes | None) -> None:
        """The last frame that the mixer was given by others, if it was given any."""
        if frame is not None:
            self._last = frame


class RecodedParty(Party):
    """One of another codec, which the mixer knows as linear sound."""

    __slots__ = ("_frames", "_listener", "_payload", "_silent_ticks", "_speaker")

    def __init__(self, stream: Stream, room: Room, mixer: Mixer) -> None:
        codec = stream.plan.codec
        buffer = JitterBuffer(codec.clock_rate, ticks_of=opus_ticks if codec is Codec.OPUS else None)
        super().__init__(stream, room, mixer, LINEAR, buffer)
        self._listener = Listener(self.codec)
        self._speaker = Speaker(self.codec)
        self._frames: deque[Samples] = deque()
        """Heard, and not yet due."""
        self._silent_ticks = 0
        self._payload = np.frombuffer(mixer.payload(self.row), "<i2")

    def take(self, present: bytearray, now: float) -> None:
        if len(self.room.parties) == 1:  # nobody hears it; what waits is given up when it is too old
            return
        while not self._frames:
            sound = self.buffer.take(now + self._listener.waiting_seconds)
            if sound is NOTHING:
                self._listener.pause()
                self._silent_ticks += 1
                return
            self._frames.extend(
                self._listener.hear(sound) if isinstance(sound, bytes) else self._listener.miss()
            )
        self._payload[:] = self._frames.popleft()
        present[self.row] = 1
        self._silent_ticks = 0

    def send(self) -> None:
        if not self.stream.takes_payloads:
            return
        if self._silent_ticks < SILENT_TICKS or self.whispered_to:
            payload = self._speaker.say_pcm(self._output)
        else:
            payload = self.room.total_for(self.codec, self._output)
        self.stream.send_payload(payload)


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a room is told."""

    source: FrameSource
    otherwise: FrameSource | None = None
    """What some hear in its place; None: all hear the same."""
    others: frozenset[int] = frozenset()
    """The streams of those."""


class Room:
    """One conference: its parties, and what is announced to all of them."""

    __slots__ = ("_payloads", "_speakers", "announcements", "announcer", "asides", "number", "parties")

    def __init__(self, number: int) -> None:
        self.number = number
        """In the mixer."""
        self.parties: dict[int, Party] = {}
        """By stream."""
        self.announcements: deque[Announcement] = deque()
        self.announcer: int | None = None
        """The row that speaks to everybody, while there is something to say."""
        self.asides: tuple[int, ...] = ()
        """The two rows of what is said to some of them, and to the others."""
        self._speakers: dict[Codec, Speaker] = {}
        self._payloads: dict[Codec, bytes] = {}
        """Of the sum of all, in this tick."""

    def total_for(self, codec: Codec, pcm: memoryview) -> bytes:
        """The payload for those who add nothing to the sum of all (`pcm`), and so hear it whole: made once a tick."""
        payload = self._payloads.get(codec)
        if payload is None:
            speaker = self._speakers.get(codec) or self._speakers.setdefault(codec, Speaker(codec))
            payload = self._payloads[codec] = speaker.say_pcm(pcm)
        return payload

    def begin(self) -> None:
        """What was said in the last tick is over."""
        self._payloads.clear()


@dataclass(slots=True)
class Joining:
    """Somebody who comes in soon."""

    stream: Stream
    number: int
    """The room, by the number that the switch has given it."""
    muted: bool
    whispers_to: int
    announcements: tuple[Announcement, ...] = ()
    """What the room is to be told then."""


class Rooms:
    """All rooms of an engine. A room exists while somebody is in it."""

    def __init__(
        self,
        ticker: Ticker,
        loop: asyncio.AbstractEventLoop,
        open_sockets: OpenSockets | None = None,
        full: Callable[[Stream, MixerFullError], None] = lambda stream, error: None,
    ) -> None:
        """`open_sockets`: serves those who need nothing special; without it, each party is served by itself. `full` is
        told of a stream that cannot join."""
        self._ticker = ticker
        self._loop = loop
        self._mixer = Mixer()
        self._batch = open_batch(self._mixer, open_sockets) if open_sockets is not None else None
        self._read_timer: asyncio.TimerHandle | None = None
        self._rooms: dict[int, Room] = {}
        """By the number that the switch has given them."""
        self._parties: dict[int, tuple[int, Party]] = {}
        """Stream -> the switch's number of its room, and its party there."""
        self._whispers = Whispers(self._mixer)
        self._full = full
        self._joined = 0
        """How many have come in since the last tick."""
        self._joining: dict[int, Joining] = {}
        """Those who come in later, by stream, in their order."""

    def join(self, stream: Stream, number: int, *, muted: bool = False, whispers_to: int = 0) -> None:
        """Put a stream into a room, where nobody hears it if it is `muted`, and one stream alone if it `whispers_to`
        that. Where many join at once this is done a little later, and the stream goes on as it is until then.
        """
        self.leave(stream)
        self._joining[stream.id] = Joining(stream, number, muted, whispers_to)
        self._ticker.add(self, self._tick)
        self._let_in()

    def _let_in(self) -> None:
        """Those who come next, as many as may in this tick."""
        while self._joining and self._joined < JOINS_A_TICK:
            joining = self._joining.pop(next(iter(self._joining)))
            self._joined += 1
            try:
                self._enter(joining)
            except MixerFullError as error:
                self._full(joining.stream, error)

    def _enter(self, joining: Joining) -> None:
        stream, number, muted, whispers_to = joining.stream, joining.number, joining.muted, joining.whispers_to
        room = self._rooms.get(number)
        if room is None:
            room = self._rooms[number] = Room(self._mixer.add_room())
        kind = G711Party if stream.plan.codec in G711 else RecodedParty
        try:
            party = kind(stream, room, self._mixer)
        except MixerFullError:
            self._close_if_empty(number)
            raise
        party.muted, party.whispers_to = muted, whispers_to
        if muted or whispers_to:
            self._mixer.set_gain(party.row, 0)
        if whispers_to:
            self._whispers.add(party)
        room.parties[stream.id] = party
        self._parties[stream.id] = number, party
        stream.join(party)
        room.announcements.extend(joining.announcements[: MAX_ANNOUNCEMENTS - len(room.announcements)])

    def leave(self, stream: Stream) -> None:
        """Take a stream out of its room, if it is in one."""
        if self._joining.pop(stream.id, None) is not None:
            return
        number, party = self._parties.pop(stream.id, (None, None))
        if number is None or party is None:
            return
        if party.batch is not None:
            party.batch.dismiss(party.row)
        stream.party = None
        self._whispers.leave(party)
        room = party.room
        del room.parties[stream.id]
        self._mixer.remove_party(party.row)
        self._close_if_empty(number)

    def _close_if_empty(self, number: int) -> None:
        room = self._rooms[number]
        if room.parties:
            return
        self._mixer.remove_room(room.number)
        del self._rooms[number]
        if not self._rooms:
            self._stop_reading()
            if not self._joining:
                self._ticker.remove(self)

    def plan_changed(self, stream: Stream) -> None:
        """A party speaks another codec from now on."""
        number, party = self._parties.get(stream.id, (None, None))
        if number is not None and party is not None and party.codec is not stream.plan.codec:
            self.join(stream, number, muted=party.muted, whispers_to=party.whispers_to)

    def announce(self, stream: Stream, announcement: Announcement) -> bool:
        """Let everybody in the stream's room hear this, after what waits; False if it is in none."""
        joining = self._joining.get(stream.id)
        if joining is not None and len(joining.announcements) < MAX_ANNOUNCEMENTS:
            joining.announcements += (announcement,)
            return True
        _, party = self._parties.get(stream.id, (None, None))
        if party is None or len(party.room.announcements) >= MAX_ANNOUNCEMENTS:
            return False
        party.room.announcements.append(announcement)
        return True

    def __len__(self) -> int:
        return len(self._rooms)

    # -- the tick -----------------------------------------------------------------------------------

    def _tick(self) -> None:
        try:
            if self._rooms:
                self._mix()
        finally:
            self._joined = 0
            self._let_in()
            if not self._rooms:
                self._ticker.remove(self)

    def _mix(self) -> None:
        now, mixer, batch = self._loop.time(), self._mixer, self._batch
        if batch is not None:
            self._stop_reading()
            batch.read(now, ROUNDS)
            for party in batch.take(now):
                party.take(mixer.present, now)
        singles = self._singles()
        for other in singles:
            other.take(mixer.present, now)
        self._whispers.take(mixer.present)
        for room in self._rooms.values():
            room.begin()
            if room.announcements or room.announcer is not None or room.asides:
                self._announce(room, mixer.present)
        mixer.mix()
        self._whispers.give()
        if batch is not None:
            batch.send()
        for other in singles:
            other.send()
            if batch is not None and isinstance(other, G711Party):
                batch.admit(other)
        if batch and batch.has_to_read_often:
            self._read_timer = self._loop.call_at(now + READ_SECONDS, self._read, 1)

    def _singles(self) -> list[Party]:
        """Who is served by itself."""
        parties, batched = self._parties, 0 if self._batch is None else len(self._batch)
        if batched == len(parties):
            return []
        return [party for _, party in parties.values() if party.batch is None]

    def _read(self, number: int) -> None:
        """Between ticks, the so manieth time."""
        assert self._batch is not None
        now = self._loop.time()
        self._read_timer = None
        self._batch.read(now)
        if number < READS - 1 and self._batch:
            self._read_timer = self._loop.call_at(now + READ_SECONDS, self._read, number + 1)

    def _stop_reading(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _announce(self, room: Room, present: bytearray) -> None:
        while room.announcements:
            said = room.announcements[0]
            frame, other = said.source(), None if said.otherwise is None else said.otherwise()
            if frame is not None or other is not None:
                if not self._add_announcer(room, apart=said.otherwise is not None):
                    return
                if said.otherwise is None and frame is not None:
                    assert room.announcer is not None
                    self._mixer.payload(room.announcer)[:] = frame
                    present[room.announcer] = 1
                else:
                    self._tell_apart(room, (frame, other), said.others)
                return
            room.announcements.popleft()
        self._end_announcing(room)

    def _tell_apart(self, room: Room, frames: tuple[bytes | None, bytes | None], others: frozenset[int]) -> None:
        """Each party by itself: that costs more than to tell all the same, and is seldom needed."""
        for row, frame in zip(room.asides, frames, strict=True):
            if frame is not None:
                self._mixer.payload(row)[:] = frame
        for stream, party in room.parties.items():
            which = stream in others
            if frames[which] is not None:
                self._whispers.tell(room.asides[which], party)

    def _end_announcing(self, room: Room) -> None:
        rows, room.announcer, room.asides = (room.announcer, *room.asides), None, ()
        for row in rows:
            if row is not None:
                self._mixer.remove_party(row)

    def _add_announcer(self, room: Room, *, apart: bool) -> bool:
        """The rows that speak to the room; without them its announcements are dropped, and all else goes on."""
        try:
            if not apart and room.announcer is None:
                room.announcer = self._mixer.add_party(room.number, LINEAR)
            while apart and len(room.asides) < 2:
                room.asides += (self._mixer.add_party(room.number, LINEAR),)
                self._mixer.set_gain(room.asides[-1], 0)  # whoever is to hear it is told
        except MixerFullError as error:
            logger.warning("%d announcements are not made: %s", len(room.announcements), error)
            room.announcements.clear()
            return False
        return True
