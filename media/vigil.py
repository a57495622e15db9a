"""Whether a peer is still heard, looked at every second.

One that has fallen silent may have been given another port by its router, which only its next packet tells: the port is
opened for others then, and the latch doubts (`media.latch`). One that is silent for long may be gone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from media.alarms import Alarms
from media.latch import Latch
from media.net import MediaSocket
from media.rtp import RtpPacket, RtpReceiver

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
DOUBT_LOOKS: Final = 2
"""So many looks after which nothing has come, the peer may be elsewhere: longer than networks pause."""
SILENCE_SECONDS: Final = 60.0
"""Without sound and reports for so long, a peer is worth a question."""
MAX_DROPOUT: Final = 3000
"""By so much a sequence number may have gone on meanwhile (RFC 3550 section A.1)."""


class Vigil:
    """Over one stream."""

    __slots__ = (
        "_alarm", "_alarms", "_heard", "_is_flowing", "_latch", "_looks", "_packets", "_receiver", "_silent", "_since",
        "_socket",
    )  # fmt: skip

    def __init__(
        self,
        latch: Latch,
        receiver: RtpReceiver,
        heard: Callable[[], int],
        socket: MediaSocket,
        alarms: Alarms,
        is_flowing: Callable[[], bool],
        silent: Callable[[], object],
    ) -> None:
        """`heard`: how many packets have come; `is_flowing`: whether some come and are counted elsewhere. `silent` is
        told, again and again, that nothing has come for a while."""
        self._latch = latch
        self._receiver, self._heard = receiver, heard
        self._socket = socket
        self._alarms = alarms
        self._is_flowing = is_flowing
        self._silent = silent
        self._packets = self._looks = 0
        self._since = alarms.now()
        """When something was heard last."""
        self._alarm = alarms.set(LOOK_SECONDS, self._look)

    def heard(self) -> None:
        """Something else than sound has come from the peer."""
        self._since = self._alarms.now()

    def resumes(self, packet: RtpPacket) -> bool:
        """Whether a packet from elsewhere goes on where the silent peer has ended: nobody else knows its SSRC and where
        its sequence numbers are."""
        receiver = self._receiver
        ahead = packet.sequence - receiver.highest_sequence & 0xFFFF
        silent = self._heard() == self._packets
        return silent and packet.ssrc == receiver.ssrc and 0 < ahead < MAX_DROPOUT

    def stop(self) -> None:
        """Look no more, and hold nothing that waits for a garbage collection."""
        self._alarms.cancel(self._alarm)
        self._is_flowing = self._silent = _ended
        self._heard = int

    def _look(self) -> None:
        self._alarm = self._alarms.set(LOOK_SECONDS, self._look)
        now, packets = self._alarms.now(), self._heard()
        if packets != self._packets or self._is_flowing():
            self._packets, self._looks, self._since = packets, 0, now
            self._trust()
            return
        self._looks += 1
        if self._looks == DOUBT_LOOKS:
            self._doubt()
        if now - self._since >= SILENCE_SECONDS:
            self._since = now
            self._silent()

    def _doubt(self) -> None:
        if self._latch.doubt():
            try:
                self._socket.disconnect()
            except OSError as error:
                logger.warning("nothing can be heard at a port any more: %s", error)

    def _trust(self) -> None:
        locked = self._latch.locked
        if self._latch.trust() and locked is not None:
            self._socket.connect(locked)


def _ended() -> bool:
    return False
