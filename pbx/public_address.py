"""Finds our public address by STUN (RFC 8489), from the port that SIP uses, and looks again now and then."""

from __future__ import annotations

import asyncio
import logging
from random import Random
from typing import TYPE_CHECKING

from sipcore.net.driver import Driver
from sipcore.net.network import Network
from sipcore.transport.flow import Address
from sipcore.transport.stun import BindingClient

if TYPE_CHECKING:
    from pbx.addresses import Addresses
    from pbx.config import Nat

logger = logging.getLogger(__name__)

STUN_PORT = 3478


class PublicAddress:
    """Asks one server; what it told last holds as long as it does not tell something else."""

    def __init__(
        self, nat: Nat, addresses: Addresses, *, network: Network, driver: Driver, random: Random
    ) -> None:
        """Does nothing where no server is configured."""
        self._addresses = addresses
        self._server, _, port = nat.stun_server.partition(":")
        self._port = int(port or STUN_PORT)
        self._seconds = nat.stun_seconds
        self._network = network
        self._driver = driver
        self._client = BindingClient(random)
        self._mapped: asyncio.Future[Address] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to ask."""
        if not self._server:
            return
        self._driver.on_stun = self._receive
        self._task = asyncio.get_running_loop().create_task(self._keep_asking(), name="STUN")

    def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()

    async def _keep_asking(self) -> None:
        while True:
            await self._ask()
            await asyncio.sleep(self._seconds)

    async def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            remote = Address((await self._network.resolve(self._server))[0], self._port)
        except OSError as error:
            logger.warning("the STUN server %s is not known: %s", self._server, error)
            return
        self._mapped = loop.create_future()
        self._driver.send_datagram(self._client.start(loop.time()), remote)
        while self._client.deadline is not None:
            await asyncio.wait([self._mapped], timeout=max(0.0, self._client.deadline - loop.time()))
            if self._mapped.done():
                return
            again = self._client.tick(loop.time())
            if again is not None:
                self._driver.send_datagram(again, remote)
        logger.warning("the STUN server %s does not tell our address", self._server)

    def _receive(self, data: bytes) -> None:
        mapped = self._client.receive(data)
        if mapped is None or self._mapped is None or self._mapped.done():
            return
        self._mapped.set_result(mapped)
        if mapped.host != self._addresses.found:
            logger.info("our public address is %s", mapped.host)
            self._addresses.found = mapped.host
