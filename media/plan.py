"""What a stream has to do, as the switch has negotiated it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

Address = tuple[str, int]
"""IP address and UDP port."""


class Codec(Enum):
    """The codecs we speak: (encoding name, clock rate in Hz, static payload type) of RFC 3551."""

    PCMU = ("PCMU", 8000, 0)
    PCMA = ("PCMA", 8000, 8)

    __hash__ = object.__hash__

    def __init__(self, encoding_name: str, clock_rate: int, static_payload_type: int) -> None:
        self.encoding_name = encoding_name
        self.clock_rate = clock_rate
        self.static_payload_type = static_payload_type


class Direction(Enum):
    """What flows, as we see it (RFC 8866 section 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    __hash__ = object.__hash__

    @property
    def sends(self) -> bool:
        """Whether we may send."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        """Whether what we receive counts."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)


@dataclass(frozen=True)  # no slots: it is pickled
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
    packet_ms: int = 20
