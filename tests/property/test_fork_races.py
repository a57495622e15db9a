"""Who answers first, is picked up, or gives up: the fork has one result, whatever comes in which order."""

from __future__ import annotations

import asyncio
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from media.alarms import Alarms
from pbx.forking import Fork
from pbx.leg import Leg
from tests.simulation.loop import JumpingLoop

DEEDS = (
    "answer 0",
    "answer 1",
    "pick up 2",
    "pick up 3",
    "refuse 0",
    "refuse 1",
    "decline",
    "cancel",
    "wait",
    "late",
)


class FakeLeg:
    """What the fork knows of a leg."""

    party = extension = refusal = None
    silent = False

    def __init__(self, number: int) -> None:
        self.number = number
        self.watcher: Fork | None = None
        self.hung_up = False

    def hang_up(self, reason: str | None = None) -> None:
        self.hung_up = True


async def play(deeds: list[str]) -> None:
    """Two phones ring, two others may pick up; at the end one leg has the call at most, and no other is up."""
    fork = Fork(Alarms(asyncio.get_running_loop()), lambda leg, response: None)
    legs = [FakeLeg(number) for number in range(4)]
    ringing = legs[:2]
    for leg in ringing:
        fork.add(cast(Leg, leg))
    up: set[FakeLeg] = set()
    """Those whose phones have answered, or that have been told that they have the call."""
    waiting = asyncio.ensure_future(fork.result(10))
    await asyncio.sleep(0)  # calls wait for it from the moment on that they ring
    for deed in deeds:
        verb, _, number = deed.rpartition(" ")
        if number.isdecimal():
            act(fork, verb, legs[int(number)], ringing, up)
        elif deed == "decline":
            fork.decline()
        elif deed == "cancel":
            waiting.cancel()
        else:
            await asyncio.sleep(0 if deed == "wait" else 11)
    await asyncio.wait([waiting])
    winner: object = None if waiting.cancelled() else waiting.result()
    assert [leg for leg in legs if leg in up and not leg.hung_up] == [leg for leg in legs if leg is winner]
    assert all(leg.hung_up for leg in ringing if leg is not winner)
    assert not fork.take(cast(Leg, FakeLeg(9))), "after the end nobody can pick it up"


def act(fork: Fork, verb: str, leg: FakeLeg, ringing: list[FakeLeg], up: set[FakeLeg]) -> None:
    """What one phone does, if it still can."""
    if leg in up:
        return
    if verb == "pick up":
        if fork.take(cast(Leg, leg)):
            up.add(leg)
    elif leg in ringing and not leg.hung_up:
        if verb == "answer":
            up.add(leg)
            fork.leg_accepted(cast(Leg, leg))
        else:
            ringing.remove(leg)
            fork.leg_ended(cast(Leg, leg), 486)


@settings(max_examples=400)
@given(st.lists(st.sampled_from(DEEDS), max_size=8))
def test_one_winner(deeds: list[str]) -> None:
    loop = JumpingLoop()
    try:
        loop.run_until_complete(play(deeds))
    finally:
        loop.close()
