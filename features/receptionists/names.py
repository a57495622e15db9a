"""Names as they are spelt on the keys of a telephone (ITU-T E.161): SMITH is 76484."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from pbx.plugin import folded

_KEYS = {
    letter: key
    for key, letters in {
        "2": "abc",
        "3": "def",
        "4": "ghi",
        "5": "jkl",
        "6": "mno",
        "7": "pqrs",
        "8": "tuv",
        "9": "wxyz",
    }.items()
    for letter in letters
}


class Named(Protocol):
    """Somebody with a name and a number."""

    @property
    def number(self) -> str: ...
    @property
    def first_name(self) -> str: ...
    @property
    def last_name(self) -> str: ...


def spelt(name: str) -> str:
    """A name in keys: accents make no difference, and what is no letter is left out."""
    return "".join(_KEYS.get(letter, "") for letter in folded(name))


def matches(people: Iterable[Named], keys: str) -> list[str]:
    """The numbers of those whose last name, or first name, begins so; in the order of their last names."""
    if not keys:
        return []
    found = [
        person for person in people if any(spelt(name).startswith(keys) for name in names_of(person) if name)
    ]
    found.sort(key=lambda person: (person.last_name.casefold(), person.first_name.casefold(), person.number))
    return [person.number for person in found]


def names_of(person: Named) -> tuple[str, str, str]:
    """What somebody may be looked for by: also by both names, one after the other."""
    return person.last_name, person.first_name, person.last_name + person.first_name
