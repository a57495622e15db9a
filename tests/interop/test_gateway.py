"""SIPp plays a gateway: calls from the telephone network to a phone, and from a phone to there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import Phones, Softphones
from tests.interop.server import PASSWORD, Server
from tests.interop.sipp import SippPhone

TABLES = """
[dialing]
country = "FR"

[[trunks]]
name = "lines"
addresses = ["{gateway}"]
number_format = "national"
qualify_seconds = 0

[[outbound_rules]]
prefix = "0"
strip = 1
trunks = ["lines"]

[[inbound_rules]]
did = "+33140000001"
target = "100"

[[inbound_rules]]
did = "+33140000002"
target = "102"
"""
GATEWAY = 200
LEE_HZ = 440.0


@pytest.fixture(scope="module")
def server(network: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a trunk to 127.x.y.200."""
    folder = tmp_path_factory.mktemp("server") / "run"
    tables = TABLES.format(gateway=f"{network}.{GATEWAY}")
    with Server(folder, f"{network}.1", ["100", "101", "102"], tables=tables) as server:
        yield server


@pytest.fixture
def gateway(server: Server, network: str, tmp_path: Path) -> Iterator[SippPhone]:
    folder = tmp_path / "gateway"
    folder.mkdir()
    with SippPhone(folder, f"{network}.{GATEWAY}", "0140000001", PASSWORD, server.address) as gateway:
        yield gateway


@pytest.mark.row("CORE-04", "ADM-10")
def test_a_gateway_brings_a_call(gateway: SippPhone, phone: Phones) -> None:
    callee = phone("100", 150)
    callee.run("register")
    answering = callee.start("callee")
    calling = gateway.start("gateway_caller", dial="0140000001")
    gateway.go_on(calling, "gateway_caller", after="^CSeq: 1 ACK")
    gateway.finish(calling, "gateway_caller")
    callee.finish(answering, "callee")
    assert re.search(r'^From: "Durand" <sip:\+33612345678@', callee.trace("callee").read_text(), re.MULTILINE)


@pytest.mark.row("CORE-04", "ADM-09")
def test_a_gateway_takes_a_call(gateway: SippPhone, phone: Phones) -> None:
    answering = gateway.start("callee")
    phone("101", 151).run("caller", dial="00612345678")
    gateway.finish(answering, "callee")
    trace = gateway.trace("callee").read_text()
    assert re.search(r"^INVITE sip:0612345678@", trace, re.MULTILINE)
    assert re.search(r'^P-Asserted-Identity: "Test Phone 101" <sip:101@', trace, re.MULTILINE)


@pytest.mark.row("CORE-04")
def test_sound_flows_both_ways_in_calls_of_both_ways(gateway: SippPhone, softphone: Softphones) -> None:
    """The gateway echoes what it hears."""
    lee = softphone("102", LEE_HZ, auto_answer=True)
    calling = gateway.start("gateway_caller", dial="0140000002")
    lee.wait_until_hears(LEE_HZ)
    gateway.go_on(calling, "gateway_caller", after="^CSeq: 1 ACK")
    gateway.finish(calling, "gateway_caller")
    lee.wait_for("CALL_CLOSED")
    answering = gateway.start("callee")
    lee.dial("00612345678")
    lee.wait_until_hears(LEE_HZ)
    lee.hang_up()
    gateway.finish(answering, "callee")
