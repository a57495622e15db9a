"""Most calls go a short way through the switch. Whatever phones and the network do, the long way comes to the same: the
same messages, happenings and records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pbx.events import Events
from pbx.forking import ELSEWHERE, Fork
from pbx.happenings import Happening, PresenceChanged
from pbx.leg import Leg
from pbx.routing import Ring, Route, Router
from pbx.switch import Switch
from sipcore.effects import Effect
from tests.property.test_call_histories import STEPS, TO_THE_CALLER, History, Step, no_errors
from tests.simulation.ladder import Rung
from tests.simulation.simulation import Simulation


def take_effect(switch: Switch, effect: Effect) -> None:
    """`Switch._on_effect`, through every hand."""
    take = switch._takers.get(type(effect))
    if take is not None:
        take(effect)
    elif effect.session.owner is not None:
        effect.session.owner.on_effect(effect)


def take_answer(fork: Fork, leg: Leg) -> None:
    """`Fork.leg_accepted`, of however many phones."""
    fork._ringing.pop(leg, None)
    if fork._result is not None:
        leg.hang_up(ELSEWHERE)
    else:
        fork._decide(leg, ELSEWHERE)


def remember_nothing(router: Router, dialled: str, route: Route, ring: Ring) -> None:
    """`Router._remember`: each call is decided anew."""


@contextmanager
def the_long_way() -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(patch.object(Switch, "_on_effect", take_effect))
        stack.enter_context(patch.object(Fork, "leg_accepted", take_answer))
        stack.enter_context(patch.object(Router, "_remember", remember_nothing))
        yield


@contextmanager
def the_short_way() -> Iterator[None]:
    """Nobody follows what extensions do, though all else is told."""
    with patch.object(Events, "_listened", False):
        yield


def played(seed: int, steps: list[Step]) -> tuple[list[Rung], list[Happening]]:
    """The messages of a history, and what was told of it."""
    with no_errors(), Simulation(seed) as simulation:
        history = History(simulation)
        simulation.run(history.play(steps))
        told = [happening for happening in history.office.told if not isinstance(happening, PresenceChanged)]
        return list(simulation.ladder.rungs), told


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), steps=st.lists(STEPS, min_size=5, max_size=40))
@example(seed=0, steps=TO_THE_CALLER)
def test_both_ways_come_to_the_same(seed: int, steps: list[Step]) -> None:
    with the_short_way():
        short = played(seed, steps)
    with the_long_way():
        assert played(seed, steps) == short
