"""Real media processes and phones on this machine. Whatever a test does, its sockets and processes end with it.

Sound, reports and what a process tells come by different ways, and a process may stand still for seconds between any
two of them: a test waits for everything it asserts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from random import Random, SystemRandom
from typing import Self, TypeVar

from media.messages import (
    CloseStream,
    Command,
    Echo,
    Event,
    OpenStream,
    PortsReady,
    ReportTicks,
    StreamClosed,
    StreamLatched,
    TicksReported,
    WorkerLost,
)
from media.net import SocketMediaNetwork
from media.plan import Address
from media.process import Start, start_anew
from media.rtcp import parse_report
from media.rtp import RtpSender, parse_rtp
from media.service import MediaService, MediaSettings
from media.worker import WorkerProcess, fork_server
from tests.unit.media.studio import frames, plan_for
from tests.unit.sipcore.net.loopback import HERE, until

HELLO = frames(1, 5)
Kind = TypeVar("Kind", bound=Event)

PORTS = 1000
"""Those of one test process: no other takes what it has found free."""
FIRST_PORT = 10000 + PORTS * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 12)
"""No kernel gives them to programs that do not care."""


# -- ports -----------------------------------------------------------------------------------------


def bound(port: int) -> socket.socket:
    """A socket at this port. Raises OSError."""
    opened = socket.socket(type=socket.SOCK_DGRAM)
    try:
        opened.bind((HERE, port))
    except OSError:
        opened.close()
        raise
    return opened


def free_pairs(count: int) -> tuple[int, int]:
    """A range of ports with room for `count` pairs, all free."""
    dice = SystemRandom()
    while True:
        first = dice.randrange(FIRST_PORT, FIRST_PORT + PORTS - 2 * count + 2, 2)
        ports = range(first, first + 2 * count)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in ports:
                stack.enter_context(bound(port))
            return ports[0], ports[-1]


# -- phones ----------------------------------------------------------------------------------------


class Phone:
    """A peer on this machine: RTP and RTCP on neighbouring ports, as one is told. A context manager."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.byes = 0
        self.address = (HERE, free_pairs(1)[0])
        network = SocketMediaNetwork()
        self._rtp = network.open_media(self.address, self._receive)
        self._rtcp = network.open_media((HERE, self.address[1] + 1), self._receive_report)
        self._sender = RtpSender(Random(1))

    def say(self, payloads: list[bytes], towards: Address) -> None:
        """Send packets, 20 ms of sound each, all at once."""
        for payload in payloads:
            self._rtp.send(self._sender.packet(0, payload, 160), towards)

    def _receive(self, data: bytes, source: Address) -> None:
        packet = parse_rtp(data)
        assert packet is not None
        self.heard.append(packet.payload)

    def _receive_report(self, data: bytes, source: Address) -> None:
        report = parse_report(data)
        assert report is not None
        self.byes += report.bye

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rtp.close()
        self._rtcp.close()


# -- one worker ------------------------------------------------------------------------------------


class Worker:
    """A worker process, what it tells, and phones that are closed with it."""

    def __init__(self, ports: tuple[int, int], start: Start = start_anew) -> None:
        self.told: list[Event] = []
        self.process = WorkerProcess(0, HERE, ports, self.told.append, start)
        self.phones = contextlib.ExitStack()

    @property
    def pid(self) -> int:
        """The process, which runs."""
        assert self.process.pid is not None
        return self.process.pid

    def phone(self) -> Phone:
        """A phone to talk with."""
        return self.phones.enter_context(Phone())

    def told_of(self, kind: type[Kind]) -> list[Kind]:
        """The events of one kind, in order."""
        return [event for event in self.told if isinstance(event, kind)]

    async def ready(self) -> None:
        """Wait until it has told its ports."""
        await until(lambda: self.told_of(PortsReady))

    async def replaced(self) -> None:
        """Wait until the process is told to be lost and another has told its ports."""
        await until(lambda: self.told_of(WorkerLost))
        await until(lambda: isinstance(self.told[-1], PortsReady))

    async def answer(self, command: Command, kind: type[Kind]) -> Kind:
        """Send a command and wait for the event that answers it; all that was sent before has been carried out then."""
        before = len(self.told_of(kind))
        self.process.send(command)
        await until(lambda: len(self.told_of(kind)) > before)
        return self.told_of(kind)[before]

    async def ticked(self) -> None:
        """Wait until there has been a tick after the commands that were sent before."""
        await self.answer(ReportTicks(), TicksReported)
        while not (await self.answer(ReportTicks(), TicksReported)).punctuality.ticks:
            pass

    async def latched(self, stream: int, phone: Phone, port: int) -> None:
        """Have a phone speak until a stream has locked on it."""

        while StreamLatched(stream, phone.address) not in self.told:  # it may not be listening yet
            phone.say(HELLO[:1], (HERE, port))
            await asyncio.sleep(0.01)

    async def echo(self, stream: int, port: int) -> None:
        """A whole call: open a stream on a port, hear oneself, and close it."""
        with Phone() as phone:
            self.process.send(OpenStream(stream, port, plan_for(phone.address)))
            self.process.send(Echo(stream))
            while not phone.heard:  # it may not be listening yet
                phone.say(HELLO[:1], (HERE, port))
                await asyncio.sleep(0.01)
            self.process.send(CloseStream(stream))
            await until(lambda: stream in [event.stream for event in self.told_of(StreamClosed)])
            assert set(phone.heard) == set(HELLO[:1])
            await until(lambda: phone.byes == 1)


@contextlib.asynccontextmanager
async def started(pairs: int = 4, start: Start = start_anew) -> AsyncIterator[tuple[Worker, int]]:
    """A worker that is ready, and its first port."""
    ports = free_pairs(pairs)
    worker = Worker(ports, start)
    with worker.phones:
        try:
            await worker.process.start()
            await worker.ready()
            yield worker, ports[0]
        finally:
            await worker.process.stop()


def lives(pid: int) -> bool:
    """Whether there is such a process, be it a dead one that nobody has asked about."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# -- all together ----------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def serving(workers: int, pairs: int) -> AsyncIterator[tuple[MediaService, list[Event], int]]:
    """A service with its workers, which share so many pairs of ports; what it tells; the first port."""
    first, last = free_pairs(pairs)
    told: list[Event] = []
    settings = MediaSettings(HERE, (first, last), workers)
    service = MediaService(settings, SocketMediaNetwork(), Random(1), fork_server())
    service.on_event = told.append
    try:
        await service.start()
        yield service, told, first
    finally:
        await service.stop()
