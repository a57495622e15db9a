"""PostgreSQL goes away in the middle of a call and a message, and comes back: nobody on the phone notices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tomli_w

from myphone_api.cli import main
from pbx.history.record import CallList
from pbx.phone import Phone
from pbx.store.store import LAST_RETRY_SECONDS
from pbx.store.voicemails import Counts
from tests.databases import Cluster, cluster
from tests.interop.tones import level, read_samples
from tests.journeys.talking import assert_talk, connect
from tests.journeys.voicemails import SAID_HZ, Voicemails, open_office
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]


@pytest.fixture
def server() -> Iterator[Cluster]:
    """One that this test may stop: others share another."""
    with cluster() as running:
        yield running


def calls_command(folder: Path, url: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code of `myphone calls`, and what it says is wrong."""
    file = folder / "myphone.toml"
    store = {"url": url, "data_dir": str(folder / "data")}
    file.write_text(tomli_w.dumps({"store": store, "sip": {"listen": "127.0.0.1"}}))
    exit_code = main(["calls", "--config", str(file)])
    return exit_code, capsys.readouterr().err


async def phones(voicemails: Voicemails) -> list[Phone]:
    return [await voicemails.phone(number) for number in ("100", "101", "102")]


async def test_calls_and_messages_go_on_while_the_server_is_away(
    make_office: MakeOffice,
    server: Cluster,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = server.new()
    voicemails = await open_office(make_office, tmp_path, database=url)
    office = voicemails.office
    lee, richardson, taylor = await phones(voicemails)
    await voicemails.leave("102", "101")
    await office.switch.store.flush()
    talking = await connect(lee, "101", richardson)
    leaving = await taylor.call("*4100")
    await asyncio.sleep(3)
    server.stop()
    try:
        await assert_talk(tmp_path, *talking)
        leaving.play_tone(SAID_HZ)
        await asyncio.sleep(3)
        leaving.hang_up()  # the message is left, whatever the database says
        await asyncio.sleep(1)
        talking[0].hang_up()
        await asyncio.sleep(5)
        another, _ = await connect(taylor, "101", richardson)
        another.hang_up()
        await asyncio.sleep(1)
        assert caplog.text.count("calls go on") == 1
        assert len(office.switch.store) > 0
        assert "is entered when the database is back: the database does not answer" in caplog.text
        assert voicemails.counts("101") == Counts(new=1)  # what is known is known
        exit_code, errors = calls_command(tmp_path, url, capsys)
        assert (exit_code, "store: the database does not answer" in errors) == (1, True), errors
    finally:
        server.start_again()
    await asyncio.sleep(2 * LAST_RETRY_SECONDS)
    assert len(office.switch.store) == 0
    assert "the database is back, all that waited is written; lost: 0" in caplog.text
    [message] = await voicemails.messages("100")
    assert (message.caller_number, voicemails.counts("100")) == ("102", Counts(new=1))
    path = voicemails.mailbox("100").path_of(message)
    assert level(read_samples(path), SAID_HZ) > 1000.0
    received = await office.switch.history.latest("101", CallList.RECEIVED)
    assert [record.caller for record in received] == ["102", "100"]
    assert calls_command(tmp_path, url, capsys) == (0, "")
    await office.restart()
    assert await voicemails.messages("100") == (message,)  # once
    assert len(list((tmp_path / "data" / "voicemail").rglob("*.wav"))) == 2


async def test_who_waits_to_hear_that_it_is_kept_hears_that_it_is_not(
    make_office: MakeOffice, server: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    voicemails = await open_office(make_office, tmp_path, database=server.new())
    _, richardson, _ = await phones(voicemails)
    leaving = await richardson.call("*4100")
    await asyncio.sleep(3)
    leaving.play_tone(SAID_HZ)
    await asyncio.sleep(2)
    server.stop()
    try:
        voicemails.said()
        leaving.send_digits("#")
        await asyncio.sleep(5)
        assert "voicemail.not_kept" in voicemails.said()
    finally:
        server.start_again()
    await asyncio.sleep(2 * LAST_RETRY_SECONDS)
    assert await voicemails.messages("100") == ()
    assert list((tmp_path / "data" / "voicemail").rglob("*.wav")) == []
    assert "a message was not kept: the database does not answer" in caplog.text
    caplog.clear()  # that was an error, as it should be
