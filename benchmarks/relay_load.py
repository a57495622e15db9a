"""Phones of benchmarks/asterisk.py that send their RTP in step: one packet of each, then a pause of 2 ms. Those of
benchmarks/relay.py are a C program, and send as real ones do."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.harness import HOST
from benchmarks.load import BarePhone, connecting, finish

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
    """Send one packet of each side, then the next 2 ms later, ten times as fast as real phones; how many came."""
    received = 0
    for _ in range(packets):
        for side in sides:
            side.send()
        time.sleep(0.002)  # the server's turn: phones do not send in bursts either
        received += sum(side.drain() for side in sides)
    return received
