"""Many alarms on one timer of the loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from unittest.mock import patch

import pytest

from media.alarms import Alarm, Alarms
from tests.simulation.simulation import Simulation


async def test_alarms_ring_at_their_time_and_in_the_order_in_which_they_were_set(simulation: Simulation) -> None:
    alarms, rung, begin = Alarms(simulation.loop), list[tuple[str, float]](), simulation.loop.time()

    def ring(name: str) -> None:
        rung.append((name, round(simulation.loop.time() - begin, 6)))

    alarms.set(2.0, lambda: ring("late"))
    alarms.set(1.0, lambda: ring("first"))
    alarms.set(1.0, lambda: ring("second"))
    taken_back = alarms.set(1.5, lambda: ring("never"))
    alarms.cancel(taken_back)
    alarms.cancel(taken_back)
    await asyncio.sleep(5.0)
    assert rung == [("first", 1.0), ("second", 1.0), ("late", 2.0)]


async def test_after_some_have_rung_others_wait_for_a_rest(simulation: Simulation) -> None:
    alarms, rung, begin = Alarms(simulation.loop, rest=0.1), list[tuple[str, float]](), simulation.loop.time()

    def ring(name: str) -> None:
        rung.append((name, round(simulation.loop.time() - begin, 6)))
        if name == "first":
            alarms.set(0.01, lambda: ring("set then"))

    alarms.set(1.0, lambda: ring("first"))
    alarms.set(1.02, lambda: ring("soon"))
    alarms.set(1.08, lambda: ring("as soon"))
    alarms.set(1.5, lambda: ring("later"))
    await asyncio.sleep(5.0)
    assert rung == [("first", 1.0), ("set then", 1.1), ("soon", 1.1), ("as soon", 1.1), ("later", 1.5)]


async def test_an_alarm_that_rings_may_set_another_and_take_one_back(simulation: Simulation) -> None:
    alarms, rung = Alarms(simulation.loop), list[str]()

    def ring() -> None:
        rung.append("once")
        alarms.set(0.25, lambda: rung.append("again"))
        alarms.cancel(other)

    other = alarms.set(1.0, lambda: rung.append("other"))
    first = alarms.set(0.5, ring)
    await asyncio.sleep(2.0)
    alarms.cancel(first)  # it has rung
    assert rung == ["once", "again"]


async def test_one_that_fails_keeps_no_other_from_ringing(
    simulation: Simulation, caplog: pytest.LogCaptureFixture
) -> None:
    alarms, rung = Alarms(simulation.loop), list[str]()
    alarms.set(1.0, lambda: 1 // 0)
    alarms.set(1.0, lambda: rung.append("other"))
    with caplog.at_level(logging.ERROR):
        await asyncio.sleep(2.0)
    assert rung == ["other"]
    assert "ZeroDivisionError" in caplog.text


def test_nothing_is_left_in_the_loop_once_all_are_taken_back() -> None:
    loop = asyncio.new_event_loop()
    try:
        alarms = Alarms(loop)
        several = [alarms.set(seconds, lambda: None) for seconds in (3.0, 1.0, 2.0)]
        left = getattr(loop, "_scheduled")  # noqa: B009 - no public way, and mypy knows of none
        assert not all(timer.cancelled() for timer in left)
        for alarm in several:
            alarms.cancel(alarm)
        assert all(timer.cancelled() for timer in left)
    finally:
        loop.close()


def test_alarms_of_a_row_ring_each_at_its_time_but_for_those_taken_back(
    simulation: Simulation, caplog: pytest.LogCaptureFixture
) -> None:
    alarms, rung, begin = Alarms(simulation.loop), list[tuple[str, float]](), simulation.loop.time()

    def ring(name: str) -> None:
        rung.append((name, simulation.loop.time() - begin))
        if name == "fails":
            raise ValueError("of no interest to the others")

    async def story() -> None:
        row = alarms.rows[2.0]
        assert row is alarms.rows[2.0]
        taken_back = row.set(lambda: ring("never"))
        fails = row.set(lambda: ring("fails"))
        row.set(lambda: ring("with it"))
        await asyncio.sleep(1)
        row.set(lambda: ring("later"))
        alarms.set(1.5, lambda: ring("not of the row"))
        alarms.cancel(taken_back)
        await asyncio.sleep(4)
        alarms.cancel(fails)
        row.set(lambda: ring("last"))
        await asyncio.sleep(4)

    simulation.run(story())
    assert [name for name, _ in rung] == ["fails", "with it", "not of the row", "later", "last"]
    assert [at for _, at in rung] == pytest.approx([2, 2, 2.5, 3, 7])
    assert "what an alarm was for has failed" in caplog.text


def test_one_alarm_serves_a_row_whose_alarms_are_set_again_when_they_ring(simulation: Simulation) -> None:
    alarms, rung = Alarms(simulation.loop), list[float]()
    row, looks = alarms.rows[1.0], list[float]()
    plain = alarms.set

    def counted(seconds: float, ring: Callable[[], object]) -> Alarm:
        looks.append(seconds)
        return plain(seconds, ring)

    def again() -> None:
        rung.append(simulation.loop.time())
        row.set(again)

    async def story() -> None:
        row.set(again)
        await asyncio.sleep(10.5)

    with patch.object(alarms, "set", counted):
        simulation.run(story())
    assert len(rung) == 10
    assert len(looks) == 11
