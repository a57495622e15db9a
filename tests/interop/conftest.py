"""Servers for other people's phones to talk to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.interop.server import Server

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
