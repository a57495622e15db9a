"""The event loop of a command, and signals as calls on it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

Result = TypeVar("Result")


class Loop(asyncio.SelectorEventLoop):
    """It can watch any socket, on Windows too. What time it is costs no call of a Python function: each call that is
    served asks that dozens of times."""

    time = staticmethod(time.monotonic)


def run_until_complete(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in a new loop."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(main)


@contextlib.contextmanager
def signals(stop: Callable[[], object], reload: Callable[[], object] | None = None) -> Iterator[None]:
    """SIGTERM and SIGINT stop, and end the process at once if they come again; SIGHUP reloads.

    Without `reload` SIGHUP stops too: the terminal has been closed. One that is ignored (`nohup`) stays so.
    To be entered inside a running event loop; the handlers from before come back at the end.
    """
    loop = asyncio.get_running_loop()

    # Not loop.add_signal_handler: the loops of Windows have none.
    def on_stop(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(stop)

    def on_reload(_number: int, _frame: object) -> None:
        if reload is not None:
            loop.call_soon_threadsafe(reload)

    handlers: dict[signal.Signals, Callable[[int, object], None]] = {
        signal.SIGTERM: on_stop,
        signal.SIGINT: on_stop,
    }
    if hasattr(signal, "SIGHUP"):  # Windows has none
        if reload is not None:
            handlers[signal.SIGHUP] = on_reload
        elif signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            handlers[signal.SIGHUP] = on_stop
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
