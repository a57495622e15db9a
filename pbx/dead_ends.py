"""What of a configuration leads nowhere: targets, and numbers that nobody can dial.

Of targets the configuration alone cannot tell: one may be a dial code, and those are the features'.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from pbx.config_errors import ConfigError, Problem
from pbx.destinations import (
    Address,
    Destination,
    ExtensionNumber,
    Number,
    SystemNumber,
    Voicemail,
    parse_target,
)
from pbx.dial_codes import dial_table
from pbx.reception import numbers as reception_numbers
from pbx.trunks.checks import emergency, is_barred_outside, leads_outside

if TYPE_CHECKING:
    from pbx.config import Config
    from pbx.dial_table import DialTable
    from pbx.plugin import Feature
    from pbx.reception_settings import Menu

_NO_TARGETS = ("", "name", "repeat")
"""What a key of a receptionist does beside leading somewhere, and what is not set."""
_NUMBERED = ("extensions", "queues", "ring_groups", "receptionists")
"""Tables whose entries can be dialled."""


def check_leads(
    features: Collection[Feature], config: Config, before: Callable[[], Config] | None = None
) -> None:
    """Raises ConfigError where dial codes clash, or where something leads nowhere that did not `before`: a dead end
    that an older version let in is no reason to refuse another change."""
    problems = tuple(dead_ends(config, dial_table(features, config)))
    if problems and before is not None:
        former = before()
        known = Counter(map(_anywhere, dead_ends(former, dial_table(features, former))))
        now = Counter(map(_anywhere, problems))
        problems = tuple(problem for problem in problems if now[_anywhere(problem)] > known[_anywhere(problem)])
    if problems:
        raise ConfigError(*problems)


def _anywhere(problem: Problem) -> tuple[str, str]:
    """The same wherever in its list it stands, from which others may be removed."""
    return re.sub(r"\d+", "", problem.key), problem.message


def dead_ends(config: Config, codes: DialTable) -> Iterator[Problem]:
    """What leads to somebody or something that there is not, or to where it does not lead those who come by it, by its
    key. Forwards to extensions and numbers are checked with the extensions themselves."""
    nowhere = _Nowhere(config, codes)
    for key, text in _targets(config):
        if text not in _NO_TARGETS and (problem := nowhere.objection(parse_target(text))):
            yield Problem(key, problem)
    for index, extension in enumerate(config.extensions):
        for occasion in type(extension.forward).model_fields:
            target = getattr(extension.forward, occasion) or ""
            if target.startswith("system:") and (problem := nowhere.objection(parse_target(target))):
                yield Problem(
                    f"extensions[{index}].forward.{occasion}", f"(extension {extension.number}) {problem}"
                )
    if config.trunks:
        for index, rule in enumerate(config.inbound_rules):
            for name in ("target", "otherwise"):
                if problem := nowhere.objection_outside(getattr(rule, name)):
                    yield Problem(f"inbound_rules[{index}].{name}", problem)
        yield from _behind_help(config)


def _behind_help(config: Config) -> Iterator[Problem]:
    """Numbers that nobody inside reaches who dials them: they begin with the prefix of a rule, and call for help."""
    remedy = "choose another, or say in dialing.emergency which numbers are"
    numbers = [(f"numbers.{name}", number) for number, name in config.numbers.reserved().items()]
    for table in _NUMBERED:
        numbers += [(f"{table}[{index}].number", each.number) for index, each in enumerate(getattr(config, table))]
    prefixes = tuple(rule.prefix for rule in config.outbound_rules if rule.prefix)
    for key, number in numbers:
        if number.startswith(prefixes) and (help_ := emergency(config, number)):
            yield Problem(key, f"{number} is {help_}, {remedy}")


def _targets(config: Config) -> Iterator[tuple[str, str]]:
    for index, rule in enumerate(config.inbound_rules):
        yield f"inbound_rules[{index}].target", rule.target
        yield f"inbound_rules[{index}].otherwise", rule.otherwise
    for index, queue in enumerate(config.queues):
        yield f"queues[{index}].overflow", queue.overflow
    for index, group in enumerate(config.ring_groups):
        yield f"ring_groups[{index}].otherwise", group.otherwise
    for index, receptionist in enumerate(config.receptionists):
        place = f"receptionists[{index}]"
        yield from _of_menu(place, receptionist)
        for name in ("closed", "holiday"):
            if (menu := getattr(receptionist, name)) is not None:
                yield from _of_menu(f"{place}.{name}", menu)


def _of_menu(place: str, menu: Menu) -> Iterator[tuple[str, str]]:
    for key, target in menu.keys.items():
        yield f"{place}.keys.{key}", target
    yield f"{place}.time_out", menu.time_out
    yield f"{place}.invalid", menu.invalid


class _Nowhere:
    """Knows what there is."""

    def __init__(self, config: Config, codes: DialTable) -> None:
        self._config = config
        self._codes = codes
        self._extensions = {extension.number for extension in config.extensions}
        self._names = self._extensions | {extension.sip_id.lower() for extension in config.extensions}
        self._system = reception_numbers(config).keys() | config.numbers.reserved().keys()

    def objection(self, target: Destination) -> str:
        """Why a target leads nowhere; empty if it leads somewhere."""
        match target:
            case ExtensionNumber(number) | Voicemail(number):
                known = number in self._extensions
                return "" if known else f"{number} is no extension, add it or choose another"
            case SystemNumber(number):
                known = number in reception_numbers(self._config)
                return "" if known else f"{number} is no queue, ring group or receptionist, add it or choose another"
            case Number(dialled):
                code = None if emergency(self._config, dialled) else self._codes.match(dialled)
                if code is not None:
                    return self._objection_to_digits(code[1])
                remedy = "is no extension, number of the system, dial code or number outside, choose another"
                return "" if self._leads_somewhere(dialled) else f"{dialled} {remedy}"
            case Address():
                known = any(target.scheme in trunk.schemes for trunk in self._config.trunks)
                return "" if known else f"needs a gateway for {target.scheme}:, add the scheme to that of a trunk"
        return ""

    def objection_outside(self, target: str) -> str:
        """Why a target that calls for help inside leads callers from outside nowhere; empty if it does not, or does."""
        dialled = target.removeprefix("number:")
        help_ = emergency(self._config, dialled)
        if not help_ or dialled in self._names or dialled in self._system or self._codes.match(dialled):
            return ""
        remedy = "where only an outbound rule with from_trunks leads calls from outside, add one or choose another"
        return f"{dialled} is {help_}, {remedy}" if is_barred_outside(self._config, dialled) else ""

    def _objection_to_digits(self, digits: Mapping[str, str]) -> str:
        """Why a dial code leads nowhere with these digits of its placeholders, such as those of `*4{extension}`."""
        queues = {queue.number for queue in self._config.queues}
        for name, known in (("extension", self._extensions), ("queue", queues)):
            number = digits.get(name)
            if number is not None and number not in known:
                return f"{number} is no {name}, add it or choose another"
        return ""

    def _leads_somewhere(self, dialled: str) -> bool:
        return (
            dialled.lower() in self._names
            or dialled in self._system
            or leads_outside(self._config, dialled)
            or bool(emergency(self._config, dialled))
        )
