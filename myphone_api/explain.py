"""`myphone explain`: why a call would go where it would go, without placing it."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from myphone_api.errors import CommandError, ExitCode
from myphone_api.server import opened, prepare, setup_errors
from pbx.config import Config
from pbx.destinations import Destination, Number
from pbx.environment import Environment
from pbx.forwarding import kept
from pbx.forwarding.explain import Considered, Explanation, explain, way_in
from pbx.forwarding.onward import onward
from pbx.party import ExternalParty, Party
from pbx.plugin import Feature
from pbx.presence import UserStatus
from pbx.reception import enter_numbers
from pbx.routing import Router
from pbx.store.statuses import every_status
from pbx.store.store import Store
from pbx.switch import Switch
from pbx.trunks.inbound import forms, readable_number
from values import dataclass


@dataclass(frozen=True, slots=True)
class Supposed:
    """The state of the lines as it is asked for; all others are registered and idle (`pbx.routing.Lines`)."""

    unregistered: frozenset[str]
    busy: frozenset[str]

    def registered(self, number: str) -> bool:
        """Whether a phone is registered there."""
        return number not in self.unregistered

    def calls_of(self, number: str) -> int:
        """How many calls it has."""
        return int(number in self.busy)


@dataclass(frozen=True, slots=True)
class Question:
    """A call that is asked about."""

    caller: Party
    destination: Destination
    dids: tuple[str, ...]
    at: datetime
    way_in: tuple[Considered, ...] = ()
    """The inbound rules that were asked."""


def explain_command(options: argparse.Namespace) -> ExitCode:
    """Print the explanation, for people or as JSON."""
    if not (options.to or options.did):
        raise CommandError("say what is called: --to, --did, or both", ExitCode.USAGE)
    with setup_errors():
        config, features = prepare(options.config)
    with opened(config, features, upgrades=False) as (store, known):
        question, explanation, open_ = asyncio.run(_explain(options, known, features, store))
    if options.json:
        asked = {"from": question.caller.number, "to": str(question.destination), "dids": list(question.dids)}
        when = {"at": question.at.isoformat(), "office_open": open_}
        print(json.dumps(asked | when | explanation.as_json(), indent=2))
        return ExitCode.OK
    for line in (*_asked(question, open_), *explanation.lines()):
        print(line)
    return ExitCode.OK


async def _explain(
    options: argparse.Namespace, config: Config, features: tuple[Feature, ...], store: Store
) -> tuple[Question, Explanation, bool]:
    """Ask a system that is made for this, and never started. Raises CommandError."""
    switch = Switch(Environment.real(), config, features, store=store)
    for number in (*options.away, *options.available, *options.busy, *options.unregistered):
        if switch.directory.find(number) is None:
            raise CommandError(f"there is no extension {number}; see `myphone ext list`", ExitCode.USAGE)
    kept.load(switch)
    enter_numbers(switch)
    said = {number for number, status, _ in store.read(every_status) if status == UserStatus.AWAY.value}
    away = (said | set(options.away)) - set(options.available)
    switch.forwarding.away = away.__contains__
    lines = Supposed(frozenset(options.unregistered), frozenset(options.busy))
    router = replace(switch.router, lines=lines)
    question = _question(options, switch, router)
    explanation = explain(
        router,
        question.destination,
        caller=question.caller,
        dids=question.dids,
        at=question.at,
        onward=onward(config, question.at),
    )
    considered = (*question.way_in, *explanation.considered)
    return question, replace(explanation, considered=considered), config.office_hours.open_at(question.at)


def _question(options: argparse.Namespace, switch: Switch, router: Router) -> Question:
    """Raises CommandError where a DID leads nowhere, or there is no such trunk."""
    at = options.at or switch.environment.wall()
    if at.tzinfo is None:
        at = at.replace(tzinfo=switch.config.office_hours.local(switch.environment.wall()).tzinfo)
    inside = switch.directory.find(options.caller) if not options.did else None
    if inside is not None:
        return Question(inside, Number(options.to), (), at)
    name = options.trunk or next(iter(switch.trunks.outbound.trunks), "")
    trunk = switch.trunks.find(name)
    if trunk is None and options.trunk:
        known = ", ".join(switch.trunks.outbound.trunks) or "none"
        raise CommandError(f"--trunk: no trunk {name!r}, there are {known}", ExitCode.USAGE)
    plan = switch.trunks.outbound.plan if trunk is None else trunk.plan
    caller = ExternalParty(readable_number(options.caller, plan), trunk=name)
    dids = forms(options.did or "", plan)
    if options.to:
        return Question(caller, Number(options.to), dids, at)
    arrival = switch.trunks.led(caller, dids, plan, at)
    asked = way_in(switch.trunks.objections(caller, dids, plan))
    if arrival.destination is None:
        said = "\n".join((f"no inbound rule is about {options.did}, the caller would get 404", *map(str, asked)))
        raise CommandError(said)
    return Question(caller, arrival.destination, dids, at, asked)


def _asked(question: Question, open_: bool) -> Iterator[str]:
    who = "external" if isinstance(question.caller, ExternalParty) else "internal"
    did = f", DID {question.dids[-1]}" if question.dids else ""
    yield f"{question.caller.number or 'anonymous'} ({who}) to {question.destination}{did}"
    yield f"at {question.at:%a %Y-%m-%d %H:%M %Z}, the office is {'open' if open_ else 'closed'}"
