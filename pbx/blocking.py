"""Work that waits for the disk or takes the processor for long: it is done where it holds up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

Result = TypeVar("Result")


class Blocking:
    """Does one thing after another, in the order in which they are asked for."""

    def __init__(self, threads: Callable[[], Executor] | None = None) -> None:
        """`threads` makes an executor with a single thread. Without it all is done at once, in the caller's own."""
        self._executor = threads() if threads is not None else None

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do it, and return or raise what it does. What has been begun is finished, even if the caller is cancelled."""
        if self._executor is None:
            result = work()
            await asyncio.sleep(0)  # others may run here, as they may while a thread works
            return result
        return await asyncio.shield(asyncio.wrap_future(self._executor.submit(work)))

    def stop(self) -> None:
        """Finish what was asked for, and do nothing more."""
        if self._executor is not None:
            self._executor.shutdown(wait=True)
