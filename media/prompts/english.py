"""English numbers, dates and times as word tokens."""

from __future__ import annotations

from datetime import date

from media.prompts.tokens import (
    AM,
    HUNDRED,
    MILLION,
    MONTH,
    NUMBER,
    OH,
    ORDINAL,
    PM,
    THOUSAND,
    WEEKDAY,
    Gender,
    Noun,
    Token,
)


def number(value: int, gender: Gender = Gender.MASCULINE) -> tuple[Token, ...]:
    """0 to 999,999,999; English has no gender."""
    words: list[Token] = []
    for scale, name in ((1_000_000, (MILLION,)), (1000, (THOUSAND,)), (1, ())):
        part = value // scale % 1000
        if part:
            words += [*_below_1000(part), *name]
    return tuple(words) or (NUMBER[0],)


def _below_1000(value: int) -> list[Token]:
    hundreds, rest = divmod(value, 100)
    return [*([NUMBER[hundreds], HUNDRED] if hundreds else []), *(_below_100(rest) if rest else [])]


def _below_100(value: int) -> list[Token]:
    if value in NUMBER:
        return [NUMBER[value]]
    return [NUMBER[value // 10 * 10], NUMBER[value % 10]]


def count(value: int, noun: Noun) -> tuple[Token, ...]:
    """Only one is singular."""
    return (*number(value), *(noun.singular if value == 1 else noun.plural))


def day(when: date) -> tuple[Token, ...]:
    """Weekday, month, day: "Monday June twenty-first"."""
    return (WEEKDAY[when.weekday()], MONTH[when.month], *_ordinal(when.day))


def _ordinal(value: int) -> tuple[Token, ...]:
    if value in ORDINAL:
        return (ORDINAL[value],)
    return (NUMBER[value // 10 * 10], ORDINAL[value % 10])


def year(value: int) -> tuple[Token, ...]:
    """In pairs: "twenty twenty-six", "nineteen oh five"; but "two thousand nine"."""
    century, rest = divmod(value, 100)
    if century < 10 or (century % 10 == 0 and rest < 10):
        return number(value)
    return (*_below_100(century), *(_two_digits(rest) if rest else (HUNDRED,)))


def time_of_day(hour: int, minute: int) -> tuple[Token, ...]:
    """On a clock of twelve hours: "two oh five p.m."."""
    minutes = _two_digits(minute) if minute else ()
    return (*number((hour - 1) % 12 + 1), *minutes, PM if hour >= 12 else AM)


def telephone_groups(number_: str) -> list[tuple[Token, ...]]:
    """Empty: English has no way of its own, all numbers are read digit by digit."""
    return []


def _two_digits(value: int) -> tuple[Token, ...]:
    return (OH, NUMBER[value]) if value < 10 else tuple(_below_100(value))
