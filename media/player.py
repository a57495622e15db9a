"""Plays files one after another, frame by frame."""

from __future__ import annotations

import logging
from pathlib import Path

from media.prompts.files import open_regular
from media.wav import FRAME_SAMPLES, WavError, WavReader

logger = logging.getLogger(__name__)

_SILENCE = bytes(2 * FRAME_SAMPLES)


class Player:
    """A source of frames. A file that cannot be played is passed over, and named in `problem`."""

    def __init__(self, paths: tuple[str, ...], *, again: bool = False, once: int = 0) -> None:
        """`again`: begin anew at the end, but for the first `once` files."""
        self.problem = ""
        self.paused = False
        """Whether silence is heard, and the file waits."""
        self._paths = paths
        self._again = again
        self._once = once
        self._next = 0
        self._reader: WavReader | None = None
        self._complaints: set[str] = set()
        self._heard = False
        """Whether any of the files has given a frame since the first was begun."""

    def open(self) -> bool:
        """Open the next file that can be played; False if there is none."""
        while True:
            if self._next == len(self._paths):
                if not (self._again and self._heard):  # where none can be played, beginning anew helps nobody
                    return False
                self._next, self._heard = self._once, False
                continue
            path = self._paths[self._next]
            self._next += 1
            try:
                self._reader = open_regular(Path(path))
            except (OSError, WavError) as error:
                self._complain(path, error)
            else:
                return True

    def frame(self) -> bytes | None:
        """The next 20 ms of PCM; None at the end."""
        if self.paused:
            return _SILENCE
        while self._reader is not None or self.open():
            assert self._reader is not None
            try:
                frame = self._reader.frame()
            except OSError as error:
                self._complain(self._paths[self._next - 1], error)
                frame = None
            if frame is not None:
                self._heard = True
                return frame
            self.close()
        return None

    @property
    def position(self) -> float:
        """How much of the present file has been played, in seconds."""
        return 0.0 if self._reader is None else self._reader.position

    def seek(self, seconds: float) -> None:
        """Go on from another place of the present file, the nearest there is."""
        if self._reader is not None:
            self._reader.seek(seconds)

    def close(self) -> None:
        """Close the file that is being played."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _complain(self, path: str, error: Exception) -> None:
        if path not in self._complaints:  # music comes round again and again
            self._complaints.add(path)
            logger.warning("%s cannot be played: %s", path, error)
        self.problem = str(error)
