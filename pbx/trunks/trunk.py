"""One trunk at work: where its servers are, whether it is registered, whether it answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pbx.happenings import TrunkDown, TrunkUp
from pbx.numbers import NumberingPlan
from pbx.trunks.settings import Trunk as Settings
from pbx.trunks.settings import TrunkType
from sipcore.dialog.dialog import MAX_FORWARDS
from sipcore.registrar.answering import DigestAccount
from sipcore.registrar.client import (
    ClientEffect,
    Registration,
    RegistrationChanged,
    RegistrationSettings,
    RegistrationState,
    SendRegister,
)
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import REASONS, Request, Response
from sipcore.syntax.uri import Uri
from sipcore.transport.failover import Servers, retry_after
from sipcore.transport.flow import Flow, Transport
from sipcore.transport.resolve import Target, locate
from values import dataclass

if TYPE_CHECKING:
    from pbx.switch import Switch

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 10.0
"""How long one server may take to answer a REGISTER or an OPTIONS before the next is asked."""
RESOLVE_SECONDS = 300.0
"""How long what the DNS said is good for."""

_TRANSPORTS = {"udp": Transport.UDP, "tcp": Transport.TCP, "tls": Transport.TLS, "auto": None}


@dataclass(frozen=True, slots=True)
class PortStatus:
    """A port as those see it who may: plain facts."""

    number: int
    name: str
    type: TrunkType
    registered: bool | None
    """None for a gateway, which is not registered at."""
    up: bool
    """Whether calls are given to it."""
    reason: str
    """Why it is not; empty if it is."""
    calls: int
    round_trip_ms: float | None
    """Of the last OPTIONS that was answered."""

    @property
    def text(self) -> str:
        """For people: "Registered (idle)", "Up (2 calls)", "Down: the server does not answer"."""
        if not self.up:
            return (
                f"{'Down' if self.registered is None else 'Not registered'}: {self.reason or 'not asked yet'}"
            )
        calls = "idle" if not self.calls else "1 call" if self.calls == 1 else f"{self.calls} calls"
        return f"{'Up' if self.registered is None else 'Registered'} ({calls})"


class Trunk:
    """A way to the outside. `start` it in a running loop; `stop` takes its registration back."""

    def __init__(self, switch: Switch, settings: Settings, port: int, plan: NumberingPlan) -> None:
        self.settings = settings
        self.name = settings.name
        self.port = port
        self.plan = plan
        """How it writes numbers."""
        self.servers = Servers()
        self.round_trip_ms: float | None = None
        self._switch = switch
        self._loop = switch.loop
        random = switch.environment.rng
        self.account = (
            DigestAccount(settings.user, settings.secret, random, settings.realm) if settings.secret else None
        )
        self.registration: Registration | None = None
        if settings.type is TrunkType.PROVIDER and self.account is not None:
            registrar = Uri.parse(f"sip:{settings.registrar}")
            aor = Uri("sip", settings.user, host=registrar.host)
            self.registration = Registration(RegistrationSettings(aor, registrar), self.account, random)
        self._answers: bool | None = None
        """Whether it answered the last OPTIONS; None before the first, and for a provider that never answers any."""
        self._problem = ""
        self._found: frozenset[str] = frozenset()
        """The addresses that the DNS had last."""
        self._hosts: frozenset[str] = frozenset()
        """From where its calls are taken."""
        self._registered_over: Flow | None = None
        """Where the last REGISTER was accepted, which may be where a redirection led."""
        self._resolved_at: float | None = None
        self._told_up: bool | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._registering: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._stopping = False

    # -- life -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Find its servers, register, and go on asking whether it is there."""
        self._begin(self._find)
        if self.registration is not None:
            self._registering = self._begin(partial(self._stay_registered, self.registration))
        if self.settings.qualify_seconds:
            self._begin(self._qualify)

    async def stop(self, seconds: float) -> None:
        """Take the registration back, if that can be done in so many seconds."""
        self._stopping = True
        self._wake.set()
        if self._registering is not None:
            await asyncio.wait([self._registering], timeout=seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def _begin(self, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        self._tasks.append(task := self._loop.create_task(self._keep_at(work), name=f"trunk {self.name}"))
        return task

    async def _keep_at(self, work: Callable[[], Awaitable[None]]) -> None:
        """Whatever a provider may send: a fault of ours does not end the trunk."""
        while True:
            try:
                return await work()
            except Exception:
                logger.exception("trunk %s has a fault, and is tried again", self.name)
                await asyncio.sleep(PATIENCE_SECONDS)

    # -- what others ask ----------------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Whether a call may be given to it: registered if need be, and not known to be down."""
        return self._answers is not False and self._registered is not False

    @property
    def calls(self) -> int:
        """How many calls go through it, ringing ones too."""
        return self._switch.calls_of(self.name)

    @property
    def full(self) -> bool:
        """Whether it takes no more calls."""
        return 0 < self.settings.max_calls <= self.calls

    @property
    def domain(self) -> str:
        """What stands behind the @ of numbers at a provider; empty for a gateway."""
        return self.registration.settings.registrar.host if self.registration else ""

    @property
    def status(self) -> PortStatus:
        """For those who look at ports."""
        reason = "" if self.usable else self._reason
        return PortStatus(
            self.port,
            self.name,
            self.settings.type,
            self._registered,
            self.usable,
            reason,
            self.calls,
            self.round_trip_ms,
        )

    def owns(self, flow: Flow) -> bool:
        """Whether what comes over a flow comes from this trunk: by its address, and no less safely than agreed."""
        secure = self.settings.transport == "tls"
        host, registrar = flow.host, self._registered_over
        known = host in self._hosts or (registrar is not None and host == registrar.remote.host)
        return known and (flow.transport.secure or not secure)

    def flow_closed(self, flow: Flow) -> None:
        """A connection is gone; over that of its registration the provider would have called."""
        if self.registration is not None and flow == self._registered_over:
            self.registration.flow_lost(self._loop.time())
            self._wake.set()

    @property
    def service_route(self) -> tuple[NameAddress, ...]:
        """The way that its requests take (RFC 3608)."""
        return self.registration.service_route if self.registration else ()

    # -- servers ------------------------------------------------------------------------------------------

    async def targets(self) -> list[Target]:
        """The servers to try, best first; none where none can be found."""
        now = self._loop.time()
        if self._resolved_at is None or now >= self._resolved_at + RESOLVE_SECONDS or not len(self.servers):
            await self._resolve()
        return self.servers.in_order(now)

    async def reach(self, target: Target) -> Flow:
        """A flow to a server. Raises OSError; the server rests then."""
        try:
            return await self._switch.driver.flow_to(
                target.transport,
                target.address,
                server_name=target.name,
                authorities=self.settings.authorities,
            )
        except OSError as error:
            self.failed(target, str(error))
            raise

    def failed(self, target: Target, reason: str, rest_seconds: float = 0.0) -> None:
        """A server did not do what it is for; others come first for a while."""
        if self.servers.failed(target, self._loop.time(), rest_seconds):  # said once, not at each question
            logger.info("trunk %s: %s: %s", self.name, target, reason)
        self._problem = reason

    async def _resolve(self) -> None:
        settings = self.settings
        names = settings.addresses or (settings.proxy or settings.registrar,)
        targets = [target for name in names for target in await self._locate(Uri.parse(f"sip:{name}"))]
        if not targets:
            return
        self._resolved_at = self._loop.time()
        self.servers.replace(list(dict.fromkeys(targets)))
        found = frozenset(target.address.host for target in targets)
        if found != self._found:  # a call may still come from a server that the DNS had before
            self._hosts, self._found = found | self._found, found

    async def _locate(self, uri: Uri) -> list[Target]:
        """The servers of a URI; none where they cannot be found."""
        environment = self._switch.environment
        transport = _TRANSPORTS[self.settings.transport]
        try:
            return await locate(uri, transport, environment.network, environment.rng)
        except OSError as error:
            self._problem = f"{uri.host} cannot be found: {error}"
            return []

    async def _find(self) -> None:
        """Know from whom calls come before the first one does, and when the servers move."""
        while True:
            await self._resolve()
            await asyncio.sleep(RESOLVE_SECONDS if len(self.servers) else PATIENCE_SECONDS)

    async def _ask(
        self, make: Callable[[Flow], Request], targets: Sequence[Target]
    ) -> tuple[Response, Flow | None]:
        """Send a request to one server after another until one answers; its answer, and over which flow it came."""
        answer = Response(503)
        for target in targets:
            try:
                flow = await self.reach(target)
            except OSError:
                continue
            answer = await self._exchange(make(flow), flow)
            if answer.status not in (408, 503):
                self.servers.works(target)
                return answer, flow
            self.failed(target, _SILENT if answer.status == 408 else _OVERLOADED, retry_after(answer))
        return answer, None

    async def _exchange(self, request: Request, flow: Flow) -> Response:
        """The final response to a request; 408 if none comes in time."""
        heard: asyncio.Future[Response] = self._loop.create_future()

        def hear(response: Response) -> None:
            if not heard.done():
                heard.set_result(response)

        self._switch.requests.send(request, flow, hear)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await heard
        except TimeoutError:
            return Response(408)

    # -- registration ---------------------------------------------------------------------------------------

    @property
    def _registered(self) -> bool | None:
        return self.registration.state is RegistrationState.REGISTERED if self.registration else None

    async def _stay_registered(self, registration: Registration) -> None:
        """Do what the machine says until it has ended."""
        effects = registration.start(self._loop.time())
        while True:
            due = self._note(effects)
            if due is not None:
                redirected = due != registration.settings.registrar
                targets = await (self._locate(due) if redirected else self.targets())
                response, flow = await self._ask(self._register_request, targets)
                if response.status < 300:
                    self._registered_over = flow
                effects = registration.receive(response, self._loop.time())
            elif registration.state is RegistrationState.ENDED:
                return
            else:
                await self._wait_until(registration.deadline)
                now = self._loop.time()
                effects = registration.stop(now) if self._stopping else registration.tick(now)

    def _register_request(self, flow: Flow) -> Request:
        assert self.registration is not None
        request = self.registration.request(self.contact(flow))
        request.add("User-Agent", self._switch.endpoint.settings.server)
        return request

    def contact(self, flow: Flow) -> Uri:
        """Where the provider sends its calls."""
        transport = flow.transport
        parameters = () if transport is Transport.UDP else (("transport", transport.value.lower()),)
        local = self._switch.nat.addresses.signalling(flow)
        return Uri("sip", self.settings.user, host=local.host, port=local.port, parameters=parameters)

    async def _wait_until(self, deadline: float | None) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    def _note(self, effects: Iterable[ClientEffect]) -> Uri | None:
        """Tell what has changed; whose server a REGISTER is due at."""
        due: Uri | None = None
        for effect in effects:
            if isinstance(effect, SendRegister):
                due = effect.uri
            elif isinstance(effect, RegistrationChanged):
                logger.info("trunk %s: %s %s", self.name, effect.state.value, effect.reason)
                self._tell()
        return due

    # -- is it there? -----------------------------------------------------------------------------------------

    async def _qualify(self) -> None:
        """Ask again and again. Any answer will do: a 405 is one."""
        while True:
            asked_at = self._loop.time()
            response, _ = await self._ask(self._options_request, await self.targets())
            if response.status not in (408, 503):
                self._answers = True
                self.round_trip_ms = round((self._loop.time() - asked_at) * 1000, 1)
                self._problem = ""
            else:
                if self._answers is not None or self.registration is None:
                    self._answers = False
                self._problem = self._problem or f"{response.status} {REASONS.get(response.status, '')}"
            self._tell()
            await asyncio.sleep(self.settings.qualify_seconds)

    def _options_request(self, flow: Flow) -> Request:
        identifiers = self._switch.endpoint.identifiers
        host = self.domain or flow.host
        ours = Uri("sip", self.settings.user or None, host=self._switch.nat.addresses.signalling(flow).host)
        return Request(
            "OPTIONS",
            Uri("sip", host=host),
            [
                ("Max-Forwards", str(MAX_FORWARDS)),
                ("From", f"<{ours}>;tag={identifiers.tag()}"),
                ("To", f"<{Uri('sip', host=host)}>"),
                ("Call-ID", identifiers.call_id()),
                ("CSeq", "1 OPTIONS"),
                *self._switch.endpoint.local_headers(flow, self.settings.user),
            ],
        )

    # -- telling ----------------------------------------------------------------------------------------------

    @property
    def _reason(self) -> str:
        if self._registered is False and self.registration is not None:
            return self.registration.reason or self.registration.state.value
        return self._problem

    def _tell(self) -> None:
        """Tell that it has come up or gone down, once each; nothing while it is being tried for the first time."""
        up = self.usable
        waiting = self.registration is not None and self.registration.state is RegistrationState.REGISTERING
        if up == self._told_up or waiting or self._stopping:
            return
        self._told_up = up
        at, tell = self._switch.environment.wall(), self._switch.happenings.tell
        if up:
            logger.info("trunk %s is up", self.name)
            tell(TrunkUp(at=at, trunk=self.name, port=self.port, round_trip_ms=self.round_trip_ms))
        else:
            logger.warning("trunk %s is down, and gets no calls: %s", self.name, self._reason)
            tell(TrunkDown(at=at, trunk=self.name, port=self.port, reason=self._reason))


_SILENT = "the server does not answer"
_OVERLOADED = "the server is overloaded"
