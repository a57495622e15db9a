"""Several extensions ring for one call, each for itself: what one of them refuses, the others may still answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf

from media.alarms import Alarms
from media.service import PortsExhausted
from pbx.forking import ELSEWHERE, SENT_ON, Follows, Fork, Result
from pbx.leg import Leg
from pbx.routing import Outcome
from sipcore.syntax.message import Response


class GroupFork:
    """A fork for each extension. The first phone that answers wins; all is decided in that stretch."""

    def __init__(
        self,
        alarms: Alarms,
        on_rang: Callable[[Leg], None],
        on_result: Callable[[str, Result], None],
        follows: Follows,
    ) -> None:
        """`on_rang` is told the first phone of each extension that rings; `on_result` the number of each extension
        that was rung, and how that ended, or who took the call; `follows`: see `Fork.limit`, for each extension."""
        self._alarms = alarms
        self._on_rang = on_rang
        self._on_result = on_result
        self._follows = follows
        self._forks: dict[str, Fork] = {}
        self._rang: set[str] = set()
        self._taken = False

    def ring(self, number: str, call_phones: Callable[[Fork], None], seconds: float = inf) -> None:
        """Ring one extension more, whose phones `call_phones` calls; where there are none it is not reached. After so
        many `seconds` it has not answered."""
        fork = self._new(number)
        self._forks[number] = fork
        self._rang.discard(number)
        try:
            call_phones(fork)
        except PortsExhausted:
            fork.stop()
        fork.limit(seconds, self._follows)

    def move(self, number: str, to: str, call_phones: Callable[[Fork], None], seconds: float = inf) -> None:
        """Ring an extension in the place of one that rings, which has taken the call no more than by declining it."""
        moved = self._forks.pop(number, None)
        assert moved is not None, "only what rings is moved"
        self.ring(to, call_phones, seconds)
        moved.stop(SENT_ON)
        self._on_result(number, Outcome.DECLINED)

    def withdraw(self, number: str, reason: str | None = None) -> None:
        """Let one extension ring no more; nothing is told of it. `reason`: see `Fork.stop`."""
        fork = self._forks.pop(number, None)
        if fork is not None:
            fork.stop(reason)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Where it rings."""
        return tuple(self._forks)

    @property
    def decided(self) -> bool:
        """Whether somebody has answered, or nothing rings."""
        return self._taken or not self._forks

    def take(self, leg: Leg) -> bool:
        """Let a leg answer that is none of those that ring; False if nothing rings any more."""
        if self.decided:
            return False
        number = leg.party.number if leg.party is not None else ""
        self.withdraw(number, ELSEWHERE)  # somebody takes at one phone what rings at another of his own
        fork = self._forks[number] = self._new(number)
        return fork.take(leg)

    def decline(self, number: str = "") -> bool:
        """The user of that extension wants it to ring no more, or all of them do; False if nothing rings there."""
        forks = [fork for each, fork in self._forks.items() if number in ("", each)]
        declined = [fork.decline() for fork in forks]
        return any(declined)

    def stop(self, reason: str | None = None) -> None:
        """CANCEL every phone that rings; nothing is told of them."""
        for number in list(self._forks):
            self.withdraw(number, reason)

    def _new(self, number: str) -> Fork:
        fork: Fork = Fork(
            self._alarms,
            partial(self._progressed, number),
            lambda result: self._decided(fork, number, result),
        )
        return fork

    def _progressed(self, number: str, leg: Leg, response: Response) -> None:
        if number not in self._rang and (response.status == 180 or leg.plan is not None):
            self._rang.add(number)
            self._on_rang(leg)

    def _decided(self, fork: Fork, number: str, result: Result) -> None:
        if self._forks.get(number) is not fork:  # withdrawn
            if isinstance(result, Leg):
                result.hang_up(ELSEWHERE)
            return
        del self._forks[number]
        if isinstance(result, Leg):
            self._taken = True
            self.stop(ELSEWHERE)
        self._on_result(number, result)
