"""What a peer lets us know beside its sound: by it silence is told from sound that does not arrive."""

from __future__ import annotations

from typing import Final

from media.rtcp import Report, ntp_middle

COMFORT_NOISE: Final = (13, 19)
"""Payload types of RFC 3551, of which the second is of old."""
PACKETS_TO_HEAR = 100
"""After 2 s of sound from us, a peer that reports and does not report of it has not heard it."""


class SignsOfLife:
    """Counts of one stream; of its class as long as there are none."""

    comfort_noise: int = 0
    other_types: int = 0
    """Packets of a payload type that was not agreed on."""
    reports: int = 0
    remote_sent: int | None = None
    """Packets, by the peer's own account."""
    heard_by_remote: bool | None = None
    """Whether its last report tells how it hears us; None as long as that cannot be expected."""

    heard_report: tuple[int, float] | None = None
    """The middle NTP time of its last sender report, and when that came."""
    remote_loss: float | None = None
    """Of our packets, by its last report; 0 to 1."""
    remote_lost: int | None = None
    """The same of all, as a number."""
    remote_jitter: int = 0
    """In clock ticks."""
    round_trip: float | None = None
    """In seconds."""

    def packet(self, payload_type: int) -> None:
        """A packet of the peer that is no sound of the stream."""
        if payload_type in COMFORT_NOISE:
            self.comfort_noise += 1
        else:
            self.other_types += 1

    def report(self, report: Report, ssrc: int, sent: int, now: float) -> None:
        """A report of the peer, to whom we have sent so many packets as `ssrc`."""
        self.reports += 1
        self.remote_sent = report.sender_packets
        if report.sender_ntp is not None:
            self.heard_report = report.sender_ntp, now
        blocks = [block for block in report.blocks if block.ssrc == ssrc]
        if sent >= PACKETS_TO_HEAR:
            self.heard_by_remote = bool(blocks)
        for block in blocks:
            self.remote_loss, self.remote_lost, self.remote_jitter = (
                block.fraction_lost,
                block.lost,
                block.jitter,
            )
            if block.last_report:  # RFC 3550 section 6.4.1
                trip = ntp_middle(now) - block.last_report - block.delay & 0xFFFFFFFF
                self.round_trip = trip / 65536 if trip < 0x80000000 else None
