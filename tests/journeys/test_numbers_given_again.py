"""A number that is taken from one user and given to another: the new one finds nothing of the old one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pbx.config import Config
from pbx.live_data import revise
from pbx.presence import UserStatus
from pbx.statuses import set_status
from pbx.store import live
from pbx.store.store import Store
from tests.journeys.test_live_changes import JONES, added, removed
from tests.journeys.test_messages import send_message, texts
from tests.journeys.voicemails import Voicemails, open_office
from tests.simulation.office import Office, password

MakeOffice = Callable[..., Office]

NEW_OWNER = {**JONES, "number": "101", "password": password("101")}


def given_again(store: Store, config: Config) -> None:
    """Remove 101, and give the number to Jones."""
    store.begin(partial(revise, config, removed("101")))
    store.begin(partial(revise, config, added(NEW_OWNER)))


def database_of(office: Office) -> Path | str:
    assert office.database is not None
    return office.database


async def in_this_process(office: Office) -> None:
    await office.switch.live_changes.revise(removed("101"))
    await office.switch.live_changes.revise(added(NEW_OWNER))


async def in_another_process(office: Office) -> None:
    """Faster than the system looks."""
    other = Store.open(database_of(office))
    given_again(other, office.config)
    other.abandon()
    await asyncio.sleep(1.5)


async def while_it_is_stopped(office: Office) -> None:
    await office.switch.stop()
    other = Store.open(database_of(office))
    given_again(other, office.config)
    other.abandon()
    await office.open()


def files(folder: Path, number: str) -> list[str]:
    """What there is of a mailbox."""
    return sorted(path.name for path in (folder / "data" / "voicemail").rglob("*.wav") if number in str(path))


@pytest.mark.parametrize("given", [in_this_process, in_another_process, while_it_is_stopped])
async def test_the_new_owner_finds_nothing_of_the_old_one(
    make_office: MakeOffice, tmp_path: Path, given: Callable[[Office], object]
) -> None:
    voicemails = await open_office(make_office, tmp_path, database=tmp_path / "myphone.db")
    office = voicemails.office
    lee, richardson = await voicemails.phone("100"), await voicemails.phone("101")
    await voicemails.leave("100", "101")
    assert len(await voicemails.messages("101")) == 1
    await set_status(office.switch, "101", UserStatus.AWAY, "On leave")
    await richardson.unregister()
    assert (await send_message(lee, "101", "For Richardson")).status == 202
    await given(office)  # type: ignore[misc]
    jones = await office.phone("101")
    await asyncio.sleep(1)
    assert voicemails.counts("101").new == 0
    assert await voicemails.messages("101") == ()
    assert files(tmp_path, "101") == []
    state = office.switch.presence.of("101")
    assert (state.status, state.note) == (UserStatus.AVAILABLE, "")
    assert texts(jones) == []
    assert await office.switch.store.fetch(live.removed) == {}
    await office.restart()
    assert await voicemails.messages("101") == ()


async def test_whoever_is_removed_while_a_message_is_left_gets_none(
    make_office: MakeOffice, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    voicemails: Voicemails = await open_office(make_office, tmp_path, database=tmp_path / "myphone.db")
    leaving = asyncio.ensure_future(voicemails.leave("100", "101", seconds=5.0))
    await asyncio.sleep(4)
    await voicemails.office.switch.live_changes.revise(removed("101"))
    await leaving
    assert "a message was not kept" in caplog.text
    caplog.clear()
    assert files(tmp_path, "101") == []
    await voicemails.office.settle()
