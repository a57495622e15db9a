"""Servers for other people's phones to talk to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.interop.baresip import PORTS, Account, Baresip
from tests.interop.server import PASSWORD, Server
from tests.interop.sipp import SippPhone

Softphones = Callable[..., Baresip]
Phones = Callable[[str, int], SippPhone]

NUMBERS = [str(number) for number in range(100, 140)]


@pytest.fixture(scope="session")
def network(worker_id: str) -> str:
    """The first three octets of a loopback network that this test process has for itself."""
    return f"127.0.{30 + int(worker_id.removeprefix('gw') or 0) if worker_id != 'master' else 29}"


@pytest.fixture(scope="module")
def server(network: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with UDP, TCP and TLS and the extensions 100 to 139, for the tests of one file."""
    folder = tmp_path_factory.mktemp("server")
    authority = trustme.CA()
    certificate = authority.issue_cert(f"{network}.1")
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    with Server(
        folder / "run",
        f"{network}.1",
        NUMBERS,
        certificate=folder / "certificate.pem",
        key=folder / "key.pem",
    ) as server:
        yield server


@pytest.fixture
def certificate_authority(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of the authority that signed the server's."""
    return server.folder.parent / "authority.pem"


@pytest.fixture(scope="session")
def ports(worker_id: str) -> Iterator[int]:
    """First ports of blocks for one softphone after the other; no two test processes have the same."""
    worker = int(worker_id.removeprefix("gw")) if worker_id != "master" else 0
    first = 24000 + 10 * PORTS * (worker % 20)
    return itertools.cycle(range(first, first + 10 * PORTS, PORTS))


@pytest.fixture
def softphone(
    server: Server, certificate_authority: Path, ports: Iterator[int], tmp_path: Path
) -> Iterator[Softphones]:
    """`softphone("130", 440.0)`: a registered baresip that speaks a tone. All are switched off at the end."""
    with ExitStack() as stack:

        def make(number: str, tone_hz: float, transport: str = "udp", **options: Any) -> Baresip:
            address = f"{server.address}:{5061 if transport == 'tls' else 5060}"
            phone = Baresip(
                tmp_path / f"baresip-{number}",
                Account(number, PASSWORD, address, transport),
                first_port=next(ports),
                tone_hz=tone_hz,
                certificate_authority=certificate_authority if transport == "tls" else None,
                **options,
            )
            stack.enter_context(phone)
            phone.wait_until_registered()
            return phone

        yield make


@pytest.fixture
def phone(server: Server, network: str, tmp_path: Path) -> Iterator[Phones]:
    """`phone(number, place)`: an extension played by SIPp at 127.x.y.`place`."""
    with ExitStack() as stack:

        def make(number: str, place: int) -> SippPhone:
            folder = tmp_path / number
            folder.mkdir()
            sipp = SippPhone(folder, f"{network}.{place}", number, PASSWORD, server.address)
            return stack.enter_context(sipp)

        yield make
