"""Numbers, dates and times as a grammar book spells them."""

from __future__ import annotations

from datetime import date, time

import pytest

from media.prompts import spoken
from media.prompts.tokens import HOUR, MINUTE, NEW_MESSAGE, Gender, Language, written

FRENCH, ENGLISH = Language.FRENCH, Language.ENGLISH


@pytest.mark.parametrize(
    ("value", "french", "english"),
    [
        (0, "zéro", "zero"),
        (1, "un", "one"),
        (17, "dix-sept", "seventeen"),
        (21, "vingt et un", "twenty-one"),
        (22, "vingt-deux", "twenty-two"),
        (61, "soixante et un", "sixty-one"),
        (70, "soixante-dix", "seventy"),
        (71, "soixante et onze", "seventy-one"),
        (77, "soixante-dix-sept", "seventy-seven"),
        (80, "quatre-vingts", "eighty"),
        (81, "quatre-vingt-un", "eighty-one"),
        (90, "quatre-vingt-dix", "ninety"),
        (91, "quatre-vingt-onze", "ninety-one"),
        (99, "quatre-vingt-dix-neuf", "ninety-nine"),
        (100, "cent", "one hundred"),
        (101, "cent un", "one hundred one"),
        (180, "cent quatre-vingts", "one hundred eighty"),
        (200, "deux cents", "two hundred"),
        (201, "deux cent un", "two hundred one"),
        (1000, "mille", "one thousand"),
        (1001, "mille un", "one thousand one"),
        (1100, "mille cent", "one thousand one hundred"),
        (21_000, "vingt et un mille", "twenty-one thousand"),
        (80_000, "quatre-vingt mille", "eighty thousand"),
        (200_000, "deux cent mille", "two hundred thousand"),
        (1_000_000, "un million", "one million"),
        (80_000_000, "quatre-vingts millions", "eighty million"),
        (200_000_200, "deux cents millions deux cents", "two hundred million two hundred"),
        (2_000_001, "deux millions un", "two million one"),
    ],
)
def test_numbers(value: int, french: str, english: str) -> None:
    assert written(spoken.number(FRENCH, value), FRENCH) == french
    assert written(spoken.number(ENGLISH, value), ENGLISH) == english


@pytest.mark.parametrize(
    ("value", "french"),
    [
        (1, "une"),
        (11, "onze"),
        (21, "vingt et une"),
        (71, "soixante et onze"),
        (81, "quatre-vingt-une"),
        (91, "quatre-vingt-onze"),
        (101, "cent une"),
        (1_000, "mille"),
        (1_021, "mille vingt et une"),
        (21_000, "vingt et un mille"),
        (1_000_001, "un million une"),
    ],
)
def test_a_feminine_noun_changes_the_last_one(value: int, french: str) -> None:
    assert written(spoken.number(FRENCH, value, Gender.FEMININE), FRENCH) == french
    assert spoken.number(ENGLISH, value, Gender.FEMININE) == spoken.number(ENGLISH, value)


@pytest.mark.parametrize("value", [-1, spoken.LARGEST + 1])
@pytest.mark.parametrize("language", list(Language))
def test_a_number_that_cannot_be_said_is_the_fault_of_who_asks(value: int, language: Language) -> None:
    with pytest.raises(ValueError, match=f"{value} cannot be said"):
        spoken.number(language, value)
    with pytest.raises(ValueError, match=f"{value} cannot be said"):
        spoken.count(language, value, NEW_MESSAGE)
    with pytest.raises(ValueError, match=f"{value} cannot be said"):
        spoken.duration(language, value)


@pytest.mark.parametrize(
    ("value", "french", "english"),
    [
        (0, "Vous n'avez pas de nouveau message.", "You have no new messages."),
        (1, "Vous avez un nouveau message", "You have one new message"),
        (2, "Vous avez deux nouveaux messages", "You have two new messages"),
        (1_000_000, "Vous avez un million de nouveaux messages", "You have one million new messages"),
    ],
)
def test_new_messages(value: int, french: str, english: str) -> None:
    assert written(spoken.new_messages(FRENCH, value), FRENCH) == french
    assert written(spoken.new_messages(ENGLISH, value), ENGLISH) == english


def test_zero_is_singular_in_french_and_plural_in_english() -> None:
    assert written(spoken.count(FRENCH, 0, HOUR), FRENCH) == "zéro heure"
    assert written(spoken.count(ENGLISH, 0, HOUR), ENGLISH) == "zero hours"
    assert written(spoken.count(FRENCH, 21, MINUTE), FRENCH) == "vingt et une minutes"


@pytest.mark.parametrize(
    ("when", "french", "english"),
    [
        (date(2026, 6, 1), "lundi premier juin deux mille vingt-six", "Monday June first twenty twenty-six"),
        (
            date(2026, 3, 21),
            "samedi vingt et un mars deux mille vingt-six",
            "Saturday March twenty-first twenty twenty-six",
        ),
        (date(2009, 2, 3), "mardi trois février deux mille neuf", "Tuesday February third two thousand nine"),
        (
            date(1999, 12, 31),
            "vendredi trente et un décembre mille neuf cent quatre-vingt-dix-neuf",
            "Friday December thirty-first nineteen ninety-nine",
        ),
        (
            date(1900, 1, 30),
            "mardi trente janvier mille neuf cents",
            "Tuesday January thirtieth nineteen hundred",
        ),
        (
            date(1905, 8, 12),
            "samedi douze août mille neuf cent cinq",
            "Saturday August twelfth nineteen oh five",
        ),
    ],
)
def test_dates(when: date, french: str, english: str) -> None:
    assert written(spoken.day(FRENCH, when), FRENCH) == french
    assert written(spoken.day(ENGLISH, when), ENGLISH) == english


@pytest.mark.parametrize(
    ("today", "english"),
    [
        (date(2026, 1, 1), "today"),
        (date(2026, 1, 2), "yesterday"),
        (date(2026, 1, 3), "Thursday January first"),
        (date(2025, 12, 31), "Thursday January first twenty twenty-six"),
    ],
)
def test_a_date_as_seen_from_today(today: date, english: str) -> None:
    assert written(spoken.day(ENGLISH, date(2026, 1, 1), today), ENGLISH) == english


@pytest.mark.parametrize(
    ("when", "french", "english"),
    [
        (time(0, 0), "zéro heure", "twelve a.m."),
        (time(1, 5), "une heure cinq", "one oh five a.m."),
        (time(12, 0), "douze heures", "twelve p.m."),
        (time(14, 30), "quatorze heures trente", "two thirty p.m."),
        (time(21, 21), "vingt et une heures vingt et une", "nine twenty-one p.m."),
        (time(23, 59), "vingt-trois heures cinquante-neuf", "eleven fifty-nine p.m."),
    ],
)
def test_times(when: time, french: str, english: str) -> None:
    assert written(spoken.time_of_day(FRENCH, when), FRENCH) == french
    assert written(spoken.time_of_day(ENGLISH, when), ENGLISH) == english


@pytest.mark.parametrize(
    ("seconds", "french", "english"),
    [
        (0, "zéro seconde", "zero seconds"),
        (1, "une seconde", "one second"),
        (61, "une minute et une seconde", "one minute and one second"),
        (3600, "une heure", "one hour"),
        (7325, "deux heures deux minutes et cinq secondes", "two hours two minutes and five seconds"),
    ],
)
def test_durations(seconds: int, french: str, english: str) -> None:
    assert written(spoken.duration(FRENCH, seconds), FRENCH) == french
    assert written(spoken.duration(ENGLISH, seconds), ENGLISH) == english


@pytest.mark.parametrize(
    ("number", "french", "english"),
    [
        (
            "01 45 67 00 10",
            "zéro un, quarante-cinq, soixante-sept, zéro zéro, dix",
            "zero one, four five, six seven, zero zero, one zero",
        ),
        (
            "+33123456708",
            "plus trente-trois, un, vingt-trois, quarante-cinq, soixante-sept, zéro huit",
            "plus three three, one two three, four five six, seven zero eight",
        ),
        (
            "+1 (212) 555-0187",
            "plus un, deux un deux, cinq cinq cinq, zéro un huit sept",
            "plus one, two one two, five five five, zero one eight seven",
        ),
        ("101", "un zéro un", "one zero one"),
        ("*98#", "étoile neuf huit dièse", "star nine eight pound"),
        ("anonymous", "", ""),
        ("", "", ""),
        ("٣", "", ""),
    ],
)
def test_telephone_numbers(number: str, french: str, english: str) -> None:
    assert written(spoken.telephone_number(FRENCH, number), FRENCH) == french
    assert written(spoken.telephone_number(ENGLISH, number), ENGLISH) == english
