"""Recordings: what one party says, or both, on a grid of 20 ms, in a file that others see when it is whole."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
import tempfile
from array import array
from collections import deque
from functools import partial
from operator import add
from pathlib import Path
from stat import S_ISREG

from media.codecs import g711
from media.conceal import G711Concealer, is_quiet_g711
from media.disk import Disk, Done, PatientDisk, ignored
from media.jitter import CONCEAL, JitterBuffer
from media.messages import RecordingEnd
from media.opus_ticks import opus_ticks
from media.plan import G711, Codec
from media.rtp import RtpPacket
from media.salvage import PART_SUFFIX
from media.ticker import TICK_SECONDS
from media.wav import FRAME_SAMPLES, FRAMES_PER_SECOND, WavWriter, loudest_of

logger = logging.getLogger(__name__)

SILENT_PEAK = 500
"""A frame with no louder sample is silence: -36 dB of the full scale, above the noise of an office."""

PIECE_FRAMES = 10
"""So many frames are written at once."""
MOST_WRITING = 50
"""Pieces, of 10 s in all; a disk that is further behind is too slow."""
_SILENCE = bytes(2 * FRAME_SAMPLES)
_LONGEST_NAME = 50
"""So much of a file's name is in that of its part, which may not be longer than 255 bytes."""
_LATE = 0.01
"""A tick that comes earlier by this share of itself is on time: clocks are rounded."""


# -- one direction ---------------------------------------------------------------------------------


class Track:
    """The packets of one direction in, in any order; 20 ms of PCM a tick out."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self._decoder: _Tables | _Recoded
        if codec in G711:
            self._buffer = JitterBuffer(codec.clock_rate, is_quiet=is_quiet_g711(codec))
            self._decoder = _Tables(codec)
        else:
            ticks_of = opus_ticks if codec is Codec.OPUS else None
            self._buffer = JitterBuffer(codec.clock_rate, ticks_of=ticks_of)
            self._decoder = _Recoded(codec)
        self._frames: deque[bytes] = deque()
        self.put = self._buffer.put

    def take(self, now: float) -> bytes:
        """The next 20 ms; nothing where nothing is being said."""
        while not self._frames:
            payload = self._buffer.take(now)
            if isinstance(payload, bytes):
                self._frames += self._decoder.hear(payload)
            elif payload is CONCEAL:
                self._frames += self._decoder.miss()
            else:
                return b""
        return self._frames.popleft()


class _Tables:
    """Decodes G.711."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._concealer = G711Concealer(codec)

    def hear(self, payload: bytes) -> list[bytes]:
        self._concealer.heard(payload)
        return [g711.decode(self._codec, payload)]

    def miss(self) -> list[bytes]:
        return [g711.decode(self._codec, self._concealer.conceal())]


class _Recoded:
    """Decodes all else, with numpy."""

    def __init__(self, codec: Codec) -> None:
        from media.transcode import Listener

        self._listener = Listener(codec)

    def hear(self, payload: bytes) -> list[bytes]:
        return [frame.astype("<i2").tobytes() for frame in self._listener.hear(payload)]

    def miss(self) -> list[bytes]:
        return [frame.astype("<i2").tobytes() for frame in self._listener.miss()]


# -- a recording -----------------------------------------------------------------------------------


class Recorder:
    """Writes a file beside its place, and puts it there when it is whole. A crash leaves a hidden `.part`, playable
    but for its last second. A minute takes a minute of the file, whatever becomes of packets and ticks."""

    def __init__(
        self,
        path: Path,
        *,
        both: bool = False,
        most_seconds: float | None = None,
        silence_seconds: float | None = None,
        disk: Disk | None = None,
    ) -> None:
        """`both`: what the peer is told, too. Raises OSError, and ValueError for a path that no file can have, where
        the disk finds that at once; else `tick` does."""
        self.path = path
        self.both = both
        self._disk = disk or PatientDisk()
        self._part: Path | None = None
        self._writer: WavWriter | None = None
        self._problem: Exception | None = None
        self._disk.run(self._open, ignored)
        if self._problem is not None:
            raise self._problem
        self._most_frames = None if most_seconds is None else round(most_seconds / TICK_SECONDS)
        self._silent_frames = None if silence_seconds is None else round(silence_seconds / TICK_SECONDS)
        self._said: Track | None = None
        self._told: Track | None = None
        self._began: float | None = None
        self._frames = 0
        """Written so far."""
        self._silent = 0
        """Of them, those at the end that hold silence."""
        self._kept: list[bytes] = []
        """Of them, those that the disk has not been given yet."""
        self._writing = 0
        """Pieces that the disk has been given, and has not written yet."""
        self.peak = 0
        """Of the loudest sample: 0 to 32768."""

    def said(self, packet: RtpPacket, codec: Codec, now: float) -> None:
        """A packet of the peer. One that holds no sound, such as a telephone-event, comes with an empty payload."""
        if self._said is None or self._said.codec is not codec:
            self._said = Track(codec)
        self._said.put(packet, now)

    def told(self, packet: RtpPacket, codec: Codec, now: float) -> None:
        """A packet for the peer; of no interest unless both directions are recorded."""
        if not self.both:
            return
        if self._told is None or self._told.codec is not codec:
            self._told = Track(codec)
        self._told.put(packet, now)

    def tick(self, now: float) -> RecordingEnd | None:
        """Write what is due; why the recording is to end, if it is. Raises OSError when the disk was found full, or
        is far behind."""
        if self._began is None:
            self._began = now - TICK_SECONDS
        due = int((now - self._began) / TICK_SECONDS + _LATE)
        while self._frames < due:  # more than one after ticks that were skipped
            self._write(self._began + (self._frames + 1) * TICK_SECONDS)
            if self._most_frames is not None and self._frames >= self._most_frames:
                return RecordingEnd.LENGTH
            if self._silent_frames is not None and self._silent >= self._silent_frames:
                return RecordingEnd.SILENCE
        return None

    @property
    def seconds(self) -> float:
        """How much was recorded."""
        return self._frames / FRAMES_PER_SECOND

    def close(self, done: Done = ignored) -> None:
        """Complete the file and put it into its place; `done` hears of it, or that it failed."""
        self._hand_over()
        self._disk.run(self._complete, done)

    def give_up(self, error: Exception, done: Done = ignored) -> None:
        """Nothing more can be written: what was recorded until now is put into its place, if it is any sound."""
        logger.warning("the recording of %s ends: %s", self.path, error)
        self._disk.run(self._salvage, done)

    def _write(self, now: float) -> None:
        if self._problem is not None:
            raise OSError(str(self._problem))
        if self._writing > MOST_WRITING:
            raise OSError(errno.ETIMEDOUT, "the disk is too slow", str(self.path))
        said = self._said.take(now) if self._said is not None else b""
        told = self._told.take(now) if self._told is not None else b""
        pcm = mixed(said, told) if said and told else said or told or _SILENCE
        self._frames += 1
        self._kept.append(pcm)
        if len(self._kept) >= PIECE_FRAMES:
            self._hand_over()
        loudest = loudest_of(pcm)
        self.peak = max(self.peak, loudest)
        self._silent = self._silent + 1 if loudest <= SILENT_PEAK else 0

    # -- the disk's part (it may be another thread, which writes no log) ---------------------------------

    def _open(self) -> None:
        try:
            path = self.path
            with contextlib.suppress(FileNotFoundError):
                if not S_ISREG(path.stat().st_mode):
                    raise OSError(errno.EINVAL, "not a regular file", str(path))  # renaming would take its place
            prefix = f".{path.name[:_LONGEST_NAME]}."
            handle, part = tempfile.mkstemp(prefix=prefix, suffix=PART_SUFFIX, dir=path.parent)
            os.close(handle)
            self._part = Path(part)
            self._writer = WavWriter(self._part)
        except (OSError, ValueError) as error:
            self._problem = error
            self._remove()
            raise

    def _hand_over(self) -> None:
        """Give the disk what it has not got yet."""
        if self._kept:
            pcm, self._kept = b"".join(self._kept), []
            self._writing += 1
            self._disk.run(partial(self._append, pcm), self._written)

    def _append(self, pcm: bytes) -> None:
        if self._writer is None:
            return
        try:
            self._writer.write(pcm)
        except (OSError, ValueError) as error:
            self._problem = error  # what completes the file may come before this has been told
            raise

    def _written(self, error: Exception | None) -> None:
        self._writing -= 1

    def _complete(self) -> None:
        try:
            if self._problem is not None or self._writer is None or self._part is None:
                raise OSError(str(self._problem))
            self._writer.close()
            os.replace(self._part, self.path)
        except (OSError, ValueError):
            self._salvage()
            raise

    def _salvage(self) -> None:
        if self._writer is None or self._part is None:
            return
        with contextlib.suppress(OSError):  # the header of the last second stands
            self._writer.close()
        with contextlib.suppress(OSError):
            if self._writer.seconds:
                os.replace(self._part, self.path)
        self._remove()

    def _remove(self) -> None:
        if self._part is not None:
            with contextlib.suppress(OSError):
                self._part.unlink()


def mixed(one: bytes, other: bytes) -> bytes:
    """The sum of two frames of 16-bit PCM; what is too loud is cut off."""
    ours, theirs = array("h", one), array("h", other)
    if sys.byteorder == "big":
        ours.byteswap()
        theirs.byteswap()
    try:
        both = array("h", map(add, ours, theirs))
    except OverflowError:
        both = array("h", (min(max(sum_, -32768), 32767) for sum_ in map(add, ours, theirs)))
    if sys.byteorder == "big":
        both.byteswap()
    return both.tobytes()
