"""All trunks of a system: which of them a request comes from, and how they stand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import replace
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
from pbx.trunks.settings import InboundRule
from pbx.trunks.settings import Trunk as TrunkSettings
from pbx.trunks.trunk import PortStatus, Trunk
from sipcore.syntax.message import Request
from sipcore.transport.flow import Flow
from values import dataclass

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
        dialing = switch.config.dialing
        self.ledger = Ledger(dialing.max_calls, dialing.max_calls_a_day)
        self._by_name: dict[str, Trunk] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._started = False
        self.refresh()

    def refresh(self) -> None:
        """Take up the trunks and rules that the configuration has now. One that is gone, or other than it was, takes
        no more calls; those that it carries go on."""
        config = self._switch.config
        self.outbound = Outbound(
            config.outbound_rules,
            config.dialing,
            {group.name: frozenset(group.extensions) for group in config.groups},
            tuple(trunk.name for trunk in config.trunks),
            gateways(config.trunks),
        )
        self._rules = config.inbound_rules
        before, given = self._by_name, ports(config.trunks)
        self._by_name = {}
        for settings in config.trunks:
            trunk = before.get(settings.name)
            if trunk is not None and trunk.settings == settings:
                trunk.port = given[settings.name]
            else:
                plan = NumberingPlan(settings.country or config.dialing.country)
                trunk = Trunk(self._switch, settings, given[settings.name], plan)
                if self._started:
                    trunk.start()
            self._by_name[settings.name] = trunk
        for trunk in before.values():
            if self._by_name.get(trunk.name) is not trunk:
                self._leave(trunk)

    def _leave(self, trunk: Trunk) -> None:
        task = self._switch.loop.create_task(trunk.stop(STOP_SECONDS), name=f"trunk {trunk.name}")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def start(self) -> None:
        """Begin to register and to ask."""
        self._started = True
        for trunk in self:
            trunk.start()

    async def stop(self) -> None:
        """Take all registrations back."""
        await asyncio.gather(*self._leaving, *(trunk.stop(STOP_SECONDS) for trunk in self))

    def flow_closed(self, flow: Flow) -> None:
        """A connection is gone."""
        for trunk in self:
            trunk.flow_closed(flow)

    def __iter__(self) -> Iterator[Trunk]:
        return iter(self._by_name.values())

    def named(self, name: str) -> Trunk:
        """The trunk of this name. Raises KeyError."""
        return self._by_name[name]

    def find(self, name: str) -> Trunk | None:
        """The trunk of this name; None if there is none, or no more."""
        return self._by_name.get(name)

    def ports(self) -> list[PortStatus]:
        """How each stands, by number."""
        return sorted((trunk.status for trunk in self), key=lambda status: status.number)

    def source(self, request: Request, flow: Flow) -> Trunk | None:
        """The trunk that a request comes from, by the address of its sender; None if it comes from none.

        Of several accounts at one provider it is the one that the Request-URI names.
        """
        if not self._by_name:
            return None
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
            self._refuse(invited, arrival, 404, "no inbound rule fits")
        elif trunk.full:
            self._refuse(invited, arrival, 503, f"max_calls of {name} is reached")
        else:
            switch.begin_call(invited, arrival.caller, arrival.dialled, arrival.destination, arrival.dids)

    def _refuse(self, invited: Invited, arrival: Arrival, status: int, why: str) -> None:
        headers = refusal_headers(arrival.caller, status)
        self._switch.driver.perform(invited.session.reject(status, self._switch.loop.time(), headers=headers))
        self._switch.turned_away.tell(arrival.caller, arrival.dialled, status, why=why)

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
                caller = replace(caller, language=rule.language)
                return Arrival(
                    caller, called, rule.leads_to(open_=self._switch.config.office_hours.open_at(at))
                )
        return Arrival(caller, called, None)

    def objections(
        self, caller: ExternalParty, called: tuple[str, ...], plan: NumberingPlan
    ) -> list[tuple[InboundRule, str]]:
        """Each inbound rule up to the one that `led` goes by, with why it does not fit; empty for the one that does."""
        calling, looked_at = forms(caller.number, plan), []
        for rule in self._rules:
            objection = rule.objection(caller.trunk, called, calling)
            looked_at.append((rule, objection))
            if not objection:
                break
        return looked_at


def gateways(trunks: Iterable[TrunkSettings]) -> dict[str, tuple[str, ...]]:
    """Which trunks can call URIs of which scheme, in the order of the configuration."""
    found: dict[str, tuple[str, ...]] = {}
    for trunk in trunks:
        for scheme in trunk.schemes:
            found[scheme] = (*found.get(scheme, ()), trunk.name)
    return found
