"""A driver on a simulated host, and the clients that tests put before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

from sipcore.effects import Arrived, Effect
from sipcore.endpoint import Endpoint, EndpointSettings
from sipcore.net.driver import Driver, DriverSettings
from sipcore.net.limits import Limits
from sipcore.net.network import Network
from sipcore.registrar.gate import Admitted
from sipcore.syntax.message import Request, response_to
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Address, Flow
from tests.simulation.network import HostNetwork
from tests.simulation.simulation import Simulation
from tests.simulation.streams import SimulatedStream

SERVER = Address("10.0.0.1", 5060)
CLIENT = "10.0.1.1"
TRAVEL_SECONDS = 0.1
"""More than any round trip here takes."""


class OpenGate:
    """Lets everybody in."""

    def admit(self, request: Request, flow: Flow, now: float) -> Admitted:
        return Admitted("100")


class Server:
    """A driver whose user answers every request with 200 and keeps what it is told."""

    def __init__(self, network: Network, random: Random, settings: DriverSettings) -> None:
        self.endpoint = Endpoint(EndpointSettings(), random, OpenGate())
        self.driver = Driver(self.endpoint, network, settings, self._on_event, self._on_flow_closed)
        self.told: list[Effect] = []
        self.gone: list[Flow] = []
        self.answers = True
        self.before: Callable[[Effect], None] = lambda effect: None
        self.after: Callable[[Effect], None] = lambda effect: None
        """Called first and last with each event; may raise."""

    def _on_event(self, effect: Effect) -> None:
        self.told.append(effect)
        self.before(effect)
        if isinstance(effect, Arrived) and self.answers:
            answer = response_to(effect.request, 200)
            now = asyncio.get_running_loop().time()
            self.driver.perform(self.endpoint.respond(effect.transaction, answer, now))
        self.after(effect)

    def _on_flow_closed(self, flow: Flow) -> None:
        self.gone.append(flow)

    @property
    def flow(self) -> Flow:
        """The flow of the request that came last."""
        arrived = self.told[-1]
        assert isinstance(arrived, Arrived)
        return arrived.flow


class SimulatedServer(Server):
    """One on a host of the simulated network."""

    def __init__(self, simulation: Simulation, settings: DriverSettings) -> None:
        self.host = simulation.network.host(SERVER.host, "server")
        super().__init__(self.host, simulation.dice("server"), settings)


@asynccontextmanager
async def serving(simulation: Simulation, limits: Limits | None = None) -> AsyncIterator[SimulatedServer]:
    """A started server on UDP and TCP; at the end it leaves nothing open."""
    settings = DriverSettings(SERVER.host, SERVER.port, SERVER.port, limits=limits or Limits())
    server = SimulatedServer(simulation, settings)
    await server.driver.start()
    try:
        yield server
    finally:
        await server.driver.stop()
    assert server.host.open_ports() == []


class Connection:
    """The client's end of a connection: keeps what arrives."""

    def __init__(self, stream: SimulatedStream) -> None:
        self.stream = stream
        self.received = bytearray()
        stream.receive = self.received.extend

    @property
    def statuses(self) -> list[int]:
        """The status codes that came, in order."""
        return [int(part[:3]) for part in bytes(self.received).split(b"SIP/2.0 ")[1:] if part[:3].isdigit()]


async def connect(host: HostNetwork, remote: Address = SERVER) -> Connection:
    return Connection(await host.connect(remote))


class Datagrams:
    """A client's UDP port: keeps what arrives."""

    def __init__(self, host: HostNetwork, port: int = 5060) -> None:
        self.received: list[bytes] = []
        self._socket = host.open_udp(Address(host.address, port), lambda data, _: self.received.append(data))

    def send(self, data: bytes) -> None:
        self._socket.send(data, SERVER)


def options(number: int = 1, *, transport: str = "TCP", body: bytes = b"", host: str = CLIENT) -> bytes:
    """An OPTIONS request, different for each number."""
    return (
        f"OPTIONS sip:server SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport} {host}:5060;branch=z9hG4bK{number};rport\r\n"
        f"Max-Forwards: 70\r\n"
        f"From: <sip:100@server>;tag=1\r\n"
        f"To: <sip:server>\r\n"
        f"Call-ID: {number}@{host}\r\n"
        f"CSeq: {number} OPTIONS\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def travel() -> asyncio.Future[None]:
    """Time for a round trip."""
    return asyncio.ensure_future(asyncio.sleep(TRAVEL_SECONDS))


def our_request(flow: Flow, size: int = 0) -> Request:
    """A request of ours towards a client."""
    return Request(
        "OPTIONS",
        Uri("sip", "100", host=flow.host),
        [
            ("Max-Forwards", "70"),
            ("From", "<sip:server>;tag=1"),
            ("To", "<sip:100@server>"),
            ("Call-ID", "ours"),
            ("CSeq", "1 OPTIONS"),
        ],
        b"x" * size,
    )


def ask(server: Server, flow: Flow) -> None:
    """Send a request of ours over a flow."""
    now = asyncio.get_running_loop().time()
    _, effects = server.endpoint.request(our_request(flow), flow, now)
    server.driver.perform(effects)
