"""From tokens to WAV files: the user's own recordings, then installed sound packs, then speech kept in a cache.

Nothing here raises in the middle of a call: what is wrong with a file or a voice is logged once, and the next best
sound is played, a beep at the last. Everything blocks, for a few milliseconds where something has to be spoken first:
a coroutine asks in a thread. Any thread may ask.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from media.prompts.files import PART_PREFIX, PART_SUFFIX, open_regular, safe_name, write_whole
from media.prompts.synthesis import EspeakSpeech, Speech, SynthesisError
from media.prompts.tokens import BEEP, PAUSE, Language, Token, written
from media.tones import FRAME_SAMPLES, Tone, ToneSource
from media.wav import WavError

logger = logging.getLogger(__name__)

USUAL_PACKS = (Path("/usr/share/asterisk/sounds"), Path("/var/lib/asterisk/sounds"))
"""Where packages put sound packs, one folder a language in each: `fr`, or `fr_CA_f_June`."""

KEPT_FILES = 2000
"""Spoken texts in the cache. Numbers, times and strangers' names never end, so the oldest have to go."""
_SPOKEN_FILE = re.compile(rf"[a-z]{{2}}-[0-9a-f]{{40}}\.wav|{PART_PREFIX}.*\{PART_SUFFIX}")
_BEEP_HZ, _BEEP_FRAMES = 1000, 12
_PAUSE_FRAMES = 10


class Prompts:
    """Finds or makes the files to play."""

    def __init__(
        self,
        cache: Path,
        *,
        own: Path | None = None,
        packs: Sequence[Path] = USUAL_PACKS,
        speech: Speech | None = None,
    ) -> None:
        """`cache`: a folder for what is made here. `own`: `<own>/<language>/<token>.wav`, `<own>/names/<name>.wav`."""
        self._cache = cache
        self._own = own
        self._speech = speech or EspeakSpeech()
        self._complaints: set[str] = set()
        self._packs = {
            language: [folder for pack in packs for folder in self._pack_folders(pack, language)]
            for language in Language
        }

    def paths(self, tokens: Iterable[Token], language: Language) -> list[Path]:
        """What to play one after another. Neighbours that nobody has recorded are spoken in one breath."""
        others = [other for other in Language if other is not language]
        return self._paths(list(tokens), [language, *others])

    def path(self, token: Token, language: Language) -> Path | None:
        """The file of one token; None: not even a beep can be written, which has been logged."""
        return next(iter(self.paths([token], language)), None)

    def spoken(self, text: str, language: Language) -> Path | None:
        """Any text as speech; None if there is nothing to say, or nobody to say it, which has been logged."""
        key = "\0".join((language.value, self._speech.voice(language), text))
        digest = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:40]
        path = self._cache / f"{language.value}-{digest}.wav"
        if self._playable(path, ours=True):
            with contextlib.suppress(OSError):  # of a cache that is read only
                os.utime(path)  # the youngest are kept
            return path
        try:
            pcm = self._speech.speak(text, language)
        except SynthesisError as error:
            self._complain(f"no speech for prompts: {error}")
            return None
        return self._write(path, pcm) if pcm else None

    def name(self, name: str, language: Language) -> Path | None:
        """Somebody's name: as the user has recorded it, or as it is spelled. `name` may come from anywhere."""
        if self._own is not None:
            path = self._own / "names" / f"{safe_name(name)}.wav"
            if self._playable(path):
                return path
        return self.spoken(name, language)

    # -- where sounds come from --------------------------------------------------------------------

    def _paths(self, tokens: list[Token], languages: list[Language]) -> list[Path]:
        if not languages:
            beep = self._generated(BEEP)
            return [beep] if beep else []
        language, *others = languages
        result: list[Path] = []
        found = [(token, self._recorded(token, language)) for token in tokens]
        for missing, group in groupby(found, key=lambda pair: pair[1] is None):
            if missing:
                result += self._spoken_run([token for token, _ in group], language, others)
            else:
                result += [path for _, path in group if path is not None]
        return result

    def _spoken_run(self, run: list[Token], language: Language, others: list[Language]) -> list[Path]:
        """Tokens without recordings, in one breath; in another language rather than not at all."""
        if all(token is PAUSE for token in run):
            path = self._generated(PAUSE)
            return [path] if path else []
        path = self.spoken(written(run, language), language)
        return [path] if path else self._paths(run, others)

    def _recorded(self, token: Token, language: Language) -> Path | None:
        folders = [] if self._own is None else [self._own / language.value / f"{token.name}.wav"]
        folders += [folder / f"{name}.wav" for folder in self._packs[language] for name in token.packs]
        for path in folders:
            if self._playable(path):
                return path
        return self._generated(BEEP) if token is BEEP else None

    def _pack_folders(self, pack: Path, language: Language) -> list[Path]:
        """`fr` before `fr_CA_f_June` and the like."""
        code = language.value
        try:
            names = sorted(path.name for path in pack.iterdir()) if pack.is_dir() else []
        except OSError as error:
            self._complain(f"no sound pack read: {error}")
            return []
        return [pack / name for name in names if name == code or name.startswith((f"{code}_", f"{code}-"))]

    def _playable(self, path: Path, *, ours: bool = False) -> bool:
        """Whether a file is there and we can play it; `ours` is made again if not."""
        try:
            open_regular(path).close()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except (OSError, WavError) as error:
            if not ours:
                self._complain(f"a prompt is not played: {error}")
            return False
        return True

    # -- what is made here -------------------------------------------------------------------------

    def _generated(self, token: Token) -> Path | None:
        path = self._cache / f"{token.name}.wav"
        if self._playable(path, ours=True):
            return path
        if token is PAUSE:
            return self._write(path, bytes(2 * FRAME_SAMPLES * _PAUSE_FRAMES))
        tone = ToneSource(Tone.sine(_BEEP_HZ))
        return self._write(path, b"".join(tone.frame() for _ in range(_BEEP_FRAMES)))

    def _write(self, path: Path, pcm: bytes) -> Path | None:
        try:
            write_whole(path, pcm)
        except OSError as error:
            self._complain(f"no prompt can be kept in {self._cache}: {error.strerror or error}")
            return None
        self._prune()
        return path

    def _prune(self) -> None:
        with contextlib.suppress(OSError):
            ours = [entry for entry in os.scandir(self._cache) if _SPOKEN_FILE.fullmatch(entry.name)]
            if len(ours) > KEPT_FILES:
                ours.sort(key=lambda entry: entry.stat().st_mtime_ns)
                for entry in ours[: len(ours) // 4]:
                    os.unlink(entry.path)

    def _complain(self, what: str) -> None:
        """A call a second with the same fault is no reason for a log line a second."""
        if what not in self._complaints:
            self._complaints.add(what)
            logger.warning("%s", what)
