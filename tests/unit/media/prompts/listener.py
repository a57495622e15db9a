"""What the tests of prompts share: reading and writing WAV files without our own code, and a speaker that counts."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from media.prompts.synthesis import SynthesisError
from media.prompts.tokens import Language

Samples = npt.NDArray[np.float64]


def samples_of(pcm: bytes) -> Samples:
    """PCM as numbers."""
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def listen(path: Path) -> bytes:
    """The PCM of a file, which is 8 kHz mono of 16 bits."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        pcm: bytes = file.readframes(file.getnframes())
        return pcm


def record(path: Path, samples: list[int], rate_hz: int = 8000) -> Path:
    """A file with just these samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.array(samples, "<i2").tobytes())
    return path


class Speaker:
    """Speaks each text as the number of its length, and remembers what was asked for."""

    def __init__(self, *mute: Language, name: str = "speaker") -> None:
        self.mute = set(mute)
        self.name = name
        self.spoken: list[tuple[Language, str]] = []

    def voice(self, language: Language) -> str:
        return f"{self.name} {language.value}"

    def speak(self, text: str, language: Language) -> bytes:
        self.spoken.append((language, text))
        if language in self.mute:
            raise SynthesisError(f"no voice for {language.value}")
        pcm: bytes = np.full(len(text), 1000, "<i2").tobytes()
        return pcm
