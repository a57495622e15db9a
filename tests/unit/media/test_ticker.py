"""The tick: every 20 ms for those who asked, and none while nobody does."""

from __future__ import annotations

import asyncio
import itertools
import logging

import pytest

from media.ticker import TICK_SECONDS, Punctuality, Ticker
from tests.simulation.simulation import Simulation


def armed(simulation: Simulation) -> bool:
    """Whether the loop has a timer of a ticker."""
    handles = getattr(simulation.loop, "_scheduled")  # noqa: B009 - no public way, and mypy knows of none
    return any("Ticker" in repr(handle) for handle in handles if not handle.cancelled())


async def test_a_call_comes_every_twenty_milliseconds(simulation: Simulation) -> None:
    ticker, calls = Ticker(simulation.loop), []
    began = simulation.loop.time()
    ticker.add("a", lambda: calls.append(simulation.loop.time() - began))
    await asyncio.sleep(600)
    ticker.stop()
    assert len(calls) == pytest.approx(600 * 50, abs=1)
    assert calls[-1] == pytest.approx(len(calls) * TICK_SECONDS, abs=1e-6), "no drift"
    assert ticker.missed == 0


async def test_all_are_called_in_one_tick(simulation: Simulation) -> None:
    ticker, calls = Ticker(simulation.loop), []
    ticker.add("a", lambda: calls.append("a"))
    await asyncio.sleep(TICK_SECONDS / 2)
    ticker.add("b", lambda: calls.append("b"))
    await asyncio.sleep(2 * TICK_SECONDS)
    assert calls == ["a", "b", "a", "b"]
    ticker.stop()


async def test_there_is_no_tick_while_nobody_needs_one(simulation: Simulation) -> None:
    ticker, calls = Ticker(simulation.loop), []
    assert not armed(simulation)
    ticker.add("a", lambda: calls.append("a"))
    assert armed(simulation)
    await asyncio.sleep(1.5 * TICK_SECONDS)
    ticker.remove("a")
    await asyncio.sleep(1)
    assert not armed(simulation)
    ticker.add("a", lambda: calls.append("again"))
    await asyncio.sleep(1.5 * TICK_SECONDS)
    ticker.stop()
    assert not armed(simulation)
    assert calls == ["a", "again"]


async def test_one_may_leave_and_come_within_its_own_tick(simulation: Simulation) -> None:
    ticker, calls = Ticker(simulation.loop), []

    def once() -> None:
        calls.append("once")
        ticker.remove("once")
        ticker.add("then", lambda: calls.append("then"))

    ticker.add("once", once)
    await asyncio.sleep(3.5 * TICK_SECONDS)
    ticker.stop()
    assert calls == ["once", "then", "then"]


async def test_one_that_fails_stops_no_other(
    simulation: Simulation, caplog: pytest.LogCaptureFixture
) -> None:
    ticker, calls = Ticker(simulation.loop), []

    def fail() -> None:
        raise RuntimeError("broken")

    ticker.add("a", fail)
    ticker.add("b", lambda: calls.append("b"))
    with caplog.at_level(logging.ERROR):
        await asyncio.sleep(2.5 * TICK_SECONDS)
    ticker.stop()
    assert calls == ["b", "b"]
    assert "broken" in caplog.text


async def test_ticks_that_come_too_late_are_skipped_and_counted(simulation: Simulation) -> None:
    """The machine was busy for a second: fifty packets at once would help nobody."""
    ticker, calls = Ticker(simulation.loop), []
    began = simulation.loop.time()

    def call() -> None:
        calls.append(round(simulation.loop.time() - began, 6))
        if len(calls) == 3:
            simulation.loop._jumps.now += 1.005

    ticker.add("a", call)
    await asyncio.sleep(1.2)
    ticker.stop()
    assert ticker.missed == 49
    assert calls[:3] == [0.02, 0.04, 0.06]
    assert calls[3:6] == [1.065, 1.08, 1.1]


async def test_how_late_ticks_begin_is_told_since_the_last_time(simulation: Simulation) -> None:
    ticker = Ticker(simulation.loop)
    assert ticker.punctuality() == Punctuality()
    busy, ticks = {10: 0.02555, 20: 0.03555, 30: 0.06555}, itertools.count(1)

    def call() -> None:
        simulation.loop._jumps.now += busy.get(next(ticks), 0)

    ticker.add("a", call)
    await asyncio.sleep(2.5)
    told = ticker.punctuality()
    ticker.stop()
    assert (told.missed, told.late) == (2, 1 + 2)
    assert told.ticks == pytest.approx(125, abs=1)
    assert (told.p50_ms, told.p99_ms) == (0.1, 5.6)
    assert told.max_ms == pytest.approx(15.55)
    assert told.work_ms == pytest.approx(1000 * sum(busy.values()) / (told.ticks - told.missed))
    assert ticker.punctuality() == Punctuality()
