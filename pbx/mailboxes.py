"""Mailboxes: what was said for whom, whether it has been heard, and what message lamps show of it.

A message is kept when its file is in its place and its row is written; what `pbx.mailbox_files` says of that is done
here. A mailbox is a handle: everything that changes goes through the store, so that phones, pages and mails agree.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from media.messages import RecordingEnded, RecordingFailed
from pbx.happenings import VoicemailLeft
from pbx.mailbox_files import VOICEMAIL_FOLDER, MailboxFiles, Salvaged
from pbx.recording_files import FOLDER, RecordingFiles
from pbx.store import live
from pbx.store import voicemails as rows
from pbx.store.errors import StoreError
from pbx.store.store import FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS
from pbx.store.voicemails import Counts, MailboxSettings, Message
from sipcore.events.message_summary import Messages

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pbx.blocking import Blocking
    from pbx.config import Config
    from pbx.directory import Directory, Extension
    from pbx.environment import Environment
    from pbx.happenings import Happening
    from pbx.store.store import Store

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

QUIET_PEAK = 500
"""A recording with no louder sample (of 32767) holds nothing that was said."""
LONGEST_CALLER, LONGEST_NAME = 64, 200
"""Of a caller's number and name so many characters are kept."""


class MailboxError(Exception):
    """Something was not kept; the text says why."""


class MailboxFull(MailboxError):
    """There is no room for one more message."""


class Mailboxes:
    """All mailboxes of a system: one for each extension."""

    def __init__(
        self,
        config: Config,
        environment: Environment,
        directory: Directory,
        store: Store,
        blocking: Blocking,
        *,
        changed: Callable[[str], None],
        tell: Callable[[Happening], None],
    ) -> None:
        """`changed` is told the number of a mailbox whose counts have changed, for its lamps."""
        self.config = config.voicemail
        self.environment = environment
        self.files = MailboxFiles(config.store.data_dir / VOICEMAIL_FOLDER)
        self._recordings = RecordingFiles(config.store.data_dir / FOLDER)
        self.claims: Counter[str] = Counter()
        """Messages that are being left, by mailbox: each has its place already."""
        self.mail_queued: Callable[[], None] = lambda: None
        """Called when a mail may be to be sent."""
        self.tell = tell
        self._directory = directory
        self._store = store
        self._blocking = blocking
        self._changed = changed
        self._counts: dict[str, Messages] = {}
        self._late: dict[str, Message] = {}
        """Messages whose files are in their places, and that the database has not taken yet."""
        self._entering: asyncio.Task[None] | None = None

    # -- life ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Let rows and files agree, whatever happened the last time; then know what is there.

        Raises StoreUnavailable and OSError.
        """
        await self.clear(await self._store.fetch(live.removed))
        found = await self._store.fetch(rows.all_messages)
        kept = {self.path_of(message): message for message, deleted in found if not deleted}
        gone = {self.path_of(message): message for message, deleted in found if deleted}
        missing, salvaged = await self._blocking.run(partial(self.files.recover, set(kept), set(gone)))
        for path in sorted(missing):
            logger.warning(
                "voicemail %s of %s has no sound any more, it is dropped", path, kept[path].mailbox
            )
        ids = [message.id for message in (*gone.values(), *(kept[path] for path in missing))]
        if ids:
            await self._store.write(partial(rows.forget, ids=ids))
        for one in salvaged:
            await self._salvage(one)
        for number, counts in (await self._store.fetch(rows.counts)).items():
            self._note(number, counts)

    async def clear(self, removed: Mapping[int, str]) -> None:
        """Leave nothing of extensions that were removed (see `pbx.store.live.removed`): their numbers may be given
        to others. Recordings of their calls are put aside. Raises StoreUnavailable and OSError.
        """
        for number in removed.values():
            self._counts.pop(number, None)
            self._late = {id_: each for id_, each in self._late.items() if each.mailbox != number}
            await self._blocking.run(partial(self.files.clear, number))
            await self._blocking.run(partial(self._recordings.put_aside, number, self.environment.wall()))
        if removed:
            await self._store.write(partial(live.forget_removed, list(removed)))

    def stop(self) -> None:
        """Enter nothing more: the next start does."""
        if self._entering is not None:
            self._entering.cancel()

    def enter_later(self, message: Message) -> None:
        """Enter a message whose file is in its place as soon as the database takes it."""
        self._late[message.id] = message
        if self._entering is None:
            self._entering = asyncio.get_running_loop().create_task(self._enter_late(), name="late messages")

    def late(self, number: str) -> int:
        """How many wait so for a mailbox: each has its place there."""
        return sum(message.mailbox == number for message in self._late.values())

    async def _enter_late(self) -> None:
        seconds = FIRST_RETRY_SECONDS
        while self._late:
            await asyncio.sleep(seconds)
            seconds = min(2 * seconds, LAST_RETRY_SECONDS)
            for message in tuple(self._late.values()):
                if message.id not in self._late:
                    continue
                mailbox = self.find(message.mailbox)
                try:
                    if mailbox is None:
                        await self.do(partial(self.files.remove, [self.path_of(message)]))
                    else:
                        await mailbox.enter_row(message)
                        logger.warning("a message for %s is entered now", message.mailbox)
                    self._late.pop(message.id, None)
                except MailboxError as error:
                    logger.debug("a message for %s still waits: %s", message.mailbox, error)
        self._entering = None

    async def _salvage(self, one: Salvaged) -> None:
        """What was said when the system died has been left all the same."""
        mailbox = self.find(one.mailbox)
        if mailbox is None or one.seconds < self.config.min_seconds:
            await self._blocking.run(partial(self.files.remove, [one.path]))
            return
        logger.warning("a message for %s was cut short by the end of the system, it is kept", one.mailbox)
        message = Message(self.new_id(), one.mailbox, one.caller, "", one.left_at, one.seconds)
        await mailbox.enter(message, partial(self.files.keep, one.path, self.path_of(message)))

    # -- counts: what lamps show -----------------------------------------------------------------------

    def set(self, number: str, *, new: int, old: int = 0, new_urgent: int = 0, old_urgent: int = 0) -> None:
        """Note how many messages there are now; the urgent ones are among the new and the old."""
        messages = Messages(new, old, new_urgent, old_urgent)
        if messages != self._counts.get(number):
            self._counts[number] = messages
            self._changed(number)

    def get(self, number: str) -> Messages:
        """The counts of a mailbox; all 0 where nothing was ever told."""
        return self._counts.get(number, Messages())

    def known(self, number: str) -> bool:
        """Whether there is a mailbox of which something was told."""
        return number in self._counts

    def _note(self, number: str, counts: Counts) -> None:
        self.set(number, new=counts.new, old=counts.heard)

    # -- mailboxes -------------------------------------------------------------------------------------

    def find(self, number: str) -> Mailbox | None:
        """The mailbox of an extension, or None."""
        extension = self._directory.find(number)
        return None if extension is None else Mailbox(self, extension)

    async def name_of(self, number: str) -> Path | None:
        """The name of an extension's user, as recorded by that one; None if there is no such recording."""
        mailbox = self.find(number)
        return None if mailbox is None else await mailbox.name()

    def path_of(self, message: Message) -> Path:
        """Where the sound of a message is."""
        return self.files.kept(message.mailbox, message.caller_number, message.id)

    def new_id(self) -> str:
        """Of a message."""
        return f"{self.environment.rng.getrandbits(64):016x}"

    # -- what mailboxes are made of --------------------------------------------------------------------

    async def read(self, query: Callable[[Connection], Result]) -> Result:
        """Ask the store. Raises MailboxError."""
        try:
            return await self._store.fetch(query)
        except StoreError as error:
            raise MailboxError(str(error)) from error

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        """Change something in the store. Raises MailboxError."""
        try:
            return await self._store.write(change)
        except StoreError as error:
            raise MailboxError(str(error)) from error

    async def change(self, number: str, change: Callable[[Connection], Counts]) -> None:
        """Change what is in a mailbox, and light the lamps. Raises MailboxError."""
        self._note(number, await self.write(change))

    async def do(self, work: Callable[[], Result]) -> Result:
        """Have something done with files. Raises MailboxError."""
        try:
            return await self._blocking.run(work)
        except OSError as error:
            raise MailboxError(f"{error.filename or self.files.folder}: {error.strerror or error}") from error


class Mailbox:
    """One mailbox."""

    def __init__(self, mailboxes: Mailboxes, owner: Extension) -> None:
        self.owner = owner
        self.number = owner.number
        self._all = mailboxes

    async def settings(self) -> MailboxSettings:
        """How it is set up. Raises MailboxError."""
        return await self._all.read(partial(rows.settings, number=self.number))

    async def set_up(self, settings: MailboxSettings) -> None:
        """Set it up anew. Raises MailboxError, also for mail to nobody."""
        if settings.mailed and not settings.email:
            raise MailboxError("there is no address to send mail to")
        await self._all.write(partial(rows.set_up, number=self.number, settings=settings))

    @property
    def counts(self) -> Counts:
        """How many messages are in it."""
        messages = self._all.get(self.number)
        return Counts(messages.new, messages.old)

    @property
    def room(self) -> int:
        """How many more messages it takes."""
        counts = self.counts
        taken = counts.new + counts.heard + self._all.claims[self.number] + self._all.late(self.number)
        return max(0, self._all.config.max_messages - taken)

    # -- messages --------------------------------------------------------------------------------------

    async def messages(self) -> tuple[Message, ...]:
        """All that are in it, the oldest first. Raises MailboxError."""
        return await self._all.read(partial(rows.messages_in, mailbox=self.number))

    async def message(self, message_id: str) -> Message | None:
        """One of them; None if it is not there any more. Raises MailboxError."""
        return await self._all.read(partial(rows.message, mailbox=self.number, message_id=message_id))

    def path_of(self, message: Message) -> Path:
        """Where its sound is: a WAV file."""
        return self._all.path_of(message)

    def draft(self, caller_number: str, caller_name: str) -> Draft:
        """A place for one more message, kept free while it is said. Raises MailboxFull."""
        if not self.room:
            raise MailboxFull(f"mailbox {self.number} is full")
        return Draft(self, self._all, caller_number[:LONGEST_CALLER], caller_name[:LONGEST_NAME])

    async def mark(self, message_id: str, *, heard: bool = True) -> None:
        """Note that a message has been heard, or is to count as new again. Raises MailboxError."""
        change = partial(rows.mark, mailbox=self.number, message_id=message_id, heard=heard)
        await self._all.change(self.number, change)

    async def delete(self, *ids: str) -> int:
        """Delete messages; how many of them were still there. Raises MailboxError.

        They are gone when their rows say so; files that cannot be removed now are, at the next start.
        """
        gone: list[Message] = []

        def change(connection: Connection) -> Counts:
            found, counts = rows.mark_deleted(connection, self.number, ids)
            gone[:] = found
            return counts

        await self._all.change(self.number, change)
        try:
            await self._all.do(partial(self._all.files.remove, [self.path_of(message) for message in gone]))
            await self._all.change(self.number, partial(self._forget, [message.id for message in gone]))
        except MailboxError as error:
            logger.warning("the rest of deleted messages is removed at the next start: %s", error)
        return len(gone)

    def _forget(self, ids: list[str], connection: Connection) -> Counts:
        rows.forget(connection, ids)
        return rows.counts_of(connection, self.number)

    async def forward(self, message: Message, receiver: Mailbox, comment: Path | None = None) -> None:
        """Put a copy into another mailbox, as a new message of the original caller, behind a comment if there is one.

        Raises MailboxError, and MailboxFull where the other has no room.
        """
        parts = [self.path_of(message)] if comment is None else [comment, self.path_of(message)]
        async with receiver.draft(message.caller_number, message.caller_name) as draft:
            await draft.copy(parts, by=self.number)

    async def enter(
        self, message: Message, put_into_place: Callable[[], object], *, told: bool = False
    ) -> None:
        """Keep a message: its file is put into its place, then its row is written. Raises MailboxError.

        Where the row cannot be written, the file stays, to be entered when the database is back; unless somebody is
        going to be `told` that nothing was kept.
        """
        path = self.path_of(message)
        await self._all.do(put_into_place)
        try:
            await self.enter_row(message)
        except MailboxError as error:
            if told or self._all.find(self.number) is None:  # nobody is left to hear it
                await self._all.do(partial(self._all.files.remove, [path]))
                raise
            logger.warning("%s is entered when the database is back: %s", path, error)
            self._all.enter_later(message)

    async def enter_row(self, message: Message) -> None:
        """The second half of this, which may have been done already. Raises MailboxError."""
        await self._all.change(self.number, partial(rows.add_once, message=message))
        self._all.mail_queued()
        self._all.tell(
            VoicemailLeft(
                at=message.left_at,
                mailbox=self.number,
                message=message.id,
                caller=message.caller_number,
                caller_name=message.caller_name,
                seconds=message.seconds,
            )
        )

    # -- greeting and name -----------------------------------------------------------------------------

    async def greeting(self) -> Path | None:
        """What its owner has to say to those who are to leave a message; None for the standard words."""
        return await self._own(self._all.files.greeting(self.number))

    async def name(self) -> Path | None:
        """Its owner's name, said by the owner; None if that was never recorded."""
        return await self._own(self._all.files.name(self.number))

    async def _own(self, path: Path) -> Path | None:
        try:
            return path if await self._all.do(path.is_file) else None
        except MailboxError as error:
            logger.warning("a recording of %s is not used: %s", self.number, error)
            return None

    async def keep_greeting(self, said: Path | None) -> None:
        """Use another greeting from now on; None: the standard words. Raises MailboxError."""
        greeting = self._all.files.greeting(self.number)
        if said is None:
            await self._all.do(partial(self._all.files.remove, [greeting]))
        else:
            await self._all.do(partial(self._all.files.keep, said, greeting))

    async def keep_name(self, said: Path) -> None:
        """Use another recording of the owner's name from now on. Raises MailboxError."""
        await self._all.do(partial(self._all.files.keep, said, self._all.files.name(self.number)))

    def scratch(self) -> Scratch:
        """A place for something that is said, and perhaps not kept."""
        return Scratch(self._all)


class Scratch:
    """A file that something is recorded into; it is gone at the end of the `async with` unless it was kept."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._all = mailboxes
        self.path = mailboxes.files.scratch(mailboxes.new_id())

    async def __aenter__(self) -> Self:
        try:
            await self._all.do(self._all.files.prepare)
        except MailboxError as error:  # the recording will fail, too
            logger.error("nothing can be recorded: %s", error)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._all.do(partial(self._all.files.remove, [self.path]))
        except MailboxError as problem:
            logger.warning("a recording that is not needed stays until the next start: %s", problem)


class Draft(Scratch):
    """A message that is being left: its place in the mailbox is its own until the end of the `async with`."""

    def __init__(self, mailbox: Mailbox, mailboxes: Mailboxes, caller_number: str, caller_name: str) -> None:
        super().__init__(mailboxes)
        self._mailbox = mailbox
        now = mailboxes.environment.wall()
        self._message = Message(mailboxes.new_id(), mailbox.number, caller_number, caller_name, now, 0.0)
        self.path = mailboxes.files.said(mailbox.number, caller_number, self._message.id)
        self._claims = mailboxes.claims
        self._claims[mailbox.number] += 1

    async def __aenter__(self) -> Self:
        try:
            return await super().__aenter__()
        except BaseException:  # whoever hangs up at once does not come to the end of the `async with`
            self._claims[self._mailbox.number] -= 1
            raise

    async def keep(self, recorded: RecordingEnded | RecordingFailed | None, *, told: bool = True) -> bool:
        """Keep what was recorded into `path`; False if it is too short, or nothing was said. Raises MailboxError.

        `told`: whether whoever left it is still there to hear that it was not kept.
        """
        if not isinstance(recorded, RecordingEnded):
            problem = "the recording did not end" if recorded is None else recorded.problem
            raise MailboxError(problem)
        least = self._all.config.min_seconds
        if least and (recorded.seconds < least or recorded.peak < QUIET_PEAK):
            return False
        message = replace(self._message, seconds=recorded.seconds)
        await self._enter(message, partial(self._all.files.keep, self.path, self._all.path_of(message)), told)
        return True

    async def copy(self, parts: list[Path], *, by: str) -> None:
        """Keep a message that consists of recordings that there are, sent by an extension. Raises MailboxError."""
        target = self._all.path_of(self._message)
        seconds = await self._all.do(partial(self._all.files.copy, parts, target))
        message = replace(self._message, seconds=seconds, forwarded_by=by)
        await self._enter(message, lambda: None, told=True)

    async def _enter(self, message: Message, put_into_place: Callable[[], object], told: bool) -> None:
        entering = asyncio.ensure_future(self._mailbox.enter(message, put_into_place, told=told))
        try:
            await asyncio.shield(entering)
        except (
            asyncio.CancelledError
        ):  # who hangs up now has left the message: what has been begun is finished
            await asyncio.wait([entering])
            if not entering.cancelled() and entering.exception() is not None:
                logger.error("a message for %s was not kept: %s", message.mailbox, entering.exception())
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._claims[self._mailbox.number] -= 1
        await super().__aexit__(kind, error, trace)
