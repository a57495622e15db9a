"""G.722 (ITU-T G.722, mode 1): 64 kbit/s, sound at 16 kHz, two samples to a byte (RFC 3551 section 4.5.2)."""

from __future__ import annotations

from media.codecs.codec import G722, MAX_PACKET_FRAMES, CodecError, Samples
from media.codecs.through_av import AvDecoder, AvEncoder

BIT_RATE = 64_000
DELAY_SAMPLES = 22
"""Of encoder and decoder together: the two filters that split the bands and join them."""


class G722Decoder(AvDecoder):
    """Every byte has a sound: nothing but length can be wrong."""

    def __init__(self) -> None:
        super().__init__(G722, "g722")

    def _decode(self, payload: bytes) -> Samples:
        if 2 * len(payload) > MAX_PACKET_FRAMES * self.frame_samples:
            raise CodecError(f"G722: {len(payload)} bytes are more than 200 ms")
        return super()._decode(payload)


class G722Encoder(AvEncoder):
    """160 bytes a frame."""

    def __init__(self) -> None:
        super().__init__(G722, "g722", BIT_RATE)
