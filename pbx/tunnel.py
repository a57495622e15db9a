"""For a phone that takes no change of its media port: its sound is brought to another media worker by RTP.

The leg's stream stays where it is and is bridged to the near end. Whatever speaks with the phone from then on, such as
a conference room or another phone, has the far end (`line`), which sounds and hears as the phone does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.messages import Bridge, CloseStream, ListenForDigits, OpenStream
from media.plan import StreamPlan

if TYPE_CHECKING:
    from pbx.leg import Leg

SOUND, EVENTS = 96, 101
"""The payload types between the ends: of a codec that has none of its own, and of telephone-events."""


def line(leg: Leg) -> int:
    """The stream by which the phone of a leg is spoken with."""
    return leg.stream if leg.tunnel is None else leg.tunnel.far


class Tunnel:
    """From the media worker of a leg to another. It ends with the leg, or with `close`."""

    def __init__(self, leg: Leg, worker: int, host: str) -> None:
        """`host` is where both workers have their ports. Raises PortsExhausted."""
        assert leg.plan is not None, "the leg has sound"
        media = leg.station.media
        near, far = media.reserve(leg.stream), media.reserve(leg.stream)
        self.far = far.stream
        self._near = near.stream
        self._leg = leg
        try:
            far_port = media.move(far.stream, worker)
        except Exception:
            self._close_streams()
            raise
        media.send(OpenStream(near.stream, near.port, self._plan(host, far_port)))
        media.send(OpenStream(far.stream, far_port, self._plan(host, near.port)))
        media.send(Bridge(leg.stream, near.stream))
        leg.station.legs.lend(far.stream, leg)
        leg.tunnel = self
        if leg.voice is not None:
            leg.voice.speak_through(self.far)
            media.send(ListenForDigits(leg.stream, on=False))
            media.send(ListenForDigits(self.far))

    def close(self) -> None:
        """Whatever speaks with the phone has the leg's own stream again."""
        leg = self._leg
        leg.tunnel = None
        if leg.voice is not None:
            leg.voice.speak_through(leg.stream)
        self._close_streams()

    def _close_streams(self) -> None:
        for stream in (self._near, self.far):
            self._leg.station.media.send(CloseStream(stream))

    def _plan(self, host: str, port: int) -> StreamPlan:
        """In the codec of the phone, so that nothing is recoded."""
        plan = self._leg.plan
        assert plan is not None
        events = None if plan.dtmf_receive_payload_type is None else EVENTS
        sound = SOUND if plan.codec.static_payload_type is None else plan.codec.static_payload_type
        return StreamPlan(
            plan.codec,
            sound,
            sound,
            (host, port),
            trusted_hosts=frozenset({host}),
            dtmf_send_payload_type=events,
            dtmf_receive_payload_type=events,
            dtmf_clock_rate=plan.dtmf_clock_rate,
        )
