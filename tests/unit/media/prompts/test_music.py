"""Music on hold: files in turn without end, faults passed over, and a piece of our own that one can bear."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from media.player import Player
from media.prompts.music import compose, music_files
from tests.unit.media.prompts.listener import Samples, listen, record, samples_of

FRAME = 160


@pytest.fixture(scope="module")
def piece() -> Samples:
    return samples_of(compose())


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [entry.getMessage() for entry in caplog.records if entry.levelno >= logging.WARNING]


def test_the_files_of_a_folder_are_in_order(tmp_path: Path) -> None:
    second, first = record(tmp_path / "b.wav", [2] * FRAME), record(tmp_path / "a.WAV", [1] * FRAME)
    (tmp_path / "cover.jpg").touch()
    assert music_files([tmp_path], tmp_path / "cache") == [first, second]


# -- what to play ----------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["missing", "broken", None])
def test_without_files_of_the_user_our_own_piece_is_played(
    tmp_path: Path, piece: Samples, folder: str | None
) -> None:
    record(tmp_path / "broken" / "a.wav", [1], rate_hz=44_100)
    files = music_files([None if folder is None else tmp_path / folder], tmp_path / "cache")
    assert [path.parent for path in files] == [tmp_path / "cache"]
    assert np.array_equal(samples_of(listen(files[0])), piece)


def test_our_piece_is_composed_once(tmp_path: Path, piece: Samples) -> None:
    (path,) = music_files([None], tmp_path)
    before = path.stat().st_mtime_ns, path.stat().st_ino
    assert music_files([None], tmp_path) == [path]
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    path.write_bytes(b"damaged")
    assert music_files([None], tmp_path) == [path]
    assert np.array_equal(samples_of(listen(path)), piece)


@pytest.mark.parametrize("cache", ["file", "file/cache", "\0"])
def test_without_a_cache_there_is_silence_and_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, cache: str
) -> None:
    (tmp_path / "file").touch()
    assert music_files([None], tmp_path / cache) == []
    assert len(warnings(caplog)) == 1


def test_a_user_file_that_is_not_ours_to_play_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = record(tmp_path / "hifi.wav", [1], rate_hz=44_100)
    good = record(tmp_path / "phone.wav", [1])
    assert music_files([tmp_path], tmp_path / "cache") == [good]
    assert len(warnings(caplog)) == 1
    assert str(bad) in warnings(caplog)[0]
    assert "44100 Hz" in warnings(caplog)[0]


# -- our piece -------------------------------------------------------------------------------------


def test_the_piece_is_the_same_every_time(piece: Samples) -> None:
    assert np.array_equal(samples_of(compose()), piece)


def test_the_piece_lasts_about_a_minute_and_stays_soft(piece: Samples) -> None:
    assert 30 <= len(piece) / 8000 <= 60
    assert len(piece) % FRAME == 0  # no silence fills up the last frame
    peak = 20 * np.log10(np.abs(piece).max() / 32768)
    assert -14 < peak < -12


def test_the_piece_never_stops_nor_jumps(piece: Samples) -> None:
    seconds = piece.reshape(-1, 1600)
    loudness = np.sqrt(np.mean(seconds**2, axis=1))
    assert loudness.min() > loudness.max() / 12
    steps = np.abs(np.diff(piece))
    seam = abs(piece[0] - piece[-1])
    assert seam < steps.max() / 4


def test_the_piece_can_be_heard_through_a_telephone(piece: Samples) -> None:
    power = np.abs(np.fft.rfft(piece)) ** 2
    hertz = np.fft.rfftfreq(len(piece), 1 / 8000)
    assert power[(hertz > 250) & (hertz < 3400)].sum() > 0.7 * power.sum()
    assert power[hertz < 1].sum() < 1e-4 * power.sum()


def test_the_piece_loops_without_a_gap(tmp_path: Path, piece: Samples) -> None:
    path = record(tmp_path / "piece.wav", [int(sample) for sample in piece])
    with closing(Player((str(path),), again=True)) as music:
        sound = [music.frame() or b"" for _ in range(len(piece) // FRAME + 2)]
    assert np.array_equal(samples_of(b"".join(sound[-2:])), piece[: 2 * FRAME])


def test_the_first_folder_with_music_counts(tmp_path: Path) -> None:
    empty, ours = tmp_path / "empty", tmp_path / "ours"
    for folder in (empty, ours):
        folder.mkdir()
    path = record(ours / "song.wav", [1] * FRAME)
    assert music_files([empty, None, ours], tmp_path / "cache") == [path]
