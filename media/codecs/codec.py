"""The face that every codec has: 20 ms of mono sound to a payload, and payloads to sound; and G.711 behind that face.

Decoders and encoders keep state: one decoder for each party, one encoder for each distinct mix.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache

import numpy as np
import numpy.typing as npt

from media.codecs import g711
from media.plan import Codec
from values import dataclass

Samples = npt.NDArray[np.int16]
Bytes = npt.NDArray[np.uint8]

FRAMES_PER_SECOND = 50
MAX_PACKET_FRAMES = 10
"""200 ms in one packet: a receiver should accept so much (RFC 3551 section 4.2), and nobody sends more."""
FADING_FRAMES = 3
"""What is made up for lost packets is silent after 60 ms: no guess about speech holds longer."""


class CodecError(Exception):
    """A payload that cannot be decoded, or a codec that we do not speak: the peer's fault."""


@dataclass(frozen=True, slots=True)
class Format:
    """What a codec's sound is like."""

    encoding_name: str
    """In SDP, where case does not count (RFC 8866 section 6.6)."""
    rate: int
    """Samples a second."""
    clock_rate: int
    """Ticks a second of RTP timestamps."""

    @property
    def frame_samples(self) -> int:
        """In 20 ms."""
        return self.rate // FRAMES_PER_SECOND

    @property
    def frame_ticks(self) -> int:
        """By how much the RTP timestamp grows in 20 ms."""
        return self.clock_rate // FRAMES_PER_SECOND


PCMU = Format("PCMU", 8000, 8000)
PCMA = Format("PCMA", 8000, 8000)
G722 = Format("G722", 16000, 8000)
"""Its clock counts 8000 ticks by a mistake of old that stays for compatibility (RFC 3551 section 4.5.2)."""
OPUS = Format("opus", 48000, 48000)
"""Its clock counts 48000 ticks whatever the bandwidth (RFC 7587 section 4.1)."""

FORMATS = {format.encoding_name.upper(): format for format in (PCMU, PCMA, G722, OPUS)}


class Decoder(ABC):
    """The payloads of one party, in the order of their sound."""

    def __init__(self, format: Format) -> None:
        self.format = format
        self.rate = format.rate
        self.clock_rate = format.clock_rate
        self.frame_samples = format.frame_samples
        self._last = np.zeros(self.frame_samples, np.int16)
        """The last 20 ms."""
        self._concealed = FADING_FRAMES
        """How many frames have been made up since the last payload; all that may be before the first one."""

    def decode(self, payload: bytes) -> Samples:
        """The sound of a payload at `rate`, mostly 20 ms; the peer may put 2.5 to 200 ms into a packet.

        Raises CodecError, and then the next good payload is decoded as if this one had never come.
        """
        if not payload:
            raise CodecError(f"{self.format.encoding_name}: an empty payload")
        samples = self._decode(payload)
        self._last = np.concatenate([self._last, samples])[-self.frame_samples :]
        self._concealed = 0
        return samples

    def conceal(self) -> Samples:
        """20 ms in place of a payload that did not come: like the sound before, fading to silence in 60 ms."""
        first = self._concealed
        if first == FADING_FRAMES:
            return np.zeros(self.frame_samples, np.int16)
        self._concealed += 1
        fade = 1 - (first + np.arange(self.frame_samples) / self.frame_samples) / FADING_FRAMES
        faded: Samples = np.rint(self._guess() * fade).astype(np.int16)
        return faded

    @abstractmethod
    def _decode(self, payload: bytes) -> Samples:
        """The sound of a payload that is not empty. Raises CodecError."""

    def _guess(self) -> Samples:
        """20 ms that could follow, at full level."""
        # Played backwards the sound begins where it ended: no jump, hence no click.
        self._last = self._last[::-1]
        return self._last


class Encoder(ABC):
    """The payloads for one mix."""

    def __init__(self, format: Format) -> None:
        self.format = format
        self.rate = format.rate
        self.clock_rate = format.clock_rate
        self.frame_samples = format.frame_samples

    def encode(self, pcm: Samples) -> bytes:
        """The one payload for the next 20 ms. Raises ValueError if it is not `frame_samples` long."""
        if pcm.shape != (self.frame_samples,):
            raise ValueError(f"{self.format.encoding_name}: {pcm.shape} samples, not {self.frame_samples}")
        return self._encode(pcm)

    @abstractmethod
    def _encode(self, pcm: Samples) -> bytes:
        """The payload for 20 ms."""


def make_decoder(encoding_name: str) -> Decoder:
    """A decoder for a new party. Raises CodecError for a codec that we do not speak."""
    # FFmpeg takes a while to load, and an office with desk phones alone never needs it.
    match _format(encoding_name):
        case format if format is G722:
            from media.codecs.g722 import G722Decoder

            return G722Decoder()
        case format if format is OPUS:
            from media.codecs.opus import OpusDecoder

            return OpusDecoder()
        case format:
            return G711Decoder(format)


def make_encoder(encoding_name: str) -> Encoder:
    """An encoder for a new mix. Raises CodecError for a codec that we do not speak."""
    match _format(encoding_name):
        case format if format is G722:
            from media.codecs.g722 import G722Encoder

            return G722Encoder()
        case format if format is OPUS:
            from media.codecs.opus import OpusEncoder

            return OpusEncoder()
        case format:
            return G711Encoder(format)


def _format(encoding_name: str) -> Format:
    try:
        return FORMATS[encoding_name.upper()]
    except KeyError:
        raise CodecError(f"unknown codec {encoding_name!r}") from None


# -- G.711 -----------------------------------------------------------------------------------------


class G711Decoder(Decoder):
    """mu-law or A-law, by a table of samples."""

    def __init__(self, format: Format) -> None:
        super().__init__(format)
        self._table = _decoding_table(Codec[format.encoding_name])

    def _decode(self, payload: bytes) -> Samples:
        if len(payload) > MAX_PACKET_FRAMES * self.frame_samples:
            raise CodecError(f"{self.format.encoding_name}: {len(payload)} bytes are more than 200 ms")
        return self._table[np.frombuffer(payload, np.uint8)]


class G711Encoder(Encoder):
    """mu-law or A-law, by a table of codes."""

    def __init__(self, format: Format) -> None:
        super().__init__(format)
        self._table = _encoding_table(Codec[format.encoding_name])

    def _encode(self, pcm: Samples) -> bytes:
        return self._table[np.ascontiguousarray(pcm, np.int16).view(np.uint16)].tobytes()


@cache
def _decoding_table(codec: Codec) -> Samples:
    return np.frombuffer(g711.decode(codec, bytes(range(256))), "<i2").astype(np.int16)


@cache
def _encoding_table(codec: Codec) -> Bytes:
    """Indexed by the sample as an unsigned 16-bit number."""
    return np.frombuffer(g711.encode(codec, np.arange(0x10000, dtype="<u2").tobytes()), np.uint8)
