"""Codecs of FFmpeg, through PyAV: mono, 16 bits a sample, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError

from media.codecs.codec import CodecError, Decoder, Encoder, Format, Samples


def _context(name: str, mode: Literal["r", "w"], rate: int) -> AudioCodecContext:
    context: object = av.CodecContext.create(name, mode)
    assert isinstance(context, AudioCodecContext)
    context.sample_rate = rate
    context.layout = "mono"
    context.format = "s16"
    return context


class AvDecoder(Decoder):
    """One of FFmpeg's decoders, by its name there."""

    def __init__(self, format: Format, name: str) -> None:
        super().__init__(format)
        self._context = _context(name, "r", format.rate)
        self._context.open()

    def _decode(self, payload: bytes) -> Samples:
        try:
            frames = self._context.decode(av.Packet(payload))
        except FFmpegError as error:
            raise CodecError(f"{self.format.encoding_name}: {error}") from error
        if not frames:
            raise CodecError(f"{self.format.encoding_name}: no sound in {len(payload)} bytes")
        # The planes are longer than their sound.
        return np.concatenate(
            [np.frombuffer(memoryview(frame.planes[0]), np.int16, frame.samples) for frame in frames]
        )


class AvEncoder(Encoder):
    """One of FFmpeg's encoders, by its name there, with that encoder's options."""

    def __init__(self, format: Format, name: str, bit_rate: int, options: Mapping[str, str] = {}) -> None:
        super().__init__(format)
        self._context = _context(name, "w", format.rate)
        self._context.bit_rate = bit_rate
        self._context.options = dict(options)
        self._context.open()
        assert self._context.frame_size == format.frame_samples, "else it would gather or cut our frames"
        # One frame for all time: it is encoded before the call returns.
        self._frame = av.AudioFrame("s16", "mono", format.frame_samples)
        self._frame.sample_rate = format.rate

    def _encode(self, pcm: Samples) -> bytes:
        self._frame.planes[0].update(pcm.tobytes())
        (packet,) = self._context.encode(self._frame)
        return bytes(packet)
