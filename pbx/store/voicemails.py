"""Mailboxes: how each is set up, the messages in it, and the mails about them that wait.

Whatever changes messages gives back how many there are then: lamps are to show what is in the database.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, astuple
from datetime import datetime

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    delete,
    false,
    func,
    insert,
    select,
    update,
)

from pbx.store import live
from pbx.store.extensions import extensions
from pbx.store.schema import Moment, metadata
from values import dataclass

NO_MAIL = "none"

voicemails = Table(
    "voicemails",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("mailbox", String(15), ForeignKey("extensions.number", ondelete="CASCADE"), nullable=False),
    Column("caller_number", String(64), nullable=False, server_default=""),
    Column("caller_name", String(200), nullable=False, server_default=""),
    Column("left_at", Moment, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("heard", Boolean, nullable=False, server_default=false()),
    Column("forwarded_by", String(15), nullable=False, server_default=""),
    Column("deleted", Boolean, nullable=False, server_default=false()),
    Index("ix_voicemails_mailbox", "mailbox", "left_at"),
)
"""One row a message. A deleted one stays until its file is gone: a file without a row would be one that was said and
not entered."""

mails = Table(
    "voicemail_mails",
    metadata,
    Column("voicemail", String(16), ForeignKey("voicemails.id", ondelete="CASCADE"), primary_key=True),
    Column("queued_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False, index=True),
    Column("attempts", Integer, nullable=False, server_default="0"),
)
"""Messages of which a mail is still to be sent."""


@dataclass(frozen=True, slots=True)
class MailboxSettings:
    """How a mailbox is set up."""

    email: str = ""
    enabled: bool = True
    say_caller: bool = False
    """Whether the caller's number is said before a message."""
    say_time: bool = False
    """Whether it is said when a message was left."""
    mail: str = NO_MAIL
    """A value of `pbx.voicemail_settings.MailOption`."""

    @property
    def mailed(self) -> bool:
        """Whether a mail is sent for each message."""
        return self.mail != NO_MAIL


@dataclass(frozen=True, slots=True)
class Message:
    """Something that was said for the owner of a mailbox."""

    id: str
    mailbox: str
    caller_number: str
    """Empty where it is withheld."""
    caller_name: str
    left_at: datetime
    seconds: float
    heard: bool = False
    forwarded_by: str = ""
    """The extension that had it before, if any."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages a mailbox holds."""

    new: int = 0
    heard: int = 0


@dataclass(frozen=True, slots=True)
class QueuedMail:
    """A mail that is due."""

    message: Message
    queued_at: datetime
    attempts: int


_SETTINGS = [
    extensions.c.email,
    extensions.c.voicemail_enabled,
    extensions.c.voicemail_say_caller,
    extensions.c.voicemail_say_time,
    extensions.c.voicemail_mail,
]
_MESSAGE = [column for column in voicemails.c if column.name != "deleted"]


# -- mailboxes -------------------------------------------------------------------------------------


def settings(connection: Connection, number: str) -> MailboxSettings:
    """How a mailbox is set up."""
    row = connection.execute(select(*_SETTINGS).where(extensions.c.number == number)).first()
    return MailboxSettings() if row is None else MailboxSettings(*row)


def set_up(connection: Connection, number: str, settings: MailboxSettings) -> None:
    """Set a mailbox up anew. Raises Conflict if its extension is gone."""
    values = {column.name: value for column, value in zip(_SETTINGS, astuple(settings), strict=True)}
    live.change_extension(number, values, connection)


def pin_is_default(connection: Connection, number: str) -> bool:
    """Whether the PIN of an extension is its number."""
    return connection.scalar(select(extensions.c.pin_hash).where(extensions.c.number == number)) is None


# -- messages --------------------------------------------------------------------------------------


def add(connection: Connection, message: Message) -> Counts:
    """Enter a message, and the mail about it where the owner of the mailbox wants one."""
    connection.execute(insert(voicemails).values(**asdict(message)))
    if settings(connection, message.mailbox).mailed:
        moment = message.left_at
        connection.execute(insert(mails).values(voicemail=message.id, queued_at=moment, due_at=moment))
    return counts_of(connection, message.mailbox)


def add_once(connection: Connection, message: Message) -> Counts:
    """The same, unless that was done before: of a database that went away nobody knows what it has still done."""
    if connection.scalar(select(voicemails.c.id).where(voicemails.c.id == message.id)) is not None:
        return counts_of(connection, message.mailbox)
    return add(connection, message)


def messages_in(connection: Connection, mailbox: str) -> tuple[Message, ...]:
    """The messages of a mailbox, the oldest first."""
    there = voicemails.c.mailbox == mailbox, voicemails.c.deleted == false()
    rows = connection.execute(select(*_MESSAGE).where(*there).order_by(voicemails.c.left_at, voicemails.c.id))
    return tuple(Message(*row) for row in rows)


def message(connection: Connection, mailbox: str, message_id: str) -> Message | None:
    """One message; None if it is not there (any more)."""
    row = connection.execute(select(*_MESSAGE).where(*_one(mailbox, message_id))).first()
    return None if row is None else Message(*row)


def mark(connection: Connection, mailbox: str, message_id: str, *, heard: bool) -> Counts:
    """Note that a message has been heard, or is to count as new again."""
    connection.execute(update(voicemails).where(*_one(mailbox, message_id)).values(heard=heard))
    return counts_of(connection, mailbox)


def mark_deleted(
    connection: Connection, mailbox: str, ids: Iterable[str]
) -> tuple[tuple[Message, ...], Counts]:
    """Delete messages: they are gone for everybody, and so are the mails about them. Which of them were there."""
    gone = []
    for message_id in ids:
        found = message(connection, mailbox, message_id)
        if found is not None:
            gone.append(found)
            connection.execute(update(voicemails).where(voicemails.c.id == message_id).values(deleted=True))
            connection.execute(delete(mails).where(mails.c.voicemail == message_id))
    return tuple(gone), counts_of(connection, mailbox)


def forget(connection: Connection, ids: Iterable[str]) -> None:
    """Remove rows: their files are gone."""
    for message_id in ids:
        connection.execute(delete(mails).where(mails.c.voicemail == message_id))
        connection.execute(delete(voicemails).where(voicemails.c.id == message_id))


def counts_of(connection: Connection, mailbox: str) -> Counts:
    """How many messages a mailbox holds."""
    return counts(connection, mailbox).get(mailbox, Counts())


def counts(connection: Connection, mailbox: str | None = None) -> dict[str, Counts]:
    """How many messages each mailbox holds that has any."""
    query = select(voicemails.c.mailbox, voicemails.c.heard, func.count()).where(
        voicemails.c.deleted == false()
    )
    if mailbox is not None:
        query = query.where(voicemails.c.mailbox == mailbox)
    found: dict[str, list[int]] = {}
    for number, heard, amount in connection.execute(query.group_by(voicemails.c.mailbox, voicemails.c.heard)):
        found.setdefault(number, [0, 0])[bool(heard)] = amount
    return {number: Counts(*amounts) for number, amounts in found.items()}


def older(connection: Connection, before: datetime, most: int) -> dict[str, list[str]]:
    """IDs of messages that were left before then, by mailbox; not more than `most`."""
    query = select(voicemails.c.mailbox, voicemails.c.id).where(
        voicemails.c.left_at < before, voicemails.c.deleted == false()
    )
    found: dict[str, list[str]] = {}
    for number, message_id in connection.execute(query.order_by(voicemails.c.left_at).limit(most)):
        found.setdefault(number, []).append(message_id)
    return found


def all_messages(connection: Connection) -> tuple[tuple[Message, bool], ...]:
    """Every message, and whether it is deleted: for the start."""
    return tuple(
        (Message(*row[:-1]), row[-1]) for row in connection.execute(select(*_MESSAGE, voicemails.c.deleted))
    )


def _one(mailbox: str, message_id: str) -> tuple[ColumnElement[bool], ...]:
    """What is true of one message that is there."""
    return voicemails.c.mailbox == mailbox, voicemails.c.id == message_id, voicemails.c.deleted == false()


# -- mails -----------------------------------------------------------------------------------------


def next_mail(connection: Connection) -> datetime | None:
    """When the next mail is due; None if none waits."""
    due: datetime | None = connection.scalar(select(func.min(mails.c.due_at)))
    return due


def due_mails(connection: Connection, now: datetime, most: int) -> tuple[QueuedMail, ...]:
    """Mails that are due, those that have waited longest first."""
    query = select(*_MESSAGE, mails.c.queued_at, mails.c.attempts).join(
        mails, mails.c.voicemail == voicemails.c.id
    )
    rows = connection.execute(query.where(mails.c.due_at <= now).order_by(mails.c.due_at).limit(most))
    return tuple(QueuedMail(Message(*row[:-2]), row.queued_at, row.attempts) for row in rows)


def postpone(connection: Connection, message_id: str, until: datetime) -> None:
    """A mail was tried in vain, and is to be tried again."""
    change = update(mails).where(mails.c.voicemail == message_id)
    connection.execute(change.values(due_at=until, attempts=mails.c.attempts + 1))


def drop_mail(connection: Connection, message_id: str) -> None:
    """A mail has been sent, or is given up."""
    connection.execute(delete(mails).where(mails.c.voicemail == message_id))
