"""What the switch does about routers with address translation: before the phones, and before itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from pbx.addresses import Addresses
from pbx.keep_alive import KeepAlive
from pbx.moves import Moves
from pbx.public_address import PublicAddress

if TYPE_CHECKING:
    from pbx.config import Config
    from pbx.environment import Environment
    from pbx.leg import Leg
    from pbx.requests import Requests
    from sipcore.endpoint import Endpoint
    from sipcore.net.driver import Driver
    from sipcore.registrar.registrar import BindingChange, Registrar
    from sipcore.transport.flow import Flow


class NatTraversal:
    """The parts: which address of ours is told to whom, ways kept open, calls that follow their phone."""

    def __init__(
        self,
        config: Config,
        environment: Environment,
        *,
        legs_of: Callable[[str], Iterable[Leg]],
        registrar: Registrar,
        requests: Requests,
        endpoint: Endpoint,
        driver: Driver,
    ) -> None:
        self.addresses = Addresses(config)
        if config.sip.public_address or config.nat.stun_server:  # else all are told what they reach us at
            endpoint.advertised = self.addresses.signalling
        self._moves = Moves(legs_of, registrar, endpoint, driver.perform)
        self._keep_alive = KeepAlive(config.nat.keep_alive_seconds, requests, driver, environment.rng)
        self._public_address = PublicAddress(
            config.nat, self.addresses, network=environment.network, driver=driver, random=environment.rng
        )

    def start(self) -> None:
        """Ask for our public address; the ports of the driver have to be open."""
        self._public_address.start()

    def stop(self) -> None:
        """Ask and send no more."""
        self._keep_alive.stop()
        self._public_address.stop()

    def flow_closed(self, flow: Flow, now: float) -> None:
        """A connection is gone, of whomever."""
        self._moves.flow_closed(flow, now)

    def note(self, changes: Sequence[BindingChange], now: float) -> None:
        """Phones have come, gone, or moved."""
        self._moves.note(changes, now)
        self._keep_alive.note(changes)
