"""Prompts as files: what a feature wants said becomes WAV files that the media engine can play."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from media.prompts.resolve import Prompts
    from media.prompts.tokens import Token


class PromptFiles(Protocol):
    """Finds or makes the files of prompts."""

    async def files(self, prompts: Iterable[Token | Path], language: str = "") -> tuple[str, ...]:
        """What to play one after another; a prompt that nobody can say is left out. `language`: "en", "fr", or empty
        for that of the system."""

    async def music(self, folder: Path | None = None) -> tuple[str, ...]:
        """What those who wait hear, again and again. `folder`: WAV files in place of those of the system."""


class Silence:
    """Says nothing."""

    async def files(self, prompts: Iterable[Token | Path], language: str = "") -> tuple[str, ...]:
        """Recordings alone."""
        return tuple(str(prompt) for prompt in prompts if isinstance(prompt, Path))

    async def music(self, folder: Path | None = None) -> tuple[str, ...]:
        """None."""
        return ()


class SpokenPrompts:
    """Recordings, sound packs and speech; made in a thread, since speaking takes a while."""

    def __init__(self, cache: Path, language: str, music: Path | None = None) -> None:
        """`cache`: a folder for speech and music of our own. `language`: where no other is asked for. `music`: a
        folder of WAV files in place of our own."""
        self._cache = cache
        self._language = language
        self._music = music
        self._prompts: Prompts | None = None
        self._known: dict[tuple[str, Token], tuple[str, ...]] = {}
        """Files of single tokens: these few are asked for again and again."""

    async def files(self, prompts: Iterable[Token | Path], language: str = "") -> tuple[str, ...]:
        """What to play one after another; a prompt that nobody can say is left out."""
        language = language or self._language
        found: list[str] = []
        for prompt in prompts:
            if isinstance(prompt, Path):
                found.append(str(prompt))
                continue
            key = (language, prompt)
            if key not in self._known:
                self._known[key] = await asyncio.to_thread(self._find, prompt, language)
            found += self._known[key]
        return tuple(found)

    async def music(self, folder: Path | None = None) -> tuple[str, ...]:
        """What those who wait hear, again and again. A `folder` without a file that can be played counts as none."""
        return await asyncio.to_thread(self._find_music, folder)

    # Numpy and the voice come with these modules. A system that never speaks does not carry them.

    def _find(self, token: Token, language: str) -> tuple[str, ...]:
        from media.prompts.resolve import Prompts
        from media.prompts.tokens import Language

        if self._prompts is None:
            self._prompts = Prompts(self._cache)
        return tuple(map(str, self._prompts.paths([token], Language(language))))

    def _find_music(self, folder: Path | None) -> tuple[str, ...]:
        from media.prompts.music import music_files

        return tuple(map(str, music_files((folder, self._music), self._cache)))
