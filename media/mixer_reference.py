"""What a conference mix has to be, in plain words: the standard that `media/mixer.py` is held to, and no faster."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from media.codecs import g711
from media.mixer import FRAME_SAMPLES, GAIN_ONE, Format
from media.plan import Codec
from values import dataclass

FRAME = struct.Struct(f"<{FRAME_SAMPLES}h")


@dataclass(frozen=True, slots=True)
class Party:
    """One of a room, in one tick."""

    codec: Format
    payload: bytes | None
    """None: it says nothing."""
    gain: float = 1.0


def sound_of(party: Party) -> list[int]:
    """The samples that the others hear of a party, each multiplied by the gain in steps of 1/4096, rounded down."""
    if party.payload is None:
        return [0] * FRAME_SAMPLES
    linear = g711.decode(party.codec, party.payload) if isinstance(party.codec, Codec) else party.payload
    gain = round(party.gain * GAIN_ONE)
    return [sample * gain // GAIN_ONE for sample in FRAME.unpack(linear)]


def mix(room: Sequence[Party]) -> list[bytes]:
    """What each hears: the sum of all the others, saturated to 16 bits, in its own format."""
    sounds = [sound_of(party) for party in room]
    totals = [sum(column) for column in zip(*sounds, strict=True)]
    heard = []
    for party, own in zip(room, sounds, strict=True):
        others = [max(-32768, min(32767, total - sample)) for total, sample in zip(totals, own, strict=True)]
        linear = FRAME.pack(*others)
        heard.append(g711.encode(party.codec, linear) if isinstance(party.codec, Codec) else linear)
    return heard


def levels(room: Sequence[Party]) -> list[float]:
    """The mean magnitude of each."""
    return [sum(map(abs, sound_of(party))) / FRAME_SAMPLES for party in room]
