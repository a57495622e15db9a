"""The way of packets that need no more than another header."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from media.plan import Address
from media.rtp import HEADER_BYTES, MAX_PACKET_BYTES, RtpReceiver, RtpSender, unpack_header


class Carrier(Protocol):
    """Who passes packets of routes on in their place (`media.express`), each under a number."""

    def write_books(self, number: int) -> None:
        """Let a route know what was passed on."""

    def key(self, number: int) -> int:
        """That of the last packet of a route."""

    def dismiss(self, number: int) -> None:
        """Pass on no more of a route, once it knows all."""


class Origin(Protocol):
    """The stream whose packets a route passes on."""

    def returned(self, *, silent: bool) -> None:
        """A carrier, which sees by itself when no more of them come, has given the route back. `silent`: for that
        reason, after a second or more."""


class Going(NamedTuple):
    """How a route goes: of the last packet that came, and of what was sent for it. A key is the first four bytes of a
    packet, with its sequence number."""

    key: int
    timestamp: int
    ssrc: int
    end: int
    """The key of the last packet before a sequence number wraps, the peer's or ours."""
    sent_key: int
    sent_timestamp: int
    sent_ssrc: int
    clock_rate: int
    transit: int
    jitter: float


class Route:
    """From one stream to another. Nearly all packets of a server take this way, and what they need is here together:
    hundreds of streams have no room in the processor's caches, and to fetch more of each costs more than the work."""

    __slots__ = (
        "_carrier", "_now", "_number", "_origin", "_otherwise", "_receiver", "_sender", "_start", "_start_sent",
        "_table", "remote", "send", "source",
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
        origin: Origin,
        now: Callable[[], float],
    ) -> None:
        """Packets of `source` that begin with the two bytes `start` are counted by `receiver`, and go to `remote` with
        the header of `sender` and the two bytes `start_sent`, their sound translated by `table` if there is one.
        `otherwise` gets all others. `now`: in seconds."""
        self.source, self._start, self._receiver = source, start, receiver
        self._sender, self._start_sent, self.send, self.remote = sender, start_sent, send, remote
        self._table, self._otherwise, self._origin, self._now = table, otherwise, origin, now
        self._carrier: Carrier | None = None
        self._number = 0

    def __call__(self, data: bytes, source: Address) -> None:
        """Pass a datagram on."""
        if self._carrier is not None:
            self.take_back()
        if (source is self.source or source == self.source) and HEADER_BYTES < len(data) <= MAX_PACKET_BYTES:
            start, sequence, timestamp, ssrc = unpack_header(data)
            sender = self._sender
            if start == self._start and ssrc == sender.source:
                self._receiver.count(sequence, timestamp, ssrc, self._now())
                payload = data[HEADER_BYTES:]
                if self._table is not None:
                    payload = payload.translate(self._table)
                self.send(sender.passed_on(self._start_sent, sequence, timestamp, payload), self.remote)
                return
        self._otherwise(data, source)

    # -- elsewhere ------------------------------------------------------------------------------------

    def going(self) -> Going | None:
        """How it goes, if all that is usual needs no more than a header which follows from its own."""
        receiver, sender = self._receiver, self._sender
        if self._table is not None or receiver.ssrc is None or receiver.ssrc != sender.source:
            return None
        sequence, sent = receiver.highest_sequence & 0xFFFF, sender.sequence
        if receiver.transit is None or sent - sequence & 0xFFFF != sender.sequence_offset & 0xFFFF:
            return None
        start = self._start << 16
        return Going(
            start | sequence,
            sender.timestamp - sender.timestamp_offset & 0xFFFFFFFF,
            receiver.ssrc,
            start | sequence + 0xFFFF - max(sequence, sent),
            self._start_sent << 16 | sent,
            sender.timestamp,
            sender.ssrc,
            receiver.clock_rate,
            receiver.transit,
            receiver.jitter,
        )

    def lend(self, carrier: Carrier, number: int) -> None:
        """Let a carrier pass on what is usual, until `take_back`."""
        self._carrier, self._number = carrier, number

    @property
    def is_carried(self) -> bool:
        """Whether somebody else does that now."""
        return self._carrier is not None

    @property
    def passed_on_elsewhere(self) -> int:
        """Packets that the receiver does not know of yet, but for those that came twice."""
        if self._carrier is None:
            return 0
        return self._carrier.key(self._number) - self._receiver.highest_sequence & 0xFFFF

    def write_books(self) -> None:
        """Know what was passed on elsewhere."""
        if self._carrier is not None:
            self._carrier.write_books(self._number)

    def take_back(self, *, silent: bool = False) -> None:
        """The same, and pass on all packets here from now on. `silent`: since none have come for a second."""
        if self._carrier is not None:
            self._carrier.dismiss(self._number)
            self._carrier = None
            self._origin.returned(silent=silent)

    def resume(
        self, key: int, timestamp: int, packets: int, octets: int, transit: int, jitter: float
    ) -> None:
        """So many packets have been passed on elsewhere up to that with this key, each the next one or the same again;
        with headers they had so many octets."""
        ahead = key - self._receiver.highest_sequence & 0xFFFF
        self._receiver.resume(ahead, transit, jitter, again=packets - ahead)
        self._sender.resume(ahead, timestamp, packets, octets - HEADER_BYTES * packets)
