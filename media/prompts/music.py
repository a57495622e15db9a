"""Music on hold: the user's WAV files in turn, or a short piece of our own.

The piece ("Waiting by the window") is computed, note by note, when it is first wanted, and kept.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from media.prompts.files import open_regular, write_whole
from media.wav import RATE_HZ, WavError

logger = logging.getLogger(__name__)

Samples = npt.NDArray[np.float64]


def music_files(folders: Iterable[Path | None], cache: Path) -> list[Path]:
    """What there is to play: the WAV files of the first of the folders that has any, by name; else the piece of our
    own; empty if that is not there either.

    Blocks: every file is opened, and our piece may have to be computed.
    """
    for folder in folders:
        if folder is not None and (files := _files_in(folder)):
            return files
    path = cache / f"music-{EDITION}.wav"
    if not _is_music(path, ours=True):
        try:
            write_whole(path, compose())
        except OSError as error:
            logger.warning("music on hold: silence, as our own piece cannot be kept: %s", error)
            return []
    return [path]


def _files_in(folder: Path) -> list[Path]:
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".wav")
    except OSError as error:
        logger.warning("music on hold: no files of yours: %s", error)
        return []
    return [path for path in files if _is_music(path)]


def _is_music(path: Path, *, ours: bool = False) -> bool:
    """Whether it can be played; `ours` is made again if not."""
    try:
        open_regular(path).close()
    except (OSError, WavError) as error:
        if not ours:
            logger.warning("music on hold is not played: %s", error)
        return False
    return True


# -- our own piece ---------------------------------------------------------------------------------

EDITION = 1
"""Counts up whenever the piece changes, so that a kept one is not played on."""

_BEAT = 6400
"""Samples: 75 beats a minute, which divide the sample rate."""
_BEATS_IN_BAR = 4
_PEAK = 10 ** (-13 / 20)

_CHORDS = {
    "D": (50, 57, 62, 66, 69, 73),
    "Bm": (47, 54, 62, 66, 69, 74),
    "G": (43, 55, 62, 66, 71, 74),
    "A": (45, 57, 61, 66, 69, 71),
    "F#m": (42, 57, 61, 64, 69, 73),
    "Em": (52, 59, 62, 67, 71, 74),
}
"""The bass, and what the arpeggio runs through, as MIDI note numbers; sevenths and ninths keep them soft."""
_HARMONY = (
    "D", "Bm", "G", "A", "D", "F#m", "G", "A",
    "Em", "A", "F#m", "Bm", "G", "Em", "A", "D",
)  # fmt: skip
_ARPEGGIO = (1, 3, 2, 4, 3, 5, 4, 2)
"""Notes of the chord, an eighth each."""
_MELODY = (
    # Bar, beat, note, beats. Few notes, so that nobody tires of it.
    (0, 2.0, 78, 2.0), (1, 1.0, 76, 1.0), (1, 2.0, 74, 2.0), (2, 2.0, 79, 1.0), (2, 3.0, 78, 1.0),
    (3, 0.0, 76, 3.0), (4, 2.0, 81, 2.0), (5, 1.0, 81, 0.5), (5, 1.5, 78, 0.5), (5, 2.0, 76, 2.0),
    (6, 1.0, 74, 1.0), (6, 2.0, 79, 2.0), (7, 0.0, 78, 1.5), (7, 1.5, 76, 2.5), (8, 1.0, 79, 1.0),
    (8, 2.0, 83, 2.0), (9, 0.0, 81, 2.0), (9, 2.0, 76, 2.0), (10, 1.0, 78, 1.0), (10, 2.0, 81, 2.0),
    (11, 0.0, 78, 3.0), (12, 1.0, 74, 1.0), (12, 2.0, 71, 2.0), (13, 1.0, 74, 1.0), (13, 2.0, 79, 2.0),
    (14, 0.0, 78, 1.0), (14, 1.0, 76, 3.0), (15, 0.0, 74, 4.0),
)  # fmt: skip


def compose() -> bytes:
    """The piece as PCM: 51.2 seconds whose end leads into its beginning."""
    bar = _BEATS_IN_BAR * _BEAT
    piece = np.zeros(len(_HARMONY) * bar)
    for index, name in enumerate(_HARMONY):
        bass, *notes = _CHORDS[name]
        start = index * bar
        _add(piece, start, 0.55 * _plucked(bass + 12, 3.0))
        for note in notes[:4]:
            _add(piece, start - bar // 8, 0.10 * _pad(note, bar + bar // 4))
        for eighth, step in enumerate(_ARPEGGIO):
            loudness = 0.32 if eighth % 4 == 0 else 0.25
            _add(piece, start + eighth * _BEAT // 2, loudness * _plucked(notes[step - 1], 1.6))
    for at_bar, beat, note, beats in _MELODY:
        start = at_bar * bar + round(beat * _BEAT)
        _add(piece, start, 0.5 * _plucked(note, 0.6 + 0.9 * beats))
        _add(piece, start, 0.05 * _pad(note, round(beats * _BEAT)))
    # An echo makes a room around it, and the fold of its tail belongs to the loop too.
    piece = piece + 0.22 * np.roll(piece, 3 * _BEAT // 4) + 0.10 * np.roll(piece, 3 * _BEAT // 2)
    pcm: bytes = np.rint(piece / np.abs(piece).max() * _PEAK * 32767).astype("<i2").tobytes()
    return pcm


def _add(piece: Samples, start: int, sound: Samples) -> None:
    """Mix a sound in; what sounds past the end is heard at the beginning."""
    places = np.arange(start, start + len(sound)) % len(piece)
    piece[places] += sound


def _hertz(note: float) -> float:
    return 440.0 * 2 ** ((note - 69) / 12)


def _plucked(note: float, seconds: float) -> Samples:
    """Like a soft electric piano: overtones that die away sooner than the note."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    sound = np.zeros(len(times))
    for overtone, loudness in ((1, 1.0), (2, 0.35), (3, 0.12), (4, 0.06)):
        hertz = overtone * _hertz(note)
        if hertz < 3400:
            sound += loudness * np.sin(2 * np.pi * hertz * times) * np.exp(-times * (1.6 + 1.2 * overtone))
    attack = np.minimum(times / 0.008, 1)
    release = np.minimum((seconds - times) / 0.05, 1)
    return sound * attack * release


def _pad(note: float, samples: int) -> Samples:
    """Like distant strings: two voices a little apart, swelling and fading."""
    times = np.arange(samples) / RATE_HZ
    sound = np.zeros(samples)
    for apart in (-0.04, 0.04):
        sound += np.sin(2 * np.pi * _hertz(note + apart) * times)
        sound += 0.2 * np.sin(4 * np.pi * _hertz(note + apart) * times)
    return sound * np.sin(np.pi * np.arange(samples) / samples) ** 1.5
