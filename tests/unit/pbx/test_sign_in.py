"""Patience with those who guess PINs."""

from __future__ import annotations

import pytest

from pbx.sign_in import FREE_TRIES, LONGEST_DELAY_SECONDS, MOST_REMEMBERED, Patience, TooManyTries


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def patience(clock: Clock) -> Patience:
    return Patience(clock)


def claimed(patience: Patience) -> float | None:
    """How long a try waits; None where it is turned away."""
    try:
        return patience.claim("100")
    except TooManyTries:
        return None


def test_the_first_tries_cost_no_time_and_each_later_one_twice_as_much(
    patience: Patience, clock: Clock
) -> None:
    waits = []
    for _ in range(FREE_TRIES + 9):
        waits.append(patience.claim("100"))
        clock.now += waits[-1]
    assert waits[:FREE_TRIES] == [0.0] * FREE_TRIES
    assert waits[FREE_TRIES:] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, *[LONGEST_DELAY_SECONDS] * 3]


@pytest.mark.row("VM-07")
def test_who_tries_many_at_once_wins_nothing(patience: Patience, clock: Clock) -> None:
    waits = []
    while (wait := claimed(patience)) is not None:
        waits.append(wait)
    assert len(waits) < FREE_TRIES + 10
    assert all(
        later > earlier for earlier, later in zip(waits[FREE_TRIES:], waits[FREE_TRIES + 1 :], strict=False)
    )
    guesses = 0
    for _ in range(24 * 3600):
        clock.now += 1
        guesses += claimed(patience) is not None
    assert guesses < 24 * 60 + 10, "a day is not enough for half of all PINs of four digits"


def test_others_are_not_kept_waiting_and_the_right_pin_ends_it(patience: Patience) -> None:
    for _ in range(FREE_TRIES + 1):
        patience.claim("100")
    assert patience.claim("101") == 0.0
    assert patience.claim("100") > 0.0
    patience.succeeded("100")
    assert patience.claim("100") == 0.0


def test_what_is_remembered_has_an_end(patience: Patience) -> None:
    for number in range(MOST_REMEMBERED + 1000):
        patience.claim(number)
    assert len(patience) == MOST_REMEMBERED
