"""An office to play stories in: one PBX and scripted phones, each on a host of its own, in simulated time.

async def test_lee_calls_richardson(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    richardson.auto_answer = True
    call = await lee.call("101")
    call.hang_up()
    await office.close()      # hangs up, stops everybody; fails if anything is left
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from media.messages import Event
from media.net import MediaNetwork
from media.service import InlineEngine
from pbx.config import Config, parse
from pbx.environment import Environment
from pbx.happenings import Happening
from pbx.live_data import take_over
from pbx.mail.smtp import Mailer
from pbx.phone import Phone, PhoneAccount
from pbx.plugin import Feature
from pbx.prompts import PromptFiles
from pbx.store.store import Store
from pbx.switch import Switch
from sipcore.transport.flow import Address, Transport
from tests.simulation.impairment import LAN, Profile
from tests.simulation.nat import NatBox
from tests.simulation.network import HostNetwork
from tests.simulation.simulation import Simulation

PBX = "10.0.0.1"
EPOCH = datetime(2009, 9, 21, 8, 0, tzinfo=UTC)
"""The time of day at which virtual time begins: a Monday morning."""

COMPANY = {
    "100": "Lee Parker",
    "101": "Richardson Bailey",
    "102": "Taylor Smith",
    "103": "Miller Cox",
    "104": "Bell Shaw",
    "105": "Thomas White",
    "107": "Adam Simpson",
}

SILENCE_SECONDS = 64 * 0.5 + 5.0
"""64*T1 and T4: after so long every transaction has ended (RFC 3261 section 17)."""


def environment(simulation: Simulation, host: HostNetwork, purpose: str) -> Environment:
    """The world as one simulated host sees it, with dice of its own."""
    dice = simulation.dice(purpose)
    return Environment(
        now=simulation.loop.time,
        wall=lambda: EPOCH + timedelta(seconds=simulation.loop.time()),
        rng=dice,
        entropy=lambda: dice.randbytes(32),
        network=host,
        media_network=host,
    )


def password(number: str) -> str:
    """The password of an extension of the office."""
    return f"secret of {number}"


def configuration(extensions: Mapping[str, Mapping[str, Any]], **tables: Mapping[str, Any]) -> Config:
    """A configuration for the company; `extensions` adds people, or adds to (or overrides) their keys."""
    people = []
    for number, name in (
        COMPANY | dict.fromkeys(sorted(set(extensions) - set(COMPANY)), "New Colleague")
    ).items():
        first_name, last_name = name.split()
        own = {"number": number, "first_name": first_name, "last_name": last_name}
        people.append(own | {"password": password(number)} | dict(extensions.get(number, {})))
    sip = {"listen": PBX, "tls_port": 0} | dict(tables.pop("sip", {}))
    media = {"workers": 0, "port_range": (20000, 20999)} | dict(tables.pop("media", {}))
    nat = {"keep_alive_seconds": 0} | dict(tables.pop("nat", {}))
    return parse({"sip": sip, "media": media, "nat": nat, "extensions": people} | tables)


class DistantEngine(InlineEngine):
    """A worker of an office with `media={"workers": 2}`: tells everything a little later, as another process does."""

    def __init__(
        self,
        network: MediaNetwork,
        random: Random,
        number: int,
        host: str,
        port_range: tuple[int, int],
        tell: Callable[[Event], None],
        *_: object,
    ) -> None:
        loop, on_the_way = asyncio.get_running_loop(), deque[Event]()

        def tell_later(event: Event) -> None:
            on_the_way.append(event)  # timers of one time go off in any order, events come in theirs
            loop.call_later(0.05, lambda: tell(on_the_way.popleft()))

        super().__init__(network, host, port_range, random, tell_later, number)


class Office:
    """A running PBX and its phones. `open()` it first; `close()` it, or leave it to its fixture."""

    def __init__(
        self,
        simulation: Simulation,
        *,
        extensions: Mapping[str, Mapping[str, Any]] | None = None,
        features: Iterable[Feature] = (),
        prompts: PromptFiles | None = None,
        link: Profile = LAN,
        behind: NatBox | None = None,
        database: Path | str | None = None,
        mailer: Mailer | None = None,
        **tables: Mapping[str, Any],
    ) -> None:
        """What goes into the configuration: keys of single extensions, and whole tables such as `sip={...}`.

        `behind` a NAT box, which forwards what is for us, phones outside know its address alone. `database` is the
        file or URL of what is kept over a `restart`; without it everything is in memory, and forgotten.
        """
        self.database = database
        self._mailer = mailer
        self._prompts = prompts
        self.simulation = simulation
        self.host = (
            simulation.network.host(PBX, "pbx", link) if behind is None else behind.host(PBX, "pbx", link)
        )
        self._box = behind
        if behind is not None:  # desks have private addresses too, but are somewhere else
            tables["nat"] = {"local_networks": ["10.0.0.0/24", "192.168.0.0/16"]} | dict(
                tables.get("nat", {})
            )
            for port in (5060, 5061, *range(20000, 21000)):
                behind.forward(port, PBX)
        if isinstance(database, Path):
            tables["store"] = {"data_dir": str(database.parent)} | dict(tables.get("store", {}))
        self.config = configuration(extensions or {}, **tables)
        self.phones: list[Phone] = []
        self.told: list[Happening] = []
        """Every happening, in order."""
        self._features = tuple(features)
        self._places = 0
        self._starts = 0

    async def open(self) -> None:
        """Start the PBX."""
        self._starts += 1  # each with dice of its own
        world = environment(self.simulation, self.host, "pbx" if self._starts == 1 else f"pbx {self._starts}")
        if self._mailer is not None:
            world = replace(world, mailer=self._mailer)
        worker = partial(DistantEngine, self.host, self.simulation.dice("workers"))
        with patch("media.service.WorkerProcess", worker):
            store, config = self._open_store()
            self.switch = Switch(world, config, self._features, self._prompts, store)
        self.stop_listening = self.switch.happenings.subscribe(None, self.told.append)
        await self.switch.start()

    def _open_store(self) -> tuple[Store | None, Config]:
        if self.database is None:
            return None, self.config
        store = Store.open(self.database)
        return store, take_over(self.config, store)[0]

    async def restart(self) -> None:
        """Stop the PBX and start it anew; the phones stay on, and `told` goes on."""
        await self.switch.stop()
        await self.open()

    async def phone(
        self,
        number: str,
        *,
        register: bool = True,
        link: Profile = LAN,
        behind: NatBox | None = None,
        transport: Transport = Transport.UDP,
    ) -> Phone:
        """Put a phone of extension `number` on a desk (`behind` a NAT box: at home) and switch it on."""
        self._places += 1
        others = sum(phone.account.number == number for phone in self.phones)
        name = f"phone-{number}-{others + 1}" if others else f"phone-{number}"
        if behind is None:
            host = self.simulation.network.host(f"10.0.1.{self._places}", name, link)
        else:
            host = behind.host(f"192.168.1.{self._places}", name, link)
        us = PBX if self._box is None or behind is self._box else self._box.address
        server, owner = Address(us, 5061 if transport.secure else 5060), COMPANY.get(number, "")
        account = PhoneAccount(number, password(number), server, transport, owner)
        world = environment(self.simulation, host, name)
        phone = Phone(world, account, local=Address(host.address, 5060))
        self.phones.append(phone)
        await phone.start()
        if register:
            await phone.register()
        return phone

    def told_of(self, kind: type[Happening]) -> list[Any]:
        """The happenings of one class, in order."""
        return [happening for happening in self.told if type(happening) is kind]

    def live(self) -> dict[str, int]:
        """What the PBX holds at the moment, all zero when nobody is calling: for tests of leaks."""
        switch = self.switch
        books = {
            "calls": len(switch.calls),
            "legs": len(switch.legs),
            "claims": len(switch.trunks.ledger),
            "messages": len(switch.messages),
            "parked": len(switch.parking),
            "queued": len(switch.queues),
            "requests": len(switch.requests),
        }
        return {**switch.endpoint.live(), **switch.media.live(), **switch.events.live(), **books}

    async def settle(self) -> None:
        """Let every transaction come to its end; then nothing may be left of past calls."""
        await asyncio.sleep(SILENCE_SECONDS)
        for _ in range(60):  # a phone may just have registered again, or been pinged; what leaks stays
            left = {name: count for name, count in self.live().items() if count}
            if not left:
                return
            await asyncio.sleep(SILENCE_SECONDS / 12)
        assert left == {}

    async def close(self) -> None:
        """Stop phones and PBX; fails if a port or a task is left."""
        phones, self.phones = self.phones, []
        for phone in phones:
            await phone.stop()
        await self.switch.stop()
        await asyncio.sleep(SILENCE_SECONDS)
        assert self.simulation.network.open_ports() == []
        left = self.simulation.tasks() - {asyncio.current_task()}
        assert left == set(), f"tasks left: {left}"
