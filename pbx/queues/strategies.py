"""Which of the agents who could take a call are offered it, as pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pbx.queues.settings import Strategy
from values import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent who could take a call now."""

    agent: str
    position: int
    """In the list of the queue."""
    level: int
    idle_since: float


def chosen(candidates: Sequence[Candidate], strategy: Strategy, last: int | None) -> tuple[Candidate, ...]:
    """Those of the lowest level, in the order in which they are offered a call: all of them ring at once with RING_ALL,
    else the first. `last` is the position of who was offered the call before."""
    if not candidates:
        return ()
    lowest = min(candidate.level for candidate in candidates)
    equal = [candidate for candidate in candidates if candidate.level == lowest]
    return tuple(sorted(equal, key=_KEYS[strategy](-1 if last is None else last)))


def _in_order(last: int) -> Callable[[Candidate], tuple[float, int]]:
    return lambda candidate: (0, candidate.position)


def _after(last: int) -> Callable[[Candidate], tuple[float, int]]:
    return lambda candidate: (candidate.position <= last, candidate.position)


def _longest_idle(last: int) -> Callable[[Candidate], tuple[float, int]]:
    return lambda candidate: (candidate.idle_since, candidate.position)


_KEYS = {
    Strategy.HUNT: _in_order,
    Strategy.RING_ALL: _in_order,
    Strategy.LONGEST_IDLE: _longest_idle,
    Strategy.ROUND_ROBIN: _after,
}
