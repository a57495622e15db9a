"""The mix kernel is the plain reference, byte for byte: any rooms, codecs, gains and sounds, as parties come and go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from media import mixer_reference
from media.mixer import LINEAR, Format, Mixer, MixerFullError
from media.plan import Codec

CAPACITY = 24
FORMATS: st.SearchStrategy[Format] = st.sampled_from([Codec.PCMA, Codec.PCMU, LINEAR])
GAINS = st.sampled_from([0.0, 0.00001, 0.5, 1.0, 3.3, 8.0]) | st.floats(0, 8)
ABSENT = st.frozensets(st.integers(0, CAPACITY - 1), max_size=CAPACITY)
EXTREMES = {
    Codec.PCMA: (b"\xaa" * 160, b"\x2a" * 160),
    Codec.PCMU: (b"\x80" * 160, b"\x00" * 160),
    LINEAR: (b"\xff\x7f" * 160, b"\x00\x80" * 160),
}


class Conferences(RuleBasedStateMachine):
    """A mixer, and beside it who is in which room, as the reference needs it."""

    def __init__(self) -> None:
        super().__init__()
        self.mixer = Mixer(CAPACITY)
        self.rooms: dict[int, dict[int, mixer_reference.Party]] = {}

    @initialize(
        block_rows=st.sampled_from([1, 5, 128]), rooms=st.lists(st.lists(FORMATS, max_size=5), max_size=5)
    )
    def begin(self, block_rows: int, rooms: list[list[Format]]) -> None:
        self.mixer = Mixer(CAPACITY, block_rows=block_rows)
        for codecs in rooms:
            room = self.mixer.add_room()
            self.rooms[room] = {}
            self.add(room, codecs)

    def pick_room(self, data: Any) -> int:
        return int(data.draw(st.sampled_from(sorted(self.rooms)), label="room"))

    def pick_row(self, data: Any) -> tuple[int, int]:
        found = sorted((room, row) for room, parties in self.rooms.items() for row in parties)
        room, row = data.draw(st.sampled_from(found), label="room and row")
        return room, row

    def has_rows(self) -> bool:
        return any(self.rooms.values())

    @rule()
    def add_room(self) -> None:
        room = self.mixer.add_room()
        assert room not in self.rooms
        self.rooms[room] = {}

    @precondition(lambda self: self.rooms)
    @rule(data=st.data())
    def remove_room(self, data: Any) -> None:
        room = self.pick_room(data)
        self.mixer.remove_room(room)
        del self.rooms[room]

    @precondition(lambda self: self.rooms)
    @rule(data=st.data(), codecs=st.lists(FORMATS, min_size=1, max_size=6))
    def join(self, data: Any, codecs: list[Format]) -> None:
        self.add(self.pick_room(data), codecs)

    def add(self, room: int, codecs: list[Format]) -> None:
        for codec in codecs:
            rows = {row for parties in self.rooms.values() for row in parties}
            try:
                row = self.mixer.add_party(room, codec)
            except MixerFullError:
                assert len(rows) == CAPACITY
                return
            assert row not in rows
            self.rooms[room][row] = mixer_reference.Party(codec, None)

    @precondition(has_rows)
    @rule(data=st.data())
    def leave(self, data: Any) -> None:
        room, row = self.pick_row(data)
        self.mixer.remove_party(row)
        del self.rooms[room][row]

    @rule(
        absent=ABSENT | st.just(frozenset()),
        dice=st.randoms(use_true_random=False),
        gains=st.lists(GAINS, min_size=1, max_size=3),
    )
    def tick(self, absent: frozenset[int], dice: Any, gains: list[float]) -> None:
        """Some ticks of the same speakers, before each of which one gets another gain."""
        for gain in gains:
            rows = [(parties, row) for parties in self.rooms.values() for row in parties]
            if rows:
                parties, row = dice.choice(rows)
                self.mixer.set_gain(row, gain)
                parties[row] = replace(parties[row], gain=gain)
            self.tick_once(absent, dice)

    def tick_once(self, absent: frozenset[int], dice: Any) -> None:
        for parties in self.rooms.values():
            for row, party in parties.items():
                payload = None if row in absent else self.sound(party.codec, dice)
                if payload is not None:
                    self.mixer.payload(row)[:] = payload
                    self.mixer.present[row] = 1
                parties[row] = replace(party, payload=payload)
        self.mixer.mix()
        for room, parties in self.rooms.items():
            expected = list(parties.values())
            assert [bytes(self.mixer.output(row)) for row in parties] == mixer_reference.mix(expected)
            levels = self.mixer.levels(room)
            assert [levels[row] for row in parties] == mixer_reference.levels(expected)

    def sound(self, codec: Format, dice: Any) -> bytes:
        if dice.randrange(3) == 0:
            return EXTREMES[codec][dice.randrange(2)]
        return bytes(dice.randrange(256) for _ in range(320 if codec is LINEAR else 160))

    @invariant()
    def rooms_have_their_parties(self) -> None:
        for room, parties in self.rooms.items():
            assert self.mixer.levels(room).keys() == parties.keys()


TestConferences = Conferences.TestCase
TestConferences.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
