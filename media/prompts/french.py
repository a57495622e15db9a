"""French numbers, dates and times as word tokens."""

from __future__ import annotations

from datetime import date

from media.prompts.tokens import (
    AND,
    EIGHTY_AND,
    HOUR,
    HUNDRED,
    HUNDREDS,
    MILLION,
    MILLIONS,
    MONTH,
    NUMBER,
    OF,
    ONE_FEMININE,
    ORDINAL,
    PLUS,
    THOUSAND,
    WEEKDAY,
    Gender,
    Noun,
    Token,
)


def number(value: int, gender: Gender = Gender.MASCULINE) -> tuple[Token, ...]:
    """0 to 999,999,999. "Vingt" and "cent" take an s at the end only, and before "million", a noun."""
    millions, rest = divmod(value, 1_000_000)
    thousands, units = divmod(rest, 1000)
    words: list[Token] = []
    if millions:
        words += [*_below_1000(millions), MILLIONS if millions > 1 else MILLION]
    if thousands:
        words += [*(_before_thousand(thousands) if thousands > 1 else ()), THOUSAND]
    if units or not words:
        words += _below_1000(units, gender)
    return tuple(words)


def _before_thousand(value: int) -> list[Token]:
    """ "Mille" is a numeral, so it is "deux cent mille" and "quatre-vingt mille"."""
    plain = {NUMBER[80]: EIGHTY_AND, HUNDREDS: HUNDRED}
    words = _below_1000(value)
    return [*words[:-1], plain.get(words[-1], words[-1])]


def _below_1000(value: int, gender: Gender = Gender.MASCULINE) -> list[Token]:
    hundreds, rest = divmod(value, 100)
    words: list[Token] = []
    if hundreds > 1:
        words.append(NUMBER[hundreds])
    if hundreds:
        words.append(HUNDREDS if hundreds > 1 and not rest else HUNDRED)
    if rest or not hundreds:
        words += _below_100(rest, gender)
    return words


def _below_100(value: int, gender: Gender) -> list[Token]:
    if value in NUMBER:
        return [ONE_FEMININE if value == 1 and gender is Gender.FEMININE else NUMBER[value]]
    tens = value // 10 * 10
    if tens in (70, 90):
        tens -= 10
    unit = _below_100(value - tens, gender)
    if tens == 80:
        return [EIGHTY_AND, *unit]
    return [NUMBER[tens], *([AND] if value - tens in (1, 11) else []), *unit]


def count(value: int, noun: Noun) -> tuple[Token, ...]:
    """None and one are singular; "un million DE messages"."""
    link = (OF,) if value and not value % 1_000_000 else ()
    return (*number(value, noun.gender), *link, *(noun.plural if value > 1 else noun.singular))


def day(when: date) -> tuple[Token, ...]:
    """Weekday, day, month: "lundi premier juin"."""
    first = (ORDINAL[1],) if when.day == 1 else number(when.day)
    return (WEEKDAY[when.weekday()], *first, MONTH[when.month])


def year(value: int) -> tuple[Token, ...]:
    """A number like any other."""
    return number(value)


def time_of_day(hour: int, minute: int) -> tuple[Token, ...]:
    """ "Vingt et une heures trente"."""
    return (*count(hour, HOUR), *(number(minute, Gender.FEMININE) if minute else ()))


def telephone_groups(number_: str) -> list[tuple[Token, ...]]:
    """A French number in pairs, with 0 or +33 before them; empty: some other number."""
    if len(number_) == 10 and number_.startswith("0"):
        return [_pair(number_[at : at + 2]) for at in range(0, 10, 2)]
    if len(number_) == 12 and number_.startswith("+33"):
        return [(PLUS, *number(33)), *(_pair(pair) for pair in (number_[3], *_pairs(number_[4:])))]
    return []


def _pairs(digits: str) -> list[str]:
    return [digits[at : at + 2] for at in range(0, len(digits), 2)]


def _pair(digits: str) -> tuple[Token, ...]:
    zero = (NUMBER[0],) if len(digits) == 2 and digits.startswith("0") else ()
    return (*zero, *number(int(digits)))
