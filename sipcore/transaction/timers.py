"""Timer values (RFC 3261 section 17 and appendix A, RFC 6026 section 7)."""

from __future__ import annotations

from functools import cached_property

from values import dataclass


@dataclass(frozen=True)
class Timers:
    """The times of all transactions, in seconds. Those that follow from T1, T2 and T4 are reckoned once."""

    t1: float = 0.5
    """Estimate of the round trip: the first retransmission interval (timers A, E, G)."""
    t2: float = 4.0
    """Longest interval between retransmissions of anything but an INVITE (timers E, G)."""
    t4: float = 5.0
    """How long a message may stay in the network (timers I, K)."""
    c: float = 180.0
    """Timer C: patience for a final response after a provisional one. The session layer's, not used here."""

    @cached_property
    def timeout(self) -> float:
        """64*T1: timers B, F, H, J, L, M, and the patience for the ACK of a 2xx (section 13.3.1.4)."""
        return 64 * self.t1

    @cached_property
    def d(self) -> float:
        """Timer D: how long retransmitted failures are absorbed on UDP; at least 32 s."""
        return max(32.0, self.timeout)
