"""The way to the mail server, with a real one in this process: in the clear and over TLS, with and without a login;
one that refuses, is slow, or is not there."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from pbx.mail.smtp import MailDeferred, MailRefused, MailServerUnavailable, SmtpMailer
from pbx.voicemail_settings import Mail

HOST = "127.0.0.1"
USER, PASSWORD = "pbx", "the secret of the mail server"


class Sink:
    """What the server does with a mail."""

    def __init__(self, answer: str = "250 OK", *, receiver: str = "250 OK", seconds: float = 0.0) -> None:
        self.answer, self.receiver, self.seconds = answer, receiver, seconds
        self.taken: list[Envelope] = []
        self.secured: list[bool] = []

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.receiver.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.receiver

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(self.seconds)
        if self.answer.startswith("250"):
            self.taken.append(envelope)
            self.secured.append(session.ssl is not None)
        return self.answer


class Connections:
    """Those that were made, from both ends. Each is waited for: a transport that a loop leaves behind is found out."""

    def __init__(self, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sockets: list[socket.socket] = []
        connect = loop.create_connection

        async def create_connection(*arguments: Any, **named: Any) -> Any:
            transport, protocol = await connect(*arguments, **named)
            self.add(transport)
            return transport, protocol

        monkeypatch.setattr(loop, "create_connection", create_connection)

    def add(self, transport: asyncio.BaseTransport) -> None:
        self._sockets.append(transport.get_extra_info("socket"))

    async def closed(self) -> None:
        """Wait until all are."""
        while any(connection.fileno() != -1 for connection in self._sockets):
            await asyncio.sleep(0.005)


class Server(SMTP):
    """One connection to the server."""

    def __init__(self, connections: Connections, sink: Sink, **settings: Any) -> None:
        super().__init__(sink, **settings)
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connections.add(transport)
        super().connection_made(transport)


def mail() -> EmailMessage:
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"], message["To"] = "pbx@example.org", "Lee Parker <lee@example.org>"
    message["Subject"] = "Nouveau message vocal de Hélène"
    message.set_content("Bonjour,\n", cte="quoted-printable")
    message.add_attachment(bytes(range(256)) * 400, maintype="audio", subtype="wav", filename="m.wav")
    return message


Send = Callable[..., None]


@pytest.fixture
def send(monkeypatch: pytest.MonkeyPatch) -> Send:
    """`send(sink, security="tls", ...)`: hand a mail to a server on a port that the kernel has chosen, in one loop."""

    def send(
        sink: Sink,
        message: EmailMessage | None = None,
        *,
        listener_tls: ssl.SSLContext | None = None,
        server: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        async def story() -> None:
            loop = asyncio.get_running_loop()
            connections = Connections(loop, monkeypatch)
            factory = partial(Server, connections, sink, loop=loop, **(server or {}))
            running = await loop.create_server(factory, HOST, 0, ssl=listener_tls)
            try:
                port = running.sockets[0].getsockname()[1]
                await SmtpMailer().send(message or mail(), address(port, **settings))
            finally:
                running.close()
                await connections.closed()

        asyncio.run(story())

    return send


def address(port: int, **settings: Any) -> Mail:
    return Mail(host=HOST, port=port, sender="pbx@example.org", **({"security": "none"} | settings))


@pytest.mark.row("EML-01")
def test_a_mail_arrives_as_it_was_written(send: Send) -> None:
    sink, message = Sink(), mail()
    send(sink, message)
    [envelope] = sink.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == ("pbx@example.org", ["lee@example.org"])
    assert isinstance(envelope.content, bytes)
    received = message_from_bytes(envelope.content, policy=SMTP_POLICY)
    assert isinstance(received, EmailMessage)
    assert {name: received[name] for name in ("From", "To", "Subject")} == {
        name: message[name] for name in ("From", "To", "Subject")
    }
    assert [part.get_content() for part in received.iter_attachments()] == [bytes(range(256)) * 400]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """What the server shows, and the file of who vouches for it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST).configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return context, tmp_path / "ca.pem"


def authenticator(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
) -> AuthResult:
    right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


Certificate = tuple[ssl.SSLContext, Path]


@pytest.mark.parametrize("password", [PASSWORD, "another"])
def test_starttls_and_login(
    send: Send, certificate: Certificate, caplog: pytest.LogCaptureFixture, password: str
) -> None:
    context, authorities = certificate
    sink = Sink()
    needs = {"require_starttls": True, "auth_required": True, "authenticator": authenticator}
    login = {"user": USER, "password": password, "certificate_authorities": authorities}
    with caplog.at_level(logging.DEBUG, "pbx"), suppress(MailServerUnavailable):
        send(sink, server={"tls_context": context} | needs, security="starttls", **login)
    assert sink.secured == ([True] if password == PASSWORD else [])
    assert password not in caplog.text


def test_a_wrong_login_keeps_the_mail_for_later(send: Send, certificate: Certificate) -> None:
    context, authorities = certificate
    server = {"tls_context": context, "auth_required": True, "authenticator": authenticator}
    login = {"user": USER, "password": "another", "certificate_authorities": authorities}
    with pytest.raises(MailServerUnavailable) as told:
        send(Sink(), server=server, security="starttls", **login)
    assert "another" not in str(told.value)


def test_tls_from_the_first_byte(send: Send, certificate: Certificate) -> None:
    context, authorities = certificate
    sink = Sink()
    send(sink, listener_tls=context, security="tls", certificate_authorities=authorities)
    assert len(sink.taken) == 1


def test_a_server_that_nobody_vouches_for_gets_nothing(send: Send, certificate: Certificate) -> None:
    context, _ = certificate
    sink = Sink()
    with pytest.raises(MailServerUnavailable, match=r"(?i)certificate"):
        send(sink, server={"tls_context": context}, security="starttls")
    assert sink.taken == []


def test_without_tls_nothing_is_sent_where_it_is_wanted(send: Send) -> None:
    sink = Sink()
    with pytest.raises(MailServerUnavailable):
        send(sink, security="starttls")
    assert sink.taken == []


@pytest.mark.parametrize(
    ("sink", "expected"),
    [
        (lambda: Sink("451 try later"), MailDeferred),
        (lambda: Sink("452 no room"), MailDeferred),
        (lambda: Sink("554 no thanks"), MailRefused),
        (lambda: Sink(receiver="450 greylisted"), MailDeferred),
        (lambda: Sink(receiver="550 no such user"), MailRefused),
    ],
)
def test_what_the_server_says_is_understood(
    send: Send, sink: Callable[[], Sink], expected: type[Exception]
) -> None:
    made = sink()
    reply = made.answer if made.receiver.startswith("250") else made.receiver
    with pytest.raises(expected) as told:
        send(made)
    assert str(told.value) == reply


def test_a_server_that_is_too_slow_is_unavailable(send: Send) -> None:
    with pytest.raises(MailServerUnavailable):
        send(Sink(seconds=3600), time_out_seconds=0.5)


@pytest.mark.parametrize("listens", [False, True])
def test_a_server_that_is_not_there_or_says_nothing_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, listens: bool
) -> None:
    async def story(port: int) -> None:
        connections = Connections(asyncio.get_running_loop(), monkeypatch)
        try:
            await SmtpMailer().send(mail(), address(port, time_out_seconds=0.5))
        finally:
            await connections.closed()

    with socket.socket() as silent:
        silent.bind((HOST, 0))
        if listens:
            silent.listen()
        with pytest.raises(MailServerUnavailable):
            asyncio.run(story(silent.getsockname()[1]))
