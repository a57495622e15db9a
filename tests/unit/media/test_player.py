"""Files played one after another."""

from __future__ import annotations

import gc
import os
import struct
from pathlib import Path

import pytest

from media.player import Player
from media.wav import FRAME_SAMPLES, WavWriter
from tests.unit.media.studio import SlowDisk


def wav(folder: Path, sample: int, frames: int = 2) -> str:
    path = folder / f"{sample}.wav"
    writer = WavWriter(path)
    writer.write(struct.pack("<h", sample) * FRAME_SAMPLES * frames)
    writer.close()
    return str(path)


def played(player: Player, most: int = 100) -> list[int]:
    """The first sample of each frame."""
    frames: list[int] = []
    while len(frames) < most and (frame := player.frame()) is not None:
        frames.append(struct.unpack_from("<h", frame)[0])
    return frames


def opened(player: Player) -> list[bool]:
    """What a player tells when it is opened."""
    told: list[bool] = []
    player.open(told.append)
    return told


def test_files_follow_each_other_without_a_gap(tmp_path: Path) -> None:
    player = Player((wav(tmp_path, 1), wav(tmp_path, 2, 3)))
    assert played(player) == [1, 1, 2, 2, 2]
    assert player.frame() is None
    assert player.problem == ""


def test_again_begins_anew_at_the_end(tmp_path: Path) -> None:
    player = Player((wav(tmp_path, 1), wav(tmp_path, 2)), again=True)
    assert played(player, 9) == [1, 1, 2, 2, 1, 1, 2, 2, 1]
    player.close()


def test_what_is_played_once_is_not_played_again(tmp_path: Path) -> None:
    player = Player((wav(tmp_path, 1), wav(tmp_path, 2)), again=True, once=1)
    assert played(player, 8) == [1, 1, 2, 2, 2, 2, 2, 2]
    player.close()
    assert played(Player((wav(tmp_path, 1),), again=True, once=1)) == [1, 1]


def test_what_is_played_again_goes_on_where_it_was_after_a_prompt(tmp_path: Path) -> None:
    prompt, *music = (wav(tmp_path, sample, 3) for sample in (1, 2, 3))
    player = Player((*music,), again=True)
    assert (player.place, played(player, 5)) == (None, [2, 2, 2, 3, 3])
    place = player.place
    player.close()
    assert place is not None
    assert place == pytest.approx((1, 0.04))
    player = Player((prompt, *music), again=True, once=1, place=place)
    assert (played(player, 2), player.place) == ([1, 1], None)
    assert played(player, 9) == [1, 3, 2, 2, 2, 3, 3, 3, 2]
    player.close()


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (0, [1, 1, 2, 2, 2, 3, 3, 3, 3, 2]),
        (1, [1, 2, 2, 2, 3, 3]),
        (2, [2, 2, 2, 3, 3]),
        (6, [3, 3, 3, 2, 2]),
        (8, [3, 2, 2]),
        (9, [2, 2, 2, 3]),
        (9 + 7 * 1000 + 3, [3, 3, 3, 3, 2]),
    ],
)
def test_what_has_been_heard_elsewhere_is_passed_over(
    tmp_path: Path, frames: int, expected: list[int]
) -> None:
    paths = (wav(tmp_path, 1), wav(tmp_path, 2, 3), wav(tmp_path, 3, 4))
    player = Player(paths, again=True, once=1, skip=frames / 50 + 0.0001)
    assert played(player, len(expected)) == expected
    player.close()


def test_to_pass_over_what_has_no_sound_has_an_end(tmp_path: Path) -> None:
    empty = wav(tmp_path, 1, 0)
    assert played(Player((empty, str(tmp_path / "none.wav")), again=True, skip=5.0)) == []


def test_what_has_been_deleted_meanwhile_is_passed_over(tmp_path: Path) -> None:
    first, gone = wav(tmp_path, 1), str(tmp_path / "gone.wav")
    player = Player((first, gone), again=True, place=(1, 1.0))
    assert played(player, 3) == [1, 1, 1]
    player.close()
    assert played(Player((gone,), again=True, place=(0, 1.0))) == []


@pytest.mark.parametrize("again", [False, True])
def test_what_cannot_be_played_is_passed_over_and_named(tmp_path: Path, again: bool) -> None:
    player = Player((str(tmp_path / "none.wav"), wav(tmp_path, 1), "\0"), again=again)
    assert played(player, 4) == ([1, 1, 1, 1] if again else [1, 1])
    assert player.problem
    player.close()


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("number", [0, 1, 3])
def test_files_that_are_not_there_have_an_end(tmp_path: Path, number: int, again: bool) -> None:
    player = Player((str(tmp_path / "none.wav"),) * number, again=again)
    assert opened(player) == [False]
    assert player.frame() is None


def test_an_empty_file_again_and_again_has_an_end(tmp_path: Path) -> None:
    player = Player((wav(tmp_path, 1, 0),), again=True)
    assert played(player) == []


def test_an_opened_player_begins_with_its_first_frame(tmp_path: Path) -> None:
    player = Player((wav(tmp_path, 1),))
    assert opened(player) == [True]
    assert played(player) == [1, 1]


def test_a_pipe_is_no_file_to_wait_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    player = Player((str(tmp_path / "pipe.wav"), wav(tmp_path, 1)))
    assert played(player) == [1, 1]
    assert "not a regular file" in player.problem


def test_a_fault_is_logged_once_however_often_it_comes_round(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    player = Player((str(tmp_path / "none.wav"), wav(tmp_path, 1)), again=True)
    assert played(player, 10) == [1] * 10
    assert len(caplog.records) == 1
    player.close()


# -- places and pauses -----------------------------------------------------------------------------


def test_a_pause_is_silence_and_loses_nothing(tmp_path: Path) -> None:
    player = Player((wav(tmp_path, 1), wav(tmp_path, 2)))
    assert played(player, 1) == [1]
    player.paused = True
    assert played(player, 5) == [0] * 5
    player.paused = False
    assert played(player) == [1, 2, 2]


def test_a_place_is_one_of_the_present_file(tmp_path: Path) -> None:
    player = Player((wav(tmp_path, 1, 50), wav(tmp_path, 2, 50)))
    assert player.position == 0
    player.seek(1)  # nothing is being played yet
    assert played(player, 10) == [1] * 10
    assert player.position == pytest.approx(0.2)
    player.seek(0.9)
    assert played(player, 7) == [1] * 5 + [2] * 2
    assert player.position == pytest.approx(0.04)
    player.seek(5)
    assert played(player) == []
    assert player.position == 0


# -- a disk that takes its time --------------------------------------------------------------------


def numbered(folder: Path, seconds: int) -> str:
    """A file whose frames are numbered from 1 on."""
    path = folder / f"{seconds}s.wav"
    writer = WavWriter(path)
    for number in range(1, 50 * seconds + 1):
        writer.write(struct.pack("<h", number) * FRAME_SAMPLES)
    writer.close()
    return str(path)


def test_a_slow_disk_is_silence_and_loses_nothing(tmp_path: Path) -> None:
    disk = SlowDisk()
    player = Player((numbered(tmp_path, 2), wav(tmp_path, 1000)), disk=disk)
    told = opened(player)
    assert told == []
    assert played(player, 3) == [0] * 3
    heard: list[int] = []
    disk.catch_up()
    assert told == [True]
    while (frames := played(player, 40)) and len(heard) < 400:
        heard += [frame for frame in frames if frame]
        assert len(disk.waiting) <= 1
        disk.catch_up()
    assert heard == [*range(1, 101), 1000, 1000]
    assert player.frame() is None


def test_what_is_to_come_is_read_while_there_is_something_to_hear(tmp_path: Path) -> None:
    disk = SlowDisk()
    player = Player((numbered(tmp_path, 2),), disk=disk)
    opened(player)
    disk.catch_up()
    for expected in range(1, 101):
        assert played(player, 1) == [expected]
        if expected % 20 == 0:  # 0.4 s later
            disk.catch_up()
    assert played(player) == []


@pytest.mark.parametrize("reads", [0, 1, 2])
def test_who_gives_up_is_told_nothing_more_and_the_file_is_closed(tmp_path: Path, reads: int) -> None:
    disk = SlowDisk()
    player = Player((numbered(tmp_path, 4),), disk=disk)
    told = opened(player)
    for _ in range(reads):
        disk.catch_up()
        played(player, 1)
    player.close()
    before = list(told)
    disk.catch_up()
    assert told == before == [True][:reads]
    assert player.frame() is None
    assert disk.waiting == []
    gc.collect()  # a file that is open still is a ResourceWarning, and so a failure


def test_the_last_of_several_places_counts_even_before_the_file_is_open(tmp_path: Path) -> None:
    disk = SlowDisk()
    player = Player((str(tmp_path / "none.wav"), numbered(tmp_path, 4)), disk=disk)
    told = opened(player)
    player.seek(2)
    player.seek(1)
    assert player.position == 1
    disk.catch_up()
    assert played(player, 1) == [0]
    disk.catch_up()
    assert told == [True]
    assert played(player, 2) == [51, 52]
    player.seek(3)
    player.seek(player.position - 0.5)
    assert player.position == pytest.approx(2.5)
    assert played(player, 1) == [0]
    for _ in range(2):
        disk.catch_up()
    assert played(player, 2) == [126, 127]
    assert player.position == pytest.approx(2.54)
    player.close()
    disk.catch_up()


def test_a_place_of_a_file_that_has_been_read_to_its_end_is_found_again(tmp_path: Path) -> None:
    player = Player((wav(tmp_path, 7, 10), wav(tmp_path, 8, 3)))
    assert played(player, 6) == [7] * 6
    player.seek(0.1)
    assert played(player, 20) == [7] * 5 + [8] * 3
