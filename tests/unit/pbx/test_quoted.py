"""Texts as JSON has them are those of the standard library."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from pbx.quoted import LONGEST, MOST, Quoted


@given(st.lists(st.text(st.characters(exclude_categories=()))))
def test_a_text_is_written_as_the_standard_library_writes_it(texts: list[str]) -> None:
    quoted = Quoted()
    for _ in ("new", "known"):
        assert [quoted[text] for text in texts] == [json.dumps(text) for text in texts]
        assert json.loads(quoted.list(tuple(texts))) == texts


def test_a_text_is_prepared_first() -> None:
    quoted = Quoted(str.upper)
    assert [quoted["a"], quoted["a"], quoted.list(("a", "b"))] == ['"A"', '"A"', '["A","B"]']


def test_what_is_remembered_does_not_grow_for_ever() -> None:
    quoted = Quoted()
    for number in range(2 * MOST + 1):
        assert quoted[str(number)] == f'"{number}"'
        assert len(quoted) <= MOST
    assert quoted["x" * (LONGEST + 1)] == f'"{"x" * (LONGEST + 1)}"'
    assert "x" * (LONGEST + 1) not in quoted
