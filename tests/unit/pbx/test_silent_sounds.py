"""Sounds that nobody would hear are warned of, by their key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from media.prompts.files import write_whole
from pbx.config import parse
from pbx.config_checks import weaknesses


def warned(tables: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in weaknesses(parse(tables))]


def test_greetings_that_cannot_be_played_are_named(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    write_whole(good, bytes(320))
    bad.write_bytes(b"ID3 of an MP3 file")
    hours = {"monday": ["08:00-12:00"]}
    menus = {"greeting": str(good), "closed": {"greeting": str(bad)}, "holiday": {"greeting": str(good)}}
    tables = {
        "office_hours": hours,
        "queues": [{"number": "804", "greeting": str(bad)}, {"number": "805", "greeting": str(good)}],
        "receptionists": [{"number": "800"} | menus],
    }
    first, second = warned(tables)
    assert first.startswith("queues[0].greeting: cannot be played: ")
    assert second.startswith("receptionists[0].closed.greeting: cannot be played: ")


def test_folders_without_music_are_named(tmp_path: Path) -> None:
    empty, full = tmp_path / "empty", tmp_path / "full"
    for folder in (empty, full):
        folder.mkdir()
        (folder / "waltz.wav").write_bytes(b"no waltz")
    write_whole(full / "polka.WAV", bytes(320))
    tables = {"prompts": {"music": str(full)}, "queues": [{"number": "804", "music": str(empty)}]}
    assert warned(tables) == [
        f"queues[0].music: there is no WAV file in {empty} that can be played, so other music is"
    ]
    assert [each.partition(":")[0] for each in warned({"prompts": {"music": str(empty)}})] == ["prompts.music"]
