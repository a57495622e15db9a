"""What a peer lets us know beside its sound: by it silence is told from sound that does not arrive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from media.rtcp import Report

COMFORT_NOISE: Final = (13, 19)
"""Payload types of RFC 3551, of which the second is of old."""
PACKETS_TO_HEAR = 100
"""After 2 s of sound from us, a peer that reports and does not report of it has not heard it."""


@dataclass(slots=True)
class SignsOfLife:
    """Counts of one stream."""

    comfort_noise: int = 0
    other_types: int = 0
    """Packets of a payload type that was not agreed on."""
    reports: int = 0
    remote_sent: int | None = None
    """Packets, by the peer's own account."""
    heard_by_remote: bool | None = None
    """Whether its last report tells how it hears us; None as long as that cannot be expected."""

    def packet(self, payload_type: int) -> None:
        """A packet of the peer that is no sound of the stream."""
        if payload_type in COMFORT_NOISE:
            self.comfort_noise += 1
        else:
            self.other_types += 1

    def report(self, report: Report, ssrc: int, sent: int) -> None:
        """A report of the peer, to whom we have sent so many packets as `ssrc`."""
        self.reports += 1
        self.remote_sent = report.sender_packets
        if sent >= PACKETS_TO_HEAR:
            self.heard_by_remote = any(block.ssrc == ssrc for block in report.blocks)
