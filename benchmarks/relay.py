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
import shutil
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

from benchmarks.harness import HOST, Measured, Server, measure, print_table, server
from benchmarks.load import BarePhone, connecting, finish
from media.alarms import Alarms
from media.net import Receive
from media.plan import Address, Codec, StreamPlan
from media.ports import PortPair
from media.stream import Stream
from media.ticker import Ticker

PAYLOAD = bytes(range(160))
HEADER = struct.Struct("!BBHII")
PCMU = 0
SOURCE = Path(__file__).parent / "reference" / "callers.c"


class Heard(NamedTuple):
    """What became of the packets of a round."""

    sent: int
    late: int
    """Of those sent, packets that the phones were late with themselves: the machine has too much to do."""
    received: int
    p50_ns: int
    """Delay of a packet."""
    p99_ns: int


class Phones:
    """The media of all phones, in a process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.ports = [int(port) for port in self._answer().split()]

    def call(self, servers: list[int]) -> None:
        """Know the server's port for each."""
        self._ask(" ".join(map(str, servers)))

    def talk(self, seconds: float) -> Heard:
        """Send and hear for a while."""
        self._ask(str(round(1000 * seconds)))
        return Heard(*map(int, self._answer().split()))

    def _ask(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def phones_program() -> Iterator[Path]:
    """The C program, compiled. Exits where there is no gcc."""
    compiler = shutil.which("gcc")
    if compiler is None:
        raise SystemExit(f"gcc is missing, to compile {SOURCE}")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "callers"
        subprocess.run([compiler, "-O2", "-o", str(target), str(SOURCE)], check=True)
        yield target


@contextmanager
def talking(program: Path, count: int, every: int) -> Iterator[Phones]:
    """So many phones."""
    with subprocess.Popen(
        [program, str(count), str(every)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Phones(process)
        assert process.stdin is not None
        process.stdin.close()


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


def relay(program: Path, calls: int, every: int, rounds: int, seconds: float) -> tuple[Measured, list[Heard]]:
    """Set so many calls up, and measure."""
    numbers, heard = range(1000, 1000 + 2 * calls), list[Heard]()
    with server(numbers) as running, talking(program, 2 * calls, every) as media:
        connect(running, numbers, media)

        def unit() -> int:
            heard.append(media.talk(seconds))
            return heard[-1].received

        return measure(rounds, unit, running.pid), heard


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
    figure, yardstick, ours, _ = measured
    p50, p99 = (
        statistics.median(times) / 1e6 for times in ((h.p50_ns for h in heard), (h.p99_ns for h in heard))
    )
    return [
        ("per packet in and out", f"{figure * 1e6:.1f} us"),
        ("of that outside the kernel", f"{ours:.0%}"),
        ("bare Python UDP receive and send", f"{yardstick * 1e6:.1f} us"),
        ("ratio", f"{figure / yardstick:.2f}"),
        ("delay", f"{p50:.2f} ms p50, {p99:.2f} ms p99"),
        (
            "packets relayed of packets sent",
            f"{sum(h.received for h in heard)} of {sum(h.sent for h in heard)}",
        ),
        ("sent late by the phones themselves", f"{sum(h.late for h in heard)}"),
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
    with phones_program() as program:
        for calls in options.calls:
            found = rows(*relay(program, calls, options.every, options.rounds, options.seconds))
            title = f"RTP relayed between two sides, {calls} calls, a packet every {options.every} ms"
            print_table(f"{title}, CPU of all server processes", found)
    alone = statistics.median(asyncio.run(without_sockets(20_000)) for _ in range(options.rounds))
    print_table("Without sockets", [("a stream's part of a packet", f"{alone * 1e6:.2f} us")])


if __name__ == "__main__":
    main()
