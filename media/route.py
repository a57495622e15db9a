"""The way of packets that need no more than another header."""

from __future__ import annotations

from collections.abc import Callable

from media.plan import Address
from media.rtp import HEADER_BYTES, MAX_PACKET_BYTES, RtpReceiver, RtpSender, unpack_header


class Route:
    """From one stream to another. Nearly all packets of a server take this way, and what they need is here together:
    hundreds of streams have no room in the processor's caches, and to fetch more of each costs more than the work."""

    __slots__ = (
        "_now", "_otherwise", "_receiver", "_remote", "_send", "_sender", "_source", "_start", "_start_sent", "_table",
    )  # fmt: skip

    def __init__(
        self,
        source: Address,
        start: int,
        receiver: RtpReceiver,
        sender: RtpSender,
        start_sent: int,
        send: Callable[[bytes, Address], None],
        remote: Address,
        *,
        table: bytes | None,
        otherwise: Callable[[bytes, Address], None],
        now: Callable[[], float],
    ) -> None:
        """Packets of `source` that begin with the two bytes `start` are counted by `receiver`, and go to `remote` with
        the header of `sender` and the two bytes `start_sent`, their sound translated by `table` if there is one.
        `otherwise` gets all others. `now`: in seconds."""
        self._source, self._start, self._receiver = source, start, receiver
        self._sender, self._start_sent, self._send, self._remote = sender, start_sent, send, remote
        self._table, self._otherwise, self._now = table, otherwise, now

    def receive(self, data: bytes, source: Address) -> None:
        """Pass a datagram on."""
        if (source is self._source or source == self._source) and HEADER_BYTES < len(data) <= MAX_PACKET_BYTES:
            start, sequence, timestamp, ssrc = unpack_header(data)
            sender = self._sender
            if start == self._start and ssrc == sender.source:
                self._receiver.count(sequence, timestamp, ssrc, self._now())
                payload = data[HEADER_BYTES:]
                if self._table is not None:
                    payload = payload.translate(self._table)
                self._send(sender.passed_on(self._start_sent, sequence, timestamp, payload), self._remote)
                return
        self._otherwise(data, source)
