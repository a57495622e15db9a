"""The phones of benchmarks/conference.py, in a process of their own: each sends a packet every 20 ms, and hears.

The phones of a room share a socket, so that they cost little beside what is measured. They do not send all at once:
their packets are spread over the 20 ms. With gcc they are a C program (benchmarks/reference/phones.c): those of 48
rooms take less than half a core. In Python, those of 30 rooms fill one.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import random
import socket
import struct
import subprocess
import time
from array import array
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol, Self

from benchmarks.harness import HOST
from media.codecs import g711
from media.plan import Codec

TICK_SECONDS = 0.02
SLICES = 20
PACKET_BYTES = 172
SILENCE = g711.SILENCE[Codec.PCMU] * 160
_SECOND_FRAMES = 50
_FIRST_PORT = 18000


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of the packets of all phones."""

    sent: int
    received: int
    loud: int
    """Of those received, packets that are not silent."""
    behind: float
    """Share of slices that the phones were late by more than 5 ms themselves: the machine has too much to do."""
    missing: int | None = None
    """Packets that should have come between those received, by their numbers; None: not counted."""
    latest_ms: float | None = None
    """How late the latest slice was."""


def voice(pitch_hz: float) -> list[bytes]:
    """A second of sound in payloads of 20 ms."""
    samples = [
        int(sum(3000 / k * math.sin(2 * math.pi * pitch_hz * k * n / 8000) for k in range(1, 6)))
        for n in range(160 * _SECOND_FRAMES)
    ]
    pcm = struct.pack(f"<{len(samples)}h", *samples)
    return [g711.encode(Codec.PCMU, pcm[at : at + 320]) for at in range(0, len(pcm), 320)]


def _pitch_hz(talker: int) -> int:
    return 100 + 20 * talker


class Phones:
    """All phones, as their process has them."""

    def __init__(self, rooms: list[list[int]], talkers: int, loss: float) -> None:
        self._loss = loss
        self._dice = random.Random(1)
        self._sockets: list[socket.socket] = []
        self._slices: list[list[tuple[socket.socket, tuple[str, int], bytearray, list[bytes]]]] = [
            [] for _ in range(SLICES)
        ]
        voices = [voice(_pitch_hz(talker)) for talker in range(talkers)]
        self.addresses: list[tuple[str, int]] = []
        """Of each room's phones."""
        for ports in rooms:
            opened = _socket()
            self._sockets.append(opened)
            self.addresses.append(opened.getsockname())
            for seat, port in enumerate(ports):
                packet = bytearray(PACKET_BYTES)
                struct.pack_into("!BBHII", packet, 0, 0x80, 0, 0, 0, self._dice.getrandbits(32))
                sound = voices[seat] if seat < talkers else [SILENCE] * _SECOND_FRAMES
                self._slices[port // 2 % SLICES].append((opened, (HOST, port), packet, sound))
        self._sent = self._received = self._loud = self._behind = 0
        self._frame = 0

    def talk(self, seconds: float) -> Heard:
        """Send and hear for a while; what has become of it."""
        self._sent = self._received = self._loud = self._behind = 0
        begun, frames = time.perf_counter(), round(seconds / TICK_SECONDS)
        for number in range(frames * SLICES):
            due = begun + number * TICK_SECONDS / SLICES
            while (left := due - time.perf_counter()) > 0:
                time.sleep(left)
            self._behind += left < -0.005
            self._send(number % SLICES)
            if number % 4 == 0:
                self._hear()
            self._frame += number % SLICES == SLICES - 1
        self._hear()
        return Heard(self._sent, self._received, self._loud, self._behind / (frames * SLICES))

    def _send(self, part: int) -> None:
        frame, dice, loss = self._frame, self._dice.random, self._loss
        for opened, remote, packet, sound in self._slices[part]:
            struct.pack_into("!HI", packet, 2, frame & 0xFFFF, frame * 160 & 0xFFFFFFFF)
            packet[12:] = sound[frame % _SECOND_FRAMES]
            if loss and dice() < loss:
                continue
            with contextlib.suppress(OSError):
                opened.sendto(packet, remote)
                self._sent += 1

    def _hear(self) -> None:
        for opened in self._sockets:
            with contextlib.suppress(OSError):
                while True:
                    data = opened.recv(2048)
                    if len(data) == PACKET_BYTES:
                        self._received += 1
                        self._loud += data[12:] != SILENCE


def _socket() -> socket.socket:
    """Below the ports that systems hand out themselves, as some worker may just be going to bind those."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    opened.setblocking(False)
    for port in range(_FIRST_PORT, _FIRST_PORT + 2000):
        with contextlib.suppress(OSError):
            opened.bind((HOST, port))
            return opened
    raise OSError("no free port for phones")


def _serve(pipe: Connection, rooms: list[list[int]], talkers: int, loss: float) -> None:
    phones = Phones(rooms, talkers, loss)
    pipe.send(phones.addresses)
    while (seconds := pipe.recv()) is not None:
        pipe.send(phones.talk(seconds))


class Load(Protocol):
    """The process of the phones, as the benchmark sees it."""

    addresses: list[tuple[str, int]]
    """Where the phones of each room hear."""

    @property
    def pid(self) -> int:
        """The process."""

    def begin(self, seconds: float) -> None:
        """Let the phones talk for a while."""

    def end(self) -> Heard:
        """Wait until they have."""

    def __enter__(self) -> Self:
        """As a context it ends with it."""

    def __exit__(self, *_: object) -> None: ...


class PythonLoad:
    """Phones in Python."""

    def __init__(self, rooms: list[list[int]], talkers: int, loss: float) -> None:
        """`rooms`: the media ports of each, which the phones send to."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, rooms, talkers, loss))
        self._process.start()
        theirs.close()
        self.addresses: list[tuple[str, int]] = self._pipe.recv()

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process.pid is not None
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send(None)
        self._process.join()

    def begin(self, seconds: float) -> None:
        """Let the phones talk for a while."""
        self._pipe.send(seconds)

    def end(self) -> Heard:
        """Wait until they have."""
        heard = self._pipe.recv()
        assert isinstance(heard, Heard)
        return heard


class CLoad:
    """Phones in C (benchmarks/reference/phones.c)."""

    def __init__(self, program: Path, rooms: list[list[int]], talkers: int, loss: float) -> None:
        """`rooms`: the media ports of each, which the phones send to; as many in each."""
        arguments = [str(program), str(len(rooms)), str(len(rooms[0])), str(talkers), str(loss)]
        self._process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._commands, self._answers = self._process.stdin, self._process.stdout
        self._commands.write(array("H", [port for ports in rooms for port in ports]).tobytes())
        for talker in range(talkers):
            self._commands.write(b"".join(voice(_pitch_hz(talker))))
        self._commands.write(SILENCE * _SECOND_FRAMES)
        self._commands.flush()
        self.addresses = [(HOST, int(port)) for port in self._answers.readline().split()]
        self._slices = 0

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._commands.close()
        self._answers.close()
        self._process.wait()

    def begin(self, seconds: float) -> None:
        """Let the phones talk for a while."""
        frames = round(seconds / TICK_SECONDS)
        self._slices = frames * SLICES
        self._commands.write(b"%d\n" % frames)
        self._commands.flush()

    def end(self) -> Heard:
        """Wait until they have."""
        sent, received, loud, missing, behind, latest_us = map(int, self._answers.readline().split())
        return Heard(sent, received, loud, behind / self._slices, missing, latest_us / 1000)
