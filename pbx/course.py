"""What a call does: one coroutine, in whose place another can be put wherever it waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

Step = Callable[[], Awaitable[None]]


class Course:
    """Follows one step after another; each runs to its end, or until it is given up for the next.

    Before the first it rests: what needs no coroutine is done without one.
    """

    __slots__ = ("_call_id", "_cancelled", "_ended", "_next", "_over", "_task", "rests")

    def __init__(self, first: Step | None, call_id: str, ended: Callable[[BaseException | None], None]) -> None:
        """Begins with `first`, if that is given. `call_id`: whose it is. `ended` is told once: when a step has ended
        that no other follows, or after `cancel` or `end`; and with what."""
        self.rests = True
        """Whether no step has begun yet: others only read it."""
        self._ended = ended
        self._call_id = call_id
        self._next: Step | None = None
        self._cancelled = False
        self._over = False
        self._task: asyncio.Task[None] | None = None
        """None while it rests, and after the end: it holds what it was cancelled with, and that holds this."""
        if first is not None:
            self.turn(first)

    @property
    def over(self) -> bool:
        """Whether the last step has ended, though `ended` may not have been told yet."""
        return self._over or (self._task is not None and self._task.done())

    def turn(self, step: Step) -> None:
        """Give up what is being done, and do `step` instead; of several that are asked for, the last.

        A step that asks for another one itself goes on to its own end.
        """
        waits = self._next is None
        self._next = step
        if self.rests:
            self.rests = False
            self._task = asyncio.get_running_loop().create_task(self._run(), name=f"call {self._call_id}")
            self._task.add_done_callback(self._finish)
        elif waits and self._task is not None and asyncio.current_task() is not self._task:
            self._task.cancel()

    def end(self, error: BaseException | None = None) -> None:
        """No step is needed: it ends where it rests, here and now."""
        if self.rests:
            self.rests, self._over = False, True
            self._ended(error)

    def cancel(self) -> None:
        """End it where it waits, with the next turn of the event loop: whoever asks for it may have something to do."""
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()
        elif self.rests:
            self.rests, self._over = False, True
            asyncio.get_running_loop().call_soon(self._ended, asyncio.CancelledError())

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._task, self._over = None, True
        self._ended(asyncio.CancelledError() if task.cancelled() else task.exception())

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
                logger.info("given up for another step: call %s", self._call_id, exc_info=True)
