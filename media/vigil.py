"""Whether a peer is still heard, looked at every second.

One that has fallen silent may have been given another port by its router, which only its next packet tells: the port is
opened for others then, and the latch doubts (`media.latch`). One that is silent for long may be gone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

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

    __slots__ = ("_latch", "_looks", "_now", "_packets", "_receiver", "_since", "_socket")

    def __init__(
        self, latch: Latch, receiver: RtpReceiver, socket: MediaSocket, now: Callable[[], float], since: float
    ) -> None:
        """Nothing has been heard since then."""
        self._latch = latch
        self._receiver = receiver
        self._socket = socket
        self._now = now
        self._packets = self._looks = 0
        self._since = since
        """When something was heard last."""

    def heard(self) -> None:
        """Something else than sound has come from the peer."""
        self._since = self._now()

    def resumes(self, packet: RtpPacket, packets: int) -> bool:
        """Whether a packet from elsewhere goes on where the silent peer has ended after so many: nobody else knows its
        SSRC and where its sequence numbers are."""
        receiver = self._receiver
        ahead = packet.sequence - receiver.highest_sequence & 0xFFFF
        silent = packets == self._packets
        return silent and packet.ssrc == receiver.ssrc and 0 < ahead < MAX_DROPOUT

    def look(self, packets: int, *, flowing: bool) -> bool:
        """Whether nothing has come for a while, which is said again and again. So many packets of the peer have come
        until now; `flowing`: whether others come and are counted elsewhere. To be called every second."""
        now = self._now()
        if packets != self._packets or flowing:
            self._packets, self._looks, self._since = packets, 0, now
            self._trust()
            return False
        self._looks += 1
        if self._looks == DOUBT_LOOKS:
            self._doubt()
        if now - self._since < SILENCE_SECONDS:
            return False
        self._since = now
        return True

    def resume(self, packets: int, looks: int) -> None:
        """Others have seen meanwhile whether the peer was heard: so many packets have come until now, the last of them
        so many looks ago."""
        self._packets, self._looks, self._since = packets, looks, self._now() - looks * LOOK_SECONDS

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
