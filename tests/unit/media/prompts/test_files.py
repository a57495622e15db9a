"""Files of prompts: whole or not there, never a trap, and named after anything without leaving their folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.prompts.files import open_regular, safe_name, write_whole
from media.wav import WavError
from tests.unit.media.prompts.listener import listen, record

PCM = b"\1\0\2\0\3\0"


def test_a_file_is_written_with_its_folder_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "prompt.wav"
    write_whole(path, PCM)
    assert listen(path) == PCM
    assert list(path.parent.iterdir()) == [path]


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "prompt.wav"
    path.write_bytes(b"rubbish")
    write_whole(path, PCM)
    assert listen(path) == PCM


def test_a_reader_of_the_old_file_is_not_disturbed(tmp_path: Path) -> None:
    path = record(tmp_path / "prompt.wav", [7] * 320)
    reader = open_regular(path)
    write_whole(path, PCM)
    assert [reader.frame(), reader.frame(), reader.frame()] == [b"\7\0" * 160, b"\7\0" * 160, None]


def test_what_cannot_be_put_in_place_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "prompt.wav").mkdir()
    with pytest.raises(OSError, match=r"prompt\.wav"):
        write_whole(tmp_path / "prompt.wav", PCM)
    assert [path.name for path in tmp_path.iterdir()] == ["prompt.wav"]


@pytest.mark.parametrize("name", ["file/prompt.wav", "\0/prompt.wav"])
def test_a_folder_that_cannot_be_is_an_os_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"file|null"):
        write_whole(tmp_path / name, PCM)


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "null", "empty", "loop"])
def test_what_is_no_wav_file_is_an_error_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("\0" if kind == "null" else "prompt.wav")
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)  # would block who opens it
        case "empty":
            path.touch()
        case "loop":
            path.symlink_to(path)
    with pytest.raises((OSError, WavError)):
        open_regular(path)


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("100", "100"),
        ("Lee Parker", "lee%20parker"),
        ("../../etc/passwd", "%2E%2E%2Fetc%2Fpasswd"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("~root", "%7Eroot"),
        ("a\\b:c*?", "a%5Cb%3Ac%2A%3F"),
        ("nul\0", "nul%00"),
        ("100%", "100%25"),
        ("É", "%C3%A9"),
        ("E\u0301", "%C3%A9"),
    ],
)
def test_a_name_is_escaped_as_in_a_url(name: str, file: str) -> None:
    if name.startswith("../../"):
        file = f"%2E%2E%2F{file}"
    assert safe_name(name) == file


@given(st.text(st.characters(), max_size=300))
def test_any_name_is_one_harmless_part_of_a_path(name: str) -> None:
    file = safe_name(name)
    assert 0 < len(file) <= 120
    assert set(file) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_%ABCDEF")
    assert Path("/own", file).parent == Path("/own")


@given(st.text(max_size=60), st.text(max_size=60))
def test_two_names_share_a_file_only_if_they_differ_in_case_alone(one: str, other: str) -> None:
    if safe_name(one) == safe_name(other):
        assert one.casefold() == other.casefold()


def test_long_names_that_begin_alike_stay_apart(tmp_path: Path) -> None:
    names = {safe_name("x" * 500 + end) for end in ("", "a", "b")}
    assert len(names) == 3
    assert all(record(tmp_path / f"{name}.wav", []).exists() for name in names)
