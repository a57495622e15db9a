"""The playout buffers and receiver statistics of many parties at once, as long as nothing is unusual.

`media.jitter` and `media.rtp` say what has to result; here is the same for a batch of packets and for a tick of
all rows, where each packet is the next one, with a frame of 20 ms of G.711, and each frame is there in time. Whoever
meets anything else leaves (`stop`), and is served by those until all is as usual again. Tests hold both to the same
bytes and figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from media.jitter import DROP_SECONDS, GROW, MAX_MS, NEED, SHRINK, WAIT_GAIN, JitterBuffer
from media.mixer import FRAME_SAMPLES, Frames
from media.playout_state import Steady
from media.rtp import HEADER_BYTES, MAX_PACKET_BYTES, RtpReceiver
from values import dataclass

CLOCK_RATE: Final = 8000
SLOTS: Final = 32
"""Of a row; a power of two. The frame that was given last is kept, too, when those after it are given up."""
MOST_WAITING: Final = 14
"""Packets; 200 ms are 10."""
PACKET_BYTES: Final = HEADER_BYTES + FRAME_SAMPLES
RECORD: Final = np.dtype(
    {
        "names": ["head", "ssrc", "payload"],
        "formats": [">u8", ">u4", f"V{FRAME_SAMPLES}"],
        "offsets": [0, 8, HEADER_BYTES],
        "itemsize": 1536,
    }
)
"""A datagram as it is received; `head` is all of its header but the SSRC. Longer ones are cut, and are none that count
(`MAX_PACKET_BYTES`)."""
assert RECORD.itemsize > MAX_PACKET_BYTES

Rows = npt.NDArray[np.intp]
Times = npt.NDArray[np.float64]
_LONGEST: Final = CLOCK_RATE * MAX_MS // 1000
_MOST_NEED: Final = max(_LONGEST - 3 * FRAME_SAMPLES, 0) / 2

_Flags = npt.NDArray[np.bool_]
_NEXT_HEAD: Final = np.uint64((1 << 32) + FRAME_SAMPLES)
"""From one head to the next. Where a sequence number or a timestamp wraps, what comes is not what this expects, and so
is unusual for once."""
_GROW: Final = np.array([[1 / 16], [GROW], [WAIT_GAIN]])
_SHRINK: Final = np.array([[1 / 16], [SHRINK], [WAIT_GAIN]])
_LEAPS: Final = np.array([[np.inf], [_LONGEST], [np.inf]])
"""Of the jitter in reports (RFC 3550 section A.8), that of the buffer and the mean wait: how quickly they grow and
shrink, and from which value on one does not count."""
_LEAST_SPARE, _MOST_SPARE = 0.0625, 1.5
_least, _most = np.minimum.reduce, np.maximum.reduce
_SPARE: Final = {0: 1.0, 1: 0.0, 2: -1.0, -1: 1.625, -2: 2.0}
"""What has to be spare for each correction."""


class _Columns:
    """State of some rows, and room to reckon in. Times are in clock ticks."""

    __slots__ = (
        "base", "checks", "drop_at", "due", "floats", "head", "insert_at", "jitter", "least_steps", "means",
        "new_transits", "next", "numbers", "slots", "spare", "ssrc", "stamp", "steps", "transits", "usual", "values",
        "wait", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        head: npt.NDArray[np.uint64],
        ssrc: npt.NDArray[np.uint32],
        numbers: npt.NDArray[np.int64],
        floats: Times,
        base: Rows,
    ) -> None:
        self.head = head
        """Of the packet that comes next."""
        self.ssrc = ssrc
        self.base = base
        """Of their places in the ring."""
        self.numbers, self.floats = numbers, floats
        self.next, self.waiting = numbers
        """The number of the packet that is played next; how many wait. Who is not here has as many as can be."""
        self.stamp, self.due, self.spare, self.insert_at, self.drop_at = floats[:5]
        """The stamp of the packet that comes next. When the next frame is due. By how many frames the mean wait is
        longer than the need. Seconds until which nothing is corrected."""
        self.transits, self.means = floats[5:7], floats[7:10]
        """As in reports, and as the buffer reckons: of the last packet, and the jitter of all; the mean wait."""
        self.jitter, self.wait = self.means[1:]
        count = len(head)
        self.usual, self.checks = np.empty(count, np.bool_), np.empty((4, count), np.bool_)
        self.slots = np.empty(count, np.intp)
        self.new_transits = np.empty((2, count))
        self.values, self.steps, self.least_steps = np.empty((3, 3, count))


@dataclass(slots=True)
class _Lent:
    """What is served here in place of a buffer and a receiver."""

    buffer: JitterBuffer
    receiver: RtpReceiver
    began: Steady
    counted: int
    """The number of the last packet that the receiver knows of."""


class SteadyRows:
    """Rows of a mixer, by its numbers."""

    def __init__(self, capacity: int) -> None:
        self._all = _Columns(
            np.zeros(capacity, np.uint64),
            np.zeros(capacity, np.uint32),
            np.zeros((2, capacity), np.int64),
            np.zeros((10, capacity)),
            SLOTS * np.arange(capacity),
        )
        self._all.waiting[:] = MOST_WAITING
        self._all.spare[:] = _SPARE[0]
        self._first = self._all
        """Those from row 0 on, as many as there were in the last tick."""
        self._ring: Frames = np.zeros(capacity * SLOTS, f"V{FRAME_SAMPLES}")
        self.present = np.zeros(capacity, np.bool_)
        """Who is here."""
        self._last = np.full(capacity, -1)
        """The frame that was given last; -1: none was."""
        self._dropped, self._discarded = np.zeros((2, capacity), np.int64)
        self._lent: dict[int, _Lent] = {}
        """The same, as they came."""

    def __contains__(self, row: int) -> bool:
        return row in self._lent

    def start(self, row: int, start: int, buffer: JitterBuffer, receiver: RtpReceiver) -> bool:
        """Take a row, whose packets begin with the two bytes `start`; False if there is something unusual."""
        state = buffer.steady()
        if (
            state is None
            or len(state.waiting) > MOST_WAITING
            or receiver.ssrc != state.ssrc
            or receiver.transit is None
            or receiver.clock_rate != CLOCK_RATE
            or (receiver.highest_sequence - state.highest) & 0xFFFF
        ):
            return False
        self._lent[row] = _Lent(buffer, receiver, state, state.highest)
        every, stamp = self._all, state.stamp
        every.head[row] = start << 48 | (state.highest & 0xFFFF) << 32 | stamp & 0xFFFFFFFF
        every.head[row] += _NEXT_HEAD
        every.ssrc[row] = state.ssrc
        every.numbers[:, row] = state.next, len(state.waiting)
        every.floats[:, row] = (
            stamp + FRAME_SAMPLES, state.due, _SPARE[state.correction], state.insert_at, state.drop_at,
            receiver.transit + (stamp & 0xFFFFFFFF) - stamp, state.transit,
            receiver.jitter, state.jitter, state.wait,
        )  # fmt: skip
        self.present[row] = True
        self._last[row], self._dropped[row], self._discarded[row] = -1, 0, 0
        for number, payload in enumerate(state.waiting, state.next):
            self._ring[row * SLOTS + number % SLOTS] = np.void(payload)
        return True

    def stop(self, row: int) -> bytes | None:
        """Give a row back, what happened here written to its buffer and receiver; the frame given last, if any."""
        self.count(row)
        lent = self._lent.pop(row)
        every = self._all
        following, waiting = every.numbers[:, row].tolist()
        stamp, due, spare, insert_at, drop_at, _, transit, _, jitter, wait = every.floats[:, row].tolist()
        every.waiting[row], every.spare[row] = MOST_WAITING, _SPARE[0]
        self.present[row] = False
        frames = [self._frame(row, number) for number in range(following, following + waiting)]
        last = self._frame(row, int(self._last[row])) if self._last[row] >= 0 else None
        lent.buffer.resume(
            lent.began._replace(
                highest=following + waiting - 1,
                next=following,
                stamp=int(stamp) - FRAME_SAMPLES,
                due=due,
                transit=transit,
                jitter=jitter,
                wait=wait,
                correction=_correction(spare),
                insert_at=insert_at,
                drop_at=drop_at,
                waiting=frames,
                dropped=int(self._dropped[row]),
                discarded=int(self._discarded[row]),
            ),
            last,
        )
        return last

    def count(self, row: int) -> None:
        """Let the receiver of a row know what has come so far."""
        lent, every = self._lent[row], self._all
        highest = every.next.item(row) + every.waiting.item(row) - 1
        stamp = int(every.stamp.item(row)) - FRAME_SAMPLES
        transit = int(every.transits.item(0, row)) + stamp - (stamp & 0xFFFFFFFF)
        lent.receiver.resume(highest - lent.counted, transit, every.means.item(0, row))
        lent.counted = highest

    def _frame(self, row: int, number: int) -> bytes:
        return bytes(self._ring[row * SLOTS + number % SLOTS])

    # -- what comes -----------------------------------------------------------------------------------

    def put_first(self, sizes: Rows, records: npt.NDArray[np.void], now: Times) -> Rows:
        """Take in a datagram of each of the first rows, with the times they came at (seconds). A size below 0: there is
        none. Which are there and not taken."""
        part = self._firsts(len(sizes))
        usual = self._put(part, sizes, records, now)
        if usual.all():
            return part.slots[:0]
        odd: Rows = ((sizes >= 0) > usual).nonzero()[0]
        return odd

    def put(self, rows: Rows, sizes: Rows, records: npt.NDArray[np.void], now: Times) -> Rows:
        """The same for some rows, at most one datagram of each; which of them are not taken."""
        every = self._all
        columns = (every.head.take(rows), every.ssrc.take(rows), every.numbers.take(rows, 1))
        part = _Columns(*columns, every.floats.take(rows, 1), rows * SLOTS)
        odd: Rows = (~self._put(part, sizes, records, now)).nonzero()[0]
        every.head[rows] = part.head
        every.numbers[:, rows], every.floats[:, rows] = part.numbers, part.floats
        return odd

    def _firsts(self, count: int) -> _Columns:
        if len(self._first.head) != count:
            every, first = self._all, slice(0, count)
            columns = (every.head[first], every.ssrc[first], every.numbers[:, first], every.floats[:, first])
            self._first = _Columns(*columns, every.base[first])
        return self._first

    def _put(self, part: _Columns, sizes: Rows, records: npt.NDArray[np.void], now: Times) -> _Flags:
        """Whose datagrams are usual; they are taken in. Nothing else changes but free places of the ring."""
        checks, wait = part.checks, part.values[2]
        np.equal(sizes, PACKET_BYTES, out=checks[0])
        np.equal(records["head"], part.head, out=checks[1])
        np.equal(records["ssrc"], part.ssrc, out=checks[2])
        np.less(part.waiting, MOST_WAITING, out=checks[3])
        usual = np.logical_and.reduce(checks, out=part.usual)
        clock = np.multiply(now, CLOCK_RATE, out=part.new_transits[1])
        np.multiply(part.waiting, FRAME_SAMPLES, out=wait)
        wait += part.due
        wait -= clock
        late = None
        if (
            wait.min() < 0 or wait.max() > _LONGEST
        ):  # as the buffer reckons where the tick is late, or much waits
            usual &= (wait <= _LONGEST) | (part.waiting > 0)
            elsewise = part.waiting * FRAME_SAMPLES + np.maximum(part.due - clock, 0)
            np.copyto(wait, elsewise, where=(wait < 0) | (wait > _LONGEST))
            late = (usual & (wait > _LONGEST)).nonzero()[0]
            np.minimum(wait, _LONGEST, out=wait)
        _watch(part)
        np.add(part.next, part.waiting, out=part.slots)
        part.slots &= SLOTS - 1
        part.slots += part.base
        self._ring[part.slots] = records["payload"]
        np.add(part.head, _NEXT_HEAD, out=part.head, where=usual)
        part.waiting += usual
        if late is not None and len(late):
            self._catch_up(part, late)
        return usual

    def _catch_up(self, part: _Columns, late: Rows) -> None:
        """`JitterBuffer._catch_up`, where too much waits."""
        need = np.minimum(part.jitter[late] * NEED, _MOST_NEED).astype(np.int64)
        before = part.waiting[late]
        kept = np.minimum((need + FRAME_SAMPLES) // FRAME_SAMPLES + 1, before)
        part.waiting[late] = kept
        part.next[late] += before - kept
        part.wait[late] = (kept - 1) * FRAME_SAMPLES
        part.spare[late] = _SPARE[0]
        self._discarded[part.base[late] // SLOTS] += before - kept

    # -- what goes ------------------------------------------------------------------------------------

    def take(self, count: int, frames: Sequence[Frames], now: float) -> tuple[_Flags, Rows]:
        """Write the 20 ms that are due to each of `frames`, by row, for the first so many rows; for which of them that
        is done, and who else is here. Rows of others are written to, too."""
        part, present = self._firsts(count), self.present[:count]
        usual = np.greater(part.waiting, 0, out=part.usual)
        usual &= present
        if _least(part.spare) < _LEAST_SPARE or _most(part.spare) > _MOST_SPARE:
            self._correct(part, now)
        np.bitwise_and(part.next, SLOTS - 1, out=part.slots)
        part.slots += part.base
        for those in frames:
            self._ring.take(part.slots, out=those[:count], mode="clip")
        np.copyto(self._last[:count], part.next, where=usual)
        part.next += usual
        part.waiting -= usual
        np.copyto(part.due, now * CLOCK_RATE + FRAME_SAMPLES, where=usual)
        if np.count_nonzero(usual) == len(self._lent):
            return usual, part.slots[:0]
        others: Rows = (present > usual).nonzero()[0]
        return usual, others

    def _correct(self, part: _Columns, now: float) -> None:
        """Drop frames where that is due. Where one is to be inserted, nothing is usual."""
        longer, shorter = part.spare < _LEAST_SPARE, part.spare > _MOST_SPARE
        due = (longer & (now >= part.insert_at)) | (shorter & (now >= part.drop_at) & (part.waiting > 2))
        for row in (due & part.usual).nonzero()[0].tolist():
            correction = _correction(part.spare[row])
            if self._corrects(row, correction, int(part.next[row])):
                if correction < 0:
                    self._drop(row, now)
                else:
                    part.usual[row] = False

    def _corrects(self, row: int, correction: int, following: int) -> bool:
        """Whether a frame is to be dropped or inserted now that it may be."""
        if abs(correction) > 1:
            return True
        buffer, number = self._lent[row].buffer, int(self._last[row]) if correction > 0 else following
        return buffer.is_quiet(buffer.last if number < 0 else self._frame(row, number))

    def _drop(self, row: int, now: float) -> None:
        """`JitterBuffer._drops`."""
        every = self._all
        self._dropped[row] += 1
        every.next[row] += 1
        every.waiting[row] -= 1
        every.wait[row] -= FRAME_SAMPLES
        every.spare[row] = _SPARE[0]
        every.insert_at[row] = every.drop_at[row] = now + DROP_SECONDS


def _watch(part: _Columns) -> None:
    """`RtpReceiver.count` and `JitterBuffer._watch`, of packets that are usual and in time."""
    usual, transits, values, steps = part.usual, part.new_transits, part.values, part.steps
    np.floor(transits[1], out=transits[0])
    transits -= part.stamp
    np.add(part.stamp, FRAME_SAMPLES, out=part.stamp, where=usual)
    np.subtract(transits, part.transits, out=values[:2])
    np.abs(values, out=values)
    np.copyto(part.transits, transits, where=usual)
    np.subtract(values, part.means, out=steps)
    np.multiply(steps, _SHRINK, out=part.least_steps)
    steps *= _GROW
    np.maximum(steps, part.least_steps, out=steps)  # either is the greater where it is to count
    counts = np.less(values, _LEAPS, out=part.checks[:3])
    counts &= usual
    np.add(part.means, steps, out=part.means, where=counts)
    spare = np.multiply(part.jitter, NEED, out=values[0])
    np.minimum(spare, _MOST_NEED, out=spare)
    np.subtract(part.wait, spare, out=spare)
    spare /= FRAME_SAMPLES
    np.copyto(part.spare, spare, where=usual)


def _correction(spare: float) -> int:
    """What `JitterBuffer` wants of a mean wait that is so many frames longer than the need."""
    if spare < _LEAST_SPARE:
        return 2 if spare < -0.75 else 1
    if spare > _MOST_SPARE:
        return -2 if spare > 1.75 else -1
    return 0
