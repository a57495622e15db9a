"""The jumping loop: virtual time, and hangs that fail at once."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.simulation.loop import START_SECONDS, Stuck
from tests.simulation.simulation import Simulation


async def test_an_hour_takes_no_time() -> None:
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    for _ in range(60):
        await asyncio.sleep(60)
    assert loop.time() == pytest.approx(START_SECONDS + 3600)
    assert time.perf_counter() - started < 60  # generous: it takes some milliseconds


async def test_sleepers_wake_in_the_order_of_their_deadlines() -> None:
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append(seconds)

    await asyncio.gather(*(sleep(seconds) for seconds in (3.0, 0.5, 72_000.0, 0.0, 64 * 0.5)))
    assert woken == [0.0, 0.5, 3.0, 32.0, 72_000.0]


async def test_timeouts_are_virtual() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(32):
            await asyncio.Event().wait()


def test_a_hang_is_found_at_once_and_names_who_waits() -> None:
    async def wait_for_the_end_of_days() -> None:
        await asyncio.Event().wait()

    async def story() -> None:
        await wait_for_the_end_of_days()

    with Simulation(1) as simulation, pytest.raises(Stuck, match=r"Event\.wait"):
        simulation.loop.run_until_complete(story())


def test_a_hang_beside_a_periodic_timer_is_found_too() -> None:
    async def beat() -> None:
        while True:
            await asyncio.sleep(5)

    async def story() -> None:
        beating = asyncio.create_task(beat())
        await asyncio.Event().wait()
        beating.cancel()

    with Simulation(1) as simulation, pytest.raises(Stuck, match="did not end"):
        simulation.run(story())


def test_a_task_that_spins_is_stuck() -> None:
    async def story() -> None:
        while True:
            await asyncio.sleep(0)

    with Simulation(1) as simulation, pytest.raises(Stuck, match="spins"):
        simulation.run(story())


def test_an_exception_in_a_callback_fails_the_run() -> None:
    async def story() -> None:
        asyncio.get_running_loop().call_later(1, lambda: 1 // 0)
        await asyncio.sleep(2)

    with Simulation(1) as simulation, pytest.raises(ExceptionGroup, match="outside the story"):
        simulation.run(story())


def test_an_error_carries_the_seed() -> None:
    async def story() -> None:
        raise LookupError

    with Simulation(4711) as simulation, pytest.raises(LookupError) as raised:
        simulation.run(story())
    assert "seed 4711" in raised.value.__notes__[0]
