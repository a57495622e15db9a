"""What the configuration says of voicemail and of mail: `[voicemail]`, `[mail]`, and each extension's own."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, SecretStr

from pbx.config_errors import Problem
from pbx.config_values import Port, ReadableFile, Seconds, Table

if TYPE_CHECKING:
    from pbx.config import Config

MailAddress = Annotated[str, Field(pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}$")]
"""An `addr-spec` (RFC 5322 section 3.4.1) without quotes, comments, or characters beyond ASCII."""


class Voicemail(Table):
    """`[voicemail]`: what holds for all mailboxes."""

    max_seconds: Seconds = 300.0
    """How long a message may be."""
    min_seconds: Annotated[float, Field(ge=0, le=60)] = 1.0
    """A shorter one is not kept: whoever left it has hung up. 0: all are kept, however short."""
    silence_seconds: Seconds = 10.0
    """After so long without a word a message ends."""
    max_messages: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 100
    """How many one mailbox holds."""
    delete_all: Literal["heard", "all"] = "heard"
    """Which messages "delete all messages" of the options means."""
    ask_extension: bool = True
    """Whether who dials from an extension's own phone is asked for its number, too; `#` alone answers that."""


class MailOption(Enum):
    """What is mailed when a message has been left."""

    NONE = "none"
    NOTIFICATION = "notification"
    ATTACHMENT = "attachment"
    ATTACHMENT_THEN_DELETE = "attachment-then-delete"
    """The message leaves the mailbox when the mail server has taken it."""

    @property
    def attaches(self) -> bool:
        """Whether the sound goes along."""
        return self in (MailOption.ATTACHMENT, MailOption.ATTACHMENT_THEN_DELETE)


class Mailbox(Table):
    """`[extensions.voicemail]`: one mailbox."""

    enabled: bool = True
    say_caller: bool = False
    """Whether the caller's number is said before a message."""
    say_time: bool = False
    """Whether it is said when a message was left."""
    mail: MailOption = MailOption.NONE


class Mail(Table):
    """`[mail]`: the server that takes our mail (RFC 6409)."""

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:_-]{0,253}$")] = ""
    """Empty: no mail is sent."""
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is secured: from STARTTLS on (RFC 3207), from the first byte on (RFC 8314), or not at all."""
    certificate_authorities: ReadableFile | None = None
    """A PEM file with those that vouch for the server; none: those that the operating system knows."""
    user: Annotated[str, Field(max_length=200)] = ""
    """For the login (RFC 4954); empty: none."""
    password: SecretStr = SecretStr("")
    sender: Literal[""] | MailAddress = ""
    """The address that mails come from."""
    time_out_seconds: Seconds = 30.0
    """How long the server may take for each answer."""

    @property
    def domain(self) -> str:
        """That of the sender."""
        return self.sender.partition("@")[2]


def in_mail(config: Config) -> Iterator[Problem]:
    """Values of `[mail]`, and of mailboxes, that do not go together."""
    mail = config.mail
    if mail.host and not mail.sender:
        yield Problem("mail.sender", "is missing, give the address that mails come from")
    if mail.user and not mail.password.get_secret_value():
        yield Problem("mail.password", "is missing, add the one of mail.user")
    if mail.user and mail.security == "none":
        yield Problem("mail.security", 'should be "starttls" or "tls": the password would be read on the way')
    for key, number, mailbox_has_address in _mailed(config):
        if not mailbox_has_address:
            yield Problem(key, f"(extension {number}) needs an address, set email or leave it out")


def unsent_mail(config: Config) -> Iterator[Problem]:
    """Mailboxes whose mails wait for a server to be named."""
    for key, number, _ in () if config.mail.host else _mailed(config):
        yield Problem(key, f"(extension {number}) has no effect without a mail server, set mail.host")


def _mailed(config: Config) -> Iterator[tuple[str, str, bool]]:
    """Key and number of each mailbox that mails are to be sent about, and whether there is an address for them."""
    for index, extension in enumerate(config.extensions):
        if extension.voicemail.mail is not MailOption.NONE:
            yield f"extensions[{index}].voicemail.mail", extension.number, bool(extension.email)
