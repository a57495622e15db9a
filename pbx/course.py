"""What a call does: one coroutine, in whose place another can be put wherever it waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

Step = Callable[[], Awaitable[None]]


class Course:
    """Follows one step after another; each runs to its end, or until it is given up for the next."""

    def __init__(self, first: Step, name: str, ended: Callable[[asyncio.Task[None]], None]) -> None:
        """Begins with `first`; `ended` is told when a step has ended that no other follows, or `cancel` was called."""
        self._next: Step | None = first
        self._cancelled = False
        self._ended = ended
        self._name = name
        self._task: asyncio.Task[None] | None = asyncio.get_running_loop().create_task(self._run(), name=name)
        """None after the end: it holds what it was cancelled with, and that holds this."""
        self._task.add_done_callback(self._finish)

    @property
    def over(self) -> bool:
        """Whether the last step has ended, though `ended` may not have been told yet."""
        return self._task is None or self._task.done()

    def turn(self, step: Step) -> None:
        """Give up what is being done, and do `step` instead; of several that are asked for, the last.

        A step that asks for another one itself goes on to its own end.
        """
        waits = self._next is None
        self._next = step
        if waits and self._task is not None and asyncio.current_task() is not self._task:
            self._task.cancel()

    def cancel(self) -> None:
        """End it where it waits."""
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._task = None
        self._ended(task)

    async def _run(self) -> None:
        while (step := self._next) is not None:
            self._next = None
            try:
                await step()
            except asyncio.CancelledError:
                if self._cancelled or self._next is None:
                    raise
                while self._task is not None and self._task.uncancel():
                    pass
            except Exception:
                if self._next is None:
                    raise
                logger.info("given up for another step: %s", self._name, exc_info=True)
