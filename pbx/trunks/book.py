"""All trunks of a system: which of them a request comes from, and how they stand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pbx.destinations import Destination, Number
from pbx.numbers import NumberingPlan
from pbx.party import ExternalParty
from pbx.trunks.causes import refusal_headers
from pbx.trunks.checks import ports
from pbx.trunks.gate import trunk_named
from pbx.trunks.inbound import called_numbers, calling_party, forms
from pbx.trunks.ledger import Ledger
from pbx.trunks.outbound import Outbound
from pbx.trunks.trunk import PortStatus, Trunk
from sipcore.syntax.message import Request
from sipcore.transport.flow import Flow

if TYPE_CHECKING:
    from pbx.switch import Switch
    from sipcore.effects import Invited

STOP_SECONDS = 2.0
"""How long a stop waits for providers to confirm that we are registered no more."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call that a trunk brings."""

    caller: ExternalParty
    dids: tuple[str, ...]
    """The number that was called, in the forms that rules may name it by."""
    destination: Destination | None
    """Where the first rule leads that fits; None where none does."""

    @property
    def dialled(self) -> str:
        """What stands for the called side: what the rule would dial, else the number that was called."""
        if isinstance(self.destination, Number):
            return self.destination.dialled
        return self.dids[0] if self.dids else ""


class Trunks:
    """The trunks, by name, and the rules for calls through them."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        config = switch.config
        self.outbound = Outbound(
            config.outbound_rules,
            config.dialing,
            {group.name: frozenset(group.extensions) for group in config.groups},
            tuple(trunk.name for trunk in config.trunks),
        )
        self.ledger = Ledger(config.dialing.max_calls, config.dialing.max_calls_a_day)
        self._rules = config.inbound_rules
        given = ports(config.trunks)
        self._by_name = {
            trunk.name: Trunk(
                switch, trunk, given[trunk.name], NumberingPlan(trunk.country or config.dialing.country)
            )
            for trunk in config.trunks
        }

    def start(self) -> None:
        """Begin to register and to ask."""
        for trunk in self:
            trunk.start()

    async def stop(self) -> None:
        """Take all registrations back."""
        await asyncio.gather(*(trunk.stop(STOP_SECONDS) for trunk in self))

    def flow_closed(self, flow: Flow) -> None:
        """A connection is gone."""
        for trunk in self:
            trunk.flow_closed(flow)

    def __iter__(self) -> Iterator[Trunk]:
        return iter(self._by_name.values())

    def named(self, name: str) -> Trunk:
        """The trunk of this name. Raises KeyError."""
        return self._by_name[name]

    def ports(self) -> list[PortStatus]:
        """How each stands, by number."""
        return sorted((trunk.status for trunk in self), key=lambda status: status.number)

    def source(self, request: Request, flow: Flow) -> Trunk | None:
        """The trunk that a request comes from, by the address of its sender; None if it comes from none.

        Of several accounts at one provider it is the one that the Request-URI names.
        """
        owners = [trunk for trunk in self if trunk.owns(flow)]
        if len(owners) > 1:
            user = request.uri.user
            owners = [trunk for trunk in owners if trunk.settings.user == user] or owners
        return owners[0] if owners else None

    def stands_in(self, identity: str, flow: Flow) -> bool:
        """Whether a flow leads to a server of the trunk that sessions are admitted as, with others or not."""
        trunk = self._by_name.get(trunk_named(identity) or "")
        return trunk is not None and trunk.owns(flow)

    def receive(self, name: str, invited: Invited) -> None:
        """Take a call that a trunk brings, or say why not."""
        trunk, switch = self._by_name[name], self._switch
        arrival = self.arrival(trunk, invited.request)
        if arrival.destination is None:
            self._refuse(invited, arrival.caller, 404)
        elif trunk.full:
            self._refuse(invited, arrival.caller, 503)
        else:
            switch.begin_call(invited, arrival.caller, arrival.dialled, arrival.destination, arrival.dids)

    def _refuse(self, invited: Invited, caller: ExternalParty, status: int) -> None:
        headers = refusal_headers(caller, status)
        self._switch.driver.perform(invited.session.reject(status, self._switch.loop.time(), headers=headers))

    def arrival(self, trunk: Trunk, request: Request) -> Arrival:
        """What an INVITE from a trunk says."""
        caller = calling_party(request, trunk.name, trunk.plan)
        called = called_numbers(request, trunk.settings.user, trunk.plan)
        return self.led(caller, called, trunk.plan, self._switch.environment.wall())

    def led(
        self, caller: ExternalParty, called: tuple[str, ...], plan: NumberingPlan, at: datetime
    ) -> Arrival:
        """Where the first rule that fits leads a call to a number, known in several forms."""
        calling = forms(caller.number, plan)
        for rule in self._rules:
            if rule.fits(caller.trunk, called, calling):
                return Arrival(
                    caller, called, rule.leads_to(open_=self._switch.config.office_hours.open_at(at))
                )
        return Arrival(caller, called, None)
