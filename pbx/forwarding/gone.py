"""Users' rules that lead to what is removed: from then on they lead to the user's own voicemail.

The administrator who removes it cannot ask everybody first, and a rule that led nowhere would end the calls that it is
about. Nobody's call is lost, and the user finds the rule where it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from pbx.destinations import ExtensionNumber, Number, SystemNumber, Voicemail
from pbx.forwarding.book import Interface
from pbx.forwarding.rules import Action, ReachMe, parse_action
from pbx.forwarding.simple import OWN_VOICEMAIL
from pbx.store import forwarding
from pbx.store.forwarding import Row
from values import dataclass


@dataclass(frozen=True, slots=True)
class Gone:
    """What is removed."""

    extensions: frozenset[str] = frozenset()
    """Their numbers."""
    system: frozenset[str] = frozenset()
    """Numbers of queues, ring groups and receptionists."""
    dialled: frozenset[str] = frozenset()
    """What led to any of them when it was dialled, in small letters, and leads to nothing else here now."""

    def has(self, action: Action) -> bool:
        """Whether an action leads there."""
        match action:
            case ExtensionNumber(number) | Voicemail(number):
                return number in self.extensions
            case SystemNumber(number):
                return number in self.system
            case Number(number) | ReachMe(number):
                return number.lower() in self.dialled
        return False


@dataclass(frozen=True, slots=True)
class Led:
    """A rule of a user that leads elsewhere now."""

    extension: str
    """Whose it is."""
    rule: str
    """Its key in the simple form, or its `id` in the advanced one."""
    before: str
    """Where it led, as text."""


def lead_elsewhere(gone: Gone, connection: Connection) -> tuple[Led, ...]:
    """Let the rules that lead to what is gone lead to the voicemail of whose they are; the rules, by extension."""
    led: list[Led] = []
    for number, row in sorted(forwarding.all_rows(connection).items()):
        changed = list(_leading_there(number, row, gone))
        if changed:
            forwarding.put(number, row, connection)
            led += changed
    return tuple(led)


def _leading_there(own: str, row: Row, gone: Gone) -> Iterator[Led]:
    """The rules of a row that lead there; they are changed in it, one by one."""
    form: dict[str, Any] = row.form or {}
    simple = row.interface == Interface.SIMPLE.value
    for name, table, key in _simple(form) if simple else _advanced(form):
        before = table[key]
        if before != OWN_VOICEMAIL and gone.has(parse_action(before)):
            table[key] = OWN_VOICEMAIL if simple else str(Voicemail(own))
            if "offer" in table:
                table["offer"] = False  # which goes with a number outside alone
            yield Led(own, name, before)


def _simple(form: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The places of the simple form that say where calls go: name, table and key."""
    yield from ((key, form, key) for key in ("no_answer", "busy") if key in form)
    if forward := form.get("forward_all"):
        yield "forward_all", forward, "to"


def _advanced(form: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Those of the advanced form, which may be none at all."""
    yield from ((f"rule {rule['id']}", rule, "action") for rule in form.get("rules", ()))
