"""NAPTR and SRV records by way of dnspython (addresses come from the system's resolver, as for everybody)."""

from __future__ import annotations

import logging

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver
from dns.rdtypes.IN.NAPTR import NAPTR
from dns.rdtypes.IN.SRV import SRV

from sipcore.transport.resolve import Naptr, Srv

logger = logging.getLogger(__name__)

LIFETIME_SECONDS = 5.0
"""How long one question may take, with all repetitions."""


class SystemDns:
    """The name servers of the machine; answers are kept as long as they say."""

    def __init__(self, resolver: dns.asyncresolver.Resolver | None = None) -> None:
        """`resolver` asks other name servers than those of the machine."""
        self._resolver = resolver

    async def naptr(self, name: str) -> list[Naptr]:
        """The NAPTR records of a domain."""
        records = [
            record for record in await self._ask(name, dns.rdatatype.NAPTR) if isinstance(record, NAPTR)
        ]
        return [
            Naptr(
                record.order,
                record.preference,
                record.service.decode("ascii", "replace"),
                record.replacement.to_text().rstrip("."),
            )
            for record in records
        ]

    async def srv(self, name: str) -> list[Srv]:
        """The SRV records of a service."""
        records = [record for record in await self._ask(name, dns.rdatatype.SRV) if isinstance(record, SRV)]
        return [
            Srv(record.priority, record.weight, record.port, record.target.to_text().rstrip("."))
            for record in records
        ]

    async def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> list[object]:
        try:
            if self._resolver is None:
                self._resolver = dns.asyncresolver.Resolver()  # reads the machine's settings
                self._resolver.cache = dns.resolver.LRUCache(1000)
            answer = await self._resolver.resolve(
                name, kind, lifetime=LIFETIME_SECONDS, raise_on_no_answer=False
            )
        except (dns.exception.DNSException, OSError, ValueError) as error:
            logger.debug("no %s records of %s: %s", kind.name, name, error)
            return []
        return list(answer.rrset or ())
