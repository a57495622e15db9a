"""What `media.jitter` hands over to those who serve many steady streams at once (`media.steady`)."""

from __future__ import annotations

from typing import NamedTuple


class Steady(NamedTuple):
    """What changes in a buffer while each packet is the next one, of 20 ms, and each frame is there in time."""

    ssrc: int
    highest: int
    next: int
    stamp: int
    """Of the highest."""
    due: float
    transit: float
    jitter: float
    wait: float
    correction: int
    insert_at: float
    drop_at: float
    waiting: list[bytes]
    """From the next to the highest."""
    dropped: int = 0
    """Frames, since the state was handed over; and those given up as too many waited."""
    discarded: int = 0
