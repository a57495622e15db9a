"""The driver: feeds the endpoint what the network brings, performs its effects, and keeps one timer for all of it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import ssl
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import field
from itertools import count
from math import inf
from pathlib import Path

from sipcore.effects import Arrived, CloseFlow, Effect, Invited, Offered, RequestInDialog, Transmit
from sipcore.endpoint import Endpoint
from sipcore.errors import ParseError, UsageError
from sipcore.net.inbox import Inbox, Sender, by_source
from sipcore.net.large_requests import UDP_MAX_BYTES, LargeRequests
from sipcore.net.limits import Limits, RateLimit
from sipcore.net.network import Listener, Network, Stream, UdpSocket
from sipcore.net.udp import Datagram
from sipcore.syntax.message import Request, response_to
from sipcore.syntax.parser import parse_message
from sipcore.transport import stun
from sipcore.transport.flow import Address, Flow, Transport
from sipcore.transport.framing import PONG, StreamFramer
from sipcore.transport.overload import newcomer
from sipcore.transport.source import source_of
from sipcore.transport.stun import is_stun
from values import dataclass

logger = logging.getLogger(__name__)

UDP = Transport.UDP
MAX_FLOWS = 10_000
MAX_ADDRESSES = 4
"""Of one host, that are tried one after the other."""
NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ECONNREFUSED})
"""What the operating system says of a datagram that it does not send."""
FIRST_OF_MESSAGES = b"!"
"""What is less than this begins with a control character or a space, or is empty."""
FIRST_SEVEN = slice(7)
WILDCARDS = ("0.0.0.0", "::")
CALL_PATIENCE_SECONDS = 2.0
"""A call that has waited for longer is turned away too: somebody waits for it."""
RETRY_AFTER_SECONDS = 2, 8

OnWire = Callable[[bool, Flow, bytes], None]
"""Told (outgoing, flow, message) of every message."""


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """Where to listen; None keeps a transport closed. Port 0 takes any."""

    listen: str
    udp_port: int | None = 5060
    tcp_port: int | None = None
    tls_port: int | None = None
    certificate: Path | None = None
    key: Path | None = None
    verify_peers: bool = True
    """Whether the certificates of servers that we connect to are checked."""
    authorities: Path | None = None
    """Who may have signed these; None: whom the operating system trusts."""
    limits: Limits = field(default_factory=Limits)


class Driver:
    """One endpoint on one network."""

    def __init__(
        self,
        endpoint: Endpoint,
        network: Network,
        settings: DriverSettings,
        on_event: Callable[[Effect], None],
        on_flow_closed: Callable[[Flow], None] = lambda flow: None,
    ) -> None:
        """`on_event` is told every effect that is not for the wire."""
        self.endpoint = endpoint
        self.on_wire: OnWire | None = None
        self.on_stun: Callable[[bytes], None] = _nobody_asked
        """Told of STUN messages that are no requests: answers to what `send_datagram` asked."""
        self._network = network
        self._settings = settings
        self._on_event = on_event
        self._on_flow_closed = on_flow_closed
        self._loop = asyncio.get_running_loop()
        self._rate = RateLimit(settings.limits)
        self.readers: dict[bytes, Callable[[bytes, Flow, float, bool], list[Effect]]] = {}
        """First seven bytes -> who reads such a message (and is told flow, time, and whether it came over a stream) and
        gives it to the endpoint. All others are parsed."""
        self.urgent: Callable[[str], bool] = _nothing_is
        """Whether a call to this user part is always served, however long it has waited: an emergency number."""
        self._inbox = Inbox(self._loop, self._message, self._turn_away, self._finish)
        self._excess = self._inbox.excess = self._rate.excess
        """What has come of sources beyond what is taken of them: it costs nothing where it is not even read."""
        self._udp: UdpSocket | None = None
        self._local = Address(settings.listen, 0)
        """Where that is bound."""
        self._udp_flows: dict[Sender, Flow] = {}
        """By the address of the peer, or what is equal to it."""
        self._listeners: list[Listener] = []
        self._server_tls: ssl.SSLContext | None = None
        self._connections: dict[Flow, Connection] = {}
        self._proofs: dict[Flow, tuple[str, Path | None]] = {}
        """Of connections that we opened over TLS: who the other end has proved to be, and to whom."""
        self._per_source: Counter[str] = Counter()
        self._connection_numbers = count(1)
        self._large = LargeRequests(self.flow_to, self._transmit, self._send_datagram)
        self._usages, self._transactions = endpoint.deadlines, endpoint.transactions.deadlines
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = inf
        """When the timer runs out."""
        self._performing = False
        self._outbox: list[tuple[Flow, bytes | None]] = []
        """What is to be sent, None for the end of a connection: it waits until all is done that has come together."""
        self._stopped = False

    # -- life -------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the ports. Raises OSError."""
        settings = self._settings
        if settings.udp_port is not None:
            local = Address(settings.listen, settings.udp_port)
            self._udp = self._network.bind_udp(local, self._datagrams)
            self._local = Address(settings.listen, self._udp.local.port)
        if settings.tcp_port is not None:
            await self._listen(settings.tcp_port, Transport.TCP, None)
        if settings.tls_port is not None and settings.certificate is not None:
            self._server_tls = server_tls(settings.certificate, settings.key)
            await self._listen(settings.tls_port, Transport.TLS, self._server_tls)

    async def _listen(self, port: int, transport: Transport, tls: ssl.SSLContext | None) -> None:
        address = Address(self._settings.listen, port)
        listener = await self._network.listen(address, lambda stream: self._accept(stream, transport), tls)
        self._listeners.append(listener)

    async def stop(self) -> None:
        """Close everything; what is still unsent is lost."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        self._large.stop()
        for listener in self._listeners:
            listener.close()
        for connection in list(self._connections.values()):
            connection.close()
        if self._udp is not None:
            self._udp.close()
        self._inbox.clear()
        await asyncio.sleep(0)  # lets closed transports tell so

    def reload_certificates(self) -> None:
        """Read the certificate again; it serves the handshakes to come. A bad one leaves the old one in place.

        Raises OSError, which includes ssl.SSLError.
        """
        certificate, key = self._settings.certificate, self._settings.key
        if self._server_tls is not None and certificate is not None:
            server_tls(certificate, key)  # a failure would leave a context in use half changed
            self._server_tls.load_cert_chain(certificate, key)

    # -- what the network brings ------------------------------------------------------------------------

    def _datagrams(self, datagrams: list[Datagram]) -> None:
        """Take what has come together over UDP."""
        now = self._loop.time()
        if len(datagrams) == 1:  # as nearly always where there is little to do
            ((data, sender),) = datagrams
            if not self._rate.admit(sender[0], now):
                self._excess[source_of(sender[0])] += 1
            elif data >= FIRST_OF_MESSAGES or not self._keeps_alive(data, sender):
                self._inbox.work_on(data, sender, now)
        else:
            queues = by_source(datagrams)
            keep_alives = min(datagrams)[0] < FIRST_OF_MESSAGES
            self._rate.limit(queues, now)
            if keep_alives:
                self._answer_keep_alives(queues.values())
            self._inbox.work(queues.values(), now)
        if self._excess and self._udp is not None:
            self._udp.too_much(self._excess)
            self._excess.clear()

    def stream_message(self, data: bytes, flow: Flow) -> None:
        """A message has come over a connection. Nobody repeats it, so none is lost where too many wait."""
        now = self._loop.time()
        if self._inbox.put([(data, flow)], now):
            try:
                self._message(data, flow, now)
            finally:
                self._finish()

    def _turn_away(self, data: bytes, sender: Sender, waited: float) -> bool:
        """Ask a new request that has waited too long to come later; whether it is one."""
        stream, remote = (sender, sender.remote) if isinstance(sender, Flow) else (None, Address(*sender))
        request = newcomer(data, remote)
        if request is None or self.endpoint.transactions.serves(request.via, request.method):
            return False
        if request.method == "INVITE" and (waited < CALL_PATIENCE_SECONDS or self.urgent(request.user)):
            return False
        answer, back = request.unavailable(self.endpoint.random.randint(*RETRY_AFTER_SECONDS))
        if self.on_wire is not None:
            self._trace(self.on_wire, False, stream or self.udp_flow(remote), data)
        if stream is not None:
            self._transmit(stream, answer)
        else:
            self._send_datagram(self.udp_flow(back), answer)
        return True

    def _answer_keep_alives(self, queues: Iterable[list[Datagram]]) -> None:
        """And take them away."""
        for queue in queues:
            queue[:] = [
                datagram
                for datagram in queue
                if datagram[0] >= FIRST_OF_MESSAGES or not self._keeps_alive(*datagram)
            ]

    def _keeps_alive(self, data: bytes, peer: tuple[str, int]) -> bool:
        """Whether a datagram is a keep-alive; answers one that wants an answer (RFC 5626 section 4.4.2)."""
        if not is_stun(data):
            return not data.strip(b"\r\n\0")
        remote = Address(*peer)
        response = stun.answer(data, remote)
        if response is None:
            try:
                self.on_stun(data)
            except Exception:  # what came with it is not lost for that
                logger.exception("a STUN message was not handled")
        else:
            self.send_datagram(response, remote)
        return True

    def send_datagram(self, data: bytes, remote: Address) -> None:
        """Send what is no SIP from the port of SIP; it may be lost."""
        if self._udp is not None:
            with contextlib.suppress(OSError):
                self._udp.send(data, remote)

    def send_keep_alive(self, flow: Flow, data: bytes) -> None:
        """Send what is no message over a connection; dropped where that is gone."""
        connection = self._connections.get(flow)
        if connection is not None:
            connection.stream.write(data)

    def _message(self, data: bytes, sender: Sender, now: float) -> None:
        """Take one message; `_finish` is to follow."""
        self._performing = True
        flow = self._udp_flows.get(sender)
        if flow is None:
            flow = sender if isinstance(sender, Flow) else self.udp_flow(Address(*sender))
        if self.on_wire is not None:
            self._trace(self.on_wire, False, flow, data)
        try:
            read = self.readers.get(data[FIRST_SEVEN])
            if read is not None:
                effects = read(data, flow, now, flow is sender)
            else:
                effects = self.endpoint.receive(parse_message(data, flow is sender), flow, now)
        except ParseError as error:
            logger.debug("%s: %s", flow, error)
            effects = self.endpoint.receive_error(error, flow, now)
        except Exception:
            logger.exception("a message from %s was too much for us: %r", flow, data[:200])
            effects = []
        if effects:
            self.perform(effects)

    def udp_flow(self, remote: Address) -> Flow:
        """The flow between our UDP port and a peer."""
        flow = self._udp_flows.get(remote)
        if flow is None:
            assert self._udp is not None, "UDP is closed"
            if len(self._udp_flows) >= MAX_FLOWS:
                self._udp_flows.clear()
            local = self._local
            if local.host in WILDCARDS:
                local = Address(self._network.local_host_towards(remote.host), local.port)
            flow = self._udp_flows[remote] = Flow(UDP, local, remote)
        return flow

    # -- effects ----------------------------------------------------------------------------------------

    def perform(self, effects: Iterable[Effect]) -> None:
        """Do what the endpoint asks for; where one thing leads to another, all is sent at the end."""
        if not self._performing:
            self._performing = True
            try:
                self.perform(effects)
            finally:
                self._finish()
            return
        for effect in effects:
            kind = type(effect)
            if kind is Transmit:
                self._outbox.append(effect)
            elif kind is CloseFlow:
                self._outbox.append((effect.flow, None))
            else:
                tell = self._on_event
                try:
                    tell(effect)
                except Exception:
                    logger.exception("%s was not handled", kind.__name__)
                    self._answer_in_place_of_user(effect)

    def _finish(self) -> None:
        """Send what is to be sent, and see to the timer.

        The way of a datagram through the kernel is long: those that follow each other take half of the time.
        """
        send = None if self._udp is None or self.on_wire is not None or self._large.ways else self._udp.send
        for flow, data in self._outbox:  # where the end of a connection leads to more, that is sent too
            try:
                if data is None:
                    self._close_flow(flow)
                elif send is None or flow.transport is not UDP or len(data) > UDP_MAX_BYTES:
                    self._transmit(flow, data)
                else:
                    try:  # `_send_datagram`, without the call
                        send(data, flow.remote)
                    except OSError as error:
                        self._lost(flow, data, error)
            except Exception:
                logger.exception("%s: not sent", flow)
        self._outbox.clear()
        self._performing = False
        if self._usages.soonest < self._wakes_at or self._transactions.soonest < self._wakes_at:
            self._arm()

    def _answer_in_place_of_user(self, effect: Effect) -> None:
        """Say 500 to a request that its handler left: it would be kept, and its sender kept waiting, for ever."""
        now = self._loop.time()
        try:
            if isinstance(effect, Arrived | RequestInDialog):
                sorry = response_to(effect.request, 500)
                self.perform(self.endpoint.respond(effect.transaction, sorry, now))
            elif isinstance(effect, Invited):
                self.perform(effect.session.reject(500, now))
            elif isinstance(effect, Offered):
                self.perform(effect.session.refuse(500, now))
        except UsageError:  # the handler answered before it failed
            pass

    def _trace(self, on_wire: OnWire, outgoing: bool, flow: Flow, data: bytes) -> None:
        try:
            on_wire(outgoing, flow, data)
        except Exception:
            logger.exception("the trace failed and ends")
            self.on_wire = None

    def _transmit(self, flow: Flow, data: bytes) -> None:
        if flow.transport is UDP:
            if self._large.concerns(data):
                self._large.send(flow, data)
            else:
                self._send_datagram(flow, data)
            return
        if self.on_wire is not None:
            self._trace(self.on_wire, True, flow, data)
        connection = self._connections.get(flow)
        if connection is not None:
            connection.stream.write(data)
        else:  # told later: the machine that sent this is still in the middle of its step
            self._loop.call_soon(self._flow_gone, flow)

    def _send_datagram(self, flow: Flow, data: bytes) -> None:
        if self._udp is None:
            return
        if self.on_wire is not None:
            self._trace(self.on_wire, True, flow, data)
        try:
            self._udp.send(data, flow.remote)
        except OSError as error:
            self._lost(flow, data, error)

    def _lost(self, flow: Flow, data: bytes, error: OSError) -> None:
        """A datagram was not sent. It is as good as lost on the way: the timers end what is really dead."""
        logger.debug("%s: %s", flow, error)
        if error.errno in NO_WAY and not data.startswith(b"SIP/2.0"):
            self._loop.call_soon(self._unsent, data)  # told later, like a lost connection

    def _unsent(self, data: bytes) -> None:
        request = parse_message(data)
        if isinstance(request, Request) and not self._stopped:
            self.perform(self.endpoint.unsent(request, self._loop.time()))

    def _flow_gone(self, flow: Flow) -> None:
        if not self._stopped:
            self.perform(self.endpoint.flow_closed(flow, self._loop.time()))

    def _close_flow(self, flow: Flow) -> None:
        connection = self._connections.get(flow)
        if connection is not None:
            connection.close()

    # -- time -------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Move the timer only when something is due sooner than it; a timer that is early just looks again."""
        deadline = self.endpoint.next_deadline()
        if deadline is None or deadline >= self._wakes_at or self._stopped:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._wakes_at = self._loop.call_at(deadline, self._tick), deadline

    def _tick(self) -> None:
        # The loop may be a hair too early, by the resolution of its clock: nothing would be due yet.
        now = max(self._loop.time(), self._wakes_at)
        self._timer, self._wakes_at = None, inf
        try:
            effects = self.endpoint.tick(now)
        except Exception:
            logger.exception("a timer was too much for us")
            effects = []
        self.perform(effects)

    # -- streams ----------------------------------------------------------------------------------------

    def adopt(self, stream: Stream, transport: Transport) -> Flow:
        """Take over a connection of whatever kind; it is a flow from now on."""
        flow = Flow(transport, stream.local, stream.remote, next(self._connection_numbers))
        self._connections[flow] = Connection(self, stream, flow, self._settings.limits)
        self._per_source[stream.remote.host] += 1
        return flow

    def _accept(self, stream: Stream, transport: Transport) -> None:
        limits = self._settings.limits
        if (
            self._stopped
            or len(self._connections) >= limits.connections
            or self._per_source[stream.remote.host] >= limits.connections_per_source
        ):
            stream.close()
            return
        self.adopt(stream, transport)

    def stream_admits(self, flow: Flow) -> bool:
        """Whether another message of this peer is within its rate."""
        return self._rate.admit(flow.host, self._loop.time())

    def connection_closed(self, connection: Connection) -> None:
        """A connection has ended."""
        flow = connection.flow
        if self._connections.pop(flow, None) is None:
            return
        self._proofs.pop(flow, None)
        self._per_source[flow.host] -= 1
        if not self._per_source[flow.host]:
            del self._per_source[flow.host]
        if self._stopped:
            return
        self._flow_gone(flow)
        try:
            self._on_flow_closed(flow)
        except Exception:
            logger.exception("the end of a connection was not handled")

    # -- flows to elsewhere -----------------------------------------------------------------------------

    async def flow_to(
        self,
        transport: Transport,
        remote: Address,
        *,
        server_name: str | None = None,
        authorities: Path | None = None,
    ) -> Flow:
        """A flow to an address or host name, over a connection that exists or a new one. Raises OSError.

        Over TLS the server proves to be `server_name`, or the host of `remote`, to `authorities`, or those of the
        settings; a connection that somebody else opened, or that proved something else, is none to it.
        """
        name, trusted = server_name or remote.host, authorities or self._settings.authorities
        proof = (name, trusted) if transport.secure else None
        hosts = (await self._network.resolve(remote.host))[:MAX_ADDRESSES]
        addresses = [Address(host, remote.port) for host in hosts]
        if transport is UDP:
            return self.udp_flow(self._of_our_family(addresses))
        for flow in self._connections:
            if flow.transport is transport and flow.remote in addresses and self._proofs.get(flow) == proof:
                return flow
        tls = client_tls(self._settings.verify_peers, trusted) if transport.secure else None
        stream = await self._connect(addresses, tls, name)
        if self._stopped:
            stream.close()
            raise ConnectionAbortedError(f"stopped while connecting to {stream.remote}")
        flow = self.adopt(stream, transport)
        if proof is not None:
            self._proofs[flow] = proof
        return flow

    async def _connect(self, addresses: list[Address], tls: ssl.SSLContext | None, name: str) -> Stream:
        """A connection to the first that takes one. Raises the OSError of the last."""
        for address in addresses[:-1]:
            try:
                return await self._network.connect(address, tls, name)
            except OSError as error:
                logger.info("%s, an address of %s: %s", address, name, error)
        return await self._network.connect(addresses[-1], tls, name)

    def _of_our_family(self, addresses: list[Address]) -> Address:
        """The first that our UDP port can send to: it is of IPv4 or of IPv6."""
        v6 = ":" in self._settings.listen
        return next((address for address in addresses if (":" in address.host) == v6), addresses[0])


def _nobody_asked(data: bytes) -> None:
    """A STUN message for nobody."""


def _nothing_is(user: str) -> bool:
    return False


class Connection:
    """A stream and the framing of what comes over it; closes what idles, drips, or cannot be cut into messages."""

    def __init__(self, driver: Driver, stream: Stream, flow: Flow, limits: Limits) -> None:
        self.stream = stream
        self.flow = flow
        self._driver = driver
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._framer = StreamFramer()
        self._begun_at: float | None = self._loop.time()
        """When the message that is not whole yet began."""
        self._heard_at = self._loop.time()
        self._watch = self._loop.call_later(limits.message_seconds, self._look)
        stream.receive = self._receive
        stream.closed = self._closed

    def close(self) -> None:
        """End the connection."""
        self.stream.close()
        self._closed()

    def _receive(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        began, pongs = False, b""
        try:
            while messages := self._framer.feed(data):
                began, data = True, b""
                for message in messages:
                    if not self._driver.stream_admits(self.flow):
                        continue
                    if not message:
                        pongs += PONG  # written together: a ping costs a stranger little, so it has to cost us little
                        continue
                    self._driver.stream_message(message, self.flow)
            if pongs:
                self.stream.write(pongs)
        except ParseError as error:
            logger.debug("%s: %s", self.flow, error)
            self._loop.call_soon(self.close)  # what came before is answered first
            return
        if not self._framer.pending:
            self._begun_at = None
        elif self._begun_at is None or began:
            self._begun_at = self._heard_at

    def _look(self) -> None:
        """Close what has taken too long; look again when the next thing may have."""
        now = self._loop.time()
        slow = self._begun_at is not None and now >= self._begun_at + self._limits.message_seconds
        if slow or now >= self._heard_at + self._limits.idle_seconds:
            logger.info("%s: closed, %s", self.flow, "a message took too long" if slow else "idle")
            self.close()
            return
        self._watch = self._loop.call_later(self._limits.message_seconds, self._look)

    def _closed(self) -> None:
        self._watch.cancel()
        self._driver.connection_closed(self)


def server_tls(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """TLS 1.2 and above with our certificate. Raises OSError, which includes ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


def client_tls(verify: bool, authorities: Path | None = None) -> ssl.SSLContext:
    """TLS 1.2 and above towards servers; `verify` checks their certificates. Raises OSError."""
    context = ssl.create_default_context(cafile=authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
