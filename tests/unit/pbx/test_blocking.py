"""Work that blocks: in order, off the loop where there are threads, and finished whatever becomes of who asked."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from pbx.blocking import Blocking


def test_threads_do_it_in_order_and_finish_what_was_begun() -> None:
    async def story() -> None:
        blocking = Blocking(partial(ThreadPoolExecutor, max_workers=1))
        done: list[int] = []
        gate, begun = threading.Event(), threading.Event()

        def first() -> None:
            begun.set()
            assert gate.wait(60)
            done.append(threading.get_ident())

        task = asyncio.ensure_future(blocking.run(first))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        later = [asyncio.ensure_future(blocking.run(partial(done.append, index))) for index in range(5)]
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        gate.set()
        await asyncio.gather(*later)
        assert done[0] != threading.get_ident()
        assert done[1:] == [0, 1, 2, 3, 4]
        with pytest.raises(ZeroDivisionError):
            await blocking.run(lambda: 1 // 0)
        blocking.stop()

    asyncio.run(story())


async def test_without_threads_it_is_done_at_once() -> None:
    blocking = Blocking()
    assert await blocking.run(lambda: threading.get_ident()) == threading.get_ident()
    blocking.stop()
