"""When calls are looked at."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from media.alarms import Alarms
from pbx.audio_watch import LOOKS_SECONDS, AudioWatch


class Calls:
    """There are none; notes which were looked for, and when."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float]] = []

    def get(self, call: str) -> None:
        self.asked.append((call, asyncio.get_running_loop().time()))
        if call == "bad":
            raise RuntimeError("this call cannot be looked at")


async def test_each_call_has_its_look_at_its_time_and_one_that_fails_hurts_no_other() -> None:
    loop = asyncio.get_running_loop()
    calls = Calls()
    switch = SimpleNamespace(alarms=Alarms(loop), calls=calls, environment=SimpleNamespace(now=loop.time))
    watch = AudioWatch(cast(Any, switch))
    expected = []
    for pause, call in ((0.0, "a"), (0.1, "bad"), (0.0, "b"), (0.7, "c"), (2 * LOOKS_SECONDS[0], "d")):
        await asyncio.sleep(pause)
        watch.watch(call)
        expected.append((call, loop.time() + LOOKS_SECONDS[0]))
    await asyncio.sleep(2 * LOOKS_SECONDS[0])
    assert [call for call, _ in calls.asked] == [call for call, _ in expected]
    assert all(abs(at - due) < 1e-6 for (_, at), (_, due) in zip(calls.asked, expected, strict=True))
