"""G.711 mu-law and A-law (ITU-T G.711) by tables. PCM is 16-bit little-endian mono.

`codec` is one of `media.plan.G711` wherever it is asked for.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable

from media.plan import G711, Codec

_BIAS = 0x84
_CLIP = 32635


def _mu_to_linear(code: int) -> int:
    code = ~code & 0xFF
    magnitude = ((code & 0x0F) << 3) + _BIAS << ((code & 0x70) >> 4)
    return _BIAS - magnitude if code & 0x80 else magnitude - _BIAS


def _linear_to_mu(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _CLIP) + _BIAS
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> exponent + 3 & 0x0F) & 0xFF


def _a_to_linear(code: int) -> int:
    code ^= 0x55
    exponent, mantissa = (code & 0x70) >> 4, (code & 0x0F) << 4
    magnitude = mantissa + 8 if exponent == 0 else mantissa + 0x108 << exponent - 1
    return magnitude if code & 0x80 else -magnitude


def _linear_to_a(sample: int) -> int:
    sign = 0x80 if sample >= 0 else 0
    magnitude = min(sample if sample >= 0 else -sample - 1, 32767)
    exponent = max(magnitude.bit_length() - 8, 0)
    mantissa = magnitude >> (4 if exponent == 0 else exponent + 3) & 0x0F
    return (sign | exponent << 4 | mantissa) ^ 0x55


def _decoding_table(to_linear: Callable[[int], int]) -> tuple[bytes, ...]:
    return tuple(to_linear(code).to_bytes(2, "little", signed=True) for code in range(256))


def _encoding_table(from_linear: Callable[[int], int]) -> bytes:
    """Indexed by the sample as an unsigned 16-bit number."""
    return bytes(from_linear(index - 0x10000 if index & 0x8000 else index) for index in range(0x10000))


_DECODE = {Codec.PCMU: _decoding_table(_mu_to_linear), Codec.PCMA: _decoding_table(_a_to_linear)}
_ENCODE: dict[Codec, bytes] = {}
_FROM_LINEAR = {Codec.PCMU: _linear_to_mu, Codec.PCMA: _linear_to_a}

TRANSLATE = {
    (Codec.PCMU, Codec.PCMA): bytes(_linear_to_a(_mu_to_linear(code)) for code in range(256)),
    (Codec.PCMA, Codec.PCMU): bytes(_linear_to_mu(_a_to_linear(code)) for code in range(256)),
}
"""(from, to) -> a table for `bytes.translate`."""

SILENCE = {codec: bytes([_FROM_LINEAR[codec](0)]) for codec in G711}


def decode(codec: Codec, payload: bytes) -> bytes:
    """PCM of a payload, two bytes for each of its bytes."""
    return b"".join(map(_DECODE[codec].__getitem__, payload))


def encode(codec: Codec, pcm: bytes) -> bytes:
    """The payload for PCM of even length, one byte for each two."""
    table = _ENCODE.get(codec)
    if table is None:  # made on first use: a relay never needs it
        table = _ENCODE[codec] = _encoding_table(_FROM_LINEAR[codec])
    samples = array("H", pcm)
    if sys.byteorder == "big":
        samples.byteswap()
    return bytes(map(table.__getitem__, samples))
