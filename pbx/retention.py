"""What was recorded is kept for so many days: recordings of conversations, and messages, heard or not.

Each is deleted as its owner would delete it, so that files, rows and lamps agree whenever the process is killed.
Records of calls go by themselves (`pbx.history.history`).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from pbx.mailboxes import MailboxError
from pbx.store import voicemails

if TYPE_CHECKING:
    from pbx.switch import Switch

logger = logging.getLogger(__name__)

DAY_SECONDS = 86400.0
AT_ONCE = 100
"""So many are deleted before whoever waits for the disk, too, has his turn."""


class Retention:
    """Looks for what is too old: at the start, and once a day."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, if anything is to go at all."""
        settings = self._switch.config.store
        if settings.recording_days or settings.voicemail_days:
            self._looking = self._switch.loop.create_task(self._keep_looking(), name="retention")

    def stop(self) -> None:
        """Delete nothing more."""
        if self._looking is not None:
            self._looking.cancel()

    async def _keep_looking(self) -> None:
        settings = self._switch.config.store
        wanted = (
            (self._forget_recordings, settings.recording_days),
            (self._forget_messages, settings.voicemail_days),
        )
        while True:
            for forget, days in wanted:
                try:
                    if days:
                        await forget(days)
                except MailboxError as error:  # which keeps none of the other kind
                    logger.error("what is too old is not deleted, that is tried again tomorrow: %s", error)
            await asyncio.sleep(DAY_SECONDS)

    async def _forget_recordings(self, days: int) -> None:
        before = self._switch.environment.wall() - timedelta(days=days)
        deleted = 0
        while some := await self._switch.recordings.forget(before, AT_ONCE):
            deleted += some
        if deleted:
            logger.info("recordings of more than %d days ago are deleted: %d", days, deleted)

    async def _forget_messages(self, days: int) -> None:
        mailboxes, before = self._switch.mailboxes, self._switch.environment.wall() - timedelta(days=days)
        deleted = 0
        while found := await mailboxes.read(partial(voicemails.older, before=before, most=AT_ONCE)):
            for number, ids in found.items():
                mailbox = mailboxes.find(number)
                if mailbox is None:  # its extension is being removed, and its messages with it
                    return
                deleted += await mailbox.delete(*ids)
        if deleted:
            logger.info("messages of more than %d days ago are deleted: %d", days, deleted)
