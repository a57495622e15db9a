"""Voicemail to the bit, and when the disk or the database does not take what is said."""

from __future__ import annotations

import asyncio
import errno
import logging
import wave
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from media.codecs import g711
from media.plan import Codec
from media.wav import WavWriter
from pbx.happenings import VoicemailLeft
from pbx.mailbox_files import MailboxFiles
from pbx.phone import PhoneCall
from pbx.store.errors import StoreUnavailable
from pbx.store.store import LAST_RETRY_SECONDS
from sipcore.events.message_summary import Messages, read_messages
from tests.journeys.voicemails import SAID_HZ, Voicemails, open_office
from tests.simulation.office import Office

SECONDS = 3


def noise(codec: Codec) -> bytes:
    """Any payload of G.711 that an encoder makes, as PCM."""
    dice = Random(711)
    pcm = b"".join(
        dice.randrange(-32768, 32768).to_bytes(2, "little", signed=True) for _ in range(8000 * SECONDS)
    )
    return g711.decode(codec, g711.encode(codec, pcm))


def write(path: Path, pcm: bytes) -> None:
    writer = WavWriter(path)
    writer.write(pcm)
    writer.close()


def pcm_of(path: Path) -> bytes:
    with wave.open(str(path), "rb") as sound:
        return sound.readframes(sound.getnframes())


@pytest.mark.row("VM-01", "VM-09")
@pytest.mark.parametrize("codec", [Codec.PCMA, Codec.PCMU])
async def test_what_was_said_is_heard_bit_for_bit(
    make_office: Callable[..., Office], tmp_path: Path, codec: Codec
) -> None:
    """PCM samples of G.711 are equal only if its bytes are: but for the second zero of mu-law, which nobody sends."""
    office = await open_office(make_office, tmp_path, media={"codecs": [codec.encoding_name]})
    pcm = noise(codec)
    write(tmp_path / "said.wav", pcm)
    call = await (await office.phone("101")).call("*4100")
    assert call.leg.codec is codec
    await asyncio.sleep(2.0)
    call.play(tmp_path / "said.wav")
    await call.played()
    await asyncio.sleep(0.2)
    call.hang_up()
    await asyncio.sleep(0.5)
    [message] = await office.messages()
    assert pcm in pcm_of(office.mailbox().path_of(message))
    listener = await office.sign_in()
    listener.record(tmp_path / "heard.wav")
    await office.keys(listener, "*")
    await asyncio.sleep(message.seconds + 1)
    listener.hang_up()
    await asyncio.sleep(0.5)
    assert pcm in pcm_of(tmp_path / "heard.wav")


# -- faults ----------------------------------------------------------------------------------------


async def said_something(office: Voicemails) -> PhoneCall:
    """A caller who has left a message, and not hung up yet."""
    call = await (await office.phone("101")).call("*4100")
    await asyncio.sleep(2)
    call.play_tone(SAID_HZ)
    await asyncio.sleep(2)
    office.said()
    return call


def files(office: Voicemails) -> list[Path]:
    """All that is in the folder of voicemail."""
    return [path for path in (office.folder / "data" / "voicemail").rglob("*") if path.is_file()]


def full(*arguments: Any, **named: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("place", ["media.wav.WavWriter.write", "os.replace", "os.fsync"])
async def test_on_a_full_disk_the_caller_is_told_and_nothing_is_left(
    make_office: Callable[..., Office],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: str,
) -> None:
    office = await open_office(make_office, tmp_path)
    monkeypatch.setattr(place, full)
    call = await (await office.phone("101")).call("*4100")
    await asyncio.sleep(2)
    call.play_tone(SAID_HZ)
    await asyncio.sleep(2)
    call.send_digits("#")
    assert await call.over() == 200
    assert office.said()[-2:] == ["voicemail.not_kept", "goodbye"]
    assert (await office.messages(), files(office)) == ((), [])
    assert "a message was not kept" in caplog.text
    monkeypatch.undo()
    caplog.clear()
    await office.leave("102")
    assert [message.caller_number for message in await office.messages()] == ["102"]


async def test_where_no_folder_can_be_made_the_caller_is_told(
    make_office: Callable[..., Office],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    office = await open_office(make_office, tmp_path)
    monkeypatch.setattr(MailboxFiles, "prepare", full)
    call = await (await office.phone("101")).call("*4100")
    assert await call.over() == 200
    assert office.said()[-2:] == ["voicemail.not_kept", "goodbye"]
    assert "nothing can be recorded" in caplog.text
    caplog.clear()


class Gone:
    """A database that takes nothing."""

    def __init__(self, office: Voicemails, monkeypatch: pytest.MonkeyPatch) -> None:
        async def refuse(change: object) -> None:
            raise StoreUnavailable("the database does not answer: unplugged")

        monkeypatch.setattr(office.office.switch.store, "write", refuse)


async def test_without_a_database_the_caller_is_told_and_nothing_is_left(
    make_office: Callable[..., Office],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    office = await open_office(make_office, tmp_path)
    call = await said_something(office)
    Gone(office, monkeypatch)
    await office.keys(call, "#")
    assert await call.over() == 200
    assert office.said()[-2:] == ["voicemail.not_kept", "goodbye"]
    assert files(office) == []
    caplog.clear()


async def test_who_has_hung_up_by_then_has_left_a_message_that_is_entered_when_the_database_is_back(
    make_office: Callable[..., Office],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    office = await open_office(make_office, tmp_path, database=tmp_path / "myphone.db")
    call = await said_something(office)
    with monkeypatch.context() as patch:
        Gone(office, patch)
        call.hang_up()
        await asyncio.sleep(10)
        assert (await office.messages(), office.counts().new) == ((), 0)
        assert "is entered when the database is back" in caplog.text
    await asyncio.sleep(LAST_RETRY_SECONDS)
    [message] = await office.messages()
    assert (message.caller_number, office.counts().new) == ("101", 1)
    assert len(pcm_of(office.mailbox().path_of(message))) == message.seconds * 16000
    assert len(office.office.told_of(VoicemailLeft)) == 1
    await office.office.restart()
    assert await office.messages() == (message,)


async def test_a_message_that_still_waits_for_the_database_is_entered_at_the_next_start(
    make_office: Callable[..., Office],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    office = await open_office(make_office, tmp_path, database=tmp_path / "myphone.db")
    call = await said_something(office)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        Gone(office, patch)  # to the end: the next start has another connection
        call.hang_up()
        await asyncio.sleep(1)
        await office.office.restart()
    assert "it is kept" in caplog.text
    [message] = await office.messages()
    assert (message.caller_number, office.counts().new) == ("101", 1)
    assert len(pcm_of(office.mailbox().path_of(message))) == message.seconds * 16000
    caplog.clear()  # records of calls were lost


async def test_messages_outlive_a_restart(make_office: Callable[..., Office], tmp_path: Path) -> None:
    office = await open_office(make_office, tmp_path, database=tmp_path / "myphone.db")
    for caller in ("101", "102"):
        await office.leave(caller)
    before = await office.messages()
    await office.mailbox().delete(before[0].id)
    await office.mailbox().mark(before[1].id)
    await office.office.restart()
    [after] = await office.messages()
    assert (after.caller_number, after.heard, office.counts().heard) == ("102", True, 1)
    office.mailbox().path_of(after).unlink()
    await office.office.restart()
    assert (await office.messages(), office.counts().heard) == ((), 0)


@pytest.mark.row("VM-37")
async def test_lamps_are_right_after_a_restart(make_office: Callable[..., Office], tmp_path: Path) -> None:
    office = await open_office(make_office, tmp_path, database=tmp_path / "myphone.db")
    lee = await office.phone("100")
    await office.leave()
    await office.office.restart()
    await asyncio.sleep(5)
    told = len(lee.notified)
    await office.leave("102")
    await asyncio.sleep(1)
    assert len(lee.notified) > told
    assert read_messages(lee.notified[-1].body) == (True, Messages(2, 0))


async def test_an_owner_whose_database_is_gone_hears_that_and_is_still_served(
    make_office: Callable[..., Office], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = await open_office(make_office, tmp_path)
    await office.leave()
    call = await office.sign_in()
    with monkeypatch.context() as patch:
        Gone(office, patch)
        await office.keys(call, "*")
        await asyncio.sleep(4)
        assert "voicemail.not_now" in office.said()
    await office.keys(call, "2")
    assert await office.hears(call, SAID_HZ)
