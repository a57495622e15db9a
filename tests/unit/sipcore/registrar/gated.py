"""A server behind a digest gate, and those who speak to it, for tests of the gate."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from random import Random

from sipcore.effects import Arrived, Effect, Transmit
from sipcore.endpoint import KNOWN_METHODS, Endpoint, EndpointSettings
from sipcore.registrar.digest import Algorithm, Credentials, answer_challenge, parse_digest
from sipcore.registrar.gate import (
    Account,
    DigestGate,
)
from sipcore.syntax.message import Response
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Address, Flow, Transport

REALM = "myphone"
PASSWORDS = {"100": "correct horse", "101": "battery staple"}
ACCOUNTS = {
    number: Account(number, Credentials.of(number, REALM, password), sip_id=f"ext{number}")
    for number, password in PASSWORDS.items()
}
HOME, ELSEWHERE = "192.0.2.20", "198.51.100.66"
GATED_METHODS = [*sorted(KNOWN_METHODS - {"ACK", "CANCEL"}), "FROBNICATE", "register"]
NOTHING = {"transactions": 0, "sessions": 0, "dialogs": 0}


class Server:
    """An endpoint behind a digest gate, and clients that speak to it from any address."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.looked_up: list[str] = []
        self.gate = DigestGate(REALM, self._account, b"a secret of the server")
        self.endpoint = Endpoint(EndpointSettings(), Random(1), self.gate)
        self._numbers = count(1)

    def _account(self, username: str) -> Account | None:
        self.looked_up.append(username)
        return ACCOUNTS.get(username)

    def request(
        self,
        method: str = "REGISTER",
        *,
        from_: str = "sip:100@pbx.example",
        to: str = "sip:100@pbx.example",
        uri: str = "sip:pbx.example",
        headers: Sequence[str] = (),
    ) -> str:
        """A request of a transaction of its own, as text."""
        number = next(self._numbers)
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {HOME}:5060;branch=z9hG4bK{number};rport",
            f"From: <{from_}>;tag=1",
            f"To: <{to}>",
            f"Call-ID: call-{number}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:100@{HOME}>",
            *headers,
            "Content-Length: 0",
        ]
        return "\r\n".join([*lines, "", ""])

    def send(self, text: str, source: str = HOME, port: int = 5060) -> list[Effect]:
        """Receive a request; what the endpoint does about it."""
        flow = Flow(Transport.UDP, Address("192.0.2.1", 5060), Address(source, port))
        message = parse_message(text.encode("utf-8", "surrogateescape"))
        return self.endpoint.receive(message, flow, self.now)

    def refusal(self, text: str, source: str = HOME) -> Response:
        """The only answer to a request that is refused; nothing may be left of that."""
        before = self.endpoint.live()
        (effect,) = self.send(text, source)
        assert isinstance(effect, Transmit)
        assert self.endpoint.live() == before
        response = parse_message(effect.data)
        assert isinstance(response, Response)
        return response

    def challenge(self, algorithm: Algorithm = Algorithm.SHA256, source: str | None = None) -> str:
        """A challenge to a client that is new there, if no source is given."""
        somewhere = f"2001:db8:0:{next(self._numbers):x}::1"
        offered = self.refusal(self.request("OPTIONS"), source or somewhere).get_all("WWW-Authenticate")
        return next(value for value in offered if f"algorithm={algorithm.value}," in value)

    def authorization(
        self,
        username: str = "100",
        password: str | None = None,
        *,
        method: str = "REGISTER",
        challenge: str | None = None,
        nc: int = 1,
    ) -> str:
        """The header line that answers a challenge, a new one if none is given."""
        secret = PASSWORDS.get(username, "") if password is None else password
        offered = [challenge or self.challenge()]
        value = answer_challenge(offered, method, "sip:pbx.example", username, secret, nc=nc, cnonce="0a4f")
        return f"Authorization: {value}"

    def guess(
        self, username: str = "100", source: str = ELSEWHERE, port: int = 5060, challenge: str | None = None
    ) -> list[Effect]:
        """Try a wrong password."""
        line = self.authorization(username, "guess", challenge=challenge)
        return self.send(self.request(headers=[line]), source, port)

    def log_in(
        self,
        username: str = "100",
        source: str = HOME,
        port: int = 5060,
        challenge: str | None = None,
        nc: int = 1,
    ) -> list[Effect]:
        """REGISTER with the right password."""
        address = f"sip:{username}@pbx.example"
        line = self.authorization(username, challenge=challenge, nc=nc)
        return self.send(self.request(from_=address, to=address, headers=[line]), source, port)


def admitted(effects: list[Effect]) -> str:
    """Who was let in."""
    (arrived,) = effects
    assert isinstance(arrived, Arrived)
    return arrived.identity


def challenges(response: Response) -> list[dict[str, str]]:
    return [parse_digest(value) or {} for value in response.get_all("WWW-Authenticate")]


def algorithms(response: Response) -> list[str]:
    return [challenge["algorithm"] for challenge in challenges(response)]
