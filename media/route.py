"""The way of packets that need no more than another header."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from media.plan import Address
from media.rtp import RtpSender


class Route(NamedTuple):
    """Of packets from one stream to another."""

    start: int
    """Their first two bytes."""
    start_sent: int
    sender: RtpSender
    table: bytes | None
    """From codec to codec."""
    send: Callable[[bytes, Address], None]
    remote: Address
