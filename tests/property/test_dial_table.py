"""The dial table against brute force: every short string over a small alphabet, read in every way."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pbx.dial_table import DialCode, DialTable, DialTableError, Handler, Pattern

ALPHABET = "01*#"
LONGEST = 5
STRINGS = ["".join(letters) for length in range(LONGEST + 1) for letters in product(ALPHABET, repeat=length)]

Element = tuple[str, str]
"""("literal", character) or (the kind of a placeholder, its name)."""


async def _serve(call: object, **digits: str) -> None:
    """A handler that nobody calls."""


@st.composite
def patterns(draw: st.DrawFn) -> tuple[Element, ...]:
    """Patterns of at most four elements, and perhaps any digits behind them."""
    elements: list[Element] = []
    for index in range(draw(st.integers(1, 4))):
        literals = "*#" if elements and elements[-1][0] == "many" else ALPHABET
        choices = [st.tuples(st.just("literal"), st.sampled_from(literals))]
        if literals == ALPHABET:
            choices += [st.tuples(st.sampled_from(["one", "many"]), st.just(f"n{index}"))]
        elements.append(draw(st.one_of(choices)))
    if elements[-1][0] != "many" and draw(st.booleans()):
        elements.append(("any", "last"))
    return tuple(elements)


def text(elements: tuple[Element, ...]) -> str:
    forms = {"literal": "{}", "one": "{{{}:digit}}", "many": "{{{}}}", "any": "{{{}?}}"}
    return "".join(forms[kind].format(value) for kind, value in elements)


def readings(elements: tuple[Element, ...], dialled: str) -> list[dict[str, str]]:
    """All ways to read `dialled` as the pattern: what each placeholder stands for."""
    if not elements:
        return [] if dialled else [{}]
    (kind, value), rest = elements[0], elements[1:]
    if kind == "literal":
        return readings(rest, dialled[1:]) if dialled[:1] == value else []
    lengths = {"one": [1], "many": range(1, len(dialled) + 1), "any": range(len(dialled) + 1)}[kind]
    return [
        ({value: dialled[:length]} if length else {}) | reading
        for length in lengths
        if length <= len(dialled) and (not length or dialled[:length].isdigit())
        for reading in readings(rest, dialled[length:])
    ]


def code(elements: tuple[Element, ...], name: str) -> DialCode:
    return DialCode(Pattern.parse(text(elements)), Handler("feature", name, _serve))


@pytest.mark.row("DC-03")
@example(  # the shortest that both match has six characters
    (("literal", "0"), ("literal", "0"), ("literal", "0"), ("literal", "#"), ("any", "last")),
    (("many", "n0"), ("literal", "#"), ("literal", "0"), ("literal", "0")),
)
@given(patterns(), patterns())
def test_two_patterns_clash_exactly_if_some_string_matches_both(
    one: tuple[Element, ...], other: tuple[Element, ...]
) -> None:
    common = Pattern.parse(text(one)).common_string(Pattern.parse(text(other)))
    matched_by_both = [string for string in STRINGS if readings(one, string) and readings(other, string)]
    if common is None:
        assert not matched_by_both
    else:
        assert readings(one, common)
        assert readings(other, common)
        assert matched_by_both or len(common) > LONGEST


@pytest.mark.row("DC-04")
@settings(max_examples=60)
@given(st.lists(patterns(), min_size=1, max_size=4))
def test_every_string_has_one_meaning(several: list[tuple[Element, ...]]) -> None:
    try:
        table = DialTable.build(code(elements, f"h{index}") for index, elements in enumerate(several))
    except DialTableError:
        return
    for string in STRINGS:
        expected = [
            (f"h{index}", reading)
            for index, elements in enumerate(several)
            for reading in readings(elements, string)
        ]
        assert len(expected) <= 1
        found = table.match(string)
        assert ([] if found is None else [(found[0].name, found[1])]) == expected


@pytest.mark.row("DC-03")
@given(patterns(), st.lists(st.text("0189", min_size=1, max_size=4), max_size=5))
def test_no_code_hides_a_number(elements: tuple[Element, ...], numbers: list[str]) -> None:
    hidden = any(readings(elements, number) for number in numbers)
    try:
        table = DialTable.build([code(elements, "h")], numbers)
    except DialTableError:
        assert hidden
    else:
        assert not hidden
        assert all(table.match(number) is None for number in numbers)
