"""The telephone network beyond a trunk: a gateway or provider that behaves, and one that is scripted byte by byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pbx.phone import Phone, PhoneAccount, PhoneCall
from sipcore.effects import Arrived, Effect
from sipcore.errors import PeerError
from sipcore.net.network import Listener, Stream
from sipcore.registrar.digest import Credentials
from sipcore.registrar.gate import Account, Admitted, DigestGate, Ignored, Refused
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import Request, Response, response_to
from sipcore.syntax.parser import parse_message
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Address, Flow, Transport
from tests.simulation.impairment import LAN, Profile
from tests.simulation.network import HostNetwork
from tests.simulation.office import PBX, Office, environment

GATEWAY = "203.0.113.10"
SECOND = "203.0.113.11"
REALM = "carrier"
USER, PASSWORD = "0033140000000", "what the carrier gave"
MOBILE = "+33612345678"
"""Of somebody outside."""


class AccountGate:
    """Lets in who has an account, and challenges all others; OPTIONS are for everybody."""

    def __init__(self, secret: bytes) -> None:
        credentials = Credentials.of(USER, REALM, PASSWORD)
        account = Account(USER, credentials)
        self._behind = DigestGate(REALM, lambda name: account if name == USER else None, secret)

    def admit(self, request: Request, flow: Flow, now: float) -> Admitted | Refused | Ignored:
        return Admitted("") if request.method == "OPTIONS" else self._behind.admit(request, flow, now)


class Carrier(Phone):
    """Rings for whoever is called outside, and calls in. With a gate it is a provider with one account."""

    registered_at: Uri | None = None
    """The contact of the account."""
    expires = 600
    registers = 0
    refuse_registrations: int | None = None
    listener: Listener | None = None
    """Where connections are taken."""

    async def stop(self) -> None:
        if self.listener is not None:
            self.listener.close()
        await super().stop()

    def call_in(
        self,
        number: str,
        *,
        caller: str = MOBILE,
        name: str = "",
        to: str = "",
        headers: Iterable[tuple[str, str]] = (),
    ) -> PhoneCall:
        """Somebody outside calls a number of the office."""
        call = PhoneCall(self)
        self.calls.add(call)
        ours, theirs = self.flow.local.host, self.account.server.host
        target = Uri("sip", number, host=theirs)
        if self.registered_at is not None and number == USER:
            target = self.registered_at
        call.leg.call(
            target,
            self.flow,
            from_=NameAddress(name or None, Uri("sip", caller, host=ours)),
            to=NameAddress(None, Uri("sip", to or number, host=ours)),
            owner=call,
            headers=tuple(headers),
        )
        return call

    def _on_effect(self, effect: Effect) -> None:
        if isinstance(effect, Arrived) and effect.request.method == "REGISTER":
            self._register(effect)
        else:
            super()._on_effect(effect)

    def _register(self, arrived: Arrived) -> None:
        self.registers += 1
        request = arrived.request
        contact, wanted = request.contacts[0].uri, request.expires or 0
        headers = [("Contact", f"<{contact}>;expires={min(wanted, self.expires)}")]
        status = self.refuse_registrations or 200
        if status == 200:
            self.registered_at = contact if wanted else None
        response = response_to(request, status, headers=headers)
        self.driver.perform(self.endpoint.respond(arrived.transaction, response, self.loop.time()))


async def carrier(
    office: Office,
    address: str = GATEWAY,
    *,
    name: str = "",
    accounts: bool = False,
    link: Profile = LAN,
    listen_tcp: bool = False,
) -> Carrier:
    """Put a carrier on the Internet, reachable at `address` and by its name."""
    host = office.simulation.network.host(address, name or f"carrier-{address}", link)
    world = environment(office.simulation, host, f"carrier {address}")
    server = Address(PBX, 5060)
    account = PhoneAccount(MOBILE, "", server)
    made = Carrier(
        world,
        account,
        local=Address(address, 5060),
        gate=AccountGate(world.entropy()) if accounts else None,
    )
    office.phones.append(made)
    await made.start()
    if listen_tcp:
        made.listener = await host.listen(Address(address, 5060), lambda stream: _take(made, stream))
    return made


def _take(made: Carrier, stream: Stream) -> None:
    made.driver.adopt(stream, Transport.TCP)


# -- one that does not behave ------------------------------------------------------------------------

Script = Callable[[Request], Iterable[bytes | Response]]
"""What is answered to a request: responses, or bytes of whatever kind."""


@dataclass(slots=True)
class Villain:
    """Answers every request over UDP as its script says."""

    host: HostNetwork
    script: Script
    received: list[Request]
    answers: list[Response]
    """What was said to its own requests."""
    peer: Address | None = None

    def hear(self, data: bytes, remote: Address) -> None:
        """Take a datagram."""
        self.peer = remote
        try:
            message = parse_message(data)
        except PeerError:
            return
        if isinstance(message, Response):
            self.answers.append(message)
            return
        self.received.append(message)
        for answer in self.script(message):
            self.send(answer if isinstance(answer, bytes) else answer.to_bytes())

    def send(self, data: bytes, remote: Address | None = None) -> None:
        """Send bytes to whoever spoke last, or to the PBX."""
        self.host.udp[5060].send(data, remote or self.peer or Address(PBX, 5060))

    def methods(self) -> list[str]:
        """Of what it received."""
        return [request.method for request in self.received]

    def close(self) -> None:
        """Free the port."""
        self.host.udp[5060].close()


def villain(office: Office, script: Script, address: str = GATEWAY) -> Villain:
    """Put one on the Internet."""
    host = office.simulation.network.host(address, f"villain-{address}")
    made = Villain(host, script, [], [])
    host.open_udp(Address(address, 5060), made.hear)
    return made


def answer_to(invite: Request, tag: str = "t", *, media_port: int = 9000, address: str = GATEWAY) -> Response:
    """A 200 with an answer that takes PCMA or PCMU at `media_port`."""
    body = (
        f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
        f"m=audio {media_port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
    )
    headers = [("Contact", f"<sip:{address}:5060>"), ("Content-Type", "application/sdp")]
    return response_to(invite, 200, to_tag=tag, headers=headers, body=body.encode())
