"""What does a relayed RTP packet cost, in and out?

python -m benchmarks.relay [--calls 10] [--packets 500] [--rounds 5]

Calls are set up between bare phones; then each side sends its packets, and what arrives on the other is counted.
CPU of the server is told apart by whose it is: ours, and the kernel's, which sends and receives. The last line is a
stream's work on a packet alone, from its bytes to those of the packet that goes out, without sockets and event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.harness import HOST, measure, print_table, server
from benchmarks.load import BarePhone, connecting, finish
from media.net import Receive
from media.plan import Address, Codec, StreamPlan
from media.ports import PortPair
from media.stream import Stream
from media.ticker import Ticker

PAYLOAD = bytes(range(160))
HEADER = struct.Struct("!BBHII")
PCMU = 0


@dataclass(slots=True)
class Side:
    """One phone of a call: where it sends RTP, and what it has sent."""

    socket: socket.socket
    sequence: int = 0

    def send(self) -> None:
        """Send one packet of 20 ms."""
        self.sequence += 1
        header = HEADER.pack(0x80, PCMU, self.sequence & 0xFFFF, self.sequence * 160 & 0xFFFFFFFF, 0x1234)
        self.socket.send(header + PAYLOAD)

    def drain(self) -> int:
        """How many packets have come."""
        count = 0
        while True:
            try:
                self.socket.recv(2048)
            except (BlockingIOError, ConnectionRefusedError):
                return count
            count += 1


def media_socket() -> socket.socket:
    """A socket for RTP on a free even port."""
    while True:
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.bind((HOST, 0))
        if bound.getsockname()[1] % 2 == 0:
            bound.setblocking(False)
            return bound
        bound.close()


def connect(caller: BarePhone, callee: BarePhone) -> tuple[Side, Side]:
    """Set a call up; it stays until the server ends."""
    first, second = media_socket(), media_socket()
    ports = first.getsockname()[1], second.getsockname()[1]
    answered, offered = finish(connecting(caller, callee, ports))
    first.connect((HOST, answered))
    second.connect((HOST, offered))
    return Side(first), Side(second)


def talk(sides: Sequence[Side], packets: int) -> int:
    """Send at the pace of real phones but for the waiting: one packet of each side, then the next; how many came."""
    received = 0
    for _ in range(packets):
        for side in sides:
            side.send()
        time.sleep(0.002)  # the server's turn: phones do not send in bursts either
        received += sum(side.drain() for side in sides)
    return received


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
        streams.append(Stream(number, pair, plan, Random(1), Ticker(loop), loop, lambda *facts: None))
    first, second = streams
    first.bridge(second)
    second.bridge(first)
    second.ports.rtp.receive(HEADER.pack(0x80, PCMU, 1, 160, 1) + PAYLOAD, (HOST, 4001))
    came = [HEADER.pack(0x80, PCMU, n & 0xFFFF, n * 160 & 0xFFFFFFFF, 2) + PAYLOAD for n in range(packets)]
    receive, source = first.ports.rtp.receive, (HOST, 4000)
    before = time.process_time()
    for data in came:
        receive(data, source)
    spent = time.process_time() - before
    for stream in streams:
        stream.close()
    return spent / packets


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=10, help="at once (default: %(default)s)")
    parser.add_argument("--packets", type=int, default=500, help="a side and round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default: %(default)s)")
    options = parser.parse_args()
    numbers = range(1000, 1000 + 2 * options.calls)
    with server(numbers) as running:
        phones = [BarePhone(number, running.address) for number in numbers]
        for phone in phones:
            phone.register()
        sides = [side for pair in zip(phones[::2], phones[1::2], strict=True) for side in connect(*pair)]
        counts = {"sent": 0, "received": 0}

        def unit() -> int:
            received = talk(sides, options.packets)
            counts["sent"] += options.packets * len(sides)
            counts["received"] += received
            return received

        unit()  # the first round latches, warms caches up, and is not counted
        time.sleep(0.2)
        for side in sides:
            side.drain()
        counts.update(sent=0, received=0)
        figure, yardstick, ours = measure(options.rounds, unit, running.pid)
        alone = statistics.median(asyncio.run(without_sockets(20_000)) for _ in range(options.rounds))
        print_table(
            f"RTP relayed between two sides, {options.calls} calls, CPU of all server processes",
            [
                ("per packet in and out", f"{figure * 1e6:.1f} us"),
                ("of that outside the kernel", f"{ours:.0%}"),
                ("the stream's part, without sockets", f"{alone * 1e6:.2f} us"),
                ("bare Python UDP receive and send", f"{yardstick * 1e6:.1f} us"),
                ("ratio", f"{figure / yardstick:.2f}"),
                ("packets relayed of packets sent", f"{counts['received']} of {counts['sent']}"),
            ],
        )


if __name__ == "__main__":
    main()
