"""Plays files one after another, frame by frame. They are opened and read by a `Disk`, ahead of what is heard."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import field
from functools import partial
from pathlib import Path

from media.disk import Disk, PatientDisk, ignored
from media.prompts.files import open_regular
from media.wav import FRAME_SAMPLES, FRAMES_PER_SECOND, WavError, WavReader
from values import dataclass

logger = logging.getLogger(__name__)

PIECE_FRAMES = 25
"""So many frames are read at once, and so many are left when the next are asked for."""
_SILENCE = bytes(2 * FRAME_SAMPLES)

Place = tuple[int, float]
"""A file by its position among others, and so many seconds in it."""


@dataclass(slots=True)
class _Piece:
    """Some frames of one file, as they follow each other; none, if there are no more."""

    file: int = 0
    """Its number."""
    place: float = 0.0
    """Seconds before the first one."""
    frames: deque[bytes] = field(default_factory=deque)
    last: bool = False
    """Whether nothing follows."""
    opened: bool = False
    """Whether a file has been opened for it."""
    problems: list[tuple[str, Exception]] = field(default_factory=list)
    """Files that could not be played, on the way to it."""


# -- the disk's part (it may be another thread, which writes no log) -------------------------------------


class _Files:
    """Opens files, and reads them."""

    def __init__(
        self, paths: tuple[str, ...], *, again: bool, once: int, place: Place | None, skip: float
    ) -> None:
        self._paths = paths
        self._again = again
        self._once = once
        self._place = place
        """Where to begin what is played again, until that is done."""
        self._skip = skip
        """Seconds that are to be passed over yet."""
        self._passed = 0.0
        """Of what is played again, in this round."""
        self._next = 0
        self._reader: WavReader | None = None
        self._heard = False
        """Whether any of the files has given a frame since the first was begun."""

    def read(self, piece: _Piece) -> None:
        """Fill a piece."""
        while not piece.frames and (self._reader is not None or self._open(piece)):
            assert self._reader is not None
            piece.file, piece.place = self._next - 1, self._reader.position
            try:
                while len(piece.frames) < PIECE_FRAMES and (frame := self._reader.frame()) is not None:
                    piece.frames.append(frame)
            except OSError as error:
                piece.problems.append((self._paths[piece.file], error))
                self.close()
            self._heard = self._heard or bool(piece.frames)
            if len(piece.frames) < PIECE_FRAMES:
                self.close()
        piece.last = (
            self._reader is None and self._next == len(self._paths) and not (self._again and self._heard)
        )

    def read_at(self, file: int, seconds: float, piece: _Piece) -> None:
        """Fill a piece from a place of a file, or from what follows it."""
        if self._reader is None or file != self._next - 1:
            self.close()
            self._next = file
            self._open(piece)
        if self._reader is not None and file == self._next - 1:
            self._reader.seek(seconds)
        self.read(piece)

    def close(self) -> None:
        """Close the file that is open."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _open(self, piece: _Piece) -> bool:
        """Open the next file that can be played; False if there is none."""
        while True:
            if self._next == len(self._paths):
                if not (self._again and self._heard):  # where none can be played, beginning anew helps nobody
                    return False
                self._next, self._heard = self._once, False
                self._skip, self._passed = self._skip % self._passed if self._passed else 0.0, 0.0
                continue
            seconds = 0.0
            if self._place is not None and self._next == self._once:
                (file, seconds), self._place = self._place, None
                self._next, self._heard = self._once + file, True  # what precedes it is still to come
            path = self._paths[self._next]
            self._next += 1
            try:
                self._reader = open_regular(Path(path))
                if seconds:
                    self._reader.seek(seconds)
                if self._skip and self._passes_over(self._reader):
                    continue
            except (OSError, WavError) as error:
                self.close()
                piece.problems.append((path, error))
            else:
                piece.opened = True
                return True


    def _passes_over(self, reader: WavReader) -> bool:
        """Whether all of a file that was opened just now is to be passed over; else what precedes is."""
        length = reader.seconds
        if self._skip < length:
            reader.seek(self._skip)
            self._skip = 0.0
            return False
        self._skip -= length
        self._heard = self._heard or length > 0
        if self._next > self._once:
            self._passed += length
        self.close()
        return True


# -- what is heard ---------------------------------------------------------------------------------


class Player:
    """A source of frames. A file that cannot be played is passed over, and named in `problem`. While the disk is too
    slow, there is silence."""

    def __init__(
        self,
        paths: tuple[str, ...],
        *,
        again: bool = False,
        once: int = 0,
        place: Place | None = None,
        skip: float = 0.0,
        disk: Disk | None = None,
    ) -> None:
        """`again`: begin anew at the end, but for the first `once` files. `place`: begin there in what is played again,
        the first time. `skip`: begin so many seconds later, as if these had been played."""
        self.problem = ""
        self.again = paths[once:] if again else ()
        """What is played again and again."""
        self._once = once
        self.paused = False
        """Whether silence is heard, and the file waits."""
        self._files = _Files(paths, again=again, once=once, place=place, skip=skip)
        self._disk = disk or PatientDisk()
        self._pieces: deque[_Piece] = deque()
        self._present: tuple[int, float] | None = None
        """The file that is being played, and the place in it; None before the first frame and after the last one."""
        self._wanted: tuple[int | None, float] | None = None
        """Where to go on, until it is there; no file: in the first that can be played."""
        self._reading = self._ended = self._closed = False
        self._opened = False
        self._begun: Callable[[bool], None] | None = None
        self._complaints: set[str] = set()

    def open(self, begun: Callable[[bool], None]) -> None:
        """Open the first file that can be played, and tell whether there is one. After `close` nothing is told."""
        self._begun = begun
        self._read()

    def frame(self) -> bytes | None:
        """The next 20 ms of PCM; None at the end."""
        if self.paused:
            return _SILENCE
        if sum(len(piece.frames) for piece in self._pieces) <= PIECE_FRAMES:
            self._read()
        if not self._pieces:
            if self._reading:
                return _SILENCE
            self._present = None
            return None
        piece = self._pieces[0]
        frame = piece.frames.popleft()
        piece.place += 1 / FRAMES_PER_SECOND
        self._present = piece.file, piece.place
        if not piece.frames:
            self._pieces.popleft()
        return frame

    @property
    def position(self) -> float:
        """How much of the present file has been played, in seconds."""
        present = self._wanted or self._present
        return 0.0 if present is None else present[1]

    @property
    def place(self) -> Place | None:
        """Where it is in what is played again and again; None outside that."""
        present = self._present
        if not self.again or present is None or present[0] < self._once:
            return None
        return present[0] - self._once, present[1]

    def seek(self, seconds: float) -> None:
        """Go on from another place of the present file, the nearest there is."""
        if self._present is None and not self._reading:
            return
        self._wanted = None if self._present is None else self._present[0], max(seconds, 0.0)
        self._pieces.clear()
        self._ended = False
        self._read()

    def close(self) -> None:
        """Give up what has not been played."""
        self._closed, self._present, self._begun = True, None, None
        self._pieces.clear()
        self._disk.run(self._files.close, ignored)

    def _read(self) -> None:
        """Ask for the next piece, unless it has been asked for."""
        if self._reading or self._ended or self._closed:
            return
        self._reading, piece, wanted = True, _Piece(), self._wanted
        work = partial(self._files.read, piece)
        if wanted is not None:
            file, seconds = wanted
            assert file is not None
            work = partial(self._files.read_at, file, seconds, piece)
        self._disk.run(work, partial(self._came, piece, wanted))

    def _came(self, piece: _Piece, wanted: tuple[int | None, float] | None, error: Exception | None) -> None:
        self._reading = False
        if self._closed:
            return
        for path, problem in piece.problems:
            self._complain(path, problem)
        if error is not None:
            self._complain("what was to follow", error)
            piece.last = True
        self._opened = self._opened or piece.opened
        if self._wanted is not None and self._wanted is not wanted:  # something else, by now
            file, seconds = self._wanted
            self._wanted = piece.file if file is None else file, seconds
            self._read()
            return
        self._wanted = None
        if piece.frames:
            self._pieces.append(piece)
            if self._present is None or wanted is not None:
                self._present = piece.file, piece.place
        self._ended = piece.last
        if self._begun is not None:
            begun, self._begun = self._begun, None
            begun(self._opened)

    def _complain(self, path: str, error: Exception) -> None:
        if path not in self._complaints:  # music comes round again and again
            self._complaints.add(path)
            logger.warning("%s cannot be played: %s", path, error)
        self.problem = str(error)
