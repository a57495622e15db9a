"""Parties of conference rooms whose packets come and go without anything special, hundreds of them at once.

A stream is here while it does nothing but give its room G.711 and hear it. Its socket is read by the clock, not when
something comes; what is usual is done in arrays (`media.steady`, and the headers of what is sent), and all else
goes through the party's own stream and buffer, packet by packet.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from media.mixer import FRAME_SAMPLES, Mixer
from media.net import BatchReader, Send
from media.plan import G711, Codec
from media.rtp import PLAIN_START
from media.steady import RECORD, Rows, SteadyRows

if TYPE_CHECKING:
    from media.room import G711Party

logger = logging.getLogger(__name__)

MOST_READ: Final = 1024
"""Datagrams that go through the arrays together."""
ROUNDS: Final = 4
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


class _Plans(NamedTuple):
    """Who is here, sorted for the work of a tick."""

    rows: list[tuple[Codec, Rows]]
    sends: list[tuple[Send, memoryview]]


_NOBODY: Final = (None, None, None)


class Batch:
    """The parties of a mixer that are served together."""

    def __init__(self, mixer: Mixer, reader: BatchReader) -> None:
        capacity = len(mixer.present)
        self._mixer = mixer
        self._present = np.frombuffer(mixer.present, np.uint8)
        self._reader = reader
        self._steady = SteadyRows(capacity)
        self._rows: list[int] = []
        """Whose datagrams have been read since the last tick, slot by slot."""
        self._sizes: list[int] = []
        self._times: list[tuple[float, int]] = []
        """When so many of them were read."""
        self._parties: dict[int, tuple[G711Party, Send, memoryview]] = {}
        """By row, with what sends its packet."""
        self._records = np.zeros(MOST_READ, RECORD)
        self._slots = [record.data for record in self._records.view(np.uint8).reshape(MOST_READ, -1)]
        self._packets = np.zeros(capacity, _PACKET)
        self._sequence = np.zeros(capacity, np.int64)
        self._timestamp = np.zeros(capacity, np.int64)
        self._sent = np.zeros(capacity, np.int64)
        """Packets that the stream's own sender does not know of."""
        self._frames = {codec: mixer.frames(codec) for codec in G711}
        self._apart: dict[int, G711Party] = {}
        """Who is here, but not steady, by row."""
        self._plans: _Plans | None = None
        self._tick = 0

    def __len__(self) -> int:
        return len(self._parties)

    # -- who is here ----------------------------------------------------------------------------------

    def admit(self, party: G711Party) -> None:
        """Take a party, if there is nothing special about its stream, and its turn to be looked at."""
        stream, row = party.stream, party.row
        if (self._tick + row) % REST_TICKS or not stream.is_plain:
            return
        send = self._reader.add(stream.ports.rtp, row)
        if send is None:
            return
        sender, packet = stream.sender, self._packets[row : row + 1]
        packet["start"], packet["ssrc"] = PLAIN_START | stream.plan.send_payload_type, sender.ssrc
        self._sequence[row], self._timestamp[row], self._sent[row] = sender.sequence, sender.timestamp, 0
        self._parties[row] = party, send, packet.view(np.uint8).data
        self._apart[row] = party
        party.batch, self._plans = self, None

    def dismiss(self, row: int) -> None:
        """Let a party go."""
        self._put()
        self.write_books(row)
        party, _, _ = self._parties.pop(row)
        del self._apart[row]
        party.batch, self._plans = None, None
        self._reader.remove(party.stream.ports.rtp)

    def write_books(self, row: int) -> None:
        """Let the stream of a party know all that happened here."""
        self._unsettle(row)
        sent, self._sent[row] = int(self._sent[row]), 0
        self._sequence[row] += sent
        self._timestamp[row] += sent * FRAME_SAMPLES
        sender = self._parties[row][0].stream.sender
        sender.advance(sent, sent * FRAME_SAMPLES, sent * FRAME_SAMPLES)

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
            party = self._apart[row] = self._parties[row][0]
            party.heard(self._steady.stop(row))

    # -- what comes -----------------------------------------------------------------------------------

    def read(self, now: float, rounds: int = 1) -> None:
        """Read what has come, at most so many datagrams of each socket. It is dealt with in the tick."""
        for _ in range(rounds if self._parties else 0):
            came = len(self._rows)
            rows, sizes = self._reader.read(self._slots[came:])
            if not rows:
                return
            self._rows += rows
            self._sizes += sizes
            self._times.append((now, len(rows)))
            if len(self._rows) == MOST_READ:
                self._put()

    def _put(self) -> None:
        """Deal with what has been read."""
        rows, sizes, times = self._rows, self._sizes, self._times
        self._rows, self._sizes, self._times = [], [], []
        if not rows:
            return
        if len(set(rows)) == len(rows):
            self._put_each_once(0, rows, sizes, times)
        else:
            first = 0
            for now, count in times:
                last = first + count
                self._put_each_once(first, rows[first:last], sizes[first:last], [(now, count)])
                first = last

    def _put_each_once(
        self, first: int, rows: list[int], sizes: list[int], times: list[tuple[float, int]]
    ) -> None:
        nows = np.repeat([now for now, _ in times], [count for _, count in times])
        records = self._records[first : first + len(rows)]
        odd = self._steady.put(np.array(rows), np.array(sizes), records, nows)
        for number in odd.tolist():
            if sizes[number] >= 0:
                data = self._slots[first + number][: sizes[number]]
                self._put_odd(rows[number], bytes(data), float(nows[number]))

    def _put_odd(self, row: int, data: bytes, now: float) -> None:
        party = self._parties.get(row, _NOBODY)[0]
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
        for party in list(self._apart.values()):
            if not (self._tick + party.row) % REST_TICKS:
                self._settle(party)
        for codec, rows in self._sorted().rows:
            steady = rows[self._steady.present.take(rows)]
            taken, others = self._steady.take(steady, self._frames[codec][0], now)
            self._present[taken] = 1
            for row in others.tolist():
                self._unsettle(row)
        return list(self._apart.values())

    def send(self) -> None:
        """Send everybody here what the others say."""
        plans = self._sorted()
        for codec, rows in plans.rows:
            packets = self._packets
            self._sent[rows] += 1
            sent = self._sent[rows]
            packets["sequence"][rows] = self._sequence[rows] + sent & 0xFFFF
            packets["timestamp"][rows] = self._timestamp[rows] + FRAME_SAMPLES * sent & 0xFFFFFFFF
            packets["payload"][rows] = self._frames[codec][1].take(rows)
        for send, packet in plans.sends:
            try:
                send(packet)
            except OSError:  # what cannot be sent now is lost, as on any network
                continue

    def _sorted(self) -> _Plans:
        if self._plans is None:
            rows: dict[Codec, list[int]] = {}
            for row, (party, _, _) in self._parties.items():
                rows.setdefault(party.codec, []).append(row)
            self._plans = _Plans(
                [(codec, np.array(those)) for codec, those in rows.items()],
                [(send, packet) for _, send, packet in self._parties.values()],
            )
        return self._plans
