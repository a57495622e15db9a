"""A supervisor on two whose phones do not move to one media worker, and talk by a tunnel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx.supervision import Mode, barge_in
from tests.journeys.talking import listen
from tests.journeys.test_failures import cannot_join, errors
from tests.journeys.test_workers import consult, refuse_changes
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter


@pytest.mark.row("AST-22")
@pytest.mark.parametrize("supervised", ["101", "102"])
async def test_a_supervisor_hears_two_who_talk_by_a_tunnel(
    make_office: Callable[..., Office], tmp_path: Path, supervised: str
) -> None:
    extensions = {"103": {"manager": True, "barge_in": True}}
    office = make_office(prompts=Prompter(tmp_path), extensions=extensions, media={"workers": 2})
    await office.open()
    held, stays, consulting, target = await consult(office)
    refuse_changes(stays)
    refuse_changes(target)
    assert await held.transfer_to(consulting).outcome() == 200
    await asyncio.sleep(0.5)
    call = next(each for each in office.switch.calls.values() if each.callee is not None)
    miller = await office.phone("103")
    barge_in(office.switch, "103", call, supervised, Mode.BARGE)
    supervisor = await miller.incoming()
    supervisor.answer()
    await asyncio.sleep(1)
    assert await listen(tmp_path, stays, target, supervisor) == [{1, 2}, {0, 2}, {0, 1}]
    supervisor.hang_up()
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, stays, target) == [{1}, {0}]
    stays.hang_up()
    await office.settle()


async def test_who_talks_by_a_tunnel_and_cannot_join_a_room_is_told_so(
    make_office: Callable[..., Office], caplog: pytest.LogCaptureFixture
) -> None:
    office = make_office(media={"workers": 2})
    await office.open()
    held, stays, consulting, target = await consult(office)
    refuse_changes(stays)
    refuse_changes(target)
    assert await held.transfer_to(consulting).outcome() == 200
    await asyncio.sleep(0.5)
    [tunnel] = {leg.tunnel for leg in office.switch.legs.by_stream.values() if leg.tunnel is not None}
    cannot_join(office, tunnel.far)
    assert await stays.over() == 200
    assert await target.over() == 200
    assert len(errors(caplog)) == 1
    await office.settle()
