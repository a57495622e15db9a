"""A playout buffer with a clock, and packets of a tape whose pieces can be told apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from media.jitter import Absent, JitterBuffer
from media.rtp import RtpPacket

TICK = 0.02
FRAME = 160
TAPE = Random(7).randbytes(30 * 8000)
"""Half a minute of sound, of which no two pieces are alike."""

Heard = bytes | Absent


def packet(
    number: int,
    samples: int = FRAME,
    *,
    ssrc: int = 1,
    first: int = 0,
    start: int = 0,
    marker: bool = False,
    shift: int = 0,
    tape: bytes = TAPE,
) -> RtpPacket:
    """The packet of that number of a tape; the first one has the sequence number `first` and the timestamp
    `start`. `shift` is added to the timestamp."""
    payload = tape[number * samples : (number + 1) * samples]
    timestamp = start + number * samples + shift & 0xFFFFFFFF
    return RtpPacket(0, marker, first + number & 0xFFFF, timestamp, ssrc, payload)


def frames(*numbers: int) -> list[bytes]:
    """Pieces of 20 ms of the tape."""
    return [TAPE[number * FRAME : (number + 1) * FRAME] for number in numbers]


class Listener:
    """A buffer and a clock: takes are due 5 ms after each multiple of 20 ms."""

    def __init__(self, buffer: JitterBuffer | None = None) -> None:
        self.buffer = buffer or JitterBuffer()
        self.ticks = 0

    @property
    def now(self) -> float:
        return self.ticks * TICK

    def put(self, *packets: RtpPacket) -> None:
        for each in packets:
            self.buffer.put(each, self.now)

    def take(self, count: int = 1) -> list[Heard]:
        heard = []
        for _ in range(count):
            heard.append(self.buffer.take(self.now + 0.005))
            self.ticks += 1
        return heard

    def each(self, packets: Iterable[RtpPacket]) -> list[Heard]:
        """A packet, a take, a packet ..."""
        heard = []
        for packet in packets:
            self.put(packet)
            heard += self.take()
        return heard

    def counts(self) -> dict[str, int]:
        """The counters that are not zero."""
        names = ["lost", "late", "duplicate", "reordered", "discarded", "concealed", "inserted", "dropped"]
        counters = {name: getattr(self.buffer, name) for name in [*names, "resyncs"]}
        return {name: count for name, count in counters.items() if count}


def listen(buffer: JitterBuffer, packets: Iterable[tuple[float, RtpPacket]]) -> Iterator[tuple[float, Heard]]:
    """What is heard, and when, of packets that come at given times; ends 200 ms after the last."""
    due = 0.005
    for now, each in packets:
        while due < now:
            yield due, buffer.take(due)
            due += TICK
        buffer.put(each, now)
    for _ in range(10):
        yield due, buffer.take(due)
        due += TICK
