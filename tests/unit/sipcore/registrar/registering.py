"""A registrar on a clock that the test moves, and phones that register with it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from sipcore.registrar.registrar import (
    BindingChange,
    Change,
    Registrar,
    RegistrarSettings,
)
from sipcore.syntax.message import Request, Response, response_to
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Address, Flow, Transport

SETTINGS = RegistrarSettings(min_expires=60, max_expires=3600, default_expires=1800, max_contacts=3)
SERVER = Address("192.0.2.1", 5060)
UDP = Flow(Transport.UDP, SERVER, Address("192.0.2.20", 5060))
TCP = Flow(Transport.TCP, SERVER, Address("192.0.2.21", 40000), 1)
TCP_AGAIN = Flow(Transport.TCP, SERVER, Address("192.0.2.21", 40000), 2)
DESK, SOFT, THIRD, FOURTH = (f"<sip:100@192.0.2.{host}:5060>" for host in (20, 21, 22, 23))


class Registered(NamedTuple):
    """How a REGISTER was answered, and what it changed."""

    response: Response
    changes: tuple[BindingChange, ...]


def register(registrar: Registrar, request: Request, aor: str, flow: Flow, now: float) -> Registered:
    """Have a REGISTER served, and answer it."""
    status, headers, changes = registrar.register(request, aor, flow, now)
    return Registered(response_to(request, status, headers=headers), changes)


class Office:
    """A registrar on a clock that the test moves, and phones that count their requests."""

    def __init__(self, settings: RegistrarSettings = SETTINGS) -> None:
        self.registrar = Registrar(settings)
        self.now = 1000.0
        self._numbers = count(1)

    def register(
        self,
        *contacts: str,
        expires: int | str | None = None,
        flow: Flow = UDP,
        aor: str = "100",
        cseq: int | None = None,
        call_id: str = "desk",
        headers: Sequence[str] = (),
    ) -> Registered:
        """Send a REGISTER with a Contact line for each of `contacts`."""
        lines = [
            "REGISTER sip:pbx.example SIP/2.0",
            "Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK1",
            f"From: <sip:{aor}@pbx.example>;tag=1",
            f"To: <sip:{aor}@pbx.example>",
            f"Call-ID: {call_id}",
            f"CSeq: {next(self._numbers) if cseq is None else cseq} REGISTER",
            *(f"Contact: {contact}" for contact in contacts),
            *([] if expires is None else [f"Expires: {expires}"]),
            *headers,
            "Content-Length: 0",
        ]
        request = parse_message("\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape"))
        assert isinstance(request, Request)
        return register(self.registrar, request, aor, flow, self.now)

    def contacts(self, aor: str = "100") -> list[str]:
        """Where a call to the extension goes, preferred contacts first."""
        return [f"<{binding.contact}>" for binding in self.registrar.bindings(aor, self.now)]

    def wait(self, seconds: float) -> tuple[BindingChange, ...]:
        """Let time pass, as the registrar wants to be told of it."""
        self.now += seconds
        deadline = self.registrar.next_deadline()
        return () if deadline is None or deadline > self.now else self.registrar.expire(self.now)


def answered(result: Registered) -> dict[str, str]:
    """The contacts of a response, and the parameters that it says of each."""
    assert result.response.status == 200
    texts = [text.partition(">") for text in result.response.get_all("Contact")]
    return {uri + bracket: parameters for uri, bracket, parameters in texts}


def changed(changes: Sequence[BindingChange]) -> list[tuple[Change, str]]:
    return [(change.change, f"<{change.binding.contact}>") for change in changes]
