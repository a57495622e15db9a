"""Calls find an end, whatever rules people set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.dial_table import DialTable
from pbx.directory import BusyDetection, Directory, Diversions, Extension
from pbx.routing import MAX_DIVERSIONS, Outcome, Refuse, Ring, Router

NUMBERS = [str(number) for number in range(100, 116)]
target = st.none() | st.sampled_from([*NUMBERS, "999999"])
extensions = st.fixed_dictionaries(
    {
        number: st.builds(
            Extension,
            number=st.just(number),
            busy_detection=st.sampled_from(BusyDetection),
            diversions=st.builds(Diversions, target, target, target, target),
        )
        for number in NUMBERS
    }
)


class RandomLines:
    def __init__(self, away: set[str], busy: set[str]) -> None:
        self.away, self.busy = away, busy

    def registered(self, number: str) -> bool:
        return number not in self.away

    def calls_of(self, number: str) -> int:
        return int(number in self.busy)


@pytest.mark.row("CORE-27")
@given(
    extensions,
    st.sets(st.sampled_from(NUMBERS)),
    st.sets(st.sampled_from(NUMBERS)),
    st.sampled_from(NUMBERS),
    st.lists(st.sampled_from(Outcome), min_size=MAX_DIVERSIONS + 1),
)
def test_any_graph_of_rules_ends_in_bounded_steps(
    people: dict[str, Extension], away: set[str], busy: set[str], dialled: str, outcomes: list[Outcome]
) -> None:
    router = Router(Directory(people.values()), DialTable([]), RandomLines(away, busy))
    route = router.route(dialled)
    for outcome in outcomes:
        assert len(route.trail) == len(set(route.trail)) <= MAX_DIVERSIONS
        if isinstance(route.action, Refuse):
            assert route.action.status in (404, 480, 486, 488, 603)
            return
        assert isinstance(route.action, Ring)
        assert route.action.extension.number not in away
        route = router.reroute(route, outcome)
    raise AssertionError(f"still ringing after {len(outcomes)} failures: {route}")
