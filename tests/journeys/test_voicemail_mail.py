"""Mails about messages: queued with them, retried, given up, and never in the way of a call."""

from __future__ import annotations

import asyncio
import logging
import wave
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from pbx.mail import outbox
from pbx.mail.outbox import FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS
from pbx.mail.smtp import MailDeferred, MailRefused, MailServerUnavailable
from pbx.mailboxes import MailboxError
from pbx.store.voicemails import Counts
from pbx.voicemail_settings import Mail
from tests.interop.tones import RATE_HZ
from tests.journeys.voicemails import Voicemails, open_office
from tests.simulation.office import Office

ADDRESS = "lee@example.org"
SERVER = {"host": "mail.example.org", "sender": "pbx@example.org"}


class Postman:
    """A mail server that does what a test wants."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.tried_at: list[float] = []
        self.trouble: Exception | None = None
        self.seconds = 0.0

    async def send(self, mail: EmailMessage, server: Mail) -> None:
        assert server.host == "mail.example.org"
        self.tried_at.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.seconds)
        if self.trouble is not None:
            raise self.trouble
        self.taken.append(mail)


@pytest.fixture
def postman() -> Postman:
    return Postman()


async def mailed(
    make_office: Callable[..., Office], folder: Path, postman: Postman, option: str, **settings: Any
) -> Voicemails:
    """An office in which 100 wants mails."""
    lee = {"email": ADDRESS, "voicemail": {"mail": option}}
    extensions = {"100": lee}
    return await open_office(
        make_office, folder, mailer=postman, mail=SERVER, extensions=extensions, **settings
    )


@pytest.mark.row("EML-01", "MYP-16")
async def test_a_message_comes_as_an_attachment(
    make_office: Callable[..., Office], tmp_path: Path, postman: Postman
) -> None:
    office = await mailed(make_office, tmp_path, postman, "attachment")
    await office.leave()
    [message] = await office.messages()
    [mail] = postman.taken
    assert mail["To"].addresses[0].addr_spec == ADDRESS
    assert mail["Subject"] == "New voice message from Richardson Bailey (101)"
    [attachment] = mail.iter_attachments()
    data = attachment.get_content()
    assert data == office.mailbox().path_of(message).read_bytes()
    with wave.open(BytesIO(data)) as sound:
        assert (sound.getframerate(), sound.getsampwidth(), sound.getnchannels()) == (RATE_HZ, 2, 1)
        assert sound.getnframes() == message.seconds * RATE_HZ
    assert office.counts() == Counts(1, 0)


@pytest.mark.row("EML-02", "EML-03", "MYP-16")
async def test_a_notification_or_nothing(
    make_office: Callable[..., Office], tmp_path: Path, postman: Postman
) -> None:
    office = await mailed(make_office, tmp_path, postman, "notification")
    await office.leave("101", "100")
    await office.leave("101", "102")
    [mail] = postman.taken
    assert list(mail.iter_attachments()) == []
    await office.set_up("100", email=ADDRESS)
    await office.leave("102", "100")
    assert len(postman.taken) == 1


@pytest.mark.row("EML-04", "EML-07")
async def test_users_choose_what_they_are_mailed_from_the_next_message_on(
    make_office: Callable[..., Office], tmp_path: Path, postman: Postman
) -> None:
    office = await open_office(
        make_office,
        tmp_path,
        mailer=postman,
        mail=SERVER,
        extensions={"100": {"email": ADDRESS}},
        database=tmp_path / "myphone.db",
    )
    await office.leave()
    assert postman.taken == []
    wanted = replace(await office.mailbox().settings(), mail="notification")
    await office.mailbox().set_up(wanted)
    await office.leave()
    assert len(postman.taken) == 1
    with pytest.raises(MailboxError, match="no address"):
        await office.mailbox("102").set_up(replace(await office.mailbox("102").settings(), mail="attachment"))
    assert not (await office.mailbox("102").settings()).mailed
    await office.office.restart()
    assert await office.mailbox().settings() == wanted
    for phone in office.office.phones:
        await phone.register()
    await office.leave()
    assert len(postman.taken) == 2
    await office.mailbox().set_up(replace(wanted, mail="none"))
    await office.leave()
    assert len(postman.taken) == 2
    assert office.counts() == Counts(4, 0)


@pytest.mark.row("EML-08", "MYP-16")
async def test_a_message_leaves_the_mailbox_once_the_server_has_it(
    make_office: Callable[..., Office], tmp_path: Path, postman: Postman
) -> None:
    office = await mailed(make_office, tmp_path, postman, "attachment-then-delete")
    postman.trouble = MailServerUnavailable("connection refused")
    await office.leave()
    assert len(await office.messages()) == 1
    postman.trouble = None
    await asyncio.sleep(FIRST_RETRY_SECONDS)
    assert len(postman.taken) == 1
    assert await office.messages() == ()
    assert office.counts() == Counts()


@pytest.mark.row("EML-06")
async def test_a_server_that_is_down_is_tried_again_with_more_and_more_patience(
    make_office: Callable[..., Office], tmp_path: Path, postman: Postman, caplog: pytest.LogCaptureFixture
) -> None:
    office = await mailed(make_office, tmp_path, postman, "notification")
    postman.trouble = MailServerUnavailable("connection refused")
    await office.leave()
    await asyncio.sleep(5 * 3600)
    waits = [later - earlier for earlier, later in zip(postman.tried_at, postman.tried_at[1:], strict=False)]
    expected = [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert waits[: len(expected)] == pytest.approx(expected, abs=1)
    assert max(waits) == pytest.approx(LAST_RETRY_SECONDS, abs=1)
    assert len(await office.messages()) == 1
    assert "the mail server takes nothing, connection refused" in caplog.text
    postman.trouble = None
    await asyncio.sleep(LAST_RETRY_SECONDS)
    assert len(postman.taken) == 1


async def test_a_mail_is_given_up_after_days_but_not_the_message(
    make_office: Callable[..., Office],
    tmp_path: Path,
    postman: Postman,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox, "GIVE_UP_AFTER", timedelta(hours=6))
    office = await mailed(make_office, tmp_path, postman, "notification")
    postman.trouble = MailDeferred("451 come back later")
    await office.leave()
    await asyncio.sleep(6 * 3600 + LAST_RETRY_SECONDS + 60)
    assert "is given up after days" in caplog.text
    tries = len(postman.tried_at)
    await asyncio.sleep(4 * 3600)
    assert len(postman.tried_at) == tries
    assert len(await office.messages()) == 1
    caplog.clear()


async def test_what_is_refused_for_good_is_given_up_and_said(
    make_office: Callable[..., Office], tmp_path: Path, postman: Postman, caplog: pytest.LogCaptureFixture
) -> None:
    office = await mailed(make_office, tmp_path, postman, "attachment-then-delete")
    postman.trouble = MailRefused("550 no such user")
    await office.leave()
    await asyncio.sleep(4 * 3600)
    assert len(postman.tried_at) == 1
    assert "is given up: 550 no such user" in caplog.text
    assert len(await office.messages()) == 1
    caplog.clear()


async def test_one_mail_that_is_deferred_holds_up_no_other(
    make_office: Callable[..., Office], tmp_path: Path, postman: Postman
) -> None:
    office = await mailed(make_office, tmp_path, postman, "notification")
    postman.trouble = MailDeferred("450 greylisted")
    await office.leave("101")
    postman.trouble = None
    await office.leave("102")
    assert [mail["Subject"] for mail in postman.taken] == ["New voice message from Taylor Smith (102)"]
    await asyncio.sleep(FIRST_RETRY_SECONDS)
    assert len(postman.taken) == 2


@pytest.mark.row("EML-06")
async def test_a_slow_server_delays_no_call(
    make_office: Callable[..., Office], tmp_path: Path, postman: Postman
) -> None:
    office = await mailed(make_office, tmp_path, postman, "attachment")
    postman.seconds = 25.0
    began = asyncio.get_running_loop().time()
    for caller in ("101", "102", "103"):
        await office.leave(caller)
    assert asyncio.get_running_loop().time() - began < 15
    assert (len(await office.messages()), postman.taken) == (3, [])
    await asyncio.sleep(80)
    assert len(postman.taken) == 3


async def test_mails_that_wait_outlive_a_restart(
    make_office: Callable[..., Office], tmp_path: Path, postman: Postman
) -> None:
    office = await mailed(make_office, tmp_path, postman, "attachment", database=tmp_path / "myphone.db")
    postman.trouble = MailServerUnavailable("connection refused")
    await office.leave("101")
    postman.trouble, postman.seconds = None, 1e6
    await office.leave("102")
    await office.office.restart()  # while the second is on its way
    postman.seconds = 0.0
    await asyncio.sleep(FIRST_RETRY_SECONDS * 3)
    assert sorted(mail["Subject"].split()[-1] for mail in postman.taken) == ["(101)", "(102)"]


async def test_of_a_message_that_is_gone_no_mail_is_sent(
    make_office: Callable[..., Office], tmp_path: Path, postman: Postman
) -> None:
    office = await mailed(make_office, tmp_path, postman, "notification")
    postman.trouble = MailServerUnavailable("connection refused")
    await office.leave()
    [message] = await office.messages()
    await office.mailbox().delete(message.id)
    postman.trouble = None
    await asyncio.sleep(2 * LAST_RETRY_SECONDS)
    assert postman.taken == []


async def test_a_sound_that_cannot_be_read_waits_and_holds_up_nobody(
    make_office: Callable[..., Office], tmp_path: Path, postman: Postman, caplog: pytest.LogCaptureFixture
) -> None:
    office = await mailed(make_office, tmp_path, postman, "attachment")
    postman.trouble = MailServerUnavailable("connection refused")
    await office.leave("101")
    await office.leave("102")
    [first, _] = await office.messages()
    office.mailbox().path_of(first).unlink()
    postman.trouble = None
    with caplog.at_level(logging.WARNING):
        await asyncio.sleep(FIRST_RETRY_SECONDS * 3)
    assert [mail["Subject"].split()[-1] for mail in postman.taken] == ["(102)"]
    assert f"the mail about message {first.id} waits" in caplog.text


async def test_a_mail_that_fails_as_nobody_foresaw_holds_up_no_other(
    make_office: Callable[..., Office], tmp_path: Path, postman: Postman, caplog: pytest.LogCaptureFixture
) -> None:
    office = await mailed(make_office, tmp_path, postman, "notification")
    postman.trouble = RuntimeError("no idea")
    await office.leave("101")
    postman.trouble = None
    await office.leave("102")
    assert len(postman.taken) == 1
    assert "no idea" in caplog.text
    caplog.clear()
    await asyncio.sleep(FIRST_RETRY_SECONDS)
    assert len(postman.taken) == 2


async def test_without_a_server_mails_wait(
    make_office: Callable[..., Office], tmp_path: Path, postman: Postman
) -> None:
    lee = {"email": ADDRESS, "voicemail": {"mail": "notification"}}
    office = await open_office(make_office, tmp_path, mailer=postman, extensions={"100": lee})
    await office.leave()
    await asyncio.sleep(3600)
    assert postman.tried_at == []
    assert len(await office.messages()) == 1
