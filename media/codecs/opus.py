"""Opus (RFC 6716) by libopus, for speech: mono at 48 kHz, one frame of 20 ms to a packet (RFC 7587)."""

from __future__ import annotations

from media.codecs.codec import OPUS, CodecError, Samples
from media.codecs.through_av import AvDecoder, AvEncoder

BIT_RATE = 32_000
"""Within the 28 to 40 kbit/s that RFC 7587 section 3.1.1 gives for full-band speech."""
COMPLEXITY = 5
"""Of 0 to 10. Above, speech costs more time than it gains sound."""
DELAY_SAMPLES = 312
"""Of encoder and decoder together: 6.5 ms by which the encoder looks ahead; the modes differ by a few samples."""


class OpusDecoder(AvDecoder):
    """Takes what any encoder makes: all modes, 2.5 to 120 ms a packet, and stereo, which it mixes down."""

    def __init__(self) -> None:
        super().__init__(OPUS, "libopus")
        self._lost = b""
        """The packet that says that 20 ms of sound like the last are lost."""

    def _decode(self, payload: bytes) -> Samples:
        samples = super()._decode(payload)
        self._lost = lost_packet(payload[0])
        return samples

    def _guess(self) -> Samples:
        try:
            samples = super()._decode(self._lost)
        except CodecError:
            return super()._guess()
        return samples if len(samples) == self.frame_samples else super()._guess()


def lost_packet(toc: int) -> bytes:
    """The packet after one that begins with `toc`, had it been lost: a frame of 20 ms without data.

    By RFC 6716 section 3.2.1 such a frame stands for one that was lost, so the decoder conceals it as well as
    Opus can. Mode and bandwidth stay: they are in the configuration (table 2 there), with the duration.
    """
    configuration = toc >> 3
    if configuration < 12:  # SILK: 10, 20, 40, 60 ms
        configuration = configuration & ~3 | 1
    elif configuration < 16:  # hybrid: 10, 20 ms
        configuration |= 1
    else:  # CELT: 2.5, 5, 10, 20 ms
        configuration |= 3
    return bytes([configuration << 3 | toc & 4])  # the stereo flag stays; one frame in the packet


class OpusEncoder(AvEncoder):
    """At a variable bit rate, without forward error correction, whose bits would be taken from the sound.

    Discontinuous transmission is off in libopus unless asked for, and FFmpeg does not let us ask.
    """

    def __init__(self) -> None:
        options = {
            "application": "voip",
            "frame_duration": "20",
            "vbr": "on",
            "fec": "0",
            "packet_loss": "0",
            "compression_level": str(COMPLEXITY),
        }
        super().__init__(OPUS, "libopus", BIT_RATE, options)
