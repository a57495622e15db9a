"""Mails about messages: whole, readable, and safe whatever a caller calls himself."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.mail.letters import Letter, clock, printable, write

PARIS = ZoneInfo("Europe/Paris")
LETTER = Letter(
    mailbox="100",
    owner="Lee Parker",
    receiver="lee@example.org",
    sender="pbx@example.org",
    caller_number="+33612345678",
    caller_name="Hélène Durand",
    left_at=datetime(2009, 9, 18, 16, 26, 26, tzinfo=UTC).astimezone(PARIS),
    seconds=64.6,
)


def sent(letter: Letter, language: str = "en") -> EmailMessage:
    """A mail as its receiver has it."""
    now = datetime(2009, 9, 18, 16, 30, tzinfo=UTC)
    mail = write(letter, language=language, voicemail="999", message_id="<voicemail-1@example.org>", now=now)
    received = message_from_bytes(mail.as_bytes(), policy=SMTP)
    assert isinstance(received, EmailMessage)
    return received


def body(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


@pytest.mark.row("EML-02")
def test_a_notification_tells_who_when_and_how_long() -> None:
    mail = sent(LETTER)
    assert mail["Subject"] == "New voice message from Hélène Durand (+33612345678)"
    assert (mail["From"], mail["To"]) == ("pbx@example.org", "Lee Parker <lee@example.org>")
    assert mail["Message-ID"] == "<voicemail-1@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime == datetime(2009, 9, 18, 16, 30, tzinfo=UTC)
    assert body(mail).splitlines() == [
        "Hello Lee Parker,",
        "",
        "Hélène Durand (+33612345678) left a voice message for your extension 100 on 2009-09-18 at 18:26.",
        "",
        "Length: 00:01:05",
        "",
        "To listen to it, call your voicemail at 999.",
    ]
    assert list(mail.iter_attachments()) == []


def test_the_same_in_french() -> None:
    mail = sent(replace(LETTER, forwarded_by="103"), "fr")
    assert mail["Subject"] == "Nouveau message vocal de Hélène Durand (+33612345678)"
    text = body(mail)
    assert "a laissé un message vocal sur votre poste 100 le 18/09/2009 à 18:26." in text
    assert "Il vous a été transféré par le poste 103." in text
    assert "Durée : 00:01:05" in text


@pytest.mark.row("EML-01")
def test_the_sound_goes_along_as_a_file() -> None:
    sound = bytes(range(256)) * 100
    mail = sent(replace(LETTER, sound=sound))
    [attachment] = mail.iter_attachments()
    assert (attachment.get_content_type(), attachment.get_filename()) == (
        "audio/wav",
        "message-2009-09-18-182626.wav",
    )
    assert attachment.get_content() == sound
    assert "It is attached to this mail." in body(mail)


@pytest.mark.parametrize(
    ("number", "name", "caller"),
    [
        ("101", "", "101"),
        ("", "Lee", "Lee"),
        ("", "", "an unknown caller"),
        ("101", "a\r\nBcc: everybody@example.org\r\n\r\nhello", "a Bcc: everybody@example.org hello (101)"),
        ("101", "\x00\x1b[31m\u202egnp.exe\ud800", "[31m gnp.exe (101)"),
        ("101", "{owner} {0} %s", "{owner} {0} %s (101)"),
        ("101", "=?utf-8?q?evil?=", "=?utf-8?q?evil?= (101)"),
    ],
)
def test_a_caller_is_one_line_of_text(number: str, name: str, caller: str) -> None:
    mail = sent(replace(LETTER, caller_number=number, caller_name=name))
    assert mail["Bcc"] is None
    assert f"{caller} left a voice message" in body(mail)
    if not name.startswith("=?"):  # a subject is shown decoded, whoever encoded it
        assert mail["Subject"] == f"New voice message from {caller}"


@given(name=st.text(max_size=300), number=st.text(max_size=100), owner=st.text(max_size=100))
def test_nothing_that_callers_or_owners_are_called_adds_a_line(name: str, number: str, owner: str) -> None:
    letter = replace(LETTER, caller_name=name, caller_number=number, owner=owner)
    mail = write(letter, language="en", voicemail="999", message_id="<1@a>", now=LETTER.left_at)
    data = mail.as_bytes()
    data.decode("ascii")
    head, _, _ = data.partition(b"\r\n\r\n")
    names = re.findall(rb"^([^ \t:][^:]*):", head, re.M)
    assert sorted(names) == sorted(
        [
            *(b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted"),
            *(b"Content-Type", b"Content-Transfer-Encoding", b"MIME-Version"),
        ]
    )
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))
    assert [address.addr_spec for address in mail["To"].addresses] == ["lee@example.org"]


@given(st.text())
def test_what_is_printed_can_be_seen(text: str) -> None:
    seen = printable(text)
    assert seen.isprintable()
    assert len(seen) <= 80
    assert printable(seen) == seen


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "00:00:00"), (59.6, "00:01:00"), (65, "00:01:05"), (3725, "01:02:05")]
)
def test_lengths_are_shown_as_on_the_page(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
