"""What a media process has to say in the log. It goes up to its parent, who alone writes the log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from values import dataclass

MOST_EARLY = 100
"""So many lines wait for a way up; what else is said before there is one is lost."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One record."""

    logger: str
    level: int
    text: str
    exception: str = ""
    """The traceback, if there is one."""


class UpwardLog(logging.Handler):
    """Sends records up, whatever thread they are of; those that come before there is a way up wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self._early: list[LogLine] = []
        self._way: Callable[[LogLine], None] | None = None

    def begin(self, send: Callable[[LogLine], None]) -> None:
        """Send by `send` from now on, in the loop that runs here."""
        loop = asyncio.get_running_loop()

        def way(line: LogLine) -> None:
            if _runs_here(loop):
                send(line)
                return
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
                loop.call_soon_threadsafe(send, line)

        self.acquire()  # as `emit` has it
        try:
            self._way = way
            for line in self.early():
                send(line)
        finally:
            self.release()

    def early(self) -> list[LogLine]:
        """Those that wait for a way; they are given away by this."""
        early, self._early = self._early, []
        return early

    def emit(self, record: logging.LogRecord) -> None:
        exception = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        line = LogLine(record.name, record.levelno, record.getMessage(), exception)
        if self._way is not None:
            self._way(line)
        elif len(self._early) < MOST_EARLY:
            self._early.append(line)


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
