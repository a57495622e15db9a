"""Prompts as files."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from media.prompts.tokens import BEEP, MAILBOX_FULL, PAUSE
from media.wav import WavReader
from pbx.prompts import Silence, SpokenPrompts

NAME = Path("name.wav")


def test_tokens_become_files_and_recordings_stay_what_they_are(tmp_path: Path) -> None:
    prompts = SpokenPrompts(tmp_path, "en")
    beep, name = asyncio.run(prompts.files([BEEP, NAME]))
    reader = WavReader(Path(beep))
    assert reader.frame() is not None
    reader.close()
    assert name == "name.wav"


def test_a_file_is_made_once(tmp_path: Path) -> None:
    prompts = SpokenPrompts(tmp_path, "fr")

    async def twice() -> tuple[tuple[str, ...], tuple[str, ...]]:
        return await prompts.files([BEEP, PAUSE]), await prompts.files([BEEP, PAUSE])

    first, second = asyncio.run(twice())
    assert first == second
    assert len(first) == len(set(first)) == 2


@pytest.mark.row("ADM-18")
def test_what_is_said_is_another_file_in_another_language(tmp_path: Path) -> None:
    """However often each is asked for: `MAILBOX_FULL` from a sound pack or spoken, in two languages."""
    prompts = SpokenPrompts(tmp_path / "cache", "en")

    async def asked() -> list[tuple[str, ...]]:
        return [await prompts.files([MAILBOX_FULL], language) for language in ("", "fr", "en", "fr")]

    own, french, english, again = asyncio.run(asked())
    assert (own, french) == (english, again)
    assert french != english
    assert all(Path(file).stat().st_size > 8000 for file in french + english)


def test_music_of_ones_own_is_played_in_order(tmp_path: Path) -> None:
    beep = asyncio.run(SpokenPrompts(tmp_path / "cache", "en").files([BEEP]))[0]
    folder = tmp_path / "music"
    folder.mkdir()
    for name in ("b.wav", "a.wav"):
        (folder / name).write_bytes(Path(beep).read_bytes())
    music = asyncio.run(SpokenPrompts(tmp_path / "cache", "en", folder).music())
    assert music == (str(folder / "a.wav"), str(folder / "b.wav"))


def test_silence_says_recordings_alone() -> None:
    assert asyncio.run(Silence().files([BEEP, NAME])) == ("name.wav",)
    assert asyncio.run(Silence().music()) == ()
