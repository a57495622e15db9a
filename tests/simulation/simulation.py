"""One simulated world: a virtual clock, one seed for all dice, a network, and the ladder of what passed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.simulation.ladder import Ladder
from tests.simulation.loop import JumpingLoop, Stuck
from tests.simulation.network import SimulatedNetwork

T = TypeVar("T")

LONGEST_SECONDS = 24 * 3600.0
"""Virtual time that one `run` may take: registrations refresh for ever, so a hang can keep the clock busy."""


class Simulation:
    """A world to run coroutines in. Use it as a context manager; leaving it ends what still runs."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.loop = JumpingLoop()
        self.failed = False
        """Whether a run has failed: what is left then says nothing."""
        self.ladder = Ladder()
        # Each has its own dice: a host that draws once more does not change the weather of the network.
        self.network = SimulatedNetwork(self.loop, self.dice("network"), self.ladder)

    def dice(self, purpose: str) -> Random:
        """A generator of random numbers that depends on the seed and `purpose` alone."""
        return Random(f"{self.seed}/{purpose}")

    def run(self, story: Coroutine[Any, Any, T], *, longest_seconds: float = LONGEST_SECONDS) -> T:
        """Run `story` to its end and return its result. An error carries the seed and the ladder as a note.

        Raises what the story raises, Stuck if it cannot end, and what any callback or task raised beside it.
        """
        try:
            result = self.loop.run_until_complete(self._limited(story, longest_seconds))
            self.check()
        except BaseException as error:
            self.failed = True
            error.add_note(f"seed {self.seed}, at {self.loop.time():.3f} s\n{self.ladder}")
            raise
        return result

    def check(self) -> None:
        """Raise what went wrong beside the story: an exception in a callback or in a forgotten task."""
        failures, self.loop.failures = self.loop.failures, []
        if failures:
            raise BaseExceptionGroup("outside the story", failures)

    async def _limited(self, story: Coroutine[Any, Any, T], longest_seconds: float) -> T:
        timer = asyncio.timeout(longest_seconds)
        try:
            async with timer:
                return await story
        except TimeoutError:
            if timer.expired():
                raise Stuck(f"the story did not end within {longest_seconds} virtual seconds") from None
            raise

    def tasks(self) -> set[asyncio.Task[Any]]:
        """The tasks that still run, for tests that want none left."""
        return asyncio.all_tasks(self.loop)

    def close(self) -> None:
        """Cancel what still runs and close the loop."""
        for task in self.tasks():
            task.cancel()
        while remaining := self.tasks():
            self.loop.run_until_complete(asyncio.wait(remaining))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
