"""What of this machine cannot be used: ports on the real loopback interface, certificates, folders."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from myphone_api.ports import (
    closed_media_ports,
    closed_ports,
    unusable_authorities,
    unusable_certificate,
    unusable_folder,
)
from pbx.config import Media, Sip, Store, parse

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


def test_a_range_of_media_ports_in_use_is_named_with_its_key(udp: int) -> None:
    first = udp - udp % 2
    media = Media.model_construct(port_range=(first, first + 1))
    assert [str(problem) for problem in closed_media_ports(Sip(listen=HERE), media)] == [
        f"media.port_range: no two UDP ports of {first} to {first + 1} at 127.0.0.1 are free, set another range"
    ]


def test_a_range_with_two_free_ports_is_no_problem(udp: int) -> None:
    first = udp - udp % 2
    media = Media.model_construct(port_range=(first, min(first + 400, 65535)))
    assert list(closed_media_ports(Sip(listen=HERE), media)) == []


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
    assert [problem.key for problem in problems] == ([] if fine else ["sip.certificate"])


def test_authorities_who_are_none_are_named_with_their_key(pem: Path) -> None:
    trunks = [{"name": f"lines{index}", "addresses": [f"192.0.2.{index}"]} for index in (1, 2)]
    trunks[0]["authorities"], trunks[1]["authorities"] = str(pem / "one.crt"), str(pem / "text")
    config = parse({"trunks": trunks, "mail": {"certificate_authorities": str(pem / "one.key")}})
    where = "give one or more in PEM form"
    assert list(map(str, unusable_authorities(config))) == [
        f"trunks[1].authorities: there is no certificate in {pem / 'text'}, {where}",
        f"mail.certificate_authorities: there is no certificate in {pem / 'one.key'}, {where}",
    ]
    assert list(unusable_authorities(parse({"trunks": trunks[:1]}))) == []


def test_no_certificate_is_no_problem() -> None:
    assert list(unusable_certificate(Sip())) == []


def test_a_data_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    assert list(unusable_folder(Store(data_dir=folder))) == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("place", ["file", "file/data"])
def test_a_data_folder_that_cannot_be_used(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    [problem] = unusable_folder(Store(data_dir=tmp_path / place))
    assert problem.key == "store.data_dir"
    assert problem.message.endswith("), set a folder that this user may write")
