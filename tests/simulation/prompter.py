"""Prompts of a simulated office: a short tone for each, and a list of what was said."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from media.prompts.tokens import Token
from tests.interop.tones import write_tone

PROMPT_HZ = 2000.0
MUSIC_HZ = 1700.0
PROMPT_SECONDS = 0.2


class Prompter:
    """Says every prompt as one short tone, music as another, and recordings as they are."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str | Path] = []
        """The names of prompts, and recordings, in the order in which they were asked for."""
        self.languages: list[str] = []
        """In which each of them was."""
        self._prompt, self._music = folder / "prompt.wav", folder / "music.wav"
        write_tone(self._prompt, PROMPT_HZ, PROMPT_SECONDS)
        write_tone(self._music, MUSIC_HZ, 1.0)

    async def files(self, prompts: Iterable[Token | Path], language: str = "") -> tuple[str, ...]:
        """A file for each."""
        asked = list(prompts)
        self.said += [prompt if isinstance(prompt, Path) else prompt.name for prompt in asked]
        self.languages += [language] * len(asked)
        return tuple(str(prompt if isinstance(prompt, Path) else self._prompt) for prompt in asked)

    async def music(self, folder: Path | None = None) -> tuple[str, ...]:
        """One file, or those of a folder."""
        self.said.append("music")
        return tuple(map(str, sorted(folder.iterdir()))) if folder is not None else (str(self._music),)
