"""Where SIP URIs lead (RFC 3263), with a DNS of a few lines."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest

from sipcore.syntax.message import Response
from sipcore.syntax.uri import Uri
from sipcore.transport.failover import Servers, retry_after
from sipcore.transport.flow import Address, Transport
from sipcore.transport.resolve import MAX_SERVERS, Naptr, Srv, Target, in_order, locate


@dataclass
class Zone:
    """A DNS that knows what it is told."""

    naptrs: dict[str, list[Naptr]] = field(default_factory=dict)
    srvs: dict[str, list[Srv]] = field(default_factory=dict)
    hosts: dict[str, list[str]] = field(default_factory=dict)

    async def naptr(self, name: str) -> list[Naptr]:
        return self.naptrs.get(name, [])

    async def srv(self, name: str) -> list[Srv]:
        return self.srvs.get(name, [])

    async def resolve(self, host: str) -> list[str]:
        if host[0].isdigit() or ":" in host:
            return [host]
        if len(host) > 63:
            raise UnicodeError("label too long")  # as the resolver of the system does
        if host not in self.hosts:
            raise OSError(f"unknown: {host}")
        return self.hosts[host]


def found(uri: str, zone: Zone, transport: Transport | None = None) -> list[str]:
    return [str(target) for target in asyncio.run(locate(Uri.parse(uri), transport, zone, Random(1)))]


CARRIER = Zone(
    naptrs={
        "carrier.example": [
            Naptr(20, 10, "SIP+D2U", "_sip._udp.carrier.example"),
            Naptr(10, 10, "SIP+D2T", "_sip._tcp.carrier.example"),
            Naptr(5, 10, "SIP+D2S", "_sip._sctp.carrier.example"),
            Naptr(7, 10, "E2U+sip", ""),
        ]
    },
    srvs={
        "_sip._udp.carrier.example": [
            Srv(20, 0, 5060, "backup.carrier.example"),
            Srv(10, 0, 5070, "main.carrier.example"),
        ],
        "_sip._tcp.carrier.example": [Srv(10, 0, 5080, "main.carrier.example")],
        "_sips._tcp.carrier.example": [Srv(10, 0, 5061, "main.carrier.example")],
    },
    hosts={
        "main.carrier.example": ["192.0.2.1", "2001:db8::1"],
        "backup.carrier.example": ["192.0.2.2"],
        "carrier.example": ["192.0.2.9"],
        "plain.example": ["192.0.2.3"],
    },
)


@pytest.mark.parametrize(
    ("uri", "transport", "expected"),
    [
        ("sip:192.0.2.7", None, ["UDP 192.0.2.7:5060"]),
        ("sip:192.0.2.7", Transport.TLS, ["TLS 192.0.2.7:5061"]),
        ("sips:192.0.2.7", None, ["TLS 192.0.2.7:5061"]),
        ("sip:[2001:db8::7]:5070", None, ["UDP [2001:db8::7]:5070"]),
        ("sip:carrier.example:5090", Transport.TCP, ["TCP 192.0.2.9:5090"]),
        ("sip:other.example;maddr=192.0.2.8", None, ["UDP 192.0.2.8:5060"]),
        (
            "sip:carrier.example",
            None,
            [
                "TCP 192.0.2.1:5080",
                "TCP [2001:db8::1]:5080",
                "UDP 192.0.2.1:5070",
                "UDP [2001:db8::1]:5070",
                "UDP 192.0.2.2:5060",
            ],
        ),
        (
            "sip:carrier.example",
            Transport.UDP,
            ["UDP 192.0.2.1:5070", "UDP [2001:db8::1]:5070", "UDP 192.0.2.2:5060"],
        ),
        ("sips:carrier.example", None, ["TLS 192.0.2.1:5061", "TLS [2001:db8::1]:5061"]),
        ("sip:plain.example", None, ["UDP 192.0.2.3:5060"]),
        ("sip:plain.example", Transport.TLS, ["TLS 192.0.2.3:5061"]),
    ],
)
def test_where_a_uri_leads(uri: str, transport: Transport | None, expected: list[str]) -> None:
    assert found(uri, CARRIER, transport) == expected


def test_the_certificate_has_to_name_the_domain_that_was_asked_for() -> None:
    targets = asyncio.run(locate(Uri.parse("sip:carrier.example"), Transport.TLS, CARRIER, Random(1)))
    assert {target.name for target in targets} == {"carrier.example"}


def test_a_name_that_leads_nowhere() -> None:
    with pytest.raises(OSError, match="unknown"):
        found("sip:nobody.example", CARRIER)
    with pytest.raises(OSError, match="too long"):
        found(f"sip:{'x' * 70}", CARRIER)


def test_a_domain_that_denies_the_service_is_believed() -> None:
    zone = Zone(srvs={"_sip._udp.quiet.example": [Srv(0, 0, 0, ".")]}, hosts={"quiet.example": ["192.0.2.4"]})
    with pytest.raises(OSError, match="no server"):
        found("sip:quiet.example", zone, Transport.UDP)


def test_one_name_of_several_may_be_unknown() -> None:
    zone = Zone(
        srvs={"_sip._udp.a.example": [Srv(0, 0, 5060, "gone.example"), Srv(1, 0, 5060, "here.example")]},
        hosts={"here.example": ["192.0.2.5"]},
    )
    assert found("sip:a.example", zone, Transport.UDP) == ["UDP 192.0.2.5:5060"]


def test_a_dns_that_floods_is_cut_off() -> None:
    records = [Srv(0, 0, 5060, f"h{number}.example") for number in range(500)]
    hosts = {f"h{number}.example": ["192.0.2.6"] * 50 + [f"10.0.{number}.1"] for number in range(500)}
    zone = Zone(srvs={"_sip._udp.a.example": records}, hosts=hosts)
    assert len(found("sip:a.example", zone, Transport.UDP)) == MAX_SERVERS


def test_servers_of_one_priority_get_their_share() -> None:
    records = [Srv(1, 30, 1, "often"), Srv(1, 10, 1, "seldom"), Srv(0, 0, 1, "first"), Srv(1, 0, 1, "hardly")]
    dice = Random(7)
    orders = [[record.target for record in in_order(records, dice)] for _ in range(2000)]
    assert {order[0] for order in orders} == {"first"}
    seconds = Counter(order[1] for order in orders)
    assert seconds["often"] > 2 * seconds["seldom"] > 4 * seconds["hardly"]
    assert all(sorted(order) == ["first", "hardly", "often", "seldom"] for order in orders)


ONE, TWO, THREE = (
    Target(Transport.UDP, Address(f"192.0.2.{number}", 5060), "carrier.example") for number in (1, 2, 3)
)


def test_a_server_that_failed_rests() -> None:
    servers = Servers([ONE, TWO, THREE])
    servers.failed(ONE, 100.0)
    servers.failed(TWO, 101.0)
    assert servers.in_order(102.0) == [THREE, ONE, TWO]
    assert servers.in_order(160.5) == [ONE, THREE, TWO]
    servers.works(TWO)
    assert servers.in_order(102.0) == [TWO, THREE, ONE]


def test_a_server_may_ask_for_a_longer_rest_but_not_for_ever() -> None:
    servers = Servers([ONE, TWO])
    servers.failed(ONE, 0.0, 300.0)
    assert servers.in_order(299.0) == [TWO, ONE]
    servers.failed(ONE, 0.0, 1e9)
    assert servers.in_order(601.0) == [ONE, TWO]


def test_new_servers_in_place_of_the_old() -> None:
    servers = Servers([ONE, TWO])
    servers.failed(ONE, 0.0)
    servers.replace([THREE, ONE])
    assert servers.in_order(1.0) == [THREE, ONE]
    assert "192.0.2.2" not in servers
    assert "192.0.2.3" in servers


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5.0),
        ("120 (I'm in a meeting)", 120.0),
        ("18000;duration=3600", 18000.0),
        ("", 0.0),
        ("-1", 0.0),
        ("soon", 0.0),
        ("9" * 30, 0.0),
        ("\u0663", 0.0),
    ],
)
def test_how_long_a_server_wants_to_be_left_alone(text: str, seconds: float) -> None:
    assert retry_after(Response(503, headers=[("Retry-After", text)])) == seconds
