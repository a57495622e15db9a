"""Playout buffer for one incoming RTP stream.

The time that a packet waits here, its *wait*, runs from its arrival until its first sample is taken. The buffer
needs a mean wait that covers the jitter and no more: `target_ms` is that need and one frame. The estimate of
the jitter is that of RFC 3550 section A.8, but it grows quickly and shrinks slowly. Delay grows where a packet
is not there in time (the frame that is concealed meanwhile is inserted), and frames are dropped or inserted,
at a quiet moment if there is one soon, where the mean wait strays from the need: jitter that has ceased and
a sender's clock that drifts come to the same.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from media.playout_state import Steady
from media.rtp import MAX_PACKET_BYTES, RtpPacket

MAX_MS = 200
"""A packet that would have to wait longer makes the buffer catch up."""

_SLOTS = 32  # a power of two: 200 ms of packets of 10 ms, and some
_MASK = _SLOTS - 1
_MAX_DROPOUT = 3000  # RFC 3550 section A.1: a larger step forward is no loss but another stream
_MAX_MISORDER = 100  # RFC 3550 section A.1: so far back it is no late packet, if the next one follows it
_EARLIER = 4  # so many packets before the first one to come are taken, until it is played
GROW = 1 / 4  # of the jitter, a packet
SHRINK = 1 / 256  # 5 s at 50 packets a second
NEED = 0.75  # of the jitter: estimated so, it comes near the whole spread, half of which would do
WAIT_GAIN = 1 / 16
_STALL_FRAMES = 3  # are concealed in the hope that the next packet is late; after that, nothing is being sent
DROP_SECONDS = 0.2  # from one correction to the next that makes the delay shorter
_INSERT_SECONDS = 0.06  # from one to the next that makes it longer
_GROWN_SECONDS = 1.0  # from there until it is made shorter


class Absent(Enum):
    """What `take` gives where it has no sound to give."""

    NOTHING = auto()
    """Nothing is being sent: silence, whatever was heard before."""
    CONCEAL = auto()
    """Sound is missing here: something like what was heard last."""

    __hash__ = object.__hash__


NOTHING: Final = Absent.NOTHING
CONCEAL: Final = Absent.CONCEAL


def _never(frame: bytes) -> bool:
    return False


class JitterBuffer:
    """Packets in, in any order; 20 ms of sound out, in order. Memory is bounded whatever comes.

    Codecs of one byte a clock tick (G.711, G.722) are cut into frames of 20 ms, whatever their packets hold. For
    others, `ticks_of` tells how many ticks a payload lasts (0: it is none; see `media.opus_ticks`). Payloads then stay
    whole, and `take` is due when the sound of what it gave last is used up. What is absent is so for 20 ms.

    `is_quiet` tells whether a frame may be dropped or repeated unheard (see `media.conceal`).
    """

    __slots__ = (
        "_arrival", "_correction", "_drop_at", "_due", "_floor", "_frame", "_highest", "_insert_at",
        "_jitter", "_lasting", "_longest", "_most_need", "_next", "_payloads",
        "_playing", "_position", "_rate", "_rest", "_seen", "_ssrc", "_stalled", "_stamp", "_stamps",
        "_start_at", "_stray", "_ticks_of", "_transit", "_unit", "_wait", "concealed", "discarded",
        "dropped", "duplicate", "inserted", "is_quiet", "last", "late", "lost", "received", "reordered", "resyncs",
    )  # fmt: skip

    def __init__(
        self,
        clock_rate: int = 8000,
        *,
        ticks_of: Callable[[bytes], int] | None = None,
        is_quiet: Callable[[bytes], bool] = _never,
        max_ms: int = MAX_MS,
    ) -> None:
        self._rate = clock_rate
        self._frame = clock_rate // 50
        self._longest = clock_rate * max_ms // 1000
        self._most_need = max(self._longest - 3 * self._frame, 0) / 2  # the spread is on either side of it
        self._ticks_of = ticks_of
        self.is_quiet = is_quiet
        self.received = 0
        self.lost = 0
        """Packets that were not there when their sound was due; those that came after that are `late`, too."""
        self.late = 0
        self.duplicate = 0
        self.reordered = 0
        """Packets that came after one with a higher number, late ones among them."""
        self.discarded = 0
        """Packets that came in time, and of which something was not played: too much waited, or nothing fits."""
        self.concealed = 0
        """Frames of which sound was missing, in whole or in part: each CONCEAL, and each frame that was filled up."""
        self.inserted = 0
        """Of them, those that made the delay longer."""
        self.dropped = 0
        """Frames dropped to make the delay shorter."""
        self.resyncs = 0
        """How often the stream began anew: another source, or a jump of its numbers or its clock."""
        # The ring. Numbers and stamps are sequence numbers and timestamps that do not wrap.
        self._payloads: list[bytes | None] = [None] * _SLOTS
        self._stamps = [0] * _SLOTS
        self._lasting = [0] * _SLOTS
        self._seen = [0] * _SLOTS
        """The number that was last put into each slot."""
        self._ssrc: int | None = None
        self._next = 0
        """Number of the next packet to play."""
        self._floor = 0
        """While nothing is played, packets from this one on are taken."""
        self._highest = 0
        self._stamp = 0
        """The highest stamp."""
        self._stray: int | None = None
        self._playing = False
        self._start_at: float | None = None
        """When to begin to play; None while playing, and while there is nothing to play."""
        self._arrival = 0.0
        """When the packet came that is to be played first."""
        self._position = 0
        """Stamp of the next sample to give, the first of `_rest` if that is any."""
        self._rest = b""
        """What is left of the packets before `_next`."""
        self.last = b""
        """The last frame given."""
        self._due = 0.0
        """When the next `take` is due, in ticks."""
        self._unit = self._frame
        """By how many ticks the delay can be made shorter."""
        self._stalled = 0
        """Ticks concealed while the position stood still."""
        self._transit: float | None = None
        self._jitter = 0.0
        self._wait = 0.0
        """Mean wait in ticks."""
        self._correction = 0
        """Whether to drop (-1) or to insert (1) a frame if it is quiet, or at any rate (-2, 2), once it is time."""
        self._drop_at = self._insert_at = 0.0

    @property
    def delay_ms(self) -> float:
        """How long a packet waits, on the mean."""
        return 1000 * max(self._wait, 0.0) / self._rate

    @property
    def target_ms(self) -> float:
        """How long a packet should wait at most, on the mean."""
        return 1000 * (self._need() + self._frame) / self._rate

    # -- what comes -----------------------------------------------------------------------------------

    def put(self, packet: RtpPacket, now: float) -> None:
        """Take in a packet that arrived at `now` (seconds).

        Packets of another kind in the same stream (telephone-event, comfort noise) belong here too, with an empty
        payload: their numbers are then not taken for lost ones.
        """
        self.put_payload(packet.sequence, packet.timestamp, packet.ssrc, packet.payload, now)

    def put_payload(self, sequence: int, timestamp: int, ssrc: int, payload: bytes, now: float) -> None:
        """The same for a packet that is nowhere else."""
        self.received += 1
        number, stamp = self._highest + 1, self._stamp + (timestamp - self._stamp & 0xFFFFFFFF)
        if (  # most of the time
            sequence == number & 0xFFFF
            and ssrc == self._ssrc
            and self._playing
            and self._ticks_of is None
            and stamp > self._stamp
            and 0 < len(payload) <= MAX_PACKET_BYTES
            and not self._stalled
            and number - self._next < _SLOTS
        ):
            clock = now * self._rate
            wait = stamp - self._position + self._due - clock
            if 0 <= wait <= self._longest:
                slot = number & _MASK
                self._payloads[slot] = payload
                self._stamps[slot] = self._stamp = stamp
                self._seen[slot] = self._highest = number
                self._watch(clock - stamp, wait)
                return
        self._put_any(sequence, timestamp, ssrc, payload, now)

    def _put_any(self, sequence: int, timestamp: int, ssrc: int, payload: bytes, now: float) -> None:
        ticks = len(payload)
        if self._ticks_of is not None and payload:
            ticks = self._ticks_of(payload)
        if len(payload) > MAX_PACKET_BYTES or (payload and ticks <= 0):
            self.discarded += 1
            payload, ticks = b"", 0
        if ssrc != self._ssrc:
            self._resync(sequence, timestamp)
            self._ssrc = ssrc
        step = (sequence - self._highest + 0x8000 & 0xFFFF) - 0x8000
        if step != 1 or self._highest - self._next >= _MASK:
            if not self._expects(self._highest + step, timestamp):
                return
            step = (sequence - self._highest + 0x8000 & 0xFFFF) - 0x8000
        stamp = self._stamp + ((timestamp - self._stamp + 0x80000000 & 0xFFFFFFFF) - 0x80000000)
        if ticks and step > 0 and stamp <= self._stamp:  # the sender's clock was set back
            self._resync(sequence, timestamp)
            step, stamp = 1, timestamp
        number = self._highest + step
        if step <= 0:
            self.reordered += 1
        if not self._admits(number, stamp, ticks, now):
            return
        if step > 0:
            self._highest = number
        slot = number & _MASK
        self._payloads[slot] = payload
        self._seen[slot] = number
        if ticks:
            self._stamps[slot] = stamp
            self._lasting[slot] = ticks
            if stamp > self._stamp:
                self._stamp = stamp

    def _expects(self, number: int, timestamp: int) -> bool:
        """Whether a packet that is not the next one is one of this stream, and a new one. Follows the stream
        where it jumps."""
        slot = number & _MASK
        if number - self._next >= _SLOTS:
            if number - self._highest > _MAX_DROPOUT:
                self._resync(number & 0xFFFF, timestamp)
            else:  # all that waits is older than what may wait
                self._pass(number)
                self._stop()
        elif number >= self._next:
            if self._payloads[slot] is not None:
                self.duplicate += 1
                return False
        elif self._seen[slot] == number:
            self.duplicate += 1
            return False
        elif number < self._next - _MAX_MISORDER:
            if number & 0xFFFF != self._stray:
                self._stray = number + 1 & 0xFFFF
                self.discarded += 1
                return False
            self._resync(number & 0xFFFF, timestamp)
        return True

    def _admits(self, number: int, stamp: int, ticks: int, now: float) -> bool:
        """Whether a new packet still has its place. Makes that place."""
        clock = now * self._rate
        if number < self._next:
            if self._playing or number < self._floor or self._highest - number >= _SLOTS:
                self.late += 1
                if self._playing and ticks:
                    self._watch(clock - stamp, min(stamp - self._position, 0))
                return False
            self._next = number  # overtaken, before anything was played
        if not ticks:
            return True
        if self._playing:
            if stamp + ticks <= self._position + len(self._rest):
                self.late += 1
                self._watch(clock - stamp, stamp - self._position)
                return False
            if self._stalled:
                self._end_stall(stamp, now)
            wait = stamp - self._position + max(self._due - clock, 0.0)
        else:
            wait = 0.0
            if self._start_at is not None:
                if stamp < self._position:
                    if self._stamp - stamp > self._longest:
                        self.discarded += 1
                        return False
                    self._position = stamp
                wait = stamp - self._position + max(self._start_at * self._rate - clock, 0.0)
        if wait > self._longest and number <= self._highest:  # its clock says another thing than its number
            self.discarded += 1
            return False
        self._watch(clock - stamp, min(wait, self._longest))
        if wait > self._longest:
            self._catch_up(stamp)
        if not self._playing and self._start_at is None:
            self._position, self._arrival = stamp, now
            # A frame of several packets is not begun before they can be there.
            self._start_at = now + (self._need() + max(self._frame - ticks, 0)) / self._rate
        return True

    def _watch(self, transit: float, wait: float) -> None:
        """Estimate the jitter and the mean wait (in ticks), and see whether that needs to be corrected."""
        jitter = self._jitter
        if self._transit is not None:
            difference = abs(transit - self._transit)  # RFC 3550 section A.8, but for the gain
            if difference < self._longest:  # else the sender was silent, or its clock was set
                jitter += (difference - jitter) * (GROW if difference > jitter else SHRINK)
                self._jitter = jitter
        self._transit = transit
        if wait < -self._longest:
            wait = -self._longest
        mean = self._wait
        self._wait = mean = mean + (wait - mean) * WAIT_GAIN
        need = jitter * NEED
        spare = (mean - (need if need < self._most_need else self._most_need)) / self._unit
        if 0.0625 <= spare <= 1.5:
            self._correction = 0
        elif spare > 1.5:
            self._correction = -2 if spare > 1.75 else -1
        else:
            self._correction = 2 if spare < -0.75 else 1

    def _need(self) -> float:
        """The mean wait, in ticks, that covers the jitter."""
        return min(self._jitter * NEED, self._most_need)

    # -- what goes ------------------------------------------------------------------------------------

    def take(self, now: float) -> bytes | Absent:
        """The next 20 ms of sound (the next payload where payloads stay whole), or why there is none."""
        if self._playing:
            if not self._correction and not self._rest and self._ticks_of is None:  # most of the time
                slot = self._next & _MASK
                payload = self._payloads[slot]
                if payload and len(payload) == self._frame and self._stamps[slot] == self._position:
                    self._payloads[slot] = None
                    self._next += 1
                    self._position += self._frame
                    self._due = now * self._rate + self._frame
                    self.last = payload
                    return payload
        elif self._start_at is None or now < self._start_at:
            return NOTHING
        else:
            self._begin(now)
        frame: bytes | Absent
        if self._correction > 0 and self._inserts(now):
            frame = CONCEAL
        else:
            frame = self._play()
            if self._correction < 0 and self._drops(frame, now):
                frame = self._play()
        self._due = now * self._rate + self._frame
        if frame is CONCEAL:
            self.concealed += 1
        elif isinstance(frame, bytes):
            self.last = frame
            if self._ticks_of is not None:
                self._due = now * self._rate + self._lasting[self._next - 1 & _MASK]
        return frame

    def _begin(self, now: float) -> None:
        first = self._find(self._next)
        assert first is not None
        self._pass(first)
        self._position = self._stamps[first & _MASK]
        self._wait = min((now - self._arrival) * self._rate, self._longest)
        self._correction = 0
        self._playing, self._start_at = True, None

    def _play(self) -> bytes | Absent:
        return self._cut() if self._ticks_of is None else self._whole()

    def _cut(self) -> bytes | Absent:
        """20 ms of what the packets hold."""
        size, frame = self._frame, self._rest
        while len(frame) < size:
            slot = self._next & _MASK
            payload = self._payloads[slot]
            ahead = self._stamps[slot] - self._position - len(frame)
            if payload is None or (payload and ahead > 0):
                found = self._find(self._next)
                if found is None:
                    self._rest = frame
                    return self._stall()
                part = self._fill(found, frame)
                if isinstance(part, Absent):
                    return part
                frame += part
                continue
            self._payloads[slot] = None
            self._next += 1
            if payload:
                part = payload[-ahead:] if ahead else payload
                if not part:
                    self.discarded += 1
                frame = frame + part if frame else part
        self._position += size
        self._rest = frame[size:]
        return frame[:size]

    def _fill(self, found: int, frame: bytes) -> bytes | Absent:
        """What comes after `frame`, the begin of one, and before the packet that was `found`."""
        size = self._frame
        hole = self._stamps[found & _MASK] - self._position - len(frame)
        if hole <= 0:
            self._pass(found)
            return b""
        missing = self._misses(found)
        if not frame:
            if hole >= size:
                self._position += size
                return CONCEAL if missing else NOTHING
            if not missing:  # silence may be made as long as suits
                self._position += hole
                if 2 * hole < size:
                    self._wait -= hole
                    return b""
                self._wait += size - hole
                return NOTHING
        self.concealed += 1
        like = self.last or (frame * size)[:size] or bytes(size)
        return like[len(frame) : len(frame) + hole]

    def _whole(self) -> bytes | Absent:
        """A payload."""
        found = self._find(self._next)
        if found is None:
            return self._stall()
        slot = found & _MASK
        hole = self._stamps[slot] - self._position
        if 2 * hole >= self._frame:
            missing = self._misses(found)
            self._position += min(hole, self._frame)
            self._wait += max(self._frame - hole, 0)
            return CONCEAL if missing else NOTHING
        self._pass(found)
        payload, self._payloads[slot] = self._payloads[slot], None
        assert payload is not None
        self._next += 1
        self._position = self._stamps[slot] + self._lasting[slot]
        self._unit = max(self._lasting[slot], self._frame)
        return payload

    # -- steady streams -------------------------------------------------------------------------------

    def steady(self) -> Steady | None:
        """What changes from now on if all goes well, for somebody who does the work of many buffers at once (see
        `media.steady`); None while something is unusual. Until `resume` the buffer is not to be used."""
        ssrc, transit = self._ssrc, self._transit
        if (
            not self._playing
            or self._stalled
            or self._rest
            or self._ticks_of
            or ssrc is None
            or transit is None
        ):
            return None
        waiting: list[bytes] = []
        for number in range(self._next, self._highest + 1):
            slot = number & _MASK
            payload, ahead = self._payloads[slot], self._stamps[slot] - self._position
            if payload is None or len(payload) != self._frame or ahead != len(waiting) * self._frame:
                return None
            waiting.append(payload)
        if self._stamp != self._position + (len(waiting) - 1) * self._frame:
            return None
        return Steady(
            ssrc, self._highest, self._next, self._stamp, self._due,
            transit, self._jitter, self._wait, self._correction, self._insert_at, self._drop_at, waiting,
        )  # fmt: skip

    def resume(self, state: Steady, last: bytes | None) -> None:
        """Go on from a state that `steady` has led to; `last`: the frame given last, if any was."""
        came, went = state.highest - self._highest, state.next - self._next
        self.received += came
        for number in range(self._next, self._highest + 1):
            self._payloads[number & _MASK] = None
        for number in range(max(self._highest, state.highest - _SLOTS) + 1, state.highest + 1):
            self._seen[number & _MASK] = number
        self._position += went * self._frame
        self._highest, self._next, self._stamp = state.highest, state.next, state.stamp
        for ahead, payload in enumerate(state.waiting):
            slot = self._next + ahead & _MASK
            self._payloads[slot], self._stamps[slot] = payload, self._position + ahead * self._frame
        self.last = self.last if last is None else last
        self._due, self._transit, self._jitter = state.due, state.transit, state.jitter
        self._wait, self._correction = state.wait, state.correction
        self._insert_at, self._drop_at = state.insert_at, state.drop_at
        self.dropped += state.dropped
        self.discarded += state.discarded

    # -- when nothing is there ------------------------------------------------------------------------

    def _find(self, number: int) -> int | None:
        """The first packet with sound from `number` on."""
        while number <= self._highest:
            if self._payloads[number & _MASK]:
                return number
            number += 1
        return None

    def _misses(self, found: int) -> bool:
        """Whether a packet is missing before the one that was found."""
        return any(self._payloads[number & _MASK] is None for number in range(self._next, found))

    def _pass(self, until: int) -> None:
        """Give up what comes before `until`."""
        for number in range(self._next, min(until, self._next + _SLOTS)):
            payload = self._payloads[number & _MASK]
            if payload is None:
                self.lost += 1
            elif payload:
                self.discarded += 1
            self._payloads[number & _MASK] = None
        self.lost += max(until - self._next - _SLOTS, 0)
        self._next = max(until, self._next)

    def _stall(self) -> Absent:
        """Nothing to play: conceal in the hope that more comes, for a while."""
        if self._stalled >= _STALL_FRAMES * self._frame:
            self._stop()
            return NOTHING
        self._stalled += self._frame
        return CONCEAL

    def _end_stall(self, stamp: int, now: float) -> None:
        """A packet came while nothing was there: was it late, or are those before it lost?"""
        gap = max(stamp - self._position - len(self._rest), 0)
        covered = min(gap, self._stalled)
        self._position += covered
        stretched, self._stalled = self._stalled - covered, 0
        if stretched:
            self.inserted += -(-stretched // self._frame)
            self._wait += stretched
            self._drop_at = now + _GROWN_SECONDS

    def _stop(self) -> None:
        """Play nothing more until more comes."""
        self._drop_rest()
        self._playing, self._start_at = False, None
        self._stalled = self._correction = 0
        self._floor = self._next

    def _drop_rest(self) -> None:
        if self._rest:
            self.discarded += 1
            self._rest = b""

    # -- corrections ----------------------------------------------------------------------------------

    def _inserts(self, now: float) -> bool:
        """Whether the frame before this one is to be heard again."""
        if now < self._insert_at or not (self._correction > 1 or self.is_quiet(self.last)):
            return False
        self.inserted += 1
        self._wait += self._frame
        self._correction = 0
        self._insert_at, self._drop_at = now + _INSERT_SECONDS, now + _GROWN_SECONDS
        return True

    def _drops(self, frame: bytes | Absent, now: float) -> bool:
        """Whether a frame is not to be heard."""
        if now < self._drop_at or not self._playing or self._stamp - self._position < self._unit:
            return False
        if self._correction == -1 and not isinstance(frame, Absent) and not self.is_quiet(frame):
            return False
        self.dropped += 1
        self._wait -= self._unit
        self._correction = 0
        self._insert_at = self._drop_at = now + DROP_SECONDS
        return True

    def _catch_up(self, stamp: int) -> None:
        """Too much waits: give up all but what the target holds of what comes before `stamp`."""
        oldest = stamp - int(self._need()) - self._frame
        found = self._find(self._next)
        while found is not None and self._stamps[found & _MASK] < oldest:
            found = self._find(found + 1)
        if found is None:
            self.resyncs += 1
            self._pass(self._highest + 1)
            self._stop()
            return
        self._pass(found)
        self._drop_rest()
        self._position = self._stamps[found & _MASK]
        self._wait = float(stamp - self._position)
        self._correction = 0

    def _resync(self, sequence: int, timestamp: int) -> None:
        """Begin anew with this packet. The jitter is the network's: it stays."""
        if self._ssrc is not None:
            self.resyncs += 1
        for slot, payload in enumerate(self._payloads):
            if payload:
                self.discarded += 1
            self._payloads[slot] = None
        # Numbers go on rising, so that none is mistaken for one that was seen before.
        self._next = ((self._highest >> 16) + 2 << 16) + sequence
        self._stop()
        self._highest, self._stamp = self._next - 1, timestamp - 1
        self._floor = self._next - _EARLIER
        self._transit = self._stray = None
