"""Sounds that a configuration names, and that nobody would hear."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from media.prompts.files import open_regular
from media.wav import WavError
from pbx.config_errors import Problem

if TYPE_CHECKING:
    from pbx.config import Config


def silent(config: Config) -> Iterator[Problem]:
    """Greetings that cannot be played, and folders without music. Calls go on without them, so they stop no start."""
    for key, greeting in _greetings(config):
        if greeting is not None and (reason := _unplayable(greeting)):
            yield Problem(key, f"cannot be played: {reason}")
    for key, folder in _folders(config):
        if folder is not None and not any(map(_is_music, _entries(folder))):
            yield Problem(key, f"there is no WAV file in {folder} that can be played, so other music is")


def _greetings(config: Config) -> Iterator[tuple[str, Path | None]]:
    for index, queue in enumerate(config.queues):
        yield f"queues[{index}].greeting", queue.greeting
    for index, receptionist in enumerate(config.receptionists):
        place = f"receptionists[{index}]"
        yield f"{place}.greeting", receptionist.greeting
        for name in ("closed", "holiday"):
            if (menu := getattr(receptionist, name)) is not None:
                yield f"{place}.{name}.greeting", menu.greeting


def _folders(config: Config) -> Iterator[tuple[str, Path | None]]:
    yield "prompts.music", config.prompts.music
    for index, queue in enumerate(config.queues):
        yield f"queues[{index}].music", queue.music


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _is_music(path: Path) -> bool:
    return path.suffix.lower() == ".wav" and not _unplayable(path)


def _unplayable(path: Path) -> str:
    """Why a file cannot be played; empty if it can."""
    try:
        open_regular(path).close()
    except (OSError, WavError) as error:
        return str(error)
    return ""
