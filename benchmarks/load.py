"""A load generator: the least SIP a phone can speak, independent of our own stack, on one UDP socket a phone."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
from collections.abc import Generator, Iterator, Sequence
from typing import Protocol, TypeVar

from benchmarks.harness import HOST, password_of

Result = TypeVar("Result")

_NONCE = re.compile(rb'algorithm=MD5.*?nonce="([^"]+)"|nonce="([^"]+)".*?algorithm=MD5')
_TO_TAG = re.compile(rb"\r\nTo:[^\r]*;tag=([^;\r]+)", re.IGNORECASE)
_HEADER = {
    name: re.compile(rb"\r\n" + name + rb": *([^\r]*)", re.I)
    for name in (b"Via", b"From", b"To", b"Call-ID", b"CSeq")
}
_MEDIA = re.compile(rb"\nm=audio ([0-9]+) ")
_CONTACT = re.compile(rb"\r\nContact: *<([^>]+)>", re.IGNORECASE)


def md5(text: str) -> str:
    """In hexadecimal digits."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class Unanswered(RuntimeError):
    """The server owed a message; the text says to whom, and what was the last that both said."""


class Wire(Protocol):
    """What a phone needs of a connected socket."""

    def send(self, data: bytes, /) -> int:
        """Send one datagram."""

    def recv(self, size: int, /) -> bytes:
        """Wait for one."""

    def settimeout(self, seconds: float, /) -> None:
        """How long to wait for one."""

    def close(self) -> None:
        """Release it."""


class BarePhone:
    """One extension on one socket. Verbs block until the server's response has come."""

    def __init__(self, number: int, server: tuple[str, int], wire: tuple[Wire, int] | None = None) -> None:
        """`wire` and its port take the place of a socket."""
        self.number = number
        self._password = password_of(number)
        self._wire, self.port = wire or _connected(server)
        self._uri_host = f"{HOST}:{server[1]}"
        self._count = self._registrations = 0
        self._call_id = ""
        self._sent = self._received = b"nothing"
        """The last messages."""
        self._remote = self._tag = ""
        """Target and To tag of the call acknowledged last."""

    def close(self) -> None:
        """Release the socket."""
        self._wire.close()

    def receive(self) -> bytes:
        """The next message of any kind. Raises Unanswered."""
        try:
            self._received = self._wire.recv(65535)
        except TimeoutError:
            raise Unanswered(
                f"{self.number} was told nothing after it said\n{self._sent.decode()}\nand had heard\n"
                f"{self._received.decode()}"
            ) from None
        return self._received

    def unread(self) -> str:
        """What has come, and was not waited for yet."""
        self._wire.settimeout(0)
        messages = []
        with contextlib.suppress(OSError):
            while True:
                messages.append(self._wire.recv(65535).decode())
        return "\n".join(messages) or "nothing"

    def expect(self, start: bytes) -> bytes:
        """The next message that starts so; others are passed over."""
        while True:
            message = self.receive()
            if message.startswith(start):
                return message
            if message.startswith((b"SIP/2.0 4", b"SIP/2.0 5", b"SIP/2.0 6")):
                raise RuntimeError(f"wanted {start!r}, got {message[:200]!r}")

    def register(self) -> None:
        """REGISTER, 401, REGISTER with credentials, 200."""
        finish(self.registering())

    def registering(self) -> Generator[None, None, None]:
        """The same; pauses wherever it is the server's turn."""
        call_id = f"register-{self.number}-{self.port}"
        uri = f"sip:{self._uri_host}"
        self._registrations += 2
        cseq = self._registrations
        self._send(self._request("REGISTER", uri, self.number, call_id, cseq - 1, contact=True))
        yield
        credentials = self._authorization(self.expect(b"SIP/2.0 401"), "REGISTER", uri)
        self._send(self._request("REGISTER", uri, self.number, call_id, cseq, credentials, contact=True))
        yield
        self.expect(b"SIP/2.0 200")

    def inviting(self, callee: int, media_port: int) -> Iterator[None]:
        """INVITE, 401, ACK, INVITE with credentials; pauses where it is the server's turn."""
        self._count += 1
        call_id = self._call_id = f"call-{self.number}-{self.port}-{self._count}"
        uri, body = f"sip:{callee}@{self._uri_host}", _sdp(media_port)
        self._send(self._request("INVITE", uri, callee, call_id, 1, contact=True, body=body))
        yield
        challenge = self.expect(b"SIP/2.0 401")
        self._send(self._request("ACK", uri, callee, call_id, 1, to_tag=_to_tag(challenge)))
        credentials = self._authorization(challenge, "INVITE", uri)
        self._send(self._request("INVITE", uri, callee, call_id, 2, credentials, contact=True, body=body))
        yield

    def answer(self, media_port: int) -> int:
        """Wait for an INVITE; send 180 and 200; returns the server's media port."""
        invite = self.expect(b"INVITE")
        contact = f"Contact: <sip:{self.number}@{HOST}:{self.port}>\r\n"
        self._send(_response(invite, "180 Ringing", contact))
        self._send(_response(invite, "200 OK", contact, _sdp(media_port)))
        return _media_port(invite)

    def acknowledge(self, callee: int) -> int:
        """Wait for the 200 and send ACK; returns the server's media port."""
        ok = self.expect(b"SIP/2.0 200")
        target = _CONTACT.search(ok)
        assert target is not None, ok
        self._remote, self._tag = target[1].decode(), _to_tag(ok)
        self._send(self._request("ACK", self._remote, callee, self._call_id, 2, to_tag=self._tag))
        return _media_port(ok)

    def hang_up(self, callee: int) -> None:
        """Send BYE in the call acknowledged last."""
        self._send(self._request("BYE", self._remote, callee, self._call_id, 3, to_tag=self._tag))

    def confirm_bye(self) -> None:
        """Wait for the BYE and answer it."""
        self._send(_response(self.expect(b"BYE"), "200 OK"))

    def _send(self, message: bytes) -> None:
        self._sent = message
        self._wire.send(message)

    def _request(
        self,
        method: str,
        uri: str,
        to: int,
        call_id: str,
        cseq: int,
        headers: str = "",
        *,
        to_tag: str = "",
        contact: bool = False,
        body: bytes = b"",
    ) -> bytes:
        lines = (
            f"{method} {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {HOST}:{self.port};branch=z9hG4bK-{call_id}-{cseq}-{method};rport\r\n"
            f"Max-Forwards: 70\r\n"
            f'From: "Bench {self.number}" <sip:{self.number}@{self._uri_host}>;tag=t{call_id}\r\n'
            f"To: <sip:{to}@{self._uri_host}>{';tag=' + to_tag if to_tag else ''}\r\n"
            f"Call-ID: {call_id}\r\n"
            f"CSeq: {cseq} {method}\r\n"
            f"User-Agent: bench\r\n"
        )
        if contact:
            lines += f"Contact: <sip:{self.number}@{HOST}:{self.port}>\r\n"
            lines += "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nSupported: replaces\r\n"
        if body:
            lines += "Content-Type: application/sdp\r\n"
        return f"{lines}{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def _authorization(self, challenge: bytes, method: str, uri: str) -> str:
        found = _NONCE.search(challenge)
        assert found is not None, challenge
        nonce = (found[1] or found[2]).decode()
        realm = challenge.split(b'realm="', 1)[1].split(b'"', 1)[0].decode()
        secret = md5(f"{self.number}:{realm}:{self._password}")
        answer = md5(f"{secret}:{nonce}:00000001:c:auth:{md5(f'{method}:{uri}')}")
        return (
            f'Authorization: Digest username="{self.number}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
            f'response="{answer}", algorithm=MD5, cnonce="c", qop=auth, nc=00000001\r\n'
        )


def connecting(
    caller: BarePhone, callee: BarePhone, media_ports: tuple[int, int] = (20000, 20002)
) -> Generator[None, None, tuple[int, int]]:
    """From the INVITE to the last ACK; returns the server's media ports towards both. Pauses where it is its turn."""
    yield from caller.inviting(callee.number, media_ports[0])
    try:
        callees = callee.answer(media_ports[1])
    except Unanswered as error:
        raise Unanswered(f"{error}and {caller.number}, who calls it, was told\n{caller.unread()}") from None
    yield
    callers = caller.acknowledge(callee.number)
    callee.expect(b"ACK")
    return callers, callees


def calling(caller: BarePhone, callee: BarePhone) -> Iterator[None]:
    """A whole call, from the INVITE to the last 200. Pauses wherever it is the server's turn."""
    yield from connecting(caller, callee)
    caller.hang_up(callee.number)
    yield
    callee.confirm_bye()
    caller.expect(b"SIP/2.0 200")


def finish(dialogue: Generator[None, None, Result]) -> Result:
    """Hold one dialogue with the server to its end; what it returns."""
    while True:
        try:
            next(dialogue)
        except StopIteration as end:
            result: Result = end.value
            return result


def in_step(dialogues: Sequence[Iterator[None]]) -> int:
    """Hold dialogues with the server, all at once: each sends, and only then does the first wait for an answer.

    So an office behaves that comes back after a power cut. Returns how many they were.
    """
    waiting = list(dialogues)
    while waiting:
        waiting = [dialogue for dialogue in waiting if next(dialogue, waiting) is not waiting]
    return len(dialogues)


def _connected(server: tuple[str, int]) -> tuple[Wire, int]:
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.bind((HOST, 0))
    wire.connect(server)
    wire.settimeout(2)
    return wire, wire.getsockname()[1]


def _media_port(message: bytes) -> int:
    found = _MEDIA.search(message)
    assert found is not None, message
    return int(found[1])


def _to_tag(message: bytes) -> str:
    found = _TO_TAG.search(message)
    return found[1].decode() if found else ""


def _response(request: bytes, status: str, headers: str = "", body: bytes = b"") -> bytes:
    copied = []
    for name, pattern in _HEADER.items():
        for value in pattern.findall(request):
            text = value.decode()
            copied.append(
                f"{name.decode()}: {text}{';tag=callee' if name == b'To' and ';tag=' not in text else ''}\r\n"
            )
    if body:
        headers += "Content-Type: application/sdp\r\n"
    return (
        f"SIP/2.0 {status}\r\n{''.join(copied)}{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body
    )


def _sdp(port: int) -> bytes:
    return (
        f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 8 101\r\n"
        "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
        "a=ptime:20\r\na=sendrecv\r\n"
    ).encode()
