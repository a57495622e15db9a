"""TLS on real sockets: versions, certificates and their renewal, handshakes that never end, SIP over it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
import trustme

from sipcore.effects import Arrived, Responded
from sipcore.net import tcp
from sipcore.net.driver import DriverSettings
from sipcore.syntax.message import Request
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Address, Transport
from tests.unit.sipcore.net.loopback import HERE, Loopback, ended, run, until
from tests.unit.sipcore.net.serving import Server, ask, options


def client_hello(version: str) -> bytes:
    """A ClientHello record for no version above `version` (RFC 5246 section 7.4.1.2), in hexadecimal digits."""
    suites = "c02b c02f c009 c013"  # ECDHE with ECDSA or RSA: with AES-GCM, and as there was before TLS 1.2
    extensions = "000a 0004 0002 0017" + "000b 0002 0100" + "000d 0006 0004 0403 0804"  # P-256, SHA-256
    body = bytes.fromhex(version + "ab" * 32 + "00" + "0008" + suites + "0100" + "0018" + extensions)
    return b"\x16\x03\x01" + (len(body) + 4).to_bytes(2) + b"\x01" + len(body).to_bytes(3) + body


HALF_A_HELLO = client_hello("0303")[:20]
SERVER_HANDSHAKE = b"\x16"
"""The type of the record that a ServerHello comes in."""


class Office:
    """A folder with a certificate and its key, and the authority that a client has to trust."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "pbx.crt"
        self.key = folder / "pbx.key"
        self.authority = folder / "ca.crt"
        self.renew()

    def renew(self) -> None:
        """A new certificate of a new authority."""
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.authority)
        certificate = authority.issue_cert(HERE, "localhost")
        certificate.private_key_pem.write_to_path(self.key)
        certificate.cert_chain_pems[0].write_to_path(self.certificate)

    def client(self) -> ssl.SSLContext:
        """Trusts the present authority only."""
        return ssl.create_default_context(cafile=self.authority)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


class TlsServer(Server):
    """One on the loopback interface."""

    def __init__(self, office: Office) -> None:
        self.network = Loopback()
        settings = DriverSettings(
            HERE,
            udp_port=None,
            tls_port=0,
            certificate=office.certificate,
            key=office.key,
            authorities=office.authority,
        )
        super().__init__(self.network, Random(1), settings)

    @property
    def port(self) -> int:
        return self.network.opened[0].port


@contextlib.asynccontextmanager
async def serving(office: Office) -> AsyncIterator[TlsServer]:
    server = TlsServer(office)
    await server.driver.start()
    try:
        yield server
    finally:
        await server.driver.stop()


class Client:
    """A connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @property
    def serial(self) -> str:
        """Which certificate the server showed."""
        return str(self.writer.get_extra_info("peercert")["serialNumber"])

    async def ask(self, number: int = 1) -> int:
        """The status of the answer to an OPTIONS."""
        self.writer.write(options(number, transport="TLS"))
        answer = await self.reader.readuntil(b"\r\n\r\n")
        return int(answer[8:11])

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):  # the server was faster
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def connected(
    server: TlsServer, context: ssl.SSLContext | None, local: str = HERE
) -> AsyncIterator[Client]:
    """A client, without a context one that does not speak TLS."""
    client = Client(*await asyncio.open_connection(HERE, server.port, ssl=context, local_addr=(local, 0)))
    try:
        yield client
    finally:
        await client.close()


# -- versions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sip_goes_over_tls_1_2_and_above(office: Office, version: ssl.TLSVersion) -> None:
    async def story() -> None:
        context = office.client()
        context.minimum_version = context.maximum_version = version
        async with serving(office) as server, connected(server, context) as client:
            assert client.writer.get_extra_info("ssl_object").version() == version.name.replace("_", ".")
            assert await client.ask(1) == 200
            assert await client.ask(2) == 200
            assert server.flow.transport is Transport.TLS

    run(story())


@pytest.mark.parametrize("version", ["0300", "0301", "0302"])
def test_versions_below_1_2_are_refused(office: Office, version: str) -> None:
    async def story() -> None:
        async with serving(office) as server, connected(server, None) as client:
            client.writer.write(client_hello(version))
            assert not (await ended(client.reader)).startswith(SERVER_HANDSHAKE)

    run(story())


def test_the_same_hello_is_good_enough_for_1_2(office: Office) -> None:
    """So it is the version that is refused."""

    async def story() -> None:
        async with serving(office) as server, connected(server, None) as client:
            client.writer.write(client_hello("0303"))
            assert await client.reader.readexactly(1) == SERVER_HANDSHAKE

    run(story())


def test_a_message_that_comes_with_the_end_of_the_handshake_is_not_lost(office: Office) -> None:
    async def story() -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        secure = office.client().wrap_bio(incoming, outgoing, server_hostname=HERE)
        async with serving(office) as server, connected(server, None) as client:
            while True:
                try:
                    secure.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    client.writer.write(outgoing.read())
                    incoming.write(await client.reader.read(65536))
            secure.write(options(transport="TLS"))
            client.writer.write(outgoing.read())  # Finished and OPTIONS in one segment
            await until(lambda: server.told)
            assert server.flow.transport is Transport.TLS

    run(story())


# -- certificates ----------------------------------------------------------------------------------


def test_a_renewed_certificate_serves_new_connections_and_old_ones_live_on(office: Office) -> None:
    async def story() -> None:
        before = office.client()
        async with serving(office) as server, connected(server, before) as old:
            office.renew()
            async with connected(server, before) as still_old:
                assert still_old.serial == old.serial
            server.driver.reload_certificates()
            with pytest.raises(ssl.SSLCertVerificationError):
                async with connected(server, before):
                    pass
            async with connected(server, office.client()) as new:
                assert new.serial != old.serial
                assert await new.ask(1) == 200
            assert await old.ask(2) == 200

    run(story())


@pytest.mark.parametrize("damaged", ["certificate", "key", "both are there but do not match"])
def test_a_certificate_that_cannot_be_used_leaves_the_old_one_in_place(office: Office, damaged: str) -> None:
    async def story() -> None:
        before = office.client()
        async with serving(office) as server:
            if damaged == "certificate":
                office.certificate.write_text("-----BEGIN CERTIFICATE-----\nhalf")
            elif damaged == "key":
                office.key.unlink()
            else:
                key = office.key.read_bytes()
                office.renew()
                office.key.write_bytes(key)
            with pytest.raises(OSError):  # noqa: PT011 -- its text is OpenSSL's
                server.driver.reload_certificates()
            async with connected(server, before) as client:
                assert await client.ask() == 200

    run(story())


def test_a_start_with_a_certificate_that_cannot_be_used_fails(office: Office) -> None:
    async def story() -> None:
        office.certificate.write_text("nothing")
        server = TlsServer(office)
        with pytest.raises(ssl.SSLError):
            await server.driver.start()
        await server.driver.stop()
        assert server.network.opened == []

    run(story())


# -- what is no TLS --------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [options(), b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 5000])
def test_plain_bytes_at_the_tls_port_are_refused(office: Office, data: bytes) -> None:
    async def story() -> None:
        async with serving(office) as server:
            async with connected(server, None) as plain:
                plain.writer.write(data)
                plain.writer.write_eof()
                assert b"SIP" not in await ended(plain.reader)
            async with connected(server, office.client()) as client:
                assert await client.ask() == 200
            assert len(server.told) == 1

    run(story())


@pytest.mark.parametrize("beginning", [b"", HALF_A_HELLO])
def test_a_handshake_that_is_never_finished_is_ended(
    office: Office, beginning: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with serving(office) as server, connected(server, None) as silent:
            silent.writer.write(beginning)
            assert await ended(silent.reader) == b""

    monkeypatch.setattr(tcp, "HANDSHAKE_SECONDS", 0.05)
    run(story())


def test_a_stop_ends_handshakes_too(office: Office) -> None:
    async def story() -> None:
        async with serving(office) as server, connected(server, None) as silent:
            silent.writer.write(HALF_A_HELLO)
            await silent.writer.drain()
            async with connected(server, office.client()) as later:
                assert await later.ask() == 200
            await server.driver.stop()
            assert await ended(silent.reader) == b""
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(HERE, server.port)

    run(story())


def test_one_source_cannot_take_all_the_handshakes(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with serving(office) as server:
            pairs = [await asyncio.open_connection(HERE, server.port) for _ in range(5)]
            endings = [asyncio.ensure_future(ended(reader)) for reader, _ in pairs]
            while sum(ending.done() for ending in endings) < 2:
                await asyncio.wait([e for e in endings if not e.done()], return_when=asyncio.FIRST_COMPLETED)
            assert [ending.done() for ending in endings] == [False, False, False, True, True]
            async with connected(server, office.client(), local="127.0.0.2") as elsewhere:
                assert await elsewhere.ask() == 200
            for _, writer in pairs:
                writer.close()
            await asyncio.wait(endings)
            async with connected(server, office.client(), local="127.0.0.2") as elsewhere:
                assert await elsewhere.ask() == 200  # by now the server has seen the ends, too
            async with connected(server, office.client()) as again:
                assert await again.ask() == 200

    monkeypatch.setattr(tcp, "MAX_HANDSHAKES_PER_SOURCE", 3)
    run(story())


# -- towards others --------------------------------------------------------------------------------


def test_a_request_of_ours_goes_over_tls_to_a_server_that_proves_its_name(office: Office) -> None:
    async def story() -> None:
        async with serving(office) as server, serving(office) as other:
            server.network.names["localhost"] = HERE
            flow = await server.driver.flow_to(Transport.TLS, Address("localhost", other.port))
            assert flow.remote == Address(HERE, other.port)
            ask(server, flow)
            await until(lambda: server.told)
            [told], [arrived] = server.told, other.told
            assert isinstance(told, Responded)
            assert isinstance(arrived, Arrived)
            assert told.response.status == 200
            assert arrived.request.via.transport == "TLS"

    run(story())


def test_a_server_that_cannot_prove_its_name_is_not_talked_to(office: Office) -> None:
    async def story() -> None:
        async with serving(office) as server:
            server.network.names["pbx.example"] = HERE
            with pytest.raises(ssl.SSLCertVerificationError, match=r"pbx\.example"):
                await server.driver.flow_to(Transport.TLS, Address("pbx.example", server.port))

    run(story())


def test_a_server_found_by_the_dns_proves_to_be_the_domain_that_was_asked_for(office: Office) -> None:
    """RFC 5922 section 7.3. A connection that proved another name, or that came in, is none to this one."""

    async def story() -> None:
        async with serving(office) as server, serving(office) as other:
            remote = Address(HERE, other.port)
            flow = await server.driver.flow_to(Transport.TLS, remote, server_name="localhost")
            assert await server.driver.flow_to(Transport.TLS, remote, server_name="localhost") == flow
            assert await server.driver.flow_to(Transport.TLS, remote) != flow
            with pytest.raises(ssl.SSLCertVerificationError, match=r"provider\.example"):
                await server.driver.flow_to(Transport.TLS, remote, server_name="provider.example")
            ask(server, flow)
            await until(lambda: other.told)
            incoming = other.flow.remote
            with pytest.raises(OSError, match="Connect call failed"):
                await other.driver.flow_to(Transport.TLS, incoming)

    run(story())


def test_a_server_may_have_an_authority_of_its_own(office: Office, tmp_path: Path) -> None:
    async def story() -> None:
        (tmp_path / "elsewhere").mkdir()
        stranger = Office(tmp_path / "elsewhere")
        async with serving(office) as server, serving(stranger) as other:
            remote = Address(HERE, other.port)
            flow = await server.driver.flow_to(Transport.TLS, remote, authorities=stranger.authority)
            assert flow.remote == remote
            with pytest.raises(ssl.SSLCertVerificationError):
                await server.driver.flow_to(Transport.TLS, remote)

    run(story())


def test_a_server_of_an_unknown_authority_is_not_talked_to(office: Office, tmp_path: Path) -> None:
    async def story() -> None:
        (tmp_path / "elsewhere").mkdir()
        stranger = Office(tmp_path / "elsewhere")
        async with serving(office) as server, serving(stranger) as other:
            with pytest.raises(ssl.SSLCertVerificationError):
                await server.driver.flow_to(Transport.TLS, Address(HERE, other.port))

    run(story())


def test_a_request_comes_back_over_the_clients_own_connection(office: Office) -> None:
    async def story() -> None:
        async with serving(office) as server, connected(server, office.client()) as client:
            assert await client.ask() == 200
            ask(server, server.flow)
            request = parse_message(await client.reader.readuntil(b"\r\n\r\n"), stream=True)
            assert isinstance(request, Request)
            assert request.method == "OPTIONS"
            client.writer.close()
            await until(lambda: isinstance(server.told[-1], Responded))
            assert server.told[-1].response.status == 503

    run(story())
