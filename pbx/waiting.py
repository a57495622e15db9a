"""What a party hears that waits for another: music, and the ringing of whoever is called for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from media.messages import PlayFiles, PlayTone, Quiet
from media.tones import RINGBACK, Country

if TYPE_CHECKING:
    from media.service import MediaService
    from pbx.prompts import PromptFiles


class Music:
    """Plays music to streams. It is looked for in the background: what is stopped meanwhile never begins."""

    def __init__(self, media: MediaService, prompts: PromptFiles) -> None:
        self._media = media
        self._prompts = prompts
        self._search: asyncio.Task[None] | None = None

    def play(self, *streams: int) -> None:
        """Begin, again and again, until something else is played there."""
        self.stop()
        self._search = asyncio.get_running_loop().create_task(self._play(streams), name="music")

    def stop(self) -> None:
        """Of music that is still being looked for."""
        if self._search is not None:
            self._search.cancel()
            self._search = None

    async def _play(self, streams: tuple[int, ...]) -> None:
        files = await self._prompts.music()
        for stream in streams:
            if files:
                self._media.send(PlayFiles(stream, files, again=True))


class Waiting:
    """One party that waits; its call has been answered, so that it has no ringing of its own."""

    def __init__(self, stream: int, media: MediaService, prompts: PromptFiles, country: Country) -> None:
        self._stream = stream
        self._media = media
        self._country = country
        self._music = Music(media, prompts)
        self._rings = False
        media.send(Quiet(stream))
        self._music.play(stream)

    def ring(self) -> None:
        """Ringing in place of the music, from now on."""
        if not self._rings:
            self._rings = True
            self._music.stop()
            self._media.send(PlayTone(self._stream, RINGBACK[self._country]))

    def end(self) -> None:
        """Silence; for whatever comes next."""
        self._music.stop()
        self._media.send(Quiet(self._stream))
