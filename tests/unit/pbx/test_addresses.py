"""Which of our addresses a peer is told."""

from __future__ import annotations

from typing import Any

import pytest

from pbx.addresses import Addresses
from pbx.config import ConfigError, parse
from sipcore.transport.flow import Address, Flow, Transport

LOCAL, PUBLIC, MEDIA = "192.168.1.5", "203.0.113.1", "203.0.113.2"
INSIDE, OUTSIDE = "192.168.1.77", "198.51.100.9"


def told(peer: str, found: str = "", **tables: Any) -> tuple[str, str]:
    """What a peer is told for signalling and for sound."""
    addresses = Addresses(parse(tables))
    addresses.found = found
    flow = Flow(Transport.UDP, Address(LOCAL, 5060), Address(peer, 40000))
    host, port = addresses.signalling(flow)
    assert port == 5060
    return host, addresses.media(flow)


@pytest.mark.parametrize(
    ("tables", "found", "inside", "outside"),
    [
        ({}, "", (LOCAL, LOCAL), (LOCAL, LOCAL)),
        ({"sip": {"public_address": PUBLIC}}, "", (LOCAL, LOCAL), (PUBLIC, PUBLIC)),
        ({"media": {"address": MEDIA}}, "", (LOCAL, LOCAL), (LOCAL, MEDIA)),
        (
            {"sip": {"public_address": PUBLIC}, "media": {"address": MEDIA}},
            "",
            (LOCAL, LOCAL),
            (PUBLIC, MEDIA),
        ),
        ({}, PUBLIC, (LOCAL, LOCAL), (PUBLIC, PUBLIC)),
        ({"sip": {"public_address": PUBLIC}}, MEDIA, (LOCAL, LOCAL), (PUBLIC, PUBLIC)),
        ({"media": {"address": "192.168.1.6"}}, "", (LOCAL, "192.168.1.6"), (LOCAL, "192.168.1.6")),
        (
            {"sip": {"public_address": PUBLIC}, "nat": {"local_networks": ["10.0.0.0/8"]}},
            "",
            (PUBLIC, PUBLIC),
            (PUBLIC, PUBLIC),
        ),
    ],
)
def test_those_inside_and_those_outside(
    tables: dict[str, Any], found: str, inside: tuple[str, str], outside: tuple[str, str]
) -> None:
    assert told(INSIDE, found, **tables) == inside
    assert told(OUTSIDE, found, **tables) == outside


def test_who_speaks_ipv6_is_told_no_ipv4_address() -> None:
    addresses = Addresses(parse({"sip": {"public_address": PUBLIC}, "media": {"address": MEDIA}}))
    flow = Flow(Transport.UDP, Address("2001:db8::5", 5060), Address("2001:db8::7", 5060))
    assert addresses.signalling(flow) == flow.local
    assert addresses.media(flow) == flow.local.host


@pytest.mark.parametrize(
    "tables",
    [
        {"sip": {"public_address": "pbx.example.com"}},
        {"nat": {"local_networks": ["192.168.1.5/24"]}},
        {"nat": {"local_networks": ["office"]}},
        {"nat": {"stun_server": "stun example"}},
        {"nat": {"stun_server": "stun.example.com:123456"}},
        {"nat": {"stun_seconds": 0}},
        {"nat": {"keep_alive_seconds": -1}},
    ],
)
def test_what_the_configuration_does_not_take(tables: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        parse(tables)
