"""What does a relayed RTP packet cost, in and out, and how long is it on its way?

python -m benchmarks.relay [--calls 10 50 200] [--every 20] [--seconds 3] [--rounds 5]

Calls are set up between bare phones. Then a C program (benchmarks/reference/callers.c, which needs gcc) is all phones:
each sends a packet every 20 ms, at a moment of its own, as real ones do, and hears the other side. CPU of the server is
that of all its processes; outside the kernel means in Python. The delay is that from a phone's call of the kernel until
the kernel has the packet for the other phone. The last line is a stream's work on a packet alone, from its bytes to
those of the packet that goes out, without sockets and event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

from benchmarks.harness import HOST, Measured, Server, compiled, measure, print_table, server
from benchmarks.load import BarePhone, connecting, finish
from media.alarms import Alarms
from media.lane import BUSY_RATE, GATHER_SECONDS, gathering
from media.net import Receive
from media.plan import Address, Codec, StreamPlan
from media.ports import PortPair
from media.stream import Stream
from media.ticker import Ticker

PAYLOAD = bytes(range(160))
HEADER = struct.Struct("!BBHII")
PCMU = 0
FLOOR_SECONDS = 0.4
"""At most: phones that are silent for more than a second may be elsewhere, and are looked for."""
WARM_SECONDS = 0.5


class Heard(NamedTuple):
    """What became of the packets of a round."""

    sent: int
    late: int
    """Of those sent, packets that the phones were late with themselves: the machine has too much to do."""
    received: int
    p50_ns: int
    """Delay of a packet."""
    p99_ns: int


class Conversant:
    """A process that is told lines and answers by lines. The first has its ports."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.ports = [int(port) for port in self.answer().split()]

    def ask(self, line: str) -> None:
        """Tell it."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        """Wait for a line; empty where it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()


class Phones(Conversant):
    """The media of all phones, in a process."""

    def call(self, servers: list[int]) -> None:
        """Know the server's port for each."""
        self.ask(" ".join(map(str, servers)))

    def talk(self, seconds: float) -> Heard:
        """Send and hear for a while."""
        self.ask(str(round(1000 * seconds)))
        return Heard(*map(int, self.answer().split()))


class Programs(NamedTuple):
    """In C, compiled."""

    phones: Path
    floor: Path | None
    """None where the system's headers do not know what it needs."""


@contextmanager
def programs() -> Iterator[Programs]:
    """Those of benchmarks/reference. Exits where there is no gcc."""
    with tempfile.TemporaryDirectory() as folder:
        phones = compiled("callers", folder)
        if phones is None:
            raise SystemExit("gcc is missing, to compile the phones")
        try:
            yield Programs(phones, compiled("relay_floor", folder))
        except subprocess.CalledProcessError:
            yield Programs(phones, None)


@contextmanager
def conversing(*command: object) -> Iterator[subprocess.Popen[str]]:
    """A process that ends when it is told no more."""
    with subprocess.Popen(
        list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@contextmanager
def talking(program: Path, count: int, every: int) -> Iterator[Phones]:
    """So many phones."""
    with conversing(program, count, every) as process:
        yield Phones(process)


@contextmanager
def floor(found: Programs, calls: int, every: int) -> Iterator[tuple[Phones, int] | None]:
    """The phones of so many calls of the floor, and its pid; None where it cannot be had. It wakes up as rarely as a
    media worker does."""
    if found.floor is None:
        yield None
        return
    rate = 2000 * calls / every
    gather = gathering(rate) if rate >= BUSY_RATE else GATHER_SECONDS
    with conversing(found.floor, 2 * calls, round(gather * 1e6)) as process:
        program = Conversant(process)
        if not program.ports:  # the kernel has no such io_uring
            yield None
            return
        with talking(found.phones, 2 * calls, every) as phones:
            program.ask(" ".join(map(str, phones.ports)))
            phones.call(program.ports)
            phones.talk(WARM_SECONDS)
            yield phones, process.pid


def connect(running: Server, numbers: range, media: Phones) -> None:
    """Let each two of these extensions talk; the calls stay until the server ends."""
    bare = [BarePhone(number, running.address) for number in numbers]
    for phone in bare:
        phone.register()
    servers: list[int] = []
    for at in range(0, len(bare), 2):
        servers += finish(connecting(bare[at], bare[at + 1], (media.ports[at], media.ports[at + 1])))
    media.call(servers)
    media.talk(1)  # latches, warms caches up, and is not counted


def relay(
    found: Programs, calls: int, every: int, rounds: int, seconds: float
) -> tuple[Measured, list[Heard]]:
    """Set so many calls up, and measure."""
    numbers, heard = range(1000, 1000 + 2 * calls), list[Heard]()
    with (
        server(numbers) as running,
        talking(found.phones, 2 * calls, every) as media,
        floor(found, calls, every) as other,
    ):
        connect(running, numbers, media)

        def unit() -> int:
            heard.append(media.talk(seconds))
            return heard[-1].received

        if other is None:
            return measure(rounds, unit, running.pid), heard
        phones, pid = other

        def of_floor() -> int:
            received = phones.talk(min(seconds, FLOOR_SECONDS)).received
            media.talk(WARM_SECONDS)
            return received

        return measure(rounds, unit, running.pid, (of_floor, pid)), heard


class Nowhere:
    """A socket that leads nowhere."""

    receive: Receive = staticmethod(lambda data, source: None)

    def send(self, data: bytes, remote: Address) -> None:
        """Nobody hears it."""

    def connect(self, remote: Address) -> None:
        """Nobody is there."""

    def disconnect(self) -> None:
        """Nobody was there."""

    def close(self) -> None:
        """It is."""


async def without_sockets(packets: int) -> float:
    """CPU seconds of a packet from one stream to another."""
    loop = asyncio.get_running_loop()
    streams: list[Stream] = []
    for number in range(2):
        remote = (HOST, 4000 + number)
        plan = StreamPlan(Codec.PCMU, PCMU, PCMU, remote, trusted_hosts=frozenset({HOST}))
        pair = PortPair(number, Nowhere(), Nowhere())
        streams.append(Stream(number, pair, plan, Random(1), Ticker(loop), Alarms(loop), lambda *facts: None))
    first, second = streams
    first.bridge(second)
    second.bridge(first)
    second.ports.rtp.receive(HEADER.pack(0x80, PCMU, 1, 160, 1) + PAYLOAD, (HOST, 4001))
    came = [HEADER.pack(0x80, PCMU, n & 0xFFFF, n * 160 & 0xFFFFFFFF, 2) + PAYLOAD for n in range(packets)]
    source = (HOST, 4000)
    first.ports.rtp.receive(came.pop(0), source)
    receive = first.ports.rtp.receive  # that of its steady packets
    before = time.process_time()
    for data in came:
        receive(data, source)
    spent = time.process_time() - before
    for stream in streams:
        stream.close()
    return spent / packets


def rows(measured: Measured, heard: list[Heard]) -> list[tuple[str, str]]:
    """What is told of so many calls."""
    figure, yardstick, ours, least, _ = measured
    p50, p99 = (
        statistics.median(times) / 1e6 for times in ((h.p50_ns for h in heard), (h.p99_ns for h in heard))
    )
    return [
        ("per packet in and out", f"{figure * 1e6:.1f} us"),
        ("of that outside the kernel", f"{ours:.0%}"),
        ("bare Python UDP receive and send", f"{yardstick * 1e6:.1f} us"),
        ("ratio", f"{figure / yardstick:.2f}"),
        *floor_rows(figure, least),
        ("delay", f"{p50:.2f} ms p50, {p99:.2f} ms p99"),
        (
            "packets relayed of packets sent",
            f"{sum(h.received for h in heard)} of {sum(h.sent for h in heard)}",
        ),
        ("sent late by the phones themselves", f"{sum(h.late for h in heard)}"),
        measured.stolen_row,
    ]


def floor_rows(figure: float, least: float) -> list[tuple[str, str]]:
    """What is told of the floor, which takes so many seconds; 0: there is none."""
    if not least:
        return [("floor", "not measured: there is no io_uring here, or none that gathers (Linux 6.12)")]
    return [
        ("floor: the kernel's part alone, in C", f"{least * 1e6:.1f} us"),
        ("ratio to the floor", f"{figure / least:.2f}"),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--calls",
        type=int,
        nargs="+",
        default=[10, 50, 200],
        help="at once, one after another (default: 10 50 200)",
    )
    parser.add_argument(
        "--every", type=int, default=20, help="ms between packets of a phone (default: %(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default: %(default)s)")
    options = parser.parse_args()
    with programs() as compiled_programs:
        for calls in options.calls:
            found = rows(*relay(compiled_programs, calls, options.every, options.rounds, options.seconds))
            title = f"RTP relayed between two sides, {calls} calls, a packet every {options.every} ms"
            print_table(f"{title}, CPU of all server processes", found)
    alone = statistics.median(asyncio.run(without_sockets(20_000)) for _ in range(options.rounds))
    print_table("Without sockets", [("a stream's part of a packet", f"{alone * 1e6:.2f} us")])


if __name__ == "__main__":
    main()
