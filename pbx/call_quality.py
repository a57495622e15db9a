"""How a leg of a call sounded, from what its stream counted: both directions, on the scale of opinions."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from media.messages import Statistics
from media.plan import Codec
from media.quality import G711_CONCEALED, G722, OPUS, CodecQuality, mean_opinion, rating
from pbx import happenings
from pbx.happenings import CallQuality

PACKET_MS = 20.0
"""Sound waits so long until a packet is full."""

_CODECS: Final[dict[Codec, CodecQuality]] = {
    Codec.PCMU: G711_CONCEALED,  # as every phone of our days does it, and our rooms
    Codec.PCMA: G711_CONCEALED,
    Codec.G722: G722,
    Codec.OPUS: OPUS,
}


def call_quality(
    at: datetime, call: str, extension: str, codec: Codec, statistics: Statistics
) -> CallQuality:
    """The fact to tell of a leg whose stream has closed."""
    received, lost = statistics.packets_received, statistics.packets_lost
    sent, remote_lost = statistics.packets_sent, statistics.remote_packets_lost
    remote_jitter, round_trip = statistics.remote_jitter_ms, statistics.round_trip_ms
    loss = jitter = mos = remote_loss = remote_mos = None
    if received + lost:
        loss, jitter = _share(lost, received + lost), statistics.jitter_ms
        mos = _opinion(codec, loss, jitter, round_trip)
    if sent and remote_lost is not None:
        remote_loss = _share(remote_lost, sent)
        remote_mos = _opinion(codec, remote_loss, remote_jitter, round_trip)
    return happenings.call_quality(
        at=at,
        call=call,
        extension=extension,
        packets=received,
        loss=loss,
        jitter_ms=jitter,
        mos=mos,
        sent=sent,
        remote_loss=remote_loss,
        remote_jitter_ms=remote_jitter,
        remote_mos=remote_mos,
        round_trip_ms=round_trip,
    )


def _share(lost: int, packets: int) -> float:
    return min(max(lost / packets, 0.0), 1.0)


def _opinion(codec: Codec, loss: float, jitter_ms: float | None, round_trip_ms: float | None) -> float:
    """Half of the round trip is the way there; a playout buffer holds some two times the jitter."""
    delay = PACKET_MS + (round_trip_ms or 0.0) / 2 + 2 * (jitter_ms or 0.0)
    return round(mean_opinion(rating(_CODECS[codec], delay_ms=delay, loss=loss)), 2)
