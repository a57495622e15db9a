"""Conferences: who hears whom and how loud, rooms and rows that come and go, and who the speaker is."""

from __future__ import annotations

import struct
import tracemalloc

import pytest

from media import mixer_reference
from media.codecs import g711
from media.mixer import LINEAR, MAX_CAPACITY, ActiveSpeaker, Format, Mixer, MixerFullError
from media.plan import Codec

FRAME = struct.Struct("<160h")
FORMATS: list[Format] = [Codec.PCMA, Codec.PCMU, LINEAR]


@pytest.fixture
def mixer() -> Mixer:
    return Mixer(capacity=600)


def parties(mixer: Mixer, room: int, count: int, codec: Format = LINEAR) -> list[int]:
    """So many more in a room."""
    return [mixer.add_party(room, codec) for _ in range(count)]


def frame(codec: Format, sample: int) -> bytes:
    """One sample all along."""
    pcm = FRAME.pack(*[sample] * 160)
    return g711.encode(codec, pcm) if isinstance(codec, Codec) else pcm


def say(mixer: Mixer, row: int, sample: int, codec: Format = LINEAR) -> None:
    mixer.payload(row)[:] = frame(codec, sample)
    mixer.present[row] = 1


def heard(mixer: Mixer, row: int) -> int:
    """The one sample that a linear party hears all along."""
    (sample,) = set(FRAME.unpack(mixer.output(row)))
    return int(sample)


# -- who hears whom --------------------------------------------------------------------------------


def test_everyone_hears_the_others_and_not_oneself(mixer: Mixer) -> None:
    rows = parties(mixer, mixer.add_room(), 3)
    for row, sample in zip(rows, (1, 20, 300), strict=True):
        say(mixer, row, sample)
    mixer.mix()
    assert [heard(mixer, row) for row in rows] == [320, 301, 21]


@pytest.mark.parametrize(("sample", "limit"), [(30000, 32767), (-30000, -32768)])
def test_what_is_too_loud_saturates(mixer: Mixer, sample: int, limit: int) -> None:
    rows = parties(mixer, mixer.add_room(), 4)
    for row in rows:
        say(mixer, row, sample)
    mixer.mix()
    assert {heard(mixer, row) for row in rows} == {limit}


def test_a_loud_own_voice_is_taken_out_before_the_rest_saturates(mixer: Mixer) -> None:
    rows = parties(mixer, mixer.add_room(), 3)
    for row, sample in zip(rows, (32767, 32767, -32768), strict=True):
        say(mixer, row, sample)
    mixer.mix()
    assert [heard(mixer, row) for row in rows] == [-1, -1, 32767]


@pytest.mark.parametrize("codec", FORMATS)
@pytest.mark.parametrize("other", FORMATS)
def test_two_parties_of_any_codecs_hear_each_other(mixer: Mixer, codec: Format, other: Format) -> None:
    room = mixer.add_room()
    one, two = mixer.add_party(room, codec), mixer.add_party(room, other)
    sample = 1052  # a value of both laws
    say(mixer, one, sample, codec)
    mixer.mix()
    decoded = 1052 if codec is not Codec.PCMA else 1056
    assert bytes(mixer.output(two)) == frame(other, decoded)
    assert bytes(mixer.output(one)) == frame(codec, 0)


def test_rooms_do_not_hear_one_another(mixer: Mixer) -> None:
    rooms = [mixer.add_room() for _ in range(3)]
    rows = [parties(mixer, room, 2) for room in rooms]
    for number, (one, two) in enumerate(rows):
        say(mixer, one, number + 1)
        say(mixer, two, 10 * (number + 1))
    mixer.mix()
    assert [[heard(mixer, row) for row in pair] for pair in rows] == [[10, 1], [20, 2], [30, 3]]


@pytest.mark.parametrize("codec", FORMATS)
def test_a_lone_party_hears_silence(mixer: Mixer, codec: Format) -> None:
    (row,) = parties(mixer, mixer.add_room(), 1, codec)
    assert bytes(mixer.output(row)) == frame(codec, 0)
    say(mixer, row, 999, codec)
    mixer.mix()
    assert bytes(mixer.output(row)) == frame(codec, 0)


# -- who says nothing ------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", FORMATS)
def test_what_is_not_written_again_is_silent(mixer: Mixer, codec: Format) -> None:
    one, two = parties(mixer, mixer.add_room(), 2, codec)
    say(mixer, one, 999, codec)
    mixer.mix()
    assert bytes(mixer.output(two)) != frame(codec, 0)
    assert not any(mixer.present)
    mixer.mix()
    assert bytes(mixer.output(two)) == frame(codec, 0)


def test_listeners_of_one_room_hear_the_same_each_in_their_codec(mixer: Mixer) -> None:
    room = mixer.add_room()
    speakers = parties(mixer, room, 2)
    listeners = {codec: parties(mixer, room, 3, codec) for codec in FORMATS}
    for row in speakers:
        say(mixer, row, 500)
    mixer.mix()
    for codec, rows in listeners.items():
        assert {bytes(mixer.output(row)) for row in rows} == {frame(codec, 1000)}


def test_more_listeners_than_go_into_a_block_hear_their_rooms() -> None:
    mixer = Mixer(capacity=100, block_rows=4)
    rooms = [parties(mixer, mixer.add_room(), 12) for _ in range(6)]
    for number, rows in enumerate(rooms):
        say(mixer, rows[number], number + 1)
    mixer.mix()
    for number, rows in enumerate(rooms):
        assert [heard(mixer, row) for row in rows] == [0 if n == number else number + 1 for n in range(12)]


# -- gains -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gain", "expected"), [(0.0, 0), (0.5, 500), (1.0, 1000), (2.0, 2000), (8.0, 8000)])
def test_the_others_hear_a_party_with_its_gain(mixer: Mixer, gain: float, expected: int) -> None:
    one, two, three = parties(mixer, mixer.add_room(), 3)
    mixer.set_gain(one, gain)
    say(mixer, one, 1000)
    say(mixer, two, 7)
    mixer.mix()
    assert (heard(mixer, one), heard(mixer, two), heard(mixer, three)) == (7, expected, expected + 7)


def test_rooms_where_nobody_speaks_leave_the_others_alone(mixer: Mixer) -> None:
    rooms = [parties(mixer, mixer.add_room(), 2) for _ in range(5)]
    for speaking in ({1, 3}, {0, 4}, {2}, set()):
        for number in speaking:
            say(mixer, rooms[number][0], number + 1)
        mixer.mix()
        assert [heard(mixer, two) for _, two in rooms] == [n + 1 if n in speaking else 0 for n in range(5)]


def test_a_gain_holds_until_it_is_changed(mixer: Mixer) -> None:
    one, two = parties(mixer, mixer.add_room(), 2)
    found = []
    for gain in (0, None, 2, None, 1):
        if gain is not None:
            mixer.set_gain(one, gain)
        say(mixer, one, 100)
        mixer.mix()
        found.append(heard(mixer, two))
    assert found == [0, 0, 200, 200, 100]


@pytest.mark.parametrize("gain", [-0.1, 8.1, float("nan"), float("inf")])
def test_a_gain_out_of_range_is_refused_and_changes_nothing(mixer: Mixer, gain: float) -> None:
    one, two = parties(mixer, mixer.add_room(), 2)
    with pytest.raises(ValueError, match="a gain is 0 to 8"):
        mixer.set_gain(one, gain)
    say(mixer, one, 100)
    mixer.mix()
    assert heard(mixer, two) == 100


# -- rows and rooms --------------------------------------------------------------------------------


def test_views_hold_while_others_come_and_go(mixer: Mixer) -> None:
    room = mixer.add_room()
    one, two = parties(mixer, room, 2, Codec.PCMU)
    payload, output = mixer.payload(one), mixer.output(two)
    for size in (1, 40, 300):
        others = parties(mixer, room, size, Codec.PCMA)
        payload[:] = frame(Codec.PCMU, 996)
        mixer.present[one] = 1
        mixer.mix()
        assert bytes(output) == frame(Codec.PCMU, 996)
        for row in others:
            mixer.remove_party(row)


def test_nobody_writes_into_an_output(mixer: Mixer) -> None:
    (row,) = parties(mixer, mixer.add_room(), 1)
    with pytest.raises(TypeError):
        mixer.output(row)[0] = 1


def test_who_leaves_hears_no_more_and_who_joins_hears_the_next_tick(mixer: Mixer) -> None:
    room = mixer.add_room()
    one, two = parties(mixer, room, 2)
    say(mixer, one, 100)
    mixer.mix()
    output = mixer.output(two)
    mixer.remove_party(two)
    say(mixer, one, 200)
    mixer.mix()
    assert set(FRAME.unpack(output)) == {100}
    late, *_ = parties(mixer, room, 1)
    say(mixer, one, 300)
    mixer.mix()
    assert heard(mixer, late) == 300


def test_who_leaves_is_heard_no_more(mixer: Mixer) -> None:
    one, two, three = parties(mixer, mixer.add_room(), 3)
    for row in (one, two):
        say(mixer, row, 100)
    mixer.remove_party(one)
    mixer.mix()
    assert heard(mixer, three) == 100


def test_a_row_that_is_taken_again_has_nothing_of_its_last_party() -> None:
    mixer = Mixer(capacity=2)
    room = mixer.add_room()
    old, other = parties(mixer, room, 2)
    mixer.set_gain(old, 0)
    say(mixer, old, 100)
    say(mixer, other, 100)
    mixer.mix()
    say(mixer, old, 100)
    mixer.remove_party(old)
    new = mixer.add_party(room, LINEAR)
    assert new == old
    assert heard(mixer, new) == 0
    assert mixer.levels(room)[new] == 0
    mixer.mix()
    assert heard(mixer, other) == 0
    say(mixer, new, 100)
    mixer.mix()
    assert heard(mixer, other) == 100


def test_a_removed_room_takes_its_parties_along(mixer: Mixer) -> None:
    room, other = mixer.add_room(), mixer.add_room()
    rows, (listener,) = parties(mixer, room, 3), parties(mixer, other, 1)
    for row in rows:
        say(mixer, row, 100)
    mixer.remove_room(room)
    again = mixer.add_room()
    late = mixer.add_party(again, LINEAR)
    mixer.mix()
    assert again == room
    assert heard(mixer, late) == heard(mixer, listener) == 0
    assert list(mixer.levels(again)) == [late]


def test_a_full_mixer_says_so_and_a_row_that_is_freed_is_taken() -> None:
    mixer = Mixer(capacity=3)
    rows = parties(mixer, mixer.add_room(), 3)
    room = mixer.add_room()
    with pytest.raises(MixerFullError, match="all 3 rows"):
        mixer.add_party(room, LINEAR)
    mixer.remove_party(rows[1])
    assert mixer.add_party(room, LINEAR) == rows[1]


def test_rows_and_rooms_that_there_are_not_are_named(mixer: Mixer) -> None:
    room = mixer.add_room()
    row = mixer.add_party(room, LINEAR)
    mixer.remove_room(room)
    for number in (row, -1, 600):
        for verb in (mixer.payload, mixer.output, mixer.remove_party):
            with pytest.raises(KeyError, match=f"no row {number}"):
                verb(number)
        with pytest.raises(KeyError, match=f"no row {number}"):
            mixer.set_gain(number, 1)
    for number in (room, -1, 1):
        for of_room in (mixer.remove_room, mixer.levels):
            with pytest.raises(KeyError, match=f"no room {number}"):
                of_room(number)
        with pytest.raises(KeyError, match=f"no room {number}"):
            mixer.add_party(number, LINEAR)


@pytest.mark.parametrize("capacity", [0, -1, MAX_CAPACITY + 1])
def test_a_capacity_whose_sums_would_not_fit_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="rows"):
        Mixer(capacity)


def test_the_largest_room_at_the_highest_gain_does_not_overflow() -> None:
    mixer = Mixer(MAX_CAPACITY)
    rows = parties(mixer, mixer.add_room(), MAX_CAPACITY)
    for row in rows:
        mixer.set_gain(row, 8)
        say(mixer, row, -32768)
    mixer.mix()
    assert heard(mixer, rows[0]) == heard(mixer, rows[-1]) == -32768


def test_a_mixer_without_parties_ticks(mixer: Mixer) -> None:
    mixer.mix()
    mixer.add_room()
    mixer.mix()


# -- all at once -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[300], [32] * 5, [3] * 50, [1, 2, 40, 2, 1, 128, 129]])
@pytest.mark.parametrize("codecs", [[Codec.PCMA], [Codec.PCMU, Codec.PCMA, LINEAR]], ids=["one", "mixed"])
def test_rooms_of_any_sizes_get_what_the_reference_says(
    mixer: Mixer, sizes: list[int], codecs: list[Format]
) -> None:
    rooms: list[dict[int, mixer_reference.Party]] = []
    for size in sizes:
        room = mixer.add_room()
        rooms.append({})
        for number in range(size):
            codec = codecs[number % len(codecs)]
            row = mixer.add_party(room, codec)
            payload = frame(codec, (row * 7919) % 2000 - 1000)
            rooms[-1][row] = mixer_reference.Party(codec, payload)
            mixer.payload(row)[:] = payload
            mixer.present[row] = 1
    mixer.mix()
    for room, found in enumerate(rooms):
        expected = list(found.values())
        assert [bytes(mixer.output(row)) for row in found] == mixer_reference.mix(expected)
        assert [mixer.levels(room)[row] for row in found] == mixer_reference.levels(expected)


def test_a_tick_like_the_last_one_allocates_next_to_nothing(mixer: Mixer) -> None:
    rows = [row for _ in range(8) for row in parties(mixer, mixer.add_room(), 32, Codec.PCMA)]

    def tick() -> None:
        for row in rows[::2]:
            mixer.present[row] = 1
        mixer.mix()

    kept, needed = [], []
    tracemalloc.start()
    try:
        tick()
        tick()
        for _ in range(5):  # another thread of the test runner may allocate something meanwhile
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            tick()
            after, peak = tracemalloc.get_traced_memory()
            kept.append(after - before)
            needed.append(peak - before)
    finally:
        tracemalloc.stop()
    assert min(kept) < 1000
    # The samples of a block are 80 kB; numpy needs some for its own loops.
    assert min(needed) < 40_000


# -- levels and the speaker ------------------------------------------------------------------------


def test_levels_are_mean_magnitudes_as_the_others_hear_them(mixer: Mixer) -> None:
    room = mixer.add_room()
    loud, soft, muted, absent = parties(mixer, room, 4)
    mixer.payload(loud)[:] = FRAME.pack(*[1000, -3000] * 80)
    mixer.present[loud] = 1
    say(mixer, soft, -100)
    say(mixer, muted, 5000)
    mixer.set_gain(soft, 0.5)
    mixer.set_gain(muted, 0)
    mixer.mix()
    assert mixer.levels(room) == {loud: 2000, soft: 50, muted: 0, absent: 0}
    mixer.mix()
    assert set(mixer.levels(room).values()) == {0}


def test_the_first_voice_is_the_speaker_at_once_and_noise_is_none() -> None:
    active = ActiveSpeaker(floor=200)
    assert active.update({}) is None
    assert active.update({1: 150, 2: 90}) is None
    assert active.update({1: 90, 2: 800}) == 2


def test_the_speaker_keeps_the_turn_in_pauses_and_against_coughs() -> None:
    active = ActiveSpeaker(floor=200, lead=2, patience=3)
    active.update({1: 1000, 2: 0})
    pause = {1: 10, 2: 20}
    cough = {1: 300, 2: 5000}
    assert [active.update(levels) for levels in (pause, cough, cough, pause, cough, cough)] == [1] * 6


def test_who_is_clearly_louder_for_some_time_takes_the_turn() -> None:
    active = ActiveSpeaker(floor=200, lead=2, patience=3)
    active.update({1: 1000, 2: 0, 3: 0})
    louder, little_louder, third = {1: 300, 2: 700, 3: 0}, {1: 300, 2: 500, 3: 0}, {1: 300, 2: 0, 3: 700}
    steps = [louder, louder, little_louder, louder, louder, third, louder, louder, louder]
    assert [active.update(levels) for levels in steps] == [1] * 8 + [2]


def test_the_turn_of_who_has_left_is_free() -> None:
    active = ActiveSpeaker(floor=200)
    active.update({1: 1000, 2: 300})
    assert active.update({2: 10}) is None
    assert active.speaker is None
    assert active.update({2: 300}) == 2
