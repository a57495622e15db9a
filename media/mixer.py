"""Conference mixing: everyone hears the others of the room; all rooms of a worker in one batch a tick.

Frames are 20 ms at 8 kHz. `media/mixer_reference.py` says in plain words what the result has to be, and tests
hold the kernel here equal to it byte for byte. Buffers are made when parties come, not in a tick; and a tick in which
the same parties speak as in the last one does nothing but compute samples, a dozen numpy calls for every 128 parties.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache
from itertools import groupby, pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from media.codecs import g711
from media.plan import Codec

FRAME_SAMPLES: Final = 160
GAIN_ONE: Final = 4096
"""Gains are fixed-point numbers: multiples of 1/4096, so that the result is the same on every machine."""
MAX_GAIN: Final = 8.0
MAX_CAPACITY: Final = 8000
"""The sum of so many parties at the highest gain is still a number of 32 bits."""

_OFFSET = 0x8000
"""Added to each total: it makes an index of a sample."""

_Bytes = npt.NDArray[np.uint8]
_Int32 = npt.NDArray[np.int32]
_Index = npt.NDArray[np.intp]
Frames = npt.NDArray[np.void]
"""Whole frames as elements: copied from row to row in one call."""
_Group = tuple[int, int, int]
"""Rooms side by side with equally many speakers: (the first one's place, how many, speakers in each)."""


class Linear(Enum):
    """What codecs of other files decode to."""

    PCM = "16-bit little-endian mono at 8 kHz"


LINEAR: Final = Linear.PCM
Format = Codec | Linear
"""What a party's frames are, both ways."""
_FORMATS: dict[Format, int] = {Codec.PCMA: 1, Codec.PCMU: 2, LINEAR: 4}
"""Bits, so that several are a number, too."""


class MixerFullError(Exception):
    """No row is free."""


# -- formats ---------------------------------------------------------------------------------------


@cache
def _tables(codec: Format) -> tuple[npt.NDArray[np.signedinteger], npt.NDArray[np.generic]]:
    """(samples of each word of a payload, code of each sample plus 32768). A word is 16 bits, however they stand in
    memory: of G.711 two samples, which halves the look-ups."""
    words = np.arange(0x10000, dtype=np.uint16)
    every_sample = np.arange(-0x8000, 0x8000).astype("<i2")
    if not isinstance(codec, Codec):
        return words.view("<i2").astype(np.int32), every_sample
    samples = np.frombuffer(g711.decode(codec, bytes(range(256))), "<i2").astype(np.int32)
    codes = np.frombuffer(g711.encode(codec, every_sample.tobytes()), np.uint8)
    return samples[words.view(np.uint8)].view(np.int64), codes


class _Lane:
    """The frames of all rows of one format, and its tables. Rows of other formats are never touched here."""

    def __init__(self, codec: Format, capacity: int) -> None:
        self._decode, self._encode = _tables(codec)
        self.silence = (
            g711.SILENCE[codec] * FRAME_SAMPLES if isinstance(codec, Codec) else bytes(2 * FRAME_SAMPLES)
        )
        frame_bytes = len(self.silence)
        self.frame = np.dtype(("V", frame_bytes))
        self._words = frame_bytes // 2
        self.payloads: _Bytes = np.zeros((capacity, frame_bytes), np.uint8)
        self.outputs: _Bytes = np.zeros((capacity, frame_bytes), np.uint8)
        self._payloads: Frames = self.payloads.view(self.frame).ravel()
        self._outputs: Frames = self.outputs.view(self.frame).ravel()
        self.make_room(0)

    def make_room(self, rows: int) -> None:
        """Make buffers for blocks of so many rows."""
        self._frames: Frames = np.empty(rows, self.frame)
        self._frame_words = self._frames.view(np.uint16)
        self._frame_samples = self._frames.view(self._encode.dtype)
        self._copies: Frames = np.empty(rows, self.frame)

    def decode(self, rows: _Index, index: _Index, linear: _Int32) -> None:
        """Write the samples of these rows to `linear`. `index` is scratch."""
        count = len(rows) * self._words
        self._payloads.take(rows, out=self._frames[: len(rows)], mode="clip")
        np.copyto(index[:count], self._frame_words[:count])
        self._decode.take(index[:count], out=linear.view(self._decode.dtype), mode="clip")

    def encode(self, index: _Index, rows: _Index) -> None:
        """Write the outputs of these rows. The clip of an index is the saturation of a sample."""
        self._encode.take(index, out=self._frame_samples[: len(index)], mode="clip")
        self._outputs.put(rows, self._frames[: len(rows)], mode="clip")

    def encode_shared(self, index: _Index, shares: _Index, rows: _Index) -> None:
        """The same where several rows have one sound: `shares` says which."""
        self._encode.take(index, out=self._frame_samples[: len(index)], mode="clip")
        self._frames.take(shares, out=self._copies[: len(rows)], mode="clip")
        self._outputs.put(rows, self._copies[: len(rows)], mode="clip")


# -- what a tick does ------------------------------------------------------------------------------


class _Span(NamedTuple):
    """Speakers of one format that stand together in a block."""

    lane: _Lane
    rows: _Index
    first: int
    """Of their samples in the block."""
    last: int


class _Rooms(NamedTuple):
    """Rooms with equally many speakers. Their sounds stand seat by seat, so that one long row holds a seat of all."""

    sounds: _Int32
    """Seat, then sample of each room in turn."""
    totals: _Int32
    """Sample of each room in turn."""


class _Block(NamedTuple):
    """Rooms that are mixed together."""

    spans: list[_Span]
    rooms: list[_Rooms]
    places: _Index
    """Of the room of each sound in the totals."""
    to_seats: _Index | None
    """Where each sound of `rooms` was decoded; None: it stays in its place, as all are of one format."""
    to_spans: _Index | None
    """And the way back."""
    gains: _Int32 | None
    """A column; None where all are 1."""
    linear: _Int32
    flat: _Int32
    indices: _Index
    scratch: _Int32
    levels: _Int32


class _Hearing(NamedTuple):
    """Listeners of one format who say nothing: all of them in one room hear the same."""

    lane: _Lane
    rooms: _Index
    shares: _Index
    rows: _Index


class _Work:
    """Buffers that every block uses in turn."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.linear: _Int32 = np.empty((rows, FRAME_SAMPLES), np.int32)
        self.index: _Index = np.empty(rows * FRAME_SAMPLES, np.intp)
        self.scratch = self.index.view(np.int32)[: rows * FRAME_SAMPLES].reshape(rows, FRAME_SAMPLES)
        """In the same place as the index, which is needed before and after it."""


# -- the mixer -------------------------------------------------------------------------------------


class Mixer:
    """Rooms, and their parties. A party is a row: its number, and its views, hold until it is removed."""

    present: bytearray
    """One byte a row. Whoever writes a payload sets it to 1; `mix` clears it: what is not written again is silent."""

    def __init__(self, capacity: int = 4096, *, block_rows: int = 128) -> None:
        """`capacity`: of parties in all rooms; memory is used for those that come. `block_rows`: those who go through
        all steps together; few enough that their buffers stay in the cache, enough that calls do not count.

        The first one's tables take a tenth of a second, so make it before there is sound to be late for.
        """
        if not 0 < capacity <= MAX_CAPACITY:
            raise ValueError(f"a mixer of {capacity} rows; at most {MAX_CAPACITY} can be summed")
        self.present = bytearray(capacity)
        self._present: _Bytes = np.frombuffer(self.present, np.uint8)
        self._seen: bytearray | None = None
        """The parties that the schedule is for; None: those of no tick yet."""
        self._capacity = capacity
        self._block_rows = block_rows
        self._lanes = {bit: _Lane(codec, capacity) for codec, bit in _FORMATS.items()}
        self._free_rows = list(range(capacity - 1, -1, -1))
        self._free_rooms: list[int] = []
        self._members: list[set[int] | None] = []
        """Of each room, by its number."""
        self._room: _Index = np.full(capacity, -1, np.intp)
        self._format: _Bytes = np.zeros(capacity, np.uint8)
        self._gain: _Int32 = np.zeros(capacity, np.int32)
        self._level: _Int32 = np.zeros(capacity, np.int32)
        self._work = _Work(0)
        self._arranged = True
        self._order: _Index = np.empty(0, np.intp)
        self._place: _Index = np.empty(0, np.intp)
        self._totals: _Int32 = np.empty((0, FRAME_SAMPLES), np.int32)
        self._speakers: _Index = np.empty(0, np.intp)
        self._levels: _Int32 = np.empty(0, np.int32)
        self._blocks: list[_Block] = []
        self._hearings: list[_Hearing] = []

    # -- who is there -------------------------------------------------------------------------------

    def add_room(self) -> int:
        """An empty room."""
        self._arranged = False
        if self._free_rooms:
            room = self._free_rooms.pop()
            self._members[room] = set()
            return room
        self._members.append(set())
        return len(self._members) - 1

    def remove_room(self, room: int) -> None:
        """And its parties. Raises KeyError for a room that there is not."""
        for row in list(self._members_of(room)):
            self.remove_party(row)
        self._members[room] = None
        self._free_rooms.append(room)

    def add_party(self, room: int, codec: Format) -> int:
        """The row of a new party, with gain 1. Raises KeyError for a room that there is not, MixerFullError."""
        members = self._members_of(room)
        if not self._free_rows:
            raise MixerFullError(f"all {self._capacity} rows are taken")
        row = self._free_rows.pop()
        members.add(row)
        lane = self._lanes[_FORMATS[codec]]
        lane.outputs[row] = np.frombuffer(lane.silence, np.uint8)
        self._room[row], self._format[row], self._gain[row] = room, _FORMATS[codec], GAIN_ONE
        self._level[row] = self.present[row] = 0
        self._arranged = False
        return row

    def remove_party(self, row: int) -> None:
        """Take a party out; its views belong to another soon. Raises KeyError for a row that there is not."""
        room = self._room_of(row)
        self._members_of(room).remove(row)
        self._room[row] = -1
        self._free_rows.append(row)
        self._arranged = False

    def set_gain(self, row: int, gain: float) -> None:
        """How loud the others hear a party: 1 as it comes, 0 not at all. Raises KeyError, and ValueError past 8."""
        self._room_of(row)
        if not 0 <= gain <= MAX_GAIN:
            raise ValueError(f"a gain is 0 to {MAX_GAIN:g}, not {gain}")
        self._gain[row] = round(gain * GAIN_ONE)
        self._seen = None

    def _members_of(self, room: int) -> set[int]:
        members = self._members[room] if 0 <= room < len(self._members) else None
        if members is None:
            raise KeyError(f"no room {room}")
        return members

    def _room_of(self, row: int) -> int:
        room = int(self._room[row]) if 0 <= row < self._capacity else -1
        if room < 0:
            raise KeyError(f"no row {row}")
        return room

    # -- frames -------------------------------------------------------------------------------------

    def payload(self, row: int) -> memoryview:
        """Where a party's next frame is written: 160 bytes, 320 of linear sound. Then set `present`."""
        self._room_of(row)
        return memoryview(self._lanes[int(self._format[row])].payloads[row])

    def output(self, row: int) -> memoryview:
        """What a party hears, after each `mix`: 160 bytes, 320 of linear sound. Silence at first."""
        self._room_of(row)
        return memoryview(self._lanes[int(self._format[row])].outputs[row]).toreadonly()

    def add_to_output(self, row: int, source: int) -> None:
        """Let a party hear the frame that party `source` has said, besides what it hears since the last `mix`."""
        heard = self._linear(row, self.output(row)).astype(np.int32)
        heard += self._linear(source, self.payload(source))
        sound = heard.clip(-0x8000, 0x7FFF).astype("<i2").tobytes()
        format = self._format_of(row)
        sound = g711.encode(format, sound) if isinstance(format, Codec) else sound
        self._lanes[int(self._format[row])].outputs[row] = np.frombuffer(sound, np.uint8)

    def _linear(self, row: int, frame: memoryview) -> npt.NDArray[np.int16]:
        format = self._format_of(row)
        sound = g711.decode(format, bytes(frame)) if isinstance(format, Codec) else frame
        return np.frombuffer(sound, "<i2")

    def _format_of(self, row: int) -> Format:
        return next(format for format, bit in _FORMATS.items() if bit == self._format[row])

    def frames(self, codec: Format) -> tuple[Frames, Frames]:
        """The payloads and the outputs of all rows, for somebody who copies those of many rows at once."""
        lane = self._lanes[_FORMATS[codec]]
        return lane.payloads.view(lane.frame).ravel(), lane.outputs.view(lane.frame).ravel()

    def levels(self, room: int) -> dict[int, float]:
        """The mean magnitude of each party's last frame, its gain applied (0 to 32768 at gain 1)."""
        return {row: int(self._level[row]) / FRAME_SAMPLES for row in self._members_of(room)}

    # -- the tick -----------------------------------------------------------------------------------

    def mix(self) -> None:
        """One tick: give everyone the sum of the others of the room, saturated."""
        if not self._arranged:
            self._arrange()
        if self.present != self._seen:
            self._seen = self.present[:]
            self._schedule()
        self._present.fill(0)
        for block in self._blocks:
            self._mix_block(block)
        for hearing in self._hearings:
            self._give_totals(hearing)
        self._level.fill(0)
        self._level.put(self._speakers, self._levels, mode="clip")

    def _mix_block(self, block: _Block) -> None:
        spans, rooms, places, to_seats, to_spans, gains, linear, flat, index, scratch, levels = block
        for lane, rows, first, last in spans:
            lane.decode(rows, index, flat[first:last])
        sounds = linear
        if to_seats is not None:
            sounds, scratch = scratch, linear
            linear.take(to_seats, axis=0, out=sounds, mode="clip")
        if gains is not None:
            np.multiply(sounds, gains, out=sounds)
            np.right_shift(sounds, 12, out=sounds)
        np.abs(sounds, out=scratch)
        np.add.reduce(scratch, axis=1, out=levels, dtype=np.int32)
        for seats, totals in rooms:
            np.add.reduce(seats, axis=0, out=totals, dtype=np.int32, initial=_OFFSET)
        self._totals.take(places, axis=0, out=scratch, mode="clip")
        np.subtract(scratch, sounds, out=sounds)
        if to_spans is not None:
            sounds.take(to_spans, axis=0, out=linear, mode="clip")
        np.copyto(index, flat)
        for lane, rows, first, last in spans:
            lane.encode(index[first:last], rows)

    def _give_totals(self, hearing: _Hearing) -> None:
        lane, rooms, shares, rows = hearing
        linear = self._work.linear[: len(rooms)]
        self._totals.take(rooms, axis=0, out=linear, mode="clip")
        index = self._work.index[: len(rooms) * FRAME_SAMPLES]
        np.copyto(index, linear.reshape(-1))
        lane.encode_shared(index, shares, rows)

    # -- plans of a tick ----------------------------------------------------------------------------

    def _arrange(self) -> None:
        """Put the rows in order by room; rooms of like formats and sizes side by side."""
        rows = np.flatnonzero(self._room >= 0)
        rooms = self._room[rows]
        count = len(self._members)
        kinds = np.zeros(count, np.uint8)
        np.bitwise_or.at(kinds, rooms, self._format[rows])
        sizes = np.bincount(rooms, minlength=count)
        place = np.empty(count, np.intp)
        place[np.lexsort((sizes, kinds))] = np.arange(count)
        places = place[rooms]
        order = np.argsort(places, kind="stable")
        self._order, self._place = rows[order], places[order]
        if count > len(self._totals):
            self._totals = np.empty((count, FRAME_SAMPLES), np.int32)
        needed = max(int(sizes.max(initial=0)), self._block_rows)
        if self._work.rows < needed:
            self._work = _Work(needed)
            for lane in self._lanes.values():
                lane.make_room(needed)
        self._arranged, self._seen = True, None

    def _schedule(self) -> None:
        """Find out who speaks and who only listens in this tick, and cut the speakers into blocks."""
        speaking = (self._present[self._order] != 0) & (self._gain[self._order] != 0)
        speakers, places = self._order[speaking], self._place[speaking]
        counts = np.bincount(places, minlength=len(self._members))
        self._totals[: len(counts)][counts == 0] = _OFFSET
        blocks = _blocks(counts.tolist(), self._block_rows)
        seats = _seat_by_seat(places, counts, blocks)
        self._speakers, places = speakers[seats], places[seats]
        self._levels = np.empty(len(speakers), np.int32)
        gains = self._gain[self._speakers, None]
        scaled = bool((gains != GAIN_ONE).any())
        self._blocks = []
        first = 0
        for groups in blocks:
            last = first + sum(rooms * count for _, rooms, count in groups)
            part = slice(first, last)
            block_gains = gains[part] if scaled else None
            block = self._block(self._speakers[part], places[part], block_gains, self._levels[part], groups)
            self._blocks.append(block)
            first = last
        self._hearings = []
        silent, places = self._order[~speaking], self._place[~speaking]
        for number, lane in self._lanes.items() if len(silent) else ():
            which = self._format[silent] == number
            listeners, their_places = silent[which], places[which]
            for begin in range(0, len(listeners), self._work.rows):
                chunk = slice(begin, begin + self._work.rows)
                shared, shares = np.unique(their_places[chunk], return_inverse=True)
                self._hearings.append(_Hearing(lane, shared, shares, listeners[chunk]))

    def _block(
        self, rows: _Index, places: _Index, gains: _Int32 | None, levels: _Int32, groups: list[_Group]
    ) -> _Block:
        """A block of these speakers, who stand seat by seat."""
        size = len(rows)
        formats = self._format[rows]
        to_spans = to_seats = None
        cuts = []
        if (formats != formats[0]).any():
            to_spans = np.argsort(formats, kind="stable")
            to_seats = np.argsort(to_spans)
            formats = formats[to_spans]
            cuts = (np.flatnonzero(formats[1:] != formats[:-1]) + 1).tolist()
        decoded = rows if to_spans is None else rows[to_spans]
        spans = [
            _Span(self._lanes[int(formats[a])], decoded[a:b], a * FRAME_SAMPLES, b * FRAME_SAMPLES)
            for a, b in pairwise([0, *cuts, size])
        ]
        linear, scratch = self._work.linear[:size], self._work.scratch[:size]
        sounds = (linear if to_seats is None else scratch).reshape(-1)
        totals = self._totals.reshape(-1)
        together = []
        first = 0
        for place, rooms, count in groups:
            length = rooms * FRAME_SAMPLES
            seats = sounds[first : first + count * length].reshape(count, length)
            together.append(_Rooms(seats, totals[place * FRAME_SAMPLES :][:length]))
            first += count * length
        return _Block(
            spans,
            together,
            places,
            to_seats,
            to_spans,
            gains,
            linear,
            linear.reshape(-1),
            self._work.index[: size * FRAME_SAMPLES],
            scratch,
            levels,
        )


def _blocks(counts: list[int], block_rows: int) -> list[list[_Group]]:
    """Cut rooms with so many speakers each into blocks. Rooms where nobody speaks are in none."""
    blocks: list[list[_Group]] = []
    left = 0
    place = 0
    for count, run in groupby(counts):
        rooms = len(list(run))
        while rooms and count:
            if left < count:
                blocks.append([])
                left = max(block_rows, count)
            fitting = min(rooms, left // count)
            blocks[-1].append((place, fitting, count))
            left -= fitting * count
            rooms -= fitting
            place += fitting
        place += rooms
    return blocks


def _seat_by_seat(places: _Index, counts: _Index, blocks: list[list[_Group]]) -> _Index:
    """How to sort speakers, who stand room by room: in each group of rooms, those of all first seats come first."""
    groups = [group for block in blocks for group in block]
    group_of = np.zeros(len(counts), np.intp)
    group_of[counts > 0] = np.repeat(np.arange(len(groups)), [rooms for _, rooms, _ in groups])
    seats = np.arange(len(places)) - (np.cumsum(counts) - counts)[places]
    # Within a seat they stay in the order of their rooms: the sort is stable.
    return np.argsort(group_of[places] * len(places) + seats, kind="stable")


# -- who speaks ------------------------------------------------------------------------------------


class ActiveSpeaker:
    """Who speaks in one room, from its levels at regular times, ten a second for instance.

    A cough or an echo is no turn: another party must be clearly louder for some time to be the speaker. In a silence
    the last one stays.
    """

    def __init__(self, *, floor: float = 200.0, lead: float = 2.0, patience: int = 3) -> None:
        """`floor`: a level below it is silence. `lead`: so many times louder, for `patience` updates in a row."""
        self._floor = floor
        self._lead = lead
        self._patience = patience
        self._challenger: int | None = None
        self._wins = 0
        self.speaker: int | None = None

    def update(self, levels: Mapping[int, float]) -> int | None:
        """Take note of the levels by row; who is the speaker now. One who has left is none."""
        if self.speaker not in levels:
            self.speaker = None
        loudest = max(levels, key=levels.__getitem__, default=None)
        if loudest is None or levels[loudest] < self._floor or not self._leads(loudest, levels):
            self._challenger, self._wins = None, 0
            return self.speaker
        self._wins = self._wins + 1 if loudest == self._challenger else 1
        self._challenger = loudest
        if self.speaker is None or self._wins >= self._patience:
            self.speaker, self._challenger, self._wins = loudest, None, 0
        return self.speaker

    def _leads(self, row: int, levels: Mapping[int, float]) -> bool:
        if self.speaker is None:
            return True
        return row != self.speaker and levels[row] >= self._lead * levels[self.speaker]
