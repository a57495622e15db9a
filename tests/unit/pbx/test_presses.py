"""One press of a key is one digit, however a phone tells of it."""

from __future__ import annotations

from itertools import permutations

import pytest

from pbx.presses import LONGEST_PRESS_SECONDS, WINDOW_SECONDS, Form, Presses

pytestmark = pytest.mark.row("CORE-25")


@pytest.mark.parametrize("forms", list(permutations(Form)))
def test_three_forms_of_a_press_are_one_digit(forms: tuple[Form, ...]) -> None:
    presses = Presses()
    assert [presses.begins(form, "5", 1 + 0.05 * place) for place, form in enumerate(forms)] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("form", Form)
def test_the_same_form_again_is_another_press(form: Form) -> None:
    presses = Presses()
    assert [presses.begins(form, "5", 0.1 * number) for number in range(20)] == [True] * 20


@pytest.mark.parametrize("other", Form)
@pytest.mark.parametrize("form", Form)
def test_another_key_is_another_press(form: Form, other: Form) -> None:
    presses = Presses()
    assert presses.begins(form, "5", 0)
    assert presses.begins(other, "6", 0)


def test_two_quick_presses_in_two_forms_are_two_however_the_forms_interleave() -> None:
    reports = [(Form.EVENT, 0.0), (Form.EVENT, 0.15), (Form.MESSAGE, 0.2), (Form.MESSAGE, 0.35)]
    for order in permutations(form for form, _ in reports):
        presses = Presses()
        told = [presses.begins(form, "5", now) for form, (_, now) in zip(order, reports, strict=True)]
        assert sum(told) == 2, order


def test_a_later_press_in_another_form_counts() -> None:
    presses = Presses()
    assert presses.begins(Form.EVENT, "5", 0)
    presses.ends(Form.EVENT, "5", 0.1)
    assert presses.begins(Form.MESSAGE, "5", 0.1 + WINDOW_SECONDS + 0.2, held=0.1)


def test_the_message_at_the_end_of_a_long_press_tells_nothing_new() -> None:
    """Whether its duration is written or not."""
    presses = Presses()
    assert presses.begins(Form.EVENT, "5", 0)
    presses.ends(Form.EVENT, "5", 4)
    assert not presses.begins(Form.MESSAGE, "5", 4.02)
    assert presses.begins(Form.SOUND, "6", 10)
    assert not presses.begins(Form.MESSAGE, "6", 14)
    presses.ends(Form.SOUND, "6", 14.1)


def test_a_written_duration_reaches_back_to_the_press() -> None:
    presses = Presses()
    assert presses.begins(Form.MESSAGE, "5", 0)
    assert not presses.begins(Form.EVENT, "5", 3, held=3)


def test_a_press_whose_end_was_lost_does_not_last_for_ever() -> None:
    presses = Presses()
    assert presses.begins(Form.EVENT, "5", 0)
    assert presses.begins(Form.MESSAGE, "5", LONGEST_PRESS_SECONDS + WINDOW_SECONDS + 0.1)


def test_an_end_without_a_begin_is_nothing() -> None:
    presses = Presses()
    presses.ends(Form.EVENT, "5", 0)
    assert presses.begins(Form.EVENT, "5", 0)
