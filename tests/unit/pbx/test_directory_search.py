"""The company's directory is searched by number, first and last name."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.directory import Directory, Extension
from pbx.directory_search import LONGEST_SEARCH, folded, search

COMPANY = [
    Extension("100", "Lee", "Parker"),
    Extension("101", "Richardson", "Bailey"),
    Extension("110", "Zoé", "Lefèvre"),
    Extension("111", "Jean-Pierre", "d'Œuvre"),
    Extension("112", "Łukasz", "Straße"),
    Extension("113"),
]


def found(text: str) -> list[str]:
    return [extension.number for extension in search(Directory(COMPANY), text)]


@pytest.mark.row("ADM-15")
@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("10", ["101", "100"]),
        ("100", ["100"]),
        ("lee", ["100"]),
        ("LE", ["110", "100"]),
        ("parker", ["100"]),
        ("Parker Lee", ["100"]),
        ("lee p", ["100"]),
        ("lee bailey", []),
        ("lefevre", ["110"]),
        ("LEFÈVRE", ["110"]),
        ("zoe\u0301", ["110"]),
        ("pierre", ["111"]),
        ("oeuv", ["111"]),
        ("lukasz strasse", ["112"]),
        ("arker", []),
        ("%", []),
        ("-", []),
        ("l" * (LONGEST_SEARCH + 1), []),
        (" ", ["113", "101", "111", "110", "100", "112"]),
    ],
)
def test_extensions_are_found_by_the_begin_of_number_first_or_last_name(
    text: str, numbers: list[str]
) -> None:
    assert found(text) == numbers


_NAMES = st.text(st.characters(categories=["L"]), min_size=1, max_size=20)


@pytest.mark.row("ADM-15")
@given(first=_NAMES, last=_NAMES, length=st.integers(1, 20), by_last=st.booleans())
def test_whoever_types_a_name_in_another_way_finds_it(
    first: str, last: str, length: int, by_last: bool
) -> None:
    """In small letters, in any form of Unicode, without accents, and only the begin of it."""
    someone = Extension("100", first, last)
    begin = folded(last if by_last else first)[:length]
    for typed in (begin, unicodedata.normalize("NFC", begin), unicodedata.normalize("NFD", begin)):
        assert search([someone], typed) == (someone,)
    assert folded(folded(first)) == folded(first)


@given(st.text())
def test_no_text_is_too_strange_to_look_for(text: str) -> None:
    assert set(search(COMPANY, text)) <= set(COMPANY)
