"""Rows of mailboxes, in both kinds of database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import delete, insert

from pbx.store import voicemails
from pbx.store.database import Database
from pbx.store.errors import Conflict
from pbx.store.extensions import extensions
from pbx.store.pins import set_pin
from pbx.store.voicemails import Counts, MailboxSettings, Message
from tests.unit.pbx.store.test_database import ROW

NOON = datetime(2009, 9, 18, 12, 0, tzinfo=UTC)
FIRST = Message("00000000000000aa", "100", "107", "Adam Simpson", NOON, 1.5)
SECOND = Message("00000000000000bb", "100", "", "", NOON + timedelta(minutes=1), 2.0, forwarded_by="103")
MAILED = MailboxSettings("lee@example.org", mail="notification")
OTHERS = Message("00000000000000cc", "101", "+33612345678", "L'Étoile; DROP TABLE", NOON, 4.0)

Do = Callable[..., Any]


@pytest.fixture
def do(database: Database) -> Do:
    """Perform one function over a connection: `do(voicemails.add, FIRST)`."""

    def do(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return database.transact(lambda connection: function(connection, *arguments, **named))

    for number in ("100", "101"):
        do(lambda connection: connection.execute(insert(extensions), ROW | {"number": number}))  # noqa: B023
    return do


def test_messages_come_back_as_they_were_left_the_oldest_first(do: Do) -> None:
    assert do(voicemails.add, SECOND) == Counts(1, 0)
    assert do(voicemails.add, FIRST) == Counts(2, 0)
    assert do(voicemails.add, OTHERS) == Counts(1, 0)
    assert do(voicemails.messages_in, "100") == (FIRST, SECOND)
    assert do(voicemails.messages_in, "101") == (OTHERS,)
    assert do(voicemails.message, "101", OTHERS.id) == OTHERS
    assert do(voicemails.message, "100", OTHERS.id) is None


def test_heard_and_new_are_counted(do: Do) -> None:
    for message in (FIRST, SECOND, OTHERS):
        do(voicemails.add, message)
    assert do(voicemails.mark, "100", FIRST.id, heard=True) == Counts(1, 1)
    assert do(voicemails.mark, "101", FIRST.id, heard=True) == Counts(1, 0), "another's is not touched"
    assert do(voicemails.counts) == {"100": Counts(1, 1), "101": Counts(1, 0)}
    assert do(voicemails.messages_in, "100") == (replace(FIRST, heard=True), SECOND)
    assert do(voicemails.mark, "100", FIRST.id, heard=False) == Counts(2, 0)


def test_only_who_wants_mails_gets_them(do: Do) -> None:
    do(voicemails.set_up, "100", MAILED)
    do(voicemails.add, OTHERS)
    assert do(voicemails.next_mail) is None
    do(voicemails.add, FIRST)
    assert do(voicemails.next_mail) == NOON


def test_a_deleted_message_is_gone_though_its_row_waits_for_the_file(do: Do) -> None:
    do(voicemails.set_up, "100", MAILED)
    do(voicemails.add, FIRST)
    do(voicemails.set_up, "100", MailboxSettings())
    do(voicemails.add, SECOND)
    gone, counts = do(voicemails.mark_deleted, "100", [FIRST.id, OTHERS.id])
    assert (gone, counts) == ((FIRST,), Counts(1, 0))
    assert do(voicemails.messages_in, "100") == (SECOND,)
    assert do(voicemails.next_mail) is None, "nor is it told of"
    assert do(voicemails.mark_deleted, "100", [FIRST.id]) == ((), Counts(1, 0))
    assert set(do(voicemails.all_messages)) == {(FIRST, True), (SECOND, False)}
    do(voicemails.forget, [FIRST.id])
    assert do(voicemails.all_messages) == ((SECOND, False),)


def test_mails_come_when_they_are_due(do: Do) -> None:
    do(voicemails.set_up, "100", MAILED)
    do(voicemails.add, FIRST)
    do(voicemails.add, SECOND)
    assert do(voicemails.next_mail) == NOON
    assert do(voicemails.due_mails, NOON - timedelta(seconds=1), 9) == ()
    [due] = do(voicemails.due_mails, NOON, 9)
    assert (due.message, due.queued_at, due.attempts) == (FIRST, NOON, 0)
    do(voicemails.postpone, FIRST.id, NOON + timedelta(hours=1))
    assert do(voicemails.next_mail) == SECOND.left_at
    later = do(voicemails.due_mails, NOON + timedelta(hours=2), 9)
    assert [(mail.message.id, mail.attempts) for mail in later] == [(SECOND.id, 0), (FIRST.id, 1)]
    assert len(do(voicemails.due_mails, NOON + timedelta(hours=2), 1)) == 1
    for message in (FIRST, SECOND):
        do(voicemails.drop_mail, message.id)
    assert do(voicemails.next_mail) is None


def test_settings_replace_those_before(do: Do) -> None:
    assert do(voicemails.settings, "100") == MailboxSettings()
    first = MailboxSettings("lee@example.org", say_caller=True, mail="attachment")
    do(voicemails.set_up, "100", first)
    do(voicemails.set_up, "101", MailboxSettings(enabled=False))
    assert do(voicemails.settings, "100") == first
    assert do(voicemails.settings, "101") == MailboxSettings(enabled=False)
    do(voicemails.set_up, "100", MailboxSettings(say_time=True))
    assert do(voicemails.settings, "100") == MailboxSettings(say_time=True)
    with pytest.raises(Conflict):
        do(voicemails.set_up, "555", first)


def test_a_pin_is_the_number_until_it_is_changed(do: Do) -> None:
    assert do(voicemails.pin_is_default, "100")
    do(lambda connection: set_pin("100", "4711", connection))
    assert not do(voicemails.pin_is_default, "100")
    assert do(voicemails.pin_is_default, "101")


def test_all_of_a_mailbox_goes_with_its_extension(do: Do) -> None:
    do(voicemails.set_up, "100", MAILED)
    do(voicemails.add, FIRST)
    do(lambda connection: connection.execute(delete(extensions).where(extensions.c.number == "100")))
    assert do(voicemails.all_messages) == ()
    assert do(voicemails.next_mail) is None


def test_who_leaves_and_deletes_at_once_leaves_true_counts(do: Do) -> None:
    messages = [replace(FIRST, id=f"{index:016x}") for index in range(20)]
    for message in messages:
        do(voicemails.add, message)
    for message in messages[::2]:
        do(partial(voicemails.mark_deleted, mailbox="100", ids=[message.id]))
    assert do(voicemails.counts_of, "100") == Counts(10, 0)
