"""How a stream goes, in one value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.latch import Latch
from media.messages import NOTHING, Statistics
from media.rtp import RtpReceiver
from media.signs import SignsOfLife

if TYPE_CHECKING:
    from media.srtp import Srtp


def statistics_of(
    receiver: RtpReceiver, sent: int, latch: Latch, signs: SignsOfLife, clock_rate: int, srtp: Srtp | None
) -> Statistics:
    """What is known of a stream that has sent so many packets, by a clock of so many ticks a second."""
    if not (receiver.packets or sent or latch.strangers or signs.reports or srtp):
        return NOTHING
    return Statistics(
        packets_received=receiver.packets,
        packets_sent=sent,
        packets_lost=max(0, receiver.lost),
        packets_from_strangers=latch.strangers,
        jitter_ms=1000 * receiver.jitter / receiver.clock_rate,
        remote_loss=signs.remote_loss,
        remote_packets_lost=signs.remote_lost,
        remote_jitter_ms=None if signs.remote_lost is None else 1000 * signs.remote_jitter / clock_rate,
        round_trip_ms=None if signs.round_trip is None else 1000 * signs.round_trip,
        packets_forged=0 if srtp is None else srtp.forged,
        packets_replayed=0 if srtp is None else srtp.replayed,
        comfort_noise=signs.comfort_noise,
        packets_of_other_types=signs.other_types,
        stranger=latch.stranger,
        reports_received=signs.reports,
        remote_packets_sent=signs.remote_sent,
        heard_by_remote=signs.heard_by_remote,
    )
