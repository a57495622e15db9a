"""What a stream has to do, as the switch has negotiated it."""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import Final

from values import dataclass

Address = tuple[str, int]
"""IP address and UDP port."""


class Codec(Enum):
    """The codecs we speak: (encoding name, clock rate in Hz, static payload type) of RFC 3551, and channels as written.

    What their sound is like stands in `media.codecs.codec`: the clock of G.722 counts half of its samples.
    """

    PCMU = ("PCMU", 8000, 0)
    PCMA = ("PCMA", 8000, 8)
    G722 = ("G722", 8000, 9)
    OPUS = ("opus", 48000, None, 2)
    """Always said to be stereo at 48 kHz, whatever is in it (RFC 7587 section 7)."""

    __hash__ = object.__hash__

    def __init__(
        self, encoding_name: str, clock_rate: int, static_payload_type: int | None, channels: int = 1
    ) -> None:
        self.encoding_name = encoding_name
        self.clock_rate = clock_rate
        self.static_payload_type = static_payload_type
        self.rtpmap = f"{encoding_name}/{clock_rate}" + (f"/{channels}" if channels > 1 else "")
        """As a session description has it (RFC 8866 section 6.6)."""
        self.frame_ticks = clock_rate // 50
        """By how much an RTP timestamp grows in 20 ms."""


G711: Final = (Codec.PCMU, Codec.PCMA)
"""Of 8 bits a sample, which tables turn into one another."""


class Direction(Enum):
    """What flows, as we see it (RFC 8866 section 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    __hash__ = object.__hash__

    def __init__(self, word: str) -> None:
        self.sends = word in ("sendrecv", "sendonly")
        """Whether we may send."""
        self.receives = word in ("sendrecv", "recvonly")
        """Whether what we receive counts."""


class SrtpSuite(Enum):
    """How SRTP packets are enciphered and authenticated (RFC 4568 section 6.2)."""

    AES_CM_128_HMAC_SHA1_80 = "AES_CM_128_HMAC_SHA1_80"
    AES_CM_128_HMAC_SHA1_32 = "AES_CM_128_HMAC_SHA1_32"

    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """What both directions of a stream are secured with (RFC 3711): master key and master salt, 30 bytes each."""

    suite: SrtpSuite
    send: bytes = field(repr=False)
    receive: bytes = field(repr=False)
    continues: bool = False
    """Whether another engine has served the stream until now: the peer counts on."""


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """Both directions of one RTP stream. A plan is a plain value: it travels to worker processes."""

    codec: Codec
    send_payload_type: int
    receive_payload_type: int
    remote: Address | None
    """Where the peer says it listens; None while it listens nowhere (an old way to hold)."""
    remote_rtcp: Address | None = None
    trusted_hosts: frozenset[str] = frozenset()
    """Where the peer's packets may come from: what it wrote, and where its signalling comes from."""
    direction: Direction = Direction.SENDRECV
    dtmf_send_payload_type: int | None = None
    dtmf_receive_payload_type: int | None = None
    dtmf_clock_rate: int = 8000
    """Of the durations in telephone-events, both ways; their timestamps are the sound's."""
    packet_ms: int = 20
    srtp: SrtpKeys | None = None
    """None: packets travel in the clear."""
    moves: int = 0
    """How often the peer has been found elsewhere: with each time its sound may come from another place."""

    @property
    def holds(self) -> bool:
        """Whether the peer wants to hear nothing: it holds (RFC 3264 section 8.4)."""
        return self.remote is None or not self.direction.sends

    @property
    def talks(self) -> bool:
        """Whether sound flows both ways."""
        return self.direction is Direction.SENDRECV and self.remote is not None
