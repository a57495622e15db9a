"""A media engine on a simulated host, and peers that speak RTP with it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, TypeVar

from media.disk import Disk, Done, Work, outcome
from media.engine import MediaEngine
from media.messages import ChangeStream, Command, Event, OpenStream, PortsReady
from media.plan import Address, Codec, StreamPlan
from media.ports import Ports
from media.rtcp import Report, parse_report
from media.rtp import RtpPacket, RtpSender, parse_rtp
from tests.simulation.network import HostNetwork
from tests.simulation.simulation import Simulation

PBX = "10.0.0.1"
FRAME_SECONDS = 0.02
EVENTS = 101
"""Payload type of telephone-events."""

Kind = TypeVar("Kind", bound=Event)


class Peer:
    """What a phone does with media: it sends packets, and keeps what comes with the time it came at."""

    def __init__(self, simulation: Simulation, host: HostNetwork, port: int = 4000) -> None:
        self.address: Address = (host.address, port)
        self.towards: Address = (PBX, 0)
        """Where it sends to."""
        self.packets: list[RtpPacket] = []
        self.arrivals: list[float] = []
        self.reports: list[Report] = []
        self.report_arrivals: list[float] = []
        self._loop = simulation.loop
        self._dice = simulation.dice(f"{self.address}")
        self._rtp = host.open_media(self.address, self._receive)
        self._rtcp = host.open_media((host.address, port + 1), self._receive_report)
        self.sender = RtpSender(self._dice)

    def restart(self) -> None:
        """Go on as another source: another SSRC, sequence and timestamp."""
        self.sender = RtpSender(self._dice)

    def send(
        self, payload: bytes, payload_type: int = 0, *, marker: bool = False, same_time: bool = False
    ) -> None:
        """One packet, 20 ms of sound after the last."""
        self.send_raw(self.sender.packet(payload_type, payload, 160, marker, same_time))

    def send_raw(self, data: bytes) -> None:
        """A datagram of any kind, to the RTP port."""
        self._rtp.send(data, self.towards)

    def send_report(self, data: bytes) -> None:
        """A datagram of any kind, to the RTCP port."""
        self._rtcp.send(data, (self.towards[0], self.towards[1] + 1))

    async def say(self, payloads: Iterable[bytes], payload_type: int = 0) -> None:
        """A packet every 20 ms."""
        for payload in payloads:
            self.send(payload, payload_type)
            await asyncio.sleep(FRAME_SECONDS)

    def heard(self) -> list[bytes]:
        """The payloads that came since the last call of this."""
        packets, self.packets = self.packets, []
        return [packet.payload for packet in packets]

    def _receive(self, data: bytes, source: Any) -> None:
        packet = parse_rtp(data)
        assert packet is not None, "the engine sends nothing but RTP here"
        self.packets.append(packet)
        self.arrivals.append(self._loop.time())

    def _receive_report(self, data: bytes, source: Any) -> None:
        report = parse_report(data)
        assert report is not None, "the engine sends nothing but RTCP here"
        self.reports.append(report)
        self.report_arrivals.append(self._loop.time())


class SlowDisk:
    """Does its work when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Work, Done]] = []

    def run(self, work: Work, done: Done) -> None:
        """Note what is to be done."""
        self.waiting.append((work, done))

    def catch_up(self) -> None:
        """Do what has been noted until now."""
        waiting, self.waiting = self.waiting, []
        for work, done in waiting:
            done(outcome(work))


class Studio:
    """An engine that has been started, and all it has told. Build it inside a running loop."""

    def __init__(
        self,
        simulation: Simulation,
        first: int = 20000,
        last: int = 20019,
        disk: Disk | None = None,
        library: Disk | None = None,
    ) -> None:
        self.simulation = simulation
        self.host = simulation.network.host(PBX, "media")
        self.told: list[Event] = []
        ports = Ports(self.host, PBX, first, last)
        self.engine = MediaEngine(
            self.host, ports, simulation.dice("media"), self.told.append, disk=disk, library=library
        )
        self.engine.start()
        self.free = [port for event in self.told_of(PortsReady) for port in event.ports]
        self.plans: dict[int, StreamPlan] = {}
        self._hosts = 0

    def peer(self) -> Peer:
        """A peer on a host of its own."""
        self._hosts += 1
        return Peer(self.simulation, self.simulation.network.host(f"10.0.1.{self._hosts}"))

    def open(self, peer: Peer, **changes: Any) -> int:
        """A stream to `peer`, which is told where to send; `changes` are fields of its plan."""
        stream, port = len(self.plans) + 1, self.free.pop(0)
        peer.towards = (PBX, port)
        self.plans[stream] = plan_for(peer.address, **changes)
        self.do(OpenStream(stream, port, self.plans[stream]))
        return stream

    def change(self, stream: int, plan: StreamPlan) -> None:
        """Give a stream another plan."""
        self.plans[stream] = plan
        self.do(ChangeStream(stream, plan))

    def do(self, *commands: Command) -> None:
        """Carry out commands."""
        for command in commands:
            self.engine.handle(command)

    def told_of(self, kind: type[Kind]) -> list[Kind]:
        """The events of one kind, in order."""
        return [event for event in self.told if isinstance(event, kind)]

    def stop(self) -> None:
        """Stop the engine; fails if a port is left."""
        self.engine.stop()
        assert self.host.open_ports() == []


def plan_for(address: Address, /, **changes: Any) -> StreamPlan:
    """A plan for a peer at `address`: PCMU and telephone-events, both ways."""
    fields: dict[str, Any] = {
        "codec": Codec.PCMU,
        "send_payload_type": 0,
        "receive_payload_type": 0,
        "remote": address,
        "remote_rtcp": (address[0], address[1] + 1),
        "trusted_hosts": frozenset({address[0]}),
        "dtmf_send_payload_type": EVENTS,
        "dtmf_receive_payload_type": EVENTS,
    }
    return StreamPlan(**{**fields, **changes})


def frames(first: int, count: int) -> list[bytes]:
    """Payloads that can be told apart, of 20 ms each."""
    return [bytes([number % 256]) * 160 for number in range(first, first + count)]
