"""NAPTR and SRV records from a name server on the loopback interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from sipcore.net import dns as ours
from sipcore.net.dns import SystemDns
from sipcore.transport.resolve import Naptr, Srv
from tests.unit.sipcore.net.loopback import HERE, run

RECORDS = {
    ("carrier.example.", "NAPTR"): (
        '10 20 "S" "SIP+D2U" "" _sip._udp.carrier.example.',
        '5 20 "U" "E2U+sip" "!^.*$!sip:x@y!" .',
    ),
    ("_sip._udp.carrier.example.", "SRV"): ("10 5 5070 main.carrier.example.", "20 0 5060 ."),
}


class NameServer(asyncio.DatagramProtocol):
    """Answers from RECORDS; says nothing about names that begin with `silent`, and garbage about `broken`."""

    transport: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        [question] = query.question
        name, kind = question.name.to_text(), question.rdtype.name
        if name.startswith("silent"):
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if records := RECORDS.get((name, kind)):
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records))
        elif not name.startswith("empty"):
            response.set_rcode(dns.rcode.NXDOMAIN)
        answer = response.to_wire()
        self.transport.sendto(answer[:20] if name.startswith("broken") else answer, address)


@asynccontextmanager
async def serving() -> AsyncIterator[SystemDns]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(NameServer, local_addr=(HERE, 0))
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [HERE]
    resolver.port = transport.get_extra_info("sockname")[1]
    try:
        yield SystemDns(resolver)
    finally:
        transport.close()


def test_records_are_read() -> None:
    async def story() -> None:
        async with serving() as asked:
            assert sorted(await asked.naptr("carrier.example"), key=lambda record: record.order) == [
                Naptr(5, 20, "E2U+sip", ""),
                Naptr(10, 20, "SIP+D2U", "_sip._udp.carrier.example"),
            ]
            assert sorted(
                await asked.srv("_sip._udp.carrier.example"), key=lambda record: record.priority
            ) == [
                Srv(10, 5, 5070, "main.carrier.example"),
                Srv(20, 0, 5060, ""),
            ]

    run(story())


@pytest.mark.parametrize(
    "name", ["nobody.example", "empty.example", "silent.example", "broken.example", "a..b", "x" * 70]
)
def test_records_that_cannot_be_had_are_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(ours, "LIFETIME_SECONDS", 0.3)

    async def story() -> None:
        async with serving() as asked:
            assert await asked.srv(name) == []

    run(story())
