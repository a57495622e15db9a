"""What outlives a restart of the system, with either kind of database; and calls while the database is out."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from pbx.happenings import ExtensionRegistered, ExtensionUnregistered
from pbx.presence import UserStatus
from pbx.store.statuses import every_login, log_in, log_out
from pbx.trunks.ledger import LimitReached
from sipcore.transport.flow import Transport
from tests.journeys.talking import connect
from tests.journeys.test_messages import send_message, texts
from tests.simulation.nat import NatBox, NatKind
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]


async def test_phones_can_be_called_at_once_after_a_restart(
    make_office: MakeOffice, location: Path | str
) -> None:
    office = make_office(database=location)
    await office.open()
    lee, richardson = await office.phone("100"), await office.phone("101")
    richardson.auto_answer = True
    [before] = office.switch.registrar.bindings("101", office.switch.loop.time())
    await office.restart()
    [after] = office.switch.registrar.bindings("101", office.switch.loop.time())
    assert after.expires_at == pytest.approx(before.expires_at, abs=0.001)
    assert after._replace(expires_at=0) == before._replace(expires_at=0)
    call = await lee.call("101")
    call.hang_up()
    assert len(office.told_of(ExtensionRegistered)) == 2  # nobody had to register again
    assert office.told_of(ExtensionUnregistered) == []


async def test_a_registration_lasts_no_longer_for_a_restart(
    make_office: MakeOffice, location: Path | str
) -> None:
    office = make_office(database=location, sip={"max_expires": 120})
    await office.open()
    richardson = await office.phone("101")
    await asyncio.sleep(1)
    office.phones.remove(richardson)
    await richardson.stop()  # without a word
    await office.restart()
    assert office.switch.registered("101")
    await asyncio.sleep(121)
    assert not office.switch.registered("101")
    assert [gone.reason.value for gone in office.told_of(ExtensionUnregistered)] == ["expired"]


async def test_a_registration_that_was_taken_back_does_not_return(
    make_office: MakeOffice, location: Path | str
) -> None:
    office = make_office(database=location)
    await office.open()
    richardson = await office.phone("101")
    await richardson.unregister()
    await office.restart()
    assert not office.switch.registered("101")


async def test_a_connection_goes_with_the_process_and_so_does_its_registration(
    make_office: MakeOffice, location: Path | str
) -> None:
    office = make_office(database=location)
    await office.open()
    await office.phone("101", transport=Transport.TCP)
    await office.switch.store.flush()
    await office.restart()
    assert not office.switch.registered("101")


async def test_statuses_are_kept(make_office: MakeOffice, location: Path | str) -> None:
    office = make_office(database=location)
    await office.open()
    office.switch.presence.say("101", UserStatus.AWAY, "Back on Monday")
    office.switch.presence.say("102", UserStatus.AWAY)
    office.switch.presence.say("102", UserStatus.AVAILABLE)
    office.switch.presence.say("103", UserStatus.AVAILABLE, "Ask me")
    await office.restart()
    states = {number: office.switch.presence.of(number) for number in ("101", "102", "103")}
    assert (states["101"].status, states["101"].note) == (UserStatus.AWAY, "Back on Monday")
    assert (states["102"].status, states["102"].note) == (UserStatus.AVAILABLE, "")
    assert (states["103"].status, states["103"].note) == (UserStatus.AVAILABLE, "Ask me")


async def test_messages_that_wait_are_kept(make_office: MakeOffice, location: Path | str) -> None:
    office = make_office(database=location)
    await office.open()
    lee = await office.phone("100")
    for text in ("Call me", "Déjeuner ?", "Third"):
        assert (await send_message(lee, "101", text)).status == 202
    await office.restart()
    richardson = await office.phone("101")
    await asyncio.sleep(1)
    assert texts(richardson) == ["Call me", "Déjeuner ?", "Third"]
    await office.restart()  # what was delivered does not come again
    await richardson.unregister()
    await richardson.register()
    await asyncio.sleep(1)
    assert len(texts(richardson)) == 3


async def test_a_message_that_waited_too_long_is_not_kept(
    make_office: MakeOffice, location: Path | str
) -> None:
    office = make_office(database=location)
    await office.open()
    lee = await office.phone("100")
    assert (await send_message(lee, "101", "Quick!", "text/plain", ("Expires", "60"))).status == 202
    await asyncio.sleep(61)
    await office.restart()
    richardson = await office.phone("101")
    await asyncio.sleep(1)
    assert texts(richardson) == []


async def test_the_calls_of_a_day_are_counted_on(make_office: MakeOffice, location: Path | str) -> None:
    office = make_office(database=location, dialing={"max_calls_a_day": 3})
    await office.open()
    today = office.switch.environment.wall().date()
    for _ in range(2):
        office.switch.trunks.ledger.claim("100", today).release()
    await office.restart()
    office.switch.trunks.ledger.claim("100", today).release()
    with pytest.raises(LimitReached):
        office.switch.trunks.ledger.claim("100", today)
    office.switch.trunks.ledger.claim("101", today).release()


async def test_queue_log_ins_are_kept(make_office: MakeOffice, location: Path | str) -> None:
    office = make_office(database=location)
    await office.open()
    store = office.switch.store
    for number in ("100", "101", "101"):
        await store.write(partial(log_in, "804", number))
    await store.write(partial(log_out, "804", "100"))
    await office.restart()
    assert await office.switch.store.fetch(every_login) == [("804", "101")]


async def test_a_phone_behind_a_nat_is_kept_reachable_after_a_restart(
    make_office: MakeOffice, location: Path | str
) -> None:
    """The box forgets who does not hear from us: keep-alives go on for what was restored."""
    office = make_office(database=location, nat={"keep_alive_seconds": 20})
    await office.open()
    box = NatBox(office.simulation.network, "203.0.113.7", NatKind.PORT_RESTRICTED_CONE)
    lee, away = await office.phone("100"), await office.phone("101", behind=box)
    away.auto_answer = True
    await office.restart()
    await asyncio.sleep(300)
    call = await lee.call("101")
    call.hang_up()


# -- a database that is out ------------------------------------------------------------------------


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another program that keeps the database to itself."""
    other = sqlite3.connect(file, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    finally:
        other.close()


async def test_calls_go_on_while_the_database_is_locked(
    make_office: MakeOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is told that something is kept; facts wait, and are there afterwards."""
    monkeypatch.setattr("pbx.store.database.LOCK_SECONDS", 0.02)  # the virtual clock stands meanwhile
    file = tmp_path / "myphone.db"
    office = make_office(database=file)
    await office.open()
    lee = await office.phone("100")
    await office.switch.store.flush()
    with locked(file):
        richardson = await office.phone("101")
        call, _ = await connect(lee, "101", richardson)
        call.hang_up()
        await call.over()
        assert (await send_message(lee, "102", "Wait for me")).status == 480
        await asyncio.sleep(60)
        assert len(office.switch.store) > 0
    assert caplog.text.count("facts wait") == 1
    await asyncio.sleep(31)
    assert len(office.switch.store) == 0
    assert "the database is back" in caplog.text
    assert [record.dialled for record in await office.switch.history.latest("100")] == ["101"]
    taylor = await office.phone("102")
    await asyncio.sleep(1)
    assert texts(taylor) == []  # its sender was told so
    office.phones.remove(richardson)
    await richardson.stop()
    await office.restart()
    assert office.switch.registered("101")
