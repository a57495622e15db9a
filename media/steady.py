"""The playout buffers and receiver statistics of many parties at once, as long as nothing is unusual.

`media.jitter` and `media.rtp` say what has to result; here is the same for a batch of packets and for a tick of
all rows, where each packet is the next one, with a frame of 20 ms of G.711, and each frame is there in time. Whoever
meets anything else leaves (`stop`), and is served by those until all is as usual again. Tests hold both to the same
bytes and figures.
"""

from __future__ import annotations

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
        "names": ["start", "sequence", "timestamp", "ssrc", "payload"],
        "formats": [">u2", ">u2", ">u4", ">u4", f"V{FRAME_SAMPLES}"],
        "offsets": [0, 2, 4, 8, HEADER_BYTES],
        "itemsize": 1536,
    }
)
"""A datagram as it is received. Longer ones are cut, and are none that count (`MAX_PACKET_BYTES`)."""
assert RECORD.itemsize > MAX_PACKET_BYTES

Rows = npt.NDArray[np.intp]
Times = npt.NDArray[np.float64]
_LONGEST: Final = CLOCK_RATE * MAX_MS // 1000
_MOST_NEED: Final = max(_LONGEST - 3 * FRAME_SAMPLES, 0) / 2

# Fields of a row: whole numbers, and others.
_START, _SSRC, _HIGHEST, _NEXT, _STAMP, _RTP_TRANSIT = range(6)
_DUE, _TRANSIT, _JITTER, _WAIT, _CORRECTION, _RTP_JITTER, _INSERT_AT, _DROP_AT = range(8)
_NO_START: Final = -1


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
        self._whole = np.zeros((6, capacity), np.int64)
        self._other = np.zeros((8, capacity), np.float64)
        self._whole[_START] = _NO_START
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
        self._whole[:, row] = start, state.ssrc, state.highest, state.next, state.stamp, receiver.transit
        self._other[:, row] = (
            state.due, state.transit, state.jitter, state.wait, state.correction, receiver.jitter,
            state.insert_at, state.drop_at,
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
        began = lent.began
        _, _, highest, following, stamp, _ = self._whole[:, row].tolist()
        due, transit, jitter, wait, correction, _, insert_at, drop_at = self._other[:, row].tolist()
        self._whole[_START, row] = _NO_START
        self.present[row] = False
        waiting = [self._frame(row, number) for number in range(following, highest + 1)]
        last = self._frame(row, int(self._last[row])) if self._last[row] >= 0 else None
        lent.buffer.resume(
            began._replace(
                highest=highest,
                next=following,
                stamp=stamp,
                due=due,
                transit=transit,
                jitter=jitter,
                wait=wait,
                correction=int(correction),
                insert_at=insert_at,
                drop_at=drop_at,
                waiting=waiting,
                dropped=int(self._dropped[row]),
                discarded=int(self._discarded[row]),
            ),
            last,
        )
        return last

    def count(self, row: int) -> None:
        """Let the receiver of a row know what has come so far."""
        lent, highest = self._lent[row], int(self._whole[_HIGHEST, row])
        transit, jitter = int(self._whole[_RTP_TRANSIT, row]), float(self._other[_RTP_JITTER, row])
        lent.receiver.resume(highest - lent.counted, transit, jitter)
        lent.counted = highest

    def _frame(self, row: int, number: int) -> bytes:
        return bytes(self._ring[row * SLOTS + number % SLOTS])

    # -- what comes -----------------------------------------------------------------------------------

    def put(self, rows: Rows, sizes: Rows, records: npt.NDArray[np.void], now: Times) -> Rows:
        """Take in datagrams with the times they came at (seconds), at most one of each row; which are not taken."""
        whole = self._whole.take(rows, axis=1)
        other = self._other.take(rows, axis=1)
        timestamp = records["timestamp"].astype(np.int64)
        number = whole[_HIGHEST] + 1
        stamp = whole[_STAMP] + FRAME_SAMPLES
        clock = now * CLOCK_RATE
        ahead = number - whole[_NEXT]
        wait = ahead * FRAME_SAMPLES + other[_DUE] - clock
        usual = (
            (sizes == PACKET_BYTES)
            & (records["start"] == whole[_START])
            & (records["sequence"] == number & 0xFFFF)
            & (records["ssrc"] == whole[_SSRC])
            & (timestamp == stamp & 0xFFFFFFFF)
            & (ahead < MOST_WAITING)
            & ((wait <= _LONGEST) | (ahead > 0))
        )
        other_wait = (wait < 0) | (
            wait > _LONGEST
        )  # as the buffer reckons where the tick is late, or much waits
        if other_wait.any():
            wait = np.where(other_wait, ahead * FRAME_SAMPLES + np.maximum(other[_DUE] - clock, 0), wait)
        if not usual.all():
            kept = usual.nonzero()[0]
            rows, whole, other, wait = rows[kept], whole[:, kept], other[:, kept], wait[kept]
            number, stamp, timestamp, records = number[kept], stamp[kept], timestamp[kept], records[kept]
            clock = clock[kept]
        self._ring[rows * SLOTS + number % SLOTS] = records["payload"]
        whole[_HIGHEST], whole[_STAMP] = number, stamp
        _count(whole, other, timestamp, clock)
        _watch(other, clock - stamp, np.minimum(wait, _LONGEST))
        if (wait > _LONGEST).any():
            self._catch_up(rows, whole, other, wait > _LONGEST)
        self._whole[:, rows], self._other[:, rows] = whole, other
        odd: Rows = (~usual).nonzero()[0]
        return odd

    def _catch_up(
        self, rows: Rows, whole: npt.NDArray[np.int64], other: Times, late: npt.NDArray[np.bool_]
    ) -> None:
        """`JitterBuffer._catch_up`, where too much waits."""
        need = np.minimum(other[_JITTER, late] * NEED, _MOST_NEED).astype(np.int64)
        highest, before = whole[_HIGHEST, late], whole[_NEXT, late]
        following = np.maximum(highest - (need + FRAME_SAMPLES) // FRAME_SAMPLES, before)
        whole[_NEXT, late] = following
        other[_WAIT, late] = (highest - following) * FRAME_SAMPLES
        other[_CORRECTION, late] = 0
        self._discarded[rows[late]] += following - before

    # -- what goes ------------------------------------------------------------------------------------

    def take(self, rows: Rows, frames: Frames, now: float) -> tuple[Rows, Rows]:
        """Write the 20 ms that are due to `frames`, by row; the rows of which that is done, and the others."""
        following, highest = self._whole[_NEXT].take(rows), self._whole[_HIGHEST].take(rows)
        correction = self._other[_CORRECTION].take(rows)
        usual = highest >= following
        if correction.any():
            due = ((correction > 0) & (now >= self._other[_INSERT_AT].take(rows))) | (
                (correction < 0) & (now >= self._other[_DROP_AT].take(rows)) & (highest - following > 1)
            )
            for index in (due & usual).nonzero()[0].tolist():
                row = int(rows[index])
                if self._corrects(row, correction[index], int(following[index])):
                    if correction[index] < 0:
                        self._drop(row, now)
                        following[index] += 1
                    else:
                        usual[index] = False
        others = rows[:0]
        if not usual.all():
            others = rows[~usual]
            rows, following = rows[usual], following[usual]
        frames[rows] = self._ring.take(rows * SLOTS + following % SLOTS)
        self._whole[_NEXT, rows] = following + 1
        self._last[rows] = following
        self._other[_DUE, rows] = now * CLOCK_RATE + FRAME_SAMPLES
        return rows, others

    def _corrects(self, row: int, correction: float, following: int) -> bool:
        """Whether a frame is to be dropped or inserted now that it may be."""
        if abs(correction) > 1:
            return True
        buffer, number = self._lent[row].buffer, int(self._last[row]) if correction > 0 else following
        return buffer.is_quiet(buffer.last if number < 0 else self._frame(row, number))

    def _drop(self, row: int, now: float) -> None:
        """`JitterBuffer._drops`."""
        self._dropped[row] += 1
        self._other[_WAIT, row] -= FRAME_SAMPLES
        self._other[_CORRECTION, row] = 0
        self._other[[_INSERT_AT, _DROP_AT], row] = now + DROP_SECONDS


def _count(
    whole: npt.NDArray[np.int64], other: Times, timestamp: npt.NDArray[np.int64], clock: Times
) -> None:
    """`RtpReceiver.count`."""
    transit = clock.astype(np.int64) - timestamp
    difference = np.abs(transit - whole[_RTP_TRANSIT])
    wrapped = difference > 0x7FFFFFFF
    if wrapped.any():
        signed = np.abs((transit - whole[_RTP_TRANSIT] + 0x80000000 & 0xFFFFFFFF) - 0x80000000)
        difference = np.where(wrapped, signed, difference)
    other[_RTP_JITTER] += (difference - other[_RTP_JITTER]) / 16
    whole[_RTP_TRANSIT] = transit


def _watch(other: Times, transit: Times, wait: Times) -> None:
    """`JitterBuffer._watch`, of packets that are in time."""
    jitter = other[_JITTER]
    difference = np.abs(transit - other[_TRANSIT])
    step = (difference - jitter) * np.where(difference > jitter, GROW, SHRINK)
    np.add(jitter, step, out=jitter, where=difference < _LONGEST)
    other[_TRANSIT] = transit
    other[_WAIT] += (wait - other[_WAIT]) * WAIT_GAIN
    spare = (other[_WAIT] - np.minimum(jitter * NEED, _MOST_NEED)) / FRAME_SAMPLES
    other[_CORRECTION] = (spare < 0.0625) * 1.0 + (spare < -0.75) - (spare > 1.5) - (spare > 1.75)
