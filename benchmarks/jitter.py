"""What does it cost to put a packet of 20 ms into the playout buffer and to take a frame out of it?

python -m benchmarks.jitter [--packets 200000] [--rounds 5]

The yardstick does the least that any Python could: it puts the payload into a dict by its number, and pops it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from random import Random

from benchmarks.harness import print_table
from media.jitter import JitterBuffer
from media.rtp import RtpPacket

Arrival = tuple[float, RtpPacket]


def arrivals(count: int, samples: int, jitter_seconds: float, loss: float) -> list[Arrival]:
    """Packets with the times they come at, in the order they come in."""
    dice = Random(1)
    found: list[Arrival] = []
    for number in range(count):
        sent = number * samples / 8000
        if dice.random() >= loss:
            packet = RtpPacket(0, number == 0, number & 0xFFFF, number * samples, 1, bytes(samples))
            found.append((sent + dice.random() * jitter_seconds, packet))
    return sorted(found)


def put_and_pop(packets: list[Arrival]) -> None:
    """The yardstick."""
    waiting: dict[int, bytes] = {}
    for _, packet in packets:
        _, _, sequence, _, _, payload = packet
        waiting[sequence] = payload
        waiting.pop(sequence, None)


def put_and_take(packets: list[Arrival]) -> None:
    """Every packet at its time, and a take each 20 ms."""
    buffer = JitterBuffer()
    put, take = buffer.put, buffer.take
    tick = 0.005
    for now, packet in packets:
        while tick < now:
            take(tick)
            tick += 0.02
        put(packet, now)


def seconds(work: Callable[[], None]) -> float:
    """CPU seconds of this process."""
    before = time.process_time()
    work()
    return time.process_time() - before


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--packets", type=int, default=200_000, help="a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default: %(default)s)")
    options = parser.parse_args()
    cases = [
        ("steady", arrivals(options.packets, 160, 0.002, 0.0)),
        ("jitter of 60 ms, 2 % lost", arrivals(options.packets, 160, 0.06, 0.02)),
        ("packets of 30 ms, each with 1.5 takes", arrivals(options.packets * 2 // 3, 240, 0.002, 0.0)),
    ]
    yardsticks: list[float] = []
    figures: list[list[float]] = [[] for _ in cases]
    for _ in range(options.rounds):  # interleaved: what slows the machine slows them all
        yardsticks.append(seconds(lambda: put_and_pop(cases[0][1])) / len(cases[0][1]))
        for (_, packets), measured in zip(cases, figures, strict=True):
            measured.append(seconds(lambda packets=packets: put_and_take(packets)) / len(packets))  # type: ignore[misc]
    yardstick = statistics.median(yardsticks)
    rows = [("put into a dict and popped (yardstick)", f"{yardstick * 1e6:.2f} us")]
    for (name, _), measured in zip(cases, figures, strict=True):
        figure = statistics.median(measured)
        rows.append((name, f"{figure * 1e6:.2f} us, {figure / yardstick:.1f} yardsticks"))
    print_table("Playout buffer, one packet put and taken", rows)


if __name__ == "__main__":
    main()
