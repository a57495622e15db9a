"""What is wrong with trunks and rules, and what to do about it."""

from __future__ import annotations

from typing import Any

import pytest

from pbx.config import Config, ConfigError, parse
from pbx.trunks.checks import ports

LEE = {"number": "100", "password": "correct horse"}
LINES = {"name": "lines", "addresses": ["192.0.2.10"]}
VOIP = {"name": "voip", "type": "provider", "registrar": "sip.example", "user": "me", "password": "secret"}
FRANCE = {"country": "FR"}


def problems(**tables: Any) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse({"extensions": [LEE], "dialing": FRANCE} | tables)
    return str(raised.value).splitlines()


def accepted(**tables: Any) -> Config:
    return parse({"extensions": [LEE], "dialing": FRANCE} | tables)


@pytest.mark.row("ADM-08", "MYP-40")
def test_ports_are_numbered_from_10000_up() -> None:
    config = accepted(
        trunks=[LINES | {"port": 10001}, VOIP, LINES | {"name": "b", "addresses": ["192.0.2.11"]}]
    )
    assert ports(config.trunks) == {"lines": 10001, "voip": 10000, "b": 10002}


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({"trunks": [LINES, LINES]}, "trunks[1].name: is the name of trunks[0] already, choose another"),
        (
            {"trunks": [LINES], "inbound_rules": [{"target": "100", "otherwise": "100"}]},
            "inbound_rules[0].otherwise: is never used, set times in office_hours",
        ),
        ({"trunks": [{"name": "x"}]}, "trunks[0]: a gateway needs addresses, give one or more"),
        (
            {"trunks": [LINES | {"registrar": "sip.example"}]},
            'trunks[0]: registrar and proxy are for providers, remove them or set type = "provider"',
        ),
        (
            {"trunks": [{"name": "x", "type": "provider", "registrar": "a"}]},
            "trunks[0]: a provider needs registrar, user and password, add what is missing",
        ),
        (
            {"trunks": [VOIP | {"addresses": ["a"]}]},
            "trunks[0]: addresses are for gateways, use registrar and proxy",
        ),
        (
            {"trunks": [LINES | {"addresses": ["192.0.2.1:0"]}]},
            "trunks[0].addresses[0]: should have a port from 1 to 65535, or none",
        ),
        (
            {"trunks": [LINES | {"addresses": ["not a host"]}]},
            "trunks[0].addresses[0]: should be a host name or an IP address, with a port if need be: 192.0.2.1:5060",
        ),
        (
            {"trunks": [LINES, LINES | {"name": "x", "addresses": ["192.0.2.10:5070"]}]},
            "trunks[1].addresses: 192.0.2.10 belongs to trunks[0] already",
        ),
        (
            {"trunks": [LINES], "sip": {"udp_port": 0}},
            "trunks[0].transport: UDP is switched off by sip.udp_port, set it, or another transport for this trunk",
        ),
        (
            {"trunks": [LINES | {"port": 10000}, VOIP | {"port": 10000}]},
            "trunks[1].port: 10000 is the port of trunks[0] already",
        ),
        (
            {"trunks": [LINES], "extensions": [LEE | {"number": "10000"}]},
            "trunks[0].port: 10000 is an extension, change one of them",
        ),
        ({"trunks": [LINES | {"port": 100}]}, "trunks[0].port: should be greater than or equal to 10000"),
        (
            {"trunks": [LINES], "outbound_rules": [{"trunks": ["line"]}]},
            "outbound_rules[0].trunks: line is no trunk, add it or choose another",
        ),
        (
            {
                "trunks": [LINES],
                "outbound_rules": [{"trunks": ["lines"], "groups": ["Boss"], "extensions": ["7"]}],
            },
            "outbound_rules[0].extensions: 7 is no extension, add it or choose another",
        ),
        (
            {"trunks": [LINES], "outbound_rules": [{"trunks": ["lines"], "strip": 3}]},
            "outbound_rules[0].strip: takes more than the 1 digits (lengths) there may be",
        ),
        (
            {"trunks": [LINES], "outbound_rules": [{"trunks": ["lines"]}], "dialing": {}},
            'dialing.country: is missing, give the country that this system is in, such as "FR"',
        ),
        (
            {"dialing": {"country": "France"}},
            'dialing.country: should be the ISO 3166 code of a country in capital letters, such as "FR"',
        ),
        (
            {"trunks": [LINES], "inbound_rules": [{"trunks": ["x"], "target": "100"}]},
            "inbound_rules[0].trunks: x is no trunk, add it or choose another",
        ),
        (
            {"trunks": [LINES], "extensions": [LEE | {"number": "112"}]},
            "extensions[0].number: 112 is an emergency number, choose another, or say in dialing.emergency which"
            " numbers are",
        ),
        (
            {"trunks": [LINES], "dialing": {"country": "GB"}},
            "numbers.voicemail: 999 is an emergency number, choose another, or say in dialing.emergency which"
            " numbers are",
        ),
        (
            {"groups": [{"name": "A"}, {"name": "A"}]},
            "groups[1].name: is the name of groups[0] already, choose another",
        ),
        (
            {"groups": [{"name": "A", "extensions": ["100", "107"]}]},
            "groups[0].extensions: 107 is no extension, add it or leave it out",
        ),
        (
            {"extensions": [LEE | {"forward": {"busy": "0612345678"}}]},
            "extensions[0].forward.busy: (extension 100) 0612345678 is no extension, add it or choose another",
        ),
    ],
)
def test_each_mistake_is_told_with_its_remedy(tables: dict[str, Any], expected: str) -> None:
    assert expected in problems(**tables)


def test_passwords_are_never_told() -> None:
    assert "secret" not in "".join(problems(trunks=[VOIP, VOIP | {"colour": "red"}]))


@pytest.mark.row("ADM-03", "ADM-04")
def test_heads_belong_to_their_group() -> None:
    [group] = accepted(groups=[{"name": "Management", "extensions": [], "heads": ["100"]}]).groups
    assert (group.extensions, group.heads) == (("100",), ("100",))


def test_a_forward_may_lead_outside_where_a_rule_does() -> None:
    config = accepted(
        trunks=[LINES],
        outbound_rules=[{"prefix": "06", "trunks": ["lines"]}],
        extensions=[LEE | {"forward": {"busy": "0612345678"}}],
    )
    assert config.extensions[0].forward.busy == "0612345678"


def test_emergency_numbers_may_be_chosen() -> None:
    config = accepted(
        trunks=[LINES], extensions=[LEE | {"number": "115"}], dialing={"country": "FR", "emergency": ["112"]}
    )
    assert config.dialing.emergency == ("112",)
