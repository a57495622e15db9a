"""Numbers that come and go while the system runs: those of queues, ring groups and receptionists.

A feature says what happens to a call that is led there, once for each kind:

    @feature.destination("queue", summary="Wait for an agent")
    async def enter(call: Call, queue: str) -> None: ...

and whoever knows the queues (at the start, and when one is added or removed) enters each by its number:

    switch.system_numbers.add("804", "queue", "Sales")      # raises NumberTaken
    switch.system_numbers.remove("804")

From then on 804 can be dialled, and `SystemNumber("804")` leads there: the handler is called with queue="804".
Mailboxes need not be entered, since `Voicemail("101")` names its kind: the handler of "voicemail" gets the mailbox.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from pbx.config_errors import ConfigError, Problem
from pbx.dial_table import DialTable, Handler
from values import dataclass

if TYPE_CHECKING:
    from pbx.config import Config
    from pbx.directory import Directory
    from pbx.plugin import Feature

_NUMBER = re.compile(r"[0-9]{1,15}")


class NumberTaken(ValueError):
    """A number that something else has already; the message says what."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a feature does for the calls that are led to one kind of destination."""

    handler: Handler
    parameter: str
    """The name of the argument that says which of the kind is meant."""

    def arguments(self, number: str) -> dict[str, str]:
        """What the handler is called with, beside the call."""
        return {self.parameter: number}


@dataclass(frozen=True, slots=True)
class Entry:
    """One number that is in use."""

    number: str
    kind: str
    name: str = ""
    """For people."""

    def __str__(self) -> str:
        return f"{self.kind} {self.number}" + (f" ({self.name})" if self.name else "")


class SystemNumbers:
    """The services by kind, and the numbers in use."""

    def __init__(
        self, services: Mapping[str, Service] | None = None, owner: Callable[[str], str] = lambda number: ""
    ) -> None:
        """`owner` says what has a number for good, empty if nothing has: extensions, dial codes, numbers of
        `[numbers]`."""
        self.services = services or {}
        self._owner = owner
        self.edition = 0
        """Another one when there are others."""
        self._entries: dict[str, Entry] = {}

    def add(self, number: str, kind: str, name: str = "") -> None:
        """Let `number` lead to the handler of `kind` from now on. Raises NumberTaken.

        To enter it again for the same kind changes its name. Raises ValueError for what is no number, or a kind that
        no feature serves.
        """
        if not _NUMBER.fullmatch(number):
            raise ValueError(f"{number!r} is no number of 1 to 15 digits")
        if kind not in self.services:
            raise ValueError(f"no feature serves the kind {kind}")
        entry = self._entries.get(number)
        owner = str(entry) if entry is not None and entry.kind != kind else self._owner(number)
        if owner:
            raise NumberTaken(f"{number} is {owner} already")
        self.edition += 1
        self._entries[number] = Entry(number, kind, name)

    def remove(self, number: str) -> None:
        """Let it lead nowhere; calls that are there already stay. Nothing happens if it does not exist."""
        self.edition += 1
        self._entries.pop(number, None)

    def find(self, number: str) -> Entry | None:
        """What has the number; None if nothing has."""
        return self._entries.get(number)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))


def system_numbers(
    features: Iterable[Feature], config: Config, directory: Directory, codes: Callable[[], DialTable]
) -> SystemNumbers:
    """No numbers yet, and all kinds that features serve; `codes` are those of the moment.

    Raises ConfigError where two serve one kind.
    """
    services: dict[str, Service] = {}
    for feature in features:
        for kind, service in feature.destinations.items():
            other = services.setdefault(kind, service)
            if other is not service:
                both = (
                    f"{other.handler} and {service.handler} both serve {kind}; remove one of these plug-ins"
                )
                raise ConfigError(Problem("", both))
    reserved = config.numbers.reserved()

    def owner(number: str) -> str:
        code, extension = codes().match(number), directory.find(number)
        if number in reserved:
            return f"the {reserved[number]} number"
        if code is not None:
            return f"a dial code of {code[0]}"
        return "" if extension is None else f"extension {extension.number}"

    return SystemNumbers(services, owner)
