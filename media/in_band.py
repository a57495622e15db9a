"""Digits in the sound of streams that cannot send telephone-events: all streams in one batch a tick.

Sound is looked at shortly before each tick. A key is then known of in time for the tick: a prompt that it cuts short
sends nothing more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from media.conceal import is_quiet_g711
from media.jitter import JitterBuffer
from media.opus_ticks import opus_ticks
from media.plan import G711, Codec
from media.tone_detect import FRAME_SAMPLES, DigitBegan, DtmfDetector
from media.transcode import Listener

if TYPE_CHECKING:
    from media.codecs.codec import Samples
    from media.stream import Stream
    from media.ticker import Ticker

CHANNELS = 32
"""Of a detector: so many streams are looked at together."""
AFTER_TICK_SECONDS = 0.015
"""When sound is looked at: what is left until the next tick is for the way to a feature and back."""
BEGUN_MS = 30
"""How long a tone has sounded when it is found to be a digit's: 26 to 37 ms."""


class Ear:
    """What comes in of one stream waits in a playout buffer, so that a digit is not torn by jitter."""

    __slots__ = ("_frames", "_listener", "bank", "buffer", "channel", "codec", "put", "stream")

    def __init__(self, stream: Stream, bank: Bank, channel: int) -> None:
        self.stream = stream
        self.bank = bank
        self.channel = channel
        self.codec = stream.plan.codec
        self.buffer = _buffer_for(self.codec)
        self.put = self.buffer.put
        self._listener = Listener(self.codec)
        self._frames: deque[Samples] = deque()
        """Heard, and not yet due."""

    def take(self, now: float) -> None:
        """Give the detector the 20 ms that are due, or silence."""
        while not self._frames:
            payload = self.buffer.take(now + self._listener.waiting_seconds)
            if not isinstance(payload, bytes):
                self._listener.pause()
                break
            self._frames.extend(self._listener.hear(payload))
        self.bank.frames[self.channel] = self._frames.popleft() if self._frames else 0


def _buffer_for(codec: Codec) -> JitterBuffer:
    if codec in G711:
        return JitterBuffer(codec.clock_rate, is_quiet=is_quiet_g711(codec))
    return JitterBuffer(codec.clock_rate, ticks_of=opus_ticks if codec is Codec.OPUS else None)


class Bank:
    """One detector, and who is on its channels."""

    __slots__ = ("detector", "ears", "frames")

    def __init__(self) -> None:
        self.detector = DtmfDetector(CHANNELS)
        self.frames = np.zeros((CHANNELS, FRAME_SAMPLES), np.int16)
        self.ears: dict[int, Ear] = {}
        """By channel."""

    def free_channel(self) -> int | None:
        """A channel that nobody is on."""
        return next((channel for channel in range(CHANNELS) if channel not in self.ears), None)


class Ears:
    """Everybody who is listened to in an engine."""

    def __init__(self, ticker: Ticker, loop: asyncio.AbstractEventLoop, tell: Callable[..., Any]) -> None:
        """`tell` takes a kind, the stream and the facts of a digit."""
        self._ticker = ticker
        self._loop = loop
        self._tell = tell
        self._banks: list[Bank] = []

    def listen(self, stream: Stream) -> None:
        """Listen to a stream from now on; to one that is listened to, go on."""
        if stream.ear is not None:
            if stream.ear.codec is stream.plan.codec:
                return
            self.ignore(stream)
        bank, channel = self._place()
        stream.ear = bank.ears[channel] = Ear(stream, bank, channel)
        self._ticker.add(self, self._tick)

    def ignore(self, stream: Stream) -> None:
        """Listen to a stream no more; a digit that is just sounding has no end."""
        ear, stream.ear = stream.ear, None
        if ear is None:
            return
        bank = ear.bank
        del bank.ears[ear.channel]
        bank.detector.reset(ear.channel)
        bank.frames[ear.channel] = 0
        if not bank.ears:
            self._banks.remove(bank)
        if not self._banks:
            self._ticker.remove(self)

    def __len__(self) -> int:
        return sum(len(bank.ears) for bank in self._banks)

    def _place(self) -> tuple[Bank, int]:
        for bank in self._banks:
            channel = bank.free_channel()
            if channel is not None:
                return bank, channel
        self._banks.append(Bank())
        return self._banks[-1], 0

    def _tick(self) -> None:
        self._loop.call_later(AFTER_TICK_SECONDS, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        for bank in list(self._banks):
            for ear in bank.ears.values():
                ear.take(now)
            for event in bank.detector.detect(bank.frames):
                ear_of_event = bank.ears.get(event.channel)
                if ear_of_event is None:  # what was told last made somebody hang up
                    continue
                stream = ear_of_event.stream.id
                if isinstance(event, DigitBegan):
                    self._tell("digit", stream, event.digit, BEGUN_MS, True)
                else:
                    self._tell("digit ended", stream, event.digit, event.duration_ms, True)
