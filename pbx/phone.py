"""A phone to script: on the same stack as the switch, for tests, demos and the command line.

phone = Phone(environment, PhoneAccount("100", "secret", server), local=Address("127.0.0.1", 5070))
await phone.start()
await phone.register()
call = await phone.call("101")     # raises CallFailed(486) and the like
call.play_tone(440)
await call.over()
await phone.stop()
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import field
from pathlib import Path
from typing import Any

from media.messages import DigitReceived, PlayEnded, PlayFile, PlayTone, Quiet, RecordFile, SendDigits
from media.plan import G711, Codec, Direction
from media.service import MediaService, MediaSettings
from media.tones import Tone
from pbx.environment import Environment
from pbx.info_digits import PLAIN, RELAY
from pbx.leg import Leg, LegState
from pbx.media_keys import Srtp
from pbx.negotiate import NotAcceptable
from pbx.phone_transfer import Headers, Transferring, take_notify
from pbx.phone_watch import Lamp, PhoneWatch
from sipcore.effects import (
    Arrived,
    Effect,
    Invited,
    Notified,
    Rejected,
    RequestInDialog,
    Responded,
    WatchEnded,
)
from sipcore.endpoint import METHODS, Endpoint, EndpointSettings
from sipcore.net.driver import Driver, DriverSettings
from sipcore.net.limits import Limits
from sipcore.registrar.digest import answer_challenge
from sipcore.registrar.gate import Admitted, Gate
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import Request, Response, response_to
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Address, Flow, Transport
from values import dataclass

SERVED = (*METHODS, "NOTIFY")

REFRESH_SHARE = 0.8
"""A registration is refreshed after this share of its life."""


REGISTER_SECONDS = 3600
RETRY_SECONDS = 30.0
"""How long after a refresh that failed it is tried again."""


class CallFailed(Exception):
    """The call was not answered; `status` is the final response."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the call ended with {status}")
        self.status = status


class RegistrationFailed(Exception):
    """The server refused the registration with `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the registration ended with {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class PhoneAccount:
    """What a user types into a phone."""

    number: str
    password: str = field(repr=False)
    server: Address
    transport: Transport = Transport.UDP
    display_name: str = ""
    authorities: Path | None = None
    """Who may have signed the server's certificate; None: whom the operating system trusts."""


class _OpenGate:
    """A phone trusts whoever its server sends."""

    def admit(self, request: Request, flow: Flow, now: float) -> Admitted:
        return Admitted("")


class _OwnLegs(set[Leg]):
    """The legs of a phone, that nobody watches."""

    followed: tuple[str, ...] = ()

    def changed(self, line: str) -> None:
        pass

    def lend(self, stream: int, leg: Leg) -> None:
        pass


class PhoneCall(Transferring):
    """One call of a phone. It steers a leg just as the switch does."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone
        self.leg = Leg(phone, None, self, host=phone.media_host)
        self.leg.negotiation.telephone_events = phone.telephone_events
        if not phone.knows_srtp:
            self.leg.negotiation.keys = None
        self.leg.ended.add_done_callback(self._over)
        self.provisionals: list[int] = []
        """Status codes of the provisional responses heard, in order."""
        self.digits = ""
        """Those that the far end has sent as telephone-events."""
        self._credentials_sent = False
        self._accepted: asyncio.Future[None] = phone.loop.create_future()
        self._played: asyncio.Future[None] = phone.loop.create_future()

    # -- verbs ----------------------------------------------------------------------------------------------

    def ring(self) -> None:
        """Send 180."""
        self.leg.ring()

    def answer(self, codec: Codec | None = None) -> None:
        """Send 200."""
        self.leg.answer(codec)

    def reject(self, status: int = 486) -> None:
        """Refuse with a final response."""
        self.leg.reject(status)

    def redirect(self, *numbers: str, status: int = 302) -> None:
        """Send the call elsewhere, to the first number by preference."""
        host = self.phone.account.server.host
        contacts = [f"<sip:{number}@{host}>;q={1 - place / 10:.1f}" for place, number in enumerate(numbers)]
        self.leg.reject(status, headers=[("Contact", ", ".join(contacts))])

    def hang_up(self) -> None:
        """CANCEL or BYE, whichever fits."""
        self.leg.hang_up()

    def play(self, path: Path) -> None:
        """Play a WAV file to the far end; `played()` waits for its end."""
        self._played = self.phone.loop.create_future()
        self.phone.media.send(PlayFile(self.leg.stream, str(path)))

    def play_tone(self, hertz: float) -> None:
        """Play a sine until the call ends."""
        self.phone.media.send(PlayTone(self.leg.stream, Tone.sine(hertz)))

    def quiet(self) -> None:
        """Play nothing any more."""
        self.phone.media.send(Quiet(self.leg.stream))

    def record(self, path: Path) -> None:
        """Record what the far end sends, until the call ends."""
        self.phone.media.send(RecordFile(self.leg.stream, str(path)))

    def send_digits(self, digits: str) -> None:
        """Send DTMF as telephone-events (RFC 4733), or as tones where they are not agreed on."""
        self.phone.media.send(SendDigits(self.leg.stream, digits))

    def send_info_digit(self, digit: str, *, milliseconds: int | None = 160) -> None:
        """Send DTMF in an INFO: application/dtmf-relay, or application/dtmf where no duration is to be told."""
        relay = milliseconds is not None
        body = f"Signal={digit}\r\nDuration={milliseconds}\r\n" if relay else digit
        self.send_info(RELAY if relay else PLAIN, body.encode())

    def send_info(self, content_type: str, body: bytes) -> None:
        """Send an INFO within the call."""
        session = self.leg.session
        if session is not None:
            headers = [("Content-Type", content_type)]
            self.phone.driver.perform(session.send_request("INFO", self.phone.loop.time(), headers, body))

    def hold(self) -> None:
        """Ask the far end, by re-INVITE, to stop sending (RFC 3264 section 8.4)."""
        self._modify(Direction.SENDONLY)

    def resume(self) -> None:
        """Undo `hold`."""
        self._modify(Direction.SENDRECV)

    # -- waiting --------------------------------------------------------------------------------------------

    async def answered(self) -> None:
        """Wait until the far end answers. Raises CallFailed with its final response."""
        await asyncio.shield(self._accepted)

    async def played(self) -> None:
        """Wait until what `play` began has been sent."""
        await asyncio.shield(self._played)

    async def over(self) -> int:
        """Wait for the end of the call; 200 after a BYE, else its final response."""
        return await asyncio.shield(self.leg.ended)

    # -- what the far end does (Watcher) ------------------------------------------------------------------------

    def leg_progressed(self, leg: Leg, response: Response) -> None:
        self.provisionals.append(response.status)

    def leg_accepted(self, leg: Leg) -> None:
        if not self._accepted.done():
            self._accepted.set_result(None)

    def leg_ended(self, leg: Leg, status: int) -> None:
        if not self._accepted.done():
            self._accepted.set_exception(CallFailed(status))
            self._accepted.exception()  # retrieved: not every script waits for an answer

    def _over(self, ended: asyncio.Future[int]) -> None:
        """The leg has ended, whoever ended it."""
        self.leg_ended(self.leg, ended.result())
        self.phone.calls.discard(self)

    def on_effect(self, effect: Effect) -> None:
        """Answer a challenge for the INVITE once; leave all else to the leg."""
        if (
            isinstance(effect, Rejected)
            and effect.response.status in (401, 407)
            and not self._credentials_sent
            and self.leg.state is not LegState.ENDED
        ):
            header = self.phone.credentials_for(effect.session.request, effect.response)
            if header is not None:
                self._credentials_sent = True
                self.phone.driver.perform(effect.session.authorize(*header, self.phone.loop.time()))
                return
        self.leg.on_effect(effect)

    def media_told(self, event: Any) -> None:
        """An event of the media engine about this call's stream."""
        if isinstance(event, PlayEnded) and not self._played.done():
            self._played.set_result(None)
        elif isinstance(event, DigitReceived):
            self.digits += event.digit

    def _modify(self, direction: Direction) -> None:
        session = self.leg.session
        if session is not None and self.leg.state is LegState.ANSWERED:
            offer = self.leg.negotiation.offer(direction=direction)
            self.phone.driver.perform(session.modify(offer, self.phone.loop.time()))


class Phone:
    """One registered phone. Build it inside a running event loop."""

    def __init__(
        self,
        environment: Environment,
        account: PhoneAccount,
        *,
        local: Address,
        port_range: tuple[int, int] = (30000, 30999),
        endpoint_settings: EndpointSettings | None = None,
        gate: Gate | None = None,
    ) -> None:
        """`gate` says whose requests are served; everybody's where there is none."""
        self.environment = environment
        self.account = account
        self.loop = asyncio.get_running_loop()
        settings = endpoint_settings or EndpointSettings(methods=SERVED)
        self.endpoint = Endpoint(settings, environment.rng, gate or _OpenGate())
        self.driver = Driver(
            self.endpoint,
            environment.network,
            _driver_settings(account, local),
            self._on_effect,
            self._on_flow_closed,
        )
        self.media = MediaService(
            MediaSettings(local.host, port_range, workers=0), environment.media_network, environment.rng
        )
        self.media.on_event = self._on_media_event
        self.legs = _OwnLegs()
        self.calls: set[PhoneCall] = set()
        self.auto_answer = False
        """Whether calls are answered at once; otherwise they wait in `incoming()`."""
        self.codecs: tuple[Codec, ...] = G711
        """What this phone speaks, preferred ones first."""
        self.telephone_events = True
        """Whether it knows telephone-events; else its digits are tones."""
        self.srtp = Srtp.OFF
        """When it secures its sound."""
        self.knows_srtp = True
        self.user_agent = ""
        """What its registrations say that it is made as."""
        self.reconnects = False
        """Whether it registers anew over another connection at once when one breaks, with its calls."""
        self.instance = ""
        """What its registrations say that it is, whatever its address (RFC 5626 section 4.1)."""
        self.refuse_with: int | None = None
        """A final response for every call, such as 486."""
        self.messages: list[Request] = []
        """The MESSAGEs that have come (RFC 3428)."""
        self.message_status: int | None = 200
        """What it answers them with; None lets them go unanswered."""
        self.notified: list[Request] = []
        """Every NOTIFY that it has not asked for, in order."""
        self._incoming: asyncio.Queue[PhoneCall] = asyncio.Queue()
        self._pending: dict[Any, asyncio.Future[Response]] = {}
        self._flow: Flow | None = None
        self._refresh: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._register_cseq = 0
        self._register_call_id = f"{environment.rng.getrandbits(64):016x}"

    # -- life -----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the ports and the way to the server. Raises OSError."""
        await self.media.start()
        await self.driver.start()
        await self._connect()

    async def _connect(self) -> None:
        """Find the way to the server; over a new connection where the one before has broken. Raises OSError."""
        self._flow = await self.driver.flow_to(self.account.transport, self.account.server)

    async def stop(self) -> None:
        """Hang up and close; does not unregister."""
        if self._refresh is not None:
            self._refresh.cancel()
        for task in self._tasks:
            task.cancel()
        for call in sorted(self.calls, key=lambda call: call.leg.stream):
            call.hang_up()
        await self.driver.stop()
        await self.media.stop()

    @property
    def flow(self) -> Flow:
        """The way to the server, known after `start()`."""
        assert self._flow is not None, "the phone has not been started"
        return self._flow

    @property
    def media_host(self) -> str:
        """The address this phone receives media at."""
        return self.flow.local.host

    # -- registering ----------------------------------------------------------------------------------------

    async def register(self, seconds: int = 3600) -> None:
        """Register and keep it fresh; 0 seconds unregisters. Raises RegistrationFailed."""
        response = await self._request_register(seconds)
        if response.status >= 300:
            raise RegistrationFailed(response.status)
        if self._refresh is not None:
            self._refresh.cancel()
            self._refresh = None
        if seconds:
            granted = self._granted(response, seconds)
            self._refresh = self.loop.call_later(granted * REFRESH_SHARE, self._start_refresh, seconds)

    async def unregister(self) -> None:
        """Take this phone's contact out of the registrar."""
        await self.register(0)

    async def _request_register(self, seconds: int) -> Response:
        request = self._register_request(seconds)
        response = await self.request(request)
        if response.status in (401, 407):
            header = self.credentials_for(request, response)
            if header is not None:
                response = await self.request(self._register_request(seconds, header))
        return response

    def _register_request(self, seconds: int, *headers: tuple[str, str]) -> Request:
        self._register_cseq += 1
        me = self._address_of(self.account.number)
        return Request(
            "REGISTER",
            Uri("sip", None, host=self.account.server.host, port=self.account.server.port),
            [
                ("Max-Forwards", "70"),
                ("From", str(me.with_tag(f"{self.environment.rng.getrandbits(64):016x}"))),
                ("To", str(me)),
                ("Call-ID", self._register_call_id),
                ("CSeq", f"{self._register_cseq} REGISTER"),
                (
                    "Contact",
                    f"<{self.contact}>" + (f';+sip.instance="{self.instance}"' if self.instance else ""),
                ),
                ("Expires", str(seconds)),
                *((("User-Agent", self.user_agent),) if self.user_agent else ()),
                *headers,
            ],
        )

    @property
    def contact(self) -> Uri:
        """Where this phone is reached."""
        parameters = (
            ()
            if self.flow.transport is Transport.UDP
            else (("transport", self.flow.transport.value.lower()),)
        )
        return Uri(
            "sip",
            self.account.number,
            host=self.flow.local.host,
            port=self.flow.local.port,
            parameters=parameters,
        )

    def _granted(self, response: Response, asked: int) -> int:
        for contact in response.contacts:
            if contact.uri.matches(self.contact):
                return int(contact.parameter("expires") or asked)
        return asked

    def _start_refresh(self, seconds: int) -> None:
        task = self.loop.create_task(self._keep_registered(seconds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_registered(self, seconds: int) -> None:
        """Register again; where the server is not reached or refuses, again and again."""
        while True:
            try:
                await self._connect()
                return await self.register(seconds)
            except (RegistrationFailed, OSError):
                await asyncio.sleep(RETRY_SECONDS)

    def _on_flow_closed(self, flow: Flow) -> None:
        if self.reconnects and flow == self._flow:
            task = self.loop.create_task(self._come_back(flow))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _come_back(self, lost: Flow) -> None:
        with contextlib.suppress(OSError):
            await self._connect()
            for session in self.endpoint.sessions_on(lost):
                self.driver.perform(self.endpoint.move(session, self.flow))
        await self._keep_registered(REGISTER_SECONDS)

    # -- calls ----------------------------------------------------------------------------------------------

    def dial(
        self, number: str, *, offerless: bool = False, secure: bool = False, headers: Headers = ()
    ) -> PhoneCall:
        """Send an INVITE and return at once; `offerless` leaves the offer to the far end, `secure` is for a `sips:`
        address."""
        call = PhoneCall(self)
        self.calls.add(call)
        target = self._address_of(number)
        if secure:
            target = target._replace(uri=target.uri._replace(scheme="sips"))
        call.leg.call(
            target.uri,
            self.flow,
            from_=self._address_of(self.account.number),
            to=target,
            owner=call,
            offerless=offerless,
            headers=headers,
        )
        return call

    async def call(self, number: str) -> PhoneCall:
        """Call a number and wait for the answer. Raises CallFailed."""
        call = self.dial(number)
        try:
            await call.answered()
        except asyncio.CancelledError:
            call.hang_up()
            raise
        return call

    async def incoming(self) -> PhoneCall:
        """Wait for the next call that is neither refused nor answered by itself; it rings."""
        return await self._incoming.get()

    def watch(self, number: str, event: str, seconds: int = 3600) -> PhoneWatch:
        """Subscribe to what the server tells of a number in an event package."""
        return PhoneWatch(self, self._address_of(number).uri, event, seconds).start()

    def lamp(self, number: str, seconds: int = 3600) -> Lamp:
        """Watch the calls of a number."""
        return Lamp(self, self._address_of(number).uri, "dialog", seconds).start()

    async def request(self, request: Request) -> Response:
        """Send a request outside any call; return its final response (408 and 503 for failures)."""
        transaction, effects = self.endpoint.request(request, self.flow, self.loop.time())
        done: asyncio.Future[Response] = self.loop.create_future()
        self._pending[transaction] = done
        self.driver.perform(effects)
        return await done

    def credentials_for(self, request: Request, challenge: Response) -> tuple[str, str] | None:
        """The header that answers a 401 or 407 for `request`; None if the challenge cannot be met."""
        asked, answer = (
            ("WWW-Authenticate", "Authorization")
            if challenge.status == 401
            else ("Proxy-Authenticate", "Proxy-Authorization")
        )
        value = answer_challenge(
            challenge.get_all(asked),
            request.method,
            str(request.uri),
            self.account.number,
            self.account.password,
            nc=1,
            cnonce=f"{self.environment.rng.getrandbits(64):016x}",
        )
        return None if value is None else (answer, value)

    def _address_of(self, number: str) -> NameAddress:
        name = self.account.display_name if number == self.account.number else None
        return NameAddress(name or None, Uri("sip", number, host=self.account.server.host), ())

    # -- what the stack tells -----------------------------------------------------------------------------------

    def _on_effect(self, effect: Effect) -> None:
        match effect:
            case Responded(transaction, response):
                if response.status >= 200:
                    waiting = self._pending.pop(transaction, None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(response)
            case Invited():
                self._on_invite(effect)
            case Arrived(transaction, request) if request.method == "MESSAGE":
                self.messages.append(request)
                if self.message_status is not None:
                    response = response_to(request, self.message_status)
                    self.driver.perform(self.endpoint.respond(transaction, response, self.loop.time()))
            case Notified() | WatchEnded():
                effect.watch.owner.on_effect(effect)
            case Arrived(transaction, request) | RequestInDialog(_, transaction, request):
                if request.method == "NOTIFY":
                    take_notify(self, request)
                status = 200 if request.method in ("OPTIONS", "INFO", "NOTIFY") else 405
                self.driver.perform(
                    self.endpoint.respond(transaction, response_to(request, status), self.loop.time())
                )
            case _:
                if effect.session.owner is not None:
                    effect.session.owner.on_effect(effect)

    def _on_invite(self, invited: Invited) -> None:
        call = PhoneCall(self)
        self.calls.add(call)
        try:
            call.leg.receive_call(invited.session, invited.offer)
        except NotAcceptable:
            call.reject(488)
            return
        if self.refuse_with is not None:
            call.reject(self.refuse_with)
        elif self.auto_answer:
            call.answer()
        else:
            call.ring()
            self._incoming.put_nowait(call)

    def _on_media_event(self, event: Any) -> None:
        stream = getattr(event, "stream", None)
        for call in self.calls:
            if call.leg.stream == stream:
                call.media_told(event)


def _driver_settings(account: PhoneAccount, local: Address) -> DriverSettings:
    return DriverSettings(
        listen=local.host,
        udp_port=local.port,
        authorities=account.authorities,
        limits=Limits(
            idle_seconds=math.inf
        ),  # how long to wait for a phone that says nothing is the server's affair
    )
