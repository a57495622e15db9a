"""The recordings of one stream."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from media.messages import RecordingEnd
from media.plan import Codec
from media.recorder import Recorder
from media.rtp import RtpPacket

logger = logging.getLogger(__name__)


class Recordings:
    """One of what comes in, and one of both directions, at most. They end as soon as they are asked to, and that is
    told when the file is whole."""

    __slots__ = ("_recorders", "_stream", "_tell", "_unfinished", "finished")

    def __init__(self, stream: int, tell: Callable[..., Any]) -> None:
        self._stream = stream
        self._tell = tell
        self._recorders: tuple[Recorder, ...] = ()
        self._unfinished: list[Recorder] = []
        self.finished: Callable[[], None] | None = None
        """Is called when it has been told of the last one that is not whole now."""

    def __bool__(self) -> bool:
        return bool(self._recorders)

    @property
    def unfinished(self) -> int:
        """How many have ended, and are not whole yet."""
        return len(self._unfinished)

    def add(self, recorder: Recorder) -> None:
        """Record from now on, in place of what the recorder before did."""
        self.stop(both=recorder.both)
        self._recorders += (recorder,)

    def stop(self, *, both: bool) -> None:
        """Complete the recording of one direction or of both, if there is one."""
        for recorder in self._recorders:
            if recorder.both is both:
                self._end(recorder, RecordingEnd.STOPPED)

    def close(self) -> None:
        """Complete all."""
        for recorder in self._recorders:
            self._end(recorder, RecordingEnd.CLOSED)

    def give_up(self) -> None:
        """Tell that those have failed that are not whole yet. The disk may write them all the same, some time."""
        for recorder in list(self._unfinished):
            logger.warning("the recording of %s is not written long after its end", recorder.path)
            self._failed(recorder, OSError(errno.ETIMEDOUT, "the disk does not answer"), None)

    def said(self, packet: RtpPacket, codec: Codec, now: float) -> None:
        """A packet of the peer."""
        for recorder in self._recorders:
            recorder.said(packet, codec, now)

    def told(self, packet: RtpPacket, codec: Codec, now: float) -> None:
        """A packet for the peer."""
        for recorder in self._recorders:
            recorder.told(packet, codec, now)

    def tick(self, now: float) -> None:
        """Write what is due."""
        for recorder in self._recorders:
            try:
                reason = recorder.tick(now)
            except OSError as error:
                self._forget(recorder)
                recorder.give_up(error, partial(self._failed, recorder, error))
            else:
                if reason is not None:
                    self._end(recorder, reason)

    def _end(self, recorder: Recorder, reason: RecordingEnd) -> None:
        self._forget(recorder)
        recorder.close(partial(self._ended, recorder, reason))

    def _forget(self, recorder: Recorder) -> None:
        self._recorders = tuple(other for other in self._recorders if other is not recorder)
        self._unfinished.append(recorder)

    def _ended(self, recorder: Recorder, reason: RecordingEnd, error: Exception | None) -> None:
        if error is not None:
            logger.warning("the recording of %s cannot be completed: %s", recorder.path, error)
            self._failed(recorder, error, None)
        elif self._finish(recorder):
            self._tell("recorded", self._stream, recorder.seconds, recorder.peak, reason, str(recorder.path))
            self._finished()

    def _failed(self, recorder: Recorder, error: Exception, _: Exception | None) -> None:
        if self._finish(recorder):
            self._tell("recording failed", self._stream, str(error), str(recorder.path))
            self._finished()

    def _finish(self, recorder: Recorder) -> bool:
        """Whether nothing has been told of it yet."""
        waited = recorder in self._unfinished
        if waited:
            self._unfinished.remove(recorder)
        return waited

    def _finished(self) -> None:
        if not self._unfinished and self.finished is not None:
            finished, self.finished = self.finished, None
            finished()
