"""What is spoken can be understood: a strict listener of the texts hears the very number, date, time that was meant."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from media.prompts import spoken
from media.prompts.tokens import NEW_MESSAGE, NUMBER, PAUSE, VOCABULARY, Gender, Language, Token, written

FRENCH, ENGLISH = Language.FRENCH, Language.ENGLISH
LANGUAGES = pytest.mark.parametrize("language", list(Language), ids=lambda language: language.value)


def words(text: str) -> list[str]:
    return text.split()


FRENCH_UNITS = words(
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize "
    "dix-sept dix-huit dix-neuf"
)
ENGLISH_UNITS = words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
ENGLISH_TENS = words("twenty thirty forty fifty sixty seventy eighty ninety")
ENGLISH_ORDINALS = words(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth twenty-first twenty-second "
    "twenty-third twenty-fourth twenty-fifth twenty-sixth twenty-seventh twenty-eighth twenty-ninth "
    "thirtieth thirty-first"
)
FRENCH_MONTHS = words("janvier février mars avril mai juin juillet août septembre octobre novembre décembre")
ENGLISH_MONTHS = words(
    "January February March April May June July August September October November December"
)
FRENCH_DAYS = words("lundi mardi mercredi jeudi vendredi samedi dimanche")
ENGLISH_DAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")


# -- a French listener, who knows the rules of spelling --------------------------------------------


def french_below_100(feminine: bool) -> dict[str, int]:
    """Every right spelling, and no other."""
    one = "une" if feminine else "un"
    heard = {unit: value for value, unit in enumerate(FRENCH_UNITS) if value != 1} | {one: 1}
    for value, tens in [(20, "vingt"), (30, "trente"), (40, "quarante"), (50, "cinquante"), (60, "soixante")]:
        heard |= {tens: value, f"{tens} et {one}": value + 1}
        heard |= {f"{tens}-{FRENCH_UNITS[unit]}": value + unit for unit in range(2, 10)}
    heard |= {f"soixante-{FRENCH_UNITS[unit]}": 60 + unit for unit in range(10, 20) if unit != 11}
    heard |= {"soixante et onze": 71, "quatre-vingts": 80, f"quatre-vingt-{one}": 81}
    return heard | {f"quatre-vingt-{FRENCH_UNITS[unit]}": 80 + unit for unit in range(2, 20)}


BELOW_100 = {feminine: french_below_100(feminine) for feminine in (False, True)}


def hear_french_below_1000(text: str, *, feminine: bool = False, before_mille: bool = False) -> int:
    if before_mille:  # "deux cent mille", "quatre-vingt mille": a numeral follows, so no s
        assert not text.endswith(("cents", "quatre-vingts"))
        if text.endswith("quatre-vingt") or (text.endswith(" cent") and text != "cent"):
            text += "s"
    below_100 = BELOW_100[feminine]
    if text in below_100:
        return below_100[text]
    head, cent, rest = text.partition("cent")
    assert cent
    hundreds = FRENCH_UNITS.index(head[:-1]) if head else 1
    assert hundreds != 1 or not head
    if rest == ("s" if hundreds > 1 else ""):
        return 100 * hundreds
    assert rest.startswith(" ")
    return 100 * hundreds + below_100[rest[1:]]


def hear_french(text: str, *, feminine: bool = False) -> int:
    value = 0
    for scale, name in [(1_000_000, "millions"), (1_000_000, "million"), (1000, "mille")]:
        parts = text.split(" ")
        if name in parts:
            at = parts.index(name)
            before, text = " ".join(parts[:at]), " ".join(parts[at + 1 :])
            if name == "mille" and not before:
                value += 1000
            else:
                heard = hear_french_below_1000(before, before_mille=name == "mille")
                assert (heard > 1) == (name != "million")
                value += scale * heard
    if value and not text:
        return value
    return value + hear_french_below_1000(text, feminine=feminine)


# -- an English listener ---------------------------------------------------------------------------


def hear_english_below_100(text: str) -> int:
    if text in ENGLISH_UNITS:
        return ENGLISH_UNITS.index(text)
    tens, _, unit = text.partition("-")
    return 20 + 10 * ENGLISH_TENS.index(tens) + (1 + ENGLISH_UNITS[1:10].index(unit) if unit else 0)


def hear_english(text: str) -> int:
    for scale, name in [(1_000_000, "million"), (1000, "thousand"), (100, "hundred")]:
        parts = text.split(" ")
        if name in parts:
            at = parts.index(name)
            high = hear_english(" ".join(parts[:at]))
            assert 1 <= high < 1000
            rest = parts[at + 1 :]
            low = hear_english(" ".join(rest)) if rest else 0
            assert low or not rest
            assert low < scale
            return scale * high + low
    return hear_english_below_100(text)


def hear_english_year(text: str) -> int:
    century, *rest = text.split(" ")
    if "thousand" in rest or not rest or (rest[0] == "hundred" and len(rest) > 1):
        return hear_english(text)
    low = 0 if rest == ["hundred"] else hear_english_below_100(rest[-1])
    assert len(rest) == 1 or (rest[0] == "oh" and low < 10)
    return 100 * hear_english_below_100(century) + low


def hear(language: Language, text: str) -> int:
    return hear_french(text) if language is FRENCH else hear_english(text)


# -- numbers ---------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.integers(0, spoken.LARGEST),
    st.integers(0, 9_999_999),
    st.integers(0, 9999),
    st.builds(lambda digit, zeros: digit * 10**zeros, st.integers(1, 999), st.integers(0, 6)),
)


def known(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    assert all(VOCABULARY[token.name] is token for token in tokens)
    return tokens


@LANGUAGES
def test_every_number_below_ten_thousand_is_heard_as_it_was_meant(language: Language) -> None:
    for value in range(10_000):
        assert hear(language, written(known(spoken.number(language, value)), language)) == value


@LANGUAGES
@given(value=NUMBERS)
@example(value=spoken.LARGEST)
@example(value=80_000_080)
@example(value=200_000_200)
def test_every_number_is_heard_as_it_was_meant(language: Language, value: int) -> None:
    assert hear(language, written(known(spoken.number(language, value)), language)) == value


@given(NUMBERS)
def test_a_feminine_number_differs_in_its_last_word_only(value: int) -> None:
    tokens = known(spoken.number(FRENCH, value, Gender.FEMININE))
    assert hear_french(written(tokens, FRENCH), feminine=True) == value
    assert tokens[:-1] == spoken.number(FRENCH, value)[:-1]


@LANGUAGES
@given(value=NUMBERS)
def test_a_count_is_its_number_and_its_noun(language: Language, value: int) -> None:
    tokens = known(spoken.count(language, value, NEW_MESSAGE))
    nouns = {
        FRENCH: {True: "nouveaux messages", False: "nouveau message"},
        ENGLISH: {True: "new messages", False: "new message"},
    }
    several = value > 1 if language is FRENCH else value != 1
    text = written(tokens, language)
    assert text.endswith(f" {nouns[language][several]}")
    number = text.removesuffix(f" {nouns[language][several]}")
    exact_millions = language is FRENCH and value > 0 and value % 1_000_000 == 0
    assert number.endswith(" de") == exact_millions
    assert hear(language, number.removesuffix(" de")) == value


# -- digits and telephone numbers ------------------------------------------------------------------

KEYS = {NUMBER[digit].name: str(digit) for digit in range(10)} | {
    "key.star": "*",
    "key.pound": "#",
    "key.plus": "+",
}


@given(st.text("0123456789*#+", max_size=30))
def test_digits_are_spoken_one_by_one(text: str) -> None:
    assert "".join(KEYS[token.name] for token in spoken.digits(text)) == text


def hear_groups(language: Language, tokens: tuple[Token, ...]) -> str:
    """What is dialled by somebody who hears it: within a group zeros are digits, the rest may be a number."""
    groups: list[list[Token]] = [[]]
    for token in tokens:
        if token is PAUSE:
            groups.append([])
        else:
            groups[-1].append(token)
    dialled = ""
    for group in groups:
        if all(token.name in KEYS for token in group):
            dialled += "".join(KEYS[token.name] for token in group)
            continue
        while group and group[0].name in ("number.0", "key.plus"):
            dialled += KEYS[group.pop(0).name]
        dialled += str(hear(language, written(group, language)))
    return dialled


@LANGUAGES
@given(text=st.one_of(st.from_regex(r"\A\+?[0-9]{1,20}\Z"), st.from_regex(r"\A(0|\+33)[0-9]{9}\Z")))
@example(text="0102030405")
@example(text="0060701091")
@example(text="+33600901760")
def test_a_telephone_number_can_be_written_down(language: Language, text: str) -> None:
    assert hear_groups(language, known(spoken.telephone_number(language, text))) == text


@LANGUAGES
@given(text=st.text(max_size=200))
def test_no_telephone_number_from_outside_breaks_anything(language: Language, text: str) -> None:
    tokens = known(spoken.telephone_number(language, text))
    assert len(tokens) <= 80
    assert bool(tokens) == any(character in "0123456789*#+" for character in text[:40])


# -- dates, times, durations -----------------------------------------------------------------------


def hear_french_date(text: str) -> tuple[str, int, int, int]:
    weekday, *rest = text.split(" ")
    at = next(index for index, word in enumerate(rest) if word in FRENCH_MONTHS)
    day_text = " ".join(rest[:at])
    assert day_text != "un"
    day = 1 if day_text == "premier" else hear_french(day_text)
    return weekday, day, 1 + FRENCH_MONTHS.index(rest[at]), hear_french(" ".join(rest[at + 1 :]))


def hear_english_date(text: str) -> tuple[str, int, int, int]:
    weekday, month, day, *year = text.split(" ")
    return (
        weekday,
        1 + ENGLISH_ORDINALS.index(day),
        1 + ENGLISH_MONTHS.index(month),
        hear_english_year(" ".join(year)),
    )


@given(st.dates())
@example(date(2026, 1, 1))
@example(date(2000, 12, 31))
@example(date(1900, 3, 21))
@example(date(2100, 3, 20))
def test_every_date_is_heard_as_it_was_meant(when: date) -> None:
    expected = (when.day, when.month, when.year)
    in_french = written(known(spoken.day(FRENCH, when)), FRENCH)
    assert hear_french_date(in_french) == (FRENCH_DAYS[when.weekday()], *expected)
    in_english = written(known(spoken.day(ENGLISH, when)), ENGLISH)
    assert hear_english_date(in_english) == (ENGLISH_DAYS[when.weekday()], *expected)


@LANGUAGES
@given(when=st.dates(), days=st.integers(-800, 800))
@example(when=date.min, days=0)
@example(when=date(2026, 1, 1), days=1)
def test_days_near_today_are_named_and_the_year_is_left_out_within_it(
    language: Language, when: date, days: int
) -> None:
    try:
        today = when + timedelta(days)
    except OverflowError:
        return
    tokens = known(spoken.day(language, when, today))
    if days == 0:
        assert [token.name for token in tokens] == ["day.today"]
    elif days == 1:
        assert [token.name for token in tokens] == ["day.yesterday"]
    else:
        whole = spoken.day(language, when)
        assert whole[: len(tokens)] == tokens
        assert (len(tokens) < len(whole)) == (today.year == when.year)


@pytest.mark.parametrize("hour", range(24))
def test_every_time_is_heard_as_it_was_meant(hour: int) -> None:
    for minute in range(60):
        french = written(known(spoken.time_of_day(FRENCH, time(hour, minute, 59))), FRENCH)
        noun = " heures" if hour > 1 else " heure"
        hours, found, minutes = french.partition(noun)
        assert found
        assert hear_french(hours, feminine=True) == hour
        assert (hear_french(minutes[1:], feminine=True) if minutes else 0) == minute

        *clock, half = written(known(spoken.time_of_day(ENGLISH, time(hour, minute))), ENGLISH).split(" ")
        assert half == ("p.m." if hour >= 12 else "a.m.")
        hours, *rest = clock
        assert hear_english_below_100(hours) == (hour % 12 or 12)
        assert (rest[:1] == ["oh"]) == (0 < minute < 10)
        assert (hear_english_below_100(rest[-1]) if rest else 0) == minute


@LANGUAGES
@given(seconds=st.one_of(st.integers(0, 100_000), st.integers(0, spoken.LARGEST)))
@example(seconds=0)
@example(seconds=3661)
def test_a_duration_is_heard_as_it_was_meant(language: Language, seconds: int) -> None:
    tokens = known(spoken.duration(language, seconds))
    scales = {"hour": 3600, "hours": 3600, "minute": 60, "minutes": 60, "second": 1, "seconds": 1}
    total = 0
    amount: list[Token] = []
    for index, token in enumerate(tokens):
        unit = token.name.removeprefix("time.")
        if unit in scales:
            text = written(amount, language)
            heard = hear_french(text, feminine=True) if language is FRENCH else hear_english(text)
            assert heard or not seconds
            assert (unit[-1] == "s") == (heard > 1 if language is FRENCH else heard != 1)
            total += scales[unit] * heard
            amount = []
        elif amount or token.name != "word.and":
            amount.append(token)
        else:  # between two parts
            assert index > 0
    assert not amount
    assert total == seconds
