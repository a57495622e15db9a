"""Whatever mixture of forms a phone sends, and however late each is: as many digits as presses, in their order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.presses import WINDOW_SECONDS, Form, Presses

pytestmark = pytest.mark.row("CORE-25")

Press = tuple[str, float, float]
"""Digit, pause before it, and how long it is held."""
PRESSES = st.lists(st.tuples(st.sampled_from("15#"), st.floats(0.06, 0.5), st.floats(0.04, 3)), max_size=12)
LATENESS = st.lists(st.floats(0, WINDOW_SECONDS / 2), min_size=40, max_size=40)


def told(presses: list[Press], forms: list[set[Form]], lateness: list[float], *, at_end: bool) -> str:
    """The digits that come of presses told in these forms. Those of one form keep their order."""
    reports: list[tuple[float, int, str, Form, str, float]] = []
    now, late = 0.0, iter(lateness)
    latest = dict.fromkeys(Form, 0.0)
    for (digit, pause, held), told_in in zip(presses, forms, strict=True):
        begin, now = now + pause, now + pause + held
        for form in sorted(told_in, key=lambda form: form.value):
            delayed = form is Form.MESSAGE and at_end
            first = max((now if delayed else begin) + next(late), latest[form])
            latest[form] = max(first, now)
            reports.append((first, len(reports), "begins", form, digit, held if delayed else 0))
            if form is not Form.MESSAGE:
                reports.append((latest[form], len(reports), "ends", form, digit, 0))
    decided, digits = Presses(), ""
    for at, _, what, form, digit, held in sorted(reports, key=lambda report: report[:2]):
        if what == "ends":
            decided.ends(form, digit, at)
        elif decided.begins(form, digit, at, held):
            digits += digit
    return digits


@given(PRESSES, st.sets(st.sampled_from(Form), min_size=1), LATENESS, st.booleans())
def test_a_phone_that_sends_always_the_same_forms(
    presses: list[Press], forms: set[Form], lateness: list[float], at_end: bool
) -> None:
    digits = told(presses, [forms] * len(presses), lateness, at_end=at_end)
    assert digits == "".join(digit for digit, _, _ in presses)


@given(st.data(), st.lists(st.tuples(st.sampled_from("15#"), st.floats(0.04, 3)), max_size=8), LATENESS)
def test_slow_presses_in_forms_that_change_or_are_lost(
    data: st.DataObject, slow: list[tuple[str, float]], lateness: list[float]
) -> None:
    presses = [(digit, 2.0, held) for digit, held in slow]
    forms = [data.draw(st.sets(st.sampled_from(Form), min_size=1)) for _ in presses]
    digits = told(presses, forms, lateness, at_end=data.draw(st.booleans()))
    assert digits == "".join(digit for digit, _, _ in presses)
