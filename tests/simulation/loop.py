"""An asyncio loop in virtual time: where another loop would sleep, its clock jumps to the next deadline.

Nothing in it waits for the machine: a call of an hour takes as long as its messages take to handle. When
no task can ever move again it raises `Stuck` at once and names who waits where: a hang is a failure, not a
time-out.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Iterator, Mapping
from typing import Any

START_SECONDS = 1000.0
"""The clock does not start at zero: a deadline that is mistaken for "none" should show."""

MAXIMUM_IDLE_TURNS = 100_000
"""Turns of the loop without a step of the clock. More than that is a task that spins."""


class Stuck(Exception):
    """Nothing can ever move again, or time stands still; the text lists the waiting tasks."""


class JumpingSelector(selectors.BaseSelector):
    """A selector with no events ever: instead of sleeping until a deadline it moves `now` there."""

    def __init__(self) -> None:
        self.now = START_SECONDS
        self._keys: dict[Any, selectors.SelectorKey] = {}
        self._idle_turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Jump. None as time-out means that the loop knows of nothing to come."""
        if timeout is None:
            raise Stuck("nothing can ever move again")
        if timeout > 0:
            self.now += timeout
            self._idle_turns = 0
        else:
            self._idle_turns += 1
            if self._idle_turns > MAXIMUM_IDLE_TURNS:
                self._idle_turns = 0
                raise Stuck(f"a task spins: {MAXIMUM_IDLE_TURNS} turns at {self.now:.6f} s")
        return []

    # The loop registers its own wake-up socket; nobody else may, for no file ever becomes ready here.

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        descriptor = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = selectors.SelectorKey(fileobj, descriptor, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is virtual. Threads and real sockets cannot wake it: use none of them."""

    def __init__(self) -> None:
        self._jumps = JumpingSelector()
        super().__init__(self._jumps)
        self.set_exception_handler(self._keep_failure)
        self.failures: list[BaseException] = []
        """What callbacks and forgotten tasks raised; whoever runs the loop must look."""

    def time(self) -> float:
        """Virtual seconds, monotonic."""
        return self._jumps.now

    def work(self, seconds: float) -> None:
        """Time passes while whoever calls this keeps the loop busy."""
        self._jumps.now += seconds

    def run_forever(self) -> None:
        """Run until stopped. Raises Stuck, with the list of waiting tasks."""
        try:
            super().run_forever()
        except Stuck as stuck:
            waiting = "\n".join(f"  {line}" for line in self._waiting())
            raise Stuck(f"{stuck}; waiting at {self.time():.3f} s:\n{waiting}") from None

    def _waiting(self) -> Iterator[str]:
        for task in asyncio.all_tasks(self):
            # Down the chain of awaits: the innermost coroutine is the one that waits.
            step: Any = task.get_coro()
            while getattr(step, "cr_await", None) is not None and hasattr(step.cr_await, "cr_frame"):
                step = step.cr_await
            frame = step.cr_frame
            where = f"{frame.f_code.co_filename}:{frame.f_lineno} {step.__qualname__}" if frame else "ended"
            yield f"{task.get_name()}: {where}"

    def _keep_failure(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.failures.append(context.get("exception") or RuntimeError(context["message"]))
