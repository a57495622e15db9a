"""Queues, ring groups and receptionists that change while people phone, here or by another process."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from features.queues import feature as queues
from features.receptionists import feature as receptionists
from features.ring_groups import feature as ring_groups
from pbx.config import ConfigError
from pbx.phone import CallFailed
from pbx.store import live, statuses
from pbx.store.store import Store
from tests.journeys.talking import connect
from tests.journeys.waiting_room import MakeOffice, until, waiting_room
from tests.simulation.prompter import Prompter


async def test_a_number_goes_from_one_kind_to_another(make_office: MakeOffice, tmp_path: Path) -> None:
    features = [queues, receptionists, ring_groups]
    office = make_office(
        features=features,
        prompts=Prompter(tmp_path),
        ring_groups=[{"number": "810", "members": ["101"]}],
        receptionists=[{"number": "800", "keys": {"1": "102"}, "dial_extensions": False}],
    )
    await office.open()
    lee, richardson, taylor = [await office.phone(number) for number in ("100", "101", "102")]
    (await connect(lee, "810", richardson))[0].hang_up()

    def change(tables: dict[str, Any]) -> None:
        tables["ring_groups"] = [{"number": "800", "members": ["101"]}, {"number": "811", "members": ["102"]}]
        tables["receptionists"] = [{"number": "810", "keys": {"1": "102"}, "dial_extensions": False}]

    await office.switch.live_changes.revise(change)
    (await connect(lee, "800", richardson))[0].hang_up()
    (await connect(lee, "811", taylor))[0].hang_up()
    call = await lee.call("810")
    call.send_digits("1")
    assert (await taylor.incoming()).leg.state.value == "ringing"
    call.hang_up()
    await office.settle()

    def clash(tables: dict[str, Any]) -> None:
        tables["queues"] = [{"number": "810"}]

    with pytest.raises(ConfigError, match=r"receptionists\[0\]\.number: 810 is queues\[0\] already"):
        await office.switch.live_changes.revise(clash)

    def nothing(tables: dict[str, Any]) -> None:
        tables["ring_groups"] = tables["receptionists"] = []

    await office.switch.live_changes.revise(nothing)
    for number in ("800", "810", "811"):
        with pytest.raises(CallFailed, match="404"):
            await lee.call(number)
    await office.settle()


async def test_another_process_logs_agents_in_and_out(make_office: MakeOffice, tmp_path: Path) -> None:
    database = tmp_path / "myphone.db"
    room = waiting_room(make_office, tmp_path, database=database)
    await room.open("102", phones=("100", "101", "102"))
    other = Store.open(database)
    other.begin(partial(statuses.log_in, "804", "101"))
    other.begin(partial(statuses.log_out, "804", "102"))
    other.begin(live.changed)
    await until(lambda: room.queues.logged_in("101") == ("804",))
    assert room.queues.logged_in("102") == ()
    await connect(room.phones["100"], "804", room.phones["101"])
    other.abandon()
    await room.go_home()


async def test_what_is_kept_and_what_is_in_force_agree_whoever_is_faster(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    room = waiting_room(make_office, tmp_path)
    await room.open()
    desk = room.queues
    await asyncio.gather(
        desk.follow(), desk.log_in("101"), desk.follow(), desk.log_in("102"), desk.log_out("101")
    )
    assert desk.logged_in("101") == ()
    assert desk.logged_in("102") == ("804",)
    assert await room.office.switch.store.fetch(statuses.every_login) == [("804", "102")]
