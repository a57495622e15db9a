"""Why ports cannot be opened, on the real loopback interface."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from myphone_api.ports import closed_ports, unusable_certificate
from pbx.config import Sip

HERE = "127.0.0.1"


@pytest.fixture
def udp() -> Iterator[int]:
    """A UDP port that somebody uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as used:
        used.bind((HERE, 0))
        yield used.getsockname()[1]


@pytest.fixture
def tcp() -> Iterator[int]:
    """A TCP port that somebody listens at."""
    with socket.create_server((HERE, 0)) as used:
        yield used.getsockname()[1]


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pem")
    authority = trustme.CA()
    for name in ("one", "two"):
        certificate = authority.issue_cert("pbx.example")
        certificate.cert_chain_pems[0].write_to_path(folder / f"{name}.crt")
        certificate.private_key_pem.write_to_path(folder / f"{name}.key")
    (folder / "text").write_text("not PEM")
    return folder


def test_open_ports_are_no_problem() -> None:
    assert list(closed_ports(Sip(listen=HERE, udp_port=0, tcp_port=0))) == []


def test_a_udp_port_in_use_is_named_with_its_key(udp: int) -> None:
    [problem] = closed_ports(Sip(listen=HERE, udp_port=udp, tcp_port=0))
    assert str(problem) == (
        f"sip.udp_port: UDP port {udp} at 127.0.0.1 is used by another program, stop that or set another port"
    )


def test_a_tcp_port_in_use_is_named_with_its_key(tcp: int) -> None:
    [problem] = closed_ports(Sip(listen=HERE, udp_port=0, tcp_port=tcp))
    assert problem.key == "sip.tcp_port"


def test_all_closed_ports_are_named(udp: int, tcp: int, pem: Path) -> None:
    certificate, key = pem / "one.crt", pem / "one.key"
    sip = Sip(listen=HERE, udp_port=udp, tcp_port=0, tls_port=tcp, certificate=certificate, key=key)
    assert [problem.key for problem in closed_ports(sip)] == ["sip.udp_port", "sip.tls_port"]


def test_the_tls_port_does_not_matter_without_tls(tcp: int) -> None:
    assert list(closed_ports(Sip(listen=HERE, udp_port=0, tcp_port=0, tls_port=tcp))) == []


def test_an_address_of_another_machine() -> None:
    [problem] = closed_ports(Sip(listen="192.0.2.1"))
    assert str(problem) == "sip.listen: this machine has no address 192.0.2.1, set one of its own or 0.0.0.0"


@pytest.mark.parametrize(
    ("certificate", "key", "fine"),
    [
        ("one.crt", "one.key", True),
        ("one.crt", "two.key", False),
        ("text", "one.key", False),
        ("one.crt", "text", False),
        ("absent", "one.key", False),
    ],
)
def test_certificates(pem: Path, certificate: str, key: str, fine: bool) -> None:
    sip = Sip.model_construct(tls_port=5061, certificate=pem / certificate, key=pem / key)
    problems = list(unusable_certificate(sip))
    assert [problem.key for problem in problems] == [] if fine else ["sip.certificate"]


def test_no_certificate_is_no_problem() -> None:
    assert list(unusable_certificate(Sip())) == []
