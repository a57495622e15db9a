"""Numbers, dates and times as word tokens: what is the same in every language, and a check of what comes in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta
from typing import Protocol

from media.prompts import english, french
from media.prompts.tokens import (
    AND,
    HOUR,
    MINUTE,
    NEW_MESSAGE,
    NO_NEW_MESSAGES,
    NUMBER,
    PAUSE,
    PLUS,
    POUND,
    SECOND,
    STAR,
    TODAY,
    YESTERDAY,
    YOU_HAVE,
    Gender,
    Language,
    Noun,
    Token,
)

LARGEST = 999_999_999

Words = tuple[Token, ...]

_LONGEST_TELEPHONE_NUMBER = 40
"""Of E.164 there are 15 digits at most; what is longer comes from somebody who means no good."""
_KEYS: Mapping[str, Token] = {str(digit): NUMBER[digit] for digit in range(10)} | {
    "*": STAR,
    "#": POUND,
    "+": PLUS,
}
_SEPARATORS = " .-/()\u00a0"


class Grammar(Protocol):
    """What a module for a language knows; values are already checked."""

    def number(self, value: int, gender: Gender = ..., /) -> Words: ...
    def count(self, value: int, noun: Noun, /) -> Words: ...
    def day(self, when: date, /) -> Words: ...
    def year(self, value: int, /) -> Words: ...
    def time_of_day(self, hour: int, minute: int, /) -> Words: ...
    def telephone_groups(self, number_: str, /) -> list[Words]: ...


_GRAMMARS: Mapping[Language, Grammar] = {Language.FRENCH: french, Language.ENGLISH: english}


def number(language: Language, value: int, gender: Gender = Gender.MASCULINE) -> Words:
    """A cardinal number. Raises ValueError outside 0 to `LARGEST`."""
    return _GRAMMARS[language].number(_checked(value), gender)


def count(language: Language, value: int, noun: Noun) -> Words:
    """So many of something, the noun in its right form. Raises ValueError outside 0 to `LARGEST`."""
    return _GRAMMARS[language].count(_checked(value), noun)


def digits(text: str) -> Words:
    """Keys one by one, such as an extension or a code; what is no key is left out."""
    return tuple(_KEYS[key] for key in text if key in _KEYS)


def telephone_number(language: Language, text: str) -> Words:
    """A number as it is read out, with pauses; empty for a caller without one ("anonymous").

    Groups are those of the country where it can be told, else those that the text shows, else three by three.
    """
    text = "".join(" " if character in _SEPARATORS else character for character in text)
    text = "".join(character for character in text if character == " " or character in _KEYS)
    text = text[:_LONGEST_TELEPHONE_NUMBER]
    keys = text.replace(" ", "")
    groups = _GRAMMARS[language].telephone_groups(keys)
    if not groups:
        shown = text.split()
        groups = [digits(group) for group in (shown if len(shown) > 1 else _threes(keys))]
    return _with_pauses(groups)


def day(language: Language, when: date, today: date | None = None) -> Words:
    """A date; as seen from `today`: "today", "yesterday", or without the year if it is the same."""
    if today is not None:
        near = {today: TODAY, today - timedelta(1): YESTERDAY} if today > date.min else {today: TODAY}
        if when in near:
            return (near[when],)
    grammar = _GRAMMARS[language]
    same_year = today is not None and today.year == when.year
    return (*grammar.day(when), *(() if same_year else grammar.year(when.year)))


def time_of_day(language: Language, when: time) -> Words:
    """Hours and minutes: of 24 hours in French, of 12 in English."""
    return _GRAMMARS[language].time_of_day(when.hour, when.minute)


def duration(language: Language, seconds: int) -> Words:
    """Hours, minutes and seconds; parts that are zero are left out. Raises ValueError outside 0 to `LARGEST`."""
    minutes, last = divmod(_checked(seconds), 60)
    amounts = [(amount, noun) for amount, noun in zip((*divmod(minutes, 60), last), _UNITS, strict=True)]
    parts = [count(language, amount, noun) for amount, noun in amounts if amount]
    if not parts:
        return count(language, 0, SECOND)
    link = (AND,) if len(parts) > 1 else ()
    return (*(word for part in parts[:-1] for word in part), *link, *parts[-1])


_UNITS = (HOUR, MINUTE, SECOND)


def new_messages(language: Language, value: int) -> Words:
    """ "You have three new messages". Raises ValueError outside 0 to `LARGEST`."""
    if value == 0:
        return (NO_NEW_MESSAGES,)
    return (YOU_HAVE, *count(language, value, NEW_MESSAGE))


def _checked(value: int) -> int:
    if not 0 <= value <= LARGEST:
        raise ValueError(f"{value} cannot be said; numbers go from 0 to {LARGEST}")
    return value


def _threes(keys: str) -> list[str]:
    """Threes, and at the end four rather than one: 212 555 0187."""
    groups = []
    while len(keys) > 4:
        groups.append(keys[:3])
        keys = keys[3:]
    return [*groups, keys] if keys else groups


def _with_pauses(groups: Iterable[Words]) -> Words:
    words: list[Token] = []
    for group in groups:
        words += [PAUSE, *group] if words else group
    return tuple(words)
