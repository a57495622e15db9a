"""Timer values (RFC 3261 section 17 and appendix A, RFC 6026 section 7)."""

from __future__ import annotations

from dataclasses import field

from values import dataclass


@dataclass(frozen=True, slots=True)
class Timers:
    """The times of all transactions, in seconds."""

    t1: float = 0.5
    """Estimate of the round trip: the first retransmission interval (timers A, E, G)."""
    t2: float = 4.0
    """Longest interval between retransmissions of anything but an INVITE (timers E, G)."""
    t4: float = 5.0
    """How long a message may stay in the network (timers I, K)."""
    c: float = 180.0
    """Timer C: patience for a final response after a provisional one. The session layer's, not used here."""

    timeout: float = field(init=False)
    """64*T1: timers B, F, H, J, L, M, and the patience for the ACK of a 2xx (section 13.3.1.4)."""
    d: float = field(init=False)
    """Timer D: how long retransmitted failures are absorbed on UDP; at least 32 s."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "timeout", 64 * self.t1)
        object.__setattr__(self, "d", max(32.0, self.timeout))
