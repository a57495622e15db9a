"""What users may see and do beyond their own calls: by the groups they lead, and by their role."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING

from values import dataclass

if TYPE_CHECKING:
    from pbx.config import Extension
    from pbx.trunks.settings import Group


class Role(Enum):
    """What a user is in the company."""

    USER = "user"
    HEAD = "head"
    """Leads one group or more: nobody is made one, but by standing in `heads`."""
    MANAGER = "manager"


@dataclass(frozen=True, slots=True)
class Rights:
    """Those of one extension."""

    role: Role
    sees: frozenset[str]
    """The extensions whose calls it is shown: its own, those of the groups it leads, or all."""
    barges_in: bool
    """Whether it may join the calls that it sees: no role alone gives that."""


NO_RIGHTS = Rights(Role.USER, frozenset(), barges_in=False)


def rights(extensions: Iterable[Extension], groups: Iterable[Group]) -> dict[str, Rights]:
    """The rights of every extension, by its number."""
    extensions = tuple(extensions)
    everybody = frozenset(extension.number for extension in extensions)
    led: dict[str, frozenset[str]] = {}
    for group in groups:
        for head in group.heads:
            led[head] = led.get(head, frozenset()) | set(group.extensions)
    return {each.number: _rights_of(each, led.get(each.number), everybody) for each in extensions}


def _rights_of(extension: Extension, led: frozenset[str] | None, everybody: frozenset[str]) -> Rights:
    if extension.manager:
        return Rights(Role.MANAGER, everybody, extension.barge_in)
    if led is not None:
        return Rights(Role.HEAD, led | {extension.number}, extension.barge_in)
    return Rights(Role.USER, frozenset({extension.number}), extension.barge_in)
