"""Checks of the trunks and rules of a configuration that concern more than one value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pbx.config_errors import Problem
from pbx.numbers import NumberingPlan
from pbx.trunks.outbound import Asker, Barred, Outbound
from pbx.trunks.settings import FIRST_PORT, Trunk

if TYPE_CHECKING:
    from pbx.config import Config


def in_trunks(config: Config) -> Iterator[Problem]:
    """What does not go together in trunks, rules, groups and numbers."""
    yield from _in_groups(config)
    yield from _in_names(config)
    yield from _in_ports(config)
    yield from _in_sources(config.trunks)
    yield from _in_transports(config)
    yield from _in_rules(config)
    if config.trunks:
        yield from _in_emergency_numbers(config)


def leads_outside(config: Config, dialled: str) -> bool:
    """Whether an outbound rule is about a number."""
    return any(rule.fits(dialled) for rule in config.outbound_rules)


def ports(trunks: tuple[Trunk, ...]) -> dict[str, int]:
    """The number of each trunk among the ports: as configured, or the next that is free from 10000 up."""
    numbers = {trunk.name: trunk.port for trunk in trunks if trunk.port is not None}
    following = FIRST_PORT
    for trunk in trunks:
        if trunk.name not in numbers:
            while following in numbers.values():
                following += 1
            numbers[trunk.name] = following
    return numbers


def is_emergency(config: Config, digits: str) -> bool:
    """Whether a number, as it is, is one that every extension may always call."""
    listed = config.dialing.emergency
    return NumberingPlan(config.dialing.country).is_emergency(digits) if listed is None else digits in listed


def emergency(config: Config, dialled: str) -> str:
    """How a string that is dialled inside calls for help, which comes before everything; empty if it does not."""
    number = Outbound(config.outbound_rules, config.dialing).emergency(dialled)
    if number is None or number == dialled:
        return "" if number is None else "an emergency number"
    return f"the emergency number {number} behind the prefix of an outbound rule"


def is_barred_outside(config: Config, dialled: str) -> bool:
    """Whether no rule leads callers from outside to a number outside."""
    outbound = Outbound(config.outbound_rules, config.dialing, trunks=tuple(ports(config.trunks)))
    return isinstance(outbound.route(dialled, Asker(from_trunk=True)), Barred)


def _in_groups(config: Config) -> Iterator[Problem]:
    known = {extension.number for extension in config.extensions}
    names: dict[str, int] = {}
    for index, group in enumerate(config.groups):
        first = names.setdefault(group.name, index)
        if first != index:
            yield Problem(f"groups[{index}].name", f"is the name of groups[{first}] already, choose another")
        for number in group.extensions:
            if number not in known:
                yield Problem(
                    f"groups[{index}].extensions", f"{number} is no extension, add it or leave it out"
                )


def _in_names(config: Config) -> Iterator[Problem]:
    names: dict[str, int] = {}
    for index, trunk in enumerate(config.trunks):
        first = names.setdefault(trunk.name, index)
        if first != index:
            yield Problem(f"trunks[{index}].name", f"is the name of trunks[{first}] already, choose another")


def _in_ports(config: Config) -> Iterator[Problem]:
    extensions = {extension.number for extension in config.extensions}
    taken: dict[int, int] = {}
    given = ports(config.trunks)
    for index, trunk in enumerate(config.trunks):
        number = given[trunk.name]
        first = taken.setdefault(number, index)
        if first != index and config.trunks[first].name != trunk.name:
            yield Problem(f"trunks[{index}].port", f"{number} is the port of trunks[{first}] already")
        if str(number) in extensions:
            yield Problem(f"trunks[{index}].port", f"{number} is an extension, change one of them")


def _in_sources(trunks: tuple[Trunk, ...]) -> Iterator[Problem]:
    """Two gateways at one address: whose call is it?"""
    owners: dict[str, int] = {}
    for index, trunk in enumerate(trunks):
        for address in trunk.addresses:
            host = (
                address.partition("]")[0].strip("[") if address.startswith("[") else address.partition(":")[0]
            )
            first = owners.setdefault(host.lower(), index)
            if first != index:
                yield Problem(f"trunks[{index}].addresses", f"{host} belongs to trunks[{first}] already")


def _in_transports(config: Config) -> Iterator[Problem]:
    for index, trunk in enumerate(config.trunks):
        if trunk.transport in ("udp", "auto") and not config.sip.udp_port:
            remedy = "set it, or another transport for this trunk"
            yield Problem(f"trunks[{index}].transport", f"UDP is switched off by sip.udp_port, {remedy}")


def _in_rules(config: Config) -> Iterator[Problem]:
    trunks = {trunk.name for trunk in config.trunks}
    extensions = {extension.number for extension in config.extensions}
    groups = {group.name for group in config.groups}
    for index, rule in enumerate(config.outbound_rules):
        place = f"outbound_rules[{index}]"
        yield from _unknown(f"{place}.trunks", rule.trunks, trunks, "trunk")
        yield from _unknown(f"{place}.extensions", rule.extensions, extensions, "extension")
        yield from _unknown(f"{place}.groups", rule.groups, groups, "group")
        if rule.strip > rule.lengths[0]:
            yield Problem(
                f"{place}.strip", f"takes more than the {rule.lengths[0]} digits (lengths) there may be"
            )
    for index, inbound in enumerate(config.inbound_rules):
        yield from _unknown(f"inbound_rules[{index}].trunks", inbound.trunks, trunks, "trunk")
        if inbound.otherwise and not config.office_hours.kept:
            yield Problem(f"inbound_rules[{index}].otherwise", "is never used, set times in office_hours")
    if config.outbound_rules and not config.dialing.country:
        yield Problem("dialing.country", 'is missing, give the country that this system is in, such as "FR"')


def _unknown(key: str, names: tuple[str, ...], known: set[str], what: str) -> Iterator[Problem]:
    for name in names:
        if name not in known:
            yield Problem(key, f"{name} is no {what}, add it or choose another")


def _in_emergency_numbers(config: Config) -> Iterator[Problem]:
    """Nothing may stand in the way of an emergency call. What would be one behind a prefix is found with the dead ends:
    older versions let it in, and it keeps no system from its start."""
    remedy = "choose another, or say in dialing.emergency which numbers are"
    for index, extension in enumerate(config.extensions):
        if is_emergency(config, extension.number):
            yield Problem(
                f"extensions[{index}].number", f"{extension.number} is an emergency number, {remedy}"
            )
    for number, name in config.numbers.reserved().items():
        if is_emergency(config, number):
            yield Problem(f"numbers.{name}", f"{number} is an emergency number, {remedy}")
