"""Parties of conference rooms whose packets come and go without anything special, hundreds of them at once.

A stream is here while it does nothing but give its room G.711 and hear it. Its socket is read by the clock, not when
something comes; what is usual is done in arrays (`media.steady`, and the headers of what is sent), and all else
goes through the party's own stream and buffer, packet by packet.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from media.mixer import FRAME_SAMPLES, Frames, Mixer
from media.net import SocketBatch
from media.plan import G711, Codec
from media.rtp import PLAIN_START
from media.steady import RECORD, Rows, SteadyRows, Times

if TYPE_CHECKING:
    from media.room import G711Party

logger = logging.getLogger(__name__)

ROUNDS: Final = 8
"""Datagrams of one socket that are read before a tick."""
REST_TICKS: Final = 8
"""A power of two: so many ticks go by before it is looked at again whether all is as usual, for each party once."""

_PACKET: Final = np.dtype(
    [
        ("start", ">u2"),
        ("sequence", ">u2"),
        ("timestamp", ">u4"),
        ("ssrc", ">u4"),
        ("payload", f"V{FRAME_SAMPLES}"),
    ]
)


Records = npt.NDArray[np.void]
OpenSockets = Callable[[memoryview, memoryview], SocketBatch | None]
"""`MediaNetwork.open_batch`."""


def open_batch(mixer: Mixer, open_sockets: OpenSockets) -> Batch | None:
    """A batch for the parties of a mixer; None where sockets can only be served one by one."""
    rows = len(mixer.present)
    records, packets = np.zeros(rows, RECORD), np.zeros(rows, _PACKET)
    sockets = open_sockets(_bytes_of(records).data, _bytes_of(packets).data)
    return None if sockets is None else Batch(mixer, records, packets, sockets)


def _bytes_of(records: Records) -> npt.NDArray[np.uint8]:
    return records.view(np.uint8).reshape(len(records), -1)


class Batch:
    """The parties of a mixer that are served together."""

    def __init__(self, mixer: Mixer, records: Records, packets: Records, sockets: SocketBatch) -> None:
        """`records` and `packets`: what `sockets` reads to, and sends."""
        capacity = len(mixer.present)
        self._present = np.frombuffer(mixer.present, np.uint8)
        self._steady = SteadyRows(capacity)
        self._records, self._packets, self._sockets = records, packets, sockets
        self._slots = _bytes_of(records)
        self._tried: tuple[Rows, Times] | None = None
        """Sizes and times of what was read first since the last tick, in the slots of their rows."""
        self._read = 0
        """Slots that have been read since the last tick."""
        self._read_at = -np.inf
        self._rows = np.zeros(len(records), np.intp)
        """Whose datagrams stand in them."""
        self._sizes = np.zeros(len(records), np.intp)
        self._times = np.zeros(len(records))
        """When they came."""
        self._begun: list[int] = []
        """The first slot of each reading after that."""
        self._slot_of = np.zeros(capacity, np.intp)
        self._parties: dict[int, G711Party] = {}
        """By row."""
        self._sequence = np.zeros(capacity, np.uint16)
        self._timestamp = np.zeros(capacity, np.uint32)
        """Of the last packet."""
        self._one, self._samples = np.zeros(capacity, np.uint16), np.zeros(capacity, np.uint32)
        """What is added to them for the next packet; 0 for who is not here."""
        self._frames = {codec: mixer.frames(codec) for codec in G711}
        self._apart: dict[int, G711Party] = {}
        """Who is here, but not steady, by row."""
        self._order: _Order | None = None
        """Of who is here; None: to be made."""
        self._tick = 0

    def __len__(self) -> int:
        return len(self._parties)

    @property
    def has_to_read_often(self) -> bool:
        """Whether packets are taken to come when they are read."""
        return not self._sockets.knows_ages

    # -- who is here ----------------------------------------------------------------------------------

    def admit(self, party: G711Party) -> None:
        """Take a party, if there is nothing special about its stream, and its turn to be looked at."""
        stream, row = party.stream, party.row
        if (self._tick + row) % REST_TICKS or not stream.is_plain:
            return
        if not self._sockets.add(stream.ports.rtp, row):
            return
        sender, packet = stream.sender, self._packets[row : row + 1]
        packet["start"], packet["ssrc"] = PLAIN_START | stream.plan.send_payload_type, sender.ssrc
        self._sequence[row], self._timestamp[row] = sender.sequence, sender.timestamp
        self._one[row], self._samples[row] = 1, FRAME_SAMPLES
        self._parties[row] = self._apart[row] = party
        party.batch, self._order = self, None

    def dismiss(self, row: int) -> None:
        """Let a party go."""
        self._put()
        self._unsettle(row)
        self.write_books(row)
        party = self._parties.pop(row)
        del self._apart[row]
        self._one[row] = self._samples[row] = 0
        party.batch, self._order = None, None
        self._sockets.remove(party.stream.ports.rtp)

    def write_books(self, row: int) -> None:
        """Let the stream of a party know all that happened here."""
        if row in self._steady:
            self._steady.count(row)
        sender = self._parties[row].stream.sender
        # Reports are made more often than that wraps.
        ticks = self._timestamp.item(row) - sender.timestamp & 0xFFFFFFFF
        sender.advance(ticks // FRAME_SAMPLES, ticks, ticks)

    def steady_rows(self) -> list[int]:
        """Whose packets are put in order here, too."""
        rows: list[int] = self._steady.present.nonzero()[0].tolist()
        return rows

    def _settle(self, party: G711Party) -> None:
        start = PLAIN_START | party.stream.plan.receive_payload_type
        if self._steady.start(party.row, start, party.buffer, party.stream.receiver):
            del self._apart[party.row]

    def _unsettle(self, row: int) -> None:
        if row in self._steady:
            party = self._apart[row] = self._parties[row]
            party.heard(self._steady.stop(row))

    # -- what comes -----------------------------------------------------------------------------------

    def read(self, now: float, rounds: int = 1) -> None:
        """Read what has come, at most so many datagrams of each socket. It is dealt with in the tick."""
        for _ in range(rounds if self._parties else 0):
            if not self._read and self._try_all(now):
                continue
            first = self._read
            rows, sizes, ages = self._sockets.read(first)
            if not len(rows):
                break
            self._read = last = first + len(rows)
            self._rows[first:last], self._sizes[first:last] = rows, sizes
            self._times[first:last] = np.clip(now - ages, self._read_at, now)
            self._begun.append(first)
            if last == len(self._rows):
                self._put()
        self._read_at = now

    def _try_all(self, now: float) -> bool:
        """Read a datagram of each socket, if they can be tried all at once."""
        count = self._ordered().size
        tried = self._sockets.try_all(count)
        if tried is None:
            return False
        sizes, ages = tried
        times = np.subtract(now, ages, out=ages)
        np.maximum(times, self._read_at, out=times)
        self._tried, self._read = (sizes, np.minimum(times, now, out=times)), count
        if count == len(self._rows):
            self._put()
        return True

    def _put(self) -> None:
        """Deal with what has been read."""
        tried, read, begun = self._tried, self._read, self._begun
        self._tried, self._read, self._begun = None, 0, []
        if tried is not None:
            sizes, times = tried
            for row in self._steady.put_first(sizes, self._records[: len(sizes)], times).tolist():
                self._put_odd(row, self._slots[row, : int(sizes[row])].tobytes(), float(times[row]))
        if not begun:
            return
        first = begun[0]
        rows, slots = self._rows[first:read], np.arange(first, read)
        self._slot_of[rows] = slots
        if (self._slot_of.take(rows) == slots).all():
            self._put_each_once(first, read)
        else:
            for first, last in pairwise([*begun, read]):
                self._put_each_once(first, last)

    def _put_each_once(self, first: int, last: int) -> None:
        """No row has more than one of these slots."""
        slots = slice(first, last)
        odd = self._steady.put(
            self._rows[slots], self._sizes[slots], self._records[slots], self._times[slots]
        )
        for slot in (first + odd).tolist():
            size = int(self._sizes[slot])
            if size >= 0:
                self._put_odd(
                    int(self._rows[slot]), self._slots[slot, :size].tobytes(), float(self._times[slot])
                )

    def _put_odd(self, row: int, data: bytes, now: float) -> None:
        party = self._parties.get(row)
        if party is None:  # what came before has changed its stream
            return
        self._unsettle(row)
        try:
            party.stream.receive(data, now)
        except Exception:  # of one stream; the others have packets, too
            logger.exception("a datagram could not be handled")

    # -- the tick -------------------------------------------------------------------------------------

    def take(self, now: float) -> list[G711Party]:
        """Give the mixer the frames that are due; those who are left are to be asked one by one."""
        self._put()
        self._tick += 1
        if not self._parties:
            return []
        for party in list(self._apart.values()):
            if not (self._tick + party.row) % REST_TICKS:
                self._settle(party)
        order = self._ordered()
        taken, others = self._steady.take(order.size, order.payloads, now)
        self._present[: order.size] = taken
        for row in others.tolist():
            self._unsettle(row)
        return list(self._apart.values())

    def send(self) -> None:
        """Send everybody here what the others say."""
        order = self._ordered()
        for numbers, step, written in order.headers:
            np.add(numbers, step, out=numbers)
            written[...] = numbers
        if len(order.outputs) == 1:
            [(outputs, _)] = order.outputs
            order.written[...] = outputs[: order.size]
        else:
            for outputs, rows in order.outputs:
                order.written[rows] = outputs.take(rows)
        self._sockets.send()

    def _ordered(self) -> _Order:
        if self._order is None:
            rows: dict[Codec, list[int]] = {}
            for row, party in self._parties.items():
                rows.setdefault(party.codec, []).append(row)
            count = max(self._parties, default=-1) + 1
            packets, frames = self._packets[:count], self._frames
            self._order = _Order(
                count,
                [
                    (self._sequence[:count], self._one[:count], packets["sequence"]),
                    (self._timestamp[:count], self._samples[:count], packets["timestamp"]),
                ],
                [frames[codec][0] for codec in rows],
                [(frames[codec][1], np.array(those)) for codec, those in rows.items()],
                packets["payload"],
            )
        return self._order


class _Order(NamedTuple):
    """Of a batch, as long as nobody comes or goes. Where it can be, all is of the first rows, others among them: a part
    of a table is had for nothing, and chosen rows are not."""

    size: int
    """Of those rows."""
    headers: list[tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]]
    """What is counted on, by how much, and where it is written."""
    payloads: list[Frames]
    """Where the mixer takes the frames of each codec from."""
    outputs: list[tuple[Frames, Rows]]
    """Where it puts them; whose they are."""
    written: Frames
    """Where they are sent from."""
