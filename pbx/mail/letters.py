"""What is written to people, in French and English. Whatever callers chose themselves is hostile."""

from __future__ import annotations

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from values import dataclass

LONGEST_NAME = 80
"""Of a name, or a number, so much is shown."""


@dataclass(frozen=True, slots=True)
class Letter:
    """The mail about one message in a mailbox."""

    mailbox: str
    owner: str
    """The owner's name; empty for one without."""
    receiver: str
    """An address."""
    sender: str
    """An address."""
    caller_number: str
    caller_name: str
    left_at: datetime
    """In the time zone of the office."""
    seconds: float
    sound: bytes | None = None
    """The WAV file; None where it does not go along."""
    forwarded_by: str = ""
    """The number of who forwarded the message; empty where nobody has."""


@dataclass(frozen=True, slots=True)
class _Words:
    subject: str
    unknown: str
    greeting: str
    received: str
    length: str
    forwarded: str
    attached: str
    listen: str
    moment: str


_FRENCH = _Words(
    subject="Nouveau message vocal de {caller}",
    unknown="un correspondant inconnu",
    greeting="Bonjour {owner},",
    received="{caller} a laissé un message vocal sur votre poste {mailbox} le {moment}.",
    length="Durée : {duration}",
    forwarded="Il vous a été transféré par le poste {forwarded_by}.",
    attached="Vous le trouverez en pièce jointe.",
    listen="Pour l'écouter, appelez votre messagerie au {voicemail}.",
    moment="%d/%m/%Y à %H:%M",
)
_ENGLISH = _Words(
    subject="New voice message from {caller}",
    unknown="an unknown caller",
    greeting="Hello {owner},",
    received="{caller} left a voice message for your extension {mailbox} on {moment}.",
    length="Length: {duration}",
    forwarded="It was forwarded to you by extension {forwarded_by}.",
    attached="It is attached to this mail.",
    listen="To listen to it, call your voicemail at {voicemail}.",
    moment="%Y-%m-%d at %H:%M",
)


def write(letter: Letter, *, language: str, voicemail: str, message_id: str, now: datetime) -> EmailMessage:
    """The mail (RFC 5322). `language` is "fr" or "en", `voicemail` the number to call, `now` when it is sent."""
    words = _FRENCH if language == "fr" else _ENGLISH
    name, number = printable(letter.caller_name), printable(letter.caller_number)
    caller = f"{name} ({number})" if name and number else name or number or words.unknown
    values = {
        "caller": caller,
        "owner": printable(letter.owner),
        "mailbox": letter.mailbox,
        "moment": letter.left_at.strftime(words.moment),
        "duration": clock(letter.seconds),
        "forwarded_by": letter.forwarded_by,
        "voicemail": voicemail,
    }
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(addr_spec=letter.sender)
    mail["To"] = Address(printable(letter.owner), addr_spec=letter.receiver)
    mail["Subject"] = words.subject.format(**values)
    mail["Date"] = now
    mail["Message-ID"] = message_id
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday notice is to answer
    lines = [words.greeting if letter.owner else "", words.received, words.length]
    lines += [words.forwarded] if letter.forwarded_by else []
    lines += [words.attached if letter.sound is not None else words.listen]
    mail.set_content(
        "\n\n".join(line.format(**values) for line in lines if line) + "\n", cte="quoted-printable"
    )
    if letter.sound is not None:
        filename = f"message-{letter.left_at:%Y-%m-%d-%H%M%S}.wav"
        mail.add_attachment(letter.sound, maintype="audio", subtype="wav", filename=filename)
    return mail


def printable(text: str) -> str:
    """A name as one line that is not too long: what is no character to be seen becomes a space."""
    seen = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(seen.split())[:LONGEST_NAME].rstrip()


def clock(seconds: float) -> str:
    """Hours, minutes and seconds: `00:01:05`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"
