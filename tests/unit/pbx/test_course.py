"""The course of a call: one step at a time, and the last that was asked for is the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.course import Course, Step
from tests.simulation.simulation import Simulation


class Steps:
    """Writes down what begins, ends, and is given up."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.ended: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    def step(self, name: str, seconds: float, then: Callable[[], None] | None = None) -> Step:
        async def run() -> None:
            self.log.append(name)
            try:
                async with asyncio.timeout(1000):  # as features have them: a step given up is no time-out
                    await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                self.log.append(f"{name} given up")
                raise
            if then is not None:
                then()
            self.log.append(f"{name} done")

        return run


async def test_a_step_is_given_up_for_another_wherever_it_waits() -> None:
    steps = Steps()
    course = Course(steps.step("one", 10), "test", steps.ended.set_result)
    await asyncio.sleep(1)
    course.turn(steps.step("two", 10))
    course.turn(steps.step("three", 10))
    await steps.ended
    assert steps.log == ["one", "one given up", "three", "three done"]


async def test_a_step_that_has_not_begun_never_begins() -> None:
    steps = Steps()
    course = Course(steps.step("one", 10), "test", steps.ended.set_result)
    course.turn(steps.step("two", 10))
    await steps.ended
    assert steps.log == ["two", "two done"]


async def test_a_step_that_asks_for_the_next_goes_on_to_its_end() -> None:
    steps = Steps()
    course: Course | None = None

    def turn() -> None:
        assert course is not None
        course.turn(steps.step("two", 1))

    course = Course(steps.step("one", 1, turn), "test", steps.ended.set_result)
    await steps.ended
    assert steps.log == ["one", "one done", "two", "two done"]


async def test_what_goes_wrong_in_a_step_that_is_given_up_is_of_no_interest() -> None:
    steps = Steps()

    async def fails() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            raise RuntimeError("while tidying up")

    course = Course(fails, "test", steps.ended.set_result)
    await asyncio.sleep(1)
    course.turn(steps.step("two", 1))
    assert await steps.ended is None
    assert steps.log == ["two", "two done"]


async def test_what_goes_wrong_in_the_last_step_is_told() -> None:
    steps = Steps()

    async def fails() -> None:
        raise RuntimeError("for good")

    Course(fails, "test", steps.ended.set_result)
    error = await steps.ended
    assert isinstance(error, RuntimeError)
    assert str(error) == "for good"


async def test_it_may_rest_before_its_first_step() -> None:
    steps = Steps()
    course = Course(None, "test", steps.ended.set_result)
    await asyncio.sleep(1)
    assert (course.rests, course.over) == (True, False)
    course.turn(steps.step("one", 1))
    assert not course.rests
    course.end()  # that is for the step to say
    assert await steps.ended is None
    assert steps.log == ["one", "one done"]


@pytest.mark.parametrize("error", [None, RuntimeError("for good")])
async def test_it_may_end_where_it_rests(error: Exception | None) -> None:
    steps = Steps()
    course = Course(None, "test", steps.ended.set_result)
    course.end(error)
    assert course.over
    assert steps.ended.done()
    course.cancel()
    course.turn(steps.step("one", 1))
    assert await steps.ended is error
    await asyncio.sleep(1)
    assert steps.log == []


async def test_it_is_cancelled_where_it_rests() -> None:
    steps = Steps()
    course = Course(None, "test", steps.ended.set_result)
    course.cancel()
    assert course.over
    assert not steps.ended.done()  # whoever cancels it goes on to the end of what it does
    course.end()
    assert isinstance(await steps.ended, asyncio.CancelledError)


@given(
    st.lists(
        st.tuples(st.sampled_from(["turn", "cancel"]), st.sampled_from([0.0, 0.5, 1.0, 3.0])), max_size=6
    )
)
def test_in_any_order_it_ends_and_nothing_runs_twice(deeds: list[tuple[str, float]]) -> None:
    """The step that was asked for last is done, or given up by the cancellation."""

    async def story() -> None:
        steps = Steps()
        course = Course(steps.step("0", 1), "test", steps.ended.set_result)
        last, cancelled = "0", False
        for number, (deed, seconds) in enumerate(deeds, 1):
            if not course.over and not cancelled:
                if deed == "cancel":
                    course.cancel()
                    cancelled = True
                else:
                    last = str(number)
                    course.turn(steps.step(last, 1))
            await asyncio.sleep(seconds)
        await steps.ended
        course.cancel()  # after the end it does nothing
        begun = [entry for entry in steps.log if entry.isdecimal()]
        assert len(set(begun)) == len(begun)
        assert len(steps.log) == 2 * len(begun)
        assert cancelled or steps.log[-1] == f"{last} done"

    with Simulation(0) as simulation:
        simulation.run(story())
