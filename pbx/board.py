"""Who there is and what they do, by group, and the ports to the outside for those who may see them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pbx.directory import Extension
from pbx.directory_search import search
from pbx.presence import ExtensionState, LineState
from pbx.rights import NO_RIGHTS, Rights, rights
from values import dataclass

if TYPE_CHECKING:
    from pbx.call import Call
    from pbx.switch import Switch
    from pbx.trunks.trunk import PortStatus


@dataclass(frozen=True, slots=True)
class Row:
    """One extension as a list shows it."""

    number: str
    name: str
    state: ExtensionState

    @property
    def registered(self) -> bool:
        """Whether it has a phone."""
        return self.state.line is not LineState.NOT_REGISTERED


@dataclass(frozen=True, slots=True)
class Section:
    """The extensions of a group, by number; `group` is empty for those that are in none."""

    group: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call as a list shows it."""

    call: str
    caller: str
    reached: tuple[str, ...]
    """The number of who has answered, or of those whose phones ring."""


class Board:
    """The lists of one switch, read whenever they are asked for."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self.refresh()

    def refresh(self) -> None:
        """Work out anew who may see what: extensions or groups have changed."""
        config = self._switch.config
        self._rights = rights(config.extensions, config.groups)

    def sections(self, *, registered_only: bool = False) -> tuple[Section, ...]:
        """The extensions by group, in the order of the configuration; one may be in several, or in none."""
        groups = self._switch.config.groups
        grouped = {number for group in groups for number in group.extensions}
        directory = self._switch.directory
        rest = [extension for extension in directory if extension.number not in grouped]
        members = [(group.name, [directory.find(number) for number in group.extensions]) for group in groups]
        sections = [Section(name, self._rows(found, registered_only)) for name, found in members]
        if rest:
            sections.append(Section("", self._rows(rest, registered_only)))
        return tuple(sections)

    def rows(self, *, registered_only: bool = False) -> tuple[Row, ...]:
        """Every extension once, by number: for a list without groups."""
        return self._rows(self._switch.directory, registered_only)

    def search(self, text: str) -> tuple[Row, ...]:
        """Those who are found by the begin of number, first or last name, in the order of their last names."""
        return tuple(self._row(extension) for extension in search(self._switch.directory, text))

    def ports(self, viewer: str) -> tuple[PortStatus, ...]:
        """The trunks, if extension `viewer` is in a group whose members may see them; else none."""
        groups = self._switch.config.groups
        allowed = any(group.sees_ports and viewer in group.extensions for group in groups)
        return tuple(self._switch.trunks.ports()) if allowed else ()

    def calls(self, viewer: str) -> tuple[CallRow, ...]:
        """The calls of those whose calls extension `viewer` is shown, in the order in which they began."""
        sees = self.rights_of(viewer).sees
        calls = [call for call in self._switch.calls.values() if not sees.isdisjoint(_extensions_in(call))]
        return tuple(CallRow(call.id, call.caller.number, _reached(call)) for call in calls)

    def rights_of(self, number: str) -> Rights:
        """What an extension may see and do; nothing for a number that is none."""
        return self._rights.get(number, NO_RIGHTS)

    def _rows(self, extensions: Iterable[Extension | None], registered_only: bool) -> tuple[Row, ...]:
        found = sorted((each for each in extensions if each is not None), key=lambda each: each.number)
        rows = [self._row(each) for each in found]
        return tuple(row for row in rows if row.registered or not registered_only)

    def _row(self, extension: Extension) -> Row:
        return Row(extension.number, extension.full_name, self._switch.presence.of(extension.number))


def _reached(call: Call) -> tuple[str, ...]:
    callee = call.callee
    return call.rings_at if callee is None or callee.party is None else (callee.party.number,)


def _extensions_in(call: Call) -> set[str]:
    """Who takes part: callers from outside may say that they have any number."""
    legs = (call.leg, call.callee)
    return {leg.extension.number for leg in legs if leg is not None and leg.extension is not None} | set(
        call.rings_at
    )
