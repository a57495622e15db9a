"""The queue of mails about messages: kept with them, sent when the server takes them, never while anybody waits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pbx.mail.smtp import MailError, MailRefused, MailServerUnavailable
from pbx.mailboxes import MailboxError
from pbx.store import voicemails as rows
from pbx.store.errors import StoreUnavailable
from pbx.store.voicemails import MailboxSettings
from pbx.voicemail_settings import MailOption

if TYPE_CHECKING:
    from email.message import EmailMessage

    from sqlalchemy import Connection

    from pbx.config import Config
    from pbx.environment import Environment
    from pbx.mailboxes import Mailbox, Mailboxes
    from pbx.store.store import Store
    from pbx.store.voicemails import QueuedMail

logger = logging.getLogger(__name__)

FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 60.0, 3600.0
GIVE_UP_AFTER = timedelta(days=3)
ROUND = 20
"""So many mails are looked at together."""
STORE_RETRY_SECONDS = 30.0


def retry_seconds(attempts: int) -> float:
    """How long a mail waits that has been tried so many times in vain."""
    return float(min(FIRST_RETRY_SECONDS * 2 ** min(attempts, 10), LAST_RETRY_SECONDS))


class Outbox:
    """Sends one mail after another, in a task of its own."""

    def __init__(self, config: Config, environment: Environment, mailboxes: Mailboxes, store: Store) -> None:
        self._config = config
        self._environment = environment
        self._mailboxes = mailboxes
        self._store = store
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        mailboxes.mail_queued = self._woken.set

    def start(self) -> None:
        """Send what waits, from now on. Without a server in the configuration all waits."""
        if self._config.mail.host:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="mail")

    async def stop(self) -> None:
        """Give up the one that is being sent: it is sent again after the next start."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                seconds = await self._send_what_is_due()
            except StoreUnavailable as error:
                logger.warning("mails wait: %s", error)
                seconds = STORE_RETRY_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._woken.wait()

    async def _send_what_is_due(self) -> float | None:
        """Seconds until there is more to do; None: nothing waits."""
        while mails := await self._store.fetch(partial(rows.due_mails, now=self._now, most=ROUND)):
            for index, mail in enumerate(mails):
                try:
                    await self._send(mail)
                except MailServerUnavailable as error:  # no other mail will have more luck
                    logger.warning("the mail server takes nothing, %s; mails are tried again", error)
                    await self._postpone(mails[index:])
                    break
                except MailboxError as error:
                    logger.warning("the mail about message %s waits: %s", mail.message.id, error)
                    await self._postpone([mail])
                except StoreUnavailable:
                    raise
                except Exception:  # whatever it is about this one, the others are sent
                    logger.exception("the mail about message %s waits", mail.message.id)
                    await self._postpone([mail])
        due = await self._store.fetch(rows.next_mail)
        return None if due is None else max(0.0, (due - self._now).total_seconds())

    async def _send(self, queued: QueuedMail) -> None:
        """Send one mail. Raises MailServerUnavailable, MailboxError and StoreUnavailable; it waits on then."""
        message = queued.message
        mailbox = self._mailboxes.find(message.mailbox)
        settings = MailboxSettings() if mailbox is None else await mailbox.settings()
        option = MailOption(settings.mail)
        if mailbox is None or option is MailOption.NONE:  # the owner has changed that meanwhile
            await self._drop(message.id)
            return
        try:
            mail = await self._written(queued, mailbox, settings)
            await self._environment.mailer.send(mail, self._config.mail)
        except MailServerUnavailable:
            raise
        except MailRefused as error:
            logger.error("the mail about message %s of %s is given up: %s", message.id, mailbox.number, error)
            await self._drop(message.id)
        except MailError as error:
            logger.warning(
                "the mail about message %s of %s is deferred: %s", message.id, mailbox.number, error
            )
            await self._postpone([queued])
        else:
            await self._drop(message.id)
            if option is MailOption.ATTACHMENT_THEN_DELETE:
                await mailbox.delete(message.id)

    async def _written(self, queued: QueuedMail, mailbox: Mailbox, settings: MailboxSettings) -> EmailMessage:
        from pbx.mail.letters import Letter, write  # with the standard library's mail: most starts write none

        message, server = queued.message, self._config.mail
        sound = None
        if MailOption(settings.mail).attaches:
            sound = await self._mailboxes.do(mailbox.path_of(message).read_bytes)
        zone = ZoneInfo(self._config.office_hours.time_zone)
        letter = Letter(
            mailbox=mailbox.number,
            owner=mailbox.owner.full_name,
            receiver=settings.email,
            sender=server.sender,
            caller_number=message.caller_number,
            caller_name=message.caller_name,
            left_at=message.left_at.astimezone(zone),
            seconds=message.seconds,
            sound=sound,
            forwarded_by=message.forwarded_by,
        )
        return write(
            letter,
            language=mailbox.owner.language or self._config.prompts.language,
            voicemail=self._config.numbers.voicemail,
            message_id=f"<voicemail-{message.id}@{server.domain}>",
            now=self._now.astimezone(zone),
        )

    async def _postpone(self, mails: Iterable[QueuedMail]) -> None:
        """Try mails again later, each as patiently as it has been tried; what has waited too long is given up."""
        now = self._now
        changes: list[Callable[[Connection], None]] = []
        for queued in mails:
            message_id = queued.message.id
            if now - queued.queued_at > GIVE_UP_AFTER:
                logger.error("the mail about message %s is given up after days", message_id)
                changes.append(partial(rows.drop_mail, message_id=message_id))
            else:
                until = now + timedelta(seconds=retry_seconds(queued.attempts))
                changes.append(partial(rows.postpone, message_id=message_id, until=until))

        def change(connection: Connection) -> None:
            for one in changes:
                one(connection)

        await self._store.write(change)

    async def _drop(self, message_id: str) -> None:
        await self._store.write(partial(rows.drop_mail, message_id=message_id))

    @property
    def _now(self) -> datetime:
        return self._environment.wall()
