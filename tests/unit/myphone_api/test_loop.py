"""Signals as calls on the loop."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import pytest

from myphone_api.loop import run_until_complete, signals


@pytest.fixture(autouse=True)
def hang_ups_are_not_ignored() -> Iterator[None]:
    """However the tests were started: `nohup` ignores SIGHUP for all of its children."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops(number: signal.Signals) -> None:
    async def main() -> None:
        stopped = asyncio.Event()
        with signals(stopped.set):
            os.kill(os.getpid(), number)
            await stopped.wait()
            assert signal.getsignal(number) is signal.SIG_DFL  # a second one ends the process

    run_until_complete(main())


def test_a_hang_up_reloads_as_often_as_it_comes() -> None:
    async def main() -> None:
        reloads: asyncio.Queue[str] = asyncio.Queue()
        with signals(lambda: None, lambda: reloads.put_nowait("reload")):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGHUP)
                assert await reloads.get() == "reload"

    run_until_complete(main())


def test_a_hang_up_that_is_ignored_stays_so() -> None:
    async def main() -> None:
        with signals(lambda: None):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run_until_complete(main())
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_handlers_from_before_come_back() -> None:
    def handlers() -> list[object]:
        return [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]

    async def main() -> None:
        before = handlers()
        with signals(lambda: None, lambda: None):
            assert handlers() != before
        assert handlers() == before

    run_until_complete(main())


def test_the_loop_has_the_clock_of_the_system() -> None:
    async def main() -> None:
        before = time.monotonic()
        now = asyncio.get_running_loop().time()
        assert before <= now <= time.monotonic()

    run_until_complete(main())
