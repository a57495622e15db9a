"""Speech by eSpeak NG, as 8 kHz PCM. The library and its voices come with the package espeakng-loader.

The library keeps one voice and one buffer for the whole process, so one lock guards it. A sentence takes a few
milliseconds; a coroutine asks for it in a thread.
"""

from __future__ import annotations

import ctypes
import re
import threading
import unicodedata
from collections.abc import Callable, Mapping
from typing import Protocol

from media.prompts.resample import to_8_khz
from media.prompts.tokens import Language

VOICES: Mapping[Language, str] = {Language.FRENCH: "fr", Language.ENGLISH: "en-us"}

LONGEST_TEXT = 1000
"""Characters: more than a minute of speech. What is longer is cut."""
TAIL_SECONDS = 0.06
"""The library stops at the last sound; words that follow each other need a breath."""

# Of espeak-ng/speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
"""Without the flags for SSML and for phonemes in brackets: a text is a text."""
_POS_CHARACTER = 1
_RATE, _VOLUME = 1, 2
_WORDS_PER_MINUTE = 155
_LOUDNESS = 80
"""At the library's own 100 the loudest syllables are clipped."""

_SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class SynthesisError(Exception):
    """No speech: the library, its data or a voice is missing; says which."""


class Speech(Protocol):
    """Who speaks texts."""

    def voice(self, language: Language) -> str:
        """Who speaks, and how: what is kept of one voice is not played for another."""

    def speak(self, text: str, language: Language) -> bytes:
        """Mono int16 at 8 kHz; empty if there is nothing to say. Blocks. Raises SynthesisError."""


class EspeakSpeech:
    """eSpeak NG, loaded when it first speaks. Any thread may ask."""

    def __init__(self, voices: Mapping[Language, str] = VOICES) -> None:
        """`voices` as in the library's list, such as "fr-be" or "en-us+f3"."""
        self._voices = {**VOICES, **voices}

    def voice(self, language: Language) -> str:
        """The library's name of it, and the speed."""
        return f"espeak-ng {self._voices[language]} {_WORDS_PER_MINUTE}"

    def speak(self, text: str, language: Language) -> bytes:
        """Mono int16 at 8 kHz; empty if there is nothing to say. Blocks. Raises SynthesisError."""
        voice, text = self._voices[language], _plain(text)
        if not text:
            return b""
        # A name with a slash would reach for files outside of the library's data.
        if not re.fullmatch(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*(\+[A-Za-z0-9]+)?", voice):
            raise SynthesisError(f"{voice!r} is not the name of a voice")
        with _lock:
            library = _library()
            pcm = library.speak(text, voice)
        pcm = to_8_khz(pcm, library.rate_hz)
        return pcm + bytes(2 * round(TAIL_SECONDS * 8000)) if pcm else b""


def _plain(text: str) -> str:
    """Without control characters (U+0001 begins a command to the library), halves of surrogate pairs, private
    characters; nothing if there is nothing to pronounce."""
    text = "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in text)
    text = " ".join(text[:LONGEST_TEXT].split())
    return text if any(character.isalnum() for character in text) else ""


class _Library:
    """The loaded library. The lock is held around every use."""

    def __init__(self) -> None:
        """Raises SynthesisError."""
        try:
            import espeakng_loader  # type: ignore[import-untyped]

            loaded = ctypes.CDLL(espeakng_loader.get_library_path())
            data = str(espeakng_loader.get_data_path())
        except (ImportError, OSError, RuntimeError) as error:
            raise SynthesisError(f"eSpeak NG cannot be loaded: {error}") from error
        self._pcm: list[bytes] = []
        self._callback = _SynthCallback(self._take)
        """Kept, as the library keeps its address."""
        self._set_voice: Callable[[bytes], int] = loaded.espeak_SetVoiceByName
        self._set_parameter: Callable[[int, int, int], int] = loaded.espeak_SetParameter
        self._synth = loaded.espeak_Synth
        self._synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
        self.rate_hz: int = loaded.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, 0, data.encode(), _INITIALIZE_DONT_EXIT
        )
        if self.rate_hz <= 0:
            raise SynthesisError(f"eSpeak NG finds no data in {data}")
        loaded.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, voice: str) -> bytes:
        """Mono int16 at `rate_hz`. Raises SynthesisError."""
        if self._set_voice(voice.encode()) != 0:
            raise SynthesisError(f"eSpeak NG has no voice {voice!r}")
        self._set_parameter(_RATE, _WORDS_PER_MINUTE, 0)
        self._set_parameter(_VOLUME, _LOUDNESS, 0)
        self._pcm.clear()
        data = text.encode()
        failed = self._synth(data, len(data) + 1, 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None)
        pcm = b"".join(self._pcm)
        self._pcm.clear()
        if failed:
            raise SynthesisError(f"eSpeak NG does not speak: error {failed}")
        return pcm

    def _take(self, samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            self._pcm.append(ctypes.string_at(samples, 2 * count))
        return 0


_lock = threading.Lock()
_loaded: list[_Library] = []


def _library() -> _Library:
    if not _loaded:
        _loaded.append(_Library())
    return _loaded[0]
