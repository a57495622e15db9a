"""Sound from codec to codec: between phones that share none, and for prompts, recordings and rooms.

To be imported where something has to be recoded, for it brings numpy, and with G.722 or Opus FFmpeg: calls of G.711
alone need neither.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from media.codecs.codec import FADING_FRAMES, FORMATS, CodecError, Samples, make_decoder, make_encoder
from media.codecs.resample import Resampler
from media.opus_ticks import opus_ticks
from media.plan import Codec
from media.rtp import RtpPacket

LINEAR_HZ = 8000
"""The rate of the PCM in the engine: of prompts, recordings, and the mixer's LINEAR rows."""

PACE_SECONDS = 1.0
"""So much sound may come at once, after a hiccup of the network or while a sender's clock runs fast."""
LEAST_SECONDS = 0.0025
"""The shortest packet that there is (Opus); a smaller one costs no less."""

_MAX_MISORDER = 100
_MAX_DROPOUT = 3000
"""RFC 3550 section A.1: beyond these, a step of the sequence number is another stream."""


class Listener:
    """The payloads of one source in, whole frames of 20 ms out. Whatever comes, it raises nothing."""

    def __init__(self, codec: Codec, rate: int = LINEAR_HZ) -> None:
        """`rate`: of the frames, in Hz."""
        self._decoder = make_decoder(codec.encoding_name)
        self._resampler = None if rate == self._decoder.rate else Resampler(self._decoder.rate, rate)
        self._rest = np.empty(0, np.int16)
        """What is no whole frame yet, at the decoder's rate."""

    @property
    def waiting_seconds(self) -> float:
        """How much sound waits for more, since it is no whole frame."""
        return len(self._rest) / self._decoder.rate

    def hear(self, payload: bytes) -> list[Samples]:
        """The frames that a payload completes. One that is no sound is concealed, as 20 ms."""
        try:
            return self._cut(self._decoder.decode(payload))
        except CodecError:
            return self.miss()

    def miss(self) -> list[Samples]:
        """The frames that 20 ms complete which did not come: like the sound before, fading."""
        return self._cut(self._decoder.conceal())

    def pause(self) -> None:
        """There is silence between what was heard and what comes: no frame has both."""
        self._rest = self._rest[:0]

    def _cut(self, samples: Samples) -> list[Samples]:
        size = self._decoder.frame_samples
        if len(self._rest):
            samples = np.concatenate([self._rest, samples])
        whole = len(samples) // size
        self._rest = samples[whole * size :]
        frames = samples[: whole * size].reshape(whole, size)
        if self._resampler is None:
            return list(frames)
        return [self._resampler.resample(frame[None])[0] for frame in frames]


class Speaker:
    """Frames of 20 ms in, payloads for one sink out."""

    def __init__(self, codec: Codec, rate: int = LINEAR_HZ) -> None:
        """`rate`: of the frames, in Hz."""
        self._encoder = make_encoder(codec.encoding_name)
        self._resampler = None if rate == self._encoder.rate else Resampler(rate, self._encoder.rate)

    def say(self, frame: Samples) -> bytes:
        """The payload for the next frame."""
        if self._resampler is not None:
            frame = self._resampler.resample(frame[None])[0]
        return self._encoder.encode(frame)

    def say_pcm(self, pcm: bytes | memoryview) -> bytes:
        """The same of 16-bit little-endian PCM."""
        return self.say(np.frombuffer(pcm, "<i2").astype(np.int16, copy=False))


class Pace:
    """Who sends more sound than time passes is not recoded: it costs a hundred times what it costs to send it."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._credit = PACE_SECONDS
        self._last: float | None = None

    def admits(self, payload: bytes, now: float) -> bool:
        """Whether there has been time for a payload."""
        if self._last is not None:
            self._credit = min(self._credit + now - self._last, PACE_SECONDS)
        self._last = now
        ticks = opus_ticks(payload) if self._codec is Codec.OPUS else len(payload)
        lasts = max(ticks / self._codec.clock_rate, LEAST_SECONDS)
        if self._credit < lasts:
            return False
        self._credit -= lasts
        return True


class Transcoder:
    """The RTP stream of one source, turned into one of another codec, 20 ms to a packet, as packets come.

    Nothing waits here for packets that are late: what is missing is concealed at once, for 60 ms, and comes in vain
    later. Silence that the source does not send stays a gap. The packets made count in the target's clock, from 0,
    and are to be sent by `RtpSender.relayed`.
    """

    def __init__(self, source: Codec, target: Codec) -> None:
        rate = FORMATS[target.encoding_name.upper()].rate
        self._listener = Listener(source, rate)
        self._speaker = Speaker(target, rate)
        self._source, self._target = source, target
        self.pace = Pace(source)
        """Of the source; whoever gives it sound has to ask."""
        self._sequence = 0
        self._timestamp = 0
        """Of the next frame, as we count."""
        self._ssrc: int | None = None
        self._next_sequence = 0
        self._due = 0
        """The source's timestamp of the sound after the last."""

    def sound(self, packet: RtpPacket) -> Iterator[RtpPacket]:
        """The packets that one with sound completes."""
        lost = self._follow(packet)
        if lost < 0:
            return
        gap = _signed(packet.timestamp - self._due)
        for _ in range(min(gap // self._source.frame_ticks, FADING_FRAMES) if lost else 0):
            gap -= self._source.frame_ticks
            yield from self._packets(packet, self._listener.miss())
        if gap > 0:
            self._timestamp += self._scaled(gap) + self._waiting(self._target)
            self._listener.pause()
        waited = self._waiting(self._source)
        frames = self._listener.hear(packet.payload)
        ticks = len(frames) * self._source.frame_ticks + self._waiting(self._source) - waited
        self._due = packet.timestamp + ticks & 0xFFFFFFFF
        yield from self._packets(packet, frames, marker=packet.marker)

    def event(self, packet: RtpPacket) -> RtpPacket:
        """A packet of the same stream that holds no sound, such as a telephone-event, in its place."""
        self._follow(packet)
        since = self._scaled(_signed(packet.timestamp - self._due)) + self._waiting(self._target)
        return self._next(packet, self._timestamp + since, packet.payload, packet.marker)

    def _follow(self, packet: RtpPacket) -> int:
        """How many packets are missing before this one; less than 0: it comes too late."""
        ahead = (packet.sequence - self._next_sequence + 0x8000 & 0xFFFF) - 0x8000
        if packet.ssrc != self._ssrc or not -_MAX_MISORDER <= ahead <= _MAX_DROPOUT:
            self._ssrc, self._due, ahead = packet.ssrc, packet.timestamp, 0  # another stream, without a gap
        if ahead >= 0:
            self._next_sequence = packet.sequence + 1 & 0xFFFF
        return ahead

    def _packets(
        self, packet: RtpPacket, frames: list[Samples], *, marker: bool = False
    ) -> Iterator[RtpPacket]:
        for frame in frames:
            yield self._next(packet, self._timestamp, self._speaker.say(frame), marker)
            self._timestamp += self._target.frame_ticks
            marker = False

    def _next(self, packet: RtpPacket, timestamp: int, payload: bytes, marker: bool) -> RtpPacket:
        self._sequence = self._sequence + 1 & 0xFFFF
        return RtpPacket(packet.payload_type, marker, self._sequence, timestamp & 0xFFFFFFFF, 0, payload)

    def _scaled(self, ticks: int) -> int:
        """Of the source's clock, in the target's."""
        return ticks * self._target.clock_rate // self._source.clock_rate

    def _waiting(self, codec: Codec) -> int:
        """What is no whole frame yet, in ticks of a codec."""
        return round(self._listener.waiting_seconds * codec.clock_rate)


def _signed(ticks: int) -> int:
    """A difference of timestamps, which wrap."""
    return (ticks + 0x80000000 & 0xFFFFFFFF) - 0x80000000
