"""What keys mean to a receptionist, and names on the keys of a telephone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.receptionists.menu import Choices, Meaning
from features.receptionists.names import matches, spelt
from pbx.directory import Extension


@pytest.mark.parametrize(
    ("pressed", "meaning"),
    [
        ("1", Meaning.MORE),  # of 100, or a key of the menu
        ("1#", Meaning.KEY),
        ("10", Meaning.MORE),
        ("100", Meaning.MORE),  # of 1000
        ("1000", Meaning.NUMBER),
        ("100#", Meaning.NUMBER),
        ("2", Meaning.KEY),
        ("3", Meaning.WRONG),
        ("12", Meaning.WRONG),
        ("#", Meaning.WRONG),
        ("*", Meaning.KEY),
        ("9", Meaning.MORE),
        ("999", Meaning.NUMBER),
    ],
)
def test_what_keys_mean(pressed: str, meaning: Meaning) -> None:
    choices = Choices.of({"1": "a", "2": "b", "*": "c"}, ["100", "1000", "999"])
    assert choices.read(pressed) is meaning


def test_after_a_pause_it_is_decided() -> None:
    choices = Choices.of({"1": "a", "#": "b"}, ["100", "1000", "1"])
    assert choices.decide("100") is Meaning.NUMBER
    assert choices.decide("10") is Meaning.WRONG
    assert choices.decide("1") is Meaning.NUMBER
    assert choices.read("#") is Meaning.KEY
    assert Choices.of({"1": "a"}, ["100"]).decide("1") is Meaning.KEY


NUMBERS = st.sets(st.text("0123456789", min_size=1, max_size=4), max_size=8)


@given(
    numbers=NUMBERS, keys=st.sets(st.sampled_from("0123456789*")), pressed=st.text("0123456789*#", max_size=6)
)
def test_whatever_is_pressed_leads_to_a_number_a_key_or_nothing(
    numbers: set[str], keys: set[str], pressed: str
) -> None:
    choices = Choices.of(dict.fromkeys(keys, "x"), numbers)
    so_far = ""
    for key in pressed:
        so_far += key
        meaning = choices.read(so_far)
        if meaning is not Meaning.MORE:
            break
        assert any(number.startswith(so_far) and number != so_far for number in numbers)
    else:
        meaning = choices.decide(so_far)
    plain = so_far.removesuffix("#")
    assert meaning is not Meaning.MORE
    assert (meaning is Meaning.NUMBER) == (plain in numbers)
    assert (meaning is Meaning.KEY) == (plain in keys and plain not in numbers)


@pytest.mark.parametrize(
    ("name", "keys"),
    [("Smith", "76484"), ("Lefèvre", "5333873"), ("O'Brien", "627436"), ("Œuvrard", "63887273"), ("李", "")],
)
def test_names_are_spelt_without_accents(name: str, keys: str) -> None:
    assert spelt(name) == keys


@pytest.mark.row("ADM-14")
def test_people_are_found_by_the_beginning_of_either_name() -> None:
    people = [
        Extension("100", "Lee", "Parker"),
        Extension("101", "Richardson", "Bailey"),
        Extension("102", "Taylor", "Smith"),
        Extension("103", "Éric", "Le Smit"),
        Extension("104"),
    ]
    found: Callable[[str], list[str]] = lambda keys: matches(people, keys)  # noqa: E731
    assert found("7648") == ["102"]
    assert found("727") == ["100"]
    assert found("53") == ["103", "100"]
    assert found("7648482") == ["102"]  # both names, one after the other
    assert found("374") == ["103"]
    assert found("9999") == found("") == []
